"""Costs and cut-offs, against brute force and against the theory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.evaluation import bootstrap
from scoring.evaluation.business import (
    REFER_SHARE,
    baselines,
    best_cutoff,
    business_cost,
    cost_curve,
    refer_band,
    study_cutoff,
)
from scoring.serving.costs import Costs

applicants = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.05, 0.0909, 0.3, 1.0]) | st.floats(0, 1)),
    min_size=1,
    max_size=40,
)
costs = st.builds(Costs, st.floats(0.01, 100), st.floats(0.01, 100))


def brute_force(target: list[int], pds: list[float], cutoff: float, price: Costs) -> float:
    total = 0.0
    for defaulted, pd in zip(target, pds, strict=True):
        if defaulted and pd <= cutoff:
            total += price.false_negative
        if not defaulted and pd > cutoff:
            total += price.false_positive
    return total / len(target)


@settings(deadline=None)
@given(applicants, st.floats(-0.1, 1.1), costs)
def test_the_cost_is_that_of_brute_force(
    people: list[tuple[int, float]], cutoff: float, price: Costs
) -> None:
    target, pds = [t for t, _ in people], [p for _, p in people]
    expected = brute_force(target, pds, cutoff, price)
    assert business_cost(target, pds, cutoff, price) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)
@given(applicants, costs)
def test_the_curve_is_the_cost_at_every_cutoff(
    people: list[tuple[int, float]], price: Costs
) -> None:
    target, pds = [t for t, _ in people], [p for _, p in people]
    cutoffs, curve = cost_curve(target, pds, price)
    assert cutoffs.size == len(set(pds)) + 1
    assert (np.diff(cutoffs) > 0).all()
    expected = [business_cost(target, pds, cutoff, price) for cutoff in cutoffs]
    assert curve == pytest.approx(expected, rel=1e-9, abs=1e-12)
    # Its ends are the two policies that need no model.
    refuse_all = price.false_positive * (1 - np.mean(target))
    accept_all = price.false_negative * np.mean(target)
    assert (curve[0], curve[-1]) == pytest.approx((refuse_all, accept_all))


@settings(deadline=None)
@given(applicants, costs, st.floats(-0.1, 1.1))
def test_no_cutoff_is_cheaper_than_the_best(
    people: list[tuple[int, float]], price: Costs, other: float
) -> None:
    target, pds = [t for t, _ in people], [p for _, p in people]
    best = best_cutoff(target, pds, price)
    least = business_cost(target, pds, best, price)
    assert least <= business_cost(target, pds, other, price) + 1e-9


def test_the_lowest_of_equal_cutoffs_is_taken() -> None:
    price = Costs(1.0, 1.0)
    # A tie: refusing both costs one good applicant, accepting both one default.
    assert best_cutoff([0, 1], [0.5, 0.5], price) < 0.5


def test_an_applicant_at_the_cutoff_is_accepted() -> None:
    assert business_cost([1], [0.3], 0.3, Costs()) == 10.0
    assert business_cost([0], [0.3], 0.3, Costs()) == 0.0


@pytest.mark.parametrize(
    ("false_negative", "false_positive"),
    [(0, 1), (1, 0), (-1, 1), (1, -1), (float("nan"), 1), (1, float("nan"))],
)
def test_costs_must_be_above_zero(false_negative: float, false_positive: float) -> None:
    with pytest.raises(ValueError, match="both costs must be above zero"):
        Costs(false_negative, false_positive)


def test_the_costs_dictate_the_cutoff() -> None:
    assert Costs().cutoff == 1 / 11
    assert Costs(4, 1).cutoff == 0.2
    assert Costs(1, 1).cutoff == 0.5


@pytest.mark.parametrize("price", [Costs(), Costs(3, 1), Costs(1, 1)])
def test_calibrated_pds_are_best_cut_where_the_costs_say(price: Costs) -> None:
    rng = np.random.default_rng(7)
    pds = rng.beta(1.2, 4.0, 300_000)
    target = rng.random(pds.size) < pds
    assert best_cutoff(target, pds, price) == pytest.approx(price.cutoff, abs=0.03)
    least = business_cost(target, pds, best_cutoff(target, pds, price), price)
    assert business_cost(target, pds, price.cutoff, price) == pytest.approx(least, rel=0.002)


def drawn_portfolio(
    size: int, seed: int = 7
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    pds = rng.beta(1.2, 10.0, size)
    return rng.random(size) < pds, pds


def test_the_best_cutoff_is_known_better_with_more_applicants() -> None:
    few, many = (
        study_cutoff(*drawn_portfolio(size), Costs(), resamples=200) for size in (1_000, 16_000)
    )
    for study in (few, many):
        assert study.best.low <= study.best.value <= study.best.high
        assert study.agree
        assert study.best_cost <= study.theoretical_cost.value
    assert many.best.high - many.best.low < few.best.high - few.best.low


def test_pds_that_are_twice_too_high_are_not_best_cut_where_the_costs_say() -> None:
    target, pds = drawn_portfolio(16_000)
    study = study_cutoff(target, np.minimum(2 * pds, 1), Costs(), resamples=100)
    assert study.best.low > study.theoretical
    assert not study.agree


def test_the_study_has_the_cost_at_the_theoretical_cutoff() -> None:
    target, pds = drawn_portfolio(500)
    study = study_cutoff(target, pds, Costs(), resamples=20)
    assert study.theoretical_cost.value == business_cost(target, pds, 1 / 11, Costs())
    assert study.best.value == best_cutoff(target, pds, Costs())
    assert study == study_cutoff(target, pds, Costs(), resamples=20)


def test_each_resample_has_the_best_cutoff_of_its_applicants() -> None:
    target, pds = drawn_portfolio(200)
    chosen = [
        best_cutoff(np.repeat(target, times), np.repeat(pds, times), Costs())
        for counts in bootstrap.resamples(np.ones_like(target), 30, seed=2)
        for times in counts.astype(int)
    ]
    study = study_cutoff(target, pds, Costs(), resamples=30, seed=2)
    assert study.best[1:] == pytest.approx(np.percentile(chosen, [2.5, 97.5]))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.05, 1 / 11, 0.1]) | st.floats(0, 1), min_size=1, max_size=60),
    st.floats(0, 1),
    st.floats(0, 0.99),
)
def test_the_band_holds_the_cutoff_and_no_more_than_its_share(
    pds: list[float], cutoff: float, share: float
) -> None:
    low, high = refer_band(pds, cutoff, share)
    assert 0 <= low <= cutoff <= high <= 1
    referred = (np.array(pds) > low) & (np.array(pds) <= high)
    assert referred.sum() <= share * len(pds) + 1e-9


@pytest.mark.parametrize("share", [0.01, REFER_SHARE, 0.5])
def test_the_band_holds_its_share_where_pds_differ(share: float) -> None:
    pds = drawn_portfolio(5_000)[1]
    low, high = refer_band(pds, 1 / 11, share)
    assert np.mean((pds > low) & (pds <= high)) == pytest.approx(share, abs=1 / 5_000)
    # No one outside is nearer to the cut-off than anyone inside.
    inside = (pds > low) & (pds <= high)
    distance = np.abs(pds - 1 / 11)
    assert distance[inside].max() <= distance[~inside].min()


def test_nobody_is_referred_where_no_share_is_given() -> None:
    assert refer_band([0.1, 0.2], 0.15, 0.0) == (0.15, 0.15)
    assert refer_band([0.1] * 50, 0.15) == (0.15, 0.15)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_to_refer_is_below_one(share: float) -> None:
    with pytest.raises(ValueError, match="share to refer"):
        refer_band([0.1], 0.1, share)


def test_without_a_model_all_are_accepted_or_all_refused() -> None:
    assert baselines([1, 0, 0, 0], Costs(10, 2)) == {"accept_all": 2.5, "refuse_all": 1.5}
