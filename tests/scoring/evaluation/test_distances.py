"""Distances and tests of counts: against SciPy, by their definitions, and as chance has it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoring.evaluation.distances import (
    chance_psi,
    chi_square,
    holm,
    kolmogorov_smirnov,
    psi,
    two_proportions,
)

counts = st.lists(st.integers(0, 500), min_size=2, max_size=12)
pairs = counts.flatmap(
    lambda a: st.tuples(st.just(a), st.lists(st.integers(0, 500), min_size=len(a), max_size=len(a)))
)


def test_psi_is_that_of_its_formula() -> None:
    expected = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)
    assert psi([50, 50], [30, 70]) == pytest.approx(expected)


@given(pairs)
def test_sizes_are_zero_for_equal_shares_and_never_negative(
    pair: tuple[list[int], list[int]],
) -> None:
    reference, current = pair
    assert psi(reference, reference) == 0.0
    assert psi(reference, current) >= 0.0
    assert math.isfinite(psi(reference, current))


def test_samples_of_one_population_have_the_psi_of_chance() -> None:
    rng = np.random.default_rng(0)
    shares = np.full(10, 0.1)
    drawn = [(rng.multinomial(2000, shares), rng.multinomial(500, shares)) for _ in range(400)]
    found = np.mean([psi(list(a), list(b)) for a, b in drawn])
    assert found == pytest.approx(chance_psi(list(drawn[0][0]), list(drawn[0][1])), rel=0.1)


@given(pairs)
def test_chi_square_is_scipys_where_no_bin_is_rare(pair: tuple[list[int], list[int]]) -> None:
    table = np.array(pair) + 20
    expected = stats.chi2_contingency(table, correction=False)
    if expected.expected_freq.min() < 5:
        return
    found = chi_square(table[0].tolist(), table[1].tolist())
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-12)


def test_rare_bins_are_put_together() -> None:
    reference, current = [500, 500, 4, 3, 2], [500, 500, 3, 4, 2]
    expected = stats.chi2_contingency([[500, 500, 9], [500, 500, 9]], correction=False)
    found = chi_square(reference, current)
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_kolmogorov_smirnov_is_scipys_where_every_value_has_a_bin() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 30, 900), rng.integers(0, 30, 700) + rng.integers(0, 3, 700)
    found = kolmogorov_smirnov(
        np.bincount(a, minlength=33).tolist(), np.bincount(b, minlength=33).tolist()
    )
    expected = stats.ks_2samp(a, b, method="asymp")
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.2)


def test_two_proportions_is_the_root_of_chi_square() -> None:
    found = two_proportions(30, 200, 60, 250)
    expected = stats.chi2_contingency([[30, 170], [60, 190]], correction=False)
    assert found.statistic**2 == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.statistic > 0


@pytest.mark.parametrize("test", [kolmogorov_smirnov, chi_square])
def test_nobody_and_nothing_changed_are_no_evidence(test: object) -> None:
    assert callable(test)
    for pair in (([0, 0], [0, 0]), ([5, 5], [0, 0]), ([100, 100], [50, 50])):
        assert test(*pair).p_value == pytest.approx(1.0)
    assert two_proportions(0, 0, 1, 2).p_value == 1.0
    assert two_proportions(0, 10, 0, 20).p_value == 1.0


@pytest.mark.parametrize("kind", ["numbers", "categories", "shares"])
def test_false_alarms_are_as_rare_as_the_p_value_says(kind: str) -> None:
    rng = np.random.default_rng(2)
    shares = np.array([0.4, 0.2, 0.15, 0.1, 0.1, 0.05])
    alarms = 0
    for _ in range(1000):
        a, b = rng.multinomial(800, shares).tolist(), rng.multinomial(400, shares).tolist()
        if kind == "numbers":
            p_value = kolmogorov_smirnov(a, b).p_value
        elif kind == "categories":
            p_value = chi_square(a, b).p_value
        else:
            p_value = two_proportions(a[1], 800, b[1], 400).p_value
        alarms += p_value < 0.05
    assert alarms <= 75
    assert alarms >= (0 if kind == "numbers" else 30)


def test_holm_is_that_of_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusting_keeps_the_order_and_lowers_nothing(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(a >= b for a, b in zip(adjusted, values, strict=True))
    order = np.argsort(values, kind="stable")
    assert list(adjusted[order]) == sorted(adjusted)
    assert max(adjusted, default=0.0) <= 1.0
