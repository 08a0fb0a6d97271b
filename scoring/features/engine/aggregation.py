"""Aggregates of history rows to one row an applicant; `aggregates` says why they are exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import polars as pl

from scoring.data.tables import RowsT as FrameT
from scoring.data.tables import Table
from scoring.features.engine.aggregates import (
    APPLICANT,
    NEEDS,
    Aggregate,
    Measure,
    distinct,
    finished,
    plain,
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
        What is computed to be aggregated.
    filters : mapping of str to Condition
        Which rows count, by name; the name "all" needs no entry.
    aggregates : iterable of Aggregate
        What the features are.
    table : Table, optional
        Whose columns can be aggregated as they are.
    """

    def __init__(
        self,
        prefix: str,
        measures: Sequence[Measure],
        filters: Mapping[str, Condition],
        aggregates: Iterable[Aggregate],
        table: Table | None = None,
    ) -> None:
        wanted = tuple(aggregates)
        declared = {measure.name: measure for measure in measures}
        used = {
            name: plain(table[name]) if table and name not in declared else declared[name]
            for name in dict.fromkeys(item.measure for item in wanted)
        }
        units = {name: measure.unit for name, measure in used.items()}
        conditions = {item.filter: filters[item.filter] for item in wanted if item.filter != "all"}
        prepare = Formulas(
            {name: measure.formula for name, measure in used.items()}
            | {f"?{name}": condition for name, condition in conditions.items()}
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
        self._prepare = prepare.expressions
        self._mask = [_masked(item) for item in distinct(wanted)]
        self._group = [_part(column, kind) for column, kind in parts]
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
            .group_by(APPLICANT)
            .agg(self._group)
            .select(APPLICANT, *self._finish)
        )


def _masked(item: Aggregate) -> pl.Expr:
    column = pl.col(item.measure)
    values = column if item.filter == "all" else pl.when(pl.col(f"?{item.filter}")).then(column)
    return values.alias(item.column)


def _part(column: str, kind: str) -> pl.Expr:
    part: pl.Expr = getattr(pl.col(column), kind)()
    return part.alias(f"{column}|{kind}")


def _finish(item: Aggregate, unit: float) -> Formula:
    parts = {kind: col(f"{item.column}|{kind}").real() for kind in NEEDS[item.function]}
    return finished(item.function, parts, unit)
