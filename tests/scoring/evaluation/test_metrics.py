"""Figures against scikit-learn and brute force; intervals against what they promise."""

from __future__ import annotations

from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    brier_score_loss,
    fbeta_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from scoring.evaluation import bootstrap
from scoring.evaluation.business import business_cost
from scoring.evaluation.metrics import (
    SUSPECT_AUC,
    EvaluationError,
    Interval,
    SuspectedLeakageError,
    auc_interval,
    figures,
    guard,
    intervals,
    paired_difference,
    reliability,
    wilson,
)
from scoring.serving.costs import Costs

Floats = npt.NDArray[np.float64]
COSTS = Costs()

# PDs on a coarse grid, so that many are equal.
people = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 19).map(lambda twentieth: twentieth / 20)),
    min_size=2,
    max_size=60,
).filter(lambda drawn: len({outcome for outcome, _ in drawn}) == 2)


def portfolio(size: int, seed: int = 0, error: float = 0.0) -> tuple[npt.NDArray[np.int8], Floats]:
    """Outcomes drawn from true PDs, and those PDs with an error in log-odds."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2.8, 1.0, size)
    target = (rng.random(size) < 1 / (1 + np.exp(-logits))).astype(np.int8)
    return target, 1 / (1 + np.exp(-logits - error * rng.normal(size=size)))


@settings(deadline=None, max_examples=30)
@given(people, st.floats(0, 1))
def test_figures_are_those_of_scikit_learn(drawn: list[tuple[int, float]], cutoff: float) -> None:
    target, pds = np.array([t for t, _ in drawn]), np.array([p for _, p in drawn])
    refused = pds > cutoff
    false_alarms, caught, _ = roc_curve(target, pds)
    expected = {
        "auc": roc_auc_score(target, pds),
        "gini": 2 * roc_auc_score(target, pds) - 1,
        "ks": np.abs(caught - false_alarms).max(),
        "brier": brier_score_loss(target, pds),
        "log_loss": log_loss(target, pds),
        "recall": recall_score(target, refused),
        "precision": precision_score(target, refused, zero_division=0),
        "f_beta": fbeta_score(target, refused, beta=np.sqrt(10), zero_division=0),
        "refused": refused.mean(),
        "business_cost": business_cost(target, pds, cutoff, COSTS),
    }
    found = figures(target, pds, cutoff, COSTS)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=15)
@given(people, st.randoms(use_true_random=False))
def test_the_order_of_the_applicants_does_not_matter(
    drawn: list[tuple[int, float]], random: Random
) -> None:
    shuffled = drawn.copy()
    random.shuffle(shuffled)
    first, second = (
        figures([t for t, _ in rows], [p for _, p in rows], 0.3, COSTS)
        for rows in (drawn, shuffled)
    )
    assert first == pytest.approx(second, rel=1e-6, abs=1e-9)


def test_the_calibration_error_is_that_of_brute_force() -> None:
    target, pds = portfolio(1_000, error=0.5)
    parts = np.array_split(np.argsort(pds), 10)
    expected = sum(abs(target[part].mean() - pds[part].mean()) / 10 for part in parts)
    assert figures(target, pds, 0.1, COSTS)["ece"] == pytest.approx(expected, rel=1e-12)


def test_equal_pds_share_a_bin() -> None:
    target = np.repeat([0, 1], [90, 10])
    assert figures(target, np.full(100, 0.1), 0.1, COSTS)["ece"] == pytest.approx(0)


def test_recalibration_undoes_a_known_distortion() -> None:
    target, pds = portfolio(200_000)
    logits = np.log(pds / (1 - pds))
    distorted = 1 / (1 + np.exp(-(2 * logits + 1)))
    found = figures(target, distorted, 0.1, COSTS)
    # logit = (2 logit + 1) / 2 - 1 / 2
    assert found["calibration_slope"] == pytest.approx(0.5, abs=0.02)
    assert found["calibration_intercept"] == pytest.approx(-0.5, abs=0.05)
    true = figures(target, pds, 0.1, COSTS)
    assert true["calibration_slope"] == pytest.approx(1, abs=0.04)
    assert true["calibration_intercept"] == pytest.approx(0, abs=0.1)
    assert found["ece"] > 5 * true["ece"]


def test_each_resample_is_recalibrated_to_its_own_optimum() -> None:
    target, pds = portfolio(1_500, error=0.7)
    logits = np.log(pds / (1 - pds))[:, None]
    slopes = []
    for counts in bootstrap.resamples(np.ones_like(target), 40, seed=5):
        for weights in counts:
            model = LogisticRegression(C=np.inf, tol=1e-10)
            slopes.append(model.fit(logits, target, sample_weight=weights).coef_[0, 0])
    expected = np.percentile(slopes, [2.5, 97.5])
    found = intervals(target, pds, 0.1, COSTS, resamples=40, seed=5)["calibration_slope"]
    assert found[1:] == pytest.approx(expected, rel=1e-3)


def test_constant_pds_have_no_slope_but_a_level() -> None:
    target = np.repeat([0, 1], [80, 20])
    found = figures(target, np.full(100, 0.1), 0.1, COSTS)
    assert found["calibration_slope"] == 1
    assert found["calibration_intercept"] == pytest.approx(np.log(0.25) - np.log(1 / 9))
    assert found["auc"] == 0.5


def test_separated_outcomes_give_finite_figures() -> None:
    target, pds = np.repeat([0, 1], [50, 50]), np.repeat([0.0, 1.0], [50, 50])
    found = intervals(target, pds, 0.5, COSTS, resamples=20)
    assert found["auc"] == Interval(1, 1, 1)
    assert np.isfinite(list(found.values())).all()


def test_intervals_hold_the_figures_and_narrow_with_applicants() -> None:
    few = intervals(*portfolio(500), 0.1, COSTS, resamples=200)
    many = intervals(*portfolio(8_000), 0.1, COSTS, resamples=200)
    values = figures(*portfolio(500), 0.1, COSTS)
    assert {name: found.value for name, found in few.items()} == values
    for name in ("auc", "ks", "brier", "recall", "business_cost", "calibration_slope"):
        assert few[name].low < few[name].value < few[name].high
        assert many[name].high - many[name].low < (few[name].high - few[name].low) / 2


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    truth = roc_auc_score(*portfolio(400_000, seed=99))
    drawn = [portfolio(600, seed) for seed in range(60)]
    found = [auc_interval(*people, resamples=100) for people in drawn]
    assert 52 <= sum(each.low <= truth <= each.high for each in found) <= 60


@pytest.mark.parametrize("name", ["business_cost", "brier"])
def test_intervals_of_a_level_allow_for_the_chance_of_the_default_rate(name: str) -> None:
    def figure(seed: int) -> Interval:
        return intervals(*portfolio(400, seed), 0.1, COSTS, resamples=100)[name]

    found = [figure(seed) for seed in range(200)]
    truth = np.mean([one.value for one in found])
    assert sum(one.low <= truth <= one.high for one in found) >= 180


def test_the_same_seed_gives_the_same_intervals() -> None:
    target, pds = portfolio(400)
    first = intervals(target, pds, 0.1, COSTS, resamples=50, seed=3)
    assert first == intervals(target, pds, 0.1, COSTS, resamples=50, seed=3)
    assert first != intervals(target, pds, 0.1, COSTS, resamples=50, seed=4)


def test_every_resample_has_as_many_of_either_outcome() -> None:
    target = np.repeat([0, 1], [37, 5])
    counts = np.concatenate(list(bootstrap.resamples(target, 30, seed=1)))
    assert counts.shape == (30, 42)
    assert (counts[:, target == 1].sum(axis=1) == 5).all()
    assert (counts[:, target == 0].sum(axis=1) == 37).all()
    assert (counts.mean(axis=0) > 0).all()


def test_a_model_does_not_differ_from_itself() -> None:
    target, pds = portfolio(300)
    found = paired_difference(target, pds, pds, 0.1, 0.1, COSTS, resamples=30)
    assert set(found.values()) == {Interval(0, 0, 0)}


def test_a_paired_difference_tells_what_separate_intervals_cannot() -> None:
    target, worse = portfolio(3_000, error=0.4)
    better = portfolio(3_000)[1]
    of_both = [intervals(target, pds, 0.1, COSTS, resamples=300)["auc"] for pds in (better, worse)]
    assert of_both[0].low < of_both[1].high
    found = paired_difference(target, better, worse, 0.1, 0.1, COSTS, resamples=300)
    assert found["auc"].value == pytest.approx(of_both[0].value - of_both[1].value)
    assert found["auc"].low > 0
    opposite = paired_difference(target, worse, better, 0.1, 0.1, COSTS, resamples=300)
    assert opposite["auc"].high == pytest.approx(-found["auc"].low)


@pytest.mark.parametrize(
    ("target", "pds", "message"),
    [
        ([0, 1], [0.1, 0.2, 0.3], "one of each an applicant"),
        ([0, 0], [0.1, 0.2], "both must occur"),
        ([0, 2], [0.1, 0.2], "must be 0 and 1"),
        ([0, 1], [0.1, float("nan")], "missing or outside"),
        ([0, 1], [0.1, 1.7], "probabilities, not scores"),
    ],
)
def test_what_has_no_figures_is_refused(target: list[int], pds: list[float], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        figures(target, pds, 0.5, COSTS)


def test_the_guard_refuses_what_is_too_good() -> None:
    guard(SUSPECT_AUC)
    for suspect in (SUSPECT_AUC + 1e-6, 1.0, float("nan")):
        with pytest.raises(SuspectedLeakageError, match="leaks into the features"):
            guard(suspect)


def test_the_auc_of_any_scores_is_that_of_their_order() -> None:
    target, pds = portfolio(600)
    scores = np.round(np.log(pds) * 50)
    found = auc_interval(target, scores, resamples=100)
    assert found.value == pytest.approx(roc_auc_score(target, scores))
    assert found.low < found.value < found.high
    assert found == pytest.approx(auc_interval(target, scores * 3 - 9, resamples=100))
    with pytest.raises(EvaluationError, match="a score is missing"):
        auc_interval([0, 1], [0.1, float("nan")])


def test_the_reliability_table_holds_everybody() -> None:
    target, pds = portfolio(5_000)
    table = reliability(target, pds)
    assert table["count"].to_list() == [500] * 10
    assert (table["count"] * table["observed"]).sum() == pytest.approx(target.sum())
    assert (table["count"] * table["predicted"]).sum() == pytest.approx(pds.sum())
    assert table["predicted"].is_sorted()
    assert table["inside"].sum() >= 8
    too_high = reliability(target, np.minimum(pds * 3, 1))
    assert too_high["inside"].sum() <= 2
    assert reliability([0, 1, 1], [0.2, 0.2, 0.2])["count"].to_list() == [3]


def test_the_calibration_error_is_that_of_the_table() -> None:
    target, pds = portfolio(777, error=1.0)
    table = reliability(target, pds)
    gaps = table["count"] * (table["observed"] - table["predicted"]).abs()
    assert figures(target, pds, 0.1, COSTS)["ece"] == pytest.approx(gaps.sum() / 777)


def test_wilson_intervals_hold_the_proportion() -> None:
    # 95 % score interval of 1 in 10: Brown, Cai and DasGupta, 2001.
    low, high = wilson(1, 10)
    assert (float(low), float(high)) == pytest.approx((0.0179, 0.4042), abs=1e-4)
    low, high = wilson([0, 10], [10, 10])
    assert low[0] == 0 and 0 < high[0] < 0.3  # noqa: PT018
    assert high[1] == 1 and 0.7 < low[1] < 1  # noqa: PT018
