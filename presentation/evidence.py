"""What commands print and servers show, taken as it is when the slides are made."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import FloatRect, Page, ViewportSize, sync_playwright

from api.decisions.example import REQUEST
from presentation.drawing import Printed
from presentation.figures import training_of
from scoring.errors import ScoringError
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.serving.local import Server, free_port, running

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The author's own pictures, by the name of what they are shown instead of.
PICTURES = Path("presentation/pictures")
# What is shown of a history and of a test run; the tests named here take some seconds.
_HISTORY = ("git", "log", "--format=%h %ad %s", "--date=short", "--no-merges", "-16")
_PYTEST = (sys.executable, "-m", "pytest")
_LINE = 96
_ROWS = 6
_TESTS = ("tests/scoring/evaluation/test_business.py", "tests/scoring/data/test_tables.py")
_PAGES = ("mlflow_runs", "mlflow_registry")
_SHOWN = ("repository", "commits", "tests", "deployment", *_PAGES)
_DRAWING_MS = 5000
_MACHINE_LEARNING = "workflowType=machine_learning"
# Columns to hide and to show; then parts of pages in pixels, so narrow that letters are large.
_COLUMNS = ("Dataset", "Source", "Models", "auc", "business_cost")
_RUNS_PART: FloatRect = {"x": 64, "y": 182, "width": 712, "height": 276}
_VERSION_PAGE: ViewportSize = {"width": 1000, "height": 700}
_VERSION_PART: FloatRect = {"x": 56, "y": 14, "width": 930, "height": 400}
# A button that MLflow puts on top of its page.
_NO_ASSISTANT = "[data-assistant-ui] { visibility: hidden }"


class EvidenceError(ScoringError):
    """A command failed, or a program that is needed is not there."""


@dataclass(frozen=True)
class Evidence:
    """What is shown as it is.

    Attributes
    ----------
    shown, own : dict
        By the names of `PICTURES`: the repository, its commits, a run of some tests, a bundle
        started as the platform does (deployment), MLflow's pages of runs and of the registry; and
        which of them are the author's.
    commits, tests_in_all : int
        How many there are.
    answer, causes : mapping and list of mapping
        What the bundle's API said of an invented applicant, and what each cause added to it.
    """

    shown: Mapping[str, Printed | Path]
    own: Mapping[str, bool]
    commits: int
    tests_in_all: int
    answer: Mapping[str, Any]
    causes: Sequence[Mapping[str, Any]]


def gathered(root: Path, folder: Path) -> Evidence:
    """Run everything that is shown, in a clone after a run; MLflow's pages go into a folder.

    Raises
    ------
    EvidenceError
        If a command fails, git or a browser is missing, or no slide shows a picture that is there.
    """
    own = _own(root)
    deployed, answer, causes = _deployed(root)
    taken: dict[str, Printed | Path] = {
        "repository": _repository(root),
        "commits": _commits(root),
        "tests": _tests(root),
        "deployment": deployed,
        **{name: folder / f"{name}.png" for name in _PAGES},
    }
    if not own.keys() >= set(_PAGES):
        _mlflow_pages(root, folder)
    collected = run(root, *_PYTEST, "--collect-only", "-q", "-m", "")
    return Evidence(
        shown=taken | own,
        own={name: name in own for name in taken},
        commits=int(run(root, "git", "rev-list", "--count", "HEAD")),
        tests_in_all=sum("::" in line for line in collected.splitlines()),
        answer=answer,
        causes=causes,
    )


def _own(root: Path) -> dict[str, Path]:
    own = {file.stem: file for file in (root / PICTURES).glob("*.png")}
    if strange := own.keys() - set(_SHOWN):
        raise EvidenceError(f"{PICTURES / min(strange)}.png: only {', '.join(_SHOWN)} are shown")
    return own


def run(root: Path, *command: str) -> str:
    """Return what a command prints, run in a folder; an `EvidenceError` names one that fails."""
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EvidenceError(f"{command[0]} is not installed: what it prints is needed") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise EvidenceError(f"{' '.join(command)} failed: {words[-1] if words else 'no word'}")
    return done.stdout.strip()


def _repository(root: Path) -> Printed:
    names = run(root, "git", "ls-tree", "--name-only", "HEAD").splitlines()
    rows = ("".join(name.ljust(22) for name in names[row::_ROWS]) for row in range(_ROWS))
    return Printed("git ls-tree --name-only HEAD | column", "\n".join(rows))


def _commits(root: Path) -> Printed:
    lines = run(root, *_HISTORY).splitlines()
    shortened = [textwrap.shorten(line, _LINE, placeholder=" ...") for line in lines]
    return Printed(shlex.join(_HISTORY), "\n".join(shortened))


def _tests(root: Path) -> Printed:
    lines = run(root, *_PYTEST, "-v", "--no-header", "--tb=short", *_TESTS).splitlines()
    named = [line.split(" [")[0].rstrip() for line in lines if "::" in line]
    short = [line for line in named if len(line) <= _LINE]
    shown = [*short[:7], "...", *short[-7:], lines[-1]]
    return Printed(f"python -m pytest -v {' '.join(_TESTS)}", "\n".join(shown))


def _deployed(root: Path) -> tuple[Printed, dict[str, Any], list[dict[str, Any]]]:
    """Make a bundle, start it as the platform does, and ask it for a decision and its reasons."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = f"{folder}/bundle"
        options = ("bundle", "--demonstration", "--out", bundle)
        made = run(root, sys.executable, "-m", "scoring", *options)
        url = f"http://127.0.0.1:{(port := free_port())}"
        command = ("gunicorn", "--chdir", bundle, "--config", "api/gunicorn.conf.py")
        settings = {"PORT": str(port), "DATABASE_URL": f"sqlite:///{folder}/scoring.db"}
        server = Server("API", (sys.executable, "-m", *command), settings, port, f"{url}/ready")
        with running(server), requests.Session() as session:
            session.headers["Accept-Language"] = "fr"
            session.hooks["response"] = lambda response, **_: response.raise_for_status()
            answer = session.post(f"{url}/predict", json=REQUEST, timeout=30).json()
            explained = session.get(f"{url}/predictions/{answer['id']}/explanation", timeout=30)
    printed = f"""{made.replace(bundle, "build/bundle")}
$ cd build/bundle && gunicorn --config api/gunicorn.conf.py &
$ curl $API_URL/predict --data @request.json | jq .decision
"{answer["decision"]}\""""
    return Printed("make bundle", printed), answer, explained.json()["causes"]


