"""GET /monitoring: what the last look at the service's decisions has found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.access import scope
from api.http.answers import json_answer
from api.http.openapi import STORE_AWAY, problem, resource
from api.http.problems import ProblemError
from api.service import current_service
from scoring.store import Report

blueprint = resource("monitoring", "alerts", "What monitoring has found")

_KIND = "monitoring"
_NEVER = "Nobody has looked yet: `python -m scoring monitor` does."
_NOT_YET = problem(404, "Nobody has looked yet", _NEVER)


class Monitoring(BaseModel):
    """The findings of one look."""

    model_config = ConfigDict(extra="allow")

    at: datetime = Field(description="When it was")
    since: datetime = Field(description="The decisions looked at: from then on")
    until: datetime = Field(description="and before then")
    alerts: list[dict[str, Any]] = Field(description="What is beyond its limit")
    service: dict[str, Any] = Field(description="Latencies, events by kind, and reviews")
    models: list[dict[str, Any]] = Field(
        description="Of each model that answered: drift, data quality, decisions, performance"
    )


@blueprint.get(
    "/monitoring",
    operation_id="monitoring",
    summary="What the last look has found",
    responses={200: Monitoring, 404: _NOT_YET, 503: STORE_AWAY},
)
@scope("admin")
def monitoring() -> Response:
    """The figures of the last `python -m scoring monitor`, as it writes them to monitoring.json."""
    report = _newest()
    return json_answer({"at": report.at.isoformat(), **orjson.loads(report.values)})


@blueprint.get(
    "/monitoring/report",
    operation_id="monitoring_report",
    summary="The same as a page",
    responses={
        200: {
            "description": "One page of HTML that loads nothing",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        404: _NOT_YET,
        503: STORE_AWAY,
    },
)
@scope("admin")
def monitoring_report() -> Response:
    """The report of the last `python -m scoring monitor`."""
    return Response(_newest().page, content_type="text/html; charset=utf-8")


def _newest() -> Report:
    report = current_service().store.reports.find(_KIND)
    if report is None:
        raise ProblemError(404, _NEVER)
    return report
