"""Aggregates of the rows of a few applicants, by numpy: all measures at once, in one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from scoring.features.engine.aggregates import COARSE, NEEDS, Aggregate, coarse, distinct, finished
from scoring.features.engine.formulas import Formulas, col
from scoring.features.engine.numpy_program import Array, Program

Places = npt.NDArray[np.intp]
Whole = npt.NDArray[np.int64]


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
        filters = [name for name in prepare.names if name.startswith("?") and name != "?along"]
        self._prepare = prepare
        self._names = [item.feature(prefix) for item in wanted]
        self._measures = _places(prepare.names, [item.measure for item in masked])
        self._conditions = _places(prepare.names, filters)
        # The condition "all" stands behind the others.
        self._filters = _places([*filters, "?all"], [f"?{item.filter}" for item in masked])
        self._coarse_units = _upright([COARSE[units[item.measure]] for item in masked])
        self._parts = {
            kind: _places(columns, [item.column for item in _needing(wanted, kind)])
            for kind in dict.fromkeys(kind for item in wanted for kind in NEEDS[item.function])
        }
        self._functions = [
            _Function(function, wanted, units)
            for function in dict.fromkeys(item.function for item in wanted)
        ]

    def apply(self, column: Callable[[str], Array], starts: Places) -> dict[str, Array]:
        """Every aggregate by name, a value an applicant.

        Parameters
        ----------
        column : callable
            Gives the columns of the rows, which are applicant by applicant.
        starts : numpy.ndarray
            Where the rows of each applicant begin.
        """
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
        masked = _Masked(
            # Adding zero takes the sign off a negative zero, as integers have none.
            values=np.where(counted[self._filters], measures + 0.0, np.nan),
            along=prepared[-1],
            coarse_units=self._coarse_units,
        )
        return {kind: _PARTS[kind](masked, places, starts) for kind, places in self._parts.items()}


def _needing(wanted: Sequence[Aggregate], kind: str) -> list[Aggregate]:
    """One aggregate for each masked measure of which a part is needed."""
    return distinct([item for item in wanted if kind in NEEDS[item.function]])


def _places(among: Sequence[str], names: Iterable[str]) -> Places:
    place = {name: number for number, name in enumerate(among)}
    return np.array([place[name] for name in names], dtype=np.intp)


def _upright(values: Sequence[float]) -> Array:
    """Values one below the other, for an array with a row for each."""
    return np.array(values)[:, np.newaxis]


class _Masked:
    """Masked measures: whole numbers as floats, NaN where a row does not count."""

    def __init__(self, values: Array, along: Array, coarse_units: Array) -> None:
        self.values = values
        self.known = np.equal(values, values)
        self.whole = np.where(self.known, values, 0.0).astype(np.int64)
        self._along = along
        self._coarse_units = coarse_units

    def coarse(self, places: Places) -> Whole:
        columns = {"values": self.whole[places], "unit": self._coarse_units[places]}
        (values,) = _COARSE_PROGRAM.run(columns.__getitem__)
        return values.astype(np.int64)

    def along(self, places: Places) -> Whole:
        """Where on the axis of slopes the values lie, zero where a row does not count."""
        return np.where(self.known[places], self._along, 0.0).astype(np.int64)


_COARSE_PROGRAM = Program([coarse(col("values"), col("unit")).step])


def _sums(values: Whole | npt.NDArray[np.bool_], starts: Places) -> Array:
    sums: Array = np.add.reduceat(values, starts, axis=1, dtype=np.int64)
    return sums


_PARTS: Mapping[str, Callable[[_Masked, Places, Places], Array]] = {
    "sum": lambda masked, places, starts: _sums(masked.whole[places], starts),
    "count": lambda masked, places, starts: _sums(masked.known[places], starts),
    "min": lambda masked, places, starts: np.fmin.reduceat(masked.values[places], starts, axis=1),
    "max": lambda masked, places, starts: np.fmax.reduceat(masked.values[places], starts, axis=1),
    "coarse": lambda masked, places, starts: _sums(masked.coarse(places), starts),
    "squares": lambda masked, places, starts: _sums(masked.coarse(places) ** 2, starts),
    "x": lambda masked, places, starts: _sums(masked.along(places), starts),
    "xx": lambda masked, places, starts: _sums(masked.along(places) ** 2, starts),
    "xy": lambda masked, places, starts: _sums(masked.along(places) * masked.whole[places], starts),
}


@cache
def _finish(function: str) -> Program:
    part = {kind: col(kind) for kind in NEEDS[function]}
    return Program([finished(function, part, col("unit"), col("coarse_unit")).step])


class _Function:
    """All aggregates of one function, which are made of their parts at once."""

    def __init__(
        self, function: str, wanted: Sequence[Aggregate], units: Mapping[str, float]
    ) -> None:
        chosen = [item for item in wanted if item.function == function]
        own_units = [units[item.measure] for item in chosen]
        self.places = np.array([place for place, item in enumerate(wanted) if item in chosen])
        self._units = {
            "unit": _upright(own_units),
            "coarse_unit": _upright([unit * COARSE[unit] for unit in own_units]),
        }
        self._parts = {
            kind: _places(
                [item.column for item in _needing(wanted, kind)],
                [item.column for item in chosen],
            )
            for kind in NEEDS[function]
        }
        # Sums for a slope stay integers: their products would not be exact as floats.
        self._type = np.int64 if function == "slope" else np.float64
        self._program = _finish(function)

    def of(self, parts: Mapping[str, Array]) -> Array:
        own = {
            kind: parts[kind][places].astype(self._type, copy=False)
            for kind, places in self._parts.items()
        }
        (values,) = self._program.run((own | self._units).__getitem__)
        return values
