"""GET /metrics: figures for Prometheus."""

from __future__ import annotations

import os

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from api.http.access import scope
from api.http.openapi import resource

blueprint = resource("metrics", "status", "The state of the service")


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
