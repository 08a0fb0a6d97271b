"""GET /model/features: what the champion looks at, and how those it learnt from are distributed."""

from __future__ import annotations

import math
from typing import Any, Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.decisions.column_checks import nearest_name
from api.http.access import scope
from api.http.languages import asked_language, spoken
from api.http.openapi import KEY, NOT_READY, problem
from api.http.problems import ProblemError
from api.routes.status import ReadyModel
from api.service import current_service
from scoring.serving.profiles import Column, Profile
from scoring.serving.scorer import Feature, Scorer

blueprint = APIBlueprint(
    "model_features",
    __name__,
    abp_tags=[Tag(name="administration", description="Models and how they are used")],
    abp_security=KEY,
)

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


class Distribution(FeatureFacts):
    """How the applicants that the champion learnt from are distributed, in counts."""

    edges: list[float] = Field(
        description="Of a number: bin i is above edges[i - 1] and up to edges[i]"
    )
    levels: list[str] = Field(description="Of a category: bin i is levels[i]")
    counts: list[int] = Field(description="Applicants in each bin: one bin more than edges")
    defaults: list[int | None] | None = Field(
        description=f"How many of them defaulted; null in bins of fewer than {_LEAST_TOLD}, and "
        "where the model does not know"
    )
    missing: int = Field(description="Applicants without a value")
    missing_defaults: int | None
    low: float | None = Field(description="The smallest number")
    high: float | None = Field(description="The largest number")
    applicants: int


class FeaturePath(BaseModel):
    """Which feature."""

    feature: str = Field(description="Its name, as reasons and contributions have it")


@blueprint.get(
    "/model/features",
    operation_id="model_features",
    summary="What the champion looks at",
    responses={200: Features, 503: NOT_READY},
)
@scope("score")
def features() -> Response:
    """Every feature in words, with its importance; in French or English."""
    live, language = current_service().lineup.champion(), asked_language()
    scorer = live.scorer
    told = [_facts(scorer, feature, language) for feature in scorer.features]
    told.sort(key=lambda one: -(one["importance"] or 0.0))
    return spoken({"model": ReadyModel.of(live).model_dump(), "features": told}, language)


@blueprint.get(
    "/model/features/<string:feature>",
    operation_id="model_feature",
    summary="How applicants are distributed in a feature",
    responses={
        200: Distribution,
        404: problem(
            404,
            "The champion has no such feature, or keeps no distributions",
            "The model has no feature 'AMT_CREDT'; did you mean AMT_CREDIT?",
        ),
        503: NOT_READY,
    },
)
@scope("score")
def feature(path: FeaturePath) -> Response:
    """The applicants that the champion learnt from, by bins, with their defaults."""
    scorer, language = current_service().lineup.champion().scorer, asked_language()
    found = next((one for one in scorer.features if one.name == path.feature), None)
    if found is None:
        nearest = nearest_name(path.feature, tuple(one.name for one in scorer.features))
        mend = f"; did you mean {nearest}?" if nearest else "."
        raise ProblemError(404, f"The model has no feature {path.feature[:80]!r}{mend}")
    if scorer.profile is None:
        raise ProblemError(404, "This model keeps no distributions: train it anew.")
    told = _facts(scorer, found, language) | _distribution(scorer.profile, found.name)
    return spoken(told, language)


def _facts(scorer: Scorer, feature: Feature, language: str) -> dict[str, Any]:
    importance = scorer.profile.importance if scorer.profile else {}
    return {
        "feature": feature.name,
        "text": scorer.texts.get(feature.name, {}).get(language, feature.name),
        "kind": "category" if feature.levels else "number",
        "importance": importance.get(feature.name),
    }


def _distribution(profile: Profile, name: str) -> dict[str, Any]:
    column = profile.columns[name]
    return {
        "edges": list(column.edges),
        "levels": list(column.levels),
        "counts": list(column.counts),
        "missing": column.missing,
        **_defaults(column),
        "low": None if math.isnan(column.low) else column.low,
        "high": None if math.isnan(column.high) else column.high,
        "applicants": column.applicants,
    }


def _defaults(column: Column) -> dict[str, Any]:
    if not column.defaults:
        return {"defaults": None, "missing_defaults": None}
    told = [
        defaults if count >= _LEAST_TOLD else None
        for count, defaults in zip(column.counts, column.defaults, strict=True)
    ]
    of_missing = column.missing_defaults if column.missing >= _LEAST_TOLD else None
    return {"defaults": told, "missing_defaults": of_missing}
