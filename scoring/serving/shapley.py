"""Exact Shapley values of a model of trees, several times quicker than a walk through each tree.

What is explained is TreeSHAP's game (Lundberg et al., "From local explanations to global
understanding with explainable AI for trees", Nature Machine Intelligence, 2020): a leaf that is
reached by splits on the features F counts, for a known set T of features, as

    value x product over i in F of (taken_i if i in T, else share_i)

where taken_i says whether the row goes the leaf's way at all splits on i, and share_i is the part
of the training rows that did. The Shapley value of feature i is then (Owen, "Multilinear
extensions of games", Management Science, 1972)

    value x (taken_i - share_i) x integral over t from 0 to 1 of the product over j != i of
    (t x taken_j + (1 - t) x share_j)

The integrand is a polynomial in t of degree |F| - 1, so that Gauss and Legendre's quadrature with
|F| / 2 points gives the integral itself, not an approximation. Of a row only the flags taken_i
matter: the values of all 2^|F| cases are computed once, and looked up for each row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from threading import Lock
from typing import NamedTuple

import numpy as np

from scoring.serving.trees import Edge, Floats, Leaf, Places, Trees, TreesError

# A megabyte or so for hundreds of trees of depth 4, thirty times that for depth 7.
_MOST_BYTES = 64_000_000
# Rows that are looked up at a time: a server asks for a few, and each call has its price.
_ROWS = 16

_Slots = list[tuple[int, list[Edge]]]


class _Cases(NamedTuple):
    """Leaves that are reached by splits on equally many features.

    `slots` are their features: the first one of every leaf, then the second one of every leaf, and
    so on. A leaf's cases begin at `first` of the table, of shape (leaves x 2^features, features),
    which has each feature's value in each case; bit i of a case says whether feature i's way is
    taken.
    """

    slots: slice
    first: Places
    table: Floats


class Shapley:
    """The Shapley values of a model's trees, added to `expected_score`, the training rows' mean.

    Raises
    ------
    TreesError
        If the trees are too deep for it.
    """

    def __init__(self, trees: Trees) -> None:
        self._splits = trees.splits
        self.expected_score = float(sum(leaf.value * _share(leaf.path) for leaf in trees.leaves))
        columns = trees.splits.feature.tolist()
        ways = [(leaf, _slots(leaf, columns)) for leaf in trees.leaves if leaf.path]
        _check_size(own for _, own in ways)
        # Stable, so that a model's values are always added up in the same order.
        ways.sort(key=_width)
        slots: _Slots = []
        self._cases: list[_Cases] = []
        for width, group in groupby(ways, key=_width):
            leaves = list(group)
            here = slice(len(slots), len(slots) + width * len(leaves))
            self._cases.append(_Cases(here, np.arange(len(leaves)) << width, _table(leaves)))
            slots += [own[i] for i in range(width) for _, own in leaves]
        self._split = np.array([edges[0].split for _, edges in slots], dtype=np.intp)
        self._left = np.array([edges[0].left for _, edges in slots], dtype=np.bool_)
        # A feature that is split on again on the same way: few slots have such edges.
        again = [(slot, edge) for slot, (_, edges) in enumerate(slots) for edge in edges[1:]]
        self._again_slot = np.array([slot for slot, _ in again], dtype=np.intp)
        self._again_split = np.array([edge.split for _, edge in again], dtype=np.intp)
        self._again_left = np.array([edge.left for _, edge in again], dtype=np.bool_)
        # In the tables' order, leaf by leaf.
        self._feature = np.array([feature for _, own in ways for feature, _ in own], dtype=np.intp)
        # Arrays of this size that are made anew each time cost as much as what is done in them:
        # the system takes the memory back.
        self._values = np.empty((_ROWS, len(slots)))
        self._lock = Lock()

    def values(self, matrix: Floats) -> Floats:
        """What each feature adds to the score of each row, in log-odds, of shape (rows, columns).

        A row's sum and the expected score are its score. A row has the same values, to the last
        bit, whatever rows come with it.
        """
        result = np.empty((len(matrix), self._splits.columns))
        with self._lock:
            for start in range(0, len(matrix), _ROWS):
                self._look_up(matrix[start : start + _ROWS])
                for row in range(start, min(start + _ROWS, len(matrix))):
                    result[row] = self._totals(self._values[row - start])
        return result

    def _look_up(self, matrix: Floats) -> None:
        """Put the values of each leaf's features into `_values`, of at most `_ROWS` rows."""
        rows = len(matrix)
        left = self._splits.left(matrix)
        taken = left.take(self._split, axis=1) == self._left
        again = left.take(self._again_split, axis=1) != self._again_left
        which, missed = np.nonzero(again)
        taken[which, self._again_slot[missed]] = False
        end = 0
        for slots, first, table in self._cases:
            width = table.shape[1]
            flags = taken[:, slots].reshape(rows, width, len(first)).view(np.uint8)
            case = flags[:, -1].copy()
            for i in reversed(range(width - 1)):
                case <<= 1
                case |= flags[:, i]
            start, end = end, end + width * len(first)
            for row in range(rows):
                out = self._values[row, start:end].reshape(len(first), width)
                np.take(table, first + case[row], axis=0, out=out, mode="clip")

    def _totals(self, values: Floats) -> Floats:
        totals = np.bincount(self._feature, values, minlength=self._splits.columns)
        return totals.astype(np.float64, copy=False)


