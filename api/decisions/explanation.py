"""GET /predictions/{id}/explanation: every contribution to one decision's probability."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import orjson
from pydantic import BaseModel, Field

from api.http.problems import ProblemError
from api.models.manager import Lineup
from scoring.features.vectors import Layouts, VectorError, from_bytes
from scoring.serving.scorer import Reason, Scored, Scorer, ScorerError
from scoring.store import ERASED, Prediction, Store

# Each keeps a few megabytes; explanations are mostly asked for decisions of late.
_MOST_MODELS = 3


class Contribution(BaseModel):
    """What one feature adds."""

    feature: str
    text: str = Field(description="What it means, in the language of the answer")
    value: float | str | None = Field(
        default=None,
        description="Its value for this applicant; null: unknown. Left out where it is made of "
        "stored rows and the key has no scope read",
    )
    contribution: float = Field(description="What it adds to the log-odds of a default")


class Explanation(BaseModel):
    """A probability taken apart: base + contributions = logit."""

    id: str
    language: str
    base: float = Field(description="The log-odds of an average applicant of the training data")
    logit: float = Field(description="The log-odds of the probability")
    probability_of_default: float
    contributions: list[Contribution] = Field(
        description="All that are not zero, the largest in size first"
    )


class Models:
    """Models by digest: those that are live, and those that the store keeps of earlier times."""

    def __init__(self, lineup: Lineup, store: Store) -> None:
        self._lineup = lineup
        self._store = store
        self.layouts = Layouts(store.layout)
        self._earlier: OrderedDict[str, Scorer] = OrderedDict()
        self._demonstrations: dict[str, bool | None] = {}
        self._lock = Lock()

    def demonstrates(self, digest: str) -> bool | None:
        """Whether a model learnt from sample applicants, None if nobody has it any more."""
        for live in self._lineup.live():
            if live.digest == digest:
                return live.scorer.demonstration
        if digest not in self._demonstrations:
            try:
                self._demonstrations[digest] = self.get(digest).demonstration
            except (ProblemError, ScorerError):
                self._demonstrations[digest] = None
        return self._demonstrations[digest]

    def get(self, digest: str) -> Scorer:
        """The model with a digest.

        Raises
        ------
        ProblemError
            410 if nobody has it any more.
        ScorerError
            If the kept one is not what was archived.
        """
        for live in self._lineup.live():
            if live.digest == digest:
                return live.scorer
        with self._lock:
            if digest not in self._earlier:
                self._earlier[digest] = self._unpacked(digest)
                if len(self._earlier) > _MOST_MODELS:
                    self._earlier.popitem(last=False)
            self._earlier.move_to_end(digest)
            return self._earlier[digest]

    def _unpacked(self, digest: str) -> Scorer:
        with tempfile.TemporaryDirectory() as folder:
            found = self._store.archived(digest, Path(folder) / "model")
            if found is None:
                raise ProblemError(410, "The model of this decision is not kept any more.")
            return Scorer.load(found)


def explain(
    prediction: Prediction, scorer: Scorer, layouts: Layouts, language: str
) -> dict[str, Any]:
    """Compute a recorded decision's contributions anew, from what was recorded.

    Raises
    ------
    ProblemError
        410 if it was erased, or a feature that the model reads is computed otherwise by now.
    """
    if prediction.applicant == ERASED:
        raise ProblemError(410, "What this decision was taken on has been erased.")
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
    """What one applicant's score is made of: base, logit, and contributions in words."""
    return {
        "base": scored.base,
        "logit": float(scored.base + scored.contributions[0].sum()),
        "contributions": [_told(step, language) for step in scorer.steps_of(scored)],
    }


def withhold_values(told: Mapping[str, Any]) -> None:
    """Leave out what the caller may not see: the values that stored rows gave."""
    for one in told["contributions"]:
        del one["value"]


def _told(step: Reason, language: str) -> dict[str, Any]:
    return {
        "feature": step.feature,
        "text": step.texts.get(language, step.feature),
        "value": step.value,
        "contribution": step.contribution,
    }


def dumps(document: Any) -> bytes:
    """A document as JSON."""
    return orjson.dumps(document)
