"""Features and scores of datasets in buckets: the same bits whoever computes them, and restarts."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.data.dataset import FILES, Dataset, write_dataset
from scoring.files import FilesError, held, sha256_of
from scoring.modelling.examples import examples_of
from scoring.registry.holdout import held_out_rows, score_parts
from scoring.serving import engines
from scoring.serving.batch import score
from scoring.serving.engines import Engine, EngineError, Outcome, T, engine
from scoring.serving.parts import BucketsError, Job, features_of, write
from scoring.serving.scorer import Scorer
from tests.helpers.dying import DyingJob
from tests.helpers.exact import differing

NUMBERS = (1, 3, 8)


@pytest.fixture(scope="module")
def datasets(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Dataset]:
    """Some hundred sample applicants in several numbers of buckets."""
    few = {
        name: sample.scan(name).filter(pl.col(table.link) % 4 == 0)
        for name, table in FILES.items()
        if name != "bureau_balance"
    }
    loans = few["bureau"].select("SK_ID_BUREAU")
    few["bureau_balance"] = sample.scan("bureau_balance").join(loans, on="SK_ID_BUREAU", how="semi")
    folder = tmp_path_factory.mktemp("datasets")
    return {
        number: write_dataset(few, folder / f"{number}", "synthetic", number) for number in NUMBERS
    }


@pytest.fixture(scope="module")
def model(scorer: Scorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    scorer.save(folder)
    return folder


@pytest.fixture(scope="module")
def expected(
    datasets: dict[int, Dataset], model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The digests of features and scores of one bucket in this process."""
    folder = tmp_path_factory.mktemp("expected")
    write(Job.of(datasets[1]), folder / "features.parquet")
    write(Job.of(datasets[1], model=model), folder / "scores.parquet")
    return {path.stem: sha256_of(path) for path in folder.iterdir()}


class Counting(Engine):
    """Counts the buckets that are computed."""

    def __init__(self) -> None:
        self.buckets: list[int] = []

    def run(self, task: Callable[[int], T], buckets: Sequence[int]) -> Iterator[Outcome[T]]:
        self.buckets += buckets
        yield from super().run(task, buckets)


