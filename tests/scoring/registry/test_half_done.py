"""Changes of champion that a kill cut in two: what comes next finishes them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from click.testing import Result
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.registry import approval
from scoring.registry.mlflow_registry import CHALLENGER, CHAMPION, Registry
from scoring.registry.promotions import is_behind
from scoring.serving.scorer import Scorer
from tests.helpers import serving
from tests.helpers.cards import filled_card

pytestmark = pytest.mark.system

# Ends itself before each of the calls that are asked for of all those that leave something behind,
# in a process of its own; without any before every one, until one process comes to its end.
KILLED = """
import functools, os, shutil, signal, sys
from pathlib import Path
from mlflow.tracking import MlflowClient
from scoring import files
from scoring.registry import approval
from scoring.registry.gates import Gate, GateVerdict
from scoring.registry.mlflow_registry import Registry

folder = Path(sys.argv[1])
action, asked = sys.argv[2], [int(word) for word in sys.argv[3:]]
calls = 0

def counted(owner, name, last):
    real = getattr(owner, name)
    @functools.wraps(real)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(owner, name, call)

def change(place, last):
    for owner, name in (
        (MlflowClient, "set_registered_model_tag"), (MlflowClient, "delete_registered_model_tag"),
        (MlflowClient, "set_registered_model_alias"),
        (MlflowClient, "delete_registered_model_alias"), (MlflowClient, "log_text"),
        (MlflowClient, "update_model_version"), (MlflowClient, "set_model_version_tag"),
        (files, "_put_in_place"), (files.shutil, "rmtree"), (Path, "rename"),
    ):
        counted(owner, name, last)
    store = Registry(place)
    export = place / "champion"
    if action == "rollback":
        approval.rollback(store, "ben", "complaints", export=export)
    else:
        gate = Gate("AUC", True, 0.76, 0.75, "The AUC is not worse.")
        verdict = GateVerdict("2", "1", (gate,), applicants=200, defaults=16)
        approval.promote(store, verdict, "ana", "better", export=export)

for last in asked or range(1, 100):
    place = folder / f"mlruns-{last}"
    shutil.copytree(folder / "mlruns", place)
    child = os.fork()
    if child == 0:
        change(place, last)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(place)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
"""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory, scorer: Scorer) -> Iterator[Path]:
    """A registry whose champion is version 1, exported, with version 2 as its challenger."""
    uri = mlflow.get_tracking_uri()
    folder = tmp_path_factory.mktemp("half")
    registry = Registry(folder / "mlruns")
    for _ in range(2):
        with registry.run("test", {}):
            version = registry.register(scorer).version
        approval.keep_card(registry, filled_card(version=version))
        registry.export(registry.folder / CHALLENGER, CHALLENGER)
        if version == "1":
            assert_promoted(registry)
    yield folder
    mlflow.set_tracking_uri(uri)


def assert_promoted(registry: Registry) -> None:
    from tests.helpers.verdicts import passed

    verdict = passed(registry.version_of(CHALLENGER), registry.champion())
    approval.promote(registry, verdict, "ana", "test", export=registry.folder / CHAMPION)


def killed(folder: Path, action: str, *steps: int) -> list[Path]:
    """What a change of champion left in a registry, killed before some of its steps, or all."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), action, *map(str, steps)], cwd=serving.ROOT,
        env={**os.environ, "POLARS_MAX_THREADS": "1"}, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def state(place: Path) -> tuple[str | None, str, str, str]:
    """The champion by its alias, by its export, by the record and by its card."""
    registry = Registry(place)
    champion = registry.champion()
    assert champion is not None
    last, card = registry.history()[-1], approval.kept_card(registry, champion)
    assert card is not None
    assert [event.number for event in registry.history()] == list(range(1, last.number + 1))
    assert card.approval.at == last.at
    return champion, Scorer.load(place / CHAMPION).version, last.version, card.identity.version


