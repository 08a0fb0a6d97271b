"""GET /alerts and /monitoring: what monitoring has found, and whether it still does."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

import orjson
from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.access import scope
from api.http.bodies import asked_language, json_answer
from api.http.openapi import LANGUAGE, STORE_AWAY, WRONG_QUERY, operation, problem, resource
from api.http.problems import ProblemError
from api.service import current_service
from scoring.features.wording.alerts import alert_text
from scoring.language import catalogue
from scoring.store import Report

blueprint = resource("monitoring", "alerts", "What monitoring has found")


class AlertsQuery(BaseModel):
    """Which alerts."""

    state: Literal["open", "all"] = Field(
        default="open", description="open: those that were found at the last look"
    )
    limit: int = Field(default=100, ge=1, le=1000, description="The most alerts that are told")


class AlertFacts(BaseModel):
    """What a rule has to say of a model, as it was found last."""

    number: int
    rule: str = Field(description="Which rule; a model has one open alert of a rule at most")
    severity: Literal["warning", "critical"]
    title: str = Field(description="What the rule is about, in the language of the answer")
    message: str = Field(
        description="What was found, in the language of the answer; long ago: in English"
    )
    advice: str = Field(description="What to do about it, in the language of the answer")
    figure: float = Field(description="The size of what was found")
    threshold: float = Field(description="From where on it is told with this severity")
    subjects: list[str] = Field(description="The features that it is about, the worst first")
    model_version: str = Field(description="Empty where the service as a whole is meant")
    model_digest: str
    since: datetime = Field(description="The decisions looked at: from then on")
    until: datetime = Field(description="and before then")
    first_at: datetime = Field(description="When it was found first")
    last_at: datetime = Field(description="When it was found last")
    times: int = Field(description="How often it was found")
    told_at: datetime | None = Field(description="When it was sent last")
    closed_at: datetime | None = Field(description="Since when it is not found any more")


class Alerts(BaseModel):
    """Alerts on record."""

    alerts: list[AlertFacts] = Field(description="The latest found first")


@blueprint.get(
    "/alerts",
    summary="What monitoring has found",
    responses={200: Alerts, 422: WRONG_QUERY, 503: STORE_AWAY},
    openapi_extensions=operation(LANGUAGE),
)
@scope("admin")
def alerts(query: AlertsQuery) -> Response:
    """The alerts that `python -m scoring monitor` has kept; the open ones if no other are asked."""
    kept = current_service().store.alerts.latest(query.limit, open_only=query.state == "open")
    records: list[dict[str, Any]] = [asdict(record) for record in kept]
    language = asked_language()
    told = [_in_words(record.pop("alert"), language) | record for record in records]
    return json_answer({"alerts": told}, language=language)


def _in_words(alert: dict[str, Any], language: str) -> dict[str, Any]:
    """Say an alert in a language; one of a rule of long ago in the words of its day."""
    words, rule = catalogue(language, "monitoring"), alert["rule"]
    title, advice = words["rules"].get(rule, rule), words["advice"].get(rule, alert["advice"])
    message = alert_text(rule, alert.pop("facts"), alert["message"], language)
    return {**alert, "title": title, "message": message, "advice": advice}


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
    summary="The same as a page",
    openapi_extensions=operation(LANGUAGE),
    responses={
        200: {
            "description": "One page of HTML that loads nothing, in the language asked",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        404: _NOT_YET,
        503: STORE_AWAY,
    },
)
@scope("admin")
def monitoring_report() -> Response:
    """The report of the last `python -m scoring monitor`."""
    language = asked_language()
    answer = Response(_newest(language).page, content_type="text/html; charset=utf-8")
    answer.headers["Content-Language"] = language
    return answer


def _newest(language: str = "en") -> Report:
    """The last report: the one of a language where there is one, else the English one."""
    reports = current_service().store.reports
    report = reports.find(f"monitoring_{language}") or reports.find("monitoring")
    if report is None:
        raise ProblemError(404, _NEVER)
    return report
