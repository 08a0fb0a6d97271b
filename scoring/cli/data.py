"""From raw files to features, and data kept: ingest, sample, features, examples, data ..."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import applicants_shown, messages, show, stages, workers_shown
from scoring.cli.options import (
    MLRUNS,
    BucketsOption,
    ClusterOption,
    DatasetArgument,
    DatasetOut,
    MlrunsOption,
    WorkersOption,
)

if TYPE_CHECKING:
    from scoring.data.dataset import Dataset
    from scoring.data.versions import DataVersion, DataVersions

data = typer.Typer(help="The datasets that models learnt from, kept.", no_args_is_help=True)

VersionArgument = Annotated[
    str,
    typer.Argument(
        metavar="VERSION", help="A model's version, champion, challenger, or a dataset's digest."
    ),
]
# A digest may happen to have digits alone, but it is longer.
_LONGEST_VERSION = 5


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
    buckets: BucketsOption = None,
) -> None:
    """Check the Kaggle tables and write them as typed Parquet.

    Bad input stops with table, column, row and what to do, and writes nothing.

    A history table may be missing, its features are then null; so may application_test.
    """
    from scoring.data.dataset import FILES
    from scoring.data.ingest import ingest as ingest_files
    from scoring.data.sources import download_competition

    names = list(FILES)
    with messages() as console:
        folder = download_competition() if source == "kaggle" else Path(source)
        with stages(console) as report:

            def read(name: str, rows: int | None) -> None:
                report(name, names.index(name) + (rows is not None), len(names))

            dataset = ingest_files(folder, out, buckets=buckets, progress=read)
    _show_rows(dataset, out)


def sample(
    applicants: Annotated[int, typer.Option(help="How many have a known TARGET.")],
    out: DatasetOut,
    test_applicants: Annotated[
        int | None, typer.Option(help="How many have none; a quarter of the others by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal rows.")] = 0,
    buckets: BucketsOption = None,
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
            buckets=buckets,
            progress=lambda done: report("applicants", done, applicants + tests),
        )
    _show_rows(dataset, out)


def features(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Compute every feature of every applicant, training and test, into one Parquet file.

    TARGET is not a feature: join it by SK_ID_CURR. A run that was cut off goes on where it was.
    """
    from scoring.serving.parts import Job, write

    with (
        messages() as console,
        workers_shown(workers, cluster) as client,
        applicants_shown(console) as move,
    ):
        rows, columns = write(Job(dataset.resolve()), out, client, move)
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
    in_buckets = f", {dataset.buckets} files a table" if dataset.buckets > 1 else ""
    typer.echo(f"dataset {dataset.digest[:12]} in {out}{in_buckets}")


@data.command("list")
def list_versions(mlruns: MlrunsOption = MLRUNS) -> None:
    """List the datasets that are kept, and what they were made from."""
    with messages():
        rows = [_row(version) for version in _kept(mlruns).known()]
    show(("digest", "kept", "source", "applicants", "added", "to"), rows)


@data.command()
def check(version: VersionArgument, mlruns: MlrunsOption = MLRUNS) -> None:
    """Read every file of a kept dataset anew; status 1 if one is not what it was."""
    with messages():
        kept = _kept(mlruns).check(_digest(mlruns, version))
    erased = f", but for {kept.erased:,} applicants who were erased" if kept.erased else ""
    typer.echo(f"dataset {kept.digest[:12]}: {len(kept.manifest['files'])} files as kept{erased}")


@data.command()
def restore(version: VersionArgument, out: DatasetOut, mlruns: MlrunsOption = MLRUNS) -> None:
    """Write the dataset that a model learnt from as a folder again."""
    with messages():
        restored = _kept(mlruns).restore(_digest(mlruns, version), out)
    typer.echo(f"dataset {restored.digest[:12]} in {out}")


def _kept(mlruns: Path) -> DataVersions:
    from scoring.data.versions import DataVersions

    return DataVersions.beside(mlruns)


def _digest(mlruns: Path, version: str) -> str:
    """The dataset that a word stands for; what is no version of a model is taken for a digest."""
    from scoring.registry.mlflow_registry import CHALLENGER, CHAMPION, Registry

    if version in (CHAMPION, CHALLENGER):
        version = Registry(mlruns).version_of(version)
    if not version.isdigit() or len(version) > _LONGEST_VERSION:
        return version
    return Registry(mlruns).tags(version)["dataset"]


def _row(version: DataVersion) -> tuple[str, ...]:
    files = version.manifest["files"]
    applicants = sum(
        entry["rows"] for name, entry in files.items() if name.startswith("application_")
    )
    made_from = version.made_from
    added = ("", "") if made_from is None else (f"{made_from.decisions:,}", made_from.parent[:12])
    source = version.manifest["source"]
    return version.digest[:12], version.kept_at, source, f"{applicants:,}", *added
