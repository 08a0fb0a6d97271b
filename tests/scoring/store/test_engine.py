"""The database away, full, locked, read-only, or used by everybody at once."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection

from scoring.store import Prediction, ShadowScore, Store, StoreError, StoreUnavailableError
from scoring.store import engine as engine_module
from tests.helpers.databases import Server, prediction
from tests.helpers.processes import (
    filled_disk,
    killed_while_writing,
    recorded_by_threads,
    refused_as_read_only,
    run_at_once,
)
from tests.helpers.waiting import eventually


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("postgres://ann:secret@host:5433/name", "postgresql+psycopg://ann:***@host:5433/name"),
        (
            "postgresql://host/name?sslmode=require",
            "postgresql+psycopg://host/name?sslmode=require",
        ),
        ("postgresql+psycopg2://host/name", "postgresql+psycopg://host/name"),
        ("sqlite:///data/scoring.db", "sqlite:///data/scoring.db"),
        ("sqlite:////srv/scoring.db", "sqlite:////srv/scoring.db"),
    ],
)
def test_addresses_are_read_as_platforms_write_them(given: str, found: str) -> None:
    store = Store(given)
    assert store.url == found
    assert store.embedded == given.startswith("sqlite")


@pytest.mark.parametrize(
    "given",
    [
        "", "scoring.db", "postgres://ann:secret@host:port/name", "mysql://ann:secret@host/name",
        "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:secret?mode=memory&uri=true",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_without_telling_them(given: str) -> None:
    with pytest.raises(StoreError, match="DATABASE_URL") as told:
        Store(given)
    assert "secret" not in str(told.value)


def test_nothing_is_opened_before_it_is_needed(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path / 'nowhere' / 'scoring.db'}").close()
    Store("postgres://127.0.0.1:1/nowhere").close()
    assert list(tmp_path.iterdir()) == []


def assert_unavailable(store: Store) -> None:
    uses = (
        store.check,
        store.models.policy,
        store.migrate,
        lambda: store.decisions.record([prediction()]),
        lambda: store.decisions.find(prediction().id),
        lambda: list(store.decisions.search()),
    )
    for use in uses:
        with pytest.raises(StoreUnavailableError):
            use()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_unavailable(Store(f"sqlite:///{tmp_path / 'file' / 'scoring.db'}"))


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scoring.db"
    path.write_bytes(b"a letter, and no database at all " * 100)
    assert_unavailable(Store(f"sqlite:///{path}"))
    assert path.read_bytes().startswith(b"a letter")


@pytest.fixture
def silent_address() -> Iterator[str]:
    """Of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgres://ann:secret@127.0.0.1:{server.getsockname()[1]}/name"


def test_a_server_that_says_nothing_is_not_waited_for(silent_address: str) -> None:
    store = Store(silent_address)
    with pytest.raises(StoreUnavailableError) as told:
        store.decisions.record([prediction()])
    assert "secret" not in str(told.value)


def test_an_unknown_database_is_not_told_to_be_migrated(postgres_server: Server) -> None:
    store = Store(postgres_server.url("nobody_made_it"))
    with pytest.raises(StoreUnavailableError, match="nobody_made_it"):
        store.check()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_server_that_comes_back_is_used_again(own_postgres: Server, how: signal.Signals) -> None:
    store = Store(own_postgres.url())
    store.migrate()
    acknowledged = [store.decisions.record([prediction()])[0] for _ in range(20)]
    own_postgres.stop(how)
    assert_unavailable(store)
    own_postgres.start()
    acknowledged += store.decisions.record([prediction()])
    own_postgres.stop(how)
    own_postgres.start()
    # At the first try, although the pool still has the connections of before.
    acknowledged += store.decisions.record([prediction()])
    store.check()
    assert list(store.decisions.search()) == acknowledged
    store.close()


@pytest.mark.system
def test_a_frozen_server_is_given_up_and_used_again(own_postgres: Server) -> None:
    store = Store(own_postgres.url())
    store.migrate()
    acknowledged: list[str] = []

    def use(number: int) -> tuple[bool, float]:
        start = time.monotonic()
        try:
            if number % 2:
                store.models.policy()
            else:
                acknowledged.append(store.decisions.record([prediction()])[0].id)
        except StoreUnavailableError:
            return False, time.monotonic() - start
        return True, time.monotonic() - start

    with ThreadPoolExecutor(24) as pool:
        assert all(answered for answered, _ in pool.map(use, range(24)))
        with own_postgres.frozen():
            first = list(pool.map(use, range(24), timeout=60))
            # They do not wait again, one after the other, for what the first have waited for.
            then = [use(number) for number in range(50)]
        assert not any(answered for answered, _ in (*first, *then))
        assert max(seconds for _, seconds in first) < 25
        assert sum(seconds for _, seconds in then) < 5
        eventually(lambda: use(0)[0])
        assert all(answered for answered, _ in pool.map(use, range(24)))
    found = {one.id for one in store.decisions.search()}
    assert set(acknowledged) <= found
    # Nothing was done for those who had been told that it could not be.
    assert len(found) == len(acknowledged)
    store.close()


