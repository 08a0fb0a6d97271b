"""`make` on machines as they are: other Pythons, moved folders, data that is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers import serving

pytestmark = pytest.mark.system

ROOT = serving.ROOT
TAKEN = ("3.12", "3.13")
# What the first words of the README make of a clone, in small: applicants, a model, a decision.
LINE = """
import sys
from pathlib import Path
from api import Settings, create_app
from api.decisions import example
from scoring.evaluation.business import Costs
from scoring.modelling.candidates import Candidate
from scoring.features import build_features
from scoring.data.synthetic import write_sample
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer, lineage
from scoring.modelling.validation import cross_validate

sample = write_sample(Path("data/tables"), 400, seed=3, processes=1)
features = build_features(sample.frames()).collect()
outcomes = sample.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
examples = Examples.of(features, outcomes)
found = cross_validate(Candidate.of("trees", n_estimators=20), examples, Costs(), folds=3, seed=1)
record = lineage(found, {"digest": "0" * 64, "source": "home-credit"})
model = fit_scorer(found, examples, "credit-scoring", record, seed=1)
model.save(Path("data/model"))
app = create_app(Settings(model_dir=Path("data/model"), database_url="sqlite:///data/scoring.db"))
answer = app.test_client().post("/predict", json=example.REQUEST).json
app.extensions["service"].close()
print(*sys.version_info[:2], sample.digest, answer["decision"], answer["probability_of_default"])
"""


def pythons() -> dict[str, str]:
    """The other Pythons that are taken and run here, by version."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for version in TAKEN:
        names = [f"python{version}", *map(str, kept.glob(f"{version}.*/bin/python{version}"))]
        for name in names:
            # A shim of pyenv is there, and runs nothing.
            if (
                shutil.which(name)
                and not subprocess.run(
                    [name, "-c", "import ensurepip"], capture_output=True, timeout=60
                ).returncode
            ):
                found[version] = name
    return found


def clone(folder: Path) -> Path:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("reports/", "tests/", "notebooks/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


# What a make that runs the tests tells its children is none of these makes' business.
_ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith("MAKE")}


def run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=600,
        env={**_ENVIRONMENT, "HOME_CREDIT_DATA": "", **environment},
    )  # fmt: skip


@pytest.mark.where_installed
@pytest.mark.parametrize("version", [pytest.param("3.12", marks=pytest.mark.slow), "3.13"])
def test_the_line_runs_on_every_python_that_is_taken(
    version: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if version not in pythons():
        pytest.skip(f"Python {version} is not installed here")
    folder = clone(tmp_path)
    done = run(folder, "make", "install", f"PYTHON={pythons()[version]}")
    assert done.returncode == 0, done.stderr
    done = run(folder, ".venv/bin/python", "-c", LINE, PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(folder / "data")
    monkeypatch.chdir(folder)
    exec(LINE, {})  # noqa: S102 - ours, in a process that has imported what takes long
    # The same applicants, decision and probability as here, to the last bit.
    assert done.stdout.split()[:2] == version.split(".")
    assert done.stdout.split()[2:] == capsys.readouterr().out.split()[2:]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone whose commands are written down instead of run."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "scoring").mkdir()
    return tmp_path


FAKE = """#!/bin/sh
echo "$0 $*" >> "{log}"
case "$*" in
  *version_info*) exit {unfit} ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && cp "$0" .venv/bin/uv
    echo "#!$PWD/.venv/bin/python" > .venv/bin/pip ;;
  *"scoring ingest"*) test -e "$4/application_train.csv" || exit 1 ;;
esac
"""


def fake(folder: Path, *, unfit: int = 0) -> Path:
    """A Python that says only what it was asked for."""
    python = folder / "a python"
    python.write_text(FAKE.format(log=folder / "log", unfit=unfit))
    python.chmod(0o755)
    return python


def test_a_python_that_is_not_taken_is_told_in_a_line(folder: Path) -> None:
    done = run(folder, "make", "install", f"PYTHON={fake(folder, unfit=1)}")
    told, made = done.stderr.splitlines()
    assert told.startswith("Python 3.11, 3.12 or 3.13 with venv is needed")
    assert made.startswith("make: ***")
    assert not (folder / ".venv").exists()


def test_a_venv_is_made_anew_where_it_was_moved_copied_or_broken(folder: Path) -> None:
    python = f"PYTHON={fake(folder)}"
    assert run(folder, "make", "install", python).stdout.splitlines() == [
        "installing the locked packages into .venv"
    ]
    assert run(folder, "make", "install", python).stdout.strip() in (
        "", "make: Nothing to be done for 'install'."
    )  # fmt: skip
    made = (folder / ".venv/.installed").stat().st_mtime
    copied = folder.parent / "copied here"
    shutil.copytree(folder, copied)
    asked = folder / "a python"
    told = f"making .venv anew: it is of another Python than {asked}, or was made elsewhere"
    assert run(copied, "make", "install", python).stdout.splitlines()[0] == told
    assert str(copied) in (copied / ".venv/bin/pip").read_text()
    # What was made with the same packages is as good as before.
    assert (copied / ".venv/.installed").stat().st_mtime == made
    assert run(copied, "make", "install", python).stdout.strip() in (
        "", "make: Nothing to be done for 'install'."
    )  # fmt: skip
    (copied / ".venv/bin/python").unlink()
    (copied / ".venv/bin/python").symlink_to("/nowhere/python3.11")
    assert run(copied, "make", "install", python).stdout.splitlines()[0] == told
    (copied / ".venv/bin/python").write_text("#!/bin/sh\nexit 1\n")
    assert run(copied, "make", "install", python).stdout.splitlines()[0] == told


def test_data_that_is_not_there_leaves_what_was_made(folder: Path) -> None:
    tables = ("make", "data/.stamps/tables", f"PYTHON={fake(folder)}")
    assert run(folder, *tables).returncode == 0
    made = (folder / "data/.stamps/tables").stat().st_mtime_ns
    noted = (folder / "data/.stamps/source").read_text()
    done = run(folder, *tables, "DATA=/nope")
    assert "DATA=/nope (or HOME_CREDIT_DATA): there is no such folder or file" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    empty = folder / "an empty folder"
    empty.mkdir()
    for data in ("/nope", empty, folder / "Makefile"):
        assert run(folder, *tables, f"DATA={data}").returncode != 0
        assert (folder / "data/.stamps/source").read_text() == noted
        assert (folder / "data/.stamps/tables").stat().st_mtime_ns == made
    (folder / "log").unlink()
    assert run(folder, *tables).returncode == 0
    assert "scoring sample" not in (folder / "log").read_text()
    (empty / "application_train.csv").touch()
    assert run(folder, *tables, f"DATA={empty}").returncode == 0
    assert f"ingest {empty} --out" in (folder / "log").read_text()
    (folder / "log").unlink()
    assert run(folder, *tables, f"DATA={empty}").returncode == 0
    assert "ingest" not in (folder / "log").read_text()


def test_nothing_is_installed_for_data_that_is_not_there(folder: Path) -> None:
    done = run(folder, "make", "pipeline", "DATA=/nope", f"PYTHON={fake(folder)}")
    assert done.returncode != 0
    assert not (folder / ".venv").exists()
    assert not (folder / "data").exists()
