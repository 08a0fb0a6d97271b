"""The default rate among the most similar applicants.

Similar by the three external scores and credit / annuity, a stand-in for the term: the idea of
the competition's best-placed solutions. Coordinates are whole numbers, so that squared distances
are exact, and every applicant as near as the k-th counts: who is a neighbour depends neither on
the order of the rows nor on who is asked about at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.learned.base import (
    Labels,
    Rows,
    columns_frame,
    finite,
    numbers,
    quotient,
    readable,
    write_json,
)
from scoring.model_files import read_json

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_SCORES = ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3")
_AMOUNTS = ("AMT_CREDIT", "AMT_ANNUITY")
_DIMENSIONS = len(_SCORES) + 1

# Places on an axis: thousandths of a standard deviation, cut at five, and missing values apart.
_STEPS = 1_000
_FURTHEST = 5 * _STEPS
_MISSING = -8 * _STEPS

# 500 neighbours among the 307,511 training applicants of the full data are known to work. With
# fewer applicants the best number falls with the power 4 / (4 + dimensions) of theirs (Fukunaga
# and Hostetler, "Optimization of k-nearest-neighbor density estimates", 1973).
_NEIGHBOURS = 500
_APPLICANTS = 307_511
_POWER = 4 / (4 + _DIMENSIONS)
# One in twelve defaults: fewer than a hundred neighbours tell a rate from another by luck only.
_FEWEST = 100

# Applicants in a cell of the index: few enough to skip most of it, enough for NumPy to be quick.
_CELL = 256
# Cells looked at first, besides those that k applicants fill.
_FIRST_CELLS = 8

_POINTS = "points.npy"
_DEFAULTS = "defaults.npy"
_DESCRIPTION = "neighbours.json"


@dataclass(frozen=True, eq=False)
class Neighbours:
    """An index of training applicants, frozen.

    Attributes
    ----------
    points : numpy.ndarray of shape (applicants, 4)
        Their places, Int16, neighbouring rows near each other.
    defaults : numpy.ndarray of shape (applicants,)
        Their outcomes.
    k : int
        Number of neighbours; more where several are equally far.
    centres, spreads : tuple of float
        Mean and standard deviation of each coordinate among them.
    """

    points: npt.NDArray[np.int16]
    defaults: Labels
    k: int
    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    name: ClassVar[str] = "neighbours"
    columns: ClassVar[tuple[str, ...]] = ("neighbours__DEFAULT_RATE",)

    def transform(self, rows: Rows, features: pl.DataFrame) -> pl.DataFrame:
        """The default rate among each applicant's neighbours."""
        del rows
        places = to_places(coordinates(features), self.centres, self.spreads)
        rates = np.array([self._rate(place) for place in places.astype(np.int64)])
        return columns_frame(self.columns, rates.reshape(-1, 1))

    def save(self, folder: Path) -> None:
        """Write the index; applicants are not named in it."""
        np.save(folder / _POINTS, self.points, allow_pickle=False)
        np.save(folder / _DEFAULTS, self.defaults, allow_pickle=False)
        scale = {"k": self.k, "centres": self.centres, "spreads": self.spreads}
        write_json(folder / _DESCRIPTION, scale)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with readable(folder):
            # Mapped, so that a head that promises more than there is makes no room for it.
            points, defaults = (
                np.array(np.load(folder / name, mmap_mode="r", allow_pickle=False))
                for name in (_POINTS, _DEFAULTS)
            )
            scale = read_json((folder / _DESCRIPTION).read_bytes())
            k, centres, spreads = scale["k"], finite(scale["centres"]), finite(scale["spreads"])
            if points.shape != (defaults.size, _DIMENSIONS) or not 0 < k <= defaults.size:
                raise ValueError(f"{points.shape} places for {defaults.size} outcomes")
            if (points.dtype.str, defaults.dtype.str) != ("<i2", "|i1") or type(k) is not int:
                raise ValueError("the places and outcomes are of other types")
            if not np.isin(defaults, (0, 1)).all():
                raise ValueError("an outcome is neither 0 nor 1")
            if not (len(centres) == len(spreads) == _DIMENSIONS and min(spreads) > 0):
                raise ValueError("the scale is not of all coordinates")
            return cls(points, defaults, k, centres, spreads)

    def __eq__(self, other: object) -> bool:
        """Whether both learnt the same."""
        if not isinstance(other, Neighbours):
            return NotImplemented
        return (
            (self.k, self.centres, self.spreads) == (other.k, other.centres, other.spreads)
            and np.array_equal(self.points, other.points)
            and np.array_equal(self.defaults, other.defaults)
        )

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def _corners(self) -> tuple[Integers, Integers]:
        """The lowest and the highest place of each cell, of shape (cells, 4)."""
        starts = np.arange(0, self.defaults.size, _CELL)
        low = np.minimum.reduceat(self.points, starts, axis=0)
        high = np.maximum.reduceat(self.points, starts, axis=0)
        return low.astype(np.int64), high.astype(np.int64)

    @cached_property
    def _cells(self) -> tuple[list[npt.NDArray[np.int32]], Labels]:
        """Each coordinate, and the outcomes, by cell; the last cell is filled up with zeros."""
        empty = -self.defaults.size % _CELL
        axes = [np.pad(axis.astype(np.int32), (0, empty)) for axis in self.points.T]
        outcomes = np.pad(self.defaults, (0, empty))
        return [axis.reshape(-1, _CELL) for axis in axes], outcomes.reshape(-1, _CELL)

    def _rate(self, place: Integers) -> float:
        low, high = self._corners
        outside = np.maximum(low - place, 0) + np.maximum(place - high, 0)
        at_least = (outside * outside).sum(axis=1)
        # Some of the nearest cells give a distance that k are within; no farther cell counts.
        nearest = np.argsort(at_least, kind="stable")[: _FIRST_CELLS + self.k // _CELL]
        within = self._furthest(self._distances(nearest, place))
        cells = np.flatnonzero(at_least <= within)
        distances = self._distances(cells, place)
        near = self._cells[1][cells][distances <= self._furthest(distances)]
        return float(near.sum(dtype=np.int64) / near.size)

    def _furthest(self, distances: npt.NDArray[np.int32]) -> np.int32:
        """The distance of the k-th."""
        furthest: np.int32 = np.partition(distances, self.k - 1, axis=None)[self.k - 1]
        return furthest

    def _distances(self, cells: npt.NDArray[np.intp], place: Integers) -> npt.NDArray[np.int32]:
        """Squared distances of the applicants of some cells, of shape (cells, _CELL)."""
        axes, _ = self._cells
        result = np.zeros((cells.size, _CELL), dtype=np.int32)
        for axis, position in zip(axes, place.astype(np.int32), strict=True):
            apart = axis[cells] - position
            apart *= apart
            result += apart
        last = len(axes[0]) - 1
        result[cells == last, self.defaults.size - last * _CELL :] = np.iinfo(np.int32).max
        return result


@dataclass(frozen=True, slots=True)
class NeighboursLearner:
    """Learns where the training applicants are and who of them defaulted."""

    name: str = "neighbours"
    uses_target: bool = True

    def fit(self, rows: Rows, features: pl.DataFrame, target: Labels, seed: int) -> Neighbours:
        """Index the applicants of `features`; nothing in it is random."""
        del rows, seed
        values = coordinates(features)
        centres, spreads = _scale(values)
        points = to_places(values, centres, spreads)
        order = np.concatenate(_cells(points, np.arange(target.size)))
        return Neighbours(
            points[order].astype(np.int16),
            target[order].astype(np.int8),
            neighbours_among(target.size),
            centres,
            spreads,
        )


def coordinates(features: pl.DataFrame) -> Floats:
    """External scores and credit / annuity, of shape (applicants, 4), NaN for missing."""
    values = numbers(features, (*_SCORES, *_AMOUNTS))
    term = quotient(values[:, -2], values[:, -1])
    return np.column_stack([values[:, : len(_SCORES)], term])


def neighbours_among(applicants: int) -> int:
    """How many neighbours to ask among so many training applicants."""
    scaled: int = round(_NEIGHBOURS * (applicants / _APPLICANTS) ** _POWER)
    return min(max(scaled, _FEWEST), applicants)


def _scale(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    centres, spreads = [], []
    for column in values.T:
        known = column[~np.isnan(column)]
        centres.append(float(known.mean()) if known.size else 0.0)
        spreads.append((float(known.std()) if known.size else 0.0) or 1.0)
    return tuple(centres), tuple(spreads)


def to_places(values: Floats, centres: tuple[float, ...], spreads: tuple[float, ...]) -> Integers:
    """Whole-numbered places, of shape (applicants, 4)."""
    scaled = np.rint((values - np.array(centres)) / np.array(spreads) * _STEPS)
    cut = np.clip(scaled, -_FURTHEST, _FURTHEST)
    return np.where(np.isnan(cut), _MISSING, cut).astype(np.int64)


def _cells(points: Integers, members: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """Cut the applicants across their widest axis until each part fills one cell."""
    if members.size <= _CELL:
        return [members]
    own = points[members]
    axis = (own.max(axis=0) - own.min(axis=0)).argmax()
    order = members[np.argsort(own[:, axis], kind="stable")]
    # Whole cells on the left, so that cells stay aligned with multiples of their size.
    middle = -(-members.size // _CELL) // 2 * _CELL
    return _cells(points, order[:middle]) + _cells(points, order[middle:])
