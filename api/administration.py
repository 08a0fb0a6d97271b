"""GET /model, and the policy by which models answer: read and changed while the service runs."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.access import scope
from api.decision import ModelFacts, facts_of
from api.openapi import BAD_BODY, KEY, NOT_READY, STORE_AWAY, request_body
from api.reading import JSON, Body, Motive, Text, read_model
from api.service import current_service
from scoring.store import Policy

blueprint = APIBlueprint(
    "administration",
    __name__,
    abp_tags=[Tag(name="administration", description="Models and how they are used")],
    abp_security=KEY,
)

Strategy = Literal["champion", "shadow", "split", "bandit"]


class Models(BaseModel):
    """The models that are in the service."""

    champion: ModelFacts
    challenger: ModelFacts | None


class PolicyAnswer(BaseModel):
    """How models are used."""

    strategy: Strategy = Field(
        description="champion: it alone; shadow: the challenger is scored and recorded, never "
        "answered; split: it answers a share of the applicants; bandit: whoever costs less"
    )
    challenger_share: float = Field(ge=0, le=1, description="Of a split, and of first trials")
    refer_all: bool = Field(description="Whether every application goes to an officer")


class PolicyBody(Body):
    """A change of how models are used; what is left out stays."""

    strategy: Strategy | None = None
    challenger_share: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    refer_all: bool | None = None
    actor: Text = Field(description="Who changes it")
    motive: Motive = Field(description="Why; it is kept")


@blueprint.get(
    "/model",
    operation_id="model",
    summary="The models in the service",
    responses={200: Models, 503: NOT_READY},
)
@scope("score")
def model() -> Response:
    """Champion and challenger, where they come from, and what they were measured to do."""
    live = {one.role: one for one in current_service().lineup.live()}
    current_service().lineup.champion()
    told = {
        role: facts_of(live[role].scorer, live[role].digest, role) if role in live else None
        for role in ("champion", "challenger")
    }
    return _json(told)


@blueprint.get(
    "/policy",
    operation_id="policy",
    summary="How models are used",
    responses={200: PolicyAnswer, 503: STORE_AWAY},
)
@scope("admin")
def policy() -> Response:
    """The policy as the store has it; every process follows it within some seconds."""
    return _json(_told(current_service().store.policy()))


@blueprint.put(
    "/policy",
    operation_id="set_policy",
    summary="Change how models are used",
    responses={200: PolicyAnswer, **BAD_BODY, 503: STORE_AWAY},
    openapi_extensions={"requestBody": request_body("PolicyBody")},
)
@scope("admin")
def set_policy() -> Response:
    """Change the strategy or the share, or refer everything; who and why is kept."""
    body = read_model(PolicyBody)
    service = current_service()
    now = service.store.policy()
    changed = Policy(
        strategy=now.strategy if body.strategy is None else body.strategy,
        challenger_share=now.challenger_share
        if body.challenger_share is None
        else body.challenger_share,
        refer_all=now.refer_all if body.refer_all is None else body.refer_all,
    )
    service.store.set_policy(changed, by=body.actor, why=body.motive)
    service.lineup.refresh_policy()
    return _json(_told(changed))


def _told(chosen: Policy) -> dict[str, Any]:
    return {
        "strategy": chosen.strategy,
        "challenger_share": chosen.challenger_share,
        "refer_all": chosen.refer_all,
    }


def _json(answer: object) -> Response:
    return Response(orjson.dumps(answer), content_type=JSON)
