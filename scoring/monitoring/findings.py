"""Findings on a window of recorded decisions: the figures, without a judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison
from scoring.evaluation.intervals import bounded_error, hanley_mcneil, normal_interval
from scoring.evaluation.off_policy import Estimates
from scoring.serving.costs import Costs
from scoring.store.records import ReviewCounts


@dataclass(frozen=True, slots=True)
class Window:
    """The time looked at: from `since` on, before `until`; both are aware of their zone."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Quality:
    """The state of the data that came in, on `sampled` applicants.

    Features with categories that the model does not know, or with numbers beyond those of the
    training, come with the share of applicants. The features of `recomputed` decisions were
    computed again from the kept rows; `skewed` counts by feature how often serving and training
    differ.
    """

    sampled: int
    unknown_categories: Mapping[str, float] = field(default_factory=dict)
    outside: Mapping[str, float] = field(default_factory=dict)
    recomputed: int = 0
    skewed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """The service's figures: all decisions of the window, by whichever model, and events of models.

    Latencies are from a request's arrival to the end of scoring; NaN without decisions. `errors`
    are answers with a status of 500 or more since the last look; None where the service's metrics
    were not asked. `reviews` says how reviews went, for which applicants asked.
    """

    decisions: int
    median_ms: float
    p99_ms: float
    events: Mapping[str, int] = field(default_factory=dict)
    errors: int | None = None
    reviews: ReviewCounts = field(default_factory=ReviewCounts)


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of decisions whose outcome is known.

    Attributes
    ----------
    accepted_only : bool
        Whether refused applicants are left out: ranking and calibration are then those of the
        accepted, whom the model already chose, and cannot be held against promises for all.
    figures : mapping of str to Interval
        As `metrics.intervals` names them, and `observed_to_expected`: defaults over the sum of PDs.
    promised : mapping of str to float
        The same figures on applicants kept from the training, at the time of training, with the
        number of these `applicants` and of the `defaults` among them; for the accepted alone where
        only they have outcomes.
    by_vintage : polars.DataFrame
        A row a month of decision, as `scoring.monitoring.performance.by_vintage` gives it.
    """

    labelled: int
    defaults: int
    accepted_only: bool
    figures: Mapping[str, Interval]
    promised: Mapping[str, float]
    by_vintage: pl.DataFrame
    costs: Costs = field(default_factory=Costs)

    @property
    def promised_on(self) -> tuple[float, float]:
        """Applicants whom promises were measured on, and their defaults; the window's if unknown.

        An older model does not tell: it promises no more surely than the window shows.
        """
        known = self.promised
        return known.get("applicants", self.labelled), known.get("defaults", self.defaults)

    @property
    def dearest(self) -> float:
        """The price of the dearer mistake."""
        return max(self.costs.false_negative, self.costs.false_positive)

    def promise(self, name: str) -> Interval | None:
        """Return what was promised for AUC, cost or calibration, if anything, with its interval.

        Calibration promises as many defaults as expected, as surely as there were many to learn.
        """
        applicants, defaults = self.promised_on
        if name == "observed_to_expected":
            return normal_interval(1.0, defaults**-0.5)
        value = self.promised.get(name)
        if value is None or name not in {"auc", "business_cost"}:
            return None
        if name == "auc":
            return normal_interval(value, hanley_mcneil(value, defaults, applicants))
        return normal_interval(value, bounded_error(value, self.dearest, applicants))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimates for all applicants of a window, before outcomes are known."""

    auc: Interval
    business_cost: Interval
    default_rate: Interval


class Estimated(NamedTuple):
    """A figure of some applicants: all who had a chance, those of a grade, those scored along.

    `above` and `up_to` are the PDs of a "grade"; `up_to` is a "cutoff" and `version` a "model" that
    was not in force, whose cost an applicant is told minus that of the decisions which were. There
    are no estimates where too few outcomes are known.
    """

    name: str
    applicants: int
    estimates: Estimates | None
    above: float | None = None
    up_to: float | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Everybody:
    """Figures of all who had a chance to be accepted, from the outcomes of those who were.

    `observed` outcomes are known, `explored` of them of loans given by chance: there are no figures
    where these are too few. Whoever is not among them is `left_out`, counted by why.
    """

    applicants: int
    observed: int
    explored: int
    left_out: Mapping[str, int]
    figures: Sequence[Estimated] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """All figures of one model in one window.

    The comparison is None without decisions or for a model without a profile, the performance until
    outcomes are known, the estimate without decisions, and `everybody` without exploration.
    """

    window: Window
    model_version: str
    model_digest: str
    applicants: int
    quality: Quality
    service: Service
    comparison: Comparison | None = None
    performance: Performance | None = None
    estimate: Estimate | None = None
    everybody: Everybody | None = None
