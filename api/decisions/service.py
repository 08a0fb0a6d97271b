"""The way of a request: a row of stages, each of which takes what the one before gives.

    read            reader.py      the body of a request    -> a DecisionRequest
    features        features.py    a DecisionRequest        -> Featured
    models chosen   ../models      the applicant's number   -> a Route: who answers, who is tried
    scored          scoring.py     Featured, their Route    -> a ModelScore of each model
    decided         caution.settle a ModelScore             -> accept, refer or refuse, and why
    recorded        recording.py   all of these             -> a Prediction, in the store, once
                                                               `explored` has looked at refusals
    answered        answers.py     a recorded Prediction    -> JSON

Single requests and batches go all of it, a what-if all but the recording. Requests that wait at
the same time are worked on together. Nothing leaves before it is recorded: an answer that a client
has is in the store.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from api.decisions.batcher import Batcher
from api.decisions.counter_offers import checked, unless_taken
from api.decisions.features import Featured, add_features, add_histories, compute_features
from api.decisions.recording import record_of
from api.decisions.requests import Applicant, DecisionRequest
from api.decisions.scoring import ModelScore, score, score_by_routes
from api.http import metrics
from api.http.problems import ProblemError, unavailable
from api.models.manager import ModelManager
from api.models.routing import LiveModel
from api.settings import Settings
from scoring.data.requests import Rows
from scoring.features.vectors import Vectors
from scoring.serving.caution import ReferReason, settle
from scoring.serving.costs import Decision
from scoring.serving.exploration import explored, room
from scoring.serving.offers import Offered, Settled, find_offers
from scoring.store import Prediction, Store, StoreUnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Result = TypeVar("Result")

# Polars costs tens of milliseconds for one applicant and about one more for each other.
_MOST_FEATURES = 16
_MOST_DECISIONS = 64


class Supposition(NamedTuple):
    """What would be decided on an applicant."""

    applicant: Applicant
    score: ModelScore
    decision: Decision
    refer_reasons: tuple[ReferReason, ...]


class DecisionService:
    """Decides on applicants with the models in service, and records it in a store."""

    def __init__(self, models: ModelManager, store: Store, settings: Settings) -> None:
        self._models = models
        self._store = store
        self._settings = settings
        self._compute_features = Batcher[Rows, Vectors](compute_features, _MOST_FEATURES)
        self._decide_together = Batcher[
            tuple[DecisionRequest, Vectors | None], Prediction | ProblemError
        ](self._decide_batch, _MOST_DECISIONS)

    def decide(
        self, requests: Sequence[DecisionRequest | ProblemError]
    ) -> list[Prediction | ProblemError]:
        """Decide on applicants, and record the decisions.

        Problems, as of applicants that could not be read, stay in their places. Where a caller's
        idempotency key was used before, its result is the prediction of that time.

        Raises ProblemError 503 if there is no model, StoreUnavailableError if there is no store to
        ask for a history.
        """
        # Without a model there is nothing to compute features for.
        self._models.champion()
        completed = _but_problems(requests, lambda sound: add_histories(sound, self._store))
        fitting = _but_problems(
            completed,
            lambda sound: [checked(one, self._store, self._offered_to) for one in sound],
        )
        return _but_problems(fitting, self._decide)

    def suppose(self, request: DecisionRequest) -> Supposition:
        """Tell what the champion would decide on an applicant with rows; nothing is recorded.

        Raises as `decide` does, and ProblemError 409 if the stored history is damaged.
        """
        champion = self._models.champion()
        applicant = self._completed(request)
        (model_score,) = score(champion, np.stack(compute_features([applicant.rows])))
        settled = self._settle(applicant, model_score.decision, model_score.known)
        return Supposition(applicant, model_score, *settled)

    def offer(self, request: DecisionRequest) -> tuple[Applicant, LiveModel, Offered]:
        """Look for loans that `decide` would accept now in the place of the one asked for.

        Raises
        ------
        ProblemError, StoreUnavailableError
            As `suppose` does, and 404 if the number is not known.
        """
        model = self._models.route(request.applicant.id).model
        applicant = self._completed(request)
        return applicant, model, self._offered(applicant, model)

    def _offered_to(self, applicant: Applicant) -> list[Offered]:
        """Look for what may be offered now; under a bandit any model in service may be drawn."""
        bandit = self._models.policy.strategy == "bandit"
        drawn = (self._models.route(applicant.id).model,)
        models = self._models.live() if bandit else drawn
        return [self._offered(applicant, model) for model in models]

    def _offered(self, applicant: Applicant, model: LiveModel) -> Offered:
        settled = partial(self._settle, applicant, refer_all=self._models.policy.refer_all)
        return find_offers(model.scorer, applicant.rows, self._settings.offers, settled)

    def _completed(self, request: DecisionRequest) -> Applicant:
        (completed,) = add_histories([request], self._store)
        if isinstance(completed, ProblemError):
            raise completed
        return completed.applicant

    def _decide(self, requests: list[DecisionRequest]) -> list[Prediction | ProblemError]:
        rows = [request.applicant.rows for request in requests if not request.applicant.by_number]
        vectors = iter(self._compute_features(rows))
        return self._decide_together(
            [(request, None if request.applicant.by_number else next(vectors))
             for request in requests]
        )  # fmt: skip

    def _decide_batch(
        self, requests: list[tuple[DecisionRequest, Vectors | None]]
    ) -> list[Prediction | ProblemError]:
        try:
            return _but_problems(add_features(requests, self._store), self._score_and_record)
        except StoreUnavailableError as error:
            metrics.STORE_ERRORS.inc()
            logger.warning("the store cannot be used: %s", error)
            return [unavailable() for _ in requests]

    def _score_and_record(self, featured: list[Featured]) -> list[Prediction | ProblemError]:
        routes = [self._models.route(item.request.applicant.id) for item in featured]
        scores = score_by_routes([item.vector for item in featured], routes)
        policy = self._models.policy
        answering = (own[route.model.digest] for route, own in zip(routes, scores, strict=True))
        settled = [
            self._settle(
                item.request.applicant, own.decision, own.known, refer_all=policy.refer_all
            )
            for item, own in zip(featured, answering, strict=True)
        ]
        terms = self._settings.terms
        records = [
            explored(record_of(*item, terms, self._store), policy, self._settings.least_known)
            for item in zip(featured, routes, scores, settled, strict=True)
        ]
        within = room(policy, self._models.champion().scorer.costs)
        recorded = self._store.decisions.record(records, within)
        new = [kept for kept, own in zip(recorded, records, strict=True) if kept.id == own.id]
        metrics.observe_predictions([(p.role, p.model_version, p.pd, p.decision) for p in new])
        return list(map(unless_taken, records, recorded))

    def _settle(
        self,
        applicant: Applicant,
        decision: Decision,
        known: float | None,
        *,
        refer_all: bool = False,
    ) -> Settled:
        return settle(
            decision,
            known,
            understood=applicant.misunderstood is None,
            least_known=self._settings.least_known,
            refer_all=refer_all,
        )


def _but_problems(
    items: Sequence[T | ProblemError], work: Callable[[list[T]], Sequence[Result | ProblemError]]
) -> list[Result | ProblemError]:
    """Work on the items that are no problems; problems stay in their places."""
    sound = [item for item in items if not isinstance(item, ProblemError)]
    results = iter(work(sound) if sound else ())
    return [item if isinstance(item, ProblemError) else next(results) for item in items]
