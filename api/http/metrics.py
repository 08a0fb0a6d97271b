"""Figures for Prometheus, added up over all workers.

Gunicorn's settings give each worker files of its own for its figures, so that whichever of them is
asked can add up all. Without those settings, as in a single process, the figures are in memory.
"""

import time
from collections.abc import Collection

from flask import Flask, Response, g
from prometheus_client import Counter, Gauge, Histogram

from api.http import logs

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_PDS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.09, 0.12, 0.15, 0.2, 0.3, 0.5, 1.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)
_DIGITS = 12

REQUESTS = Counter("scoring_requests", "Answers sent", ["method", "route", "status"])
LATENCY = Histogram("scoring_request_seconds", "Time to answer", ["route"], buckets=_SECONDS)
PD = Histogram("scoring_pd", "Probabilities of default answered", ["role"], buckets=_PDS)
DECISIONS = Counter("scoring_decisions", "Decisions recorded", ["decision", "version"])
BATCH_SIZE = Histogram("scoring_batch_size", "Decisions recorded at once", buckets=_SIZES)
STORE_ERRORS = Counter("scoring_store_errors", "Times that the store could not be used")
MODEL_LOADS = Counter("scoring_model_loads", "Models taken into service or refused", ["result"])
SHADOW_FAILURES = Counter("scoring_shadow_failures", "Times that a shadow model failed")
# Sums over the workers that live: two versions of a role at a time are a swap, or one that failed.
MODEL = Gauge(
    "scoring_model_workers",
    "Workers that a model serves in",
    ["role", "version", "digest"],
    multiprocess_mode="livesum",
)
WORKERS = Gauge("scoring_workers", "Workers that live", multiprocess_mode="livesum")

_serving: dict[str, Gauge] = {}


def observe_predictions(made: Collection[tuple[str, str, float, str]]) -> None:
    """Count decisions recorded in one transaction: role, version, PD and decision of each."""
    if made:
        BATCH_SIZE.observe(len(made))
    for role, version, pd, decision in made:
        PD.labels(role).observe(pd)
        DECISIONS.labels(decision, version).inc()


def model_loaded(role: str, version: str, digest: str) -> None:
    """Show a model as in service, in place of the one before in its role."""
    model_dropped(role)
    MODEL_LOADS.labels("loaded").inc()
    _serving[role] = MODEL.labels(role, version, digest[:_DIGITS])
    _serving[role].set(1)


def model_dropped(role: str) -> None:
    """Show that no model is in service in a role, if there was one."""
    before = _serving.pop(role, None)
    if before is not None:
        before.set(0)


def init_app(app: Flask) -> None:
    """Count and time every answer, by its route's template."""
    WORKERS.set(1)
    app.after_request(_observe)


def _observe(response: Response) -> Response:
    method, route = logs.asked()
    REQUESTS.labels(method, route, str(response.status_code)).inc()
    LATENCY.labels(route).observe(time.perf_counter() - g.arrived)
    return response
