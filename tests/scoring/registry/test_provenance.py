"""What a model was made by: kept with its version, read back the same, changed by any change."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.data.dataset import Dataset
from scoring.registry.mlflow_registry import Registry
from scoring.registry.promotions import RegistryError
from scoring.registry.provenance import (
    ENVIRONMENT_FILE,
    Provenance,
    code_digest,
    commit_of,
    keep,
    kept,
    kept_manifest,
    provenance_of,
)
from scoring.serving.scorer import Scorer

WORDS = st.text(st.characters(codec="utf-8"), min_size=1)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", fullmatch=True)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    before = mlflow.get_tracking_uri()
    yield Registry(tmp_path / "mlruns")
    mlflow.set_tracking_uri(before)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "repository" / "package"
    (folder / "part").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "part" / "module.py").write_text("ONE = 1\n")
    (folder / "part" / "profile.json").write_text("{}\n")
    return folder


def git(package: Path, *words: str) -> str:
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org")
    command = ["git", "-C", str(package.parent), *who, *words]
    own = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(command, env=own, capture_output=True, text=True, check=True).stdout


@given(
    given=st.builds(
        Provenance,
        code_sha256=WORDS,
        commit=WORDS | st.none(),
        dirty=st.booleans() | st.none(),
        parent=WORDS | st.none(),
        python=NAMES,
        platform=NAMES,
        packages=st.dictionaries(NAMES, NAMES),
        by=WORDS,
        at=WORDS,
    )
)
def test_what_is_kept_is_read_back_the_same(given: Provenance) -> None:
    assert Provenance.read({"dataset": "ab", **given.tags}, given.environment) == given


def test_a_version_without_tags_tells_nothing() -> None:
    assert Provenance.read({"dataset": "ab"}, "") is None


def test_this_machine_and_its_packages_are_told() -> None:
    found = provenance_of("3")
    assert found.parent == "3"
    assert found.packages["polars"] == version("polars")
    assert f"polars=={version('polars')}\n" in found.environment
    assert found.environment.startswith(f"# Python {found.python}\n# {found.platform}\n")
    assert found.code_sha256 == code_digest()
    assert found.by
    assert provenance_of(None).packages == found.packages


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("part/module.py", "ONE = 2\n"),
        ("part/profile.json", "[]\n"),
        ("part/new.py", ""),
        ("part/deeper/new.json", "{}"),
        ("part/new.toml", ""),
    ],
)
def test_changed_code_has_another_digest(package: Path, file: str, text: str) -> None:
    before = code_digest(package)
    (package / file).parent.mkdir(exist_ok=True)
    (package / file).write_text(text)
    assert code_digest(package) != before


def test_moved_code_has_another_digest(package: Path) -> None:
    before = code_digest(package)
    module = package / "part" / "module.py"
    module.rename(package / "module.py")
    assert code_digest(package) != before


def test_only_code_has_a_part_in_its_digest(package: Path, tmp_path: Path) -> None:
    before = code_digest(package)
    (package / "notes.txt").write_text("later")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "module.pyc").write_bytes(b"\0")
    assert code_digest(package) == before
    elsewhere = shutil.copytree(package, tmp_path / "elsewhere")
    assert code_digest(elsewhere) == before


def test_the_commit_is_told_and_whether_the_code_is_other_than_it(package: Path) -> None:
    git(package, "init", "--quiet")
    assert commit_of(package) == (None, None)
    git(package, "add", ".")
    assert commit_of(package) == (None, None)
    git(package, "commit", "--quiet", "-m", "first")
    commit = git(package, "rev-parse", "HEAD").strip()
    assert commit_of(package) == (commit, False)
    (package.parent / "elsewhere.txt").write_text("not the code")
    assert commit_of(package) == (commit, False)
    (package / "new.py").write_text("")
    assert commit_of(package) == (commit, True)
    (package / "new.py").unlink()
    (package / "part" / "module.py").write_text("ONE = 2\n")
    assert commit_of(package) == (commit, True)


def test_code_that_a_repository_does_not_know_belongs_to_no_commit(package: Path) -> None:
    assert commit_of(package) == (None, None)
    git(package, "init", "--quiet")
    (package.parent / ".gitignore").write_text("package\n")
    git(package, "add", ".")
    git(package, "commit", "--quiet", "-m", "without the package")
    assert commit_of(package) == (None, None)


def test_without_git_there_is_no_commit(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(package))
    assert commit_of(package) == (None, None)


def test_a_registered_version_keeps_what_it_was_made_by(
    registry: Registry, scorer: Scorer, sample: Dataset
) -> None:
    made_by = provenance_of("1")
    with registry.run("training", {}):
        number = registry.register(scorer, made_by.tags).version
        keep(registry, number, scorer.name, made_by, sample.manifest)
        bare = registry.register(scorer).version
    assert kept(registry, number) == made_by
    assert kept_manifest(registry, number) == sample.manifest
    assert registry.tags(number)["manifest_sha256"]
    assert f"numpy=={version('numpy')}\n" in (registry.attached(number, ENVIRONMENT_FILE) or "")
    # The model's bytes do not depend on who made it, where and when.
    assert registry.load(number) == replace(scorer, version=number)
    assert (kept(registry, bare), kept_manifest(registry, bare)) == (None, None)
    registry.attach(number, {"dataset.json": '{"files": '})
    with pytest.raises(RegistryError, match=r"dataset\.json of version 1 .* is damaged"):
        kept_manifest(registry, number)
