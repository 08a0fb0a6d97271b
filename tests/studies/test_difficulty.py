"""The difficulty of a risk: what is measured of it, and when two of them agree."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from scoring.evaluation.bootstrap import Interval
from scoring.modelling.candidates import Candidate
from scoring.modelling.validation import Validation
from scoring.serving.costs import Costs
from studies import credibility
from studies.difficulty import compared, difficulty, explained_share


@pytest.fixture(scope="module")
def applications() -> pl.DataFrame:
    return credibility.draw(None, 2, 3)["application"]


def validation(scores: np.ndarray, target: np.ndarray) -> Validation:
    return Validation(Candidate.of("trees"), scores, np.arange(target.size) % 5, target, Costs())


def test_outcomes_by_chance_are_harder(
    applications: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.difficulty.RESAMPLES", 100)
    by_chance = applications.with_columns(pl.col("TARGET").shuffle(0))
    real, other = (difficulty({"application": rows}) for rows in (applications, by_chance))
    for model in ("trees", "linear"):
        assert real[f"AUC, {model}"].low > 0.5
        # By chance, and as each fold is scored without its own outcomes, it may be well below 0.5.
        assert other[f"AUC, {model}"].low < 0.5
        assert other[f"AUC, {model}"].high < real[f"AUC, {model}"].low
    agree = dict(compared(real, other).select("figure", "agree").iter_rows())
    assert agree["AUC, trees"] == agree["AUC, linear"] == "no"
    assert set(compared(real, real)["agree"]) == {"yes"}


def test_the_share_explained_is_all_of_the_same_model_and_nothing_of_none() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(-2, 1, 4000)
    target = (rng.random(4000) < 1 / (1 + np.exp(-scores))).astype(np.int8)
    whole = validation(scores, target)
    assert explained_share(whole, whole) == pytest.approx((1.0, 1.0, 1.0))
    none = explained_share(validation(rng.normal(-2, 1, 4000), target), whole)
    assert none.low < 0.02
    assert abs(none.value) < 0.05


@pytest.mark.parametrize(("high", "agree"), [(0.76, "yes"), (0.742, "no")])
def test_figures_agree_if_their_difference_may_be_nothing(high: float, agree: str) -> None:
    table = compared({"AUC": Interval(0.75, 0.747, 0.753)}, {"AUC": Interval(0.74, 0.738, high)})
    assert table["agree"].to_list() == [agree]
