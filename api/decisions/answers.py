"""What the service answers about a decision."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from api.decisions import example
from api.http.access import sees_all
from api.service import current_service
from scoring.features.vectors import layout
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.serving.reasons import REASONS
from scoring.serving.scorer import Scorer
from scoring.store import Outcome, Override, Prediction

ReferBand = Annotated[
    list[float],
    Field(
        min_length=2,
        max_length=2,
        description="From which to which probability, both included, an officer decides; twice "
        "the cut-off where nothing is referred",
    ),
]

# Each has a motive of up to 2,000 characters; there were more before they were bounded.
MOST_OVERRIDES = 20


class Reason(BaseModel):
    """A feature that pushed the probability up."""

    feature: str = Field(description="The feature's name")
    value: float | str | None = Field(description="Its value for this applicant; null: unknown")
    contribution: float = Field(description="What it adds to the log-odds of a default")
    texts: dict[str, str] = Field(
        description="What it means in plain words, by language (en, fr); empty if nobody wrote it"
    )


class Model(BaseModel):
    """The model that answered."""

    name: str
    version: str
    feature_set_version: str = Field(description="Digest of the features' definitions")
    digest: str = Field(description="SHA-256 of the manifest of the model's files")
    role: Literal["champion", "challenger"] = Field(description="What it was when it answered")
    why: str = Field(description="Why this model answered")
    demonstration: bool | None = Field(
        description="Whether it learnt from invented applicants: it decides on nobody real; null "
        "where the model is not kept any more"
    )


class Warned(BaseModel):
    """A value that was not understood, and taken for missing."""

    pointer: str = Field(description="Where it is in the applicant's rows (JSON pointer)")
    value: str = Field(
        description="What was given, cut to 40 characters; empty where it is "
        "stored and the key has no scope read"
    )
    nearest: str | None = Field(description="The known value most like it")
    detail: str = Field(description="What the column wants")


class Answer(BaseModel):
    """The decision on an application."""

    model_config = ConfigDict(json_schema_extra={"example": example.ANSWER})

    id: str = Field(description="Of this decision, which is recorded under it")
    at: datetime = Field(description="When it was taken (UTC)")
    applicant: int | str = Field(
        description="SK_ID_CURR of the application; a pseudonym where numbers are not kept"
    )
    probability_of_default: float = Field(ge=0, le=1, description="Calibrated, between 0 and 1")
    cutoff: float = Field(
        ge=0, le=1, description="The probability above which an application is refused"
    )
    refer_band: ReferBand
    decision: Decision = Field(description="accept, refuse, or refer: an officer decides")
    model_decision: Decision = Field(
        description="What the probability alone means; refer_reasons say why it differs"
    )
    refer_reasons: list[ReferReason] = Field(
        description="Why an officer decides: band: the probability is too close to the cut-off; "
        "not_understood: see warnings; little_known: too little of what the model leans on is "
        "known; refer_all: everything is referred at the moment",
    )
    warnings: list[Warned] = Field(description="What was not understood, and taken for missing")
    known: float | None = Field(
        ge=0,
        le=1,
        description="The share of what the model leans on that was known; null where it is not "
        "on record",
    )
    history: Literal["sent", "stored", "none"] | None = Field(
        description="Whose credit history was used: sent with the request, or stored with the "
        "applicant; null where it is not on record",
    )  # fmt: skip
    reasons: list[Reason] = Field(
        max_length=REASONS, description="What pushed the probability up most, strongest first"
    )
    model: Model


class OverrideAnswer(BaseModel):
    """An officer's own decision."""

    decision: Literal["accept", "refuse"]
    actor: str
    motive: str
    at: datetime


class OutcomeAnswer(BaseModel):
    """What happened later."""

    defaulted: bool
    observed_at: datetime