@pytest.mark.parametrize(
    "steps", [(2, 4, 7), pytest.param((), marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_after_a_promotion_that_was_killed_all_say_the_same(
    steps: tuple[int, ...], before: Path, tmp_path: Path
) -> None:
    """Some: before the record, after the alias, and while the folder is put in place."""
    shutil.copytree(before / "mlruns", tmp_path / "mlruns")
    outcomes = []
    for place in killed(tmp_path, "promote", *steps):
        # Whatever happened, there is a champion to serve.
        assert Scorer.load(place / CHAMPION).version in ("1", "2")
        registry = Registry(place)
        whole = registry.is_exported(place / CHAMPION) and registry.finish() is None
        mended = approval.settle(registry)
        assert mended != whole
        assert len(set(state(place))) == 1
        outcomes.append(registry.champion())
        assert (place / CHALLENGER).exists() == (registry.champion() == "1")
        assert not approval.settle(registry)
        assert not list(place.glob("*.partial"))
    # Nothing was begun, or it was finished.
    assert outcomes == (["2"] * 3 if steps else ["1"] + ["2"] * (len(outcomes) - 1))


@pytest.mark.slow
def test_after_a_rollback_that_was_killed_all_say_the_same(before: Path, tmp_path: Path) -> None:
    shutil.copytree(before / "mlruns", tmp_path / "mlruns")
    assert_promoted(Registry(tmp_path / "mlruns"))
    for place in killed(tmp_path, "rollback"):
        approval.settle(Registry(place))
        assert len(set(state(place))) == 1
        assert not list(place.glob("*.partial"))


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def behind(before: Path, tmp_path: Path) -> Path:
    """A registry that says version 2, beside a folder that serves version 1."""
    place = Path(shutil.copytree(before / "mlruns", tmp_path / "mlruns"))
    registry = Registry(place)
    from tests.helpers.verdicts import passed

    registry.promote(passed("2", "1"), "ana", "killed before the export")
    assert Scorer.load(place / CHAMPION).version == "1"
    assert is_behind(place / CHAMPION)
    return place


@pytest.mark.parametrize("name", ["models", "export", "promote", "bundle", "promote --version 2"])
def test_the_next_command_exports_what_the_registry_says(
    name: str, behind: Path, tmp_path: Path
) -> None:
    kept = ("--mlruns", behind)
    who = ("--data", tmp_path, "--by", "ana", "--why", "again", "--reports", tmp_path)
    words: dict[str, tuple[str | Path, ...]] = {
        "models": kept,
        "export": (*kept, "--out", tmp_path / "elsewhere"),
        "bundle": ("--model", behind / CHAMPION, "--out", tmp_path / "bundle"),
        "promote": (*kept, *who, "--export", behind / CHAMPION),
        "promote --version 2": (*kept, *who, "--export", behind / CHAMPION, "--version", "2"),
    }
    done = command(name.split()[0], *words[name])
    assert done.exit_code == 0, done.output
    assert "was not version 2, the champion: exported again" in " ".join(done.output.split())
    assert Scorer.load(behind / CHAMPION).version == "2"
    assert not is_behind(behind / CHAMPION)
    if name.startswith("promote"):
        assert "version 2 is the champion; exported to" in done.stdout


def test_what_cannot_be_mended_is_told_and_stops_nobody(behind: Path) -> None:
    (behind / CHAMPION / "notes.txt").write_text("mine")
    done = command("models", "--mlruns", behind)
    assert done.exit_code == 0
    told = " ".join(done.stderr.split())
    assert "cannot be made it" in told
    assert "notes.txt" in told
    assert (behind / CHAMPION / "notes.txt").read_text() == "mine"


def test_an_export_never_goes_into_the_registry_itself(before: Path) -> None:
    registry = Registry(before / "mlruns")
    path = next((registry.folder / "artifacts").rglob("scorer.json")).parent
    whole = (path / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match="where MLflow keeps the versions"):
        registry.export(path)
    assert (path / "manifest.json").read_bytes() == whole
    assert json.loads(whole)["files"]
