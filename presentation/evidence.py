"""What commands print and servers show, taken as it is when the slides are made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from playwright.sync_api import Page, ViewportSize, sync_playwright

from api.decisions.example import REQUEST
from presentation.figures import training_of
from scoring.errors import ScoringError
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.serving.local import Server, free_port, running

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# What is shown of a history and of a test run; the tests named here take some seconds.
_COMMITS = 16
_LINE = "%h %ad %<(72,trunc)%s"
_TESTS = (
    "tests/scoring/evaluation/test_business.py",
    "tests/scoring/data/test_tables.py",
    "tests/scoring/data/test_requests.py",
)
_DRAWING_MS = 5000
_WINDOW: ViewportSize = {"width": 1440, "height": 810}


class EvidenceError(ScoringError):
    """A command failed, or a program that is needed is not there."""


class Printed(NamedTuple):
    """A command, and what it printed."""

    command: str
    output: str


@dataclass(frozen=True)
class Evidence:
    """What is shown as it is.

    Attributes
    ----------
    history, tests, deployed : Printed
        Of the code's versions, of some test files, and of a bundle started as the platform does.
    commits, tests_in_all : int
        How many there are.
    request, answer : dict
        An invented applicant, and what the bundle's API said.
    contributions : list of dict
        What each feature added to the answer, in French words.
    runs, registry : Path
        Pictures of MLflow's page.
    """

    history: Printed
    tests: Printed
    deployed: Printed
    commits: int
    tests_in_all: int
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    contributions: Sequence[Mapping[str, Any]]
    runs: Path
    registry: Path


def gathered(root: Path, pictures: Path) -> Evidence:
    """Run everything that is shown.

    Parameters
    ----------
    root : Path
        A clone of the project after a run.
    pictures : Path
        An existing folder for what MLflow's page looks like.

    Raises
    ------
    EvidenceError
        If a command fails, or git or a browser is missing.
    """
    deployed, answer, explanation = _deployed(root)
    runs, registry = _mlflow_pages(root, pictures)
    counted = _run(root, "git", "rev-list", "--count", "HEAD")
    collected = _run(root, sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "")
    return Evidence(
        history=_history(root),
        tests=_tests(root),
        deployed=deployed,
        commits=int(counted),
        tests_in_all=sum("::" in line for line in collected.splitlines()),
        request=REQUEST,
        answer=answer,
        contributions=explanation["contributions"],
        runs=runs,
        registry=registry,
    )


def _run(root: Path, *command: str) -> str:
    """What a command prints.

    Raises
    ------
    EvidenceError
        If it is not there, or ends with a status other than 0.
    """
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EvidenceError(
            f"{command[0]} is not installed: the slides show what it says"
        ) from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise EvidenceError(f"{' '.join(command)} failed: {words[-1] if words else 'no word'}")
    return done.stdout.strip()


def _history(root: Path) -> Printed:
    words = ("git", "log", f"--format={_LINE}", "--date=short", f"-{_COMMITS}")
    lines = [line.rstrip() for line in _run(root, *words).splitlines()]
    return Printed(f"git log --format='{_LINE}' --date=short -{_COMMITS}", "\n".join(lines))


def _tests(root: Path) -> Printed:
    words = ("-m", "pytest", "-v", "--no-header", "--tb=short", *_TESTS)
    lines = _run(root, sys.executable, *words).splitlines()
    named = [line.split(" [")[0].rstrip() for line in lines if "::" in line]
    shown = [*named[:6], "...", *named[-6:], lines[-1]]
    return Printed(f"python -m pytest -v {' '.join(_TESTS)}", "\n".join(shown))


def _deployed(root: Path) -> tuple[Printed, dict[str, Any], dict[str, Any]]:
    """Make a bundle, start it as the platform does, and ask it for a decision and its reasons."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        make = ("-m", "scoring", "bundle", "--demonstration", "--out", str(bundle))
        made = _run(root, sys.executable, *make)
        address = f"http://127.0.0.1:{(port := free_port())}"
        command = ("gunicorn", "--chdir", str(bundle), "--config", "api/gunicorn.conf.py")
        settings = {"PORT": str(port), "DATABASE_URL": f"sqlite:///{folder}/scoring.db"}
        server = Server("API", (sys.executable, "-m", *command), settings, port, f"{address}/ready")
        with running(server):
            ready = _asked(f"{address}/ready")
            answer = _asked(f"{address}/predict", REQUEST)
            explanation = _asked(f"{address}/predictions/{answer['id']}/explanation")
    said = [
        *made.replace(str(bundle), "build/bundle").splitlines(),
        "$ cd build/bundle && gunicorn --config api/gunicorn.conf.py &",
        "$ curl $API_URL/ready | jq .status,.model.version",
        f'"{ready["status"]}"',
        f'"{ready["model"]["version"]}"',
        "$ curl $API_URL/predict --data @request.json | jq .decision,.probability_of_default",
        f'"{answer["decision"]}"',
        str(answer["probability_of_default"]),
    ]
    return Printed("make bundle", "\n".join(said)), answer, explanation


