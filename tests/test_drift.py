"""Drift: an injected shift is found, a resample of the same applicants is not."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scoring.dataset import Dataset, write_manifest
from scoring.drift import (
    HISTORY_SIGNS,
    MISSING_LIMIT,
    PD,
    PSI_LIMIT,
    Drift,
    DriftError,
    compare,
    conclusion,
    populations,
    with_pd,
)
from scoring.scorer import Scorer

COLUMNS = ("EXT_SOURCE_2", "AMT_CREDIT", "NAME_EDUCATION_TYPE", "DAYS_EMPLOYED", PD)

NOBODY = pl.DataFrame(schema={"SK_ID_CURR": pl.Int32, PD: pl.Float64})


@pytest.fixture(scope="module")
def scored(sample_features: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    return with_pd(sample_features, scorer, NOBODY).select("SK_ID_CURR", *COLUMNS)


@pytest.fixture(scope="module")
def resample(scored: pl.DataFrame) -> pl.DataFrame:
    return scored.sample(2_000, with_replacement=True, seed=2)


@pytest.fixture(scope="module")
def calm(scored: pl.DataFrame, resample: pl.DataFrame) -> Drift:
    return compare(scored, resample, COLUMNS)


@pytest.fixture(scope="module")
def storm(scored: pl.DataFrame, resample: pl.DataFrame) -> Drift:
    """Credits doubled, education lost, jobs unknown for a third, PDs doubled, a score all gone."""
    unknown = pl.int_range(pl.len()) % 3 == 0
    current = resample.with_columns(
        pl.col("AMT_CREDIT") * 2,
        pl.lit(None, pl.Float32).alias("EXT_SOURCE_2"),
        pl.when(~unknown).then("DAYS_EMPLOYED").alias("DAYS_EMPLOYED"),
        pl.lit("Lower secondary")
        .cast(scored.schema["NAME_EDUCATION_TYPE"])
        .alias("NAME_EDUCATION_TYPE"),
        (pl.col(PD) * 2).clip(0, 1),
    )
    return compare(scored, current, COLUMNS)


def row(result: Drift, column: str) -> dict[str, float | bool | None]:
    return result.columns.row(by_predicate=pl.col("column") == column, named=True)


def failed(result: Drift) -> set[str]:
    """The columns of which Evidently's own tests failed; one test counts all columns together."""
    tests = result.snapshot.dict()["tests"]
    failing = [t["metric_config"]["params"] for t in tests if t["status"].value == "FAIL"]
    return {parameters["column"] for parameters in failing if "column" in parameters}


def test_the_report_fails_for_the_columns_that_the_table_names(calm: Drift, storm: Drift) -> None:
    assert failed(calm) == set()
    # A column that is wholly missing cannot be drawn, and is told by the table alone.
    assert failed(storm) == set(storm.drifted["column"]) - {"EXT_SOURCE_2"}


def test_a_resample_of_the_same_applicants_is_no_drift(calm: Drift) -> None:
    assert calm.drifted.is_empty()
    assert calm.columns["column"].sort().to_list() == sorted(COLUMNS)
    assert calm.columns["psi"].max() < PSI_LIMIT / 2
    assert calm.columns["psi"].min() >= 0


@pytest.mark.parametrize("column", ["AMT_CREDIT", "NAME_EDUCATION_TYPE", PD])
def test_a_shift_of_values_is_found(column: str, storm: Drift) -> None:
    found = row(storm, column)
    assert found["drifted"]
    assert found["psi"] >= PSI_LIMIT


def test_a_shift_of_missingness_alone_is_found(storm: Drift, calm: Drift) -> None:
    found, before = row(storm, "DAYS_EMPLOYED"), row(calm, "DAYS_EMPLOYED")
    assert found["drifted"]
    assert found["psi"] < PSI_LIMIT
    moved = found["missing_current"] - found["missing_reference"]
    assert moved > MISSING_LIMIT
    assert not before["drifted"]


def test_a_wholly_missing_column_is_found_and_stops_nothing(storm: Drift) -> None:
    found = row(storm, "EXT_SOURCE_2")
    assert found["drifted"]
    assert found["psi"] is None
    assert found["missing_current"] == 1.0


def test_the_most_drifted_come_first(storm: Drift) -> None:
    assert storm.drifted.height == len(COLUMNS)
    strength = [
        max(
            (psi or 0) / PSI_LIMIT,
            abs(current - reference) / MISSING_LIMIT,
        )
        for _, psi, reference, current, _ in storm.columns.iter_rows()
    ]
    assert strength == sorted(strength, reverse=True)


def test_psi_is_that_of_its_definition(scored: pl.DataFrame, resample: pl.DataFrame) -> None:
    """PSI = sum over bins of (share now - share then) x ln(share now / share then)."""
    name = "NAME_EDUCATION_TYPE"
    half = resample.filter((pl.col(name) != "Higher education") | (pl.int_range(pl.len()) % 2 == 0))
    found = row(compare(scored, half, [name]), name)["psi"]
    shares = [
        dict(frame[name].drop_nulls().cast(pl.String).value_counts(normalize=True).iter_rows())
        for frame in (scored, half)
    ]
    expected = sum(
        (shares[1][level] - share) * np.log(shares[1][level] / share)
        for level, share in shares[0].items()
        if level in shares[1]
    )
    assert found == pytest.approx(expected, rel=0.15)


