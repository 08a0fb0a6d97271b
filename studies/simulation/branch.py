"""One course of events: a service that decides on all who apply, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scoring.modelling.calibration import LEAST_DEFAULTS
from scoring.modelling.examples import Positions
from scoring.serving.scorer import Floats, Scorer
from scoring.store import Prediction, Strategy
from studies.simulation.arrivals import Arrivals
from studies.simulation.learning import Labelled, Trainer
from studies.simulation.service import Service

Flags = npt.NDArray[np.bool_]

# Outcomes of so many months set the level of a new model, and show whether one still fits.
RECENT_MONTHS = 3


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done about the models: when, what, and why."""

    month: int
    what: str
    why: str


@dataclass
class Ledger:
    """Decisions on each arrival; months to come are NaN, False or 0.

    Whoever is not refused got a loan: officers grant one to those who are referred to them.
    `shadow_pd` is of a model that was scored along.
    """

    pd: Floats
    refused: Flags
    by_challenger: Flags
    shadow_pd: Floats

    @classmethod
    def of(cls, size: int) -> Ledger:
        """Make one in which nobody is decided on yet."""
        return cls(
            np.full(size, np.nan),
            np.zeros(size, bool),
            np.zeros(size, bool),
            np.full(size, np.nan),
        )

    def write(self, place: int, decision: Prediction) -> None:
        """Note a decision."""
        self.pd[place] = decision.pd
        self.refused[place] = decision.decision == "refuse"
        self.by_challenger[place] = decision.role == "challenger"
        for shadow in decision.shadows:
            self.shadow_pd[place] = shadow.pd


@dataclass
class Branch:
    """A service, what it has decided, and the models that it was given.

    Attributes
    ----------
    delay : int
        Whole months between that of a decision and the day on which its outcome is known.
    since : int
        The month from which the champion's outcomes are not among those it learnt from.
    """

    service: Service
    trainer: Trainer
    arrivals: Arrivals
    delay: int
    champion: Scorer
    challenger: Scorer | None = None
    since: int = 0
    ledger: Ledger = field(init=False)
    events: list[Event] = field(init=False, default_factory=list)
    last: list[Prediction] = field(init=False, default_factory=list)
    _versions: int = field(init=False, default=1)
    _recorded: dict[int, list[Prediction]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger.of(self.arrivals.size)
        self.service.serve("champion", self.champion)

    def decide(self, month: int) -> None:
        """Let a month's applicants in, after the outcomes that have become known by then."""
        self._tell(month)
        rows = self.arrivals.of_month(month)
        vectors = self.trainer.pool.vectors[self.arrivals.place[rows]]
        self.last = self.service.decide(month, (rows + 1).tolist(), vectors)
        self._recorded[month] = self.last
        for row, decision in zip(rows, self.last, strict=True):
            self.ledger.write(int(row), decision)

    def _tell(self, month: int) -> None:
        """Report the outcomes of the loans that are old enough."""
        due = month - self.delay - 1
        if due < 0:
            return
        rows = self.arrivals.of_month(due)
        decided = zip(self._recorded.pop(due), rows, strict=True)
        self.service.tell(
            month,
            [
                (decision, bool(self.arrivals.defaulted[row]))
                for decision, row in decided
                if not self.ledger.refused[row]
            ],
        )

    def labelled(self, month: int, since: int = 0) -> Positions:
        """Return arrivals from a month on whose outcome is known at the beginning of another."""
        months = self.arrivals.month
        old = (months >= since) & (months < month - self.delay)
        return np.flatnonzero(old & ~self.ledger.refused)

    def known(self, rows: Positions) -> Labelled:
        """Return the outcomes of some arrivals."""
        return Labelled(self.arrivals.place[rows], self.arrivals.defaulted[rows])

    def may_learn(self, month: int) -> bool:
        """Return whether there are outcomes enough for another model."""
        return self.known(self.labelled(month)).defaults >= LEAST_DEFAULTS

    def new_model(self, month: int) -> Scorer:
        """Make a model of all that is known at the beginning of a month."""
        newest = self.labelled(month, month - self.delay - RECENT_MONTHS).size
        months = self.arrivals.month
        waiting = (months >= month - self.delay) & (months < month)
        self._versions += 1
        return self.trainer.model(
            self.champion,
            self.known(self.labelled(month)),
            newest,
            self.arrivals.place[waiting],
            f"simulated {self._versions}",
        )

    def promote(self, month: int, scorer: Scorer, learnt_until: int, why: str) -> None:
        """Put a model, made at the beginning of a month, in the champion's place."""
        if self.challenger is not None:
            self.challenge(None, "champion")
        self.service.serve("champion", scorer)
        self.champion, self.since = scorer, max(learnt_until - self.delay, 0)
        self.events.append(Event(month, "a new champion", why))

    def challenge(self, scorer: Scorer | None, strategy: Strategy, share: float = 0.0) -> None:
        """Put a model beside the champion, or take it away."""
        self.service.serve("challenger", scorer)
        self.service.use(strategy, share)
        self.challenger = scorer

    def note(self, month: int, what: str, why: str) -> None:
        """Keep on record what was done."""
        self.events.append(Event(month, what, why))


def reasons_of(decisions: Iterable[Prediction]) -> Sequence[list[str]]:
    """Return the features that each applicant was told."""
    return [[reason["cause"] for reason in json.loads(decision.reasons)] for decision in decisions]
