"""GET /health and /ready: whether the process lives, and whether it can decide."""

from __future__ import annotations

from typing import Literal, Self

from flask import Response, redirect, url_for
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.wrappers import Response as WerkzeugResponse

from api.http.openapi import NOT_READY
from api.models.manager import Live
from api.service import current_service

blueprint = APIBlueprint(
    "status", __name__, abp_tags=[Tag(name="status", description="The state of the service")]
)


class Health(BaseModel):
    """The process lives."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "alive"}})

    status: Literal["alive"]


class ReadyModel(BaseModel):
    """The model that answers by default."""

    name: str
    version: str
    feature_set_version: str = Field(description="Digest of the features' definitions")
    digest: str = Field(description="SHA-256 of the manifest of the model's files")
    demonstration: bool = Field(description="Whether it learnt from invented applicants")

    @classmethod
    def of(cls, live: Live) -> Self:
        """What names a model that is live."""
        scorer = live.scorer
        return cls(
            name=scorer.name,
            version=scorer.version,
            feature_set_version=scorer.feature_set_version,
            digest=live.digest,
            demonstration=scorer.demonstration,
        )


class Readiness(BaseModel):
    """The service can decide, and with which model."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ready",
                "model": {
                    "name": "credit-scoring",
                    "version": "3",
                    "feature_set_version": "0f1e2d3c4b5a6978",
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
    return _json(Health(status="alive"))


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
    """200 when a model is loaded and the store takes decisions."""
    service = current_service()
    live = service.lineup.champion()
    service.check_store()
    return _json(Readiness(status="ready", model=ReadyModel.of(live)))


@blueprint.get("/", doc_ui=False)
def index() -> WerkzeugResponse:
    """Lead a person who opens the address to the documentation."""
    return redirect(url_for("swagger.swagger"))


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), content_type="application/json")
