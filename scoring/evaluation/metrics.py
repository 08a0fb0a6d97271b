"""Figures of PDs and decisions: ranking, calibration and cost, each with an interval.

`segments` looks at parts of the applicants, `money` counts in money.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.linear_model import LogisticRegression

from scoring.errors import ScoringError
from scoring.evaluation import bootstrap
from scoring.evaluation.bootstrap import Flags, Floats, Interval
from scoring.evaluation.intervals import wilson
from scoring.serving.costs import Costs

# The best published single models of this data reach 0.8044 to 0.8055: whoever is well above
# them has most likely let the outcome into the features.
SUSPECT_AUC = 0.82

_BINS = 10
_TINY = 1e-12
# Log-odds as close as this, one percent of the odds, count as equal.
_FLAT = 0.01


class EvaluationError(ScoringError):
    """Outcomes and PDs from which no figure can be computed."""


class SuspectedLeakageError(ScoringError):
    """A model ranks applicants better than is credible."""


def guard(auc: float) -> None:
    """Refuse an AUC that is too good to be true.

    Raises
    ------
    SuspectedLeakageError
        If the AUC is above `SUSPECT_AUC`, or not a number.
    """
    if not auc <= SUSPECT_AUC:
        raise SuspectedLeakageError(
            f"AUC {auc:.4f} is above {SUSPECT_AUC}, better than the best model ever published for "
            "these data: most likely the outcome leaks into the features. Look for it with "
            "single_columns and overlap of scoring.evaluation.leakage before using this model"
        )


def figures(
    target: npt.ArrayLike,
    pds: npt.ArrayLike,
    cutoff: float,
    costs: Costs,
    sample_weight: Floats | None = None,
) -> dict[str, float]:
    """Compute figures of merit of the PDs, and of refusing the applicants above the cut-off.

    Each stands for `sample_weight` applicants, or for itself.

    Returns
    -------
    dict of str to float
        Ranking: `auc`; `gini`, 2 AUC - 1; `ks`, the largest distance between the shares of
        defaults and of good applicants below a PD (Kolmogorov-Smirnov).
        PDs: `brier`, mean squared error; `log_loss`, in nats; `ece`, the expected calibration
        error: sum over ten bins of equal count of (bin's share of applicants) x |default rate -
        mean PD| (Naeini et al., "Obtaining well calibrated probabilities using Bayesian
        binning", 2015; equal counts after Nguyen and O'Connor, "Posterior calibration and
        exploratory analysis", 2015); `calibration_slope` and `calibration_intercept`, b and a
        of logit P(default) = a + b logit(PD), 1 and 0 for perfect PDs (Cox, "Two further
        applications of a model for binary regression", 1958). Where all PDs are equal, to
        one percent of their odds, there is no slope to find: it is 1, and the intercept is the
        error of the level.
        Decisions: `recall`, the share of defaults refused; `precision`, the share of defaults
        among the refused (0 if nobody is); `f_beta`; `refused`, the share of applicants;
        `business_cost`, per applicant.
        F-beta = (1 + b2) TP / ((1 + b2) TP + b2 FN + FP) counts a missed default b2 times as
        much as a refused good applicant (van Rijsbergen, Information Retrieval, 1979), so b2
        is the ratio of their costs: 10, hence beta = 3.16, by default.

    Raises
    ------
    EvaluationError
        If lengths differ, an outcome never occurs or a PD is not in [0, 1].
    """
    scored = _Scored.of(target, pds, cutoff, costs, sample_weight)
    once = np.ones((1, scored.defaulted.size))
    return {name: float(values[0]) for name, values in scored.figures(once).items()}


def intervals(
    target: npt.ArrayLike,
    pds: npt.ArrayLike,
    cutoff: float,
    costs: Costs,
    resamples: int = 1000,
    seed: int = 0,
    sample_weight: Floats | None = None,
) -> dict[str, Interval]:
    """Compute the figures with percentile bootstrap intervals of 95 %.

    Applicants are drawn, the model stays as it is: the intervals say how the same model could
    have come out on other applicants, not how another training would have. Those of the ranking
    are stratified by outcome; in all others the default rate is by chance, too. `ece` and `ks` are
    distances that noise can only lengthen, so their intervals lie high.
    """
    scored = _Scored.of(target, pds, cutoff, costs, sample_weight)
    strata = _strata(target, sample_weight)
    ranking = bootstrap.intervals(scored.ranking, strata, resamples, seed)
    return ranking | bootstrap.intervals(scored.levels, np.ones_like(strata), resamples, seed)


def paired_difference(
    target: npt.ArrayLike,
    pds_a: npt.ArrayLike,
    pds_b: npt.ArrayLike,
    cutoff_a: float,
    cutoff_b: float,
    costs: Costs,
    resamples: int = 1000,
    seed: int = 0,
    sample_weight: Floats | None = None,
) -> dict[str, Interval]:
    """Compute figures of model a minus those of model b on the same applicants.

    Both are resampled together, so that what makes an applicant hard for either cancels: far
    narrower than the difference of two separate intervals.
    """
    a = _Scored.of(target, pds_a, cutoff_a, costs, sample_weight)
    b = _Scored.of(target, pds_b, cutoff_b, costs, sample_weight)
    strata = _strata(target, sample_weight)
    return bootstrap.intervals(partial(_differences, a, b), strata, resamples, seed)


def auc_interval(
    target: npt.ArrayLike,
    scores: npt.ArrayLike,
    resamples: int = 1000,
    seed: int = 0,
    sample_weight: Floats | None = None,
) -> Interval:
    """Compute the AUC, with its interval, of any scores that rank rows, PDs or not.

    The target is 1 for what the scores should be high for, 0 else; both must occur.

    Raises
    ------
    EvaluationError
        If a score is missing, or one of the two never occurs.
    """
    values = np.asarray(scores, dtype=np.float64)
    if np.isnan(values).any():
        raise EvaluationError("a score is missing: give every row one")
    distinct, ranks = np.unique(values, return_inverse=True)
    scored = _Scored.of(target, ranks / distinct.size, 0.5, Costs(), sample_weight)
    strata = _strata(target, sample_weight)
    return bootstrap.intervals(scored.ranking, strata, resamples, seed)["auc"]


def reliability(target: npt.ArrayLike, pds: npt.ArrayLike, bins: int = _BINS) -> pl.DataFrame:
    """Compare what was predicted with what happened, in bins of about equal count by rising PD.

    Equal PDs share a bin, so there may be fewer bins than asked for.

    Returns
    -------
    polars.DataFrame
        A row a bin: bin (from 1), count, predicted (mean PD), observed (default rate), low and
        high (its Wilson interval of 95 %), inside (whether predicted lies within).
    """
    outcomes, values = checked(target, pds)
    order = np.argsort(values, kind="stable")
    values, outcomes = values[order], outcomes[order]
    starts = bin_starts(values, bins)
    count = np.diff(np.append(starts, values.size))
    defaults = np.add.reduceat(outcomes.astype(np.int64), starts)
    predicted = np.add.reduceat(values, starts) / count
    low, high = wilson(defaults, count)
    return pl.DataFrame(
        {
            "bin": np.arange(1, starts.size + 1),
            "count": count,
            "predicted": predicted,
            "observed": defaults / count,
            "low": low,
            "high": high,
            "inside": (low <= predicted) & (predicted <= high),
        }
    )


def _strata(target: npt.ArrayLike, sample_weight: Floats | None) -> npt.ArrayLike:
    """Of which outcome there are as many in each resample: with weights the rate is by chance."""
    return target if sample_weight is None else np.ones_like(target)


def _differences(a: _Scored, b: _Scored, counts: Floats) -> dict[str, Floats]:
    of_a, of_b = a.figures(counts), b.figures(counts)
    return {name: of_a[name] - of_b[name] for name in of_a}


@dataclass(frozen=True)
class _Scored:
    """Applicants by rising PD, and their figures under any counts.

    `order` has the applicants' positions, `ends` where each run of equal PDs ends, `bins` where
    each bin of the calibration error starts; `recalibration`, intercept and slope on the applicants
    themselves, is near those of any resample; `sample_weight` says for how many each stands.
    """

    order: npt.NDArray[np.intp]
    defaulted: Flags
    pds: Floats
    ends: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp]
    recalibration: tuple[float, float]
    cutoff: float
    costs: Costs
    sample_weight: Floats | None = None

    @classmethod
    def of(
        cls,
        target: npt.ArrayLike,
        pds: npt.ArrayLike,
        cutoff: float,
        costs: Costs,
        sample_weight: Floats | None = None,
    ) -> _Scored:
        outcomes, values = checked(target, pds)
        order = np.argsort(values, kind="stable")
        values, defaulted = values[order], outcomes[order]
        ends = np.flatnonzero(np.append(np.diff(values) > 0, True))
        rising = None if sample_weight is None else sample_weight[order]
        return cls(
            order, defaulted, values, ends, bin_starts(values, _BINS),
            _recalibration(values, defaulted, rising), cutoff, costs, rising,
        )  # fmt: skip

    def figures(self, counts: Floats) -> dict[str, Floats]:
        """Compute each figure for each row of counts, in the applicants' original order."""
        return self.ranking(counts) | self.levels(counts)

    def levels(self, counts: Floats) -> dict[str, Floats]:
        """Compute the figures that follow the default rate for each row of counts."""
        weights = self._weights(counts)
        return self._calibration(weights) | self._recalibrations(weights) | self._decisions(weights)

    def ranking(self, counts: Floats) -> dict[str, Floats]:
        """Compute AUC, Gini and KS for each row of counts."""
        weights = self._weights(counts)
        defaults = np.cumsum(weights * self.defaulted, axis=1)[:, self.ends]
        good = np.cumsum(weights, axis=1)[:, self.ends] - defaults
        defaults /= defaults[:, -1:]
        good /= good[:, -1:]
        # The area under defaults caught (one minus `defaults`) against good refused (one minus
        # `good`), by trapezoids: a pair of equal PDs counts one half.
        steps = np.diff(good, axis=1, prepend=0.0)
        below = 2 * defaults
        below[:, 1:] -= np.diff(defaults, axis=1)
        below[:, 0] -= defaults[:, 0]
        auc = 1.0 - (steps * below).sum(axis=1) / 2
        return {"auc": auc, "gini": 2 * auc - 1, "ks": np.abs(good - defaults).max(axis=1)}

    def _weights(self, counts: Floats) -> Floats:
        """How much each applicant counts in each row, by rising PD."""
        drawn = counts[:, self.order]
        return drawn if self.sample_weight is None else drawn * self.sample_weight

    def _calibration(self, weights: Floats) -> dict[str, Floats]:
        error = self.defaulted - self.pds
        inside = np.clip(self.pds, _TINY, 1 - _TINY)
        loss = -np.log(np.where(self.defaulted, inside, 1 - inside))
        total = weights.sum(axis=1)
        by_bin = np.add.reduceat(weights * error, self.bins, axis=1)
        return {
            "brier": weights @ error**2 / total,
            "log_loss": weights @ loss / total,
            "ece": np.abs(by_bin).sum(axis=1) / total,
        }

    def _recalibrations(self, weights: Floats) -> dict[str, Floats]:
        """Newton's method for all rows at once, from the optimum of equal weights."""
        logits = _logits(self.pds)
        intercept = np.full(len(weights), self.recalibration[0])
        slope = np.full(len(weights), self.recalibration[1])
        if np.ptp(logits) < _FLAT:
            return {"calibration_slope": slope, "calibration_intercept": intercept}
        for _ in range(3):
            fitted = 1 / (1 + np.exp(-(intercept[:, None] + slope[:, None] * logits)))
            error = weights * (self.defaulted - fitted)
            curvature = weights * fitted * (1 - fitted)
            h0, h1, h2 = (curvature @ logits**power for power in (0, 1, 2))
            g0, g1 = error.sum(axis=1), error @ logits
            determinant = h0 * h2 - h1**2
            # No step where PDs separate the outcomes: the slope has no bound there.
            step = np.zeros_like(determinant)
            np.divide(1.0, determinant, out=step, where=determinant > _TINY * h0 * h2)
            intercept = intercept + (h2 * g0 - h1 * g1) * step
            slope = slope + (h0 * g1 - h1 * g0) * step
        return {"calibration_slope": slope, "calibration_intercept": intercept}

    def _decisions(self, weights: Floats) -> dict[str, Floats]:
        refused = self.pds > self.cutoff
        caught = weights @ (self.defaulted & refused).astype(np.float64)
        missed = weights @ (self.defaulted & ~refused).astype(np.float64)
        rejected = weights @ (~self.defaulted & refused).astype(np.float64)
        total = weights.sum(axis=1)
        beta2 = self.costs.loss
        weighted = (1 + beta2) * caught
        return {
            "recall": caught / (caught + missed),
            "precision": caught / np.maximum(caught + rejected, 1.0),
            "f_beta": weighted / (weighted + beta2 * missed + rejected),
            "refused": (caught + rejected) / total,
            "business_cost": self.costs.total(missed, rejected) / total,
        }


def checked(target: npt.ArrayLike, pds: npt.ArrayLike) -> tuple[Flags, Floats]:
    """Return outcomes as booleans and PDs as floats, fit for figures.

    Raises
    ------
    EvaluationError
        If lengths differ, an outcome never occurs or a PD is not in [0, 1].
    """
    outcomes, values = np.asarray(target), np.asarray(pds, dtype=np.float64)
    if outcomes.shape != values.shape or outcomes.ndim != 1:
        raise EvaluationError(
            f"outcomes of shape {outcomes.shape} and PDs of shape {values.shape}: give one of "
            "each an applicant"
        )
    if not np.isin(outcomes, (0, 1)).all() or np.unique(outcomes).size < 2:
        raise EvaluationError("outcomes must be 0 and 1, and both must occur")
    if not ((values >= 0) & (values <= 1)).all():
        raise EvaluationError("a PD is missing or outside [0, 1]: pass probabilities, not scores")
    return outcomes == 1, values


def bin_starts(rising: Floats, bins: int) -> npt.NDArray[np.intp]:
    """Return where bins of about equal count start in rising values; equal values share a bin."""
    first = np.searchsorted(rising, rising, side="left")
    return np.unique(first * bins // rising.size, return_index=True)[1]


def _logits(pds: Floats) -> Floats:
    inside = np.clip(pds, _TINY, 1 - _TINY)
    return np.log(inside) - np.log1p(-inside)


def _recalibration(
    pds: Floats, defaulted: Flags, sample_weight: Floats | None
) -> tuple[float, float]:
    logits = _logits(pds)
    if np.ptp(logits) < _FLAT:
        rate = np.asarray(np.average(defaulted, weights=sample_weight))
        return float(_logits(rate) - logits.mean()), 1.0
    model = LogisticRegression(C=np.inf).fit(logits[:, None], defaulted, sample_weight)
    return float(model.intercept_[0]), float(model.coef_[0, 0])
