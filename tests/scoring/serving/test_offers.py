"""The loans that could be offered: only what can be agreed on, and the nearest that pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from scoring.data.dataset import Dataset
from scoring.data.requests import frames_of
from scoring.features.implied_rates import TERMS
from scoring.features.vectors import compute
from scoring.serving.batch import example_requests
from scoring.serving.bounds import Bounds
from scoring.serving.offers import (
    LOAN,
    MOST_OFFERS,
    Candidate,
    Loan,
    candidates,
    given_up,
    nearest,
    vectors_of,
)
from tests.helpers import serving

CASH = {
    "NAME_CONTRACT_TYPE": "Cash loans",
    "AMT_CREDIT": 540_000.0,
    "AMT_GOODS_PRICE": 450_000.0,
    # 36 payments at 25 % a year.
    "AMT_ANNUITY": 21_470.5,
}
# On the price list, so that the term can be told from the amounts.
RATES = (0.198, 0.248, 0.299, 0.4)


def application(price: float, share: float, term: int, rate: float) -> dict[str, Any]:
    credit = round(price * share * 2) / 2
    annuity = credit * rate / 12 / (1 - (1 + rate / 12) ** -term)
    amounts = zip(LOAN, (credit, price, round(annuity * 2) / 2), strict=True)
    return {"NAME_CONTRACT_TYPE": "Cash loans", **dict(amounts)}


applications = st.builds(
    application,
    price=st.integers(10, 400).map(lambda n: n * 4_500.0),
    share=st.floats(0.8, 1.4),
    term=st.sampled_from(TERMS),
    rate=st.sampled_from(RATES),
)
bounds_ = st.builds(
    Bounds,
    least_amount=st.floats(0.3, 0.9),
    step=st.floats(0.05, 0.3),
    rounding=st.sampled_from([500.0, 4_500.0, 45_000.0]),
    longest_term=st.sampled_from([12, 36, 60]),
    largest_instalment=st.floats(1.0, 2.0),
)


def test_a_loan_is_read_as_features_read_it() -> None:
    asked = Loan.asked(CASH)
    assert (asked.credit, asked.goods, asked.instalment) == (540_000, 450_000, 21_470.5)
    assert asked.payments == 36
    assert asked.yearly_rate == pytest.approx(0.25, abs=0.002)
    assert asked.cost_of_credit == 36 * 21_470.5 - 540_000
    assert asked.columns == {name: CASH[name] for name in LOAN}


@pytest.mark.parametrize(
    "change",
    [{"NAME_CONTRACT_TYPE": "Revolving loans"}, {"AMT_ANNUITY": None}, {"AMT_ANNUITY": 1.0}],
)
def test_without_a_term_only_the_amount_changes(change: dict[str, Any]) -> None:
    asked = Loan.asked(CASH | change)
    assert asked.payments is asked.yearly_rate is asked.cost_of_credit is None
    grid = candidates(asked, Bounds())
    assert {candidate.changes for candidate in grid} == {frozenset({"smaller"})}
    for loan in (candidate.loan for candidate in grid):
        if asked.instalment is None:
            assert loan.instalment is None
        else:
            exact = asked.instalment * loan.credit / asked.credit
            assert 0.0 <= (loan.instalment or 0.0) - exact < 0.5


def test_without_the_sum_applied_for_the_credit_alone_is_smaller() -> None:
    grid = candidates(Loan.asked(CASH | {"AMT_GOODS_PRICE": None}), Bounds())
    assert all(candidate.loan.goods is candidate.loan.terms["added"] is None for candidate in grid)
    assert any("smaller" in candidate.changes for candidate in grid)


def test_nothing_is_offered_in_the_place_of_no_loan() -> None:
    assert candidates(Loan.asked(CASH | {"AMT_CREDIT": 0.0}), Bounds()) == []


@examples(deadline=None, max_examples=50)
@given(asked_for=applications, bounds=bounds_)
def test_every_candidate_is_what_a_lender_would_agree_on(
    asked_for: dict[str, Any], bounds: Bounds
) -> None:
    asked = Loan.asked(asked_for)
    assert asked.goods
    assert asked.instalment
    for loan, changes, steps in candidates(asked, bounds):
        assert loan.goods
        assert loan.instalment
        assert loan.yearly_rate == asked.yearly_rate
        assert bounds.least_amount * asked.credit - 0.5 <= loan.credit <= asked.credit
        assert loan.goods <= asked.goods
        assert loan.instalment <= bounds.largest_instalment * asked.instalment
        assert loan.instalment % 0.5 == 0
        if "smaller" in changes:
            assert loan.goods % bounds.rounding == 0
            # What the credit adds to the sum applied for falls with it, and never to nothing.
            assert loan.credit == pytest.approx(asked.credit * loan.goods / asked.goods, abs=0.5)
            assert (loan.terms["added"] is None) == (asked.terms["added"] is None)
        else:
            assert (loan.credit, loan.goods) == (asked.credit, asked.goods)
        assert ("more_instalments" in changes) == ((loan.payments or 0) > (asked.payments or 0))
        assert ("fewer_instalments" in changes) == ((loan.payments or 0) < (asked.payments or 0))
        assert loan.payments in {asked.payments, *range(bounds.longest_term + 1)}
        assert changes
        assert min(steps) >= 0 < sum(steps)
        if loan.payments:
            # Its own amounts say the term again, and each payment is worth more than its interest.
            again = Loan.asked({**asked_for, **loan.columns})
            assert again.payments == loan.payments
            assert again.yearly_rate == pytest.approx(loan.yearly_rate, rel=0.02)
            assert loan.instalment > loan.credit * (loan.yearly_rate or 0.0) / 12
            assert (loan.cost_of_credit or 0.0) > 0


@examples(deadline=None, max_examples=50)
@given(
    asked_for=applications,
    drawn=st.lists(st.tuples(st.floats(0.01, 0.5), st.booleans()), min_size=1, max_size=400),
)
def test_the_nearest_of_each_kind_are_chosen(
    asked_for: dict[str, Any], drawn: list[tuple[float, bool]]
) -> None:
    grid = candidates(Loan.asked(asked_for), Bounds())[: len(drawn)]
    pds = [pd for pd, _ in drawn]
    accepted = [place for place in range(len(grid)) if drawn[place][1]]
    chosen = nearest(grid, pds, iter(accepted))
    assert set(chosen) <= set(accepted)
    assert len(chosen) <= MOST_OFFERS
    assert bool(chosen) == bool(accepted)
    assert len({grid[place].changes for place in chosen}) == len(chosen)
    distances = [grid[place].distance for place in chosen]
    assert distances == sorted(distances)
    if accepted:
        assert distances[0] == min(grid[place].distance for place in accepted)
    for place in chosen:
        for other in accepted:
            if grid[other].changes == grid[place].changes and not needless(other, grid, accepted):
                own = (grid[place].distance, pds[place])
                assert own <= (grid[other].distance, pds[other])


def needless(place: int, grid: list[Candidate], accepted: list[int]) -> bool:
    """Whether a part of a candidate's changes is accepted, and goes no further."""
    return any(
        grid[other].changes < grid[place].changes
        and all(a <= b for a, b in zip(grid[other].given_up, grid[place].given_up, strict=True))
        for other in accepted
    )


