"""Other loans that an applicant could be offered: the nearest on a grid that would be accepted.

Only the loan changes, within what its lender agrees on: less is lent, it is repaid in another
number of instalments, or both. The yearly rate stays that of the loan asked for. Nothing is paid
down: applications are for cash and revolving loans (`tables.toml`), whose AMT_GOODS_PRICE is no
price but the sum applied for. It goes with the amount; what the credit adds to it stays in
proportion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import le
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

from scoring.data.requests import Rows, frames_of
from scoring.features.implied_rates import TERMS, implied
from scoring.features.vectors import Vectors, compute
from scoring.formats import number
from scoring.language import text
from scoring.serving.bounds import Bounds
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.serving.scorer import Scorer

Change = Literal["smaller", "fewer_instalments", "more_instalments"]
# offers: there are some; accepted: none is needed; officer: doubts about the applicant keep back
# what the model accepts; none: the model accepts nothing on the grid.
Outcome = Literal["offers", "accepted", "officer", "none"]
Settled = tuple[Decision, tuple[ReferReason, ...]]

# What can be agreed on; all else says who the applicant is.
LOAN = ("AMT_CREDIT", "AMT_GOODS_PRICE", "AMT_ANNUITY")
# What tells a loan from another, in the order in which it is said.
Term = Literal["AMT_CREDIT", "AMT_GOODS_PRICE", "added", "AMT_ANNUITY", "payments"]
MOST_OFFERS = 3
# Half as many instalments again are as far away as a quarter of the amount.
_TERM_WEIGHT = 0.5
# What instalments and credits are whole multiples of.
_COIN = 0.5
_MONTHS_A_YEAR = 12.0


class Loan(NamedTuple):
    """A loan, with the number of monthly instalments and the yearly rate that its amounts imply."""

    credit: float
    goods: float | None
    instalment: float | None
    payments: int | None = None
    yearly_rate: float | None = None

    @classmethod
    def asked(cls, application: Mapping[str, Any]) -> Loan:
        """The loan of an application; a revolving one has no term."""
        credit, *others = LOAN
        loan = cls(application[credit], *map(application.get, others))
        if application["NAME_CONTRACT_TYPE"] == "Revolving loans":
            return loan
        (payments,), (rate,) = _implied([loan])
        return loan._replace(payments=None if payments is None else int(payments), yearly_rate=rate)

    @property
    def columns(self) -> dict[str, float | None]:
        """What an application for it says."""
        return dict(zip(LOAN, self[: len(LOAN)], strict=True))

    @property
    def terms(self) -> dict[Term, float | None]:
        """What tells it from another loan; `added` is lent beyond the sum applied for."""
        above = None if self.goods is None or self.credit < self.goods else self.credit - self.goods
        added = None if above is None else round(above, 2)
        values = (self.credit, self.goods, added, self.instalment, self.payments)
        return dict(zip(get_args(Term), values, strict=True))

    def differences(self, other: Loan) -> dict[Term, tuple[float | None, float | None]]:
        """All terms that are others in another loan, with both values."""
        others = other.terms
        return {
            term: (own, others[term]) for term, own in self.terms.items() if own != others[term]
        }

    @property
    def cost_of_credit(self) -> float | None:
        """What is paid back beyond the credit."""
        if self.payments is None or self.instalment is None:
            return None
        return round(self.payments * self.instalment - self.credit, 2)


class Candidate(NamedTuple):
    """A loan that could be offered, in what it differs, and what is given up for it."""

    loan: Loan
    changes: frozenset[Change]
    given_up: tuple[float, float, float]

    @property
    def distance(self) -> float:
        """All that the applicant gives up."""
        return sum(self.given_up)


class Judged(NamedTuple):
    """What would be decided on a loan: the model's decision, and the one with its reasons."""

    pd: float
    model_decision: Decision
    settled: Settled


class Offered(NamedTuple):
    """The loan asked for, and those that would be accepted in its place, the nearest first.

    `reasons` say why an officer decides on what was asked for, or keep all loans back.
    """

    asked: Loan
    judged: Judged
    outcome: Outcome
    reasons: tuple[ReferReason, ...]
    offers: tuple[tuple[Candidate, Judged], ...] = ()


def find_offers(
    scorer: Scorer,
    rows: Rows,
    bounds: Bounds,
    settled: Callable[[Decision, float | None], Settled],
) -> Offered:
    """Look for the nearest loans that would be accepted.

    Parameters
    ----------
    scorer : Scorer
        The model that would answer.
    rows : mapping of str to list of dict
        The applicant's, with the loan that is asked for.
    bounds : Bounds
        What can be agreed on.
    settled : callable of (Decision, float or None)
        The decision, from what the probability means and the share that is known.
    """
    asked = Loan.asked(rows["application"][0])
    grid = candidates(asked, bounds)
    matrix = scorer.matrix(vectors_of(rows, [asked, *(candidate.loan for candidate in grid)]))
    pds, known = scorer.pds(matrix), scorer.known(matrix)
    judged, *others = [
        Judged(float(pd), decision, settled(decision, share))
        for pd, decision, share in zip(pds, scorer.decide(pds), known, strict=True)
    ]
    if judged.settled[0] == "accept":
        return Offered(asked, judged, "accepted", ())
    accepted = (place for place, other in enumerate(others) if other.settled[0] == "accept")
    if places := nearest(grid, [other.pd for other in others], accepted):
        offers = tuple((grid[place], others[place]) for place in places)
        return Offered(asked, judged, "offers", judged.settled[1], offers)
    for other in (judged, *others):
        if other.model_decision == "accept":
            return Offered(asked, judged, "officer", other.settled[1])
    return Offered(asked, judged, "none", judged.settled[1])


