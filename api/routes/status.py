"""GET /health and /ready: whether the process lives, and whether it can decide."""

from __future__ import annotations

from typing import Any, Literal

from flask import Response, redirect, url_for
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Response as WerkzeugResponse

from api.http.answers import json_answer
from api.http.openapi import NOT_READY, resource
from api.models.routing import LiveModel
from api.service import current_service

blueprint = resource("status", "status", "The state of the service", keyed=False)


class Health(BaseModel):
    """The process lives."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "alive"}})

    status: Literal["alive"]


class ReadyModel(BaseModel):
    """The model that answers by default."""

    name: str
    version: str
    feature_set_version: str = Field(description="The version of the features' definitions")
    digest: str = Field(description="SHA-256 of the manifest of the model's files")
    demonstration: bool = Field(description="Whether it learnt from invented applicants")


def facts_of(model: LiveModel) -> dict[str, Any]:
    """What a `ReadyModel` says of a model that is live."""
    return {
        "name": model.scorer.name,
        "version": model.scorer.version,
        "feature_set_version": model.scorer.feature_set_version,
        "digest": model.digest,
        "demonstration": model.scorer.demonstration,
    }


class Readiness(BaseModel):
    """The service can decide, and with which model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ready",
                "model": {
                    "name": "credit-scoring",
                    "version": "3",
                    "feature_set_version": "2",
                    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "demonstration": False,
                },
            }
        }
    )

    status: Literal["ready"]
    model: ReadyModel


@blueprint.get(
    "/health", operation_id="health", summary="Does the process live?", responses={200: Health}
)
def health() -> Response:
    """Always 200 while the process answers at all; it says nothing of the model."""
    return json_answer({"status": "alive"})


@blueprint.get(
    "/ready",
    operation_id="ready",
    summary="Can it decide?",
    responses={200: Readiness, 503: NOT_READY},
)
def ready() -> Response:
    """200 when a model is loaded and the store takes decisions."""
    service = current_service()
    champion = service.models.champion()
    service.check_store()
    return json_answer({"status": "ready", "model": facts_of(champion)})


@blueprint.get("/", doc_ui=False)
def index() -> WerkzeugResponse:
    """Lead a person who opens the address to the documentation."""
    return redirect(url_for("swagger.swagger"))
