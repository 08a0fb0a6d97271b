"""A small trained model and real servers, for the tests of the API and of the page."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import requests

from api import Settings, create_app
from api.decisions import example
from api.http.openapi import Application
from scoring.data.dataset import Dataset
from scoring.features import build_features
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer
from scoring.modelling.validation import cross_validate
from scoring.serving.batch import example_requests
from scoring.serving.costs import Costs
from scoring.serving.local import free_port as free_port
from scoring.serving.materialize import materialize
from scoring.serving.scorer import Scorer
from scoring.store import Store

ROOT = Path(__file__).resolve().parents[2]
STARTUP_SECONDS = 60.0


def applicants(dataset: Dataset, number: int) -> list[int]:
    """The first applicants of the train population."""
    ids = dataset.frames("train")["application"].select("SK_ID_CURR").head(number).collect()
    return ids["SK_ID_CURR"].to_list()


def train_small_model(dataset: Dataset, folder: Path) -> Path:
    frames = dataset.frames("train")
    outcomes = frames["application"].select("SK_ID_CURR", "TARGET").collect()
    examples = Examples.of(build_features(frames).collect(), outcomes)
    validation = cross_validate(Candidate.of("trees", n_estimators=40), examples, Costs(), folds=2)
    fit_scorer(validation, examples, "credit-scoring", lineage={}).save(folder)
    return folder


def request_of(dataset: Dataset, applicant: int) -> dict[str, object]:
    return next(example_requests(dataset, [applicant]))


def settings(model: Path, folder: Path, **changes: Any) -> Settings:
    """Settings of an app that serves a model, with a database of its own in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = Settings(
        model_dir=model,
        challenger_dir=model.parent / "challenger",
        poll_seconds=0.2,
        database_url=f"sqlite:///{folder / 'scoring.db'}",
    )
    return replace(usual, **changes)


@contextmanager
def running_app(found: Settings) -> Iterator[Application]:
    """An app in this process, its watching of models stopped at the end."""
    app = create_app(found)
    try:
        yield app
    finally:
        app.extensions["service"].close()


@contextmanager
def running_api(model: Path, log: Path, environment: Mapping[str, str] = {}) -> Iterator[str]:
    """gunicorn as in production, on a free port; yields its address."""
    with started_api(model, log, environment) as (url, _):
        yield url


@contextmanager
def started_api(
    model: Path,
    log: Path,
    environment: Mapping[str, str],
    command: Sequence[str] = (sys.executable, "-m", "gunicorn", "--config", "api/gunicorn.conf.py"),
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The same, with the process: it may be killed meanwhile."""
    port = free_port()
    settings = {
        "MODEL_DIR": str(model.resolve()),
        "CHALLENGER_DIR": str(model.resolve().parent / "challenger"),
        "DATABASE_URL": f"sqlite:///{log.resolve().parent / 'scoring.db'}",
        "POLL_SECONDS": "0.2",
        "PORT": str(port),
        **environment,
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **settings}, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        assert wait_until_it_answers(f"{url}/health", server), log.read_text(errors="replace")
        yield url, server
    finally:
        server.terminate()
        server.wait(timeout=30)


class Service(NamedTuple):
    """A running API that knows the sample applicants by number, and its store."""

    url: str
    store: Store
    numbers: list[int]


@contextmanager
def running_service(scorer: Scorer, dataset: Dataset, folder: Path) -> Iterator[Service]:
    """A service as a page meets it: a model with explanations, applicants in the store."""
    scorer.save(folder / "champion")
    store = Store(f"sqlite:///{folder / 'scoring.db'}")
    store.migrate()
    materialize(dataset, store)
    with running_api(folder / "champion", folder / "log") as url:
        yield Service(url, store, applicants(dataset, 2))
    store.close()


def wait_until_it_answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            requests.get(url, timeout=5)
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return True
    return False


def body_of(number: int) -> dict[str, Any]:
    found = copy.deepcopy(example.REQUEST)
    found["application"]["SK_ID_CURR"] = number
    return found


def workers_of(server: subprocess.Popen[bytes]) -> list[int]:
    found = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(pid) for pid in found]
