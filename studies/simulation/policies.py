"""Five policies for a model that ages, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scoring.registry.retraining.triggers import Triggers
from scoring.store import Strategy
from studies.simulation.branch import Branch

NEVER = "never"
# Of the applicants, for a challenger of whom a bandit knows nothing yet.
_TRIAL_SHARE = 0.2


class Policy(Protocol):
    """A way to maintain the models."""

    def review(self, branch: Branch, month: int) -> None:
        """Do what there is to do before a month begins."""


class Never:
    """The first model stays."""

    def review(self, branch: Branch, month: int) -> None:
        """Do nothing."""


@dataclass
class Scheduled:
    """A retraining every so many months."""

    months: int

    def review(self, branch: Branch, month: int) -> None:
        if month and month % self.months == 0:
            branch.monitor(month)
            branch.retrain(month)


class OnAlert:
    """A retraining in each month in which an open alert about the champion calls for it."""

    def review(self, branch: Branch, month: int) -> None:
        branch.monitor(month)
        if branch.called(Triggers(alerts=True), month):
            branch.retrain(month)


@dataclass
class Rivals:
    """A challenger beside the champion, judged after some months by outcomes neither learnt from.

    Challengers are at least so many months apart.
    """

    strategy: Strategy
    months: int
    _since: int = 0

    def review(self, branch: Branch, month: int) -> None:
        if month < self._since + self.months:
            return
        branch.monitor(month)
        if branch.challenger is not None:
            branch.settle(month)
        if branch.challenger is None and branch.try_new(month, self.strategy, _TRIAL_SHARE):
            self._since = month


def policies(every: int) -> dict[str, Policy]:
    """Make a new one of each, by name; `every` so many months where time decides."""
    return {
        NEVER: Never(),
        "schedule": Scheduled(every),
        "alert": OnAlert(),
        "rivals": Rivals("shadow", every),
        "bandit": Rivals("bandit", every),
    }
