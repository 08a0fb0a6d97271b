"""Connections to SQLite and PostgreSQL, and what their errors mean."""

import math
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import Column, Connection, Engine, Insert, Row, Select, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from scoring.store.deadlines import USUAL_SECONDS, left
from scoring.store.errors import StoreError, StoreSilentError, StoreUnavailableError

# How long a writer of SQLite, and whoever needs a connection, waits for its turn.
_BUSY_SECONDS = USUAL_SECONDS
_PAUSE_SECONDS = 0.05
_CONNECT_SECONDS = 2
# A server that is there says itself that a statement takes too long, before it is given up.
_STATEMENT_SECONDS = USUAL_SECONDS - _CONNECT_SECONDS
_POOL = 5
_PRIVATE = 0o600
_OVERFLOW = 15
# A server that is gone without a word is found out by what it does not acknowledge.
_POSTGRESQL = {
    "connect_timeout": _CONNECT_SECONDS,
    "tcp_user_timeout": _CONNECT_SECONDS * 1000,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "application_name": "scoring",
}
# PostgreSQL's codes of a table and of a column that are not there, and SQLite's words.
_NOT_MIGRATED_CODES = ("42P01", "42703")
_NOT_MIGRATED_WORDS = ("no such table", "no such column", "has no column")
_CHUNK = 500

T = TypeVar("T")
Columns = TypeVarTuple("Columns")


def normalised(text: str) -> URL:
    """The address of a database, with the driver that is installed; `postgres://` is Heroku's.

    Raises StoreError if it is no address of SQLite or PostgreSQL.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            "DATABASE_URL is no database's address: it has the form sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    kind, name = url.get_backend_name(), url.database or ":memory:"
    if kind in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise StoreError(f"DATABASE_URL: SQLite and PostgreSQL are supported, {kind} is not")
    if name == ":memory:" or name.startswith("file:"):
        raise StoreError(
            "DATABASE_URL names no file: SQLite's addresses have the form sqlite:///FILE"
        )
    return url.set(drivername="sqlite")


def connect(url: URL) -> Engine:
    """An engine; nothing is opened before it is needed.

    Transactions with the execution option `write` take SQLite's only lock for writing when they
    begin: one that read first could not get it any more (SQLITE_BUSY_SNAPSHOT).
    """
    try:
        return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    except NoSuchModuleError as error:
        raise StoreError(f"DATABASE_URL: no driver is installed: {error}") from error


def _postgresql(url: URL) -> Engine:
    from scoring.store.postgresql import PatientConnection

    # A server that was restarted leaves dead connections behind: each is tried before it is used.
    engine = _engine(url, _POSTGRESQL, pool_pre_ping=True)

    @event.listens_for(engine, "do_connect")
    def reach(*given: Any) -> Any:
        *_, words, options = given
        return PatientConnection.connect(*words, **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
        del entry
        connection.execute(f"SET statement_timeout = {_STATEMENT_SECONDS * 1000:.0f}")
        # Whoever has waited for a lock sees what was done under it.
        connection.execute("SET default_transaction_isolation = 'read committed'")
        # In other zones the first and the last days of the calendar cannot be read.
        connection.execute("SET timezone = 'UTC'")
        connection.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if USUAL_SECONDS < (seconds := left()) < math.inf:
            longer = f"SET LOCAL statement_timeout = {seconds * 1000:.0f}"
            # What follows may be asked for in pieces; this cannot be.
            connection.exec_driver_sql(longer, execution_options={"yield_per": None})

    return engine


def _sqlite(url: URL) -> Engine:
    engine = _engine(url, {"timeout": _BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "do_connect")
    def make_private(*_: object) -> None:
        _make_private(Path(url.database or ""))

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
        del entry
        # The driver would begin transactions by itself, and too late.
        connection.isolation_level = None
        # What is purged is overwritten, too.
        pragmas = (
            "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON",
        )  # fmt: skip
        for pragma in pragmas:
            _set(connection, pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _engine(url: URL, arguments: dict[str, Any], *, pool_pre_ping: bool = False) -> Engine:
    return create_engine(
        url,
        connect_args=arguments,
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_timeout=_BUSY_SECONDS,
        pool_pre_ping=pool_pre_ping,
        # Applicants' values have no place in messages and traces.
        hide_parameters=True,
    )


def _set(connection: Any, pragma: str) -> None:
    """Execute a pragma, however many processes make the same file at once.

    SQLite waits for no lock while it changes the kind of journal.
    """
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_SECONDS)


def _make_private(file: Path) -> None:
    """Have a SQLite file that its owner alone may read, before anything is in it.

    SQLite gives its other files the same mode, and makes those that are missing. What cannot be
    done here because the file is somebody else's, or cannot be made, SQLite tells about.

    A file that is there is never opened: whoever closes a file gives up all of the process's locks
    on it, SQLite's too (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDONLY, _PRIVATE))
    for path in (file, *(file.with_name(file.name + ending) for ending in ("-wal", "-shm"))):
        with suppress(OSError):
            if path.is_file() and path.stat().st_mode & 0o777 & ~_PRIVATE:
                path.chmod(path.stat().st_mode & _PRIVATE)


