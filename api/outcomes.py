"""POST /outcomes: what happened later to those who were decided on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import orjson
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from api.access import current_client, scope
from api.openapi import BAD_BODY, KEY, STORE_AWAY, request_body
from api.problems import FieldError, ProblemError
from api.reading import JSON, Body, Text, read_model
from api.service import current_service
from scoring.store import Outcome

blueprint = APIBlueprint(
    "outcomes",
    __name__,
    abp_tags=[Tag(name="outcomes", description="What happened later")],
    abp_security=KEY,
)

_MOST = 1_000


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
        description="When that was known (RFC 3339, with an offset)"
    )


class OutcomesBody(Body):
    """What happened to one or many."""

    outcomes: list[OutcomeBody] = Field(min_length=1, max_length=_MOST)


class Recorded(BaseModel):
    """How many outcomes are on record."""

    recorded: int = Field(description="How many were new or other than what was known")
    unchanged: int = Field(description="How many were known already")


@blueprint.post(
    "/outcomes",
    operation_id="outcomes",
    summary="Say what happened later",
    responses={201: Recorded, **BAD_BODY, 503: STORE_AWAY},
    openapi_extensions={"requestBody": request_body("OutcomesBody")},
)
@scope("outcome")
def outcomes() -> Response:
    """Outcomes of decisions, all or none of them; what was said before is corrected."""
    body = read_model(OutcomesBody)
    store, at, caller = current_service().store, datetime.now(UTC), current_client().id
    found = store.applicants_of([one.prediction_id for one in body.outcomes])
    _refuse_unknown(body, found)
    recorded = store.record_outcomes(
        [
            Outcome(
                applicant=found[one.prediction_id],
                prediction_id=one.prediction_id,
                defaulted=one.defaulted,
                observed_at=one.observed_at,
                recorded_at=at,
                caller=caller,
            )
            for one in body.outcomes
        ]
    )
    answer = {"recorded": recorded, "unchanged": len(body.outcomes) - recorded}
    return Response(orjson.dumps(answer), 201, content_type=JSON)


def _refuse_unknown(body: OutcomesBody, known: dict[str, str]) -> None:
    errors = [
        FieldError(
            pointer=f"/outcomes/{place}/prediction_id", detail="there is no decision of that id"
        )
        for place, one in enumerate(body.outcomes)
        if one.prediction_id not in known
    ]
    if errors:
        raise ProblemError(422, "Nothing is recorded; errors says why.", errors[:50])
