"""Real servers, killed, starved and swapped under load: nothing acknowledged is lost or mixed up.

The short forms run always; `pytest -m slow` runs the long ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from scoring.files import staged_folder
from scoring.serving.model_files import FORMAT
from scoring.serving.scorer import Calibration, Scorer
from scoring.store import Policy, Store
from tests.helpers import serving
from tests.helpers.databases import Server
from tests.helpers.receivers import dripping
from tests.helpers.serving import body_of, workers_of
from tests.helpers.waiting import eventually

pytestmark = pytest.mark.system


def short_and_long(short: int, long: int) -> Any:
    """Run a test with a short number always, and with a long one where slow tests are wanted."""
    return pytest.mark.parametrize("times", [short, pytest.param(long, marks=pytest.mark.slow)])


@dataclass
class Load:
    """Clients that keep asking, and what they were told."""

    url: str
    answers: list[dict[str, Any]] = field(default_factory=list)
    problems: list[int] = field(default_factory=list)
    broken: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(self, client: int) -> None:
        session, number = requests.Session(), 0
        while not self.stop.is_set():
            number += 1
            try:
                response = session.post(
                    f"{self.url}/predict", json=body_of(client * 100_000 + number), timeout=30
                )
            except requests.RequestException:
                self.broken += 1
                session = requests.Session()
                time.sleep(0.02)
                continue
            if response.status_code == 200:
                self.answers.append(response.json())
            else:
                self.problems.append(response.status_code)
                time.sleep(0.02)


@contextmanager
def under_load(url: str, clients: int = 4) -> Iterator[Load]:
    load = Load(url)
    with ThreadPoolExecutor(clients) as pool:
        running = [pool.submit(load.ask, client + 1) for client in range(clients)]
        try:
            yield load
        finally:
            load.stop.set()
            for one in running:
                one.result()


@short_and_long(3, 20)
def test_every_acknowledged_decision_survives_kill_9(
    small_model: Path, tmp_path: Path, times: int
) -> None:
    database = f"sqlite:///{tmp_path / 'scoring.db'}"
    acknowledged: list[dict[str, Any]] = []
    for _ in range(times):
        with serving.started_api(small_model, tmp_path / "log", {}) as (url, server):
            with under_load(url) as load:
                eventually(lambda load=load: len(load.answers) >= 20)  # type: ignore[misc]
                # The whole process group at once, as when a machine loses power.
                for pid in [*workers_of(server), server.pid]:
                    os.kill(pid, signal.SIGKILL)
                load.stop.set()
            acknowledged += load.answers
    store = Store(database)
    lost = [one["id"] for one in acknowledged if store.decisions.find(one["id"]) is None]
    assert len(acknowledged) >= 20 * times
    assert lost == []
    for one in acknowledged[:: max(1, len(acknowledged) // 50)]:
        kept = store.decisions.find(one["id"])
        assert kept is not None
        assert (kept.pd, kept.decision) == (one["probability_of_default"], one["decision"])


def test_a_killed_worker_is_replaced(small_model: Path, tmp_path: Path) -> None:
    with serving.started_api(small_model, tmp_path / "log", {"WEB_CONCURRENCY": "2"}) as (
        url,
        server,
    ):
        eventually(lambda: requests.get(f"{url}/ready", timeout=30).status_code == 200)
        first = workers_of(server)
        os.kill(first[0], signal.SIGKILL)
        eventually(lambda: len(set(workers_of(server)) - set(first)) == 1)
        assert requests.post(f"{url}/predict", json=body_of(1), timeout=30).status_code == 200


@short_and_long(6, 50)
def test_models_are_swapped_under_load_without_a_failed_or_mixed_answer(
    small_model: Path, scorer: Scorer, tmp_path: Path, times: int
) -> None:
    folder = Path(shutil.copytree(small_model, tmp_path / "champion"))
    expected = {scorer.version: scorer}
    with serving.running_api(folder, tmp_path / "log", {"WEB_CONCURRENCY": "2"}) as url:
        with under_load(url) as load:
            eventually(lambda: len(load.answers) > 5)
            for number in range(1, times + 1):
                made = replace(
                    scorer,
                    version=str(number),
                    calibration=Calibration(scorer.calibration.slope, -3 + number / 20),
                )
                expected[made.version] = made
                made.save(folder)
                seen = len(load.answers)
                eventually(
                    lambda seen=seen, number=number: any(  # type: ignore[misc]
                        one["model"]["version"] == str(number) for one in load.answers[seen:]
                    )
                )
        assert load.problems == []
        assert load.broken == 0
    from api.decisions.reader import ApplicantReader
    from scoring.data.requests import frames_of
    from scoring.features import build_features

    features = build_features(frames_of([ApplicantReader(100).read(body_of(1)).rows]))
    pds = {version: float(one.predict(features)[0]) for version, one in expected.items()}
    assert len(set(pds.values())) == times + 1
    for answer in load.answers:
        assert answer["probability_of_default"] == pds[answer["model"]["version"]]


def breakages() -> dict[str, Callable[[Path], None]]:
    def tampered(folder: Path) -> None:
        path = folder / "model.txt"
        path.write_text(path.read_text().replace("leaf_value=", "leaf_value=9", 1))

    def truncated(folder: Path) -> None:
        path = folder / "scorer.json"
        path.write_bytes(path.read_bytes()[:500])

    def newer(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 99'))

    def emptied(folder: Path) -> None:
        (folder / "model.txt").unlink()

    return {"tampered": tampered, "truncated": truncated, "newer": newer, "emptied": emptied}


@pytest.mark.parametrize("breakage", ["tampered", "truncated", "newer", "emptied"])
def test_a_broken_model_never_replaces_the_one_that_serves(
    small_model: Path, scorer: Scorer, tmp_path: Path, breakage: str
) -> None:
    folder = Path(shutil.copytree(small_model, tmp_path / "champion"))
    settings = serving.settings(folder, tmp_path / "store")
    with serving.running_app(settings) as app:
        service, client = app.extensions["service"], app.test_client()
        before = client.post("/predict", json=body_of(1)).json
        with staged_folder(folder, kind="model") as staged:
            replace(scorer, version="2").save(staged / "new")
            for path in (staged / "new").iterdir():
                path.rename(staged / path.name)
            (staged / "new").rmdir()
            breakages()[breakage](staged)
        for _ in range(3):
            service.models.refresh()
            after = client.post("/predict", json=body_of(1)).json
            assert after["model"] == before["model"]
            assert after["probability_of_default"] == before["probability_of_default"]
        refused = [event for event in service.store.models.events() if event.kind == "refused"]
        assert len(refused) == 1
        replace(scorer, version="3").save(folder)
        service.models.refresh()
        assert client.post("/predict", json=body_of(1)).json["model"]["version"] == "3"


def test_a_dripping_registry_keeps_neither_a_worker_nor_the_switch_waiting(
    small_model: Path, tmp_path: Path
) -> None:
    """Though it answers a byte at a time for longer than a worker may be silent."""
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "gunicorn", "--config", "api/gunicorn.conf.py"]
    with (
        dripping(b"HTTP/1.1 200 OK\r\nX: ") as registry,
        serving.started_api(
            small_model,
            tmp_path / "log",
            {"MODEL_REGISTRY": registry, "MODEL_CACHE": str(cache)},
            [*command, "--timeout", "3"],
        ) as (url, server),
    ):
        workers = workers_of(server)
        assert requests.get(f"{url}/ready", timeout=30).status_code == 503
        # What an earlier start would have left there.
        digest = hashlib.sha256((small_model / "manifest.json").read_bytes()).hexdigest()
        shutil.copytree(small_model, cache / digest)
        (cache / "champion.json").write_text(json.dumps({"digest": digest, "state": "1"}))
        eventually(lambda: requests.get(f"{url}/ready", timeout=30).status_code == 200)
        usual = requests.post(f"{url}/predict", json=body_of(1), timeout=30).json()
        assert usual["decision"] == usual["model_decision"]
        store.models.set_policy(Policy(refer_all=True), "ana", "a test")
        start = time.monotonic()
        eventually(
            lambda: (
                requests.post(f"{url}/predict", json=body_of(1), timeout=30).json()["decision"]
                == "refer"
            )
        )
        # A look at the registry takes five seconds, and the policy waits for none.
        assert time.monotonic() - start < 5.0
        assert workers_of(server) == workers
    store.close()


def test_a_full_disk_gives_503_and_no_unrecorded_decision(
    small_model: Path, tmp_path: Path
) -> None:
    # A quota on the size of files stands for the disk's end: the process may not write past it.
    settings = (
        "import resource, runpy, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))\n"
        "sys.argv = ['gunicorn', '--config', 'api/gunicorn.conf.py']\n"
        "runpy.run_module('gunicorn', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", settings]
    with (
        serving.started_api(small_model, tmp_path / "log", {}, command) as (url, _),
        under_load(url) as load,
    ):
        eventually(lambda: len(load.problems) > 20, 120)
    assert set(load.problems) == {503}
    assert len(load.answers) > 20
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    recorded = {one.id for one in store.decisions.search()}
    assert {one["id"] for one in load.answers} <= recorded
    # With room again, it goes on.
    with serving.running_api(small_model, tmp_path / "log2", {}) as url:
        assert requests.post(f"{url}/predict", json=body_of(1), timeout=30).status_code == 200


@short_and_long(2, 10)
def test_postgresql_is_stopped_under_load_and_comes_back(
    small_model: Path, own_postgres: Server, times: int, tmp_path: Path
) -> None:
    url = own_postgres.url()
    store = Store(url)
    store.migrate()
    environment = {"DATABASE_URL": url, "WEB_CONCURRENCY": "2"}
    with (
        serving.running_api(small_model, tmp_path / "log", environment) as address,
        under_load(address) as load,
    ):
        for _ in range(times):
            answered, refused = len(load.answers), len(load.problems)
            eventually(lambda answered=answered: len(load.answers) > answered + 10)  # type: ignore[misc]
            own_postgres.stop(signal.SIGQUIT)
            eventually(lambda refused=refused: len(load.problems) > refused + 5)  # type: ignore[misc]
            ready = requests.get(f"{address}/ready", timeout=30).status_code
            alive = requests.get(f"{address}/health", timeout=30).status_code
            assert (ready, alive) == (503, 200)
            own_postgres.start()
        answered = len(load.answers)
        eventually(lambda: len(load.answers) > answered + 10)
    assert set(load.problems) == {503}
    assert load.broken == 0
    recorded = {one.id for one in store.decisions.search()}
    assert {one["id"] for one in load.answers} <= recorded


@short_and_long(1, 5)
def test_postgresql_freezes_under_load_and_comes_back(
    small_model: Path, own_postgres: Server, times: int, tmp_path: Path
) -> None:
    url = own_postgres.url()
    store = Store(url)
    store.migrate()
    slowest = 0.0
    with (
        serving.running_api(small_model, tmp_path / "log", {"DATABASE_URL": url}) as address,
        under_load(address, clients=20) as load,
    ):
        for _ in range(times):
            answered = len(load.answers)
            eventually(lambda answered=answered: len(load.answers) > answered + 20)  # type: ignore[misc]
            refused, start = len(load.problems), time.monotonic()
            with own_postgres.frozen():
                # More clients than threads, and all that a client can do to the store.
                eventually(lambda refused=refused: len(load.problems) > refused + 20)  # type: ignore[misc]
                calls = [("GET", "/ready"), ("PUT", "/policy"), ("GET", "/predictions/a")]
                for method, path in calls:
                    said = requests.request(
                        method,
                        f"{address}{path}",
                        json={"actor": "A", "motive": "To see."},
                        timeout=30,
                    )
                    assert (said.status_code, "Retry-After" in said.headers) == (503, True)
                assert requests.get(f"{address}/health", timeout=30).status_code == 200
                slowest = max(slowest, time.monotonic() - start)
        answered = len(load.answers)
        eventually(lambda: len(load.answers) > answered + 10)
    assert slowest < 25
    assert set(load.problems) == {503}
    assert load.broken == 0
    recorded = {one.id for one in store.decisions.search()}
    assert {one["id"] for one in load.answers} <= recorded
    store.close()


@short_and_long(400, 4000)
def test_many_clients_at_once_are_all_answered(
    small_model: Path, tmp_path: Path, times: int
) -> None:
    environment = {"WEB_CONCURRENCY": "2", "RATE_LIMIT": "100000/minute"}
    with serving.running_api(small_model, tmp_path / "log", environment) as url:
        barrier = threading.Barrier(200)

        def ask(client: int) -> set[int]:
            session = requests.Session()
            barrier.wait()
            return {
                session.post(
                    f"{url}/predict", json=body_of(client * 1000 + number + 1), timeout=120
                ).status_code
                for number in range(times // 200)
            }

        with ThreadPoolExecutor(200) as pool:
            statuses = set().union(*pool.map(ask, range(200)))
        assert statuses == {200}
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    assert sum(1 for _ in store.decisions.search()) == times


def test_four_forked_workers_decide_at_once(small_model: Path, tmp_path: Path) -> None:
    environment = {"WEB_CONCURRENCY": "4"}
    with (
        serving.started_api(small_model, tmp_path / "log", environment) as (url, server),
        under_load(url, clients=12) as load,
    ):
        eventually(lambda: len(load.answers) > 150)
        assert len(workers_of(server)) == 4
        metrics = requests.get(f"{url}/metrics", timeout=30).text
    assert load.problems == []
    assert "scoring_workers 4.0" in metrics
    pds = {one["probability_of_default"] for one in load.answers}
    assert len(pds) == 1
