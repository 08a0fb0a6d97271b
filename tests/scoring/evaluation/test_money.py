"""Decisions in money: sums by hand, and the rule that follows from them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.data.dataset import Dataset
from scoring.evaluation.money import Money, compare_rules, money_score

LOANS = pl.DataFrame(
    {"AMT_CREDIT": [1000.0, 2000.0, 3000.0, 4000.0], "AMT_ANNUITY": [50.0, 100.0, None, 100.0]}
)
# Half of the credit over a year and a half, two years for the last: 12 % a year.
MONEY = Money(0.5, 0.12, term_factor=0.9, usual_ratio=20.0)


def test_margins_are_those_of_an_evenly_repaid_loan() -> None:
    assert MONEY.margins(LOANS) == pytest.approx([90, 180, 270, 720])
    assert MONEY.losses(LOANS) == pytest.approx([500, 1000, 1500, 2000])


def test_costs_are_added_by_hand() -> None:
    # Accepted default, refused default, refused good applicant, accepted good applicant.
    score = money_score([1, 1, 0, 0], [False, True, True, False], LOANS, MONEY, resamples=50)
    assert score.losses == pytest.approx(500 / 4)
    assert score.lost_margins == pytest.approx(270 / 4)
    assert score.cost.value == pytest.approx(770 / 4)
    assert score.profit.value == pytest.approx((720 - 500) / 4)
    assert score.refused == 0.5
    assert score.cost.low <= score.cost.value <= score.cost.high


@given(st.floats(1e3, 1e7), st.floats(1e2, 1e6), st.floats(0.001, 0.999))
def test_an_applicant_is_refused_when_the_expected_loss_is_greater(
    credit: float, annuity: float, pd: float
) -> None:
    loan = pl.DataFrame({"AMT_CREDIT": [credit], "AMT_ANNUITY": [annuity]})
    money = Money()
    loss, margin = money.losses(loan)[0], money.margins(loan)[0]
    gain = (1 - pd) * margin - pd * loss
    if abs(gain) > 1e-9 * (margin + loss):
        assert (pd > money.cutoffs(loan)[0]) == (gain < 0)


def test_the_cut_off_does_not_depend_on_the_currency() -> None:
    assert Money().cutoffs(LOANS) == pytest.approx(Money().cutoffs(LOANS * 25))


def test_for_true_pds_no_rule_earns_more_than_each_loans_own_cutoff() -> None:
    rng = np.random.default_rng(4)
    pds = rng.beta(1, 8, 20_000)
    target = rng.random(pds.size) < pds
    credit = rng.uniform(1e5, 1e6, pds.size)
    loans = pl.DataFrame(
        {"AMT_CREDIT": credit, "AMT_ANNUITY": credit / rng.uniform(8, 40, pds.size)}
    )
    table = compare_rules(target, pds, 1 / 11, loans, Money(), resamples=20)
    profits = dict(zip(table["rule"], table["profit"], strict=True))
    assert max(profits, key=profits.__getitem__) == "each loan's own cut-off"
    assert profits["refuse all"] == 0
    # Whatever is not earned is a cost: profit and cost add up to all margins of good applicants.
    assert np.ptp((table["profit"] + table["cost"]).to_numpy()) < 1e-6


def test_the_assumed_margin_stands_for_ten_to_one(sample: Dataset) -> None:
    loans = sample.frames()["application"].select("AMT_CREDIT", "AMT_ANNUITY").collect()
    ratio = Money().losses(loans).sum() / Money().margins(loans).sum()
    assert ratio == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_assumptions_must_be_above_zero(value: float) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Money(yearly_margin=value)
