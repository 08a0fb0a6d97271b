"""What the scheduled workflow does, run as its runner would: bash, a folder, files of outputs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import serving
from ruamel.yaml import YAML

from scoring.store import Alert

ROOT = serving.ROOT
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def steps(workflow: Path) -> dict[str, Mapping[str, Any]]:
    """The steps of all jobs that have a name, by it."""
    jobs = YAML(typ="safe").load(workflow.read_text())["jobs"].values()
    return {step["name"]: step for job in jobs for step in job.get("steps", ()) if "name" in step}


def run(name: str, folder: Path, **environment: str) -> str:
    """Run a step of monitor.yml in a folder; the outputs that it sets."""
    script = steps(ROOT / ".github/workflows/monitor.yml")[name]["run"]
    outputs = folder / "outputs"
    outputs.write_text("")
    own = {**os.environ, **environment, "GITHUB_OUTPUT": str(outputs)}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return outputs.read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the packages, and nothing that runs have left behind."""
    for name in ("reports", "mlruns", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_bash_understands_every_step(workflow: Path) -> None:
    for name, step in steps(workflow).items():
        script = re.sub(r"\$\{\{.*?\}\}", "x", step.get("run", ""))
        done = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name


def test_the_report_of_a_run_is_where_the_next_one_finds_it(
    checkout: Path, small_model: Path
) -> None:
    database = f"sqlite:///{checkout / 'data' / 'scoring.db'}"
    log = checkout / "api.log"
    with serving.running_api(small_model, log, {"DATABASE_URL": database}) as url:
        given = {"DATABASE_URL": database, "API_URL": url, "PYTHONPATH": str(ROOT)}
        assert run("Monitor", checkout, **given) == "status=0\n"
        assert (checkout / "reports" / "monitoring.html").is_file()
        kept = checkout / "mlruns" / "monitoring.json"
        first = json.loads(kept.read_text())
        (checkout / "reports" / "monitoring.json").unlink()
        run("Monitor", checkout, **given)
    assert json.loads(kept.read_text())["since"] > first["since"]


@pytest.fixture
def calls(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GitHub's command line, writing down what it is asked; OPEN is the open issue's number."""
    told = checkout / "calls"
    program = checkout / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\necho "$1 $2 $3" >> calls\n'
        'case "$*" in *body-file*) cat issue.md >> calls;; "issue list"*) echo "$OPEN";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return told


def reported(checkout: Path, *severities: str) -> None:
    alerts = [
        Alert(
            "auc", severity, "3", "ab", NOON, NOON, 0.6, 0.7, "AUC fell | by\n0.1", "Retrain.", ()
        )
        for severity in severities
    ]
    values = {"alerts": [asdict(alert) for alert in alerts]}
    (checkout / "reports" / "monitoring.json").write_text(json.dumps(values, default=str))


def test_an_alert_opens_one_issue_and_then_keeps_it_up_to_date(checkout: Path, calls: Path) -> None:
    name = "Open an issue on an alert"
    reported(checkout)
    run(name, checkout, OPEN="", RUN="https://example.org/run")
    assert not calls.exists()
    reported(checkout, "warning", "critical")
    run(name, checkout, OPEN="", RUN="https://example.org/run")
    text = calls.read_text()
    assert "issue create --title" in text
    assert "| critical | auc | 3 | AUC fell   by 0.1 | Retrain. |" in text
    assert "Reports: https://example.org/run." in text
    calls.unlink()
    run(name, checkout, OPEN="7", RUN="https://example.org/run")
    assert "issue edit 7" in calls.read_text()
    assert "issue create" not in calls.read_text()
