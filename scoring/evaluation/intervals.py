"""Figures and intervals in closed form, for where a bootstrap would take too long."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scoring.evaluation.bootstrap import Flags, Floats, Interval

# Standard errors on either side of a normal figure that make an interval of 95 %.
Z_95 = 1.959963984540054


def normal_interval(value: float, error: float) -> Interval:
    """Return the 95 % interval of a figure, given its standard error."""
    return Interval.around(value, Z_95 * error)


def mean_interval(values: npt.ArrayLike, ddof: int = 0) -> Interval:
    """Return the mean of some values with its 95 % interval, by the normal approximation."""
    array = np.asarray(values, dtype=np.float64)
    return normal_interval(float(array.mean()), float(array.std(ddof=ddof)) / np.sqrt(array.size))


def wilson(successes: npt.ArrayLike, trials: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % score interval of a proportion, good down to no success at all.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    n = np.asarray(trials, dtype=np.float64)
    rate, z2 = np.asarray(successes) / n, Z_95**2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    # Exact at the ends, where rounding would leave the proportion itself outside.
    low, high = np.minimum(middle - half, rate), np.maximum(middle + half, rate)
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def auc_of_ranks(ranks: npt.ArrayLike, defaulted: Flags) -> float:
    """Return the AUC, given the applicants' ranks by score (Mann and Whitney, 1947).

    Parameters
    ----------
    ranks : array-like of shape (applicants,)
        As `scipy.stats.rankdata` gives them: ties share their mean rank.
    defaulted : numpy.ndarray of bool of shape (applicants,)
        The outcomes.

    Returns
    -------
    float
        NaN if only one outcome occurs.
    """
    defaults = int(defaulted.sum())
    pairs = defaults * (defaulted.size - defaults)
    above = float(np.asarray(ranks)[defaulted].sum()) - defaults * (defaults + 1) / 2
    return above / pairs if pairs else float("nan")


def hanley_mcneil(auc: float, defaults: float, applicants: float) -> float:
    """Return the standard error of an AUC on so many applicants, so many of them defaults.

    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", 1982.
    """
    good = applicants - defaults
    above_two_good, below_two_defaults = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc)
        + (defaults - 1) * (above_two_good - auc**2)
        + (good - 1) * (below_two_defaults - auc**2)
    ) / (defaults * good)
    # Rounding can leave the variance of a perfect AUC a trifle below zero.
    return float(np.sqrt(max(variance, 0.0)))


def bounded_error(mean: float, most: float, applicants: float) -> float:
    """Return the largest standard error that a mean of values between 0 and `most` can have.

    The variance of one value is mean (most - mean) at most (Bhatia and Davis, "A better bound on
    the variance", 2000).
    """
    return float(np.sqrt(mean * max(most - mean, 0.0) / applicants))
