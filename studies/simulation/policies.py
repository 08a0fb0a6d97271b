"""Five policies for a model that ages, and the alarms of its monitor, month by month."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from scoring.evaluation.comparison import compare
from scoring.modelling.calibration import LEAST_DEFAULTS
from scoring.monitoring.thresholds import Thresholds
from scoring.serving.scorer import Floats, encode
from scoring.store import Strategy
from studies.simulation.branch import RECENT_MONTHS, Branch, Flags, reasons_of

# Of the applicants, for a challenger of whom a bandit knows nothing yet.
_TRIAL_SHARE = 0.2
_TINY = 1e-12
_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """Limits from which on there is an alarm.

    Attributes
    ----------
    weighted_psi : float
        Of last month's applicants, over all features by their importance.
    deviation : float
        Of the defaults of the newest months from what the PDs promised, in standard deviations.
    """

    weighted_psi: float = _THRESHOLDS.weighted_psi.warning
    deviation: float = 3.0


def of_applicants(branch: Branch, month: int, limits: AlarmLimits) -> Iterator[str]:
    """Tell whether last month's applicants are others than those the champion was made for."""
    scorer = branch.champion
    if month == 0 or scorer.profile is None:
        return
    own = [i for i, decision in enumerate(branch.last) if decision.model_version == scorer.version]
    rows = branch.arrivals.of_month(month - 1)[own]
    decisions = [branch.last[i] for i in own]
    features = branch.trainer.pool.features[branch.arrivals.place[rows]]
    current = scorer.profile.counted(
        encode(features, scorer.features),
        branch.ledger.pd[rows],
        [decision.decision for decision in decisions],
        reasons_of(decisions),
    )
    comparison = compare(scorer.profile, current)
    if comparison.pd["level"] == "large":
        yield f"the PDs have moved (PSI {comparison.pd['psi']:.2f})"
    if comparison.weighted_psi > limits.weighted_psi:
        yield f"the applicants have changed (weighted PSI {comparison.weighted_psi:.2f})"


def of_outcomes(branch: Branch, month: int, limits: AlarmLimits) -> Iterator[str]:
    """Tell whether the newest outcomes that the champion has not learnt from are as promised."""
    since = max(branch.since, month - branch.delay - RECENT_MONTHS)
    rows = branch.labelled(month, since)
    if not rows.size:
        return
    places = branch.arrivals.place[rows]
    pds = branch.champion.predict(branch.trainer.pool.features[places])
    expected = float(pds.sum())
    if expected < _THRESHOLDS.least_defaults:
        return
    defaults = int(np.sum(branch.arrivals.defaulted[rows]))
    deviation = (defaults - expected) / math.sqrt(float((pds * (1.0 - pds)).sum()))
    if abs(deviation) > limits.deviation:
        yield f"{defaults} defaults where {expected:.0f} were to be expected"


class Policy(Protocol):
    """A way to maintain the models."""

    def review(self, branch: Branch, month: int) -> None:
        """Do what there is to do before a month begins."""


@dataclass
class Never:
    """The first model stays."""

    def review(self, branch: Branch, month: int) -> None:
        """Do nothing."""


@dataclass
class Every:
    """A new model every so many months, whatever it is worth."""

    months: int

    def review(self, branch: Branch, month: int) -> None:
        if month % self.months == 0 and branch.may_learn(month):
            branch.promote(month, branch.new_model(month), month, "time")


@dataclass
class OnAlert:
    """A new model after an alarm of the monitor, as soon as there is something to learn.

    An alarm over outcomes is followed at once. One over applicants has to wait for the outcomes of
    those very applicants: a model of older ones would know nothing of them.
    """

    limits: AlarmLimits = field(default_factory=AlarmLimits)
    _due: int | None = None
    _why: str = ""

    def review(self, branch: Branch, month: int) -> None:
        over_outcomes = list(of_outcomes(branch, month, self.limits))
        if over_outcomes:
            self._due, self._why = month, "; ".join(over_outcomes)
        elif self._due is None:
            self._wait(branch, month)
        if self._due is not None and month >= self._due and branch.may_learn(month):
            branch.promote(month, branch.new_model(month), month, self._why)
            self._due = None

    def _wait(self, branch: Branch, month: int) -> None:
        over_applicants = list(of_applicants(branch, month, self.limits))
        if over_applicants:
            self._due, self._why = month + branch.delay, "; ".join(over_applicants)
            branch.note(month, "an alarm, and outcomes awaited", self._why)


