"""The examples: matched by number, held out for good, known by a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from scoring.data.dataset import Dataset
from scoring.features import PROTECTED
from scoring.modelling.examples import (
    HOLDOUT_SHARE,
    Examples,
    TrainingError,
    applicants_digest,
    examples_of,
    is_held_out,
)
from scoring.serving.scorer import Feature


def frame_of(rows: int) -> pl.DataFrame:
    ids = pl.Series("SK_ID_CURR", range(rows), dtype=pl.Int32)
    return pl.DataFrame([ids, pl.Series("A", range(rows), dtype=pl.Float32)])


def outcomes(values: Sequence[int | None]) -> pl.DataFrame:
    ids = pl.Series("SK_ID_CURR", range(len(values)), dtype=pl.Int32)
    return pl.DataFrame([ids, pl.Series("TARGET", values, dtype=pl.Int8)])


def test_examples_are_matched_by_identifier_and_those_without_outcome_left_out() -> None:
    targets = outcomes([0, 1] * 20 + [None] * 5)
    found = Examples.of(frame_of(60)[::-1], targets.sample(fraction=1, shuffle=True, seed=1))
    assert found.frame["SK_ID_CURR"].to_list() == list(range(39, -1, -1))
    assert found.target.tolist() == [i % 2 for i in range(39, -1, -1)]
    assert found.matrix.tolist() == [[float(i)] for i in range(39, -1, -1)]
    assert "TARGET" not in found.frame.columns
    assert found.features == (Feature("A"),)


@pytest.mark.parametrize(
    ("values", "fewest"), [([0] * 50, 0), ([1] * 50, 0), ([0] * 50 + [1] * 9, 9), ([None] * 9, 0)]
)
def test_too_few_of_an_outcome_are_refused(values: list[int | None], fewest: int) -> None:
    with pytest.raises(TrainingError, match=f"only {fewest} applicants of the rarer outcome"):
        Examples.of(frame_of(100), outcomes(values))


def test_protected_attributes_are_left_out_unless_asked_for(
    sample_features: pl.DataFrame, sample_examples: Examples
) -> None:
    names = {feature.name for feature in sample_examples.features}
    everything = set(sample_features.columns) - {"SK_ID_CURR"}
    assert names == everything - PROTECTED
    targets = outcomes([0, 1] * 30).with_columns(SK_ID_CURR=sample_features["SK_ID_CURR"].head(60))
    asked = Examples.of(sample_features, targets, use_protected=True)
    assert {feature.name for feature in asked.features} == everything


def test_a_fifth_is_held_out_whoever_else_is_there(examples: Examples) -> None:
    development, holdout = examples.holdout()
    assert holdout.target.size / examples.target.size == pytest.approx(HOLDOUT_SHARE, abs=0.03)
    ids = [*development.frame["SK_ID_CURR"], *holdout.frame["SK_ID_CURR"]]
    assert sorted(ids) == examples.frame["SK_ID_CURR"].to_list()
    by_id = dict(zip(examples.frame["SK_ID_CURR"], examples.target, strict=True))
    assert holdout.target.tolist() == [by_id[i] for i in holdout.frame["SK_ID_CURR"]]
    some = examples.take(np.random.default_rng(0).permutation(examples.target.size)[:900])
    held = set(holdout.frame["SK_ID_CURR"]) & set(some.frame["SK_ID_CURR"])
    assert set(some.holdout()[1].frame["SK_ID_CURR"]) == held


def test_who_is_held_out_never_changes() -> None:
    # Champion and challenger of different releases are compared on the same applicants.
    ids = pl.Series(range(100_000, 100_020), dtype=pl.Int32)
    assert np.flatnonzero(is_held_out(ids)).tolist() == [0, 4, 7, 17]


def test_a_holdout_with_too_few_of_an_outcome_is_refused() -> None:
    with pytest.raises(TrainingError, match="of the rarer outcome"):
        Examples.of(frame_of(200), outcomes([0] * 180 + [1] * 20)).holdout()


def test_a_subset_has_the_shares_of_both_outcomes(examples: Examples) -> None:
    subset = examples.subset(500, seed=1)
    assert subset.target.size == 500
    assert subset.target.mean() == pytest.approx(examples.target.mean(), abs=0.001)
    by_id = dict(zip(examples.frame["SK_ID_CURR"], examples.target, strict=True))
    ids = subset.frame["SK_ID_CURR"].to_list()
    assert ids == sorted(set(ids))
    assert subset.target.tolist() == [by_id[i] for i in ids]
    assert examples.subset(500, seed=1).frame.equals(subset.frame)
    assert not examples.subset(500, seed=2).frame.equals(subset.frame)
    for size in (examples.target.size, 10**6):
        assert examples.subset(size) is examples


def test_a_subset_with_too_few_of_an_outcome_is_refused() -> None:
    with pytest.raises(TrainingError, match="only 4 applicants of the rarer outcome among 40"):
        Examples.of(frame_of(200), outcomes([0] * 180 + [1] * 20)).subset(40)


def test_who_was_learnt_from_has_a_digest_that_anyone_can_compute(sample: Dataset) -> None:
    examples = examples_of(sample)
    known = sample.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    lines = "".join(f"{number},{target}\n" for number, target in sorted(known.rows()))
    digest = applicants_digest(examples)
    assert digest == hashlib.sha256(lines.encode()).hexdigest()
    backwards = np.arange(examples.target.size)[::-1]
    assert applicants_digest(examples.take(backwards)) == digest
    assert applicants_digest(examples.take(backwards[1:])) != digest
    other = examples.target.copy()
    other[0] = 1 - other[0]
    assert applicants_digest(replace(examples, target=other)) != digest
