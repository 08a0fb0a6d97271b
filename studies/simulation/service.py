"""The API's decisions in simulated time, with a database and models of their own."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.decisions.requests import Applicant, Caller, DecisionRequest
from api.decisions.service import DecisionService
from api.models.manager import ModelManager
from api.models.sources import Alias, FolderSource
from api.settings import Settings
from scoring.features.vectors import Vectors, layout, to_bytes
from scoring.serving.exploration import PUBLIC_SALT
from scoring.serving.scorer import Scorer
from scoring.store import (
    Experience,
    OnlineApplicant,
    Outcome,
    Policy,
    Prediction,
    Store,
    Strategy,
)
from scoring.store.decisions import Decisions
from scoring.store.outcomes import Outcomes
from studies.simulation.arrivals import SimulationError

_NAME = "simulation"
_FIRST_YEAR = 2024
# Of those whom models refuse, so many are accepted where a bandit has to learn what that costs.
_EXPLORED = 0.05
_NO_LIMIT = 1e12
_CALLER = Caller(_NAME, _NAME, None, "", 0.0)


def start(month: int) -> datetime:
    """Return the beginning of a simulated month, counted from 0."""
    return datetime(_FIRST_YEAR + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def day(month: int) -> datetime:
    """Return the middle of a simulated month, on which its decisions are taken."""
    return start(month) + timedelta(days=14)


class DatedStore(Store):
    """A store in which it is whatever day `today` says."""

    today: datetime = day(0)

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.decisions = _DatedDecisions(self)
        self.outcomes = _DatedOutcomes(self)


class _DatedDecisions(Decisions):
    _database: DatedStore

    def record(self, new: Sequence[Prediction], room: float = math.inf) -> list[Prediction]:
        """Record decisions as of today, one after the other: their order is that of time."""
        dated = []
        for decision in new:
            self._database.today += timedelta(milliseconds=1)
            dated.append(replace(decision, at=self._database.today))
        return super().record(dated, room)


class _DatedOutcomes(Outcomes):
    _database: DatedStore

    def realised(self, since: datetime, false_negative: float) -> dict[str, Experience]:
        """Return what each model's decisions have cost, as far back from today as asked."""
        back = datetime.now(UTC) - since
        return super().realised(self._database.today - back, false_negative)


class Service:
    """The decisions of the API, without HTTP.

    A model is tried with the applicant of `probe` before it serves; `seed` is of the bandit's dice.
    """

    def __init__(self, folder: Path, probe: Vectors, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folders: dict[Alias, Path] = {
            "champion": folder / "champion",
            "challenger": folder / "challenger",
        }
        self.store = DatedStore(f"sqlite:///{folder / 'scoring.db'}")
        self.store.migrate()
        self._models = ModelManager(
            FolderSource(self._folders),
            self.store,
            lambda scorer: _try(scorer, probe),
            poll_seconds=1.0,
            rng=random.Random(seed),  # noqa: S311 - dice, not secrets
        )
        self._decisions = DecisionService(self._models, self.store, Settings())

    @property
    def digest(self) -> str:
        """The champion's, as decisions name it."""
        return self._models.champion().digest

    def serve(self, alias: Alias, scorer: Scorer | None) -> None:
        """Take a model into service; None takes a challenger out of it."""
        if scorer is None:
            shutil.rmtree(self._folders[alias], ignore_errors=True)
        else:
            scorer.save(self._folders[alias])
        self._models.refresh()
        known = {live.role: live.scorer.version for live in self._models.live()}
        if known.get(alias) != (scorer and scorer.version):
            raise SimulationError(f"the service refused the {alias}; its log says why")

    def use(self, strategy: Strategy, share: float) -> None:
        """Say how champion and challenger are used."""
        explored = (_EXPLORED, 1.0, _NO_LIMIT) if strategy == "bandit" else (0.0, 0.0, 0.0)
        policy = Policy(strategy, share, False, *explored, explore_salt=PUBLIC_SALT)
        self.store.models.set_policy(policy, _NAME, _NAME)
        self._models.refresh_policy()

    def decide(self, month: int, numbers: Sequence[int], vectors: Vectors) -> list[Prediction]:
        """Decide on new applicants of a month, known by new numbers, and record it."""
        self.store.today = day(month)
        self.store.applicants.put(
            [
                OnlineApplicant(
                    number, layout().digest, to_bytes(vector), b"", _NAME, self.store.today
                )
                for number, vector in zip(numbers, vectors, strict=True)
            ]
        )
        self._models.refresh_experience()
        requests = [DecisionRequest(Applicant(number, {}), _CALLER) for number in numbers]
        made = self._decisions.decide(requests)
        return list(_decided(made))

    def tell(self, month: int, outcomes: Sequence[tuple[Prediction, bool]]) -> None:
        """Report at the end of a month whether loans went wrong."""
        at = start(month + 1) - timedelta(days=1)
        self.store.outcomes.record(
            [
                Outcome(decision.applicant, decision.id, defaulted, at, at, _NAME)
                for decision, defaulted in outcomes
            ]
        )

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()


def _try(scorer: Scorer, probe: Vectors) -> None:
    scorer.reasons_of(scorer.score(probe))


def _decided(made: Sequence[Prediction | Exception]) -> Iterator[Prediction]:
    for decision in made:
        if isinstance(decision, Exception):
            raise SimulationError(f"the service did not decide: {decision}") from decision
        yield decision
