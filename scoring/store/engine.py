"""Connections to SQLite and PostgreSQL, and what their errors mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from scoring.store.errors import StoreError, StoreUnavailableError

# How long a writer waits for its turn, and for a server to answer at all. Platforms give up on a
# request after 30 seconds.
_BUSY_SECONDS = 10.0
_CONNECT_SECONDS = 2
_POOL = 5
_OVERFLOW = 15
_NOT_MIGRATED = ("no such table", "no such column", "does not exist")


def normalised(text: str) -> URL:
    """The address of a database, with the driver that is installed.

    Heroku's `postgres://` stands for PostgreSQL.

    Raises
    ------
    StoreError
        If it is no address of SQLite or PostgreSQL.
    """
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise StoreError(
            "DATABASE_URL is no database's address: it has the form sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    kind = url.get_backend_name()
    if kind in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and url.database not in (None, "", ":memory:"):
        return url.set(drivername="sqlite")
    raise StoreError(f"DATABASE_URL: SQLite files and PostgreSQL are supported, {kind} is not")


def connect(url: URL) -> Engine:
    """An engine; nothing is opened before it is needed.

    Transactions with the execution option `write` take SQLite's only lock for writing when they
    begin: one that read first could not get it any more (SQLITE_BUSY_SNAPSHOT).
    """
    try:
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        return create_engine(
            url,
            pool_size=_POOL,
            max_overflow=_OVERFLOW,
            pool_timeout=_BUSY_SECONDS,
            # A server that was restarted leaves dead connections behind.
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_SECONDS},
        )
    except NoSuchModuleError as error:
        raise StoreError(f"DATABASE_URL: no driver is installed: {error}") from error


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_size=_POOL,
        max_overflow=_OVERFLOW,
        pool_timeout=_BUSY_SECONDS,
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
        del entry
        # The driver would begin transactions by itself, and too late.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def make_folder(url: URL) -> None:
    """Make the folder of a SQLite file."""
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def understood() -> Iterator[None]:
    """Raise a database's errors as the store's.

    Raises
    ------
    StoreUnavailableError
        If it may work later.
    StoreError
        If the tables are not those of this code.
    """
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        told = str(getattr(error, "orig", None) or error).strip()
        if any(words in told for words in _NOT_MIGRATED):
            raise StoreError(
                f"the store's tables are not those of this code ({told.splitlines()[0]}): run "
                "`python -m scoring migrate`"
            ) from error
        raise StoreUnavailableError(f"the store cannot be used: {told}") from error
