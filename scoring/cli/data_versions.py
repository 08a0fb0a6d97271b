"""The datasets that models learnt from: data list, check, restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import messages, show
from scoring.cli.options import MLRUNS, DatasetOut, MlrunsOption

if TYPE_CHECKING:
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
def restore(
    version: VersionArgument,
    out: DatasetOut,
    mlruns: MlrunsOption = MLRUNS,
) -> None:
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
