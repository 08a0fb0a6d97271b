"""The command line: ``python -m scoring --help``."""

from __future__ import annotations

import typer

from scoring.cli import data, models, reports, retraining, service, store

app = typer.Typer(
    name="scoring",
    help="Credit scoring on the Home Credit tables, from files to a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
_ROOMS = {
    "Data": (data.ingest, data.sample, data.features, data.examples),
    "Models": (
        models.train, models.validate, models.recut, models.promote, models.rollback,
        models.models, models.lineage, models.export, models.predict, retraining.retrain,
    ),
    "Service": (service.serve, service.bundle, service.materialize, service.replay),
    "Reports": (service.monitor, models.card, reports.notebook, reports.overview),
    "Store": (store.migrate, store.purge, store.person),
}  # fmt: skip
for room, commands in _ROOMS.items():
    for command in commands:
        app.command(rich_help_panel=room)(command)
app.add_typer(data.data, name="data", rich_help_panel="Data")
app.add_typer(store.keys, name="keys", rich_help_panel="Store")

if __name__ == "__main__":
    app(prog_name="python -m scoring")
