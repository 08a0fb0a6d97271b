"""Directions: they are of features, and no model goes against them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.directions import DIRECTIONS, LOWERS_PD, RAISES_PD
from scoring.modelling.candidates import Candidate
from scoring.serving.families.trees import BoostedTrees
from scoring.serving.scorer import Feature, Scorer


def test_directions_are_of_features_and_one_each(sample_features: pl.DataFrame) -> None:
    assert set(sample_features.columns) >= RAISES_PD | LOWERS_PD
    assert not RAISES_PD & LOWERS_PD
    assert set(DIRECTIONS) == RAISES_PD | LOWERS_PD


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.001, 10.0))
def test_more_of_a_feature_never_moves_the_pd_the_wrong_way(
    scorer: Scorer, sample_features: pl.DataFrame, seed: int, share: float
) -> None:
    directed = [feature.name for feature in scorer.features if feature.name in DIRECTIONS]
    assert len(directed) >= 20
    applicants = sample_features.sample(40, seed=seed)
    before = scorer.predict(applicants)
    for name in np.random.default_rng(seed).choice(directed, 8, replace=False):
        # By a share of what there is among applicants; what is not known stays unknown.
        step = (sample_features[name].std() or 1.0) * share
        more = applicants.with_columns((pl.col(name) + step).cast(pl.Float32))
        moved = (scorer.predict(more) - before) * DIRECTIONS[name]
        assert moved.min() >= -1e-12, name


@pytest.mark.parametrize("name", ["EXT_SOURCE_2", "installments__IS_LATE__all__mean"])
def test_the_recipe_resists_rows_that_say_the_contrary(name: str) -> None:
    rng = np.random.default_rng(5)
    matrix = rng.random((3_000, 2)).astype(np.float32)
    good = matrix[:, 0] if DIRECTIONS[name] < 0 else 1 - matrix[:, 0]
    target = (rng.random(3_000) < 0.1 + 0.3 * good * (matrix[:, 1] > 0.5)).astype(np.int8)
    features = [Feature(name), Feature("AMT_CREDIT")]
    candidate = Candidate.of("trees", n_estimators=40, colsample_bytree=1.0)
    model = BoostedTrees.fit(features, matrix, target, None, candidate.parameters, 0)
    grid = np.column_stack([np.linspace(0, 1, 50), np.full(50, 0.8)])
    assert np.all(np.diff(model.raw_scores(grid)) * DIRECTIONS[name] >= -1e-12)