@dataclass
class Rivals:
    """A challenger beside the champion, until outcomes tell which of them stays.

    The verdict, asked with branch, month and the month of the challenger, says whether it wins and
    why; None while nobody can tell. Challengers are at least `months` apart.
    """

    strategy: Strategy
    months: int
    verdict: Callable[[Branch, int, int], tuple[bool, str] | None]
    _since: int = 0

    def review(self, branch: Branch, month: int) -> None:
        if branch.challenger is not None:
            self._judge(branch, month)
        due = branch.challenger is None and month >= self._since + self.months
        if due and branch.may_learn(month):
            made = branch.new_model(month)
            branch.challenge(made, self.strategy, _TRIAL_SHARE)
            branch.note(month, "a challenger", "time")
            self._since = month

    def _judge(self, branch: Branch, month: int) -> None:
        judgement = self.verdict(branch, month, self._since)
        challenger = branch.challenger
        if judgement is None or challenger is None:
            return
        wins, why = judgement
        if wins:
            branch.promote(month, challenger, self._since, why)
        else:
            branch.challenge(None, "champion")
            branch.note(month, "the challenger is dropped", why)


def by_likelihood(branch: Branch, month: int, since: int) -> tuple[bool, str] | None:
    """Judge whose PDs fit better the outcomes of those whom both have scored.

    Refused applicants have no outcome, so that costs cannot be compared where the two models
    decide differently and the champion refused. Whether PDs are right can be told on any
    applicants that are chosen by their features: the challenger wins if its log loss is lower by
    more than the difference's standard error. Where the two are closer, more months are waited
    for, up to `RECENT_MONTHS`.
    """
    rows = branch.labelled(month, since)
    rows = rows[~np.isnan(branch.ledger.shadow_pd[rows])]
    defaulted = branch.arrivals.defaulted[rows]
    if int(defaulted.sum()) < LEAST_DEFAULTS:
        return None
    better = _log_loss(branch.ledger.pd[rows], defaulted)
    better -= _log_loss(branch.ledger.shadow_pd[rows], defaulted)
    error = float(better.std(ddof=1)) / math.sqrt(rows.size)
    gain = float(better.mean())
    if abs(gain) <= error and month < since + branch.delay + RECENT_MONTHS:
        return None
    return gain > error, f"log loss lower by {gain:.4f}, standard error {error:.4f}"


def by_traffic(branch: Branch, month: int, since: int) -> tuple[bool, str] | None:
    """Judge whom the bandit prefers, after some months with outcomes of both."""
    if month < since + branch.delay + RECENT_MONTHS or branch.challenger is None:
        return None
    rows = branch.arrivals.of_month(month - 1)
    share = float(branch.ledger.by_challenger[rows].mean())
    return share > 0.5, f"the bandit gave it {share:.0%} of the last month"


def _log_loss(pds: Floats, defaulted: Flags) -> Floats:
    inside = np.clip(pds, _TINY, 1.0 - _TINY)
    return np.asarray(-np.log(np.where(defaulted, inside, 1.0 - inside)))


def policies(every: int, limits: AlarmLimits) -> dict[str, Policy]:
    """Make a new one of each, by name; `every` so many months where time decides."""
    return {
        "never retrain": Never(),
        f"every {every} months": Every(every),
        "on alert": OnAlert(limits),
        "champion/challenger": Rivals("shadow", every, by_likelihood),
        "bandit": Rivals("bandit", every, by_traffic),
    }
