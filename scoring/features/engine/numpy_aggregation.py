"""Aggregates of the rows of a few applicants, by numpy: all measures at once, in one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from scoring.features.engine.aggregates import NEEDS, Aggregate, distinct, finished
from scoring.features.engine.formulas import Formulas, col
from scoring.features.engine.numpy_program import Array, Program

Places = npt.NDArray[np.intp]


class SmallAggregation:
    """How numpy computes an `Aggregation`."""

    def __init__(
        self,
        prefix: str,
        wanted: Sequence[Aggregate],
        units: Mapping[str, float],
        prepare: Formulas,
    ) -> None:
        masked = distinct(wanted)
        columns = [item.column for item in masked]
        filters = [name for name in prepare.names if name.startswith("?")]
        self._prepare = prepare
        self._names = [item.feature(prefix) for item in wanted]
        self._measures = _places(prepare.names, [item.measure for item in masked])
        self._conditions = _places(prepare.names, filters)
        # The condition "all" stands behind the others.
        self._filters = _places([*filters, "?all"], [f"?{item.filter}" for item in masked])
        self._parts = {
            kind: _places(columns, [item.column for item in _needing(wanted, kind)])
            for kind in dict.fromkeys(kind for item in wanted for kind in NEEDS[item.function])
        }
        self._functions = [
            _Function(function, wanted, units)
            for function in dict.fromkeys(item.function for item in wanted)
        ]

    def apply(self, column: Callable[[str], Array], starts: Places) -> dict[str, Array]:
        """Every aggregate by name, a value an applicant, whose rows begin at `starts`."""
        features = np.empty((len(self._names), len(starts)))
        if len(starts):
            parts = self._parts_of(column, starts)
            for function in self._functions:
                features[function.places] = function.of(parts)
        return dict(zip(self._names, features, strict=True))

    def _parts_of(self, column: Callable[[str], Array], starts: Places) -> dict[str, Array]:
        """For each part (`NEEDS`) an array: a row a masked measure, a column an applicant."""
        prepared = self._prepare.arrays(column)
        measures = np.array([prepared[place] for place in self._measures])
        everything = np.ones(measures.shape[1], dtype=bool)
        counted = np.array([*(prepared[place] for place in self._conditions), everything])
        # Adding zero takes the sign off a negative zero, as integers have none.
        masked = np.where(counted[self._filters], measures + 0.0, np.nan)
        return {kind: PARTS[kind](masked[places], starts) for kind, places in self._parts.items()}


def _needing(wanted: Sequence[Aggregate], kind: str) -> list[Aggregate]:
    """One aggregate for each masked measure of which a part is needed."""
    return distinct([item for item in wanted if kind in NEEDS[item.function]])


def _places(among: Sequence[str], names: Iterable[str]) -> Places:
    place = {name: number for number, name in enumerate(among)}
    return np.array([place[name] for name in names], dtype=np.intp)


def _sums(values: Array, starts: Places) -> Array:
    """Add whole numbers as integers, which have no order; NaN counts as zero."""
    whole = np.where(np.isnan(values), 0.0, values).astype(np.int64)
    sums: Array = np.add.reduceat(whole, starts, axis=-1)
    return sums


def _counts(values: Array, starts: Places) -> Array:
    counts: Array = np.add.reduceat(np.equal(values, values), starts, axis=-1, dtype=np.int64)
    return counts


# What a function of numpy makes of each run of values, along the last axis.
PARTS: Mapping[str, Callable[[Array, Places], Array]] = {
    "sum": _sums,
    "count": _counts,
    "min": lambda values, starts: np.fmin.reduceat(values, starts, axis=-1),
    "max": lambda values, starts: np.fmax.reduceat(values, starts, axis=-1),
}


@cache
def _finish(function: str) -> Program:
    part = {kind: col(kind) for kind in NEEDS[function]}
    return Program([finished(function, part, col("unit")).step])


class _Function:
    """All aggregates of one function, which are made of their parts at once."""

    def __init__(
        self, function: str, wanted: Sequence[Aggregate], units: Mapping[str, float]
    ) -> None:
        chosen = [item for item in wanted if item.function == function]
        self.places = np.array([place for place, item in enumerate(wanted) if item in chosen])
        # One below the other, as the parts have a row for each.
        self._units = np.array([units[item.measure] for item in chosen])[:, np.newaxis]
        self._parts = {
            kind: _places(
                [item.column for item in _needing(wanted, kind)],
                [item.column for item in chosen],
            )
            for kind in NEEDS[function]
        }
        self._program = _finish(function)

    def of(self, parts: Mapping[str, Array]) -> Array:
        own = {
            kind: parts[kind][places].astype(np.float64, copy=False)
            for kind, places in self._parts.items()
        }
        (values,) = self._program.run((own | {"unit": self._units}).__getitem__)
        return values
