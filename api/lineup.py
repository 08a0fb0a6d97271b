"""The models in service: watched, checked, warmed and swapped while requests go on."""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import get_args

from api import metrics
from api.problems import ProblemError
from api.routing import Live, Route, route
from api.sources import Alias, Found, ModelSource, SourceError
from scoring.errors import ScoringError
from scoring.scorer import Scorer
from scoring.store import CostSummary, ModelEvent, Policy, Store, StoreError

__all__ = ["Lineup", "Live", "Route"]

logger = logging.getLogger(__name__)

_RETRY_SECONDS = "5"
# How far back the bandit looks, and how often: outcomes come in over months.
_MEMORY = timedelta(days=365)
_COST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _State:
    """What a request sees: one object, replaced whole."""

    live: Mapping[Alias, Live] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    costs: Mapping[str, CostSummary] = field(default_factory=dict)


class Lineup:
    """The champion, its challenger, and how they are used.

    A thread looks at the source and at the store again and again. Requests only read the last
    state: they neither wait for a model that is loaded nor see half of a change.

    Parameters
    ----------
    source : ModelSource
        Where models come from.
    store : Store
        Where they are archived, and where the policy and outcomes are.
    warm : callable
        Scores somebody, and so proves a model; raises ScoringError if it cannot.
    poll_seconds : float
        The time between two looks.
    """

    def __init__(
        self,
        source: ModelSource,
        store: Store,
        warm: Callable[[Scorer], None],
        poll_seconds: float,
    ) -> None:
        self._source = source
        self._store = store
        self._warm = warm
        self._poll_seconds = poll_seconds
        self._state = _State()
        self._refused: dict[Alias, Found] = {}
        self._archived: set[str] = set()
        self._told: dict[str, str] = {}
        self._costs_at = float("-inf")
        self._rng = random.Random()  # noqa: S311 - dice, not secrets
        self._refreshing = Lock()
        self._stopped = Event()
        self._thread: Thread | None = None

    def champion(self) -> Live:
        """The model that answers by default.

        Raises
        ------
        ProblemError
            503 while there is none.
        """
        return _champion(self._state)

    def live(self) -> tuple[Live, ...]:
        """All models in service."""
        return tuple(self._state.live.values())

    @property
    def policy(self) -> Policy:
        """How models are used, as last read from the store."""
        return self._state.policy

    def route(self, applicant: int) -> Route:
        """Which model answers an applicant.

        Raises
        ------
        ProblemError
            503 while there is none.
        """
        state = self._state
        challenger = state.live.get("challenger")
        return route(applicant, _champion(state), challenger, state.policy, state.costs, self._rng)

    def start(self) -> None:
        """Watch from now on, in a thread of this process."""
        self._thread = Thread(target=self._watch, name="lineup", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            try:
                self.refresh()
            except Exception:
                # A watch that ends would leave an old model in service for ever.
                logger.exception("looking for models failed")

    def refresh(self) -> None:
        """Look once: at each alias, at what is not archived yet, at the policy and the costs."""
        with self._refreshing:
            for alias in get_args(Alias):
                self._look(alias)
            self._archive()
            self._read_store()

    def refresh_policy(self) -> None:
        """Look at the policy alone, after it was changed here."""
        with self._refreshing:
            self._read_store()

    def _look(self, alias: Alias) -> None:
        try:
            found = self._source.find(alias)
        except SourceError as error:
            self._tell(alias, f"the {alias} cannot be looked for: {error}")
            return
        now = self._state.live.get(alias)
        if found is None:
            self._missing(alias, now)
        elif (now is None or now.digest != found.digest) and self._refused.get(alias) != found:
            self._load(alias, found)

    def _missing(self, alias: Alias, now: Live | None) -> None:
        """A challenger that went is dropped; a champion serves on until there is another."""
        self._refused.pop(alias, None)
        if alias == "challenger":
            if now is not None:
                self._put(alias, None)
                self._record("dropped", now, "there is no challenger any more")
        elif now is None:
            self._tell(alias, "no model to serve yet: there is no champion")

    def _load(self, alias: Alias, found: Found) -> None:
        try:
            with self._source.fetched(alias, found.digest) as folder:
                scorer = Scorer.load(folder)
            self._warm(scorer)
        except SourceError as error:
            # It may be there at the next look.
            self._tell(alias, f"the {alias} cannot be fetched: {error}")
            return
        except (ScoringError, ValueError, TypeError) as error:
            self._refuse(alias, found, error)
            return
        live = Live(scorer, found.digest, alias)
        self._put(alias, live)
        self._told.pop(alias, None)
        metrics.model_loaded(alias, scorer.version, found.digest)
        logger.info("serving %s version %s as %s", scorer.name, scorer.version, alias)
        self._record("loaded", live, f"{scorer.name} version {scorer.version}")

    def _put(self, alias: Alias, live: Live | None) -> None:
        """Swap a model: those who are scoring finish with the one they have."""
        others = {name: one for name, one in self._state.live.items() if name != alias}
        changed = others if live is None else {**others, alias: live}
        self._state = replace(self._state, live=changed)

    def _refuse(self, alias: Alias, found: Found, error: Exception) -> None:
        self._refused[alias] = found
        metrics.model_refused()
        kept = "" if alias not in self._state.live else "; the one before serves on"
        logger.error("refused a %s: %s%s", alias, error, kept)
        event = ModelEvent(
            datetime.now(UTC), "refused", found.digest, None, alias, str(error), _worker()
        )
        self._try_store(lambda: self._store.add_event(event))

    def _archive(self) -> None:
        """Keep every model in service in the store, so that its decisions can be replayed."""
        for alias, live in self._state.live.items():
            if live.digest not in self._archived and self._try_store(
                lambda alias=alias, live=live: self._keep(alias, live)  # type: ignore[misc]
            ):
                self._archived.add(live.digest)

    def _keep(self, alias: Alias, live: Live) -> None:
        scorer = live.scorer
        with self._source.fetched(alias, live.digest) as folder:
            self._store.archive(live.digest, scorer.name, scorer.version, folder)

    def _record(self, kind: str, live: Live, detail: str) -> None:
        event = ModelEvent(
            datetime.now(UTC), kind, live.digest, live.scorer.version, live.role, detail, _worker()
        )
        self._try_store(lambda: self._store.add_event(event))

    def _read_store(self) -> None:
        self._try_store(self._read_policy)

    def _read_policy(self) -> None:
        policy, costs = self._store.policy(), self._state.costs
        champion = self._state.live.get("champion")
        due = time.monotonic() - self._costs_at > _COST_SECONDS
        if policy.strategy == "bandit" and champion is not None and due:
            own = champion.scorer.costs
            since = datetime.now(UTC) - _MEMORY
            costs = self._store.realised_costs(since, own.false_negative, own.false_positive)
            self._costs_at = time.monotonic()
        self._state = replace(self._state, policy=policy, costs=costs)

    def _try_store(self, use: Callable[[], None]) -> bool:
        """Use the store; while it is away, what can be done without goes on."""
        try:
            use()
        except (StoreError, SourceError) as error:
            self._tell("store", f"the store cannot be kept up to date: {error}")
            return False
        self._told.pop("store", None)
        return True

    def _tell(self, about: str, words: str) -> None:
        """Log a warning once, until it changes."""
        if self._told.get(about) != words:
            self._told[about] = words
            logger.warning("%s", words)


def _champion(state: _State) -> Live:
    champion = state.live.get("champion")
    if champion is None:
        raise ProblemError(
            503,
            "No model can be loaded; the service's log says why. Try again later.",
            headers={"Retry-After": _RETRY_SECONDS},
        )
    return champion


def _worker() -> str:
    return f"{socket.gethostname()[:60]}:{os.getpid()}"
