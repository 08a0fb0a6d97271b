"""Other loans that an applicant could be offered: a grid of them, and the nearest that pass.

Only the loan changes, within what its lender would agree on: less is lent (for cheaper goods, or
for the same goods with a down payment), it is repaid in another number of instalments, or both.
The yearly rate stays that of the loan that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import le
from typing import Any, Literal, NamedTuple

import polars as pl

from scoring.data.requests import Rows, frames_of
from scoring.features.implied_rates import TERMS, implied
from scoring.features.vectors import Vectors, compute
from scoring.serving.bounds import Bounds

Change = Literal["smaller", "down_payment", "fewer_instalments", "more_instalments"]

# What can be agreed on; all else says who the applicant is.
LOAN = ("AMT_CREDIT", "AMT_GOODS_PRICE", "AMT_ANNUITY")
MOST_OFFERS = 3
# Half as many instalments again are as far away as a quarter of the amount.
TERM_WEIGHT = 0.5
# What instalments, and credits that follow a price, are whole multiples of.
_COIN = 0.5
_MONTHS_A_YEAR = 12.0


class Loan(NamedTuple):
    """A loan as an application has it; None where something is not known.

    Attributes
    ----------
    credit, goods, instalment : float, float or None, float or None
        AMT_CREDIT, AMT_GOODS_PRICE and AMT_ANNUITY.
    payments : int or None
        The number of monthly instalments.
    rate : float or None
        The yearly rate that these imply.
    """

    credit: float
    goods: float | None
    instalment: float | None
    payments: int | None = None
    rate: float | None = None

    @classmethod
    def asked(cls, application: Mapping[str, Any]) -> Loan:
        """The loan of an application; a revolving one has no term."""
        credit, goods, instalment = (application.get(name) for name in LOAN)
        loan = cls(credit or 0.0, goods, instalment)
        if application["NAME_CONTRACT_TYPE"] == "Revolving loans":
            return loan
        (term,), (rate,) = _implied([loan])
        return loan._replace(payments=None if term is None else int(term), rate=rate)

    @property
    def columns(self) -> dict[str, float | None]:
        """What an application for it says."""
        return dict(zip(LOAN, self[: len(LOAN)], strict=True))

    @property
    def cost_of_credit(self) -> float | None:
        """What is paid back beyond the credit."""
        if self.payments is None or self.instalment is None:
            return None
        return round(self.payments * self.instalment - self.credit, 2)


class Candidate(NamedTuple):
    """A loan that could be offered.

    Attributes
    ----------
    loan : Loan
        The loan.
    changes : frozenset of str
        In what it differs.
    apart : (float, float, float)
        How far it is from the loan asked for, as the function `apart` has it.
    """

    loan: Loan
    changes: frozenset[Change]
    apart: tuple[float, float, float]

    @property
    def distance(self) -> float:
        """All that the applicant gives up."""
        return sum(self.apart)


def apart(asked: Loan, other: Loan) -> tuple[float, float, float]:
    """How much an applicant gives up by taking another loan than the one asked for.

    Returns
    -------
    (float, float, float)
        The share of the amount that is not lent, half of the relative change in the number of
        instalments, and the share by which an instalment is larger.
    """
    term = larger = 0.0
    if asked.payments and other.payments:
        term = TERM_WEIGHT * abs(other.payments / asked.payments - 1.0)
    if asked.instalment and other.instalment:
        larger = max(0.0, other.instalment / asked.instalment - 1.0)
    return 1.0 - other.credit / asked.credit, term, larger


def candidates(asked: Loan, bounds: Bounds) -> list[Candidate]:
    """All loans within the bounds that could be offered in the place of one.

    None lends more than was asked for, and each is read as what it is: amounts that would be
    taken for those of another number of instalments are left out.
    """
    if not asked.credit:
        return []
    grid = [
        (Loan(credit, goods, _instalment(asked, credit, payments), payments, asked.rate),
         frozenset(_changes(change, payments, asked.payments)))
        for change, credit, goods in _amounts(asked, bounds)
        for payments in _terms(asked, bounds)
    ]  # fmt: skip
    most = bounds.largest_instalment * (asked.instalment or 0.0)
    fitting = [
        (loan, changes) for loan, changes in grid if changes and (loan.instalment or 0.0) <= most
    ]
    terms, _ = _implied([loan for loan, _ in fitting])
    return [
        Candidate(loan, changes, apart(asked, loan))
        for (loan, changes), term in zip(fitting, terms, strict=True)
        if loan.payments in (None, term)
    ]


def vectors_of(rows: Rows, loans: Sequence[Loan]) -> Vectors:
    """The features of an applicant with each of some loans; the history is computed once.

    Returns
    -------
    numpy.ndarray of shape (loans, columns)
        Each row is what a request for that loan would have.
    """
    frames = frames_of([rows])
    application = frames["application"]
    terms = pl.DataFrame([loan.columns for loan in loans], schema=dict.fromkeys(LOAN, pl.Float64))
    changed = application.drop(LOAN).join(terms, how="cross").select(application.columns)
    return compute({**frames, "application": changed})


def nearest(grid: Sequence[Candidate], pds: Sequence[float], accepted: Iterable[int]) -> list[int]:
    """Choose what is offered: of each kind of change the nearest loan, three at most.

    A combination of changes is not offered where one of them alone is enough without going
    further.

    Parameters
    ----------
    grid : sequence of Candidate
        The loans.
    pds : sequence of float
        Their probabilities of default: of two loans as near, the one with the lower is chosen.
    accepted : iterable of int
        The places in the grid of those that would be accepted.

    Returns
    -------
    list of int
        Places in the grid, the nearest first.
    """
    chosen: dict[frozenset[Change], int] = {}
    for place in sorted(accepted, key=lambda place: (grid[place].distance, pds[place])):
        candidate = grid[place]
        if candidate.changes not in chosen and not any(
            _suffices(grid[other], candidate) for other in chosen.values()
        ):
            chosen[candidate.changes] = place
    return list(chosen.values())[:MOST_OFFERS]


def _suffices(other: Candidate, candidate: Candidate) -> bool:
    """Whether a part of a candidate's changes is enough, and goes no further in anything."""
    return other.changes < candidate.changes and all(map(le, other.apart, candidate.apart))


