"""The command line: ``python -m scoring --help``."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="scoring",
    help="Credit scoring on the Home Credit tables, from files to a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


if __name__ == "__main__":
    app(prog_name="python -m scoring")
