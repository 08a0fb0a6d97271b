"""GET /model, and the policy by which models answer: read and changed while the service runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from flask import Response
from pydantic import BaseModel, Field

from api.decisions.answers import ReadyModel, ReferBand, facts_of
from api.http.access import scope
from api.http.answers import fields_of, json_answer
from api.http.bodies import Body, Motive, Text, read_model, seen_numbers
from api.http.openapi import (
    BAD_BODY,
    IF_MATCH,
    NOT_READY,
    STORE_AWAY,
    body_of,
    operation,
    problem,
    resource,
)
from api.http.problems import ProblemError
from api.models.routing import LiveModel
from api.service import current_service
from scoring.store import Policy, StoreChangedError

blueprint = resource("administration", "administration", "Models and how they are used")

Strategy = Literal["champion", "shadow", "split", "bandit"]

_STALE = "The policy was changed meanwhile: nothing is changed. GET /policy tells what it is now."


class ModelFacts(ReadyModel):
    """A model that is in the service."""

    role: Literal["champion", "challenger"]
    cutoff: float
    refer_band: ReferBand
    costs: dict[str, float] = Field(description="What a wrong decision costs, by kind")
    features: int = Field(description="How many features it reads")
    lineage: dict[str, Any] = Field(description="Where it comes from: data, figures, parameters")


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
    models = current_service().models
    models.champion()
    facts = {model.role: _facts(model) for model in models.live()}
    return json_answer({"challenger": None, **facts})


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
    return _policy_answer(current_service().store.models.policy())


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
    openapi_extensions=operation(IF_MATCH, body=body_of(PolicyBody)),
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
    service.models.refresh_policy()
    return _policy_answer(changed)


def _facts(model: LiveModel) -> dict[str, Any]:
    scorer = model.scorer
    return {
        **facts_of(model),
        "role": model.role,
        "cutoff": scorer.cutoff,
        "refer_band": list(scorer.refer_band),
        "costs": asdict(scorer.costs),
        "features": len(scorer.features),
        "lineage": dict(scorer.lineage),
    }


def _policy_answer(policy: Policy) -> Response:
    response = json_answer(fields_of(PolicyAnswer, policy))
    response.set_etag(str(policy.number))
    return response
