"""GET /model, and the policy by which models answer: read and changed while the service runs."""

from __future__ import annotations

from typing import Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.decisions.answers import ModelFacts, facts_of
from api.http.access import scope
from api.http.bodies import Body, Motive, Text, json_answer, read_model, seen_numbers
from api.http.openapi import BAD_BODY, KEY, NOT_READY, STORE_AWAY, problem, request_body
from api.http.problems import ProblemError
from api.service import current_service
from scoring.store import Policy, StoreChangedError

blueprint = APIBlueprint(
    "administration",
    __name__,
    abp_tags=[Tag(name="administration", description="Models and how they are used")],
    abp_security=KEY,
)

Strategy = Literal["champion", "shadow", "split", "bandit"]

_STALE = "The policy was changed meanwhile: nothing is changed. GET /policy tells what it is now."


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
    return json_answer(told)


@blueprint.get(
    "/policy",
    operation_id="policy",
    summary="How models are used",
    responses={200: PolicyAnswer, 503: STORE_AWAY},
)
@scope("admin")
def policy() -> Response:
    """The policy as the store has it; every process follows it within some seconds.

    Its ETag, sent back as If-Match, lets a change be made to this policy only.
    """
    return _answer(current_service().store.models.policy())


@blueprint.put(
    "/policy",
    operation_id="set_policy",
    summary="Change how models are used",
    responses={
        200: PolicyAnswer,
        412: problem(412, "The policy is not the one of If-Match any more", _STALE),
        **BAD_BODY,
        503: STORE_AWAY,
    },
    openapi_extensions={"requestBody": request_body("PolicyBody")},
)
@scope("admin")
def set_policy() -> Response:
    """Change the strategy or the share, or refer everything; who and why is kept.

    What is left out stays as it is, whoever changes it at the same time: without If-Match,
    refer_all alone can be set at any time.
    """
    body = read_model(PolicyBody)
    service, expected = current_service(), seen_numbers()
    changes = body.model_dump(exclude_none=True, exclude={"actor", "motive"})
    try:
        changed = service.store.models.change_policy(changes, body.actor, body.motive, expected)
    except StoreChangedError:
        raise ProblemError(412, _STALE) from None
    service.lineup.refresh_policy()
    return _answer(changed)


def _answer(chosen: Policy) -> Response:
    response = json_answer({name: getattr(chosen, name) for name in PolicyAnswer.model_fields})
    response.set_etag(str(chosen.number))
    return response
