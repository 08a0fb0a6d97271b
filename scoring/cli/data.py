"""From raw files to features: ingest, sample, features, examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import messages, stages
from scoring.cli.options import DatasetArgument, DatasetOut

if TYPE_CHECKING:
    from scoring.data.dataset import Dataset


def ingest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="A folder of Kaggle's files (.csv, .csv.gz, .csv.zip or .parquet), Kaggle's one "
            "big zip, or the word kaggle to download the competition.",
        ),
    ],
    out: DatasetOut,
) -> None:
    """Check the Kaggle tables and write them as typed Parquet.

    Bad input stops with table, column, row and what to do, and writes nothing.

    A history table may be missing, its features are then null; so may application_test.
    """
    from scoring.data.dataset import FILES
    from scoring.data.dataset import ingest as ingest_files
    from scoring.data.sources import download_competition

    names = list(FILES)
    with messages() as console:
        folder = download_competition() if source == "kaggle" else Path(source)
        with stages(console) as report:

            def read(name: str, rows: int | None) -> None:
                report(name, names.index(name) + (rows is not None), len(names))

            dataset = ingest_files(folder, out, progress=read)
    _show_rows(dataset, out)


def sample(
    applicants: Annotated[int, typer.Option(help="How many have a known TARGET.")],
    out: DatasetOut,
    test_applicants: Annotated[
        int | None, typer.Option(help="How many have none; a quarter of the others by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal rows.")] = 0,
) -> None:
    """Invent applicants with all their histories, from statistics of the real ones.

    The first applicants of a larger sample are those of a smaller one with the same seed.
    """
    from scoring.data.synthetic import write_sample

    tests = applicants // 4 if test_applicants is None else test_applicants
    with messages() as console, stages(console) as report:
        dataset = write_sample(
            out,
            applicants,
            test_applicants=tests,
            seed=seed,
            progress=lambda done: report("applicants", done, applicants + tests),
        )
    _show_rows(dataset, out)


def features(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
) -> None:
    """Compute every feature of every applicant, training and test, into one Parquet file.

    TARGET is not a feature: join it by SK_ID_CURR.
    """
    from scoring.data.dataset import Dataset
    from scoring.serving.batch import write_features

    with messages() as console, console.status("computing features"):
        rows, columns = write_features(Dataset.open(dataset), out)
    typer.echo(f"{rows:,} applicants, {columns - 1} features in {out}")


def examples(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The folder of JSON files to write.")],
    number: Annotated[int, typer.Option(min=1, help="How many applicants.")] = 12,
) -> None:
    """Write request bodies for POST /predict, from an empty history to the longest."""
    from scoring.data.dataset import Dataset
    from scoring.serving.batch import write_examples

    with messages():
        paths = write_examples(Dataset.open(dataset), out, number)
    typer.echo(f"{len(paths)} requests in {out}")


def _show_rows(dataset: Dataset, out: Path) -> None:
    from scoring.data.dataset import FILES

    for name in FILES:
        typer.echo(f"{name:<22} {dataset.rows(name):>12,} rows")
    typer.echo(f"dataset {dataset.digest[:12]} in {out}")
