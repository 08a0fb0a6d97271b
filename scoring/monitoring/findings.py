"""Findings on a window of recorded decisions: the figures, without a judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison
from scoring.serving.costs import Costs
from scoring.store.records import ReviewCounts


@dataclass(frozen=True, slots=True)
class Window:
    """The time looked at: from `since` on, before `until`; both are aware of their zone."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Quality:
    """The state of the data that came in.

    Attributes
    ----------
    sampled : int
        How many applicants' features were looked at.
    unknown_categories : mapping of str to float
        Features with categories that the model does not know, and the share of applicants.
    outside : mapping of str to float
        Features with numbers beyond those of the training, and the share of applicants.
    recomputed : int
        Of how many decisions the features were computed again from the kept rows.
    skewed : mapping of str to int
        Features that came out otherwise, and how often: serving and training differ.
    """

    sampled: int
    unknown_categories: Mapping[str, float] = field(default_factory=dict)
    outside: Mapping[str, float] = field(default_factory=dict)
    recomputed: int = 0
    skewed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """The service's figures: decisions, latencies, events, errors.

    Attributes
    ----------
    decisions : int
        All that were recorded in the window, by whichever model.
    median_ms, p99_ms : float
        From a request's arrival to the end of scoring; NaN without decisions.
    events : mapping of str to int
        What happened to models, by kind, as the service noted it ("refused" ones too).
    errors : int or None
        Answers with a status of 500 or more since the last look, where the service's metrics were
        asked.
    reviews : ReviewCounts
        How reviews went, for which applicants asked.
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
    labelled : int
        How many have an outcome; `defaults` of them defaulted.
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
    costs : Costs
        Of the two mistakes, as the model counts them.
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
    """Estimates for a window before outcomes are known; they hold if the PDs are calibrated.

    Attributes
    ----------
    auc, business_cost, default_rate : Interval
        Of all applicants of the window.
    """

    auc: Interval
    business_cost: Interval
    default_rate: Interval


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found out about one model in one window.

    Attributes
    ----------
    model_version, model_digest : str
        The model, as decisions name it.
    applicants : int
        Decisions of this model in the window.
    comparison : Comparison or None
        With those whom the model learnt from; None with nobody, or a model without a profile.
    performance : Performance or None
        None until outcomes are known.
    estimate : Estimate or None
        None with nobody.
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
