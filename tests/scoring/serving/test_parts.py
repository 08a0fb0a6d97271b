"""Features and scores of datasets in buckets: the same bits whoever computes them, and restarts."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from pathlib import Path

import dask
import polars as pl
import pytest
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.data.dataset import FILES, Dataset, write_dataset
from scoring.errors import ScoringError
from scoring.files import FilesError, held, sha256_of
from scoring.registry.holdout import held_out_rows, unseen
from scoring.serving import engines, parts
from scoring.serving.batch import score
from scoring.serving.engines import BucketsError, EngineError, workers
from scoring.serving.parts import Job, write
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
    write(Job(datasets[1].folder), folder / "features.parquet")
    write(Job(datasets[1].folder, model, "fr"), folder / "scores.parquet")
    return digests(folder)


def digests(folder: Path) -> dict[str, str]:
    return {path.stem: sha256_of(path) for path in folder.iterdir()}


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The buckets that are computed in this process, as they are."""
    buckets: list[int] = []
    rows = Job.rows

    def counted(job: Job, bucket: int) -> pl.DataFrame:
        buckets.append(bucket)
        return rows(job, bucket)

    monkeypatch.setattr(Job, "rows", counted)
    return buckets


# The same bits


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_any_number_of_buckets_gives_the_same_files(
    number: int, datasets: dict[int, Dataset], model: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    assert datasets[number].digest == datasets[1].digest
    shape = write(Job(datasets[number].folder), tmp_path / "features.parquet")
    write(Job(datasets[number].folder, model, "fr"), tmp_path / "scores.parquet")
    assert digests(tmp_path) == expected
    assert shape == pl.read_parquet(tmp_path / "features.parquet").shape


@pytest.mark.system
@pytest.mark.parametrize("number", [1, 2])
def test_workers_give_the_same_files_as_this_process(
    number: int,
    datasets: dict[int, Dataset],
    model: Path,
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    with workers(number) as client:
        assert client is not None
        assert len(client.scheduler_info()["workers"]) == number
        threads = client.run(os.environ.get, "POLARS_MAX_THREADS")
        assert set(threads.values()) == {"1"}
        for dataset in datasets.values():
            write(Job(dataset.folder), tmp_path / "features.parquet", client)
            write(Job(dataset.folder, model, "fr"), tmp_path / "scores.parquet", client)
            assert digests(tmp_path) == expected


def test_what_is_written_is_what_is_computed_at_once(
    datasets: dict[int, Dataset], sample_features: pl.DataFrame, scorer: Scorer, model: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    ids = datasets[1].frames()["application"].select("SK_ID_CURR").sort("SK_ID_CURR").collect()
    features = ids.join(sample_features, on="SK_ID_CURR", how="left", maintain_order="left")
    write(Job(datasets[3].folder), tmp_path / "f.parquet")
    assert differing(pl.read_parquet(tmp_path / "f.parquet"), features) == []
    write(Job(datasets[8].folder, model), tmp_path / "s.parquet")
    assert differing(pl.read_parquet(tmp_path / "s.parquet"), score(datasets[1], scorer)) == []


@pytest.mark.parametrize(("number", "times"), [(1, 1), (3, 4), (8, 9)])
def test_it_is_told_how_many_there_are_before_they_are_computed(
    number: int, times: int, datasets: dict[int, Dataset], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    job = Job(datasets[number].folder)
    write(job, tmp_path / "f.parquet", None, lambda done, total: told.append((done, total)))
    assert told[0] == (0, datasets[number].applicants)
    assert len(told) == times


def test_models_are_judged_by_the_same_rows(datasets: dict[int, Dataset], scorer: Scorer) -> None:
    first, second = (unseen(held_out_rows(datasets[number])) for number in NUMBERS[:2])
    pds = [scorer.predict(own.features).tobytes() for own in (first, second)]
    assert pds[0] == pds[1]
    assert first.held_out.target.tobytes() == second.held_out.target.tobytes()


def test_more_buckets_than_applicants_are_no_matter(
    datasets: dict[int, Dataset], model: Path, tmp_path: Path
) -> None:
    applications = datasets[1].frames("train")["application"].head(2).collect()
    own = applications.select("SK_ID_CURR").lazy()
    bureau = datasets[1].frames()["bureau"].join(own, on="SK_ID_CURR", how="semi").collect()
    assert bureau.height
    few = {"application_train": applications, "bureau": bureau}
    files = []
    for number in (1, 5):
        folder, out = tmp_path / f"{number}", tmp_path / f"{number}.parquet"
        write(Job(write_dataset(few, folder, "synthetic", buckets=number).folder, model), out)
        files.append(out.read_bytes())
    assert files[0] == files[1]


# Failures and restarts


@pytest.fixture
def damaged(datasets: dict[int, Dataset], tmp_path: Path) -> Path:
    """A dataset of three buckets, one file of the second of which cannot be read."""
    folder = shutil.copytree(datasets[3].folder, tmp_path / "dataset")
    (folder / "bureau" / "0001.parquet").write_bytes(b"PAR1 no Parquet PAR1")
    return folder


def test_a_bucket_that_fails_is_named_and_the_others_are_finished(
    damaged: Path, datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path,
    caplog: pytest.LogCaptureFixture, computed: list[int],
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "scoring")
    out = tmp_path / "features.parquet"
    with pytest.raises(BucketsError, match=r"1 of 3 buckets failed.*bucket 1: ComputeError"):
        write(Job(damaged), out)
    assert not out.exists()
    kept = tmp_path / "features.parquet.parts"
    names = sorted(path.name[:5] for path in kept.iterdir())
    assert names == ["00000", "00002", "run.j"]
    shutil.copy(datasets[3].folder / "bureau" / "0001.parquet", damaged / "bureau")
    computed.clear()
    write(Job(damaged), out)
    assert computed == [1]
    assert "2 of 3 buckets were finished before" in caplog.text
    assert sha256_of(out) == expected["features"]
    assert not kept.exists()


def test_a_run_that_is_cut_off_goes_on(
    datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path, computed: list[int]
) -> None:
    def interrupt(_done: int, _total: int) -> None:
        if len(computed) == 5:
            raise KeyboardInterrupt

    out, job = tmp_path / "features.parquet", Job(datasets[8].folder)
    with pytest.raises(KeyboardInterrupt):
        write(job, out, progress=interrupt)
    folder = tmp_path / "features.parquet.parts"
    done = sorted(folder.glob("*.parquet"))
    # As a worker leaves behind that was killed while it wrote.
    (folder / f".{done[4].name}.{'a' * 16}.partial").mkdir()
    (folder / f".{done[4].name}.{'a' * 16}.partial" / done[4].name).write_bytes(b"half")
    done[3].write_bytes(b"damaged")
    # As one of another model would that is late.
    (folder / "00007-01234567.parquet").write_bytes(b"of others")
    computed.clear()
    seen: list[tuple[int, int]] = []
    write(job, out, progress=lambda *numbers: seen.append(numbers))
    assert computed == [3, 5, 6, 7]
    rows = pl.scan_parquet(out).select(pl.len()).collect().item()
    assert seen[0][0] > 0
    assert seen[-1] == (rows, rows)
    assert sha256_of(out) == expected["features"]
    assert [path.name for path in tmp_path.iterdir()] == ["features.parquet"]


@pytest.mark.parametrize("other", ["dataset", "model", "reasons", "code"])
def test_nothing_is_taken_over_from_other_data_models_or_code(
    other: str, damaged: Path, model: Path, tmp_path: Path, computed: list[int]
) -> None:
    job, out = Job(damaged, model), tmp_path / "scores.parquet"
    with pytest.raises(BucketsError):
        write(job, out)
    run = tmp_path / "scores.parquet.parts" / "run.json"
    before = json.loads(run.read_text())
    before["made_of"][other] = "0" * 64
    run.write_text(json.dumps(before))
    computed.clear()
    with pytest.raises(BucketsError):
        write(job, out)
    assert computed == [0, 1, 2]


def test_a_worker_of_another_release_refuses(
    datasets: dict[int, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter("abbb")
    monkeypatch.setattr(parts, "_code", lambda: next(codes))
    with pytest.raises(BucketsError, match=r"3 of 3 .* is not that of the command: install the"):
        write(Job(datasets[3].folder), tmp_path / "features.parquet")


@pytest.mark.parametrize("content", ["", "[]", '{"parts": 3}', '{"made_of": null, "parts": {}}'])
def test_a_list_of_what_is_done_that_is_damaged_is_not_believed(
    content: str, damaged: Path, tmp_path: Path, computed: list[int]
) -> None:
    out = tmp_path / "features.parquet"
    with pytest.raises(BucketsError):
        write(Job(damaged), out)
    (tmp_path / "features.parquet.parts" / "run.json").write_text(content)
    computed.clear()
    with pytest.raises(BucketsError):
        write(Job(damaged), out)
    assert computed == [0, 1, 2]


def test_files_of_others_and_other_commands_are_left_alone(
    datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "features.parquet.parts"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear")
    job, out = Job(datasets[3].folder), tmp_path / "features.parquet"
    with held(folder), pytest.raises(FilesError, match="another command is at work"):
        write(job, out)
    write(job, out)
    assert sha256_of(out) == expected["features"]
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    with pytest.raises(FilesError, match="is not replaced: it is a folder"):
        write(job, folder)


def test_a_row_that_is_there_twice_is_refused(
    datasets: dict[int, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Job.rows

    def doubled(job: Job, bucket: int) -> pl.DataFrame:
        own = rows(job, bucket)
        return pl.concat([own, own.head(1)])

    monkeypatch.setattr(Job, "rows", doubled)
    with pytest.raises(ScoringError, match="rows were computed of"):
        write(Job(datasets[3].folder), tmp_path / "features.parquet")
    assert not (tmp_path / "features.parquet").exists()


@pytest.mark.system
def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path, computed: list[int]
) -> None:
    marks, out, folder = tmp_path / "marks", tmp_path / "features.parquet", datasets[8].folder
    marks.mkdir()
    few_deaths = {"distributed.scheduler.allowed-failures": 1}
    with dask.config.set(few_deaths), workers(2) as client:
        write(DyingJob(folder, marks=marks, dying=2, deaths=1), out, client)
        assert sha256_of(out) == expected["features"]
        assert len(list(marks.iterdir())) == 1
        out.unlink()
        # A bucket that every worker dies of is what fails.
        always = DyingJob(folder, marks=marks, dying=5, deaths=99)
        with pytest.raises(BucketsError, match=r"1 of 8 buckets failed.*bucket 5: KilledWorker"):
            write(always, out, client)
    assert not out.exists()
    write(Job(folder), out)
    assert computed == [5]
    assert sha256_of(out) == expected["features"]


# Engines


def test_workers_that_cannot_be_had_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_SECONDS", 0.2)
    with (
        pytest.raises(EngineError, match="no scheduler with workers answers at tcp://127"),
        workers(cluster="tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(EngineError, match="--workers or --cluster"), workers(1, "tcp://x:1"):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EngineError, match=r"credit-scoring\[cluster\]"), workers(1):
        pass


def test_the_commands_end_with_status_1_and_name_the_bucket(damaged: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.parquet"
    done = CliRunner().invoke(app, ["features", str(damaged), "--out", str(out)])
    assert done.exit_code == 1
    assert "bucket 1: ComputeError" in done.stderr
    assert "2 are kept in" in done.stderr
    assert not out.exists()


@pytest.mark.system
def test_a_command_tells_where_its_workers_are_seen_and_how_fast_they_are(
    datasets: dict[int, Dataset], expected: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "features.parquet"
    command = ["features", str(datasets[3].folder), "--out", str(out), "--workers", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    assert "dashboard: http://127.0.0.1:" in done.stderr
    assert "applicants/s" in done.stderr
    assert sha256_of(out) == expected["features"]
