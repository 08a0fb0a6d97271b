"""Power of the rules on simulated windows: how soon they see a change, how often they err.

Windows are drawn from applicants that the model has not seen, with a change or without one. What
is asked of each is what a monitor asks of a window: does it deserve any alert at all? Only those
who were not refused have an outcome, as in life.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from scoring.errors import ScoringError
from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.business import realised_cost
from scoring.evaluation.comparison import compare
from scoring.evaluation.intervals import auc_of_ranks, hanley_mcneil, normal_interval, wilson
from scoring.monitoring.findings import Findings, Performance, Quality, Service, Window
from scoring.monitoring.rules import judge
from scoring.monitoring.thresholds import Thresholds
from scoring.serving.costs import Costs
from scoring.serving.profiles import PD, Profile
from scoring.serving.scorer import Floats, Scorer, encode
from studies.processes import Progress, in_processes

Places = npt.NDArray[np.intp]

SIZES = (200, 500, 1000, 2000, 5000)
WINDOWS = 200
# The power that a number of applicants is stated for.
POWER = 0.95
NO_CHANGE = "none"

_WEEK = Window(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC) + timedelta(7))


@dataclass(frozen=True, slots=True)
class Population:
    """Applicants, what a model makes of them, and what came of it.

    All arrays have an entry an applicant: features in the model's order, PDs, decisions, the tuple
    of features that each was told, and whether the applicant defaults.
    """

    matrix: Floats
    pds: Floats
    decisions: npt.NDArray[np.str_]
    reasons: npt.NDArray[np.object_]
    defaulted: npt.NDArray[np.bool_]

    def take(self, places: Places) -> Population:
        """Return some of them, in that order; one may be taken several times."""
        return Population(*(values[places] for values in self._arrays()))

    def mixed(self, other: Population, from_other: npt.NDArray[np.bool_]) -> Population:
        """Return the same applicants, some of them as they are in the other population."""
        mixed = self.take(np.arange(from_other.size))
        for own, theirs in zip(mixed._arrays(), other._arrays(), strict=True):
            own[from_other] = theirs[from_other]
        return mixed

    def resampled(self, size: int, rng: np.random.Generator) -> Population:
        """Draw some of them with replacement, each as likely as another."""
        return self.take(rng.integers(self.pds.size, size=size))

    def weighted(self, weights: Floats, size: int, rng: np.random.Generator) -> Population:
        """Draw some of them with replacement, with chances in proportion to weights."""
        return self.take(rng.choice(weights.size, size, p=weights / weights.sum()))

    def _arrays(self) -> tuple[npt.NDArray[Any], ...]:
        return self.matrix, self.pds, self.decisions, self.reasons, self.defaulted


class PowerError(ScoringError):
    """Windows cannot be simulated."""


def profile_of(scorer: Scorer) -> Profile:
    """Return the profile of the applicants that a model learnt from, or raise `PowerError`."""
    if scorer.profile is None:
        raise PowerError(
            f"version {scorer.version} of {scorer.name} carries no profile of its training "
            "applicants: train it again with this code"
        )
    return scorer.profile


def scored(scorer: Scorer, features: pl.DataFrame, defaulted: npt.ArrayLike) -> Population:
    """Score applicants: what a model makes of them, with what came of them."""
    matrix = encode(features, scorer.features)
    pds = scorer.pds(matrix)
    reasons = np.empty(features.height, dtype=object)
    reasons[:] = [tuple(causes) for causes in scorer.causes.principal(scorer.score_matrix(matrix))]
    return Population(
        matrix,
        pds,
        np.asarray(scorer.decide(pds)),
        reasons,
        np.asarray(defaulted) == 1,
    )


class Change(ABC):
    """Something that may happen to a population: its kind, and its strength in words."""

    kind: ClassVar[str]
    words: ClassVar[str]

    @property
    def strength(self) -> str:
        """How strong it is, in words."""
        return self.words.format(self)

    @abstractmethod
    def window(self, population: Population, size: int, rng: np.random.Generator) -> Population:
        """Draw the applicants of a window after the change."""


@dataclass(frozen=True)
class NoChange(Change):
    """The same population as ever."""

    kind = NO_CHANGE
    words = "resample"

    def window(self, population: Population, size: int, rng: np.random.Generator) -> Population:
        return population.resampled(size, rng)


@dataclass(frozen=True)
class CovariateShift(Change):
    """Others apply: those with low values of a feature more often; P(default | x) stays.

    The feature's density is tilted by exp(-deviations x z), which moves the mean of a normal
    feature z by so many standard deviations.
    """

    feature: int
    deviations: float
    kind = "covariate shift"
    words = "{0.deviations:g} sd of one feature"

    def window(self, population: Population, size: int, rng: np.random.Generator) -> Population:
        values = population.matrix[:, self.feature]
        z = np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values))
        return population.weighted(np.exp(-self.deviations * z), size, rng)


@dataclass(frozen=True)
class LostValues(Change):
    """A source fails: some applicants come without one feature's value, and are scored so.

    `without` is the same population, all of it without the value.
    """

    without: Population
    share: float
    kind = "missingness"
    words = "{0.share:.0%} of one feature"

    def window(self, population: Population, size: int, rng: np.random.Generator) -> Population:
        places = rng.integers(population.pds.size, size=size)
        lost = rng.random(size) < self.share
        return population.take(places).mixed(self.without.take(places), lost)


@dataclass(frozen=True)
class LabelShift(Change):
    """More of those apply who will default; P(x | default) stays."""

    odds: float
    kind = "label shift"
    words = "odds of default x {0.odds:g}"

    def window(self, population: Population, size: int, rng: np.random.Generator) -> Population:
        return population.weighted(np.where(population.defaulted, self.odds, 1.0), size, rng)


@dataclass(frozen=True)
class ConceptShift(Change):
    """The same applicants default more often than before, as in a recession.

    Of a good applicant with probability p of default, P(default) = (p' - p) / (1 - p), where the
    odds of p' are those of p times `odds`.
    """

    odds: float
    kind = "concept shift"
    words = "odds at equal features x {0.odds:g}"

    def window(self, population: Population, size: int, rng: np.random.Generator) -> Population:
        sample = population.resampled(size, rng)
        p = sample.pds
        raised = self.odds * p / (1.0 - p + self.odds * p)
        fallen = rng.random(size) < (raised - p) / (1.0 - p)
        return replace(sample, defaulted=sample.defaulted | fallen)


@dataclass(frozen=True)
class FadedLink(Change):
    """Features say less than before: some outcomes are drawn from all, as many defaults as ever."""

    share: float
    kind = "faded link"
    words = "{0.share:.0%} of outcomes at random"

    def window(self, population: Population, size: int, rng: np.random.Generator) -> Population:
        sample = population.resampled(size, rng)
        others = population.defaulted[rng.integers(population.pds.size, size=size)]
        faded = rng.random(size) < self.share
        return replace(sample, defaulted=np.where(faded, others, sample.defaulted))


def usual_changes(
    scorer: Scorer, population: Population, features: pl.DataFrame
) -> tuple[Change, ...]:
    """Make every kind of change, weak and strong; of features, the most important number."""
    profile = profile_of(scorer)
    numbers = [feature.name for feature in scorer.features if not feature.levels]
    first = max(numbers, key=lambda name: profile.importance.get(name, 0.0))
    place = [feature.name for feature in scorer.features].index(first)
    lost = features.with_columns(pl.lit(None, dtype=features.schema[first]).alias(first))
    without = scored(scorer, lost, population.defaulted)
    return (
        NoChange(),
        *(CovariateShift(place, deviations) for deviations in (0.25, 0.5)),
        *(LostValues(without, share) for share in (0.2, 0.4)),
        *(LabelShift(odds) for odds in (1.5, 2.0)),
        *(ConceptShift(odds) for odds in (1.5, 2.0)),
        *(FadedLink(share) for share in (0.3, 0.6)),
    )


@dataclass(frozen=True, slots=True)
class World:
    """A model's reference and promises, and the population that windows are drawn from.

    `promised` is what the model carries: measured at its training, on others than the population.
    """

    reference: Profile
    population: Population
    costs: Costs
    thresholds: Thresholds
    promised: Mapping[str, float]

    @classmethod
    def of(
        cls, scorer: Scorer, population: Population, thresholds: Thresholds | None = None
    ) -> World:
        """Make the world of a model in which nothing has changed yet.

        Raises
        ------
        PowerError
            If the model carries no profile or no promises.
        """
        promised = scorer.lineage.get("promised", {}).get("not_refused")
        if promised is None:
            raise PowerError(
                f"version {scorer.version} of {scorer.name} carries no promises of what comes of "
                "those it does not refuse: train it again with this code"
            )
        limits = thresholds or Thresholds()
        return cls(profile_of(scorer), population, scorer.costs, limits, promised)

    def findings(self, window: Population) -> Findings:
        """Collect what a monitor would find in a window of these applicants."""
        current = self.reference.counted(
            window.matrix, window.pds, window.decisions.tolist(), window.reasons.tolist()
        )
        size = window.pds.size
        outside = {
            name: column.outside / size
            for name, column in current.columns.items()
            if column.outside and name != PD
        }
        return Findings(
            window=_WEEK,
            model_version="1",
            model_digest="0" * 64,
            applicants=size,
            quality=Quality(sampled=size, outside=outside),
            service=Service(decisions=size, median_ms=2.0, p99_ms=9.0),
            comparison=compare(self.reference, current),
            performance=self._performance(window),
        )

    def _performance(self, window: Population) -> Performance | None:
        """Of those who were not refused; None while nobody or everybody of them defaults."""
        known = window.decisions != "refuse"
        defaults = int(window.defaulted[known].sum())
        labelled = int(known.sum())
        if not 0 < defaults < labelled:
            return None
        return Performance(
            labelled=labelled,
            defaults=defaults,
            accepted_only=True,
            figures=_figures(window, self.costs),
            promised=self.promised,
            by_vintage=pl.DataFrame(),
            costs=self.costs,
        )


def detections(
    world: World, change: Change, size: int, windows: int = WINDOWS, seed: int = 0
) -> list[tuple[str, ...]]:
    """List the rules that give an alert, for each of many windows; same seed, same windows."""
    rules = []
    for number in range(windows):
        rng = np.random.default_rng([seed, size, number])
        findings = world.findings(change.window(world.population, size, rng))
        rules.append(tuple(alert.rule for alert in judge(findings, world.thresholds)))
    return rules


def power(
    world: World,
    changes: Sequence[Change],
    sizes: Sequence[int] = SIZES,
    windows: int = WINDOWS,
    seed: int = 0,
    processes: int = 1,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Measure how many windows are detected, by change and size of the window.

    Sizes beyond one at which every window is detected are left out.

    Returns
    -------
    polars.DataFrame
        kind, strength, applicants, windows, detected (share with any alert), low and high (its
        Wilson interval of 95 %), rule (the one that most of them have, null if none).
    """
    rows: list[dict[str, Any]] = []
    work = partial(_rows, world, sorted(sizes), windows, seed)
    parts = in_processes(work, [(change,) for change in changes], processes)
    for done, some in enumerate(parts, start=1):
        rows += some
        if progress:
            progress("changes", done, len(changes))
    return pl.DataFrame(rows, schema_overrides={"rule": pl.String})


def applicants_needed(table: pl.DataFrame, share: float = POWER) -> pl.DataFrame:
    """Find from how many applicants on a change is detected in a share of the windows.

    Returns
    -------
    polars.DataFrame
        kind, strength, applicants (null if no size that was tried is enough), rule; in the order
        of the table, without the windows in which nothing has changed.
    """
    rows = []
    for (kind, strength), some in table.group_by("kind", "strength", maintain_order=True):
        if kind == NO_CHANGE:
            continue
        enough = None
        for row in some.sort("applicants", descending=True).iter_rows(named=True):
            if row["detected"] < share:
                break
            enough = row
        size, rule = (enough["applicants"], enough["rule"]) if enough else (None, None)
        rows.append({"kind": kind, "strength": strength, "applicants": size, "rule": rule})
    schema = {"kind": pl.String, "strength": pl.String, "applicants": pl.Int64, "rule": pl.String}
    return pl.DataFrame(rows, schema=schema)


def _rows(
    world: World, sizes: Sequence[int], windows: int, seed: int, change: Change
) -> list[dict[str, Any]]:
    """Return the rows of one change, up to the size at which every window is detected."""
    rows: list[dict[str, Any]] = []
    for size in sizes:
        rules = detections(world, change, size, windows, seed)
        detected = sum(map(bool, rules))
        low, high = wilson(detected, windows)
        most = Counter(rule for some in rules for rule in some).most_common(1)
        row = {"kind": change.kind, "strength": change.strength, "applicants": size}
        row |= {"windows": windows, "detected": detected / windows}
        row |= {"low": float(low), "high": float(high), "rule": most[0][0] if most else None}
        rows.append(row)
        if detected == windows:
            break
    return rows


def _figures(window: Population, costs: Costs) -> dict[str, Interval]:
    """AUC, cost and calibration of those who were not refused.

    Closed forms in the place of the bootstrap, which would take a second for every window.
    """
    known = window.decisions != "refuse"
    pds, defaulted = window.pds[known], window.defaulted[known]
    auc, defaults = auc_of_ranks(stats.rankdata(pds), defaulted), int(defaulted.sum())
    ratio = defaults / float(pds.sum())
    return {
        "auc": normal_interval(auc, hanley_mcneil(auc, defaults, pds.size)),
        "business_cost": realised_cost(defaulted, ~known[known], costs),
        "observed_to_expected": normal_interval(ratio, ratio / math.sqrt(defaults)),
    }
