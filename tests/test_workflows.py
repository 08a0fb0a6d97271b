"""What the scheduled workflow does, run as its runner would: bash, a folder, files of outputs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from scoring.serving.bundle import bundle
from scoring.serving.scorer import Scorer
from scoring.store import Alert
from tests.helpers import serving

ROOT = serving.ROOT
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def steps(workflow: Path) -> dict[str, Mapping[str, Any]]:
    """The steps of all jobs that have a name, by it."""
    jobs = YAML(typ="safe").load(workflow.read_text())["jobs"].values()
    return {step["name"]: step for job in jobs for step in job.get("steps", ()) if "name" in step}


def tried(
    workflow: str, name: str, folder: Path, **environment: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run a step of a workflow in a folder; also the outputs that it sets."""
    script = steps(ROOT / f".github/workflows/{workflow}.yml")[name]["run"]
    outputs = folder / "outputs"
    outputs.write_text("")
    own = {**os.environ, **environment, "GITHUB_OUTPUT": str(outputs)}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=own, capture_output=True, text=True
    )
    return done, outputs.read_text()


def run(name: str, folder: Path, **environment: str) -> str:
    """Run a step of monitor.yml that ends well; the outputs that it sets."""
    done, outputs = tried("monitor", name, folder, **environment)
    assert done.returncode == 0, done.stderr + done.stdout
    return outputs


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


@pytest.mark.system
def test_the_report_of_a_run_is_where_the_next_one_finds_it(
    checkout: Path, small_model: Path
) -> None:
    database = f"sqlite:///{checkout / 'data' / 'scoring.db'}"
    log = checkout / "api.log"
    with serving.running_api(small_model, log, {"DATABASE_URL": database}) as url:
        given = {"DATABASE_URL": database, "API_URL": url, "PYTHONPATH": str(ROOT)}
        given["SETTINGS"] = os.devnull
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


