"""GET /model/features: what the champion looks at, and how those it learnt from are distributed."""

from __future__ import annotations

from typing import Any, Literal

from flask import Response
from pydantic import BaseModel, Field

from api.decisions.answers import ReadyModel, facts_of
from api.http.access import scope
from api.http.answers import asked_language, fields_of, json_answer
from api.http.openapi import LANGUAGE, NOT_READY, operation, problem, resource
from api.http.problems import ProblemError
from api.service import current_service
from scoring.data.values import nearest_name
from scoring.features.wording import describe
from scoring.language import text
from scoring.serving.profiles import PD, Column
from scoring.serving.scorer import Feature, Scorer

blueprint = resource("model_features", "administration", "Models and how they are used")

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
    operation_id="model_features",
    summary="What the champion looks at",
    responses={200: Features, 503: NOT_READY},
    openapi_extensions=operation(LANGUAGE),
)
@scope("score")
def features() -> Response:
    """Every feature in words, with its importance; in French or English."""
    champion, language = current_service().models.champion(), asked_language()
    facts = [_facts(champion.scorer, feature, language) for feature in champion.scorer.features]
    facts.sort(key=lambda feature: -(feature["importance"] or 0.0))
    return json_answer({"model": facts_of(champion), "features": facts}, language=language)


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
    openapi_extensions=operation(LANGUAGE),
)
@scope("score")
def feature(path: FeaturePath) -> Response:
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
    facts = _facts(scorer, by_name[path.feature], language)
    column = scorer.profile.columns[path.feature]
    counts = fields_of(Counts, column)
    return json_answer({**facts, **counts, **_defaults(column)}, language=language)


def _facts(scorer: Scorer, feature: Feature, language: str) -> dict[str, Any]:
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
