"""Command for one applicant's data: person."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from scoring.cli.options import DATABASE, MLRUNS, DatabaseOption, MlrunsOption
from scoring.cli.store import opened

if TYPE_CHECKING:
    from scoring.data.versions import DataVersions
    from scoring.store import Store

_STAYS = """\
What stays, and on which ground:
- {decisions:,} decisions as logs, without number, rows, features, reasons and words: when, by which
  model, the probability, what it was held against, what was decided, what came of it, and of a
  review that it was asked for, when it was due and what it decided. Notices are not kept. Logs of
  automatic decisions are kept for 183 days at least (Regulation (EU) 2024/1689, Article 26(6));
  after that `python -m scoring purge` deletes them.
- models: what they learnt are counts and rules over all applicants, without numbers (Regulation
  (EU) 2016/679, Recital 26).
Not looked at, and yours to mend: the dataset that was ingested (materialised again, it brings the
applicant back), files of your own, copies of the database. PostgreSQL keeps what was deleted in its
files until VACUUM and checkpoints have passed over it."""


def person(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", min=0, max=2**31 - 1, help="SK_ID_CURR.")
    ],
    action: Annotated[Literal["export", "erase"], typer.Argument(help="What to do.")],
    out: Annotated[
        Path | None, typer.Option(help="A file for the export; printed by default.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking.")] = False,
    mlruns: MlrunsOption = MLRUNS,
    database: DatabaseOption = DATABASE,
) -> None:
    """Tell all that is kept about an applicant as JSON, or erase it.

    Pseudonyms are recognised with PSEUDONYM_KEY as the API has it.
    """
    from scoring.data.versions import DataVersions

    kept = DataVersions.beside(mlruns)
    with opened(database) as store:
        numbers = store.privacy.numbers_of(number)
        if action == "export":
            _write(_told(store, kept, number, numbers), out)
            return
        if not yes:
            typer.confirm(f"Erase applicant {number} in {store.url} and {mlruns}?", abort=True)
        datasets = kept.erase(numbers)
        counts = store.privacy.erase(number)
    for name, count in counts.items():
        typer.echo(f"{name:<16} {count:>12,} emptied or deleted")
    if not any(counts.values()) and not datasets:
        typer.echo(f"nothing was kept about applicant {number}")
        return
    for digest in datasets:
        typer.echo(f"dataset {digest[:12]}: the rows were taken out; the rest is as it was")
    typer.echo(_STAYS.format(decisions=counts["predictions"]))


def _told(store: Store, kept: DataVersions, number: int, numbers: list[int]) -> dict[str, Any]:
    tables = {
        name: [{column: _readable(column, value) for column, value in row.items()} for row in rows]
        for name, rows in store.privacy.on_record(number).items()
    }
    learnt_from = {
        digest: {name: rows.to_dicts() for name, rows in files.items()}
        for digest, files in kept.about(numbers).items()
    }
    return {"applicant": number, **tables, "kept_data": learnt_from}


def _readable(column: str, value: Any) -> Any:
    """A stored value as JSON has it: features by name, rows as they were sent."""
    import orjson

    from scoring.features.vectors import VectorError, from_bytes, layout

    if column == "reasons":
        return orjson.loads(value)
    if not isinstance(value, bytes):
        return value
    try:
        if column == "features":
            return dict(zip(layout().names, from_bytes(value).tolist(), strict=True))
        return orjson.loads(zlib.decompress(value)) if value else None
    except (VectorError, zlib.error, ValueError) as error:
        return f"cannot be read: {error}"


def _write(data: dict[str, Any], out: Path | None) -> None:
    import orjson

    from scoring.errors import ScoringError

    text = orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    if out is None:
        typer.echo(text)
        return
    try:
        with os.fdopen(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        raise ScoringError(f"{out} cannot be written: {error}") from error
    typer.echo(f"written: {out}", err=True)
