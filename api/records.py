"""What was decided: GET /predictions/{id}, its explanation, and an officer's override."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import orjson
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.access import current_client, scope
from api.decision import Record, record_of
from api.explanation import Explanation, explain
from api.languages import asked_language, spoken
from api.openapi import BAD_BODY, KEY, NOT_FOUND, STORE_AWAY, problem, request_body
from api.problems import ProblemError
from api.reading import JSON, Body, LongText, Text, read_model
from api.service import current_service
from scoring.store import Override, Prediction

blueprint = APIBlueprint(
    "records",
    __name__,
    abp_tags=[Tag(name="records", description="What was decided, and what came of it")],
    abp_security=KEY,
)


class PredictionPath(BaseModel):
    """Which decision."""

    id: str = Field(description="Of a decision, as POST /predict answered it")


class OverrideBody(Body):
    """An officer's own decision, which stands in the place of the model's."""

    decision: Literal["accept", "refuse"]
    actor: Text = Field(description="Who decides")
    motive: LongText = Field(description="Why; it is kept with the decision")


@blueprint.get(
    "/predictions/<string:id>",
    operation_id="prediction",
    summary="A decision as it was recorded",
    responses={200: Record, 404: NOT_FOUND, 503: STORE_AWAY},
)
@scope("score")
def prediction(path: PredictionPath) -> Response:
    """The decision, the overrides since, and the outcome once it is known."""
    return _record(_find(path.id))


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
@scope("score")
def explanation(path: PredictionPath) -> Response:
    """Contributions in log-odds that add up, with the base, to the logit of the probability.

    In French or English, as Accept-Language prefers.
    """
    found = _find(path.id)
    language = asked_language()
    scorer = current_service().models.get(found.model_digest)
    return spoken(explain(found, scorer, language), language)


@blueprint.post(
    "/predictions/<string:id>/override",
    operation_id="override",
    summary="Decide otherwise",
    responses={201: Record, **BAD_BODY, 404: NOT_FOUND, 503: STORE_AWAY},
    openapi_extensions={"requestBody": request_body("OverrideBody")},
)
@scope("outcome")
def override(path: PredictionPath) -> Response:
    """An officer accepts or refuses, with a motive; the model's decision stays on record."""
    body = read_model(OverrideBody)
    found = _find(path.id)
    current_service().store.record_override(
        Override(
            prediction_id=found.id,
            decision=body.decision,
            actor=body.actor,
            motive=body.motive,
            at=datetime.now(UTC),
            caller=current_client().id,
        )
    )
    response = _record(found)
    response.status_code = 201
    return response


def _find(number: str) -> Prediction:
    found = current_service().store.prediction(number)
    if found is None:
        raise ProblemError(404, "There is no decision of that id.")
    return found


def _record(found: Prediction) -> Response:
    store = current_service().store
    return _json(record_of(found, store.overrides(found.id), store.outcome(found.id)))


def _json(answer: object) -> Response:
    return Response(orjson.dumps(answer), content_type=JSON)