def emptied_journal(engine: Engine) -> bool:
    """Overwrite SQLite's file with its journal and cut that off; False while somebody reads.

    What was deleted is in it until then.
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy = cursor.fetchone()
        return busy is not None and not busy[0]
    finally:
        connection.close()


def make_folder(url: URL) -> None:
    """Make the folder of a SQLite file; nobody but its owner may look into it.

    Raises StoreUnavailableError if it cannot be made.
    """
    if url.get_backend_name() == "sqlite" and url.database:
        try:
            Path(url.database).parent.mkdir(0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(
                f"the folder of the store cannot be made: {error}"
            ) from error


def one_writer(connection: Connection, table: Table) -> None:
    """Let nobody else write a table until the transaction ends; SQLite has one writer as it is."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


def insert_once(table: Table, keys: Sequence[str] | None = None) -> dict[str, Insert]:
    """An insert for each kind of database that leaves rows alone whose key is there already."""
    return {kind: new.on_conflict_do_nothing(index_elements=keys) for kind, new in _inserts(table)}


def replacing(table: Table) -> dict[str, Insert]:
    """An insert for each kind of database that replaces the row of the same primary key."""
    keys = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if not column.primary_key]
    return {
        kind: new.on_conflict_do_update(
            index_elements=keys, set_={name: new.excluded[name] for name in rest}
        )
        for kind, new in _inserts(table)
    }


def _inserts(table: Table) -> tuple[tuple[str, sqlite.Insert | postgresql.Insert], ...]:
    return ("sqlite", sqlite.insert(table)), ("postgresql", postgresql.insert(table))


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Some values at a time: a statement takes so many."""
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def chosen(
    connection: Connection, query: Select[*Columns], column: Column[Any], values: Sequence[object]
) -> Iterator[Row[*Columns]]:
    """Rows of a query in which a column has one of some values, asked for some at a time."""
    for some in chunks(values):
        yield from connection.execute(query.where(column.in_(some)))


@contextmanager
def understood(url: URL) -> Iterator[None]:
    """Raise a database's errors as the store's.

    StoreUnavailableError if it may work later, and StoreError if it will not: the tables are not
    those of this code, or a row does not fit into them.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StoreSilentError(f"the store is busy: {error}") from error
    except DBAPIError as error:
        said, at = _first_line(error), url.render_as_string(hide_password=True)
        if _not_migrated(error):
            raise StoreError(
                f"the tables of the store {at} are not those of this code ({said}): run "
                "`python -m scoring migrate`"
            ) from error
        if isinstance(error, IntegrityError | DataError | ProgrammingError):
            raise StoreError(f"the store {at} does not take it: {said}") from error
        # What a server says itself has a code.
        answered = getattr(error.orig, "sqlstate", None) is not None
        kind = StoreUnavailableError if answered else StoreSilentError
        raise kind(f"the store {at} cannot be used: {said}") from error


def _first_line(error: DBAPIError) -> str:
    """The first line of what a database says: the others may quote a row."""
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]


def _not_migrated(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    words = str(error.orig) if code is None else ""
    return code in _NOT_MIGRATED_CODES or any(said in words for said in _NOT_MIGRATED_WORDS)
