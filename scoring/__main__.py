"""The command line: ``python -m scoring --help``."""

from __future__ import annotations

import typer

from scoring.cli import (
    data,
    data_versions,
    lineage,
    local,
    models,
    monitoring,
    person,
    reports,
    retraining,
    service,
    store,
)

app = typer.Typer(
    name="scoring",
    help="Credit scoring on the Home Credit tables, from files to a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_PANELS = (
    data, models, reports, local, store, service, lineage, monitoring, person, retraining,
    data_versions,
)  # fmt: skip
for panel in _PANELS:
    panel.register(app)

if __name__ == "__main__":
    app(prog_name="python -m scoring")
