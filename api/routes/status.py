"""GET /health, /ready and /metrics: the state of the service."""

import os
from typing import Literal

from flask import Response, redirect, url_for
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel, ConfigDict
from werkzeug.wrappers import Response as WerkzeugResponse

from api.decisions import example
from api.decisions.answers import ReadyModel, facts_of
from api.http.access import current_client, scope
from api.http.bodies import json_answer
from api.http.openapi import KEYS, NOT_READY, STORE_AWAY, resource
from api.service import current_service
from scoring.store import SCOPES, Scope

blueprint = resource("status", "status", "The state of the service", keyed=False)


@blueprint.get(
    "/metrics",
    summary="Figures for Prometheus",
    security=KEYS,
    responses={
        200: {
            "description": "Prometheus's text format",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
@scope("admin")
def metrics() -> Response:
    """Requests, latencies, probabilities, decisions, models and store errors of all workers."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class KeyFacts(BaseModel):
    """An API key, as far as it is told."""

    name: str
    scopes: list[Scope]


class Health(BaseModel):
    """The process lives."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "alive"}})

    status: Literal["alive"]


class Readiness(BaseModel):
    """The service can decide, and with which model."""

    model_config = ConfigDict(json_schema_extra={"example": example.READINESS})

    status: Literal["ready"]
    model: ReadyModel


@blueprint.get("/health", summary="Does the process live?", responses={200: Health})
def health() -> Response:
    """Always 200 while the process answers at all; it says nothing of the model."""
    return json_answer({"status": "alive"})


@blueprint.get(
    "/ready",
    summary="Can it decide?",
    responses={200: Readiness, 503: NOT_READY},
)
def ready() -> Response:
    """200 when a model is loaded and the store takes decisions."""
    service = current_service()
    champion = service.models.champion()
    service.check_store()
    return json_answer({"status": "ready", "model": facts_of(champion)})


@blueprint.get(
    "/key",
    summary="What may this key do?",
    security=KEYS,
    responses={200: KeyFacts, 503: STORE_AWAY},
)
@scope(*SCOPES)
def key() -> Response:
    """The name and the scopes of the key that was sent, so that a page offers what it may do."""
    client = current_client()
    return json_answer({"name": client.name, "scopes": sorted(client.scopes)})


@blueprint.get("/", doc_ui=False)
def index() -> WerkzeugResponse:
    """Lead a person who opens the address to the documentation."""
    return redirect(url_for("swagger.swagger"))
