"""Findings on a window of recorded decisions: the figures, without a judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison
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
        The same figures on applicants kept from the training, at the time of training; for the
        accepted alone where only they have outcomes.
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


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimates for all applicants of a window, before outcomes are known."""

    auc: Interval
    business_cost: Interval
    default_rate: Interval


@dataclass(frozen=True, slots=True)
class Alternative:
    """A rule that was not in force: what it would have cost an applicant, minus what that one did.

    Either it refuses above a `cutoff`, or it is the rule of the model of that version which was
    scored along; whom that would refer it accepts here. `applicants` are those on whom it decides.
    There is no difference, as no default rate of a grade, where too few outcomes are known.
    """

    cutoff: float | None
    model_version: str | None
    applicants: int
    difference: Estimates | None


class Grade(NamedTuple):
    """Applicants up to a PD, None for the last, and their default rate, the refused among them."""

    upper: float | None
    applicants: int
    default_rate: Estimates | None


@dataclass(frozen=True, slots=True)
class Everybody:
    """Estimates for all who had a chance to be accepted, from the outcomes of those who were.

    Attributes
    ----------
    applicants, observed, explored : int
        How many they are, how many outcomes are known, and how many of those are of explored loans.
    left_out : mapping of str to int
        How many others there are, by why.
    figures : mapping of str to Estimates
        `default_rate`, `auc`, `observed_to_expected`, and `business_cost` of the model's decisions
        without exploration; none where too few of the explored have an outcome.
    """

    applicants: int
    observed: int
    explored: int
    left_out: Mapping[str, int]
    figures: Mapping[str, Estimates] = field(default_factory=dict)
    grades: Sequence[Grade] = ()
    alternatives: Sequence[Alternative] = ()


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