def _mlflow_pages(root: Path, folder: Path) -> None:
    """Photograph what matters of MLflow's table of runs, and of its page of the champion."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # It opens the store before the server does, which knows nothing of folders that were moved.
    compared = f"{address}/{_compared(Registry(root / 'mlruns'))}"
    command = (
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{root / 'mlruns' / 'mlflow.db'}", "--workers", "1",
        "--artifacts-destination", str(root / "mlruns" / "artifacts"),
    )  # fmt: skip
    # Nothing is run on a schedule here, and what would run it takes seconds to start.
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    server = Server("MLflow page", command, quiet, port, f"{address}/health")
    runs, registry = (folder / f"{name}.png" for name in _PAGES)
    with running(server), _browser() as page:
        page.goto(compared)
        # What MLflow opens beside the page leaves too little room for it.
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Toggle sidebar").click()
        page.get_by_text("family: ").first.wait_for()
        page.get_by_role("button", name="Columns").click()
        for column in _COLUMNS:
            page.get_by_text(column, exact=True).last.click()
        page.keyboard.press("Escape")
        _photograph(page, runs, _RUNS_PART)
        page.set_viewport_size(_VERSION_PAGE)
        version = Registry(root / "mlruns").version_of()
        page.goto(f"{address}/#/models/{MODEL_NAME}/versions/{version}?{_MACHINE_LEARNING}")
        page.get_by_text("Champion since").first.wait_for()
        _photograph(page, registry, _VERSION_PART)


def _photograph(page: Page, file: Path, part: FloatRect) -> None:
    # Tables grow into their place, and the page never stops asking its server for news.
    page.wait_for_timeout(_DRAWING_MS)
    page.screenshot(path=file, clip=part, style=_NO_ASSISTANT)


def _compared(registry: Registry) -> str:
    """Where MLflow lists the families that the champion's training compared."""
    run = training_of(registry, registry.version_of())
    only = f"tags.mlflow.parentRunId = '{run.info.run_id}' and attributes.run_name LIKE 'family%'"
    return registry.page(
        searchFilter=only, orderByKey="metrics.`auc`", orderByAsc="false", compareRunsMode="TABLE"
    )


@contextmanager
def _browser() -> Iterator[Page]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise EvidenceError("no browser is installed: apt-get install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1300, "height": 700}, device_scale_factor=2)
        browser.close()
