"""`python -m presentation`: the slides of the talk and the course's deliverables."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from presentation.content import FOLDER, French, read, read_slides
from presentation.deck import Deck
from presentation.deliverables import Naming, pack
from presentation.evidence import Evidence, gathered
from presentation.figures import Figures
from presentation.names import names_of
from scoring.cli.console import messages
from scoring.files import staged_file
from scoring.formats import written
from scoring.reports.overview import refresh

ROOT = Path(__file__).resolve().parents[1]
PICTURE = Path("reports/screenshots/decision_fr_1280.png")
SLIDES = Path("reports/presentation.pptx")


def build(figures: Figures, evidence: Evidence, picture: Path, author: str, on: str) -> Deck:
    """Make the slides of a talk of twenty minutes; the first says who speaks, and when.

    Raises
    ------
    MissingFigureError
        If the picture of the page is missing.
    ContentError
        If a slide asks for something that there is not.
    """
    speaker = ", ".join(filter(None, (author, on)))
    french = French(names_of(figures, evidence, picture, speaker), read(FOLDER / "words.toml"))
    deck = Deck("Prêt à dépenser : scoring de crédit", author)
    for fields in read_slides():
        deck.add(fields, french)
    return deck


app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The talk, and what the course asks for."
)


@app.command()
def slides(
    out: Annotated[Path, typer.Option(help="The file to write.")] = SLIDES,
    author: Annotated[str, typer.Option(help="Who speaks.")] = "",
) -> None:
    """Write the slides of a talk of twenty minutes, in French, from the last run's figures."""
    with messages(), tempfile.TemporaryDirectory() as folder:
        figures = Figures.of(ROOT)
        evidence = gathered(ROOT, Path(folder))
        on = written(date.today(), "d MMMM y", "fr")
        deck = build(figures, evidence, ROOT / PICTURE, author, on)
        with staged_file(out) as staged:
            deck.save(staged)
        refresh(out.parent)
    typer.echo(f"{len(deck)} slides for {deck.seconds // 60} minutes in {out}")


@app.command()
def deliverables(
    name: Annotated[str, typer.Option(help="Family name.")],
    first: Annotated[str, typer.Option(help="First name.")],
    date: Annotated[str, typer.Option(help="Month and year, mmaaaa.")],
    api: Annotated[str, typer.Option(help="Address of the deployed API.")] = "",
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("build/deliverables"),
) -> None:
    """Pack the six deliverables of the course, named by its rule."""
    with messages():
        files = pack(ROOT, out, Naming(name, first, date), api or None)
    for file in files:
        typer.echo(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    app()
