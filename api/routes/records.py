"""What was decided: GET /predictions/{id}, its explanation, and an officer's override."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import orjson
from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.decisions.answers import MOST_OVERRIDES, Record, record_of
from api.decisions.explanation import Explanation, explain, withhold_values
from api.http.access import current_client, may_see, scope, sees_all
from api.http.bodies import JSON, Body, Motive, Text, read_model
from api.http.languages import asked_language, spoken
from api.http.openapi import BAD_BODY, KEY, NOT_FOUND, STORE_AWAY, problem, request_body
from api.http.problems import ProblemError
from api.service import current_service
from scoring.store import Override, Prediction

blueprint = APIBlueprint(
    "records",
    __name__,
    abp_tags=[Tag(name="records", description="What was decided, and what came of it")],
    abp_security=KEY,
)


_TOO_MANY = f"There are {MOST_OVERRIDES} overrides of this decision: no more are taken."
_NOT_SEEN = (
    "Somebody else has decided otherwise, or the outcome is known. Read GET /predictions/{id}; to "
    "decide all the same, send its ETag as If-Match."
)


class PredictionPath(BaseModel):
    """Which decision."""

    id: str = Field(description="Of a decision, as POST /predict answered it")


class OverrideBody(Body):
    """An officer's own decision, which stands in the place of the model's."""

    decision: Literal["accept", "refuse"]
    actor: Text = Field(description="Who decides")
    motive: Motive = Field(description="Why; it is kept with the decision")


@blueprint.get(
    "/predictions/<string:id>",
    operation_id="prediction",
    summary="A decision as it was recorded",
    responses={200: Record, 404: NOT_FOUND, 503: STORE_AWAY},
)
@scope("score", "read")
def prediction(path: PredictionPath) -> Response:
    """The decision, the overrides since, and the outcome once it is known; with an ETag.

    Without the scope read a key finds what it decided itself; with it all, and who looked at
    what others decided is recorded.
    """
    found = _find(path.id, "prediction")
    return _record(found, current_service().store.overrides(found.id))


@blueprint.get(
    "/predictions/<string:id>/explanation",
    operation_id="explanation",
    summary="Every contribution to the probability",
    responses={
        200: Explanation,
        404: NOT_FOUND,
        410: problem(
            410,
            "The decision's model or its version of the features is not kept any more",
            "The model of this decision is not kept any more.",
        ),
        503: STORE_AWAY,
    },
)
@scope("score", "read")
def explanation(path: PredictionPath) -> Response:
    """Contributions in log-odds that add up, with the base, to the logit of the probability.

    In French or English, as Accept-Language prefers. Whose are explained is as for the decision.
    """
    found = _find(path.id, "explanation")
    language = asked_language()
    models = current_service().models
    scorer = models.get(found.model_digest)
    told = explain(found, scorer, models.layouts, language)
    # Of a decision by number, or with a stored history, the values are not the caller's own.
    if (found.source == "id" or found.history == "stored") and not sees_all():
        withhold_values(told)
    return spoken(told, language)


@blueprint.post(
    "/predictions/<string:id>/override",
    operation_id="override",
    summary="Decide otherwise",
    responses={
        201: Record,
        **BAD_BODY,
        404: NOT_FOUND,
        409: problem(409, "The decision has too many overrides", _TOO_MANY),
        412: problem(412, "The decision is not as If-Match says", _NOT_SEEN),
        428: problem(428, "There is an override, and no If-Match", _NOT_SEEN),
        503: STORE_AWAY,
    },
    openapi_extensions={"requestBody": request_body("OverrideBody")},
)
@scope("outcome")
def override(path: PredictionPath) -> Response:
    """An officer accepts or refuses, with a motive; the model's decision stays on record.

    To override an override it has to have been seen: its ETag is sent as If-Match. Without the
    scope read a key overrides what it decided itself.
    """
    body = read_model(OverrideBody)
    found, store, caller = _find(path.id), current_service().store, current_client().id
    known, now = store.overrides(found.id), datetime.now(UTC)
    new = Override(found.id, body.decision, body.actor, body.motive, now, caller)
    # The same sent again, since its answer was lost, is recorded once.
    if not (known and replace(known[-1], at=now) == new):
        _check_seen(_record(found, known), known)
        if not store.record_override(new, seen=len(known)):
            raise ProblemError(412 if request.if_match else 428, _NOT_SEEN)
        # As they are kept: a store under pseudonyms changes a text that tells a number.
        known = store.overrides(found.id)
    response = _record(found, known)
    response.status_code = 201
    return response


def note_read(what: str, applicant: str, prediction_id: str | None = None) -> None:
    """Record that the current client looks at what is not its own, before it does."""
    current_service().store.note_read(current_client().id, what, applicant, prediction_id)


def _find(number: str, what: str | None = None) -> Prediction:
    """A decision that the client may see; how it looks at what others decided is recorded."""
    found = current_service().store.prediction(number)
    if found is None or not may_see(found.caller):
        raise ProblemError(404, "There is no decision of that id.")
    if what is not None and found.caller != current_client().id:
        note_read(what, found.applicant, found.id)
    return found


def _check_seen(record: Response, known: Sequence[Override]) -> None:
    """Refuse to override what the caller may not have seen."""
    if len(known) >= MOST_OVERRIDES:
        raise ProblemError(409, _TOO_MANY)
    if known and not request.if_match:
        raise ProblemError(428, _NOT_SEEN)
    if request.if_match and not request.if_match.contains(record.get_etag()[0] or ""):
        raise ProblemError(412, _NOT_SEEN)


def _record(found: Prediction, overrides: list[Override]) -> Response:
    told = record_of(found, overrides, current_service().store.outcome(found.id))
    response = Response(orjson.dumps(told), content_type=JSON)
    response.add_etag()
    return response
