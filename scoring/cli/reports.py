"""Commands for reports: notebook, overview."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from scoring.cli.console import messages
from scoring.cli.options import REPORTS, writable


def notebook(
    source: Annotated[Path, typer.Argument(metavar="NOTEBOOK", help="The .ipynb file to run.")],
    out: Annotated[Path, typer.Option(help="The executed copy to write.")],
    parameter: Annotated[
        list[str], typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="May be repeated.")
    ] = [],  # noqa: B006 - typer's way to an empty list
    in_place: Annotated[
        bool, typer.Option("--keep", help="Also keep the outputs in NOTEBOOK, for reviewers.")
    ] = False,
) -> None:
    """Run a notebook from top to bottom and write it with its outputs."""
    from scoring.errors import ScoringError
    from scoring.reports.notebooks import execute, keep
    from scoring.reports.overview import refresh

    with messages():
        if wrong := [text for text in parameter if "=" not in text]:
            raise ScoringError(f"--parameter takes NAME=VALUE, not {wrong[0]!r}")
        pairs = (text.split("=", 1) for text in parameter)
        execute(source, out, {name: _value(text) for name, text in pairs})
        if in_place:
            keep(out, source)
        if out.parent.name == "notebooks":
            refresh(out.parent.parent)


def overview(
    reports: Annotated[
        Path, typer.Option(help="The folder of reports.", callback=writable)
    ] = REPORTS,
) -> None:
    """Write index.html, which leads to every report there is, and notebooks as HTML beside it."""
    from scoring.reports.overview import write

    with messages():
        typer.echo(f"written: {write(reports)}")


def _value(text: str) -> object:
    """A number, true, false or null where the text is one, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
