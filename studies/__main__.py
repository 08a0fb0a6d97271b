"""The studies: ``python -m studies --help``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from scoring.cli.console import messages, show, stages
from scoring.cli.options import CHAMPION, REPORTS, ModelOption, writable
from scoring.errors import ScoringError

_ALL = "all"
_SeedOption = Annotated[int, typer.Option(min=0, help="Equal seeds give equal figures.")]
_ProcessesOption = Annotated[int, typer.Option(min=1, max=64, help="How many work at it.")]
_OutOption = Annotated[
    Path, typer.Option(help="The folder of the page and its JSON.", callback=writable)
]

app = typer.Typer(
    name="studies",
    help="What the project knows about itself: simulations, power of alerts, worth of reasons.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.command()
def simulate(
    months: Annotated[int, typer.Option(min=1, max=240, help="How long.")] = 24,
    scenario: Annotated[
        list[str],
        typer.Option(help="none, sudden, gradual, seasonal, recession or all; may be repeated."),
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
    model: ModelOption = CHAMPION,
    out: _OutOption = REPORTS,
    seed: _SeedOption = 0,
    attended: Annotated[
        bool,
        typer.Option(
            "--attended/--unattended", help="Whether a person promotes what waits for one."
        ),
    ] = True,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="Worlds: intervals are over them.")
    ] = 3,
    processes: _ProcessesOption = 2,
    runs: Annotated[
        int, typer.Option(min=0, help="Of the proof of exploration; 0 leaves it out.")
    ] = 500,
) -> None:
    """Simulate months of applicants who change, and compare what is done about the model.

    Five policies meet the same applicants: never retrain, every k months, on alert,
    champion/challenger, bandit. The applicants are real or sample ones, drawn again and again,
    their outcomes are drawn too. The API's core decides on each of them; alerts, retraining and
    gates are those of `monitor` and `retrain`. All models are made as the one that is given was.

    Then exploration is proved on a fast path: in many runs of 24 months, whether what is estimated
    from explored outcomes is right, what they cost, and what better retraining gives back.
    """
    from scoring.reports.words import Words
    from studies.simulation.report import NAME, conclusions, rows_of, study
    from studies.simulation.run import SimulationSettings

    with messages() as console, stages(console) as progress:
        settings = SimulationSettings(
            _named(scenario), months, applicants, delay, every,
            attended=attended, seed=seed, seeds=seeds,
        )  # fmt: skip
        summary, words = study(data, model, settings, out, processes, progress), Words(NAME)
    show(("Scenario", *words.lines("table.header")), rows_of(summary, words))
    for name, told in conclusions(summary, words).items():
        typer.echo(f"{name}: {told}")
    typer.echo(f"{out / 'simulation.html'}, .json")
    if runs:
        _prove(data, model, runs, seed, processes)


@app.command()
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
    seed: _SeedOption = 1,
    thresholds: Annotated[
        Path | None, typer.Option(help="A TOML file of thresholds; ALERT_AT_... go before it.")
    ] = None,
    out: _OutOption = REPORTS,
    processes: _ProcessesOption = 2,
) -> None:
    """Measure how soon alerts see a change, and how often they see one that is not there."""
    from scoring.data.dataset import Dataset
    from scoring.data.synthetic import write_sample
    from scoring.monitoring.thresholds import Thresholds
    from scoring.serving.scorer import Scorer
    from studies.power.report import sentences, study, write

    with messages() as console, stages(console) as progress, TemporaryDirectory() as folder:
        numbers, limits = _numbers(sizes), Thresholds.from_settings(file=thresholds)
        dataset = (
            Dataset.open(data)
            if data
            else write_sample(Path(folder) / "tables", 20_000, test_applicants=0, seed=seed)
        )
        scorer = Scorer.load(model)
        result = study(scorer, dataset, limits, numbers, windows, seed, processes, progress)
        write(result, out)
    _conclude(sentences(result), out / "power.html")


@app.command()
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


def _prove(data: Path, model: Path, runs: int, seed: int, processes: int) -> None:
    """Print whether estimates by exploration hold, and what it costs and gives back."""
    from studies.simulation.exploration import World
    from studies.simulation.proof import ProofSettings, prove, sentences, tables

    with messages() as console, stages(console) as progress:
        progress("the world of exploration", 0, None)
        world = World.open(data, model, seed)
        proof = prove(world, ProofSettings(runs, seed=seed), processes, progress)
    for header, rows in tables(proof):
        show(header, rows)
    for sentence in sentences(proof):
        typer.echo(sentence)


def _conclude(sentences: list[str], page: Path) -> None:
    for sentence in sentences:
        typer.echo(sentence)
    typer.echo(f"{page}, .png, .json")


def _named(wanted: list[str]) -> tuple[str, ...]:
    from studies.simulation.scenarios import SCENARIOS

    if _ALL in wanted:
        return tuple(SCENARIOS)
    for name in wanted:
        if name not in SCENARIOS:
            known = ", ".join(SCENARIOS)
            raise ScoringError(f"--scenario takes {known} or {_ALL}, not {name!r}")
    return tuple(dict.fromkeys(wanted))


def _numbers(text: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() and int(word) for word in words):
        raise ScoringError(f"--sizes takes whole numbers above zero, 500,2000 say, not {text!r}")
    return [int(word) for word in words]


if __name__ == "__main__":
    app(prog_name="python -m studies")
