"""Resampling of applicants: how far a figure could have come out otherwise.

A resample is a row of counts, how often each applicant was drawn, rather than a list of drawn
applicants: figures that are sums over applicants become matrix products, and applicants need to
be sorted by PD only once for all resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Counts held at once (32 MB): bounds the memory on large portfolios.
_BATCH_CELLS = 4_000_000


class Interval(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def around(cls, value: float, half: float) -> Self:
        """Return one that reaches as far to either side of the figure."""
        return cls(value, value - half, value + half)

    def columns(self, name: str) -> dict[str, float]:
        """Return it as columns of a table: the figure's name, and with _low and _high."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


def standing_for(sample_weight: Floats | None, applicants: int) -> Floats:
    """Return for how many each applicant stands: without weights each for one."""
    return np.ones(applicants) if sample_weight is None else sample_weight


def resamples(target: npt.ArrayLike, number: int, seed: int) -> Iterator[Floats]:
    """Draw applicants with replacement, as many of either outcome as there are.

    Stratified because the default rate of the applicants at hand is a given of a comparison. A
    figure that follows this rate has to vary with its chance: give one outcome for all.

    Yields
    ------
    numpy.ndarray of shape (some resamples, applicants)
        How often each applicant was drawn; the batches hold `number` resamples in all.
    """
    outcomes = np.asarray(target) == 1
    strata = [np.flatnonzero(outcomes == value) for value in (True, False)]
    rng = np.random.default_rng(seed)
    batch = max(1, _BATCH_CELLS // outcomes.size)
    for start in range(0, number, batch):
        size = min(batch, number - start)
        counts = np.empty((size, outcomes.size))
        for rows in strata:
            counts[:, rows] = _draws(rng, size, rows.size)
        yield counts


def sums(amounts: Floats, target: npt.ArrayLike, number: int, seed: int) -> Floats:
    """Add up what each applicant counts over `number` resamples, a row each."""
    return np.concatenate([counts @ amounts for counts in resamples(target, number, seed)])


def intervals(
    figures_of: Callable[[Floats], Mapping[str, Floats]],
    target: npt.ArrayLike,
    number: int,
    seed: int,
) -> dict[str, Interval]:
    """Compute figures of the applicants as they are, with intervals from `number` resamples.

    `figures_of` gives a value of each figure for each row of counts.
    """
    # A resample without any default has no share of them that is caught.
    with np.errstate(invalid="ignore"):
        parts = [figures_of(counts) for counts in resamples(target, number, seed)]
    once = figures_of(np.ones((1, np.size(target))))
    return {
        name: interval(value[0], np.concatenate([part[name] for part in parts]))
        for name, value in once.items()
    }


def _draws(rng: np.random.Generator, size: int, rows: int) -> Floats:
    drawn = rng.integers(rows, size=(size, rows)) if rows else np.empty((size, 0), dtype=np.int64)
    cells = (drawn + rows * np.arange(size)[:, None]).ravel()
    return np.bincount(cells, minlength=size * rows).reshape(size, rows).astype(np.float64)


def interval(value: float, drawn: npt.ArrayLike) -> Interval:
    """Return the percentile interval (Efron, Tibshirani, An Introduction to the Bootstrap, 1993).

    Resamples that have no such figure are NaN.
    """
    low, high = np.nanpercentile(np.asarray(drawn, dtype=np.float64), [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