# The same bits


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_any_number_of_buckets_gives_the_same_files(
    number: int, datasets: dict[int, Dataset], model: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    assert datasets[number].digest == datasets[1].digest
    shape = write(Job.of(datasets[number]), tmp_path / "features.parquet")
    write(Job.of(datasets[number], model=model), tmp_path / "scores.parquet")
    assert {path.stem: sha256_of(path) for path in tmp_path.iterdir()} == expected
    assert shape == pl.read_parquet(tmp_path / "features.parquet").shape


@pytest.mark.system
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_give_the_same_files_as_this_process(
    workers: int,
    datasets: dict[int, Dataset],
    model: Path,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    with engine(workers=workers) as opened:
        assert opened.about.startswith(f"{workers} workers; dashboard: http://127.0.0.1:")
        for dataset in datasets.values():
            write(Job.of(dataset), tmp_path / "features.parquet", opened)
            write(Job.of(dataset, model=model), tmp_path / "scores.parquet", opened)
            assert {path.stem: sha256_of(path) for path in tmp_path.iterdir()} == expected


def test_what_is_written_is_what_is_computed_at_once(
    datasets: dict[int, Dataset], sample_features: pl.DataFrame, scorer: Scorer, model: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    ids = datasets[1].frames()["application"].select("SK_ID_CURR").collect()
    features = ids.join(sample_features, on="SK_ID_CURR", how="left", maintain_order="left")
    write(Job.of(datasets[3]), tmp_path / "f.parquet")
    assert differing(pl.read_parquet(tmp_path / "f.parquet"), features) == []
    assert differing(features_of(datasets[3]), features) == []
    write(Job.of(datasets[8], "test", model=model), tmp_path / "s.parquet")
    assert (
        differing(pl.read_parquet(tmp_path / "s.parquet"), score(datasets[1], scorer, "test")) == []
    )


def test_pieces_that_are_put_in_order_make_the_same_rows(
    datasets: dict[int, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = features_of(datasets[1])
    monkeypatch.setattr("scoring.serving.parts._TOGETHER", 37)
    write(Job.of(datasets[3]), tmp_path / "features.parquet")
    assert differing(pl.read_parquet(tmp_path / "features.parquet"), whole) == []


def test_models_learn_from_and_are_judged_by_the_same_rows(
    datasets: dict[int, Dataset], scorer: Scorer
) -> None:
    examples = [examples_of(datasets[number]) for number in NUMBERS[:2]]
    assert examples[0].matrix.tobytes() == examples[1].matrix.tobytes()
    assert examples[0].target.tobytes() == examples[1].target.tobytes()
    parts = [score_parts(held_out_rows(datasets[number]), scorer) for number in NUMBERS[:2]]
    assert parts[0][1][0].tobytes() == parts[1][1][0].tobytes()
    assert parts[0][0].target.tobytes() == parts[1][0].target.tobytes()


# Failures and restarts


@pytest.fixture
def damaged(datasets: dict[int, Dataset], tmp_path: Path) -> Path:
    """A dataset of three buckets, one file of the second of which cannot be read."""
    folder = shutil.copytree(datasets[3].folder, tmp_path / "dataset")
    (folder / "bureau" / "0001.parquet").write_bytes(b"PAR1 no Parquet PAR1")
    return folder


def test_a_bucket_that_fails_is_named_and_the_others_are_finished(
    damaged: Path, datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "scoring")
    out, job = tmp_path / "features.parquet", Job.of(Dataset.open(damaged))
    with pytest.raises(BucketsError, match=r"1 of 3 buckets failed.*bucket 1: ComputeError"):
        write(job, out)
    assert not out.exists()
    kept = tmp_path / "features.parquet.parts"
    assert sorted(path.name for path in kept.iterdir()) == [job.part(0), job.part(2), "run.json"]
    shutil.copy(datasets[3].folder / "bureau" / "0001.parquet", damaged / "bureau")
    counting = Counting()
    write(job, out, counting)
    assert counting.buckets == [1]
    assert "2 of 3 buckets were finished before" in caplog.text
    assert sha256_of(out) == expected["features"]
    assert not kept.exists()


def test_a_run_that_is_cut_off_goes_on(
    datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path
) -> None:
    class Interrupted(Engine):
        def run(self, task: Callable[[int], T], buckets: Sequence[int]) -> Iterator[Outcome[T]]:
            yield from super().run(task, buckets[:5])
            raise KeyboardInterrupt

    out, job = tmp_path / "features.parquet", Job.of(datasets[8])
    with pytest.raises(KeyboardInterrupt):
        write(job, out, Interrupted())
    # As a worker leaves behind that was killed while it wrote.
    parts = tmp_path / "features.parquet.parts"
    (parts / f"{job.part(6)}.{'a' * 16}").write_bytes(b"half")
    (parts / job.part(3)).write_bytes(b"damaged")
    # As one of another model would that is late.
    (parts / replace(job, model_digest="0" * 64).part(7)).write_bytes(b"of others")
    counting, seen = Counting(), []
    write(job, out, counting, lambda *numbers: seen.append(numbers))
    assert counting.buckets == [3, 5, 6, 7]
    assert [(done, total) for done, total, _ in seen][-1] == (out_rows(out), out_rows(out))
    assert sha256_of(out) == expected["features"]
    assert [path.name for path in tmp_path.iterdir()] == ["features.parquet"]


def out_rows(out: Path) -> int:
    return int(pl.scan_parquet(out).select(pl.len()).collect().item())


@pytest.mark.parametrize("other", ["digest", "model_digest", "code"])
def test_nothing_is_taken_over_from_other_data_models_or_code(
    other: str, damaged: Path, tmp_path: Path
) -> None:
    job, out = Job.of(Dataset.open(damaged)), tmp_path / "features.parquet"
    with pytest.raises(BucketsError):
        write(job, out)
    counting = Counting()
    with pytest.raises(BucketsError, match="not that of the command"):
        write(replace(job, **{other: "0" * 64}), out, counting)
    assert counting.buckets == [0, 1, 2]
    assert not (tmp_path / "features.parquet.parts").exists()


def test_a_list_of_what_is_done_that_is_damaged_is_not_believed(
    damaged: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job, out, counting = Job.of(Dataset.open(damaged)), tmp_path / "features.parquet", Counting()
    with pytest.raises(BucketsError):
        write(job, out)
    (tmp_path / "features.parquet.parts" / "run.json").write_text(json.dumps({"parts": 3}))
    with pytest.raises(BucketsError):
        write(job, out, counting)
    assert counting.buckets == [0, 1, 2]
    assert "is damaged" in caplog.text


def test_files_of_others_and_other_commands_are_left_alone(
    datasets: dict[int, Dataset], tmp_path: Path
) -> None:
    parts = tmp_path / "features.parquet.parts"
    parts.mkdir()
    (parts / "letter.txt").write_text("dear")
    job, out = Job.of(datasets[3]), tmp_path / "features.parquet"
    with pytest.raises(FilesError, match=r"letter\.txt was not made by this command"):
        write(job, out)
    assert (parts / "letter.txt").read_text() == "dear"
    (parts / "letter.txt").unlink()
    with held(parts), pytest.raises(FilesError, match="another command is at work"):
        write(job, out)
    (parts / "x").write_text("")
    with pytest.raises(FilesError, match="is not replaced: it is a folder"):
        write(job, parts)


def test_a_row_that_is_there_twice_is_refused(datasets: dict[int, Dataset], tmp_path: Path) -> None:
    class Doubling(Job):
        def rows(self, bucket: int) -> pl.DataFrame:
            rows = super().rows(bucket)
            return pl.concat([rows, rows.head(1)])

    with pytest.raises(EngineError.__base__, match="rows were computed of"):
        write(Doubling(**asdict(Job.of(datasets[3]))), tmp_path / "features.parquet")
    assert not (tmp_path / "features.parquet").exists()


@pytest.mark.system
def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path
) -> None:
    marks, out = tmp_path / "marks", tmp_path / "features.parquet"
    marks.mkdir()
    job = Job.of(datasets[8])
    with engine(workers=2) as opened:
        write(DyingJob(**vars_of(job), marks=marks, dying=2, deaths=1), out, opened)
        assert sha256_of(out) == expected["features"]
        assert len(list(marks.iterdir())) == 1
        out.unlink()
        # A bucket that every worker dies of is what fails.
        always = DyingJob(**vars_of(job), marks=marks, dying=5, deaths=99)
        with pytest.raises(BucketsError, match=r"1 of 8 buckets failed.*bucket 5: KilledWorker"):
            write(always, out, opened)
    assert not out.exists()
    counting = Counting()
    write(job, out, counting)
    assert counting.buckets == [5]
    assert sha256_of(out) == expected["features"]


def vars_of(job: Job) -> dict[str, object]:
    return {name: getattr(job, name) for name in Job.__dataclass_fields__}


# Engines


def test_an_engine_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_SECONDS", 0.2)
    with (
        pytest.raises(EngineError, match="no scheduler answers at tcp://127"),
        engine(cluster="tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(EngineError, match="--workers or --cluster"), engine(1, "tcp://x:1"):
        pass


def test_the_commands_end_with_status_1_and_name_the_bucket(damaged: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    done = CliRunner().invoke(app, ["features", str(damaged), "--out", str(out)])
    assert done.exit_code == 1
    assert "bucket 1: ComputeError" in done.stderr
    assert "2 are kept in" in done.stderr
    assert not out.exists()
