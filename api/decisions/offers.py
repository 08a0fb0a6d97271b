"""What could be offered to an applicant in the place of the loan that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from api.decisions.requests import Applicant
from api.models.routing import LiveModel
from scoring.features.vectors import Vectors
from scoring.serving.bounds import Bounds
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.serving.offers import Candidate, Loan, candidates, nearest, vectors_of

# offers: there are some; accepted: none is needed; officer: no loan would be accepted without
# one; none: whatever can be agreed on is refused or referred.
Outcome = Literal["offers", "accepted", "officer", "none"]
Settled = tuple[Decision, tuple[ReferReason, ...]]


class Judged(NamedTuple):
    """What would be decided on a loan.

    Attributes
    ----------
    pd : float
        The probability of default.
    model_decision : Decision
        What the probability alone means.
    settled : (Decision, tuple of ReferReason)
        The decision, and why an officer decides if one does.
    """

    pd: float
    model_decision: Decision
    settled: Settled

    @property
    def accepted(self) -> bool:
        """Whether it would be accepted without an officer."""
        return self.settled[0] == "accept"


class Offered(NamedTuple):
    """What was asked for, and the loans that would be accepted, the nearest first.

    `blocking` says why an officer would decide on a loan that the model accepts, where that keeps
    all of them back.
    """

    applicant: Applicant
    model: LiveModel
    asked: Loan
    judged: Judged
    outcome: Outcome
    offers: list[tuple[Candidate, Judged]]
    blocking: tuple[ReferReason, ...] = ()


def offers_to(
    applicant: Applicant,
    model: LiveModel,
    bounds: Bounds,
    decided: Callable[[Decision, float | None], Settled],
) -> Offered:
    """Look for loans that would be accepted.

    Parameters
    ----------
    applicant : Applicant
        With rows.
    model : LiveModel
        The model that would answer.
    bounds : Bounds
        What can be agreed on.
    decided : callable of (Decision, float or None)
        The decision, from what the probability means and the share that is known.
    """
    asked = Loan.asked(applicant.rows["application"][0])
    grid = candidates(asked, bounds)
    vectors = vectors_of(applicant.rows, [asked, *(candidate.loan for candidate in grid)])
    judged, *others = _judge(model, vectors, decided)
    accepted = [place for place, other in enumerate(others) if other.accepted]
    result = Offered(applicant, model, asked, judged, "none", [])
    if judged.accepted:
        return result._replace(outcome="accepted")
    if places := nearest(grid, [other.pd for other in others], accepted):
        offers = [(grid[place], others[place]) for place in places]
        return result._replace(outcome="offers", offers=offers)
    for other in (judged, *others):
        if other.model_decision == "accept":
            return result._replace(outcome="officer", blocking=other.settled[1])
    return result


def _judge(
    model: LiveModel, vectors: Vectors, decided: Callable[[Decision, float | None], Settled]
) -> list[Judged]:
    scorer = model.scorer
    matrix = scorer.matrix(vectors)
    pds = scorer.pds(matrix)
    return [
        Judged(float(pd), decision, decided(decision, known))
        for pd, decision, known in zip(pds, scorer.decide(pds), scorer.known(matrix), strict=True)
    ]