def _slots(leaf: Leaf, columns: Sequence[int]) -> _Slots:
    """The features on the way to a leaf, each with its edges."""
    by_feature: dict[int, list[Edge]] = {}
    for edge in leaf.path:
        by_feature.setdefault(columns[edge.split], []).append(edge)
    return list(by_feature.items())


def _share(edges: Iterable[Edge]) -> float:
    return math.prod(edge.share for edge in edges)


def _width(way: tuple[Leaf, _Slots]) -> int:
    return len(way[1])


def _check_size(ways: Iterable[_Slots]) -> None:
    widths = [len(slots) for slots in ways]
    size = sum(8 * width << width for width in widths)
    # A case is a byte.
    if max(widths, default=0) > 8 or size > _MOST_BYTES:
        raise TreesError(
            f"the trees are too deep for exact reasons at once: a leaf depends on {max(widths)} "
            f"features, and all would take {size / 1e6:,.0f} MB: train with max_depth=6 or less"
        )


def _table(ways: Sequence[tuple[Leaf, _Slots]]) -> Floats:
    """The values of the features of leaves with equally many, in all cases."""
    share = np.array([[_share(edges) for _, edges in slots] for _, slots in ways])[:, np.newaxis]
    value = np.array([leaf.value for leaf, _ in ways])[:, np.newaxis, np.newaxis]
    width = share.shape[-1]
    taken = (np.arange(1 << width)[:, np.newaxis] >> np.arange(width) & 1) == 1
    integral = np.zeros((len(ways), 1 << width, width))
    for t, weight in zip(*_quadrature((width + 1) // 2), strict=True):
        factors = np.where(taken, t + (1.0 - t) * share, (1.0 - t) * share)
        product = weight * np.ones(factors.shape[:-1])
        for i in range(width):
            product *= factors[..., i]
        # No factor is 0: a point of the quadrature is never 1, nor a share 0.
        integral += product[..., np.newaxis] / factors
    integral *= value * (taken - share)
    return integral.reshape(-1, width)


def _quadrature(points: int) -> tuple[Floats, Floats]:
    """Gauss and Legendre's points and weights from 0 to 1.

    Rounded, since they come from linear algebra, whose last bit differs between kinds of
    processors, and a reason has to be the same wherever it is computed again.
    """
    places, weights = np.polynomial.legendre.leggauss(points)
    return np.round((places + 1.0) / 2.0, 15), np.round(weights / 2.0, 15)
