"""Command for the power of alerts: power."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from scoring.cli.console import messages, stages
from scoring.cli.options import CHAMPION, REPORTS, ModelOption


def power(
    model: ModelOption = CHAMPION,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET",
            help="Applicants with outcomes whom the model has not seen; new sample applicants by "
            "default.",
        ),
    ] = None,
    sizes: Annotated[
        str, typer.Option(help="Applicants in a window, with commas between.")
    ] = "200,500,1000,2000,5000",
    windows: Annotated[int, typer.Option(min=1, help="Simulated of each change and size.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal figures.")] = 1,
    thresholds: Annotated[
        Path | None, typer.Option(help="A TOML file of thresholds; ALERT_AT_... go before it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of power.html, .png and .json.")] = REPORTS,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many work at it.")] = 2,
) -> None:
    """Measure how soon alerts see a change, and how often they see one that is not there."""
    from scoring.data.dataset import Dataset
    from scoring.monitoring.thresholds import Thresholds
    from scoring.serving.scorer import Scorer
    from studies.power.report import invented, sentences, study, write

    with messages() as console, TemporaryDirectory() as folder:
        numbers, limits = _numbers(sizes), Thresholds.from_settings(file=thresholds)
        scorer = Scorer.load(model)
        dataset = Dataset.open(data) if data else invented(Path(folder) / "tables", seed)
        with stages(console) as report:
            result = study(
                scorer, dataset, limits, numbers, windows, seed, processes,
                lambda done, total: report("changes", done, total),
            )  # fmt: skip
        write(result, out)
    for sentence in sentences(result):
        typer.echo(sentence)
    typer.echo(f"{out / 'power.html'}, .png, .json")


def _numbers(text: str) -> list[int]:
    from scoring.errors import ScoringError

    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() and int(word) for word in words):
        raise ScoringError(f"--sizes takes whole numbers above zero, 500,2000 say, not {text!r}")
    return [int(word) for word in words]