def test_a_combination_is_needless_where_one_change_is_enough() -> None:
    grid = candidates(Loan.asked(CASH), Bounds())
    assert any(len(candidate.changes) == 2 for candidate in grid)
    kinds = [
        set(grid[place].changes) for place in nearest(grid, [0.1] * len(grid), range(len(grid)))
    ]
    assert all(len(changes) == 1 for changes in kinds)


def test_distance_adds_up_what_is_given_up() -> None:
    asked = Loan(100_000.0, 100_000.0, 5_000.0, 24, 0.2)
    assert given_up(asked, asked) == (0.0, 0.0, 0.0)
    other = Loan(90_000.0, 100_000.0, 5_500.0, 18, 0.2)
    assert given_up(asked, other) == pytest.approx((0.1, 0.125, 0.1))
    assert Candidate(other, frozenset(), (0.1, 0.125, 0.1)).distance == pytest.approx(0.325)


@pytest.mark.parametrize("place", range(3))
def test_features_are_those_of_a_request_for_each_loan(sample: Dataset, place: int) -> None:
    number = serving.applicants(sample, 3)[place]
    (body,) = example_requests(sample, [number])
    rows: dict[str, Any] = {**body, "application": [body["application"]]}
    asked = Loan.asked(rows["application"][0])
    loans = [asked, *(candidate.loan for candidate in candidates(asked, Bounds(step=0.1)))]
    together = vectors_of(rows, loans)
    for vector, loan in zip(together, loans, strict=True):
        own = {**rows, "application": [{**rows["application"][0], **loan.columns}]}
        (alone,) = compute(frames_of([own]))
        np.testing.assert_array_equal(vector, alone)
    assert math.isclose(asked.credit, rows["application"][0]["AMT_CREDIT"])
