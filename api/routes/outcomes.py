"""POST /outcomes: what happened later to those who were decided on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from api.http.access import current_client, may_see, scope
from api.http.bodies import Body, Text, json_answer, read_model
from api.http.openapi import BAD_BODY, KEY, STORE_AWAY, request_body
from api.http.problems import FieldError, ProblemError
from api.service import current_service
from scoring.store import Decided, Outcome

blueprint = APIBlueprint(
    "outcomes",
    __name__,
    abp_tags=[Tag(name="outcomes", description="What happened later")],
    abp_security=KEY,
)

_MOST = 1_000
_LARGEST = 1024 * 1024
# So much the clocks of two machines may differ, or a caller's time be cut to whole seconds.
_SKEW = timedelta(seconds=5)


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC, which the first and last days of the calendar may not have."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


class OutcomeBody(Body):
    """What happened to one applicant who was decided on."""

    prediction_id: Text = Field(description="The decision, as POST /predict answered it")
    defaulted: bool = Field(description="Whether the applicant failed to pay (TARGET)")
    observed_at: Annotated[AwareDatetime, AfterValidator(_in_utc)] = Field(
        description="When that was known (RFC 3339, with an offset): from the decision to now, "
        f"give or take {_SKEW.seconds} s"
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
    operation_id="outcomes",
    summary="Say what happened later",
    responses={201: Recorded, **BAD_BODY, 503: STORE_AWAY},
    openapi_extensions={"requestBody": request_body("OutcomesBody")},
)
@scope("outcome")
def outcomes() -> Response:
    """Outcomes of decisions, all or none of them.

    Of what was said of a decision at different times the later observation counts. Without the
    scope read a key tells the outcomes of what it decided itself.
    """
    body = read_model(OutcomesBody, _LARGEST)
    store, at, caller = current_service().store, datetime.now(UTC), current_client().id
    found = store.decisions.decided_on([one.prediction_id for one in body.outcomes])
    if errors := list(_wrong(body, found, at)):
        raise ProblemError(422, "Nothing is recorded; errors says why.", errors[:50])
    told = [
        Outcome(
            applicant=found[one.prediction_id].applicant,
            prediction_id=one.prediction_id,
            defaulted=one.defaulted,
            observed_at=one.observed_at,
            recorded_at=at,
            caller=caller,
        )
        for one in body.outcomes
    ]
    recorded = store.outcomes.record(told)
    answer = {"recorded": recorded, "unchanged": len(told) - recorded}
    times = {one.prediction_id: one.observed_at for one in told}
    known = store.outcomes.of(list(times)).values()
    if outdated := sum(one.observed_at > times[one.prediction_id] for one in known):
        answer["outdated"] = outdated
    return json_answer(answer, 201)


def _wrong(body: OutcomesBody, known: Mapping[str, Decided], now: datetime) -> Iterator[FieldError]:
    """What cannot be: unknown decisions, times out of the world, and contradictions."""
    said: dict[str, tuple[str, OutcomeBody]] = {}
    for place, one in enumerate(body.outcomes):
        here, found = f"/outcomes/{place}", known.get(one.prediction_id)
        if found is None or not may_see(found.caller):
            detail = "there is no decision of that id"
            yield FieldError(pointer=f"{here}/prediction_id", detail=detail)
            continue
        if not found.at - _SKEW <= one.observed_at <= now + _SKEW:
            detail = f"must lie between the decision ({found.at.isoformat()}) and now"
            yield FieldError(pointer=f"{here}/observed_at", detail=detail)
        there, first = said.setdefault(one.prediction_id, (here, one))
        if first != one:
            yield FieldError(pointer=there, detail=f"{here} says otherwise of the same decision")
            yield FieldError(pointer=here, detail=f"{there} says otherwise of the same decision")