def _changes(change: Change | None, payments: int | None, asked: int | None) -> Iterator[Change]:
    if change:
        yield change
    if payments != asked:
        yield "more_instalments" if (payments or 0) > (asked or 0) else "fewer_instalments"


def _amounts(asked: Loan, bounds: Bounds) -> Iterator[tuple[Change | None, float, float | None]]:
    """What may be lent, for goods of which price."""
    yield None, asked.credit, asked.goods
    price = asked.goods or asked.credit
    for lower in _round_amounts(price, bounds):
        credit = _whole(asked.credit * lower / price, _COIN)
        yield "smaller", credit, asked.goods and lower
    if asked.goods and asked.payments:
        for lower in _round_amounts(asked.credit, bounds):
            if lower < asked.goods:
                yield "down_payment", lower, asked.goods


def _round_amounts(amount: float, bounds: Bounds) -> list[float]:
    """Round amounts below one, each once, the largest first."""
    steps = range(1, round((1.0 - bounds.least_amount) / bounds.step) + 1)
    near = (_whole(amount * (1.0 - bounds.step * step), bounds.rounding) for step in steps)
    return [
        lower for lower in dict.fromkeys(near) if bounds.least_amount * amount <= lower < amount
    ]


def _terms(asked: Loan, bounds: Bounds) -> list[int | None]:
    if asked.payments is None or asked.instalment is None:
        return [asked.payments]
    others = [term for term in TERMS if term <= bounds.longest_term and term != asked.payments]
    return [asked.payments, *others]


def _instalment(asked: Loan, credit: float, payments: int | None) -> float | None:
    """The instalment at the rate that was asked for, rounded up."""
    if asked.instalment is None:
        return None
    if payments is None or asked.rate is None or payments == asked.payments:
        exact = asked.instalment * credit / asked.credit
    else:
        monthly = asked.rate / _MONTHS_A_YEAR
        exact = credit * monthly / (1.0 - (1.0 + monthly) ** -payments)
    return math.ceil(exact / _COIN) * _COIN


def _whole(amount: float, unit: float) -> float:
    return round(amount / unit) * unit


def _implied(loans: Sequence[Loan]) -> tuple[list[float | None], list[float | None]]:
    """Numbers of payments and yearly rates as features read them out of amounts."""
    rows = pl.DataFrame([loan.columns for loan in loans], schema=dict.fromkeys(LOAN, pl.Float64))
    read = implied(rows.to_struct()).struct
    return read.field("TERM_LISTED").to_list(), read.field("RATE_LISTED").to_list()
