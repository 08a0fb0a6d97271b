"""The figures for Prometheus: right across workers, and gone with the server."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from api import Settings
from api.decisions import example
from api.http import access, limits, logs, metrics, problems
from api.http.openapi import Application
from api.routes.status import blueprint
from scoring.store import Store
from tests.helpers import serving
from tests.helpers.waiting import eventually

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures_of(text: str) -> Figures:
    """Figures by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(figures: Figures, name: str, **labels: str) -> float:
    """The sum of a figure over all labels that are not given."""
    return sum(
        value
        for (found, own), value in figures.items()
        if found == name and set(labels.items()) <= own
    )


def app_of(store: Store, **changes: object) -> Flask:
    settings = Settings(**changes)  # type: ignore[arg-type]
    app = Application(__name__, version="0", row_limit=1, batch_limit=1)
    logs.init_app(app, settings)
    problems.init_app(app)
    access.init_app(app, settings, store)
    limits.init_app(app, settings)
    metrics.init_app(app)
    app.register_api(blueprint)

    app.add_url_rule("/applicants/<number>", "applicant", lambda number: number)
    app.add_url_rule("/broken/<number>", "broken", lambda number: int(number) / 0)
    return app


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> FlaskClient:
    return app_of(store).test_client()


def change(client: FlaskClient, act: Callable[[], object]) -> Callable[..., float]:
    """How much figures change by an act; what they count stays from test to test."""
    before = figures_of(client.get("/metrics").text)
    act()
    after = figures_of(client.get("/metrics").text)

    def changed(name: str, **labels: str) -> float:
        return figure(after, name, **labels) - figure(before, name, **labels)

    return changed


def test_answers_are_counted_by_method_route_and_status(client: FlaskClient) -> None:
    route = "/applicants/<number>"
    answered = {"method": "GET", "route": route, "status": "200"}

    def act() -> None:
        for path in ("applicants/100002", "applicants/100003", "applicants/1", "broken/100002"):
            client.get(f"/{path}")
        client.post("/nothing/100002")

    changed = change(client, act)
    assert changed("scoring_requests_total", **answered) == 3
    assert changed("scoring_requests_total", route="/broken/<number>", status="500") == 1
    assert changed("scoring_requests_total", method="POST", route="unknown", status="404") == 1
    assert changed("scoring_request_seconds_count", route=route) == 3
    assert changed("scoring_request_seconds_bucket", route=route, le="+Inf") == 3
    assert changed("scoring_request_seconds_sum", route=route) > 0


def test_whatever_is_sent_makes_no_labels_of_its_own(client: FlaskClient) -> None:
    def act() -> None:
        for number in range(5):
            client.open(f"/x{number}", method=f"X{number}")

    assert change(client, act)("scoring_requests_total", method="other", route="unknown") == 5
    text = client.get("/metrics").text
    assert "X3" not in text
    assert "/x3" not in text


def test_decisions_are_counted(client: FlaskClient) -> None:
    made = [("champion", "7", 0.04, "accept"), ("champion", "7", 0.4, "refuse"),
            ("challenger", "8", 0.04, "accept")]  # fmt: skip

    def act() -> None:
        metrics.observe_predictions(made)
        metrics.observe_predictions([])

    changed = change(client, act)
    assert changed("scoring_decisions_total", decision="accept", version="7") == 1
    assert changed("scoring_decisions_total", decision="accept") == 2
    assert changed("scoring_pd_count", role="champion") == 2
    assert changed("scoring_pd_bucket", role="champion", le="0.05") == 1
    assert changed("scoring_pd_sum", role="champion") == pytest.approx(0.44)
    assert changed("scoring_batch_size_count") == 1
    assert changed("scoring_batch_size_sum") == 3


def serving_now(client: FlaskClient, role: str) -> list[dict[str, str]]:
    found = figures_of(client.get("/metrics").text)
    return [
        dict(labels)
        for (name, labels), value in found.items()
        if name == "scoring_model_workers" and value == 1 and ("role", role) in labels
    ]


def test_the_models_in_service_are_told(client: FlaskClient) -> None:
    def act() -> None:
        metrics.model_loaded("champion", "7", "a" * 64)
        metrics.model_loaded("challenger", "8", "b" * 64)
        metrics.model_loaded("champion", "9", "c" * 64)
        metrics.MODEL_LOADS.labels("refused").inc()

    changed = change(client, act)
    assert changed("scoring_model_loads_total", result="loaded") == 3
    assert changed("scoring_model_loads_total", result="refused") == 1
    assert serving_now(client, "champion") == [
        {"role": "champion", "version": "9", "digest": "c" * 12}
    ]
    assert [found["version"] for found in serving_now(client, "challenger")] == ["8"]
    metrics.model_dropped("challenger")
    metrics.model_dropped("challenger")
    assert serving_now(client, "challenger") == []
    metrics.model_loaded("champion", "7", "a" * 64)
    assert [found["version"] for found in serving_now(client, "champion")] == ["7"]


