"""POST /outcomes: what happened later to those who were decided on."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from flask import Response
from pydantic import BaseModel, Field

from api.http.access import current_client, may_see, scope
from api.http.bodies import SKEW, Body, Moment, Text, json_answer, read_model
from api.http.openapi import BAD_BODY, STORE_AWAY, body_of, operation, resource
from api.http.problems import FieldError, ProblemError
from api.service import current_service
from scoring.store import Decided, Outcome

blueprint = resource("outcomes", "outcomes", "What happened later")

_MOST = 1_000
_LARGEST = 1024 * 1024


class OutcomeBody(Body):
    """What happened to one applicant who was decided on."""

    prediction_id: Text = Field(description="The decision, as POST /predict answered it")
    defaulted: bool = Field(description="Whether the applicant failed to pay (TARGET)")
    observed_at: Moment = Field(
        description="When that was known (RFC 3339, with an offset): from the decision to now, "
        f"give or take {SKEW.seconds} s"
    )


class OutcomesBody(Body):
    """What happened to one or many."""

    outcomes: list[OutcomeBody] = Field(min_length=1, max_length=_MOST)


class Recorded(BaseModel):
    """How many outcomes are on record."""

    recorded: int = Field(description="How many were new or other than what was known")
    unchanged: int = Field(description="How many were known already")
    outdated: int = Field(
        default=0, description="How many, if any, count no more: something was observed later"
    )


@blueprint.post(
    "/outcomes",
    summary="Say what happened later",
    responses={201: Recorded, **BAD_BODY, 503: STORE_AWAY},
    openapi_extensions=operation(body=body_of(OutcomesBody)),
)
@scope("outcome")
def outcomes() -> Response:
    """Outcomes of decisions, all or none of them.

    Of what was said of a decision at different times the later observation counts. Without the
    scope read a key tells the outcomes of what it decided itself.
    """
    body = read_model(OutcomesBody, _LARGEST)
    store, at, caller = current_service().store, datetime.now(UTC), current_client().id
    decisions = store.decisions.decided_on([outcome.prediction_id for outcome in body.outcomes])
    if errors := list(_wrong(body, decisions, at)):
        raise ProblemError(422, "Nothing is recorded; errors says why.", errors[:50])
    new = [
        Outcome(
            applicant=decisions[outcome.prediction_id].applicant,
            prediction_id=outcome.prediction_id,
            defaulted=outcome.defaulted,
            observed_at=outcome.observed_at,
            recorded_at=at,
            caller=caller,
        )
        for outcome in body.outcomes
    ]
    recorded = store.outcomes.record(new)
    answer = {"recorded": recorded, "unchanged": len(new) - recorded}
    times = {outcome.prediction_id: outcome.observed_at for outcome in new}
    known = store.outcomes.of(list(times)).values()
    if outdated := sum(outcome.observed_at > times[outcome.prediction_id] for outcome in known):
        answer["outdated"] = outdated
    return json_answer(answer, 201)


def _wrong(
    body: OutcomesBody, decisions: Mapping[str, Decided], now: datetime
) -> Iterator[FieldError]:
    """Find unknown decisions, times before a decision or to come, and contradictions."""
    seen: dict[str, tuple[str, OutcomeBody]] = {}
    for place, outcome in enumerate(body.outcomes):
        here, decision = f"/outcomes/{place}", decisions.get(outcome.prediction_id)
        if decision is None or not may_see(decision.caller):
            detail = "there is no decision of that id"
            yield FieldError(f"{here}/prediction_id", detail)
            continue
        if not decision.at - SKEW <= outcome.observed_at <= now + SKEW:
            detail = f"must lie between the decision ({decision.at.isoformat()}) and now"
            yield FieldError(f"{here}/observed_at", detail)
        there, first = seen.setdefault(outcome.prediction_id, (here, outcome))
        if first != outcome:
            yield FieldError(there, f"{here} says otherwise of the same decision")
            yield FieldError(here, f"{there} says otherwise of the same decision")
