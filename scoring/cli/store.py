"""Commands for the database: migrate, keys, purge, person."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from scoring.cli.console import messages, show
from scoring.cli.options import DATABASE, MLRUNS, DatabaseOption, MlrunsOption, moment

if TYPE_CHECKING:
    from scoring.data.versions import DataVersions
    from scoring.store import ApiKey, Store

keys = typer.Typer(
    help="API keys: who may score, tell outcomes, read all, administer.", no_args_is_help=True
)

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


@contextmanager
def opened(database: str) -> Iterator[Store]:
    """The store of an address, ready to be used if it is a file of our own."""
    with messages(), in_use(with_key(database)) as store:
        yield store


def with_key(database: str) -> Store:
    """The store of an address with the key that the API has: PSEUDONYM_KEY."""
    from scoring.store import Store

    return Store(database, os.environ.get("PSEUDONYM_KEY") or None)


@contextmanager
def in_use(store: Store) -> Iterator[Store]:
    """A store with its tables, if it is a file of our own, and closed at the end."""
    try:
        if store.embedded:
            store.migrate()
        yield store
    finally:
        store.close()


def migrate(
    pseudonymise: Annotated[
        bool,
        typer.Option(
            "--pseudonymise",
            help="Put applicants on record from before PSEUDONYM_KEY was set under pseudonyms.",
        ),
    ] = False,
    database: DatabaseOption = DATABASE,
) -> None:
    """Bring the store's tables up to this code's; a release's step before the API starts."""
    with opened(database) as store:
        if not store.embedded:
            store.migrate()
        store.check()
        typer.echo(f"{store.url} is up to date")
        if pseudonymise:
            typer.echo(
                f"{store.privacy.pseudonymise():,} decisions and applicants have pseudonyms now"
            )


@keys.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="score, outcome, admin or read; may be repeated.")
    ],
    database: DatabaseOption = DATABASE,
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    A scope stands for itself: admin alone does not score. Without read a key sees, overrides and
    labels what it decided itself, and nothing else.
    """
    with opened(database) as store:
        key, text = store.keys.add(name, scope)
        typer.echo(
            f"key {key.id} of {key.name} for {_scopes(key)}; it cannot be shown again", err=True
        )
        typer.echo(text)


@keys.command(name="list")
def list_keys(database: DatabaseOption = DATABASE) -> None:
    """List all keys, revoked ones too."""
    with opened(database) as store:
        known = store.keys.all()
    show(("id", "name", "scopes", "created", "revoked"), map(_row, known))


@keys.command()
def revoke(
    number: Annotated[str, typer.Argument(metavar="ID", help="As keys list tells it.")],
    database: DatabaseOption = DATABASE,
) -> None:
    """Take a key out of use; running services follow within seconds."""
    with opened(database) as store:
        key = store.keys.revoke(number)
        typer.echo(f"key {key.id} of {key.name} is revoked")


def purge(
    days: Annotated[int, typer.Option(min=1, max=36_500, help="What is older goes.")] = 183,
    now: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What time it is, where records do not bear it out."),
    ] = None,
    mlruns: MlrunsOption = MLRUNS,
    database: DatabaseOption = DATABASE,
) -> None:
    """Delete what is old: decisions with all that hangs on them, applicants, alerts, events.

    Also models that no decision names, who set policies that are over, and datasets that hold
    decisions and that neither champion nor challenger learnt from. Decisions are kept for 183
    days at least. It may run while the API serves.
    """
    from scoring.errors import ScoringError

    with opened(database) as store:
        clock = datetime.now(UTC)
        given = None if now is None else moment("--now", now)
        if given is not None and given > clock:
            raise ScoringError(f"--now is later than the clock, which says {clock:%Y-%m-%d %H:%M}")
        counts = store.retention.purge(timedelta(days=days), given)
        counts["kept data"] = _purge_kept(mlruns, (given or clock) - timedelta(days=days))
        for table, count in counts.items():
            typer.echo(f"{table:<16} {count:>12,} deleted")


def _purge_kept(mlruns: Path, before: datetime) -> int:
    """Remove datasets that a retraining made before a time, but for those in use; how many."""
    from scoring.data.versions import DataVersions

    kept = DataVersions.beside(mlruns)
    old = [version.digest for version in kept.known()
           if version.made_from and datetime.fromisoformat(version.kept_at) < before]  # fmt: skip
    if old:
        from scoring.registry.mlflow_registry import Registry

        used = {item.dataset for item in Registry(mlruns).versions() if item.aliases}
        old = [digest for digest in old if digest not in used]
    for digest in old:
        kept.remove(digest)
    return len(old)


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
    from scoring.registry.holdout_uses import HoldoutUses

    kept, uses = DataVersions.beside(mlruns), HoldoutUses(mlruns)
    with opened(database) as store:
        numbers = store.privacy.numbers_of(number)
        if action == "export":
            known = _on_record(store, kept, number, numbers)
            looks = sum(uses.times().get(own, 0) for own in numbers)
            _write({**known, "looks_in_the_hold_out": looks}, out)
            return
        if not yes:
            typer.confirm(f"Erase applicant {number} in {store.url} and {mlruns}?", abort=True)
        datasets = kept.erase(numbers)
        uses.forget(numbers)
        counts = store.privacy.erase(number)
    for name, count in counts.items():
        typer.echo(f"{name:<16} {count:>12,} emptied or deleted")
    if not any(counts.values()) and not datasets:
        typer.echo(f"nothing was kept about applicant {number}")
        return
    for digest in datasets:
        typer.echo(f"dataset {digest[:12]}: the rows were taken out; the rest is as it was")
    typer.echo(_STAYS.format(decisions=counts["predictions"]))


def _on_record(store: Store, kept: DataVersions, number: int, numbers: list[int]) -> dict[str, Any]:
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


def _row(key: ApiKey) -> tuple[str, ...]:
    created = f"{key.created_at:%Y-%m-%d %H:%M}"
    revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
    return key.id, key.name, _scopes(key), created, revoked


def _scopes(key: ApiKey) -> str:
    return ", ".join(sorted(key.scopes))
