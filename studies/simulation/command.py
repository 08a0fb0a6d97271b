"""Command for simulations: simulate."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from scoring.cli.console import messages, show, stages
from scoring.cli.options import CHAMPION, REPORTS

_ALL = "all"


def simulate(
    months: Annotated[int, typer.Option(min=1, max=240, help="How long.")] = 24,
    scenario: Annotated[
        list[str],
        typer.Option(
            "--scenario",
            help="none, sudden, gradual, seasonal, recession or all; may be repeated.",
        ),
    ] = ["sudden"],  # noqa: B006 - typer's way to a default
    applicants: Annotated[
        int, typer.Option(min=50, max=100_000, help="How many apply each month.")
    ] = 500,
    delay: Annotated[
        int, typer.Option(min=1, max=60, help="Whole months until an outcome is known.")
    ] = 3,
    every: Annotated[
        int, typer.Option(min=1, max=60, help="Months between models where time decides.")
    ] = 3,
    data: Annotated[
        Path, typer.Option(metavar="DATASET", help="A folder that ingest or sample wrote.")
    ] = Path("data/tables"),
    model: Annotated[
        Path, typer.Option(help="A model's directory: all models are made and judged as it was.")
    ] = CHAMPION,
    out: Annotated[
        Path, typer.Option(help="The folder for simulation.html, .png, .json.")
    ] = REPORTS,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal costs.")] = 0,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Policies simulated at a time.")
    ] = 2,
) -> None:
    """Simulate months of applicants who change, and compare what is done about the model.

    Five policies meet the same applicants: never retrain, every k months, on alert,
    champion/challenger, bandit. The applicants are real or sample ones, drawn again and again,
    their outcomes are drawn too, and the API's core decides on each of them.
    """
    from scoring.data.dataset import Dataset
    from scoring.serving.scorer import Scorer
    from studies.simulation.report import HEADER, conclusions, rows_of, write
    from studies.simulation.run import SimulationSettings, simulate, world_of

    with messages() as console:
        settings = SimulationSettings(_named(scenario), months, applicants, delay, every, seed=seed)
        dataset = Dataset.open(data)
        with stages(console) as report, TemporaryDirectory() as folder:
            report("the world", 0, None)
            world = world_of(dataset, Scorer.load(model), settings, Path(folder) / "model")
            courses = simulate(world, settings, processes, report)
        about = f"Models made as {model}, on dataset {dataset.digest[:12]}."
        summary = write(out, courses, settings, about)
    show(HEADER, rows_of(summary))
    for sentence in conclusions(summary):
        typer.echo(sentence)
    typer.echo(f"{out / 'simulation.html'}, .png, .json")


def _named(wanted: list[str]) -> tuple[str, ...]:
    from studies.simulation.arrivals import SimulationError
    from studies.simulation.scenarios import SCENARIOS

    if _ALL in wanted:
        return tuple(SCENARIOS)
    for name in wanted:
        if name not in SCENARIOS:
            known = ", ".join(SCENARIOS)
            raise SimulationError(f"--scenario takes {known} or {_ALL}, not {name!r}")
    return tuple(dict.fromkeys(wanted))
