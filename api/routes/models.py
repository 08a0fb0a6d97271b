"""GET /model, what it looks at, and the policy by which models answer."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import BaseModel, Field

from api.decisions.answers import ReadyModel, ReferBand, facts_of
from api.http import openapi
from api.http.access import scope
from api.http.bodies import (
    Body,
    Motive,
    Text,
    asked_language,
    fields_of,
    json_answer,
    read_model,
    seen_numbers,
    wrong_fields,
)
from api.http.problems import FieldError, ProblemError
from api.models.routing import LiveModel
from api.service import current_service
from scoring.data.values import nearest_name
from scoring.features.wording import describe
from scoring.language import text
from scoring.serving.exploration import State, state
from scoring.serving.profiles import PD, Column
from scoring.serving.scorer import Feature, Scorer
from scoring.store import Policy, StoreChangedError, Strategy

blueprint = openapi.resource("administration", "administration", "Models and how they are used")

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


_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Budget = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class PolicyAnswer(BaseModel):
    """How models are used."""

    strategy: Strategy = Field(
        description="champion: it alone; shadow: the challenger is scored and recorded, never "
        "answered; split: it answers a share of the applicants; bandit: whoever costs less, the "
        "champion while nothing tells what refusals cost"
    )
    challenger_share: _Share = Field(description="Of a split, and of first trials")
    refer_all: bool = Field(description="Whether every application goes to an officer")
    explore_share: _Share = Field(
        description="Of those refused with a probability up to the bound, the share accepted at "
        "random; 0: nobody is"
    )
    explore_bound: _Share = Field(
        description="The probability above which no refused applicant is accepted so"
    )
    explore_budget: _Budget = Field(
        description="The expected loss of a month (UTC) beyond which nobody else is accepted so: "
        "the sum of probability x false_negative, in units of one refused good applicant"
    )


class PolicyState(PolicyAnswer):
    """How models are used, and what becomes of exploration: null without a model in service."""

    exploration: State | None = Field(
        description="off: the share is 0; suspended: by refer_all; ineffective: no model that "
        "answers refuses anybody up to the bound; spent: the dearest acceptance might exceed the "
        "month's budget; on: some of the refused are accepted"
    )
    explore_floor: float | None = Field(
        description="The highest probability up to which a model that answers does not refuse: "
        "the bound has to lie above it"
    )
    explore_spent: float | None = Field(
        description="What those accepted at random in this month may be expected to lose, in units "
        "of the budget"
    )
    default_cost: float | None = Field(description="What a default costs, in these units")


class PolicyBody(Body):
    """A change of how models are used; what is left out stays."""

    strategy: Strategy | None = None
    challenger_share: _Share | None = None
    refer_all: bool | None = None
    explore_share: _Share | None = None
    explore_bound: _Share | None = None
    explore_budget: _Budget | None = None
    actor: Text = Field(description="Who changes it")
    motive: Motive = Field(description="Why; it is kept")


@blueprint.get(
    "/model",
    summary="The models in the service",
    responses={200: Models, 503: openapi.NOT_READY},
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
    summary="How models are used",
    responses={200: PolicyState, 503: openapi.STORE_AWAY},
)
@scope("admin", "score")
def policy() -> Response:
    """The policy as the store has it; every process follows it within some seconds.

    Its ETag, sent back as If-Match, lets a change be made to this policy only.
    """
    return _policy_answer(current_service().store.models.policy())


@blueprint.put(
    "/policy",
    summary="Change how models are used",
    responses={
        200: PolicyState,
        412: openapi.problem(
            412,
            "The policy is not the one of If-Match, or was changed beside exploration",
            _STALE,
        ),
        **openapi.BAD_BODY,
        503: openapi.STORE_AWAY,
    },
    openapi_extensions=openapi.operation(openapi.IF_MATCH, body=openapi.body_of(PolicyBody)),
)
@scope("admin")
def set_policy() -> Response:
    """Change the strategy or the share, refer everything, or explore; who and why is kept.

    What is left out stays as it is, whoever changes it at the same time: without If-Match,
    refer_all alone can be set at any time. Exploration by which nobody could ever be accepted is
    refused.
    """
    body = read_model(PolicyBody)
    service, expected = current_service(), seen_numbers()
    changes = body.model_dump(exclude_none=True, exclude={"actor", "motive"})
    explores = any(name.startswith("explore_") for name in changes)
    if explores and changes.get("explore_share") != 0:
        before = service.store.models.policy()
        _check_explored(replace(before, **changes))
        # No other policy than the one that was looked at is changed so.
        expected = frozenset({before.number}) if expected is None else expected
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
    response = json_answer({**fields_of(PolicyAnswer, policy), **_explored(policy)})
    response.set_etag(str(policy.number))
    return response


def _answering(policy: Policy) -> list[Scorer]:
    """The models that answer under a policy, the champion first; none while none is in service."""
    several = policy.strategy in ("split", "bandit")
    return [model.scorer for model in current_service().models.live()[: None if several else 1]]


def _explored(policy: Policy) -> dict[str, Any]:
    """Tell what becomes of exploration under a policy, by the models that then answer."""
    scorers = _answering(policy)
    if not scorers:
        return dict.fromkeys(PolicyState.model_fields.keys() - PolicyAnswer.model_fields.keys())
    floors, costs = [scorer.refer_band[1] for scorer in scorers], scorers[0].costs
    spent = current_service().store.decisions.spent(datetime.now(UTC))
    return {
        "exploration": state(policy, min(floors), spent, costs),
        "explore_floor": max(floors),
        "explore_spent": spent * costs.loss,
        "default_cost": costs.loss,
    }


def _check_explored(policy: Policy) -> None:
    """Refuse exploration by which nobody could ever be drawn; raises ProblemError 422."""
    scorers, errors = _answering(policy), []
    if not policy.explore_share or not scorers:
        return
    floor = max(scorer.refer_band[1] for scorer in scorers)
    least = policy.explore_bound * scorers[0].costs.loss
    if policy.explore_bound <= floor:
        wrong = f"must be above {floor:g}, up to which nobody is refused; explore_share 0 ends it"
        errors.append(FieldError("/explore_bound", wrong))
    if policy.explore_budget <= least:
        wrong = f"must be above {least:g}, what one acceptance at explore_bound may lose"
        errors.append(FieldError("/explore_budget", wrong))
    if errors:
        raise wrong_fields(errors)


# How many of so few defaulted would tell what became of one of them.
_LEAST_TOLD = 10

Kind = Literal["number", "category"]


class FeatureFacts(BaseModel):
    """A feature of the champion."""

    feature: str
    text: str = Field(description="What it means, in the language of the answer")
    kind: Kind
    importance: float | None = Field(
        description="Its part of all mean absolute contributions; null: not known"
    )


class Features(BaseModel):
    """All that the champion looks at."""

    model: ReadyModel
    features: list[FeatureFacts] = Field(description="The most important first")


class Counts(BaseModel):
    """How many applicants have which values."""

    edges: list[float] = Field(
        description="Of a number: bin i is above edges[i - 1] and up to edges[i]"
    )
    levels: list[str] = Field(description="Of a category: bin i is levels[i]")
    counts: list[int] = Field(description="Applicants in each bin: one bin more than edges")
    missing: int = Field(description="Applicants without a value")
    low: float | None = Field(description="The smallest number")
    high: float | None = Field(description="The largest number")
    applicants: int


class Distribution(Counts, FeatureFacts):
    """How the applicants that the champion learnt from are distributed, in counts."""

    defaults: list[int | None] | None = Field(
        description=f"How many of them defaulted; null in bins of fewer than {_LEAST_TOLD}, and "
        "where the model does not know"
    )
    missing_defaults: int | None


class FeaturePath(BaseModel):
    """Which feature."""

    feature: str = Field(description="Its name, as explanations have it")


@blueprint.get(
    "/model/features",
    summary="What the champion looks at",
    responses={200: Features, 503: openapi.NOT_READY},
    openapi_extensions=openapi.operation(openapi.LANGUAGE),
)
@scope("score")
def model_features() -> Response:
    """Every feature in words, with its importance; in French or English."""
    champion, language = current_service().models.champion(), asked_language()
    facts = [
        _feature_facts(champion.scorer, feature, language) for feature in champion.scorer.features
    ]
    facts.sort(key=lambda feature: -(feature["importance"] or 0.0))
    return json_answer({"model": facts_of(champion), "features": facts}, language=language)


@blueprint.get(
    "/model/features/<string:feature>",
    summary="How applicants are distributed in a feature",
    responses={
        200: Distribution,
        404: openapi.problem(
            404,
            "The champion has no such feature, or keeps no distributions",
            "The model has no feature 'AMT_CREDT'; did you mean AMT_CREDIT?",
        ),
        503: openapi.NOT_READY,
    },
    openapi_extensions=openapi.operation(openapi.LANGUAGE),
)
@scope("score")
def model_feature(path: FeaturePath) -> Response:
    """The applicants that the champion learnt from, by bins, with their defaults.

    `probability_of_default` is theirs by models that had not seen them: who is like an applicant
    in the eyes of the model.
    """
    scorer, language = current_service().models.champion().scorer, asked_language()
    by_name = {feature.name: feature for feature in (*scorer.features, Feature(PD))}
    if path.feature not in by_name:
        nearest = nearest_name(path.feature, tuple(by_name))
        mend = f"; did you mean {nearest}?" if nearest else "."
        raise ProblemError(404, f"The model has no feature {path.feature[:80]!r}{mend}")
    if scorer.profile is None:
        raise ProblemError(404, "This model keeps no distributions: train it anew.")
    facts = _feature_facts(scorer, by_name[path.feature], language)
    column = scorer.profile.columns[path.feature]
    counts = fields_of(Counts, column)
    return json_answer({**facts, **counts, **_defaults(column)}, language=language)


def _feature_facts(scorer: Scorer, feature: Feature, language: str) -> dict[str, Any]:
    importance = scorer.profile.importance if scorer.profile else {}
    return {
        "feature": feature.name,
        "text": text(language, "units.pd")
        if feature.name == PD
        else describe(feature.name, language),
        "kind": "category" if feature.levels else "number",
        "importance": importance.get(feature.name),
    }


def _defaults(column: Column) -> dict[str, Any]:
    if not column.defaults:
        return {"defaults": None, "missing_defaults": None}
    enough = [
        defaults if count >= _LEAST_TOLD else None
        for count, defaults in zip(column.counts, column.defaults, strict=True)
    ]
    of_missing = column.missing_defaults if column.missing >= _LEAST_TOLD else None
    return {"defaults": enough, "missing_defaults": of_missing}