def test_times_that_the_store_failed_are_counted(client: FlaskClient) -> None:
    assert change(client, metrics.STORE_ERRORS.inc)("scoring_store_errors_total") == 1


def test_figures_are_for_administrators_where_keys_are_needed(store: Store) -> None:
    client = app_of(store, require_keys=True).test_client()
    _, admin = store.keys.add("prometheus", frozenset({"admin"}))
    _, score = store.keys.add("a branch", frozenset({"score"}))
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"X-API-Key": score}).status_code == 403
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {admin}"})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")


@contextmanager
def served(model: Path, log: Path, workers: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with serving.started_api(model, log, {"WEB_CONCURRENCY": str(workers)}) as (url, server):
        eventually(lambda: figure(read(url), "scoring_workers") == workers)
        yield url, server


def read(url: str) -> Figures:
    return figures_of(requests.get(f"{url}/metrics", timeout=30).text)


def folder_of(server: subprocess.Popen[bytes]) -> Path:
    """The folder of figures that a server holds."""
    held = {path.resolve() for path in Path(f"/proc/{server.pid}/fd").iterdir()}
    (folder,) = (path for path in held if path.name.startswith("scoring-metrics-"))
    return folder


def workers_of(server: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def predict(url: str, number: int) -> int:
    body = {"application": {**example.REQUEST["application"], "SK_ID_CURR": number}}
    return requests.post(f"{url}/predict", json=body, timeout=60).status_code


@pytest.mark.system
def test_figures_of_all_workers_are_added_up_and_go_with_the_server(
    small_model: Path, tmp_path: Path
) -> None:
    with served(small_model, tmp_path / "log", workers=2) as (url, server):
        folder = folder_of(server)
        # As many clients at a time as there may be; none is turned away.
        with ThreadPoolExecutor(200) as pool:
            statuses = list(pool.map(lambda number: predict(url, 300_000 + number), range(200)))
        assert statuses == [200] * 200
        found = read(url)
        predicted = {"method": "POST", "route": "/predict", "status": "200"}
        assert figure(found, "scoring_requests_total", **predicted) == 200
        assert figure(found, "scoring_request_seconds_count", route="/predict") == 200
        assert figure(found, "scoring_decisions_total") == 200
        assert figure(found, "scoring_pd_count", role="champion") == 200
        assert figure(found, "scoring_batch_size_sum") == 200
        assert figure(found, "scoring_model_workers", role="champion", version="0") == 2
        assert figure(found, "scoring_model_loads_total", result="loaded") == 2
        both = {path.stem.rsplit("_", 1)[-1] for path in folder.glob("histogram_*.db")}
        assert both == {str(pid) for pid in workers_of(server)}

        os.kill(workers_of(server)[0], signal.SIGKILL)
        eventually(lambda: figure(read(url), "scoring_model_loads_total", result="loaded") == 3)
        eventually(lambda: figure(read(url), "scoring_workers") == 2)
        found = read(url)
        assert figure(found, "scoring_model_workers", role="champion") == 2
        # What the killed one counted stays counted.
        assert figure(found, "scoring_decisions_total") == 200
    assert not folder.exists()


@pytest.mark.system
def test_a_server_starts_from_nothing_and_removes_what_a_killed_one_left(
    small_model: Path, tmp_path: Path
) -> None:
    with served(small_model, tmp_path / "killed", workers=1) as (url, server):
        assert predict(url, 300_000) == 200
        left = folder_of(server)
        processes = [server.pid, *workers_of(server)]
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
        server.wait(timeout=30)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes[1:]))
    assert left.exists()
    long_ago = time.time() - 3600
    os.utime(left, (long_ago, long_ago))
    with served(small_model, tmp_path / "next", workers=1) as (url, server):
        assert not left.exists()
        assert figure(read(url), "scoring_decisions_total") == 0
        # One that others start meanwhile leaves the folder of this one alone, however old it is.
        mine = folder_of(server)
        os.utime(mine, (long_ago, long_ago))
        with served(small_model, tmp_path / "other", workers=1) as (_, other):
            assert folder_of(other) != mine
            assert figure(read(url), "scoring_workers") == 1
    assert not mine.exists()
