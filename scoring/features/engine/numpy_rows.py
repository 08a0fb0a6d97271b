"""The rows of a few applicants, held and computed by numpy: nothing is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, reduce
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.features.engine.aggregates import APPLICANT
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Condition, Formulas
from scoring.features.engine.numpy_aggregation import PARTS, Places
from scoring.features.engine.numpy_program import Array, Program, Step
from scoring.features.engine.rows import Rows, Summary

# SK_ID_CURR and the other keys take 31 bits.
_KEY_BITS = 32


class SmallRows(Rows):
    """Rows in memory.

    `find` makes the column of a name: numbers as 64-bit floats with NaN for null, texts as objects
    with None for null. Each is asked for once, and only if something needs it.
    """

    def __init__(
        self,
        height: int,
        names: Sequence[str],
        find: Callable[[str], Array],
        columns: dict[str, Array] | None = None,
    ) -> None:
        self.height = height
        self._names = names
        self._find = find
        self._columns = {} if columns is None else columns

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Self:
        """The rows of a frame."""

        def find(name: str) -> Array:
            values = frame.get_column(name).to_numpy()
            return values if values.dtype == object else values.astype(np.float64, copy=False)

        return cls(frame.height, frame.columns, find)

    @classmethod
    def made(cls, columns: Mapping[str, Array], height: int) -> Self:
        """Rows of columns that are made already."""
        return cls(height, list(columns), columns.__getitem__, dict(columns))

    @property
    def names(self) -> Sequence[str]:
        return self._names

    def column(self, name: str) -> Array:
        """The values of a column."""
        if name not in self._columns:
            self._columns[name] = self._find(name)
        return self._columns[name]

    def take(self, places: Places) -> Self:
        """The rows at some places, in their order."""
        return type(self)(len(places), self.names, lambda name: self.column(name)[places])

    def with_columns(self, formulas: Formulas) -> Self:
        return self._with(dict(zip(formulas.names, formulas.arrays(self.column), strict=True)))

    def only(self, names: Sequence[str]) -> Self:
        return type(self)(self.height, names, self._find, self._columns)

    def filter(self, condition: Condition) -> Self:
        (true,) = _program(condition.true).run(self.column)
        return self.take(np.flatnonzero(true))

    def newest_first(self, order: Sequence[str]) -> Self:
        places = self._places_newest_first(order)
        rows = self.take(places)
        starts = _starts(rows.column(APPLICANT))
        since = np.repeat(starts, np.diff(starts, append=self.height))
        return rows._with({"RANK": (np.arange(self.height) - since).astype(np.float64)})

    def with_newest(self, name: str, column: str) -> Self:
        starts = _starts(self.column(APPLICANT))
        newest = self.column(column)[starts]
        return self._with({name: np.repeat(newest, np.diff(starts, append=self.height))})

    def aggregated(self, aggregation: Aggregation) -> Self:
        rows, starts = self._grouped()
        features = aggregation.small.apply(rows.column, starts)
        return self.made({APPLICANT: rows.column(APPLICANT)[starts]} | features, len(starts))

    def summarised(self, by: Sequence[str], summaries: Mapping[str, Summary]) -> Self:
        keys = self._keys(by)
        places = np.argsort(keys, kind="stable")
        starts = _starts(keys[places])
        columns = {name: self.column(name)[places[starts]] for name in by}
        for name, (column, kind) in summaries.items():
            values = PARTS[kind](self.column(column)[places], starts)
            columns[name] = values.astype(np.float64, copy=False)
        return self.made(columns, len(starts))

    def joined(self, other: Self, on: Sequence[str], *, inner: bool = False) -> Self:
        places = _places(self._keys(on), other._keys(on))
        rows = self
        if inner:
            matched = np.flatnonzero(places >= 0)
            rows, places = self.take(matched), places[matched]
        names = [name for name in other.names if name not in on]
        values = np.array([other.column(name) for name in names])
        # Place -1, for none, is that of the nulls at the end.
        with_null = np.concatenate([values, np.full((len(names), 1), np.nan)], axis=1)
        return rows._with(dict(zip(names, with_null[:, places], strict=True)))

    def frame(self, types: Mapping[str, pl.Enum]) -> pl.DataFrame:
        """The rows as features: SK_ID_CURR as Int32, texts as Enum, numbers as Float32."""
        numbers = [name for name in self.names if name not in types and name != APPLICANT]
        values = np.array([self.column(name) for name in numbers], dtype=np.float32)
        # One series for all numbers, since each costs more than its few values.
        together = pl.Series(values.ravel(), nan_to_null=True)
        columns = {
            name: together.slice(place * self.height, self.height)
            for place, name in enumerate(numbers)
        }
        for name, kind in types.items():
            columns[name] = pl.Series(self.column(name).tolist(), dtype=pl.String).cast(kind)
        columns[APPLICANT] = pl.Series(self.column(APPLICANT).astype(np.int32))
        return pl.DataFrame([columns[name] for name in self.names], schema=list(self.names))

    def vectors(self, codes: Mapping[str, Mapping[str, int]]) -> npt.NDArray[np.float32]:
        """The rows as 32-bit floats without SK_ID_CURR, NaN for null, of shape (rows, columns).

        `codes` has, for each column of text, the number that stands for each category.
        """
        columns = [
            _codes(self.column(name), codes[name]) if name in codes else self.column(name)
            for name in self.names
            if name != APPLICANT
        ]
        return np.array(columns, dtype=np.float32).T

    def _grouped(self) -> tuple[Self, Places]:
        """The rows applicant by applicant, and where each one's begin."""
        applicants = self.column(APPLICANT)
        if (applicants[1:] >= applicants[:-1]).all():
            return self, _starts(applicants)
        rows = self.take(np.argsort(applicants, kind="stable"))
        return rows, _starts(rows.column(APPLICANT))

    def _places_newest_first(self, order: Sequence[str]) -> Places:
        named = [self.column(APPLICANT), *(_descending(self.column(name)) for name in order)]
        # The last key that `lexsort` is given is the first to sort by.
        places = np.lexsort(named[::-1])
        ties = (values[places[1:]] == values[places[:-1]] for values in named)
        if not reduce(np.logical_and, ties).any():
            return places
        others = [name for name in self.names if name not in order and name != APPLICANT]
        keys = [*named, *(_descending(self.column(name)) for name in others)]
        return np.lexsort(keys[::-1])

    def _with(self, columns: dict[str, Array]) -> Self:
        names = list(dict.fromkeys([*self.names, *columns]))
        return type(self)(self.height, names, self._find, self._columns | columns)

    def _keys(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """One whole number a row for the values of one or two columns of keys."""
        parts = [self.column(name).astype(np.int64) for name in names]
        return reduce(lambda high, low: high << _KEY_BITS | low, parts)


@cache
def _program(step: Step) -> Program:
    return Program([step])


def _starts(ordered: Array) -> Places:
    """Where the runs of equal values begin."""
    if not len(ordered):
        return np.empty(0, dtype=np.intp)
    return np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])


def _places(wanted: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]) -> Places:
    """Where each key stands among unique ones, -1 if it does not."""
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.argsort(keys, kind="stable")
    places = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    return np.where(keys[places] == wanted, places, -1)


def _descending(values: Array) -> Array:
    """Numbers that are lowest for the highest values, and infinite for nulls."""
    if values.dtype == object:
        ranks = {text: rank for rank, text in enumerate(sorted(set(values) - {None}))}
        values = np.array([ranks.get(text, np.nan) for text in values], dtype=np.float64)
    return np.where(np.isnan(values), np.inf, -values)


def _codes(texts: Array, codes: Mapping[str, int]) -> Array:
    return np.array([codes.get(text, np.nan) for text in texts], dtype=np.float64)
