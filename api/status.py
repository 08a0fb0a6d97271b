"""GET /health and /ready: whether the process lives, and whether it can decide."""

from __future__ import annotations

from typing import Literal

from flask import Response, redirect, url_for
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict
from werkzeug.wrappers import Response as WerkzeugResponse

from api.champion import current_scorer
from api.decision import Model
from api.openapi import NOT_READY

blueprint = APIBlueprint(
    "status", __name__, abp_tags=[Tag(name="status", description="The state of the service")]
)


class Health(BaseModel):
    """The process lives."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "alive"}})

    status: Literal["alive"] = "alive"


class Readiness(BaseModel):
    """The service can decide, and with which model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ready",
                "model": {"name": "lightgbm", "version": "3", "feature_set_version": "1"},
            }
        }
    )

    status: Literal["ready"] = "ready"
    model: Model


@blueprint.get(
    "/health", operation_id="health", summary="Does the process live?", responses={200: Health}
)
def health() -> Response:
    """Always 200 while the process answers at all; it says nothing of the model."""
    return _json(Health())


@blueprint.get(
    "/ready",
    operation_id="ready",
    summary="Can it decide?",
    responses={
        200: Readiness,
        503: NOT_READY,
    },
)
def ready() -> Response:
    """200 once a model is loaded; a missing one is looked for again at each call."""
    return _json(Readiness(model=Model.of(current_scorer())))


@blueprint.get("/", doc_ui=False)
def index() -> WerkzeugResponse:
    """Lead a person who opens the address to the documentation."""
    return redirect(url_for("swagger.swagger"))


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), content_type="application/json")