def test_the_conclusion_follows_the_figures(calm: Drift, storm: Drift) -> None:
    quiet = conclusion(calm, {"reference": 0.3, "current": 0.3})
    assert f"0 of {len(COLUMNS)} columns drifted" in quiet
    assert "Nothing to do." in quiet
    loud = conclusion(storm, {"reference": 0.3, "current": 0.512})
    assert f"{len(COLUMNS)} of {len(COLUMNS)} columns drifted" in loud
    assert "refusals go from 30.0% to 51.2% (+21.2%)" in loud
    assert "retrain" in loud
    assert re.search(r"`EXT_SOURCE_2`: missing for 100% of the applicants instead of \d+%", loud)
    assert re.search(r"`AMT_CREDIT`: PSI \d", loud)


def test_inputs_that_moved_without_the_decisions_call_for_no_retraining(
    scored: pl.DataFrame, resample: pl.DataFrame
) -> None:
    moved = compare(scored, resample.with_columns(pl.col("AMT_CREDIT") * 3), COLUMNS)
    words = conclusion(moved, {"reference": 0.3, "current": 0.3})
    assert f"1 of {len(COLUMNS)} columns drifted" in words
    assert "no retraining" in words


class Links(HTMLParser):
    """Collects whatever a browser would fetch to show the page."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.fetched += [value for name, value in attrs if name == wanted and value]


def test_the_report_is_whole_and_fetches_nothing(storm: Drift, tmp_path: Path) -> None:
    html = tmp_path / "reports" / "drift.html"
    storm.save(html)
    assert sorted(path.name for path in html.parent.iterdir()) == ["drift.html", "drift.json"]
    text = html.read_text(encoding="utf-8")
    assert "AMT_CREDIT" in text
    assert text.rstrip().endswith("</html>")
    links = Links()
    links.feed(text)
    outside = [link for link in links.fetched if not link.startswith("data:")]
    assert outside == []
    figures = json.loads((html.with_suffix(".json")).read_text())
    assert "AMT_CREDIT" in json.dumps(figures)


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    storm: Drift, calm: Drift, tmp_path: Path
) -> None:
    html = tmp_path / "drift.html"
    calm.save(html)
    before = html.read_bytes()
    html.with_suffix(".json").unlink()
    html.with_suffix(".json").mkdir()
    (html.with_suffix(".json") / "in the way").touch()
    with pytest.raises(OSError, match="drift"):
        storm.save(html)
    leftovers = {path.name for path in tmp_path.iterdir()} - {"drift.html", "drift.json"}
    assert html.read_bytes().endswith(before[-10:])
    assert leftovers == set()


# The populations.


def test_training_and_test_applicants_are_told_apart(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    turned = sample_features.sample(fraction=1, shuffle=True, seed=1)
    reference, current = populations(sample, turned)
    assert (reference.height, current.height) == (800, 200)
    tests = sample.frames("test")["application"].collect()["SK_ID_CURR"]
    assert set(current["SK_ID_CURR"]) == set(tests)


@pytest.fixture
def without_test(sample: Dataset, tmp_path: Path) -> Dataset:
    for name in sample.manifest["files"]:
        if name != "application_test.parquet":
            (tmp_path / name).write_bytes((sample.folder / name).read_bytes())
    write_manifest(tmp_path, "train only")
    return Dataset.open(tmp_path)


def test_without_test_applicants_the_newest_are_compared(
    without_test: Dataset, sample_features: pl.DataFrame
) -> None:
    reference, current = populations(without_test, sample_features.head(800))
    assert (reference.height, current.height) == (400, 400)
    assert reference["SK_ID_CURR"].max() < current["SK_ID_CURR"].min()


def test_a_side_without_applicants_is_refused(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    for features in (sample_features.head(800), sample_features.tail(200)):
        with pytest.raises(DriftError, match="too few applicants"):
            populations(sample, features)


def test_the_pd_is_a_column_like_any_other(
    scored: pl.DataFrame, sample_features: pl.DataFrame, scorer: Scorer
) -> None:
    assert np.array_equal(scored[PD].to_numpy(), scorer.predict(sample_features))


def test_the_pd_of_seen_applicants_comes_from_models_that_had_not_seen_them(
    sample_features: pl.DataFrame, scorer: Scorer
) -> None:
    seen = sample_features["SK_ID_CURR"].head(10)
    unseen = pl.DataFrame({"SK_ID_CURR": seen, PD: [0.25] * 10})
    pds = with_pd(sample_features, scorer, unseen)[PD]
    assert pds.head(10).to_list() == [0.25] * 10
    assert np.array_equal(pds[10:].to_numpy(), scorer.predict(sample_features)[10:])


def test_a_history_sign_is_there_for_whoever_has_the_history(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    tables = [
        "bureau", "bureau_balance", "previous_application", "POS_CASH_balance",
        "installments_payments", "credit_card_balance",
    ]  # fmt: skip
    frames = sample.frames()
    owners = frames["bureau"].select("SK_ID_CURR", "SK_ID_BUREAU")
    for table, sign in zip(tables, HISTORY_SIGNS, strict=True):
        rows = frames[table]
        if table == "bureau_balance":
            rows = rows.join(owners, on="SK_ID_BUREAU")
        having = set(rows.select("SK_ID_CURR").collect()["SK_ID_CURR"])
        known = sample_features.filter(pl.col(sign).is_not_null())["SK_ID_CURR"]
        assert set(known) == having & set(sample_features["SK_ID_CURR"])
        assert 0 < known.len() < sample_features.height


def test_nothing_is_reported_to_outsiders() -> None:
    assert os.environ["DO_NOT_TRACK"] == "1"
