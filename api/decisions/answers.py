"""Recorded decisions as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from api.decisions import example
from api.http.access import sees_all
from api.models.routing import LiveModel
from api.service import current_service
from scoring.features.vectors import layout
from scoring.language import LANGUAGES
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.serving.reasons import REASONS
from scoring.store import Prediction

ReferBand = Annotated[
    list[float],
    Field(
        min_length=2,
        max_length=2,
        description="From which to which probability, both included, an officer decides; twice "
        "the cut-off where nothing is referred",
    ),
]


class Reason(BaseModel):
    """A cause that pushed the probability up.

    A decision of an earlier version names features: cause and usual are left out.
    """

    cause: str | None = Field(default=None, description="The cause's name")
    contribution: float = Field(
        description="What all features of the cause add to the log-odds of a default"
    )
    feature: str = Field(description="The feature of the cause that it is told by")
    value: float | str | None = Field(description="Its value for this applicant; null: unknown")
    usual: float | str | None = Field(
        default=None, description="Its usual value among accepted applicants; null: there is none"
    )
    texts: dict[str, str] = Field(description="The reason in a sentence, by language (en, fr)")


class ModelName(BaseModel):
    """What tells a model from all others."""

    name: str
    version: str
    feature_set_version: str = Field(description="Digest of the features' definitions")
    digest: str = Field(description="SHA-256 of the manifest of the model's files")


class ReadyModel(ModelName):
    """The model that answers by default."""

    demonstration: bool = Field(description="Whether it learnt from invented applicants")


class Model(ModelName):
    """The model that answered."""

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
        description="What the probability alone means; refer_reasons, or the record's "
        "exploration, say why it differs"
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
    counter_offer_to: str | None = Field(
        description="The decision in the place of whose loan this one was offered"
    )
    actor: str | None = Field(
        description="Who took the loan that was offered; null where this is no counter-offer"
    )
    reasons: list[Reason] = Field(
        max_length=REASONS, description="What pushed the probability up most, strongest first"
    )
    model: Model


def answer_of(prediction: Prediction, applicant: int | None = None) -> dict[str, Any]:
    """Make the answer of a recorded decision; the caller may have said the applicant's number."""
    key = prediction.applicant
    return {
        "id": prediction.id,
        "at": prediction.at.isoformat(),
        "applicant": (int(key) if key.isdigit() else key) if applicant is None else applicant,
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
        "counter_offer_to": prediction.counter_offer_to,
        "actor": prediction.actor,
        "reasons": _reasons_as_answered(prediction),
        "model": {
            "name": prediction.model_name,
            "version": prediction.model_version,
            "feature_set_version": prediction.feature_set_version,
            "digest": prediction.model_digest,
            "role": prediction.role,
            "why": prediction.why,
            "demonstration": current_service().archived.demonstrates(prediction.model_digest),
        },
    }


def reasons_of(prediction: Prediction) -> list[dict[str, Any]]:
    """Read recorded reasons, each with a sentence in every language.

    In a language that is newer than the record it is that of another one, or the feature's name.
    """
    reasons: list[dict[str, Any]] = orjson.loads(prediction.reasons)
    for reason in reasons:
        texts = reason["texts"]
        other = next(iter(texts.values()), reason.get("feature", ""))
        reason["texts"] = dict.fromkeys(LANGUAGES, other) | texts
    return reasons


def _reasons_as_answered(prediction: Prediction) -> orjson.Fragment | list[dict[str, Any]]:
    """Make the reasons of an answer: as they are recorded, if that is in every language."""
    # Quotation marks within a text are escaped: these are keys.
    counts = {prediction.reasons.count(f'"{key}":') for key in ("texts", *LANGUAGES)}
    return orjson.Fragment(prediction.reasons) if len(counts) == 1 else reasons_of(prediction)


def warnings_of(
    misunderstood: str | None, *, withheld: bool, by_number: bool = False
) -> orjson.Fragment:
    """Make the warnings of an answer from what was not understood, JSON as it is stored.

    Stored values are `withheld`; where the decision was `by_number` the application's are, too.
    """
    if misunderstood is None or not withheld:
        return orjson.Fragment(misunderstood or "[]")
    own = () if by_number else ("/application/",)
    hidden = {"value": "", "nearest": None, "detail": "a stored value that was not understood"}
    warnings = [
        warning if warning["pointer"].startswith(own) else {**warning, **hidden}
        for warning in orjson.loads(misunderstood)
    ]
    return orjson.Fragment(orjson.dumps(warnings))


def facts_of(model: LiveModel) -> dict[str, Any]:
    """Make the `ReadyModel` of a model in service."""
    return {
        "name": model.scorer.name,
        "version": model.scorer.version,
        "feature_set_version": layout().digest,
        "digest": model.digest,
        "demonstration": model.scorer.demonstration,
    }
