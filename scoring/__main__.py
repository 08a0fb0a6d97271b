"""The command line: ``python -m scoring --help``."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="scoring",
    help="Credit scoring on the Home Credit tables, from files to a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Keep commands named: Typer drops the name of an app's only command."""


def _show_log(console: Console) -> None:
    """Show what the library logs as plain lines on a console that progress bars share."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = f"{record.levelname.lower()}: {record.getMessage()}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    logging.getLogger("scoring").handlers = [Handler()]
    logging.getLogger("scoring").setLevel(logging.INFO)


@contextmanager
def _console() -> Iterator[Console]:
    """A console for messages; what a user can mend is told in a line and ends with status 1."""
    from rich.console import Console

    from scoring.errors import ScoringError

    console = Console(stderr=True)
    _show_log(console)
    try:
        yield console
    except ScoringError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


DatasetArgument = Annotated[
    Path, typer.Argument(metavar="DATASET", help="A folder that ingest or sample wrote.")
]
ModelOption = Annotated[Path, typer.Option(help="A model's directory, as the registry exports it.")]
_CHAMPION = Path("mlruns/champion")


@app.command()
def ingest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="A folder of Kaggle's files (.csv, .csv.gz, .csv.zip or .parquet), Kaggle's one "
            "big zip, or the word kaggle to download the competition.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a dataset.")],
) -> None:
    """Check the Kaggle tables and write them as typed Parquet.

    Bad input stops with table, column, row and what to do, and writes nothing.

    A history table may be missing, its features are then null; so may application_test.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from scoring.dataset import FILES
    from scoring.dataset import ingest as ingest_files
    from scoring.sources import download_competition

    columns = (TextColumn("{task.description:<30}"), BarColumn(), MofNCompleteColumn())
    with _console() as console:
        folder = download_competition() if source == "kaggle" else Path(source)
        with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
            task = bar.add_task("looking for files", total=len(FILES))

            def report(name: str, rows: int | None) -> None:
                position = list(FILES).index(name)
                done = position if rows is None else position + 1
                bar.update(task, description=name, completed=done)

            dataset = ingest_files(folder, out, progress=report)
            bar.update(task, description="done", completed=len(FILES))
    for name in FILES:
        typer.echo(f"{name:<22} {dataset.rows(name):>12,} rows")
    typer.echo(f"dataset {dataset.digest[:12]} in {out}")


@app.command()
def sample(
    applicants: Annotated[int, typer.Option(help="How many have a known TARGET.")],
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a dataset.")],
    test_applicants: Annotated[
        int | None, typer.Option(help="How many have none; a quarter of the others by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal rows.")] = 0,
) -> None:
    """Invent applicants with all their histories, from statistics of the real ones.

    The first applicants of a larger sample are those of a smaller one with the same seed.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from scoring.dataset import FILES
    from scoring.synthetic import write_sample

    tests = applicants // 4 if test_applicants is None else test_applicants
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _console() as console, Progress("applicants", *columns, console=console) as bar:
        task = bar.add_task("applicants", total=applicants + tests)
        dataset = write_sample(
            out,
            applicants,
            test_applicants=tests,
            seed=seed,
            progress=lambda done: bar.update(task, completed=done),
        )
    for name in FILES:
        typer.echo(f"{name:<22} {dataset.rows(name):>12,} rows")
    typer.echo(f"dataset {dataset.digest[:12]} in {out}")


@app.command()
def features(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
) -> None:
    """Compute every feature of every applicant, training and test, into one Parquet file.

    TARGET is not a feature: join it by SK_ID_CURR.
    """
    from scoring.batch import write_features
    from scoring.dataset import Dataset

    with _console() as console, console.status("computing features"):
        rows, columns = write_features(Dataset.open(dataset), out)
    typer.echo(f"{rows:,} applicants, {columns - 1} features in {out}")


@app.command()
def predict(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    model: ModelOption = _CHAMPION,
) -> None:
    """Score every applicant of a dataset: probability of default and decision."""
    from scoring.batch import score, write_parquet
    from scoring.dataset import Dataset
    from scoring.scorer import Scorer

    with _console() as console, console.status("scoring"):
        scorer = Scorer.load(model)
        scored = score(Dataset.open(dataset), scorer)
        write_parquet(scored, out)
    refused = scored.filter(decision="refuse").height / scored.height
    typer.echo(
        f"{scored.height:,} applicants scored by {scorer.name} version {scorer.version} in {out}: "
        f"{refused:.1%} refused at the cut-off {scorer.cutoff:.4f}"
    )


@app.command()
def examples(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The folder of JSON files to write.")],
    number: Annotated[int, typer.Option(min=1, help="How many applicants.")] = 12,
) -> None:
    """Write request bodies for POST /predict, from an empty history to the longest."""
    from scoring.batch import write_examples
    from scoring.dataset import Dataset

    with _console():
        paths = write_examples(Dataset.open(dataset), out, number)
    typer.echo(f"{len(paths)} requests in {out}")


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The directory to write.")] = _CHAMPION,
    alias: Annotated[str, typer.Option(help="Which version, by its alias.")] = "champion",
    mlruns: Annotated[Path, typer.Option(help="The folder of MLflow's store.")] = Path("mlruns"),
) -> None:
    """Copy a registered model out of MLflow as the directory that the API serves."""
    from scoring.registry import Store

    with _console() as console, console.status("exporting"):
        scorer = Store(mlruns).export(out, alias)
    typer.echo(f"{scorer.name} version {scorer.version} ({alias}) in {out}")


@app.command()
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
    from scoring.notebooks import execute, keep

    with _console():
        if wrong := [text for text in parameter if "=" not in text]:
            raise ScoringError(f"--parameter takes NAME=VALUE, not {wrong[0]!r}")
        pairs = (text.split("=", 1) for text in parameter)
        execute(source, out, {name: _value(text) for name, text in pairs})
        if in_place:
            keep(out, source)


def _value(text: str) -> object:
    """A number, true, false or null where the text is one, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@app.command()
def serve(
    port: Annotated[int, typer.Option(envvar="PORT", help="The API's port.")] = 8000,
    dashboard_port: Annotated[
        int, typer.Option(envvar="DASHBOARD_PORT", help="The Streamlit page's port.")
    ] = 8501,
    model: ModelOption = _CHAMPION,
    requests: Annotated[
        Path, typer.Option(help="The folder of request bodies that the page offers.")
    ] = Path("data/examples"),
) -> None:
    """Start the API and the Streamlit page; Ctrl-C or SIGTERM stops both."""
    from scoring.serve import run, servers

    def tell() -> None:
        url = f"http://127.0.0.1:{port}"
        example = next(iter(sorted(requests.glob("*.json"))), requests / "APPLICANT.json")
        typer.echo(f"\n  API    {url}   (documentation: {url}/docs)")
        typer.echo(f"  page   http://127.0.0.1:{dashboard_port}\n")
        typer.echo(
            f"  curl -X POST {url}/predict -H 'Content-Type: application/json' "
            f"-d @{example}\n\n  Ctrl-C stops both.\n"
        )

    with _console():
        run(servers(port, dashboard_port, model, requests), tell)


if __name__ == "__main__":
    app(prog_name="python -m scoring")
