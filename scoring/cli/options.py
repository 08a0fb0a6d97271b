"""Arguments, options and their values that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from scoring.errors import ScoringError


def writable(folder: Path) -> Path:
    """Refuse a folder that cannot be written before the work whose result it is for."""
    there = next(own for own in (folder, *folder.absolute().parents) if os.path.lexists(own))
    if not os.access(there, os.W_OK) or not there.is_dir():
        raise typer.BadParameter(f"nothing can be written into {there}")
    return folder


DatasetArgument = Annotated[
    Path, typer.Argument(metavar="DATASET", help="A folder that ingest or sample wrote.")
]
DatasetOut = Annotated[
    Path, typer.Option("--out", help="The folder to write; replaced if it is a dataset.")
]
BucketsOption = Annotated[
    int | None,
    typer.Option("--buckets", min=1, help="Files a table; one for 25,000 applicants by default."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Start so many processes for the work; this one does it by default."),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Dask's scheduler, tcp://HOST:8786, whose workers do it."),
]
ModelOption = Annotated[Path, typer.Option(help="A model's directory, as the registry exports it.")]
ExportOption = Annotated[
    Path,
    typer.Option("--export", help="The directory that the API serves.", callback=writable),
]
CHAMPION = Path("mlruns/champion")
MlrunsOption = Annotated[Path, typer.Option("--mlruns", help="The folder of MLflow's store.")]
MLRUNS = Path("mlruns")
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="DATABASE_URL",
        help="The store: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    ),
]
DATABASE = "sqlite:///data/scoring.db"
DataOption = Annotated[Path, typer.Option(help="A dataset, or a folder or zip of Kaggle's files.")]
ProtectedOption = Annotated[
    bool | None, typer.Option("--protected/--no-protected", help="Use sex, age, family status.")
]
CostFnOption = Annotated[
    float,
    typer.Option("--cost-fn", min=0.001, help="Of an accepted default, in units of --cost-fp."),
]
CostFpOption = Annotated[
    float, typer.Option("--cost-fp", min=0.001, help="Of a good applicant who is refused.")
]
ByOption = Annotated[str, typer.Option("--by", help="Who decides.")]
WhyOption = Annotated[str, typer.Option("--why", help="The motive, kept for good.")]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Same data, seed and code: same model file.")
]
ReportsOption = Annotated[
    Path,
    typer.Option(
        "--reports", help="The folder of model_card.md and model_card.html.", callback=writable
    ),
]
REPORTS = Path("reports")

MOMENT = "2026-11-23 or 2026-11-23T09:30:00+01:00"
_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def moment(option: str, text: str) -> datetime:
    """Read a time given to an option, UTC if no zone is said; ScoringError if it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ScoringError(f"{option} takes a time such as {MOMENT}, not {text!r}") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def span(option: str, text: str, examples: Sequence[str]) -> timedelta:
    """Read how long a time an option is given, in a unit of the examples; else ScoringError."""
    match = _SPAN.fullmatch(text)
    if match is None or match[2] not in {example[-1] for example in examples}:
        choice = f"{', '.join(examples[:-1])} or {examples[-1]}"
        raise ScoringError(f"{option} takes a time such as {choice}, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]
