"""From an applicant's rows to the decision and its reasons."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api import example
from api.applicant import Applicant
from scoring.business import Decision
from scoring.scorer import Reason as ScorerReason
from scoring.scorer import Scorer

_REASONS = 4


class Reason(BaseModel):
    """A feature that pushed the probability up."""

    feature: str = Field(description="The feature's name")
    value: float | str | None = Field(description="Its value for this applicant; null: unknown")
    contribution: float = Field(description="What it adds to the log-odds of a default")
    texts: dict[str, str] = Field(
        description="What it means in plain words, by language (en, fr); empty if nobody wrote it"
    )

    @classmethod
    def of(cls, reason: ScorerReason) -> Reason:
        """A scorer's reason as it is sent."""
        return cls.model_construct(
            feature=reason.feature,
            value=reason.value,
            contribution=reason.contribution,
            texts=dict(reason.texts),
        )


class Model(BaseModel):
    """The model that answered."""

    name: str
    version: str
    feature_set_version: str = Field(description="The version of the features' definitions")

    @classmethod
    def of(cls, scorer: Scorer) -> Model:
        """What identifies a scorer."""
        return cls.model_construct(
            name=scorer.name,
            version=scorer.version,
            feature_set_version=scorer.feature_set_version,
        )


class Answer(BaseModel):
    """The decision on an application."""

    model_config = ConfigDict(json_schema_extra={"example": example.ANSWER})

    applicant: int = Field(description="SK_ID_CURR of the application")
    probability_of_default: float = Field(ge=0, le=1, description="Calibrated, between 0 and 1")
    cutoff: float = Field(
        ge=0, le=1, description="The probability above which an application is refused"
    )
    refer_band: list[float] = Field(
        min_length=2,
        max_length=2,
        description="From which to which probability, both included, an officer decides; twice "
        "the cut-off where nothing is referred",
    )
    decision: Decision = Field(
        description="accept, refuse, or refer: too close to the cut-off, an officer decides"
    )
    reasons: list[Reason] = Field(
        max_length=_REASONS, description="What pushed the probability up most, strongest first"
    )
    model: Model


def decide(applicant: Applicant, scorer: Scorer) -> Answer:
    """Score one applicant."""
    features = scorer.features_of(applicant.frames())
    probabilities = scorer.predict(features)
    (decision,) = scorer.decide(probabilities)
    (reasons,) = scorer.reasons(features, top=_REASONS)
    return Answer.model_construct(
        applicant=applicant.id,
        probability_of_default=float(probabilities[0]),
        cutoff=float(scorer.cutoff),
        refer_band=list(scorer.refer_band),
        decision=decision,
        reasons=[Reason.of(reason) for reason in reasons],
        model=Model.of(scorer),
    )
