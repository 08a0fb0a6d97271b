"""Work on a whole dataset: features in batches, scores, and example requests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scoring.data.checks import conform
from scoring.data.dataset import FILES, Dataset, DatasetWriter
from scoring.data.tables import HISTORY, TABLES
from scoring.features import build_features
from scoring.files import LIST, FilesError
from scoring.serving.batch import (
    example_requests,
    feature_batches,
    row_batches,
    score,
    write_examples,
    write_parquet,
)
from scoring.serving.parts import Job, write
from scoring.serving.scorer import Scorer
from tests.helpers.exact import collected, differing, own_rows

PARTIAL = "*.partial"


@pytest.fixture(scope="module")
def disorder(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The sample with applicants in no order."""
    folder = tmp_path_factory.mktemp("disorder")
    frames = collected(sample.frames())
    everyone = frames["application"].sample(fraction=1.0, shuffle=True, seed=11)
    writer = DatasetWriter(folder)
    writer.write("application_train", [everyone.with_columns(TARGET=pl.lit(0, pl.Int8))])
    for table in HISTORY:
        writer.write(table.name, [frames[table.name]])
    writer.close("disorder")
    return Dataset.open(folder)


@pytest.mark.parametrize("size", [999, 1000, 137, 400])
def test_the_size_of_batches_changes_nothing(
    size: int, sample: Dataset, sample_features: pl.DataFrame
) -> None:
    batches = list(feature_batches(sample, size=size))
    assert [batch.height for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert differing(pl.concat(batches), sample_features) == []


def test_applicants_may_come_in_any_order(disorder: Dataset, sample_features: pl.DataFrame) -> None:
    whole = pl.concat(feature_batches(disorder))
    in_parts = pl.concat(feature_batches(disorder, size=170))
    order = disorder.frames()["application"].select("SK_ID_CURR").collect()
    assert not order["SK_ID_CURR"].is_sorted()
    assert in_parts["SK_ID_CURR"].equals(order["SK_ID_CURR"])
    assert differing(in_parts, whole) == []
    expected = order.join(sample_features, on="SK_ID_CURR", how="left", maintain_order="left")
    assert differing(in_parts, expected) == []


def test_one_population_can_be_asked_for(sample: Dataset, sample_features: pl.DataFrame) -> None:
    found = pl.concat(feature_batches(sample, "test", size=90))
    assert differing(found, sample_features.tail(200)) == []


def test_features_are_written_whole(
    sample: Dataset, sample_features: pl.DataFrame, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "features.parquet"
    assert write(Job(sample.folder), out) == sample_features.shape
    assert differing(pl.read_parquet(out), sample_features) == []
    assert "TARGET" not in pl.read_parquet_schema(out)
    assert [path.name for path in out.parent.iterdir()] == ["features.parquet"]


def test_a_failure_leaves_the_old_features(sample: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name in (*sample.manifest["files"], "dataset.json"):
        (folder / name).write_bytes((sample.folder / name).read_bytes())
    (folder / "bureau.parquet").write_bytes(b"PAR1 no Parquet PAR1")
    out = tmp_path / "features.parquet"
    out.write_bytes(b"PAR1 old")
    with pytest.raises(pl.exceptions.ComputeError):
        write(Job(folder), out)
    assert out.read_bytes() == b"PAR1 old"
    assert not list(tmp_path.glob("**/*.partial"))


def test_a_file_that_cannot_be_put_in_place_leaves_no_partial_one(tmp_path: Path) -> None:
    (tmp_path / "out" / "inside").mkdir(parents=True)
    with pytest.raises(FilesError, match="out is not replaced: it is a folder"):
        write_parquet(pl.DataFrame({"a": [1]}), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_scores_are_those_of_the_scorer(
    sample: Dataset, sample_features: pl.DataFrame, scorer: Scorer
) -> None:
    found = score(sample, scorer)
    pds = scorer.predict(sample_features)
    assert found.columns == [
        "SK_ID_CURR", "probability_of_default", "decision", "known", "not_understood"
    ]  # fmt: skip
    assert set(found["not_understood"]) == {""}
    assert found["SK_ID_CURR"].equals(sample_features["SK_ID_CURR"])
    assert found["probability_of_default"].to_numpy().tobytes() == pds.tobytes()
    assert found["decision"].to_list() == scorer.decide(pds)
    assert {"accept", "refuse"} <= set(found["decision"])


def test_scores_need_no_other_applicant(sample: Dataset, banded_scorer: Scorer) -> None:
    found = score(sample, banded_scorer, "test")
    features = build_features(collected(sample.frames("test")))
    pds = banded_scorer.predict(features)
    assert found["probability_of_default"].to_numpy().tobytes() == pds.tobytes()
    assert set(found["decision"]) == {"accept", "refer", "refuse"}
    alone = pl.concat(
        score_one(banded_scorer, collected(sample.frames()), applicant)
        for applicant in found["SK_ID_CURR"].gather_every(20)
    )
    expected = found.gather_every(20)["probability_of_default"]
    assert alone.to_numpy().tobytes() == expected.to_numpy().tobytes()


def score_one(scorer: Scorer, rows: dict[str, pl.DataFrame], applicant: int) -> pl.Series:
    return pl.Series(scorer.predict(build_features(own_rows(rows, applicant))))


@pytest.mark.parametrize("size", [200, 77])
def test_batches_of_rows_are_whole(size: int, sample: Dataset) -> None:
    batches = list(row_batches(sample, "test", size=size))
    assert [len(batch["application"]) for batch in batches][:-1] == [size] * (len(batches) - 1)
    for batch in batches:
        assert set(batch) == set(TABLES)
        features = build_features(batch)
        assert features["SK_ID_CURR"].equals(batch["application"]["SK_ID_CURR"])


def test_features_that_are_written_are_those_of_build_features(
    sample: Dataset, sample_features: pl.DataFrame, tmp_path: Path
) -> None:
    write(Job(sample.folder), tmp_path / "features.parquet")
    assert pl.read_parquet_schema(tmp_path / "features.parquet") == sample_features.schema


def test_requests_hold_all_own_rows_and_no_others(disorder: Dataset) -> None:
    frames = collected(disorder.frames())
    ids = frames["application"]["SK_ID_CURR"].gather_every(40).to_list()
    bodies = list(example_requests(disorder, ids))
    assert [body["application"]["SK_ID_CURR"] for body in bodies] == ids
    for applicant, body in zip(ids, bodies, strict=True):
        own = own_rows(frames, applicant)
        assert list(body) == list(TABLES)
        assert "TARGET" not in body["application"]
        assert [body["application"]] == own["application"].drop("TARGET").to_dicts()
        for table in HISTORY:
            assert len(body[table.name]) == own[table.name].height
            key = [name for name in table.schema if name.startswith(("SK_ID", "DAYS", "MONTHS"))]
            sent = pl.DataFrame(body[table.name], schema=table.schema)
            assert sent.sort(key).select(key).equals(own[table.name].sort(key).select(key))
    assert sum(len(body["bureau_balance"]) for body in bodies) > 0


def test_a_request_read_back_from_json_gives_the_same_features(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    ids = sample_features["SK_ID_CURR"].gather_every(40).to_list()
    received = [
        build_features(read_back(json.dumps(body, allow_nan=False)))
        for body in example_requests(sample, ids)
    ]
    expected = sample_features.filter(pl.col("SK_ID_CURR").is_in(ids))
    assert differing(pl.concat(received), expected) == []


def read_back(text: str) -> dict[str, pl.DataFrame]:
    """The tables of a request, checked as anything from outside is."""
    body = json.loads(text)
    body["application"] = [body["application"]]
    tables = {**TABLES, "application": FILES["application_test"]}
    return {
        name: conform(pl.DataFrame(rows), tables[name], where="a request")
        for name, rows in body.items()
        if rows
    }


def test_examples_go_from_no_history_to_the_longest(sample: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "examples"
    paths = write_examples(sample, out, 6)
    assert sorted(out.iterdir()) == sorted([*paths, out / LIST])
    assert len(paths) == 6
    bodies = [json.loads(path.read_text()) for path in paths]
    assert [f"{body['application']['SK_ID_CURR']}.json" for body in bodies] == [
        path.name for path in paths
    ]
    lengths = [rows_of(body) for body in bodies]
    assert lengths == sorted(lengths)
    everyone = [
        rows_of(body)
        for body in example_requests(
            sample, sample.frames("test")["application"].collect()["SK_ID_CURR"].to_list()
        )
    ]
    assert (lengths[0], lengths[-1]) == (min(everyone), max(everyone))


def rows_of(body: dict[str, list[object]]) -> int:
    """History rows that name the applicant themselves."""
    linked = [table.name for table in HISTORY if table.link == "SK_ID_CURR"]
    return sum(len(body[name]) for name in linked)


def test_examples_of_another_time_are_removed_and_nothing_else(
    sample: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "examples"
    assert len(write_examples(sample, out, 10_000)) == 200
    assert len(write_examples(sample, out, 1)) == len(list(out.glob("*.json"))) == 1
    (out / "1.json").write_text("{}")
    with pytest.raises(FilesError, match=r"holds 1\.json"):
        write_examples(sample, out, 1)
    assert (out / "1.json").read_text() == "{}"


def test_scores_survive_parquet(sample: Dataset, scorer: Scorer, tmp_path: Path) -> None:
    scored = score(sample, scorer, "test")
    write_parquet(scored, tmp_path / "scores.parquet")
    again = pl.read_parquet(tmp_path / "scores.parquet")
    assert differing(again, scored) == []
    assert np.isfinite(again["probability_of_default"].to_numpy()).all()
