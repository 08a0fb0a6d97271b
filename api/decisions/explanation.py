"""What adds to a probability and what takes from it, by cause, in the words of a language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from api.http.problems import ProblemError
from scoring.features.vectors import Layouts, VectorError, from_bytes
from scoring.features.wording import describe, value_text
from scoring.features.wording.reasons import cause_text
from scoring.serving.scorer import Scored, Scorer
from scoring.store import Prediction


class Contribution(BaseModel):
    """What one feature adds."""

    feature: str
    text: str = Field(description="What it means, in the language of the answer")
    value: float | str | None = Field(
        default=None,
        description="Its value for this applicant; null: unknown. Left out where it is made of "
        "stored rows and the key has no scope read",
    )
    value_text: str | None = Field(
        default=None, description="The same in words and units; left out where the value is"
    )
    contribution: float = Field(description="What it adds to the log-odds of a default")


class CauseContribution(BaseModel):
    """What one cause adds, and what each of its features does."""

    cause: str
    text: str = Field(description="Its name in the language of the answer")
    contribution: float = Field(description="The sum of its features' contributions")
    features: list[Contribution] = Field(
        description="Those that are not zero, the largest in size first"
    )


def explain(
    prediction: Prediction, scorer: Scorer, layouts: Layouts, language: str
) -> dict[str, Any]:
    """Compute a recorded decision's contributions anew, from what was recorded.

    Raises
    ------
    ProblemError
        410 if a feature that the model reads is computed otherwise by now.
    """
    try:
        made = layouts.of(prediction.feature_set_version)
    except VectorError as error:
        raise ProblemError(410, f"The decision cannot be explained any more: {error}.") from error
    if lacking := scorer.reads(made.lacking):
        raise ProblemError(
            410,
            f"The decision was taken on a feature that this service computes otherwise: {lacking}.",
        )
    scored = scorer.score(from_bytes(prediction.features, made)[np.newaxis])
    return {
        "id": prediction.id,
        "language": language,
        "probability_of_default": prediction.pd,
        **contributions_of(scorer, scored, language),
    }


def contributions_of(scorer: Scorer, scored: Scored, language: str) -> dict[str, Any]:
    """Take one applicant's score apart: base, logit, and causes in words."""
    return {
        "base": scored.base,
        "logit": float(scored.base + scored.contributions[0].sum()),
        "causes": [
            {
                "cause": own.cause,
                "text": cause_text(own.cause, language, [step.feature for step in own.steps]),
                "contribution": own.contribution,
                "features": [
                    step._asdict()
                    | {
                        "text": describe(step.feature, language),
                        "value_text": value_text(step.feature, step.value, language),
                    }
                    for step in own.steps
                ],
            }
            for own in scorer.causes.steps(scored)
        ],
    }


def withhold_values(explained: Mapping[str, Any]) -> None:
    """Leave out what the caller may not see: the values that stored rows gave."""
    for cause in explained["causes"]:
        for contribution in cause["features"]:
            del contribution["value"], contribution["value_text"]
