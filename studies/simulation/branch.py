"""One course of events: a service that decides on all who apply, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scoring.evaluation.bootstrap import Flags
from scoring.monitoring.alerts import notify
from scoring.monitoring.monitor import look
from scoring.monitoring.rules import assess
from scoring.registry.retraining.retrain import NothingToLearnError
from scoring.registry.retraining.triggers import Triggers, called, holding
from scoring.registry.retraining.verdict import Judgement, judged
from scoring.serving.scorer import Floats, Scorer
from scoring.store import Prediction, Strategy
from studies.simulation.arrivals import Arrivals
from studies.simulation.learning import Known, Trainer
from studies.simulation.service import Service, start

KEPT, CHALLENGER = "kept", "challenger"
PROMOTED = {"promoted", "approved"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done about the models: when, what, and why.

    There is a new champion ("promoted", or "approved" by a person), or a challenger beside it
    ("challenger"). Or the champion stays, since the new model is not cheaper beyond chance
    ("kept"), gates refuse it ("refused"), or it waits for a person ("doubted").
    """

    month: int
    what: str
    why: str


@dataclass
class Ledger:
    """Decisions on each arrival; months to come are NaN and False.

    Whoever is not refused got a loan: officers grant one to those who are referred to them.
    """

    pd: Floats
    refused: Flags

    @classmethod
    def of(cls, size: int) -> Ledger:
        """Make one in which nobody is decided on yet."""
        return cls(np.full(size, np.nan), np.zeros(size, bool))


@dataclass
class Branch:
    """A service, what it has decided, and the models that it was given.

    Attributes
    ----------
    delay : int
        Whole months between that of a decision and the day on which its outcome is known.
    attended : bool
        Whether a person promotes what is cheaper beyond chance, passes the gates and waits.
    past : list of Scorer
        The champions before this one.
    """

    service: Service
    trainer: Trainer
    arrivals: Arrivals
    delay: int
    champion: Scorer
    attended: bool = False
    challenger: Scorer | None = field(init=False, default=None)
    past: list[Scorer] = field(init=False, default_factory=list)
    ledger: Ledger = field(init=False)
    events: list[Event] = field(init=False, default_factory=list)
    _versions: int = field(init=False, default=1)
    _recorded: dict[int, list[Prediction]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger.of(self.arrivals.size)
        self.service.serve("champion", self.champion)

    def decide(self, month: int) -> None:
        """Let a month's applicants in; at its end outcomes of earlier loans become known."""
        rows = self.arrivals.of_month(month)
        vectors = self.trainer.pool.vectors[self.arrivals.place[rows]]
        decided = self.service.decide(month, (rows + 1).tolist(), vectors)
        self.ledger.pd[rows] = [own.pd for own in decided]
        self.ledger.refused[rows] = [own.decision == "refuse" for own in decided]
        self._recorded[month] = decided
        self._tell(month)

    def _tell(self, month: int) -> None:
        """Report the outcomes of the loans that are old enough."""
        due = month - self.delay
        if due < 0:
            return
        decided = zip(self._recorded.pop(due), self.arrivals.of_month(due), strict=True)
        self.service.tell(
            month,
            [
                (decision, bool(self.arrivals.defaulted[row]))
                for decision, row in decided
                if not self.ledger.refused[row]
            ],
        )

    def monitor(self, month: int) -> None:
        """Look at the month before, as `python -m scoring monitor` does, and keep the alerts."""
        if month:
            store, now = self.service.store, start(month)
            findings = look(store, start(month - 1), now)
            notify(store, [assess(own) for own in findings], (), now)

    def called(self, triggers: Triggers, month: int) -> bool:
        """Return whether a new model is called for at the beginning of a month."""
        alerts = self.service.store.alerts.latest(open_only=True)
        return called(triggers, None, self.service.digest, alerts, start(month)).due

    def retrain(self, month: int) -> None:
        """Make a model at the beginning of a month, and promote it if it is better."""
        known = self._known(month)
        if known is not None:
            made = self._made(known)
            self._conclude(month, made, self._judged(made, known))

    def try_new(self, month: int, strategy: Strategy, share: float) -> bool:
        """Make a model and put it beside the champion; False if none can be, or it is in doubt."""
        known = self._known(month)
        if known is None:
            return False
        made = self._made(known)
        judgement = self._judged(made, known)
        if judgement.doubts and not self.attended:
            self.events.append(Event(month, self._outcome(judgement), judgement.why))
            return False
        self.challenge(made, strategy, share)
        self.events.append(Event(month, CHALLENGER, judgement.why))
        return True

    def challenge(self, scorer: Scorer | None, strategy: Strategy, share: float = 0.0) -> None:
        """Put a model beside the champion, or take it away."""
        self.service.serve("challenger", scorer)
        self.service.use(strategy, share)
        self.challenger = scorer

    def settle(self, month: int) -> None:
        """Judge the challenger anew by the newest outcomes: it takes over or goes."""
        known, challenger = self._known(month), self.challenger
        if known is not None and challenger is not None:
            judgement = self._judged(challenger, known)
            self.challenge(None, "champion")
            self._conclude(month, challenger, judgement)

    def _known(self, month: int) -> Known | None:
        """What is known at the beginning of a month; None if it is too little."""
        try:
            return Known.at(self.service.store, self.arrivals, start(month))
        except NothingToLearnError:
            return None

    def _made(self, known: Known) -> Scorer:
        self._versions += 1
        return self.trainer.next_model(known, f"simulated {self._versions}")

    def _judged(self, scorer: Scorer, known: Known) -> Judgement:
        alerts = self.service.store.alerts.latest(open_only=True)
        doubts = holding(self.service.digest, alerts)
        trial = self.trainer.trial(scorer, self.champion, self.past, known)
        return judged(trial, doubts, None, registered=False)

    def _conclude(self, month: int, scorer: Scorer, judgement: Judgement) -> None:
        outcome = self._outcome(judgement)
        if outcome in PROMOTED:
            self.service.serve("champion", scorer)
            self.past.append(self.champion)
            self.champion = scorer
        self.events.append(Event(month, outcome, judgement.why))

    def _outcome(self, judgement: Judgement) -> str:
        if judgement.better:
            return "promoted"
        if not judgement.cheaper:
            return KEPT
        if not judgement.gates.passed:
            return "refused"
        return "approved" if self.attended else "doubted"