def candidates(asked: Loan, bounds: Bounds) -> list[Candidate]:
    """All loans that could be offered in the place of one.

    None lends more than was asked for. Amounts that would be read as those of another number of
    instalments are left out: the model would judge another loan.
    """
    if not asked.credit:
        return []
    largest = bounds.largest_instalment * (asked.instalment or 0.0)
    grid = [
        loan
        for credit, goods in _amounts(asked, bounds)
        for payments in _terms(asked, bounds)
        if ((loan := _repaid(asked, credit, goods, payments)).instalment or 0.0) <= largest
    ]
    payments_read, _ = _implied(grid)
    return [
        Candidate(loan, changes, given_up(asked, loan))
        for loan, read in zip(grid, payments_read, strict=True)
        if loan.payments in (None, read) and (changes := frozenset(_changes(asked, loan)))
    ]


def given_up(asked: Loan, other: Loan) -> tuple[float, float, float]:
    """How much an applicant gives up by taking another loan than the one asked for.

    Returns
    -------
    (float, float, float)
        The share of the amount that is not lent, half of the relative change in the number of
        instalments, and the share by which an instalment is larger.
    """
    term = larger = 0.0
    if asked.payments and other.payments:
        term = _TERM_WEIGHT * abs(other.payments / asked.payments - 1.0)
    if asked.instalment and other.instalment:
        larger = max(0.0, other.instalment / asked.instalment - 1.0)
    return 1.0 - other.credit / asked.credit, term, larger


def difference_text(term: Term, asked: float | None, offered: float | None, language: str) -> str:
    """Say in a sentence what a term is in the place of what was asked for."""
    said = {"asked": _written(asked, language), "offered": _written(offered, language)}
    return text(language, f"offers.changed.{term}", **said)


def _written(value: float | None, language: str) -> str:
    if value is None:
        return text(language, "offers.unknown")
    return number(value, language, 0 if value == round(value) else 2)


def vectors_of(rows: Rows, loans: Sequence[Loan]) -> Vectors:
    """The features of an applicant with each of some loans, as requests for them would have them.

    The history is computed once.
    """
    frames = frames_of([rows])
    application, terms = frames["application"], _frame(loans)
    changed = application.drop(LOAN).join(terms, how="cross").select(application.columns)
    return compute({**frames, "application": changed})


def nearest(grid: Sequence[Candidate], pds: Sequence[float], accepted: Iterable[int]) -> list[int]:
    """Choose what is offered: of each kind of change the nearest loan, three at most.

    A combination of changes is not offered where one of them alone is enough without going
    further. Of two loans as near, the one with the lower PD is chosen.

    Parameters
    ----------
    grid, pds : sequence of Candidate, sequence of float
        The loans, and their probabilities of default.
    accepted : iterable of int
        The places in the grid of those that would be accepted.

    Returns
    -------
    list of int
        Places in the grid, the nearest first.
    """
    chosen: dict[frozenset[Change], int] = {}
    for place in sorted(accepted, key=lambda place: (grid[place].distance, pds[place])):
        changes, own = grid[place].changes, grid[place].given_up
        enough = (
            other < changes and all(map(le, grid[at].given_up, own)) for other, at in chosen.items()
        )
        if changes not in chosen and not any(enough):
            chosen[changes] = place
    return list(chosen.values())[:MOST_OFFERS]


def _changes(asked: Loan, loan: Loan) -> Iterator[Change]:
    if loan.credit < asked.credit:
        yield "smaller"
    if asked.payments and loan.payments and loan.payments != asked.payments:
        yield "more_instalments" if loan.payments > asked.payments else "fewer_instalments"


def _amounts(asked: Loan, bounds: Bounds) -> Iterator[tuple[float, float | None]]:
    """What may be lent, and the sum applied for with it: round sums, the largest first."""
    yield asked.credit, asked.goods
    whole, unit = asked.goods or asked.credit, bounds.rounding
    steps = range(1, round((1.0 - bounds.least_amount) / bounds.step) + 1)
    near = (round(whole * (1.0 - bounds.step * step) / unit) * unit for step in steps)
    for lower in dict.fromkeys(near):
        credit = round(asked.credit * lower / whole / _COIN) * _COIN
        if bounds.least_amount * whole <= lower < whole and 0.0 < credit < asked.credit:
            yield credit, asked.goods and lower


def _terms(asked: Loan, bounds: Bounds) -> list[int | None]:
    if asked.payments is None:
        return [None]
    return [asked.payments, *(n for n in TERMS if n <= bounds.longest_term and n != asked.payments)]


def _repaid(asked: Loan, credit: float, goods: float | None, payments: int | None) -> Loan:
    """A loan at the rate that was asked for, its instalment rounded up."""
    if asked.instalment is None:
        return Loan(credit, goods, None)
    if payments is None or asked.yearly_rate is None or payments == asked.payments:
        exact = asked.instalment * credit / asked.credit
    else:
        monthly = asked.yearly_rate / _MONTHS_A_YEAR
        exact = credit * monthly / (1.0 - (1.0 + monthly) ** -payments)
    return Loan(credit, goods, math.ceil(exact / _COIN) * _COIN, payments, asked.yearly_rate)


def _implied(loans: Sequence[Loan]) -> tuple[list[float | None], list[float | None]]:
    """Numbers of payments and yearly rates, as features read them out of amounts."""
    read = implied(_frame(loans).to_struct()).struct
    return read.field("TERM_LISTED").to_list(), read.field("RATE_LISTED").to_list()


def _frame(loans: Sequence[Loan]) -> pl.DataFrame:
    return pl.DataFrame([loan.columns for loan in loans], schema=dict.fromkeys(LOAN, pl.Float64))
