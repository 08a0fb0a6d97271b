"""Distances and tests between two populations, from their counts in the same bins.

Sizes say how much has changed, tests whether chance alone could have done it. On many applicants
every small change is certain, on few a large size means nothing: neither is enough by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from scoring.evaluation.bootstrap import Floats

Counts = Sequence[int]

# What an empty bin counts for: the logarithm of nothing is not finite.
_HALF = 0.5
_FEWEST_EXPECTED = 5.0


class Test(NamedTuple):
    """A statistic, and the probability of one at least as large if nothing has changed."""

    statistic: float
    p_value: float


def psi(reference: Counts, current: Counts) -> float:
    """Compute the population stability index, 0 for equal shares.

    The sum over bins of (q - p) x ln(q / p), shares p of the reference and q of the current
    population (Lewis, "An Introduction to Credit Scoring", 1994): the usual reading is stable
    below 0.1 and shifted from 0.2. An empty bin counts as half an applicant.
    """
    p, q = _shares(reference), _shares(current)
    return float(np.sum((q - p) * np.log(q / p)))


def chance_psi(reference: Counts, current: Counts) -> float:
    """Compute the PSI that is to be expected of two samples of the same population.

    (bins - 1) x (1 / n + 1 / m), as 1 / (1 / n + 1 / m) times the PSI is nearly distributed as
    chi-square (Yurdakul, "Statistical Properties of Population Stability Index", 2018).
    """
    n, m = sum(reference), sum(current)
    if not n or not m:
        return 0.0
    # Bins that are empty in both populations cannot differ.
    bins = sum(1 for a, b in zip(reference, current, strict=True) if a or b)
    return max(bins - 1, 0) * (1.0 / n + 1.0 / m)


def kolmogorov_smirnov(reference: Counts, current: Counts) -> Test:
    """Compare the cumulative shares of bins in a natural order: their largest difference.

    Only the bins' edges are looked at, and equal numbers are in one bin: the p-value (the limit
    of Kolmogorov's distribution) is then too large rather than too small.
    """
    n, m = sum(reference), sum(current)
    if not n or not m:
        return Test(0.0, 1.0)
    distance = float(np.abs(np.cumsum(reference) / n - np.cumsum(current) / m).max())
    return Test(distance, float(special.kolmogorov(distance * math.sqrt(n * m / (n + m)))))


def chi_square(reference: Counts, current: Counts) -> Test:
    """Test homogeneity by Pearson's chi-square; bins rare in both populations are put together.

    Those in which fewer than five applicants of either population are to be expected (Cochran,
    "Some methods for strengthening the common chi-square tests", 1954).
    """
    table = _without_rare(np.array([reference, current], dtype=np.float64))
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return Test(0.0, 1.0)
    result = stats.chi2_contingency(table, correction=False)
    return Test(float(result.statistic), float(result.pvalue))


def two_proportions(reference: int, of_reference: int, current: int, of_current: int) -> Test:
    """Test whether two shares differ: z-test, two-sided, with the pooled share's standard error."""
    if not of_reference or not of_current:
        return Test(0.0, 1.0)
    pooled = (reference + current) / (of_reference + of_current)
    error = math.sqrt(pooled * (1.0 - pooled) * (1.0 / of_reference + 1.0 / of_current))
    if error == 0.0:
        return Test(0.0, 1.0)
    z = (current / of_current - reference / of_reference) / error
    return Test(z, float(2.0 * special.ndtr(-abs(z))))


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjust p-values, so that many may be held against one level.

    The chance of even one false alarm stays below the level, however the tests depend on each
    other (Holm, "A simple sequentially rejective multiple test procedure", 1979).
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    factors = np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return adjusted


def _shares(counts: Counts) -> Floats:
    filled: Floats = np.maximum(np.asarray(counts, dtype=np.float64), _HALF)
    filled /= filled.sum()
    return filled


def _without_rare(table: Floats) -> Floats:
    """The table with its rare columns added up to one."""
    smaller = table.sum(axis=1).min() / max(table.sum(), 1.0)
    rare = table.sum(axis=0) * smaller < _FEWEST_EXPECTED
    kept = table[:, ~rare]
    rest = table[:, rare].sum(axis=1, keepdims=True)
    return np.hstack([kept, rest]) if rest.sum() * smaller >= _FEWEST_EXPECTED else kept
