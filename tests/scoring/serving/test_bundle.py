"""What is deployed, tried from its own folder: only its packages, its Procfile, PostgreSQL."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from api.decisions import example
from scoring.files import LIST, FilesError
from scoring.serving.bundle import BundleError, bundle
from scoring.serving.scorer import Scorer, ScorerError
from tests.helpers import serving

EVERYWHERE = "0.0.0.0"  # noqa: S104 - as on a platform
LARGEST_MEGABYTES = 120


@pytest.fixture(scope="module")
def folder(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("deployed") / "bundle"
    bundle(small_model, out)
    return out


@pytest.fixture(scope="module")
def binaries(folder: Path) -> Path:
    """A fresh virtual environment with what the bundle asks for, made as the platform does."""
    place = folder.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=120)
    install = [
        str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--require-hashes",
        "--requirement", "requirements.txt",
    ]  # fmt: skip
    environment = {**os.environ, "VIRTUAL_ENV": str(place)}
    subprocess.run(install, cwd=folder, env=environment, check=True, timeout=300)
    path = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(["bin/post_compile"], cwd=folder, env=path, check=True, timeout=120)
    return place / "bin"


def procfile(folder: Path) -> dict[str, str]:
    lines = (folder / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_the_bundle_holds_what_runs_and_no_more(folder: Path) -> None:
    top = {path.name for path in folder.iterdir()}
    assert top == {
        "Procfile", "requirements.txt", ".python-version", "api", "scoring", "mlruns", "bin", LIST,
    }  # fmt: skip
    assert procfile(folder).keys() == {"release", "web"}
    assert not list(folder.rglob("__pycache__"))
    assert Scorer.load(folder / "mlruns" / "champion").name == "credit-scoring"


def test_what_is_installed_is_small(binaries: Path) -> None:
    (site,) = (binaries.parent / "lib").glob("python*/site-packages")
    packages = [path for path in site.rglob("*") if path.is_file() and "/pip/" not in str(path)]
    compressed = sum(len(zlib.compress(path.read_bytes(), 1)) for path in packages)
    assert compressed < LARGEST_MEGABYTES * 1_000_000


@pytest.mark.system
def test_the_procfile_runs_against_postgresql(
    folder: Path, binaries: Path, postgres_url: str, tmp_path: Path
) -> None:
    port = serving.free_port()
    environment = {
        "PATH": f"{binaries}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "DATABASE_URL": postgres_url,
        "PORT": str(port),
        "WEB_CONCURRENCY": "2",
    }

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(procfile(folder)["release"])
    key = command("keys", "add", "smoke", "--scope", "score", database=postgres_url).split()[-1]
    log = tmp_path / "log"
    with log.open("wb") as output:
        web = subprocess.Popen(
            ["bash", "-c", f"exec env {procfile(folder)['web']}"],
            cwd=folder, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        assert serving.wait_until_it_answers(f"{url}/health", web), log.read_text()
        ready = requests.get(f"{url}/ready", timeout=30)
        assert ready.json()["model"]["name"] == "credit-scoring"
        asked = requests.post(f"{url}/predict", json=example.REQUEST, timeout=60)
        assert asked.status_code == 401
        headers = {"Authorization": f"Bearer {key}"}
        answer = requests.post(f"{url}/predict", json=example.REQUEST, headers=headers, timeout=60)
        assert answer.json()["decision"] in ("accept", "refer", "refuse")
        assert requests.get(f"{url}/metrics", headers=headers, timeout=30).status_code == 403
    finally:
        web.terminate()
        web.wait(30)
    assert "1 " in command("replay", database=postgres_url).strip()


def command(*words: str, database: str) -> str:
    """What a command of the clone says about the database of a deployed service."""
    done = subprocess.run(
        [sys.executable, "-m", "scoring", *words], cwd=serving.ROOT, capture_output=True, text=True,
        env={**os.environ, "DATABASE_URL": database}, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def test_nothing_of_the_library_is_deployed_but_what_the_api_imports(folder: Path) -> None:
    made = (folder / "scoring").iterdir()
    rooms = {path.name for path in made if path.is_dir() and path.name != "__pycache__"}
    assert rooms - {"words"} == {"data", "features", "serving", "store"}
    assert not (folder / "scoring" / "__main__.py").exists()


def test_only_a_bundle_is_replaced(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    with pytest.raises(FilesError):
        bundle(small_model, tmp_path)
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize("said", [{"source": "synthetic"}, {"source": ["home-credit"]}, {}])
def test_a_model_of_sample_applicants_is_bundled_as_a_demonstration_alone(
    said: dict[str, Any], scorer: Scorer, tmp_path: Path
) -> None:
    """So is one that does not say of whom it learnt."""
    made_up = replace(scorer, lineage={"training": said})
    made_up.save(tmp_path / "model")
    with pytest.raises(BundleError, match=r"sample applicants.*--demonstration"):
        bundle(tmp_path / "model", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert bundle(tmp_path / "model", tmp_path / "out", demonstration=True) == made_up


def test_without_a_model_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ScorerError):
        bundle(tmp_path / "no model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_outside_a_clone_it_says_what_to_do(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.serving.bundle.ROOT", tmp_path)
    with pytest.raises(BundleError, match="clone"):
        bundle(small_model, tmp_path / "out")


def test_a_heroku_shell_would_read_the_procfile_alike(folder: Path) -> None:
    words = shlex.split(procfile(folder)["web"])
    # The platform's routers are the only ones that reach a dyno.
    assert words[:2] == [f"HOST={EVERYWHERE}", "FORWARDED_ALLOW_IPS=*"]
    assert words[2:] == ["python", "-m", "api"]
