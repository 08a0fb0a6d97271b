"""The files that install and deploy the project agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jupytext
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.helpers import serving

ROOT = serving.ROOT


def pins(path: str, python: str = "3.11") -> dict[str, str]:
    """What a lock has of each package for a Python on Linux."""
    lines = re.findall(r"^([a-z0-9].*?) *\\$", (ROOT / path).read_text(), re.MULTILINE)
    here = {"python_version": python, "python_full_version": f"{python}.9"}
    chosen = [
        item for item in map(Requirement, lines) if not item.marker or item.marker.evaluate(here)
    ]
    versions = {item.name: str(item.specifier).removeprefix("==") for item in chosen}
    assert len(versions) == len(chosen)
    return versions


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~ ]", item, maxsplit=1)[0] for item in requirements}


def test_the_lock_holds_everything_that_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [item for group in project["optional-dependencies"].values() for item in group]
    assert names(project["dependencies"]) | names(optional) <= pins("requirements.txt").keys()
    assert names(project["dependencies"]) <= pins("api/requirements.txt").keys()


def test_what_is_deployed_is_what_is_tested_and_hashed() -> None:
    deployed, tested = pins("api/requirements.txt"), pins("requirements.txt")
    assert deployed.items() <= tested.items()
    for path, locked in (("api/requirements.txt", deployed), ("requirements.txt", tested)):
        text = (ROOT / path).read_text()
        hashed = re.findall(r"^[a-z0-9].*\\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
        lines = re.findall(r"^[^ #\n]", text, re.MULTILINE)
        # Lines with a marker may be of another system or Python.
        assert len(hashed) == len(lines) >= len(locked)
        assert sum(" ; " not in line for line in re.findall(r"^[a-z0-9].*", text, re.M)) <= len(
            locked
        )
        assert path == "requirements.txt" or len(lines) == len(locked)
    assert not {"pandas", "mlflow", "shap", "evidently", "scikit-learn"} & deployed.keys()


@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_every_python_that_is_taken_gets_the_same_versions(python: str) -> None:
    ours, theirs = pins("requirements.txt"), pins("requirements.txt", python)
    assert theirs.items() <= ours.items()
    assert ours.keys() - theirs.keys() <= {"overrides"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert python in SpecifierSet(project["requires-python"])


def test_the_installed_packages_are_the_locked_ones() -> None:
    from importlib.metadata import version

    locked = pins("requirements.txt")
    chosen = ("polars", "lightgbm", "mlflow", "evidently", "flask", "pandas")
    assert {name: version(name) for name in chosen} == {name: locked[name] for name in chosen}


def test_workflows_are_valid_and_deploy_waits_for_the_tests() -> None:
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert workflows
    lint = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    subprocess.run([*lint, *workflows], check=True, capture_output=True, timeout=60)
    for name, before in (("tests-and-deploy", "tests"), ("monitor", "watch")):
        text = (ROOT / f".github/workflows/{name}.yml").read_text()
        deploy = text.split("\n  deploy:")[1]
        assert f"needs: {before}\n" in deploy
        assert "uses: ./.github/workflows/deploy.yml" in deploy


@pytest.mark.parametrize("target", ["run", "test", "pipeline", "serve", "mlflow", "help"])
def test_make_knows_and_explains_its_targets(target: str) -> None:
    told = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert re.search(rf"^  make {target} +\S", told, re.MULTILINE)


def test_cleaning_leaves_the_record_of_promotions(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "data" / "tables").mkdir(parents=True)
    (tmp_path / "mlruns" / "mlflow.db").write_text("who promoted what")

    def make(*words: str) -> int:
        command = ["make", "--file", str(ROOT / "Makefile"), *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60).returncode

    assert make("clean") == 0
    assert not (tmp_path / "data" / "tables").exists()
    assert make("clean-registry") != 0
    assert (tmp_path / "mlruns" / "mlflow.db").is_file()
    assert make("clean-registry", "CONFIRM=yes") == 0
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


def test_notebooks_and_their_scripts_agree() -> None:
    for script in sorted((ROOT / "notebooks").glob("*.py")):
        notebook = script.with_suffix(".ipynb")
        written = jupytext.writes(jupytext.read(notebook), fmt="py:percent")
        assert cells(written) == cells(script.read_text()), notebook.name


def cells(script: str) -> str:
    """A percent script without its header."""
    return script.split("# ---\n", 2)[2].strip()