class Record(Answer):
    """A decision with what came after it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **example.ANSWER,
                "final_decision": "accept",
                "overrides": [
                    {
                        "decision": "accept",
                        "actor": "C. Martin",
                        "motive": "The employer confirmed a permanent contract.",
                        "at": "2026-11-23T10:02:51.000120+00:00",
                    }
                ],
                "outcome": None,
            }
        }
    )

    final_decision: Decision = Field(description="That of the last override, else the decision")
    overrides: list[OverrideAnswer] = Field(
        max_length=MOST_OVERRIDES, description="The last ones, the oldest of them first"
    )
    outcome: OutcomeAnswer | None


def answer_of(prediction: Prediction, applicant: int | None = None) -> dict[str, Any]:
    """A recorded decision as it is answered.

    Parameters
    ----------
    prediction : Prediction
        As the store has it.
    applicant : int, optional
        SK_ID_CURR, where the caller has just said it.
    """
    return {
        "id": prediction.id,
        "at": prediction.at.isoformat(),
        "applicant": _applicant(prediction) if applicant is None else applicant,
        "probability_of_default": prediction.pd,
        "cutoff": prediction.cutoff,
        "refer_band": [prediction.refer_low, prediction.refer_high],
        "decision": prediction.decision,
        "model_decision": prediction.model_decision,
        "refer_reasons": (prediction.refer_reasons or "").split(),
        "warnings": warnings_of(
            prediction.misunderstood,
            withheld=prediction.history == "stored" and not sees_all(),
            by_number=prediction.source == "id",
        ),
        "known": prediction.known,
        "history": prediction.history,
        "reasons": orjson.Fragment(prediction.reasons),
        "model": {
            "name": prediction.model_name,
            "version": prediction.model_version,
            "feature_set_version": prediction.feature_set_version,
            "digest": prediction.model_digest,
            "role": prediction.role,
            "why": prediction.why,
            "demonstration": current_service().models.demonstrates(prediction.model_digest),
        },
    }


def warnings_of(told: str | None, *, withheld: bool, by_number: bool = False) -> orjson.Fragment:
    """What was not understood, as it is answered.

    Parameters
    ----------
    told : str or None
        JSON, as it is kept.
    withheld : bool
        Whether stored values are left out.
    by_number : bool
        Whether the application is stored too, and not the caller's own.
    """
    if told is None or not withheld:
        return orjson.Fragment(told or "[]")
    own = () if by_number else ("/application/",)
    hidden = {"value": "", "nearest": None, "detail": "a stored value that was not understood"}
    shown = [
        one if one["pointer"].startswith(own) else {**one, **hidden} for one in orjson.loads(told)
    ]
    return orjson.Fragment(orjson.dumps(shown))


def _applicant(prediction: Prediction) -> int | str:
    key = prediction.applicant
    return int(key) if key.isdigit() else key


def record_of(
    prediction: Prediction, overrides: list[Override], outcome: Outcome | None
) -> dict[str, Any]:
    """A recorded decision with what came after it."""
    return {
        **answer_of(prediction),
        "final_decision": overrides[-1].decision if overrides else prediction.decision,
        "overrides": [
            {
                "decision": override.decision,
                "actor": override.actor,
                "motive": override.motive,
                "at": override.at.isoformat(),
            }
            for override in overrides[-MOST_OVERRIDES:]
        ],
        "outcome": outcome
        and {"defaulted": outcome.defaulted, "observed_at": outcome.observed_at.isoformat()},
    }


class ModelFacts(BaseModel):
    """A model that is in the service."""

    name: str
    version: str
    feature_set_version: str
    digest: str
    role: Literal["champion", "challenger"]
    cutoff: float
    refer_band: ReferBand
    costs: dict[str, float] = Field(description="What a wrong decision costs, by kind")
    features: int = Field(description="How many features it reads")
    demonstration: bool = Field(description="Whether it learnt from invented applicants")
    lineage: dict[str, Any] = Field(description="Where it comes from: data, figures, parameters")


def facts_of(scorer: Scorer, digest: str, role: str) -> dict[str, Any]:
    """What is told about a model."""
    return {
        "name": scorer.name,
        "version": scorer.version,
        "feature_set_version": layout().digest,
        "digest": digest,
        "role": role,
        "cutoff": scorer.cutoff,
        "refer_band": list(scorer.refer_band),
        "costs": {
            "false_negative": scorer.costs.false_negative,
            "false_positive": scorer.costs.false_positive,
        },
        "features": len(scorer.features),
        "demonstration": scorer.demonstration,
        "lineage": dict(scorer.lineage),
    }