def _asked(address: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept-Language": "fr"}
    asked = urllib.request.Request(address, data, headers)  # noqa: S310 - loopback, ours
    with urllib.request.urlopen(asked, timeout=30) as response:  # noqa: S310 - loopback, ours
        found: dict[str, Any] = json.load(response)
    return found


def _mlflow_pages(root: Path, pictures: Path) -> tuple[Path, Path]:
    """MLflow's table of runs, and its page of registered models."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    # It opens the store before the server does, which knows nothing of folders that were moved.
    compared = f"{address}/#/experiments/{_compared(Registry(root / 'mlruns'))}"
    command = (
        "mlflow", "server", "--backend-store-uri", f"sqlite:///{root / 'mlruns' / 'mlflow.db'}",
        "--artifacts-destination", str(root / "mlruns" / "artifacts"), "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1",
    )  # fmt: skip
    # Nothing is run on a schedule here, and what would run it takes seconds to start.
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    program = (sys.executable, "-m", *command)
    server = Server("MLflow page", program, quiet, port, f"{address}/health")
    runs, registry = pictures / "mlflow_runs.png", pictures / "mlflow_registry.png"
    with running(server), _browser() as page:
        page.goto(compared)
        # What MLflow opens beside the page leaves too little room for it.
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Toggle sidebar").click()
        page.get_by_text("business_cost", exact=True).first.wait_for()
        _photograph(page, runs)
        page.goto(f"{address}/#/models/{MODEL_NAME}")
        # Its tags are the history of promotions, which the versions would follow off the page.
        page.get_by_text("Tags", exact=True).first.click()
        page.get_by_text("champion").first.wait_for()
        _photograph(page, registry)
    return runs, registry


def _photograph(page: Page, file: Path) -> None:
    # Charts grow into their place, and the page never stops asking its server for news.
    page.wait_for_timeout(_DRAWING_MS)
    # On which machine a model was trained is no business of an audience.
    machine = page.get_by_text("Linux-")
    page.screenshot(path=file, mask=[machine], mask_color="#f2f2f2")


def _compared(registry: Registry) -> str:
    """Where MLflow draws charts of the families that the champion's training compared."""
    run = training_of(registry, registry.version_of())
    only = f"tags.mlflow.parentRunId = '{run.info.run_id}' and attributes.run_name LIKE 'family%'"
    asked = {
        "searchFilter": only, "orderByKey": "metrics.`auc`", "orderByAsc": "false",
        "compareRunsMode": "CHART",
    }  # fmt: skip
    return f"{run.info.experiment_id}/runs?{urlencode(asked, quote_via=quote)}"


@contextmanager
def _browser() -> Iterator[Page]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise EvidenceError("no browser is installed: apt-get install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page(viewport=_WINDOW)
        browser.close()
