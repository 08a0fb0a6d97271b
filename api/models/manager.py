"""The models in service: watched, checked, warmed and swapped while requests go on."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Lock, Thread
from typing import get_args

from polars.exceptions import PanicException

from api.http import metrics
from api.http.problems import ProblemError
from api.models.archive import ModelArchive
from api.models.routing import LiveModel, Route, route
from api.models.sources import Alias, FoundModel, ModelSource, SourceError
from scoring.errors import ScoringError
from scoring.serving.scorer import Scorer
from scoring.store import Experience, Policy, Store, StoreError

logger = logging.getLogger(__name__)

# Whatever a model or its source breaks. Polars ends some of its failures as if the process was to
# end with them.
FAILURES = (Exception, PanicException)

_ALIASES: tuple[Alias, ...] = get_args(Alias)
_RETRY_SECONDS = "5"
_FAREWELL_SECONDS = 2.0
# How far back the bandit looks, and how often at most: outcomes come in over months.
_MEMORY = timedelta(days=365)
_EXPERIENCE_SECONDS = 60.0
# Of a worker's time, the part that may go into adding up what decisions have cost.
_EXPERIENCE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class _State:
    """What a request sees: one object, replaced whole."""

    models: Mapping[Alias, LiveModel] = field(default_factory=dict)
    # Until the store has said how models are used, nobody is decided on without an officer.
    policy: Policy = field(default_factory=lambda: Policy(refer_all=True))
    experience: Mapping[str, Experience] = field(default_factory=dict)

    def champion(self) -> LiveModel:
        """Return the champion; ProblemError 503 while there is none."""
        if "champion" not in self.models:
            raise ProblemError(
                503,
                "No model can be loaded; the service's log says why. Try again later.",
                headers={"Retry-After": _RETRY_SECONDS},
            )
        return self.models["champion"]


class ModelManager:
    """The champion, its challenger, and how they are used.

    Threads look at the source and at the store again and again: one for each alias, one for the
    policy, one for what waits for the store, so that none of them waits for what another asks.
    Requests only read the last state: they neither wait for a model that is loaded nor see half of
    a change.

    Parameters
    ----------
    source, store
        Where models come from; where they are archived, and where policy and outcomes are.
    warm
        Scores somebody, and so proves a model; raises what it likes if it cannot.
    poll_seconds
        The time between two looks.
    rng
        The bandit's dice, where they have to fall the same each time.
    """

    def __init__(
        self,
        source: ModelSource,
        store: Store,
        warm: Callable[[Scorer], None],
        poll_seconds: float,
        rng: random.Random | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._warm = warm
        self._poll_seconds = poll_seconds
        self._state = _State()
        self._jobs: dict[str, Callable[[], None]] = {
            "policy": self._read_policy,
            **{alias: partial(self._look, alias) for alias in _ALIASES},
            "store": self._keep_up,
        }
        self._threads = [
            Thread(target=self._watch, args=(name,), name=f"models-{name}", daemon=True)
            for name in self._jobs
        ]
        # Whoever serves waits for none of these; the last is held for an assignment only.
        self._doing = {name: Lock() for name in self._jobs}
        self._flushing, self._changing = Lock(), Lock()
        self._looked = {name: Event() for name in self._jobs}
        self._handled: dict[Alias, FoundModel] = {}
        self._archive = ModelArchive(store)
        self._complaints = _Complaints()
        self._experience_due = float("-inf")
        # Seeded by the system, and made after the fork: each worker throws dice of its own.
        self._rng = rng or random.Random()  # noqa: S311 - dice, not secrets
        self._stopped = Event()

    def champion(self) -> LiveModel:
        """Return the model that answers by default; ProblemError 503 while there is none."""
        return self._state.champion()

    def live(self) -> tuple[LiveModel, ...]:
        """List the models in service, the champion first."""
        models = self._state.models
        return tuple(models[alias] for alias in _ALIASES if alias in models)

    @property
    def policy(self) -> Policy:
        """How models are used, as last read from the store."""
        return self._state.policy

    def route(self, applicant: int) -> Route:
        """Choose the model that answers an applicant; ProblemError 503 while there is none."""
        state = self._state
        return route(
            applicant,
            state.champion(),
            state.models.get("challenger"),
            state.policy,
            state.experience,
            self._rng,
        )

    def start(self) -> None:
        """Look at everything from now on, in threads of this process."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Look no longer; a look that takes long is left to its deadline."""
        self._stopped.set()
        for thread in filter(Thread.is_alive, self._threads):
            thread.join(_FAREWELL_SECONDS)
        self._flush()

    def wait(self, seconds: float) -> bool:
        """Wait until everything was looked at once, and tell whether it was in that time."""
        until = time.monotonic() + seconds
        return all(done.wait(max(until - time.monotonic(), 0.0)) for done in self._looked.values())

    def _watch(self, name: str) -> None:
        while not self._stopped.is_set():
            self._do(name)
            self._stopped.wait(self._poll_seconds)

    def refresh(self) -> None:
        """Look once: at the policy, each alias, what waits for the store, and the costs."""
        for name in self._jobs:
            self._do(name)

    def refresh_policy(self) -> None:
        """Look at the policy alone, after it was changed here."""
        self._do("policy")

    def refresh_experience(self) -> None:
        """Add up what decisions have cost, however lately that was done."""
        self._experience_due = float("-inf")
        self._do("store")

    def _do(self, name: str) -> None:
        """Look at one thing. Two who look at once could put what is earlier over what is later."""
        with self._doing[name]:
            try:
                self._jobs[name]()
            except FAILURES as error:
                # A watch that ends would leave an old model, or policy, in service for ever.
                self._complaints.tell(name, f"looking at the {name} failed: {error!r}", error)
        self._looked[name].set()

    def _read_policy(self) -> None:
        try:
            policy = self._store.models.policy()
        except StoreError as error:
            self._complaints.tell("policy", f"the policy cannot be read: {error}")
            return
        with self._changing:
            self._state = replace(self._state, policy=policy)
        self._complaints.settle("policy")

    def _keep_up(self) -> None:
        self._flush()
        self._refresh_experience()

    def _look(self, alias: Alias) -> None:
        try:
            model = self._source.find(alias)
        except SourceError as error:
            self._complaints.tell(alias, f"the {alias} cannot be looked for: {error}")
            if alias == "champion" and alias not in self._state.models:
                self._load_remembered()
            return
        if model is None:
            self._missing(alias)
        elif model == self._handled.get(alias) or self._load(alias, model):
            self._complaints.settle(alias)

    def _load_remembered(self) -> None:
        """Start with the champion of last time, rather than wait for who knows today's."""
        remembered = self._source.remembered("champion")
        if remembered is not None and remembered != self._handled.get("champion"):
            self._load("champion", remembered)

    def _missing(self, alias: Alias) -> None:
        """Drop a challenger that went; a champion serves on until there is another."""
        self._handled.pop(alias, None)
        live = self._state.models.get(alias)
        if alias == "champion":
            what = "serving on with the last one" if live else "nothing to serve yet"
            self._complaints.tell(alias, f"there is no champion: {what}")
            return
        self._complaints.settle(alias)
        if live is not None:
            self._put(alias, None)
            metrics.model_dropped(alias)
            logger.info("there is no challenger any more")
            self._note("dropped", live, "there is no challenger any more")

    def _load(self, alias: Alias, model: FoundModel) -> bool:
        """Take a model into service, or refuse it; False if that could not be settled yet."""
        try:
            with self._source.fetched(alias, model) as folder:
                scorer = Scorer.load(folder)
                self._warm(scorer)
                self._archive.keep(model.digest, scorer, folder)
        except (SourceError, OSError, MemoryError) as error:
            # Nothing is said about the model itself.
            self._complaints.tell(alias, f"the {alias} cannot be fetched: {error}")
            return False
        except FAILURES as error:
            self._refuse(alias, model, error)
        else:
            # Archived first, so that no decision is taken by a model that could be lost.
            self._flush()
            live = LiveModel(scorer, model.digest, alias)
            self._put(alias, live)
            metrics.model_loaded(alias, scorer.version, model.digest)
            logger.info("serving %s version %s as %s", scorer.name, scorer.version, alias)
            self._note("loaded", live, f"{scorer.name} version {scorer.version}")
        self._handled[alias] = model
        return True

    def _put(self, alias: Alias, live: LiveModel | None) -> None:
        """Swap a model: those who are scoring finish with the one they have."""
        with self._changing:
            models = {role: model for role, model in self._state.models.items() if role != alias}
            if live is not None:
                models[alias] = live
            self._state = replace(self._state, models=models)

    def _refuse(self, alias: Alias, model: FoundModel, error: Exception) -> None:
        metrics.MODEL_LOADS.labels("refused").inc()
        detail = str(error) if isinstance(error, ScoringError) else repr(error)
        kept = "; the one before serves on" if self._state.models.get(alias) else ""
        trace = None if isinstance(error, ScoringError) else error
        logger.error("refused a %s: %s%s", alias, detail, kept, exc_info=trace)
        self._archive.note("refused", alias, detail, digest=model.digest or None)

    def _note(self, kind: str, live: LiveModel, detail: str) -> None:
        version = live.scorer.version
        self._archive.note(kind, live.role, detail, digest=live.digest, version=version)

    def _flush(self) -> None:
        try:
            with self._flushing:
                self._archive.flush()
        except (StoreError, OSError) as error:
            self._complaints.tell("store", f"models and events wait for the store: {error}")
        else:
            self._complaints.settle("store")

    def _refresh_experience(self) -> None:
        """Add up what each model's decisions have cost, if the bandit asks for it by then."""
        state, start = self._state, time.monotonic()
        if state.policy.strategy != "bandit" or "champion" not in state.models:
            return
        if start < self._experience_due:
            return
        loss = state.models["champion"].scorer.costs.loss  # the same for all models
        try:
            experience = self._store.outcomes.realised(datetime.now(UTC) - _MEMORY, loss)
        except StoreError as error:
            self._complaints.tell("costs", f"what decisions cost cannot be read: {error}")
            return
        with self._changing:
            self._state = replace(self._state, experience=experience)
        self._complaints.settle("costs")
        taken = time.monotonic() - start
        self._experience_due = start + max(_EXPERIENCE_SECONDS, taken / _EXPERIENCE_SHARE)


class _Complaints:
    """Warnings about things outside, each told once until it changes."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(self, about: str, words: str, error: Exception | None = None) -> None:
        """Log a warning, unless it is what was told last about the same thing."""
        if self._told.get(about) != words:
            self._told[about] = words
            logger.warning("%s", words, exc_info=error)

    def settle(self, about: str) -> None:
        """Note that there is nothing to complain of, and say so after a complaint."""
        if self._told.pop(about, None) is not None:
            logger.info("back to normal: %s", about)
