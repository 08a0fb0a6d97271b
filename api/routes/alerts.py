"""GET /alerts: what monitoring has found, and whether it still does."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.http.access import scope
from api.http.bodies import json_answer
from api.http.openapi import KEY, STORE_AWAY, problem
from api.service import current_service
from scoring.store import AlertRecord

blueprint = APIBlueprint(
    "alerts",
    __name__,
    abp_tags=[Tag(name="alerts", description="What monitoring has found")],
    abp_security=KEY,
)

_WRONG = problem(422, "A parameter cannot be used", "A parameter of the address is wrong.")


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
    message: str = Field(description="What was found")
    advice: str = Field(description="What to do about it")
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
    operation_id="alerts",
    summary="What monitoring has found",
    responses={200: Alerts, 422: _WRONG, 503: STORE_AWAY},
)
@scope("admin")
def alerts(query: AlertsQuery) -> Response:
    """The alerts that `python -m scoring monitor` has kept; the open ones if no other are asked."""
    found = current_service().store.alerts.latest(query.limit, open_only=query.state == "open")
    return json_answer({"alerts": [_told(one) for one in found]})


def _told(one: AlertRecord) -> dict[str, Any]:
    record = asdict(one)
    alert: dict[str, Any] = record.pop("alert")
    return alert | record
