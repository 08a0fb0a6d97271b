"""What models make of applicants: probabilities, decisions and reasons."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from api.http import metrics
from api.models.manager import FAILURES
from api.models.routing import LiveModel, Route
from scoring.features.vectors import Vectors
from scoring.serving.costs import Decision
from scoring.serving.reasons import Scored, reasons_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Scores:
    """What a model makes of all whom it scored together."""

    model: LiveModel
    scored: Scored

    @cached_property
    def reasons(self) -> list[bytes]:
        """The reasons of each as JSON: of all at once, which takes little longer than of one."""
        return [reasons_json(reasons) for reasons in self.model.scorer.reasons_of(self.scored)]


@dataclass(frozen=True, slots=True)
class ModelScore:
    """What one model makes of one applicant, who stands in a row of all whom it scored together.

    The decision is what the PD alone means; `known` is the share of what the model leans on that
    is known of the applicant.
    """

    together: _Scores
    row: int
    pd: float
    decision: Decision
    known: float | None

    @property
    def model(self) -> LiveModel:
        """The model that scored."""
        return self.together.model

    @property
    def scored(self) -> Scored:
        """The applicant, scored."""
        return self.together.scored.alone(self.row)

    @property
    def reasons(self) -> bytes:
        """The reasons as they are answered and stored: JSON."""
        return self.together.reasons[self.row]


def score(model: LiveModel, vectors: Vectors) -> list[ModelScore]:
    """Score applicants, a row of features each, with a model.

    Raises ScorerError if a PD is no probability: nobody is accepted on it.
    """
    scored = model.scorer.score(vectors)
    decisions = model.scorer.decide(scored.pds)
    known = model.scorer.known(scored.values)
    together = _Scores(model, scored)
    return [
        ModelScore(together, row, float(scored.pds[row]), decision, known[row])
        for row, decision in enumerate(decisions)
    ]


def score_by_routes(
    vectors: Sequence[Vectors], routes: Sequence[Route]
) -> list[dict[str, ModelScore]]:
    """Score each applicant with the models of their route, each model once for all its applicants.

    Returns each applicant's scores by the model's digest. A shadow model that fails has none, so
    that it never keeps an answer back; what a model that answers breaks is raised.
    """
    places: dict[str, list[int]] = defaultdict(list)
    models: dict[str, LiveModel] = {}
    for place, route in enumerate(routes):
        for model in (route.model, *route.shadows):
            models[model.digest] = model
            places[model.digest].append(place)
    answering = {route.model.digest for route in routes}
    scores: list[dict[str, ModelScore]] = [{} for _ in routes]
    for digest, model in models.items():
        try:
            own = score(model, np.stack([vectors[place] for place in places[digest]]))
        except FAILURES as error:
            if digest in answering:
                raise
            metrics.SHADOW_FAILURES.inc()
            logger.warning("shadow model %s failed: %r", model.scorer.version, error)
            continue
        for place, model_score in zip(places[digest], own, strict=True):
            scores[place][digest] = model_score
    return scores