def test_whoever_has_time_waits_for_a_long_statement(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_STATEMENT_SECONDS", 0.2)
    store = Store(postgres_url)

    def sleep(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(0.5)")

    with (
        pytest.raises(StoreUnavailableError, match="statement timeout"),
        store.reading() as connection,
    ):
        sleep(connection)
    with store.reading(60.0) as connection:
        sleep(connection)
    store.close()


def test_a_read_only_server_is_told(postgres_server: Server, postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    store.check()
    store.close()
    name = postgres_url.partition("@/")[2].partition("?")[0]
    postgres_server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert store.models.policy().strategy == "champion"
    for use in (store.check, lambda: store.decisions.record([prediction()])):
        with pytest.raises(StoreUnavailableError, match="read-only"):
            use()
    store.close()


def test_a_read_only_folder_is_told() -> None:
    # Not pytest's: nobody but its owner may look into that one.
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "scoring.db"
        store = Store(f"sqlite:///{path}")
        store.migrate()
        store.close()
        path.chmod(0o444)
        Path(name).chmod(0o555)
        errors = run_at_once(refused_as_read_only, [(str(path),)])[0]
        Path(name).chmod(0o755)
    assert len(errors) == 3


def assert_whole(store: Store, acknowledged: list[str]) -> None:
    """Every acknowledged decision is there, and every batch is whole or not there."""
    found = {one.id: one for one in store.decisions.search()}
    assert set(acknowledged) <= set(found)
    sizes = Counter(one.request_id for one in found.values())
    for name, count in sizes.items():
        assert count % int(name.removeprefix("batch-")) == 0
    assert {len(one.shadows) for one in found.values()} == {2}


def test_a_full_disk_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'scoring.db'}"
    store = Store(url)
    store.migrate()
    store.close()
    acknowledged, errors = run_at_once(filled_disk, [(url,)])[0]
    assert len(acknowledged) > 32
    assert len(errors) == 6
    assert_whole(store, acknowledged)
    # Nothing that was refused is there after all.
    assert sum(1 for _ in store.decisions.search()) == len(acknowledged)
    store.close()


def test_a_killed_process_leaves_nothing_torn(database_url: str) -> None:
    store = Store(database_url)
    store.migrate()
    for acknowledged in (1, 30, 60):
        told = killed_while_writing(database_url, acknowledged)
        assert len(told) >= acknowledged
        assert_whole(store, told)
    # Those who come later are not kept waiting by the dead.
    assert len(store.decisions.record([prediction(request_id="batch-1", shadows=SHADOWS)])) == 1
    store.close()


SHADOWS = (
    ShadowScore("b" * 64, "4", 0.25, "accept"),
    ShadowScore("c" * 64, "4", 0.25, "accept"),
)


def test_processes_and_threads_record_at_once(database_url: str) -> None:
    store = Store(database_url)
    store.migrate()
    told = run_at_once(recorded_by_threads, [(database_url, 8, 12)] * 3)
    acknowledged = [number for some in told for number in some]
    assert len(acknowledged) == 3 * 8 * 12
    assert {one.id for one in store.decisions.search()} == set(acknowledged)
    store.close()


def test_a_store_that_is_locked_for_too_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_BUSY_SECONDS", 0.05)
    path = tmp_path / "scoring.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.decisions.record([prediction()])
    # Reading goes on.
    assert list(store.decisions.search()) == []
    holder.execute("ROLLBACK")
    assert len(store.decisions.record([prediction()])) == 1
    holder.close()
    store.close()


def test_errors_do_not_quote_applicants(store: Store) -> None:
    private = {"applicant": "276309", "reasons": "a private matter", "id": "i" * 36}
    store.decisions.record([prediction(**private)])

    def told(one: Prediction) -> str:
        with pytest.raises(StoreError) as caught:
            store.decisions.record([one])
        return str(caught.value)

    for message in (told(prediction(**private)), told(prediction(**private | {"pd": None}))):
        assert "276309" not in message
        assert "private" not in message


def test_sqlite_is_set_to_lose_nothing(tmp_path: Path) -> None:
    engine = engine_module.connect(engine_module.normalised(f"sqlite:///{tmp_path / 's.db'}"))
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    with engine.connect() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected}
    engine.dispose()
    assert found == expected


def test_nothing_but_the_file_is_left_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "scoring.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    store.decisions.record([prediction()])
    store.close()
    # The journal is written back by the last one who leaves.
    assert [one.name for one in tmp_path.iterdir()] == ["scoring.db"]


def test_whoever_else_closes_the_file_takes_nothing_away(tmp_path: Path) -> None:
    """SQLite's locks are the process's: nothing here may open and close the file beside it."""
    path, read = tmp_path / "scoring.db", "import sqlite3, sys; sqlite3.connect(sys.argv[1])"
    read += ".execute('SELECT count(*) FROM predictions').fetchone()"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    with ThreadPoolExecutor(4) as pool:
        told = [
            one for (one,) in pool.map(store.decisions.record, [[prediction()] for _ in range(8)])
        ]
    journal = path.with_name("scoring.db-wal").stat().st_ino
    subprocess.run([sys.executable, "-c", read, str(path)], check=True, timeout=60)
    assert path.with_name("scoring.db-wal").stat().st_ino == journal
    told += store.decisions.record([prediction()])
    with sqlite3.connect(path) as other:
        found = {number for (number,) in other.execute("SELECT id FROM predictions")}
    store.close()
    assert found == {one.id for one in told}
