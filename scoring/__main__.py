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
)
_COMMANDS = (
    data.ingest, data.sample, data.features, data.examples,
    models.train, models.validate, models.recut, models.promote, models.rollback,
    models.models, models.card, models.export, models.predict,
    reports.notebook, reports.overview, service.serve, service.bundle, store.migrate, store.purge,
    service.materialize, service.replay, models.lineage, service.monitor, store.person,
    retraining.retrain,
)  # fmt: skip
for command in _COMMANDS:
    app.command()(command)
app.add_typer(store.keys, name="keys")
app.add_typer(data.data, name="data")

if __name__ == "__main__":
    app(prog_name="python -m scoring")
