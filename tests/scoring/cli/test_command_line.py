"""The command line as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from scoring.__main__ import app
from scoring.data.dataset import Dataset
from scoring.language import LANGUAGES
from scoring.serving.batch import example_requests
from tests.helpers import serving

COMMANDS = (
    "ingest", "sample", "features", "predict", "examples", "export", "promote", "rollback",
    "models", "card", "train", "validate", "notebook", "serve", "materialize", "replay",
    "migrate", "keys", "purge", "bundle", "lineage", "overview",
)  # fmt: skip


def started(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What a command does in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "scoring", *map(str, words)],
        cwd=serving.ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def scoring(*words: str | Path) -> Result:
    """The same in this process, which has imported what takes long."""
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="python -m scoring")


def test_help_names_every_command() -> None:
    told = started("--help").stdout
    assert [name for name in COMMANDS if f" {name} " not in told] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"], prog_name="python -m scoring")
    assert done.exit_code == 0
    assert f"python -m scoring {name}" in done.stdout


def test_help_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from scoring.__main__ import app\n"
        "heavy = {'polars', 'pandas', 'mlflow', 'evidently', 'sklearn', 'lightgbm'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=serving.ROOT, check=True, timeout=60)


def test_features_predict_and_examples(sample: Dataset, small_model: Path, tmp_path: Path) -> None:
    folder = sample.folder
    applicants = sample.rows("application_train") + sample.rows("application_test")
    assert scoring("features", folder, "--out", tmp_path / "f.parquet").exit_code == 0
    features = pl.read_parquet(tmp_path / "f.parquet")
    assert features.height == applicants
    assert "TARGET" not in features.columns
    predicted = started("predict", folder, "--model", small_model, "--out", tmp_path / "p.parquet")
    assert predicted.returncode == 0
    assert pl.read_parquet(tmp_path / "p.parquet").height == applicants
    done = scoring("examples", folder, "--out", tmp_path / "examples", "--number", "5")
    assert done.exit_code == 0
    assert len(list((tmp_path / "examples").glob("*.json"))) == 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_of_a_portfolio_are_those_that_the_api_answers(
    sample: Dataset, small_model: Path, tmp_path: Path, language: str
) -> None:
    out = tmp_path / "p.parquet"
    options = ("--model", small_model, "--out", out, "--reasons", language)
    assert scoring("predict", sample.folder, *options).exit_code == 0
    told = pl.read_parquet(out)
    columns = [name for name in told.columns if name.startswith("reason_")]
    assert columns == ["reason_1", "reason_2", "reason_3", "reason_4"]
    by_number = {row[0]: row[1:] for row in told.select("SK_ID_CURR", *columns).rows()}
    numbers = serving.applicants(sample, 40)
    with serving.running_app(serving.settings(small_model, tmp_path)) as api:
        for number, body in zip(numbers, example_requests(sample, numbers), strict=True):
            answer = api.test_client().post("/predict", json=body).json or {}
            sentences = [reason["texts"][language] for reason in answer["reasons"]]
            assert [text for text in by_number[number] if text is not None] == sentences
    assert scoring("predict", sample.folder, *options[:-1], "de").exit_code == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("features", "nowhere", "--out", "f.parquet"), "nowhere is no dataset"),
        (("predict", "nowhere", "--model", "nowhere", "--out", "p.parquet"), "manifest.json"),
        (("notebook", "n.ipynb", "--out", "o.ipynb", "-p", "wrong"), "NAME=VALUE"),
    ],
)
def test_what_a_user_can_mend_is_told_in_a_line(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    placed = [str(tmp_path / word) if word in {"nowhere", "f.parquet"} else word for word in words]
    done = scoring(*placed)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_process_that_is_refused_something_ends_with_1_and_no_traceback(tmp_path: Path) -> None:
    done = started("features", tmp_path / "nowhere", "--out", tmp_path / "f.parquet")
    assert done.returncode == 1
    assert "nowhere is no dataset" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("retrain", "--reports"), ("promote", "--reports"),
                                     ("promote", "--export"), ("retrain", "--export"),
                                     ("overview", "--reports"), ("monitor", "--out")])  # fmt: skip
def test_where_nothing_can_be_written_is_told_before_the_work(
    command: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    done = scoring(*command, tmp_path / "file" / "reports")
    assert done.exit_code == 2
    assert "nothing can be written into" in done.stderr
    assert [own.name for own in tmp_path.iterdir()] == ["file"]
