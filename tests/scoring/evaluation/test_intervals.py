"""Closed forms, held against other ways to the same figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.intervals import (
    Z_95,
    auc_of_ranks,
    bounded_error,
    hanley_mcneil,
    mean_interval,
    normal_interval,
)
from scoring.evaluation.metrics import auc_interval
from scoring.serving.costs import Costs


def test_normal_intervals_hold_95_percent() -> None:
    assert stats.norm.cdf(Z_95) - stats.norm.cdf(-Z_95) == pytest.approx(0.95)
    assert normal_interval(1.0, 0.0) == Interval(1.0, 1.0, 1.0)
    values = np.random.default_rng(0).exponential(size=400)
    mean, low, high = mean_interval(values, ddof=1)
    error = stats.sem(values)
    assert (mean, low, high) == pytest.approx(
        (values.mean(), *stats.norm.interval(0.95, mean, error))
    )


def test_the_auc_of_ranks_is_that_of_the_roc_curve() -> None:
    rng = np.random.default_rng(1)
    defaulted, scores = rng.random(300) < 0.2, rng.integers(0, 40, 300)
    auc = auc_of_ranks(stats.rankdata(scores), defaulted)
    assert auc == pytest.approx(roc_auc_score(defaulted, scores))
    assert np.isnan(auc_of_ranks(stats.rankdata(scores), np.zeros(300, dtype=bool)))


def test_the_error_of_an_auc_is_about_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(2)
    defaulted = rng.random(2_000) < 0.1
    scores = rng.normal(size=2_000) + defaulted
    auc, low, high = auc_interval(defaulted, scores)
    defaults = int(defaulted.sum())
    error = hanley_mcneil(auc, defaults, 2_000)
    assert error == pytest.approx((high - low) / (2 * Z_95), rel=0.15)
    assert hanley_mcneil(1.0, defaults, 2_000) == 0.0


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_no_mean_of_bounded_values_is_less_certain_than_the_bound(values: list[float]) -> None:
    bound = bounded_error(float(np.mean(values)), 10.0, len(values))
    assert np.std(values) / np.sqrt(len(values)) <= bound + 1e-9


def test_mistakes_cost_alike_one_by_one_and_in_all() -> None:
    costs, rng = Costs(7.0, 2.0), np.random.default_rng(3)
    missed, rejected = rng.random(50) < 0.3, rng.random(50) < 0.4
    assert costs.total(missed, rejected).sum() == costs.total(missed.sum(), rejected.sum())
    assert costs.total(1, 0) == 7.0
    assert costs.total(0, 1) == 2.0
