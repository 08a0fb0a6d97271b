"""Figures of all who applied: right where the truth of everybody is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scoring.evaluation.bootstrap import Floats
from scoring.evaluation.business import business_cost
from scoring.evaluation.off_policy import (
    Estimates,
    Logged,
    OffPolicyError,
    auc,
    default_rate,
    expectation,
    mean_of_seen,
    observed_to_expected,
    policy_cost,
)
from scoring.serving.costs import Costs

COSTS = Costs()
REPETITIONS = 300
APPLICANTS = 5_000
SHARE = 0.05


def population(number: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """PDs of a model, and the truth, which has moved away from them: more so where PDs are high."""
    risk = rng.normal(size=number)
    pds, truth = (1 / (1 + np.exp(2.8 - risk - d * (0.4 + 0.4 * risk))) for d in (0.0, 1.0))
    return pds, truth


def logged(pds: Floats, truth: Floats, share: float, rng: np.random.Generator) -> Logged:
    """What a policy has seen that refuses PDs above the cut-off, and accepts a share of them."""
    chance = np.where(pds > COSTS.cutoff, share, 1.0)
    observed = rng.random(pds.size) < chance
    return Logged(pds, chance, observed, rng.random(pds.size) < truth)


def true_auc(pds: Floats, truth: Floats) -> float:
    ordered = truth[np.argsort(pds)]
    pairs = float(np.sum(ordered * np.cumsum(1 - ordered)))
    return pairs / float(ordered.sum() * (1 - ordered).sum())


FIGURES: dict[str, tuple[Callable[[Logged], Estimates], Callable[[Floats, Floats], float]]] = {
    "default_rate": (default_rate, lambda _, truth: float(truth.mean())),
    "auc": (auc, true_auc),
    "cost": (
        lambda own: policy_cost(own, own.pds > COSTS.cutoff, COSTS),
        lambda pds, truth: float(np.where(pds > COSTS.cutoff, 1 - truth, 10 * truth).mean()),
    ),
    "cost of another cut-off": (
        lambda own: policy_cost(own, own.pds > 0.2, COSTS),
        lambda pds, truth: float(np.where(pds > 0.2, 1 - truth, 10 * truth).mean()),
    ),
    "calibration": (
        observed_to_expected,
        lambda pds, truth: float(truth.mean() / pds.mean()),
    ),
}


@pytest.mark.parametrize("applicants", [APPLICANTS, 1_500])
@pytest.mark.parametrize("name", FIGURES)
def test_estimates_are_unbiased_and_cover_the_truth(name: str, applicants: int) -> None:
    """The second is some 20 explored, of whom a few default: intervals may be wide, not narrow."""
    estimate, true = FIGURES[name]
    rng = np.random.default_rng(17)
    target = true(*population(1_000_000, np.random.default_rng(3)))
    found = [estimate(logged(*population(applicants, rng), SHARE, rng)) for _ in range(REPETITIONS)]
    for way in Estimates._fields:
        values = np.array([getattr(one, way).value for one in found])
        covered = np.mean(
            [own.low <= target <= own.high for own in (getattr(one, way) for one in found)]
        )
        assert abs(values.mean() - target) < 4 * values.std() / math.sqrt(REPETITIONS)
        # Three standard errors of 95 % in 300 repetitions, and a little for normal intervals.
        assert covered > 0.91
        assert covered < 0.99 or applicants < APPLICANTS


def test_where_none_of_the_few_seen_defaults_the_interval_tells_what_could_have_been() -> None:
    """Twenty good ones of 400 whom nobody knows: that none would default is not believed."""
    pds = np.repeat([0.05, 0.12], [5_000, 400])
    chance = np.where(pds > COSTS.cutoff, 0.05, 1.0)
    defaulted = np.arange(pds.size) % 20 == 0
    observed = (chance == 1) | (np.arange(pds.size) % 20 == 1)
    for cost in policy_cost(Logged(pds, chance, observed, defaulted), pds > 1.0, COSTS):
        assert cost.low < 10 * np.where(chance == 1, 0.05, 0.12).mean() < cost.high


def test_those_who_were_seen_are_no_sample_of_all() -> None:
    """What the accepted alone show is off by more than any interval, which the estimates mend."""
    rng = np.random.default_rng(5)
    pds, truth = population(50_000, rng)
    own = logged(pds, truth, SHARE, rng)
    accepted = own.defaulted[own.observed & (own.chance == 1)].mean()
    rate = default_rate(own)
    assert accepted < 0.5 * truth.mean()
    for way in rate:
        assert way.low < truth.mean() < way.high
        assert way.low > accepted


def test_good_pds_make_the_doubly_robust_estimate_the_narrowest() -> None:
    rng = np.random.default_rng(6)
    pds, _ = population(50_000, rng)
    plain, ratio, robust = (own.high - own.low for own in default_rate(logged(pds, pds, 0.02, rng)))
    assert robust < ratio < plain


NUMBERS = st.floats(0.01, 0.99)
CASES = st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), min_size=1, max_size=6)


@given(cases=CASES)
@settings(deadline=None)
def test_over_all_draws_estimates_add_up_to_the_truth(
    cases: list[tuple[float, float, bool]],
) -> None:
    """Every way in which chance could have fallen, each by how likely it is: no bias at all."""
    # One who is accepted in any case, so that somebody is seen.
    pds, chance, defaulted = map(np.array, zip((0.05, 1.0, False), *cases, strict=True))
    means = np.zeros(2)
    for drawn in itertools.product([True, False], repeat=len(cases)):
        observed = np.array([True, *drawn])
        probability = np.prod(np.where(observed, chance, 1 - chance))
        plain, _, robust = expectation(Logged(pds, chance, observed, defaulted), 7.0, 2.0)
        means += probability * np.array([plain.value, robust.value])
    assert means == pytest.approx(np.where(defaulted, 7.0, 2.0).mean())


@given(cases=CASES)
def test_what_does_not_depend_on_outcomes_is_known(cases: list[tuple[float, float, bool]]) -> None:
    pds, chance, observed = map(np.array, zip((0.05, 1.0, True), *cases, strict=True))
    _, ratio, robust = expectation(Logged(pds, chance, observed, ~observed), 3.0, 3.0)
    for one in (ratio, robust):
        assert tuple(one) == pytest.approx((3.0, 3.0, 3.0))


def brute_force(scores: Floats, bad: Floats, good: Floats) -> float:
    pairs = [
        (bad[i] * good[j], (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
        for i, j in itertools.permutations(range(scores.size), 2)
    ]
    total = sum(weight for weight, _ in pairs)
    return sum(weight * right for weight, right in pairs) / total


@given(
    cases=st.lists(
        st.tuples(st.sampled_from([0.1, 0.2, 0.6]), NUMBERS, st.booleans(), st.booleans()),
        max_size=8,
    )
)
def test_the_auc_is_that_of_all_pairs(cases: list[tuple[float, float, bool, bool]]) -> None:
    fixed = [(0.2, 1.0, True, True), (0.1, 0.5, True, False)]
    pds, chance, observed, defaulted = map(np.array, zip(*fixed, *cases, strict=True))
    own = Logged(pds, chance, observed, defaulted)
    plain, ratio, robust = auc(own)
    weights = own.weights
    assert plain == ratio
    expected = brute_force(pds, weights * defaulted, weights * ~defaulted)
    assert ratio.value == pytest.approx(expected)
    corrected = pds + weights * (defaulted - pds)
    if math.isfinite(robust.value):
        assert robust.value == pytest.approx(brute_force(pds, corrected, 1 - corrected), abs=1e-6)


def test_where_everybody_was_accepted_the_figures_are_the_usual_ones() -> None:
    rng = np.random.default_rng(1)
    pds, truth = population(2_000, rng)
    own = logged(pds, truth, 1.0, rng)
    other = np.roll(pds, 1)
    usual = {
        "rate": own.defaulted.mean(),
        "auc": roc_auc_score(own.defaulted, pds),
        "cost": business_cost(own.defaulted, other, 0.2, COSTS),
        "ratio": own.defaulted.sum() / pds.sum(),
    }
    found = {
        "rate": default_rate(own),
        "auc": auc(own),
        "cost": policy_cost(own, other > 0.2, COSTS),
        "ratio": observed_to_expected(own),
    }
    for name, estimates in found.items():
        assert [own.value for own in estimates] == pytest.approx([usual[name]] * 3), name


def test_parts_make_up_the_whole() -> None:
    rng = np.random.default_rng(2)
    own = logged(*population(4_000, rng), 0.2, rng)
    grade = np.searchsorted([0.05, 0.1, 0.2], own.pds)
    robust = [default_rate(own.part(grade == place)).doubly_robust.value for place in range(4)]
    shares = np.bincount(grade) / own.pds.size
    assert np.dot(shares, robust) == pytest.approx(default_rate(own).doubly_robust.value)


def test_a_mean_of_those_seen_is_the_self_normalised_one_and_covers_the_truth() -> None:
    """Of a difference in cost to a bolder rule, from some 60 explored, whom a bootstrap misses."""
    rng, truths, means = np.random.default_rng(5), [], []
    for _ in range(REPETITIONS):
        pds, truth = population(3_000, rng)
        own = logged(pds, truth, SHARE, rng)
        more = (pds > 0.2) - (pds > COSTS.cutoff).astype(np.float64)
        bad, good = -COSTS.false_negative * more, COSTS.false_positive * more
        seen = own.part(own.observed)
        means.append(mean_of_seen(seen, bad[own.observed], good[own.observed]))
        whole = expectation(own, bad, good).self_normalised
        assert means[-1].value == pytest.approx(whole.value)
        truths.append(float(np.mean(truth * bad + (1 - truth) * good)))
    assert np.mean([own.value for own in means]) == pytest.approx(np.mean(truths), abs=0.02)
    covered = [own.low <= true <= own.high for own, true in zip(means, truths, strict=True)]
    assert 0.93 <= np.mean(covered) <= 0.995


def test_with_one_outcome_there_is_no_auc() -> None:
    own = Logged(np.array([0.1, 0.2]), np.ones(2), np.ones(2, bool), np.zeros(2, bool))
    assert all(math.isnan(number) for number in auc(own).self_normalised)


@pytest.mark.parametrize("chance", [0.0, 1.5, float("nan")])
def test_a_chance_that_is_none_is_refused(chance: float) -> None:
    with pytest.raises(OffPolicyError, match="leave out whoever had none"):
        Logged(np.array([0.1]), np.array([chance]), np.array([True]), np.array([True]))


def test_of_nobody_seen_nothing_is_estimated() -> None:
    own = Logged(np.array([0.1]), np.array([0.5]), np.array([True]), np.array([True]))
    with pytest.raises(OffPolicyError, match="nobody's outcome is known"):
        replace(own, observed=np.array([False]))
