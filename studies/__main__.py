"""The studies: ``python -m studies --help``."""

from __future__ import annotations

import typer

from studies.power.command import power
from studies.reasons.command import reasons
from studies.simulation.command import simulate

app = typer.Typer(
    name="studies",
    help="What the project knows about itself: simulations, power of alerts, worth of reasons.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for study in (simulate, power, reasons):
    app.command()(study)

if __name__ == "__main__":
    app(prog_name="python -m studies")
