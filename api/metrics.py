"""What Prometheus is told, added up over all workers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from flask import Flask, Response, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from api.access import scope
from api.openapi import KEY

blueprint = APIBlueprint(
    "metrics",
    __name__,
    abp_tags=[Tag(name="status", description="The state of the service")],
    abp_security=KEY,
)

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_PDS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.09, 0.12, 0.15, 0.2, 0.3, 0.5, 1.0)

REQUESTS = Counter("scoring_requests", "Answers sent", ["method", "route", "status"])
LATENCY = Histogram("scoring_request_seconds", "Time to answer", ["route"], buckets=_SECONDS)
PD = Histogram("scoring_pd", "Probabilities of default answered", ["role"], buckets=_PDS)
DECISIONS = Counter("scoring_decisions", "Decisions recorded", ["decision", "version"])
STORE_ERRORS = Counter("scoring_store_errors", "Times that the store could not be used")
MODEL_LOADS = Counter("scoring_model_loads", "Models taken into service or refused", ["result"])
# The last that any living worker set.
MODEL = Gauge(
    "scoring_model_loaded_at",
    "When a model was taken into service (Unix time)",
    ["version", "digest", "role"],
    multiprocess_mode="livemostrecent",
)
WORKER = Gauge("scoring_worker_up", "Workers that live", multiprocess_mode="liveall")


def observe_predictions(made: Iterable[tuple[str, str, float, str]]) -> None:
    """Count recorded decisions: role and version of the model, PD, decision."""
    for role, version, pd, decision in made:
        PD.labels(role).observe(pd)
        DECISIONS.labels(decision, version).inc()


def store_failed() -> None:
    """Count a time that the store could not be used."""
    STORE_ERRORS.inc()


def model_loaded(role: str, version: str, digest: str) -> None:
    """Tell of a model that is in service from now on."""
    MODEL_LOADS.labels("loaded").inc()
    MODEL.labels(version, digest[:12], role).set(time.time())


def model_refused() -> None:
    """Count a model that was not taken."""
    MODEL_LOADS.labels("refused").inc()


def init_app(app: Flask) -> None:
    """Count and time every answer, by its route's template."""
    WORKER.set(1)
    app.after_request(_observe)


def _observe(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "unknown"
    REQUESTS.labels(request.method, route, str(response.status_code)).inc()
    LATENCY.labels(route).observe(time.perf_counter() - g.arrived)
    return response


@blueprint.get(
    "/metrics",
    operation_id="metrics",
    summary="Figures for Prometheus",
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