def loaded(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(workflow.read_text())
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_secrets_stay_in_their_steps(workflow: Path) -> None:
    for line in re.findall(r"uses: *(.*)", workflow.read_text()):
        own = line.startswith("./")
        assert own or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    found = loaded(workflow)
    secret = re.compile(r"secrets\b")
    assert not secret.search(json.dumps(found.get("env", {})))
    for job in found["jobs"].values():
        outside = {key: value for key, value in job.items() if key not in ("steps", "secrets")}
        assert not secret.search(json.dumps(outside))
        assert job.get("secrets") != "inherit"
        for step in job.get("steps", ()):
            # An action gets none; a command gets them in its environment, not in its text.
            assert not secret.search(json.dumps({k: v for k, v in step.items() if k != "env"}))
            assert "uses" not in step or not secret.search(json.dumps(step))
            script = step.get("run", "")
            assert "GITHUB_ENV" not in script
            for name in [k for k, v in step.get("env", {}).items() if secret.search(str(v))]:
                for line in script.splitlines():
                    shown = re.search(rf"\$\{{?{name}\b", line)
                    assert not shown or re.search(r"printf|\[ -[nz] ", line), line


SECRET = "hrku-0123456789"


@pytest.fixture
def arguments(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs that write down their arguments, and what they read as headers."""
    told = checkout / "arguments"
    folder = checkout / "bin"
    folder.mkdir()
    program = (
        '#!/bin/bash\necho "$(basename $0) $*" >> $ARGUMENTS\n'
        'for word in "$@"; do if [ "${word:0:1}" = @ ] && [ "$word" != @- ]; then '
        'cat "${word:1}" >> $ARGUMENTS.read; fi; done\n'
        "if [ $(basename $0) = curl ]; then exec cat $ANSWER; fi\n"
        'exec /usr/bin/$(basename $0) "$@"\n'
    )
    for name in ("curl", "jq", "mktemp"):
        (folder / name).write_text(program)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("ARGUMENTS", str(told))
    monkeypatch.setenv("ANSWER", os.devnull)
    return told


PUSHED = hashlib.sha256(b"pushed").hexdigest()


@pytest.mark.parametrize(
    ("workflow", "name", "answer"),
    [
        ("deploy", "Note the release that serves",
         '[{"id": "r1", "status": "succeeded", "slug": 1}]'),
        ("deploy", "Roll back to the release before", "{}"),
        ("deploy", "Ask the deployed API for a decision",
         '{"decision": "accept", "probability_of_default": 0.1, '
         f'"model": {{"digest": "{PUSHED}"}}}}'),
        ("monitor", "Take the service's settings",
         '{"DATABASE_URL": "it\'s a $(url)", "OTHER": "x"}'),
    ],
)  # fmt: skip
def test_no_key_is_in_a_commands_arguments(
    workflow: str, name: str, answer: str, checkout: Path, arguments: Path
) -> None:
    (checkout / "answer").write_text(answer)
    settings, pushed = checkout / "settings", checkout / "bundle" / "mlruns" / "champion"
    pushed.mkdir(parents=True)
    (pushed / "manifest.json").write_bytes(b"pushed")
    given = {
        "ANSWER": str(checkout / "answer"), "HEROKU_API_KEY": SECRET, "SCORING_API_KEY": SECRET,
        "RELEASES": "https://x/releases", "RELEASE": "r1", "API_URL": "https://x",
        "HEROKU_APP": "app", "SETTINGS": str(settings), "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(checkout),
    }  # fmt: skip
    done, outputs = tried(workflow, name, checkout, **given)
    assert done.returncode == 0, done.stderr + done.stdout
    assert SECRET not in arguments.read_text()
    read = arguments.with_suffix(".read").read_text()
    assert f"Authorization: Bearer {SECRET}" in read
    if name.startswith("Note"):
        assert outputs == "release=r1\n"
    if workflow == "monitor":
        assert "::add-mask::it's a $(url)" in done.stdout
        shown = f'. {settings}; printf %s "$DATABASE_URL"; printf %s "${{OTHER-none}}"'
        value = subprocess.run(["bash", "-c", shown], capture_output=True, text=True, check=True)
        assert value.stdout == "it's a $(url)none"
        assert settings.stat().st_mode & 0o077 == 0


def test_git_is_given_the_key_when_it_asks_and_the_bundle_stays_a_bundle(
    checkout: Path, small_model: Path
) -> None:
    """Pushed for real, to a folder that stands for Heroku."""
    temporary, remote = checkout / "temporary", checkout / "app.git"
    temporary.mkdir()
    bundle(small_model, temporary / "bundle")
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    home = {"HOME": str(checkout), "GIT_CONFIG_NOSYSTEM": "1"}
    alias = f"url.{checkout}/.insteadOf"
    command = ["git", "config", "--global", alias, "https://git.heroku.com/"]
    subprocess.run(command, env={**os.environ, **home}, check=True)
    given = {"RUNNER_TEMP": str(temporary), "HEROKU_API_KEY": SECRET, "HEROKU_APP": "app"}
    key = {"HEROKU_API_KEY": SECRET}
    done, _ = tried(
        "deploy", "Push the bundle to Heroku", checkout, GITHUB_SHA="a1", **given, **home
    )
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        ["git", "-C", remote, "ls-tree", "-r", "--name-only", "main"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert {"Procfile", "mlruns/champion/model.txt"} <= set(listed.splitlines())
    config = (temporary / "push.git" / "config").read_text()
    assert SECRET not in config
    filled = subprocess.run(
        ["git", "credential", "fill"], input="protocol=https\nhost=git.heroku.com\n\n", text=True,
        env={**os.environ, **home, **key, "GIT_DIR": str(temporary / "push.git")},
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert f"password={SECRET}" in filled
    bundle(small_model, temporary / "bundle")


def test_a_deployment_makes_no_model(checkout: Path) -> None:
    """Without a champion it stops and says why, and no step of it trains."""
    text = (ROOT / ".github/workflows/deploy.yml").read_text()
    assert not re.search(
        r"make (?!install)|scoring (train|retrain|sample|promote)|cache/save", text
    )
    done, _ = tried("deploy", "Bundle the champion", checkout, MODEL="mlruns/champion")
    assert done.returncode == 1
    assert "::error::There is no champion to deploy" in done.stdout


@pytest.mark.usefixtures("arguments")
def test_an_answer_of_another_model_is_no_deployment(checkout: Path) -> None:
    (checkout / "bundle" / "mlruns" / "champion").mkdir(parents=True)
    (checkout / "bundle" / "mlruns" / "champion" / "manifest.json").write_bytes(b"pushed")
    (checkout / "answer").write_text('{"decision": "accept", "model": {"digest": "old"}}')
    (checkout / "bin" / "sleep").write_text("#!/bin/sh\n")
    (checkout / "bin" / "sleep").chmod(0o755)
    done, _ = tried(
        "deploy", "Ask the deployed API for a decision", checkout,
        RUNNER_TEMP=str(checkout), ANSWER=str(checkout / "answer"), API_URL="https://x",
        SCORING_API_KEY=SECRET, PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert done.returncode != 0
    assert "has not the model that was pushed" in done.stdout


@pytest.mark.parametrize("variable", ["", "true"])
def test_the_samples_model_is_deployed_as_a_demonstration_alone(
    variable: str, checkout: Path, scorer: Scorer
) -> None:
    made_up = replace(scorer, lineage={"training": {"source": "synthetic"}})
    made_up.save(checkout / "mlruns" / "champion")
    given = {"RUNNER_TEMP": str(checkout / "temporary"), "PYTHONPATH": str(ROOT)}
    done, _ = tried(
        "deploy", "Bundle the champion", checkout,
        MODEL="mlruns/champion", DEMONSTRATION=variable, **given,
    )  # fmt: skip
    assert (done.returncode == 0) == (variable == "true"), done.stderr
    assert ("learnt from sample applicants" in done.stderr) == (variable == "")
    assert (checkout / "temporary" / "bundle").exists() == (variable == "true")
