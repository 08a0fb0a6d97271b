"""Aggregates of history rows to one row an applicant, exact to the last bit.

Floating-point sums depend on the order of the rows, so one applicant computed alone could differ
from the same applicant inside a batch. Here every value that is summed is an integer (amounts in
thousandths, ratios in millionths): integer sums have no order. Divisions are done once, on the
finished sums, column by column; a column is never divided by a literal, which Polars does by
multiplying with the reciprocal in a long column and by true division in a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

import polars as pl

from scoring.data.tables import RowsT as FrameT
from scoring.features.engine.aggregates import (
    APPLICANT,
    COARSE,
    NEEDS,
    Aggregate,
    Measure,
    coarse,
    distinct,
    finished,
)
from scoring.features.engine.formulas import Condition, Formula, Formulas, col
from scoring.features.engine.numpy_aggregation import SmallAggregation


class Aggregation:
    """A list of aggregates of one table, made ready once for both kinds of rows.

    Parameters
    ----------
    prefix : str
        The table's word in the features' names.
    measures : sequence of Measure
        What can be aggregated.
    filters : mapping of str to Condition
        Which rows count, by name; the name "all" needs no entry.
    aggregates : iterable of Aggregate
        What is computed. Functions: sum, mean, min, max, std, range, count, slope.
    along : Formula, optional
        The integer axis of slopes, such as the number of the month. Slopes need rows that a
        filter limits to some dozens, so that products of sums stay within 64 bits.
    """

    def __init__(
        self,
        prefix: str,
        measures: Sequence[Measure],
        filters: Mapping[str, Condition],
        aggregates: Iterable[Aggregate],
        along: Formula | None = None,
    ) -> None:
        wanted = tuple(aggregates)
        units = {measure.name: measure.unit for measure in measures}
        used = {item.measure for item in wanted}
        conditions = {item.filter: filters[item.filter] for item in wanted if item.filter != "all"}
        prepare = Formulas(
            {measure.name: measure.formula for measure in measures if measure.name in used}
            | {f"?{name}": condition for name, condition in conditions.items()}
            | ({} if along is None else {"?along": along.whole()})
        )
        self.small = SmallAggregation(prefix, wanted, units, prepare)
        self._declared = prefix, wanted, units, prepare

    @cached_property
    def polars(self) -> PolarsAggregation:
        """Made when a portfolio needs it: a service of single applicants starts the sooner."""
        return PolarsAggregation(*self._declared)


class PolarsAggregation:
    """How Polars computes an `Aggregation`."""

    def __init__(
        self,
        prefix: str,
        wanted: Sequence[Aggregate],
        units: Mapping[str, float],
        prepare: Formulas,
    ) -> None:
        parts = dict.fromkeys(
            (item.column, kind) for item in wanted for kind in NEEDS[item.function]
        )
        sloped = distinct(item for item in wanted if item.function == "slope")
        spread = distinct(item for item in wanted if item.function == "std")
        self._prepare = prepare.expressions
        self._mask = [*map(_masked, distinct(wanted)), *map(_position, sloped)]
        self._coarsen = [_coarse(item, COARSE[units[item.measure]]) for item in spread]
        self._group = [_PARTS[kind](column) for column, kind in parts]
        self._finish = [
            _finish(item, units[item.measure]).polars.alias(item.feature(prefix)) for item in wanted
        ]

    def apply(self, rows: FrameT) -> FrameT:
        """One row an applicant (SK_ID_CURR), every aggregate as a Float64 column.

        The rows may come in any order; applicants come out in none in particular.
        """
        return (
            rows.select(APPLICANT, *self._prepare)
            .select(APPLICANT, *self._mask)
            .with_columns(self._coarsen)
            .group_by(APPLICANT)
            .agg(self._group)
            .select(APPLICANT, *self._finish)
        )


def _masked(item: Aggregate) -> pl.Expr:
    column = pl.col(item.measure)
    values = column if item.filter == "all" else pl.when(pl.col(f"?{item.filter}")).then(column)
    return values.alias(item.column)


def _position(item: Aggregate) -> pl.Expr:
    """Where on the axis of slopes the values of a masked measure lie."""
    known = pl.col(item.measure).is_not_null()
    counted = known if item.filter == "all" else known & pl.col(f"?{item.filter}")
    return pl.when(counted).then(pl.col("?along")).alias(f"{item.column}|along")


def _coarse(item: Aggregate, unit: float) -> pl.Expr:
    return coarse(col(item.column), unit).polars.alias(f"{item.column}|coarse")


_PARTS: Mapping[str, Callable[[str], pl.Expr]] = {
    "sum": lambda column: pl.col(column).sum().alias(f"{column}|sum"),
    "count": lambda column: pl.col(column).count().alias(f"{column}|count"),
    "min": lambda column: pl.col(column).min().alias(f"{column}|min"),
    "max": lambda column: pl.col(column).max().alias(f"{column}|max"),
    "coarse": lambda column: pl.col(f"{column}|coarse").sum().alias(f"{column}|coarse"),
    "squares": lambda column: (
        (pl.col(f"{column}|coarse") * pl.col(f"{column}|coarse")).sum().alias(f"{column}|squares")
    ),
    "x": lambda column: pl.col(f"{column}|along").sum().alias(f"{column}|x"),
    "xx": lambda column: (
        (pl.col(f"{column}|along") * pl.col(f"{column}|along")).sum().alias(f"{column}|xx")
    ),
    "xy": lambda column: (pl.col(f"{column}|along") * pl.col(column)).sum().alias(f"{column}|xy"),
}


def _finish(item: Aggregate, unit: float) -> Formula:
    parts = {kind: col(f"{item.column}|{kind}") for kind in NEEDS[item.function]}
    # Sums for a slope stay integers: their products would not be exact as floats.
    numbers = {
        kind: part.whole() if item.function == "slope" else part.real()
        for kind, part in parts.items()
    }
    return finished(item.function, numbers, unit, unit * COARSE[unit])
