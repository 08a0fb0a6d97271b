"""A registry in a folder that was moved or copied, and databases that MLflow cannot use."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.registry.mlflow_registry import CHAMPION, MODEL_NAME, Registry
from scoring.registry.promotions import RegistryError, is_behind
from scoring.serving.scorer import Scorer
from tests.helpers.verdicts import passed


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, scorer: Scorer) -> Iterator[Path]:
    """A registry with a champion and a text kept with it."""
    before = mlflow.get_tracking_uri()
    registry = Registry(tmp_path_factory.mktemp("original") / "artifacts" / "mlruns")
    with registry.run("first", {}):
        registry.register(scorer)
    registry.attach("1", {"note.txt": "kept"})
    registry.promote(passed("1", None), "ana", "test")
    yield registry.folder
    mlflow.set_tracking_uri(before)


def state(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def changed(folder: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute(statement, values)
        connection.commit()


def assert_works(folder: Path, scorer: Scorer, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Read, register and keep texts in a registry; nothing of it is elsewhere."""
    told = "was moved or copied from"
    caplog.clear()
    registry = Registry(folder)
    assert [told in text for text in caplog.messages] == [True]
    assert registry.export(out).version == "1"
    assert registry.attached("1", "note.txt") == "kept"
    registry.attach("1", {"note.txt": "its own"})
    with registry.run("second", {}):
        number = registry.register(scorer).version
    registry.attach(number, {"note.txt": "new"})
    assert registry.load(number).version == number
    Registry(folder)
    assert len([text for text in caplog.messages if told in text]) == 1
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        for column, table in (
            ("artifact_location", "experiments"), ("artifact_uri", "runs"),
            ("storage_location", "model_versions"), ("artifact_location", "logged_models"),
        ):  # fmt: skip
            places = connection.execute(f"SELECT {column} FROM {table}").fetchall()  # noqa: S608
            assert {text.startswith(f"{folder.resolve().as_uri()}/") for (text,) in places} == {
                True
            }


@pytest.mark.parametrize("name", ["plain", "a b", "é#%x", "artifacts"])
def test_a_copy_works_on_its_own_files(
    original: Path, scorer: Scorer, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = state(original)
    folder = tmp_path / name / "mlruns"
    shutil.copytree(original, folder)
    assert_works(folder, scorer, tmp_path / "out", caplog)
    assert state(original) == before


def test_a_moved_project_works_by_a_link_and_by_a_relative_path(
    original: Path, scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(original, first / "mlruns")
    Registry(first / "mlruns")
    first.rename(second)
    (tmp_path / "link").symlink_to(second)
    monkeypatch.chdir(tmp_path)
    assert_works(Path("link/mlruns"), scorer, tmp_path / "out", caplog)
    assert not first.exists()


def refusal(folder: Path, *command: str) -> str:
    """What a command says that a registry stops, which stays as it was."""
    before = state(folder)
    done = CliRunner().invoke(app, [*(command or ("models",)), "--mlruns", str(folder)])
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit)
    lines = done.output.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert state(folder) == before
    return lines[0]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100_000])


def scrambled(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:200_000] + b"\x5a" * 200_000 + whole[400_000:])


def of_another_program(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE own (id)")


def of_another_mlflow(file: Path) -> None:
    changed(file.parent, "UPDATE alembic_version SET version_num = 'ffffffffffff'")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (cut, "malformed.*put a backup"),
        (scrambled, "(malformed|corrupt|invalid|page).*put a backup"),
        (lambda file: file.write_text("years of work"), "not a database.*put a backup"),
        (lambda file: file.write_bytes(b""), "is empty or not MLflow's.*put a backup"),
        (of_another_program, "is empty or not MLflow's.*put a backup"),
        (of_another_mlflow, "schema ffffffffffff of another MLflow, not .*mlflow db upgrade"),
        (lambda file: shutil.rmtree(file.parent / "artifacts"), "without artifacts.*cp -rn"),
        (lambda file: shutil.rmtree(file.parent / "artifacts/models"), "without artifacts/models"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_told_in_a_line(
    original: Path, tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    shutil.copytree(original, tmp_path / "mlruns")
    spoil(tmp_path / "mlruns" / "mlflow.db")
    with pytest.raises(RegistryError, match=told):
        Registry(tmp_path / "mlruns")
    assert refusal(tmp_path / "mlruns").count("mlruns") >= 1
    assert is_behind(tmp_path / "mlruns" / "champion") in {True, False}


@pytest.mark.parametrize(
    "command",
    [("export",), ("lineage", "champion"), ("card",), ("data", "check", "champion"),
     ("rollback", "--by", "ana", "--why", "complaints of applicants"),
     ("train", "--data", "TABLES"), ("retrain", "--data", "TABLES"),
     ("promote", "--data", "TABLES", "--by", "ana", "--why", "better on every figure")],
)  # fmt: skip
def test_every_command_of_the_registry_goes_through_the_same_door(
    original: Path, tmp_path: Path, command: tuple[str, ...], sample: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    shutil.copytree(original, tmp_path / "mlruns")
    cut(tmp_path / "mlruns" / "mlflow.db")
    tables = str(getattr(sample, "folder", ""))
    words = [tables if word == "TABLES" else word for word in command]
    assert "put a backup" in refusal(tmp_path / "mlruns", *words)


def test_files_of_more_than_one_other_folder_are_not_guessed_at(
    original: Path, tmp_path: Path
) -> None:
    shutil.copytree(original, tmp_path / "mlruns")
    changed(
        tmp_path / "mlruns",
        "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)",
        original.as_uri(), "file:///elsewhere/mlruns",
    )  # fmt: skip
    assert f"has files in /elsewhere/mlruns and {original}" in refusal(tmp_path / "mlruns")


def test_a_name_that_mlflow_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    for name in ("what?", "p%20x"):
        with pytest.raises(RegistryError, match=r"take \? and % out"):
            Registry(tmp_path / name / "mlruns")
        assert not list((tmp_path / name / "mlruns").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p%20x", "what?"]


def test_a_copy_that_may_not_be_written_is_refused(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(original, tmp_path / "mlruns")
    connect = sqlite3.connect

    def reading(address: str, **options: Any) -> sqlite3.Connection:
        return connect(address.replace("mode=rw", "mode=ro"), **options)

    # A mode of the file would not stop root.
    monkeypatch.setattr("scoring.registry.relocation.sqlite3.connect", reading)
    assert "readonly database): let it be written" in refusal(tmp_path / "mlruns", "export")


def test_commands_at_once_relocate_once(
    original: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(original, tmp_path / "mlruns")
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(Registry, [tmp_path / "mlruns"] * 4))
    assert {registry.load("1").version for registry in stores} == {"1"}
    assert len([text for text in caplog.messages if "was moved or copied" in text]) == 1


def test_a_database_that_another_command_holds_is_not_a_registry_without_champion(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(original, tmp_path / "mlruns")
    registry = Registry(tmp_path / "mlruns")

    def locked(*_: object) -> None:
        raise MlflowException("(sqlite3.OperationalError) database is locked\n[SQL: ...]")

    monkeypatch.setattr(registry.client, "get_model_version_by_alias", locked)
    monkeypatch.setattr("scoring.registry.mlflow_registry.MlflowClient", lambda *_: registry.client)
    with pytest.raises(MlflowException):
        registry.find(CHAMPION, MODEL_NAME)
    assert "MLflow says '(sqlite3.OperationalError) database is locked'" in refusal(
        tmp_path / "mlruns", "export"
    )
