"""Applicants in the store: their rows and features are those of a request with the same rows."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.decisions.reader import ApplicantReader
from scoring.data.dataset import FILES, Dataset, write_dataset
from scoring.data.requests import Rows, frames_of
from scoring.data.tables import HISTORY, TABLES
from scoring.features import build_features
from scoring.features.vectors import from_bytes, layout, pack
from scoring.serving import materialize as module
from scoring.serving.batch import example_requests, parted, row_batches
from scoring.serving.engines import workers
from scoring.serving.materialize import materialize, online_applicants, request_bodies
from scoring.store import OnlineApplicant, Store
from tests.helpers import serving
from tests.helpers.invented import invent

READER = ApplicantReader(row_limit=10_000)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
# As many as are read and computed together below: the service takes up to sixteen.
TOGETHER = 100


def made(dataset: Dataset, **batches: int) -> list[OnlineApplicant]:
    """The first applicants of each population as they are put into the store."""
    return [
        applicant
        for population, number in batches.items()
        for rows in [next(row_batches(dataset, population, size=number))]
        for some in online_applicants(rows, dataset.digest, NOW)
        for applicant in some
    ]


def rows_as_the_service_reads_them(applicant: OnlineApplicant) -> Rows:
    found = READER.read(orjson.loads(zlib.decompress(applicant.rows)))
    assert found.id == applicant.applicant
    return found.rows


def assert_features_are_the_services_own(applicants: Sequence[OnlineApplicant]) -> None:
    for start in range(0, len(applicants), TOGETHER):
        some = applicants[start : start + TOGETHER]
        rows = [rows_as_the_service_reads_them(one) for one in some]
        computed = pack(build_features(frames_of(rows)))
        stored = np.stack([from_bytes(one.features) for one in some])
        assert stored.tobytes() == np.ascontiguousarray(computed).tobytes()


def test_sample_applicants_have_the_features_of_their_stored_rows(sample: Dataset) -> None:
    applicants = made(sample, train=800, test=200)
    assert len(applicants) == 1000
    assert_features_are_the_services_own(applicants)


def test_real_applicants_have_the_features_of_their_stored_rows(real_dataset: Dataset) -> None:
    applicants = made(real_dataset, train=300, test=200)
    assert len(applicants) == 500
    assert_features_are_the_services_own(applicants)


def test_one_applicant_alone_has_the_same_features(sample: Dataset) -> None:
    for applicant in made(sample, test=200)[::40]:
        rows = rows_as_the_service_reads_them(applicant)
        alone = pack(build_features(frames_of([rows])))[0]
        assert from_bytes(applicant.features).tobytes() == alone.tobytes()


def test_bodies_are_those_of_the_example_requests(sample: Dataset) -> None:
    rows = next(row_batches(sample, "train", size=30))
    ids = rows["application"]["SK_ID_CURR"].to_list()
    bodies = list(request_bodies(rows))
    assert [number for number, _ in bodies] == ids
    for (_, body), example in zip(bodies, example_requests(sample, ids), strict=True):
        # As text too: 1 is not 1.0.
        assert orjson.dumps(orjson.loads(body)) == orjson.dumps(example)


AMOUNTS = st.floats(allow_nan=False, allow_infinity=False) | st.none()


@given(amounts=st.lists(AMOUNTS, min_size=1, max_size=12), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_every_value_survives_as_json(amounts: list[float | None], seed: int) -> None:
    """Whatever a table may hold: nulls, sentinels, the longest numbers."""
    rows = {
        "application": invent("application_train", seed=seed),
        **{table.name: invent(table.name, seed=seed) for table in HISTORY},
    }
    column = pl.Series("AMT_CREDIT_SUM", amounts, dtype=pl.Float64)
    extended = rows["bureau"].head(column.len()).with_columns(column)
    bodies = dict(request_bodies({**rows, "bureau": extended}))
    for frame in (rows["application"].drop("TARGET"), extended):
        name = "bureau" if frame is extended else "application"
        told = [orjson.loads(bodies[number])[name] for number in frame["SK_ID_CURR"]]
        kept = [own[0] if name == "bureau" else own for own in told]
        assert [list(map(repr, own.values())) for own in kept] == [
            list(map(repr, own)) for own in frame.iter_rows()
        ]


def test_histories_go_to_their_own_applicants(sample: Dataset) -> None:
    rows = next(row_batches(sample, "train", size=60))
    shuffled = {
        name: frame.sample(fraction=1, shuffle=True, seed=5) for name, frame in rows.items()
    }
    bodies = {number: orjson.loads(body) for number, body in request_bodies(shuffled)}
    assert bodies.keys() == set(rows["application"]["SK_ID_CURR"])
    assert next(iter(bodies)) == shuffled["application"]["SK_ID_CURR"][0]
    for table in HISTORY:
        told = [row for body in bodies.values() for row in body[table.name]]
        assert len(told) == rows[table.name].height > 0
    for number, body in bodies.items():
        loans = {row["SK_ID_BUREAU"] for row in body["bureau"]}
        assert {row["SK_ID_BUREAU"] for row in body["bureau_balance"]} <= loans
        for table in HISTORY:
            if "SK_ID_CURR" in TABLES[table.name].schema:
                assert {row["SK_ID_CURR"] for row in body[table.name]} <= {number}


def test_all_applicants_of_a_dataset_are_in_the_store(store: Store, sample: Dataset) -> None:
    told: list[int] = []
    assert materialize(sample, store, told.append) == 1000
    assert told == [200, 400, 600, 800, 1000]
    ids = sample.frames()["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"].to_list()
    found = store.applicants.of(ids)
    expected = {one.applicant: one for one in made(sample, train=800, test=200)}
    assert found.keys() == expected.keys() == set(ids)
    assert {one.feature_set_version for one in found.values()} == {layout().digest}
    assert {one.dataset for one in found.values()} == {sample.digest}
    assert all(one.features == expected[number].features for number, one in found.items())
    assert all(one.rows == expected[number].rows for number, one in found.items())
    (at,) = {one.materialized_at for one in found.values()}
    assert at <= datetime.now(UTC)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path / 'lite.db'}")
    found.migrate()
    yield found
    found.close()


def test_sizes_of_batches_make_no_difference(
    lite: Store, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", 370)
    monkeypatch.setattr(module, "_CHUNK", 90)
    told: list[int] = []
    assert materialize(sample, lite, told.append) == 1000
    assert told[:6] == [90, 180, 270, 360, 370, 460]
    expected = {one.applicant: one for one in made(sample, train=800, test=200)}
    for number, one in lite.applicants.of(list(expected)).items():
        assert (one.features, one.rows) == (expected[number].features, expected[number].rows)


@pytest.mark.system
def test_workers_put_the_same_applicants_into_the_store(sample: Dataset, tmp_path: Path) -> None:
    few = {
        name: sample.scan(name).filter(pl.col("SK_ID_CURR") % 8 == 0).select(table.schema.names())
        for name, table in FILES.items()
    }
    dataset = write_dataset(few, tmp_path / "dataset", "synthetic", buckets=3)
    kept = []
    for number in (None, 2):
        store, seen = Store(f"sqlite:///{tmp_path / str(number)}.db"), []
        store.migrate()
        with workers(number) as client:
            assert materialize(dataset, store, seen.append, client) == seen[-1] == 125
        numbers = dataset.frames()["application"].collect()["SK_ID_CURR"].to_list()
        kept.append(store.applicants.of(numbers))
        store.close()
    for own, other in zip(kept[0].values(), kept[1].values(), strict=True):
        assert replace(own, materialized_at=NOW) == replace(other, materialized_at=NOW)


def test_known_applicants_are_replaced_and_others_stay(lite: Store, sample: Dataset) -> None:
    (number,) = serving.applicants(sample, 1)
    old = OnlineApplicant(number, "old", b"old", b"old", "0" * 64, NOW)
    other = OnlineApplicant(7, "old", b"old", b"old", "0" * 64, NOW)
    lite.applicants.put([old, other])
    materialize(sample, lite)
    replaced = lite.applicants.find(number)
    assert replaced is not None
    assert replaced.feature_set_version == layout().digest
    assert lite.applicants.find(7) == other


def test_an_interrupted_run_leaves_whole_applicants_and_is_run_again(
    lite: Store, sample: Dataset
) -> None:
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt(done)

    expected = {one.applicant: one for one in made(sample, train=800, test=200)}
    with pytest.raises(KeyboardInterrupt):
        materialize(sample, lite, interrupt)
    found = lite.applicants.of(list(expected))
    assert len(found) == 200
    assert all(one.rows == expected[number].rows for number, one in found.items())
    assert materialize(sample, lite) == 1000
    assert lite.applicants.of(list(expected)).keys() == expected.keys()


def test_parts_hold_all_rows_of_their_applicants(sample: Dataset) -> None:
    rows = next(row_batches(sample, "train", size=50))
    parts = list(parted({name: frame.lazy() for name, frame in rows.items()}, 20))
    assert [part["application"].height for part in parts] == [20, 20, 10]
    for name, frame in rows.items():
        together = pl.concat(part[name] for part in parts)
        assert together.sort(pl.all()).equals(frame.sort(pl.all())), name


def test_the_service_decides_by_number_as_it_does_by_rows(
    sample: Dataset, small_model: Path, tmp_path: Path
) -> None:
    found = serving.settings(small_model, tmp_path)
    database = f"sqlite:///{tmp_path / 'scoring.db'}"
    done = run("materialize", str(sample.folder), "--database", database)
    assert done.returncode == 0, done.stderr
    told = f"1,000 applicants of dataset {sample.digest[:12]} in {database}\n"
    assert done.stdout == told
    with serving.running_app(found) as app:
        client = app.test_client()
        for number in serving.applicants(sample, 6):
            by_rows = client.post("/predict", json=serving.request_of(sample, number)).json
            by_number = client.post("/predict", json={"SK_ID_CURR": number}).json
            same = ("applicant", "probability_of_default", "decision", "reasons", "model")
            assert [by_rows[name] for name in same] == [by_number[name] for name in same]
            known = client.get(f"/applicants/{number}").json
            assert known["rows"] == serving.request_of(sample, number)
            assert (known["fresh"], known["dataset"]) == (True, sample.digest)


def test_what_is_no_dataset_is_told_in_a_line(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'scoring.db'}"
    done = run("materialize", str(tmp_path / "nowhere"), "--database", database)
    assert done.returncode == 1
    assert "nowhere is no dataset" in done.stderr
    assert "Traceback" not in done.stderr


# What is deployed has none of these.
BLOCKED = (
    "import sys\n"
    "for name in ('pandas', 'sklearn', 'mlflow', 'evidently', 'shap', 'scipy', 'pyarrow'):\n"
    "    sys.modules[name] = None\n"
    "from scoring.__main__ import app\n"
    "app(prog_name='python -m scoring')\n"
)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line with only what is deployed."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *words],
        cwd=serving.ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
