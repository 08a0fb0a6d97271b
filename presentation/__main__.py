"""`python -m presentation`: the slides of the talk and the course's deliverables."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from presentation import modelling, problem, service, watching
from presentation.deck import Deck
from presentation.deliverables import Naming, pack
from presentation.evidence import Evidence, gathered
from presentation.figures import Figures, MissingFigureError
from scoring.cli.console import messages
from scoring.files import staged_file

ROOT = Path(__file__).resolve().parents[1]
PICTURE = Path("reports/screenshots/decision_fr_1280.png")
SLIDES = Path("reports/presentation.pptx")
MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip


def build(figures: Figures, evidence: Evidence, picture: Path, author: str, on: str) -> Deck:
    """The slides of a talk of twenty minutes.

    Parameters
    ----------
    figures : Figures
        What the run found.
    evidence : Evidence
        What commands and servers showed.
    picture : Path
        Of the page with a decision.
    author, on : str
        Who speaks, and when, as the first slide says it.

    Raises
    ------
    MissingFigureError
        If the picture is missing.
    """
    if not picture.is_file():
        raise MissingFigureError(f"{picture} is not there: make screenshots makes it")
    deck = Deck("Prêt à dépenser : scoring de crédit", author)
    problem.cover(deck, figures, author, on)
    problem.need(deck, figures)
    problem.data(deck, figures)
    problem.line(deck)
    problem.features(deck, figures)
    problem.honesty(deck, figures)
    problem.score(deck, figures)
    modelling.families(deck, figures)
    modelling.overfitting(deck, figures)
    modelling.imbalance(deck, figures)
    modelling.search(deck, figures)
    modelling.calibration(deck, figures)
    modelling.cutoff(deck, figures)
    modelling.final(deck, figures)
    modelling.tracking(deck, figures, evidence)
    modelling.overall(deck, figures)
    modelling.single(deck, evidence)
    modelling.fairness(deck, figures)
    service.versions(deck, evidence)
    service.tests(deck, evidence)
    service.pipeline(deck)
    service.deployed(deck, evidence)
    service.answer(deck, evidence)
    service.page(deck, picture)
    watching.drift(deck, figures)
    watching.verdict(deck, figures)
    watching.strategy(deck)
    watching.limits(deck, figures)
    watching.conclusion(deck, figures)
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
    today = date.today()
    with messages(), tempfile.TemporaryDirectory() as folder:
        figures = Figures.of(ROOT)
        evidence = gathered(ROOT, Path(folder))
        on = f"{today.day} {MONTHS[today.month - 1]} {today.year}"
        deck = build(figures, evidence, ROOT / PICTURE, author, on)
        with staged_file(out) as staged:
            deck.save(staged)
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
