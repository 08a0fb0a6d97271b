"""Command for the measures of reasons: reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scoring.cli.console import messages
from scoring.cli.options import CHAMPION, ModelOption


def reasons(
    data: Annotated[
        Path, typer.Option(metavar="DATASET", help="The dataset that the model learnt from.")
    ] = Path("data/tables"),
    model: ModelOption = CHAMPION,
    changed: Annotated[
        int, typer.Option(min=1, help="Refused applicants of whom values are changed.")
    ] = 500,
) -> None:
    """Measure what the reasons of refused applicants are worth whom the model has not seen."""
    from scoring.data.dataset import Dataset
    from scoring.serving.scorer import Scorer
    from studies.reasons.measures import measures, unseen_rows

    with messages() as console, console.status("telling reasons"):
        scorer = Scorer.load(model)
        found = measures(scorer, unseen_rows(Dataset.open(data)), changed)
    for measure in found:
        typer.echo(measure.sentence)
    if any(measure.share < measure.asked for measure in found):
        raise typer.Exit(1)
