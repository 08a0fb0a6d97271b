"""POST /offers: the nearest loans that would be accepted, without deciding anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal, get_args

from flask import Response
from pydantic import BaseModel, Field

from api.decisions import example
from api.decisions.answers import ReadyModel, Warned, facts_of, warnings_of
from api.decisions.requests import DecisionRequest
from api.http import limits
from api.http.access import current_client, scope, sees_all
from api.http.bodies import JSON, json_answer, read_body
from api.http.openapi import BAD_ROWS, KNOWN_OR_SENT, NOT_READY, operation, resource, rows_body
from api.http.problems import ProblemError
from api.routes.prediction import STALE, UNKNOWN, caller_of
from api.routes.records import note_read
from api.service import current_service
from scoring.language import LANGUAGES, text
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.serving.offers import (
    LOAN,
    MOST_OFFERS,
    Candidate,
    Change,
    Judged,
    Loan,
    Outcome,
    Term,
    difference_text,
)

blueprint = resource("offers", "prediction", "Decisions on applications")

Texts = Annotated[dict[str, str], Field(description="In words, by language (en, fr)")]


class Terms(BaseModel):
    """What repaying a loan means, and what would be decided on it."""

    payments: int | None = Field(
        description="The number of monthly instalments; null where the amounts do not tell"
    )
    yearly_rate: float | None = Field(description="What the amounts and that number imply")
    cost_of_credit: float | None = Field(description="What is paid back beyond the credit")
    probability_of_default: float = Field(ge=0, le=1)
    decision: Decision = Field(description="What POST /predict would decide")


class Changed(BaseModel):
    """What is otherwise than in the loan asked for."""

    term: Term = Field(
        description="A column of the application; payments: the number of monthly instalments; "
        "added: what AMT_CREDIT has beyond AMT_GOODS_PRICE, such as insurance and fees"
    )
    asked: float | None
    offered: float | None
    texts: Texts


class Offer(Terms):
    """A loan that would be accepted."""

    changes: list[Change] = Field(description="In what it differs from the loan asked for")
    texts: Texts
    distance: float = Field(
        description="The share of the amount that is not lent, half of the relative change in the "
        "number of instalments, and the share by which an instalment is larger, added up"
    )
    changed: list[Changed] = Field(description="All that is otherwise, with both values")
    columns: dict[str, float] = Field(
        description="What to send to POST /predict, in the application, in the place of what was "
        "asked for"
    )


class Offers(BaseModel):
    """The loans nearest to the one asked for that would be accepted."""

    outcome: Outcome = Field(
        description="offers: there are some; accepted: the loan asked for would be; officer: "
        "refer_reasons keep back every loan that the model accepts; none: the model accepts none"
    )
    texts: Texts
    asked: Terms
    refer_reasons: list[ReferReason] = Field(description="Why an officer would decide")
    history: Literal["sent", "stored", "none"]
    warnings: list[Warned] = Field(description="What was not understood, and taken for missing")
    offers: list[Offer] = Field(
        max_length=MOST_OFFERS, description="The nearest of each kind of change, nearest first"
    )
    model: ReadyModel


@blueprint.post(
    "/offers",
    summary="Find the nearest loans that would be accepted, deciding nothing",
    responses={200: Offers, **BAD_ROWS, 404: UNKNOWN, 409: STALE, 503: NOT_READY},
    openapi_extensions=operation(body=rows_body({"example": example.REQUEST}, of=KNOWN_OR_SENT)),
)
@scope("score")
def offers() -> Response:
    """At most three loans, of different kinds, that POST /predict would accept now.

    Only the loan changes: its amount and its instalments, at the same yearly rate. Nothing is
    recorded. Send rows as to POST /predict, or SK_ID_CURR
    alone with a key that has the scope read: the answer tells stored amounts, and who looked is
    recorded. It counts against the limit of POST /what-if. To decide on an offer, send the
    application with its `columns`, `counter_offer_to` and `actor` to POST /predict.
    """
    limits.spend(current_client().id, "what_if_limiter")
    service = current_service()
    service.models.champion()
    applicant = service.reader.read_any(read_body(JSON))
    if applicant.by_number:
        if not sees_all():
            raise ProblemError(
                403, "Offers by number tell stored amounts: take a key with the scope read."
            )
        note_read("offers", service.store.pseudonyms.applicant(applicant.id))
        # All its rows are looked up, not its features alone.
        applicant = replace(applicant, history=None)
    request = DecisionRequest(applicant, caller_of())
    applicant, model, offered = service.decisions.offer(request)
    withheld = applicant.history == "stored" and not sees_all()
    return json_answer(
        {
            "outcome": offered.outcome,
            "texts": _texts(f"outcomes.{offered.outcome}"),
            "asked": _terms(offered.asked, offered.judged),
            "refer_reasons": offered.reasons,
            "history": applicant.history,
            "warnings": warnings_of(applicant.misunderstood, withheld=withheld),
            "offers": [_offer(offered.asked, *offer) for offer in offered.offers],
            "model": facts_of(model),
        }
    )


def _offer(asked: Loan, candidate: Candidate, judged: Judged) -> dict[str, Any]:
    changes = [change for change in get_args(Change) if change in candidate.changes]
    differences = asked.differences(candidate.loan)
    return {
        **_terms(candidate.loan, judged),
        "changes": changes,
        "texts": _texts(*(f"changes.{change}" for change in changes)),
        "distance": candidate.distance,
        "changed": [_changed(term, *values) for term, values in differences.items()],
        "columns": {name: differences[name][1] for name in LOAN if name in differences},
    }


def _changed(term: Term, asked: float | None, offered: float | None) -> dict[str, Any]:
    said = {own: difference_text(term, asked, offered, own) for own in LANGUAGES}
    return {"term": term, "asked": asked, "offered": offered, "texts": said}


def _terms(loan: Loan, judged: Judged) -> dict[str, Any]:
    return {
        "payments": loan.payments,
        "yearly_rate": loan.yearly_rate,
        "cost_of_credit": loan.cost_of_credit,
        "probability_of_default": judged.pd,
        "decision": judged.settled[0],
    }


def _texts(*keys: str) -> dict[str, str]:
    return {
        language: " ".join(text(language, f"offers.{key}") for key in keys)
        for language in LANGUAGES
    }
