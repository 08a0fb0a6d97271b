"""Aggregates of history rows to one row an applicant, exact to the last bit.

Floating-point sums depend on the order of the rows, so one applicant computed alone could differ
from the same applicant inside a batch. Here every value that is summed is an integer (amounts in
thousandths, ratios in millionths): integer sums have no order. Divisions are done once, on the
finished sums, column by column; a column is never divided by a literal, which Polars does by
multiplying with the reciprocal in a long column and by true division in a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from scoring.tables import RowsT

APPLICANT = "SK_ID_CURR"

# Units of the integers that are summed, as the factor that turns them back.
AMOUNT_UNIT = 1e-3
RATIO_UNIT = 1e-6
COUNT_UNIT = 1.0

# Squares of thousandths overflow 64 bits: spreads are computed on a coarser integer
# (hundreds of currency, thousandths of a ratio), wide enough for a spread.
_COARSE = {AMOUNT_UNIT: 100_000, RATIO_UNIT: 1_000, COUNT_UNIT: 1}
_COARSE_LIMIT = 10_000_000
_RATIO_LIMIT = 1_000.0


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of a history table, or a value computed from several, as an integer.

    Attributes
    ----------
    name : str
        Kaggle's column name, or a new name in capitals for a computed value.
    expression : polars.Expr
        The integer values, Int64.
    unit : float
        What one unit of the integer is worth: 0.001 for amounts, 0.000001 for ratios, 1 else.
    """

    name: str
    expression: pl.Expr
    unit: float = COUNT_UNIT


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One feature: a function of a measure over the rows that pass a filter."""

    measure: str
    filter: str
    function: str

    def feature(self, prefix: str) -> str:
        """Name of the feature: table, column, filter and function, joined by two underscores."""
        return f"{prefix}__{self.measure}__{self.filter}__{self.function}"


def amount(name: str, expression: pl.Expr | None = None) -> Measure:
    """An amount of money, in thousandths."""
    values = pl.col(name) if expression is None else expression
    return Measure(name, (values * 1000.0).round().cast(pl.Int64), AMOUNT_UNIT)


def count(name: str, expression: pl.Expr | None = None) -> Measure:
    """A number of days, months or things."""
    values = pl.col(name) if expression is None else expression
    return Measure(name, values.cast(pl.Int64))


def flag(name: str, condition: pl.Expr) -> Measure:
    """1 where the condition holds, 0 where it does not, null where it is unknown."""
    return Measure(name, condition.cast(pl.Int64))


def fraction(name: str, expression: pl.Expr) -> Measure:
    """A value around one, such as a rate, in millionths, cut at +-1,000."""
    limited = expression.clip(-_RATIO_LIMIT, _RATIO_LIMIT)
    return Measure(name, (limited * 1e6).round().cast(pl.Int64), RATIO_UNIT)


def ratio(name: str, numerator: pl.Expr, denominator: pl.Expr) -> Measure:
    """A ratio in millionths, null where the denominator is not above zero, cut at +-1,000."""
    return fraction(name, pl.when(denominator > 0).then(numerator / denominator))


def without_sentinel(name: str, sentinel: int) -> pl.Expr:
    """The column with the value that stands for "never" made null."""
    return pl.when(pl.col(name) != sentinel).then(pl.col(name))


def each(measures: str, filters: str, functions: str) -> list[Aggregate]:
    """All combinations of space-separated measures, filters and functions."""
    return [
        Aggregate(measure, name, function)
        for measure in measures.split()
        for name in filters.split()
        for function in functions.split()
    ]


class Aggregation:
    """A list of aggregates of one table, compiled once into the expressions that compute them.

    Parameters
    ----------
    prefix : str
        The table's word in the features' names.
    measures : sequence of Measure
        What can be aggregated.
    filters : mapping of str to polars.Expr
        Which rows count, by name; the name "all" needs no entry.
    aggregates : iterable of Aggregate
        What is computed. Functions: sum, mean, min, max, std, range, count, slope.
    along : polars.Expr, optional
        The integer axis of slopes, such as the number of the month. Slopes need rows that a
        filter limits to some dozens, so that products of sums stay within 64 bits.
    """

    def __init__(
        self,
        prefix: str,
        measures: Sequence[Measure],
        filters: Mapping[str, pl.Expr],
        aggregates: Iterable[Aggregate],
        along: pl.Expr | None = None,
    ) -> None:
        wanted = list(aggregates)
        units = {measure.name: measure.unit for measure in measures}
        columns = dict.fromkeys((item.measure, item.filter) for item in wanted)
        spread = dict.fromkeys(
            (item.measure, item.filter) for item in wanted if item.function == "std"
        )
        used = {measure for measure, _ in columns}
        names = {name for _, name in columns} - {"all"}
        parts = dict.fromkeys(
            (f"{item.measure}|{item.filter}", kind)
            for item in wanted
            for kind in _NEEDS[item.function]
        )
        self._prepare = [
            *(m.expression.alias(m.name) for m in measures if m.name in used),
            *(filters[name].alias(f"?{name}") for name in sorted(names)),
            *([] if along is None else [along.cast(pl.Int64).alias("?along")]),
        ]
        self._mask = [_masked(measure, name) for measure, name in columns]
        self._coarsen = [_coarse(measure, name, units[measure]) for measure, name in spread]
        sloped = dict.fromkeys(
            (item.measure, item.filter) for item in wanted if item.function == "slope"
        )
        self._mask += [_position(measure, name) for measure, name in sloped]
        self._group = [_PARTS[kind](column) for column, kind in parts]
        self._finish = [
            _finish(item, units[item.measure]).alias(item.feature(prefix)) for item in wanted
        ]

    def apply(self, rows: RowsT) -> RowsT:
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


def _masked(measure: str, name: str) -> pl.Expr:
    column = pl.col(measure)
    values = column if name == "all" else pl.when(pl.col(f"?{name}")).then(column)
    return values.alias(f"{measure}|{name}")


def _position(measure: str, name: str) -> pl.Expr:
    """Where on the axis of slopes the values of a masked measure lie."""
    known = pl.col(measure).is_not_null()
    counted = known if name == "all" else known & pl.col(f"?{name}")
    return pl.when(counted).then(pl.col("?along")).alias(f"{measure}|{name}|along")


def _coarse(measure: str, name: str, unit: float) -> pl.Expr:
    column = f"{measure}|{name}"
    values = pl.col(column) // _COARSE[unit]
    return values.clip(-_COARSE_LIMIT, _COARSE_LIMIT).alias(f"{column}|coarse")


_PARTS = {
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
_NEEDS = {
    "sum": ("sum", "count"),
    "mean": ("sum", "count"),
    "min": ("min",),
    "max": ("max",),
    "range": ("min", "max"),
    "count": ("count",),
    "std": ("coarse", "squares", "count"),
    "slope": ("sum", "count", "x", "xx", "xy"),
}


def _finish(item: Aggregate, unit: float) -> pl.Expr:
    column = f"{item.measure}|{item.filter}"
    if item.function == "slope":
        return _slope(column) * unit
    part = {kind: pl.col(f"{column}|{kind}").cast(pl.Float64) for kind in _NEEDS[item.function]}
    match item.function:
        case "count":
            return part["count"]
        case "sum":
            return pl.when(part["count"] > 0).then(part["sum"] * unit)
        case "mean":
            return over(part["sum"] * unit, part["count"])
        case "range":
            return (part["max"] - part["min"]) * unit
        case "std":
            n = part["count"]
            # n and n - 1 are above zero where the sample variance is defined: from two rows on.
            variance = (part["squares"] - part["coarse"] * part["coarse"] / n) / (n - 1.0)
            return pl.when(n > 1).then(variance.clip(0.0).sqrt() * (unit * _COARSE[unit]))
        case function:
            return part[function] * unit


def _slope(column: str) -> pl.Expr:
    """Least-squares slope from whole sums: null where all values lie at one place."""
    n, y, x, xx, xy = (
        pl.col(f"{column}|{kind}").cast(pl.Int64) for kind in ("count", "sum", "x", "xx", "xy")
    )
    return over((n * xy - x * y).cast(pl.Float64), (n * xx - x * x).cast(pl.Float64))


def over(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """A division, null where the denominator is not above zero."""
    return pl.when(denominator > 0).then(numerator / denominator)


def quotient(name: str, numerator: str, denominator: str) -> pl.Expr:
    """A feature that divides two features, null where the denominator is not above zero."""
    return over(pl.col(numerator), pl.col(denominator)).alias(name)


def newest_first(rows: RowsT, by: str, order: Sequence[str]) -> RowsT:
    """Number each group's rows from 0, the highest in `order` first, as the column RANK.

    All columns take part in the order after those named, so that ties are broken in the same way
    whatever the order of the input; rows that are equal throughout are interchangeable.
    """
    names: list[str] = rows.collect_schema().names()
    keys: list[str] = [*order, *(name for name in names if name not in order and name != by)]
    ordered = rows.sort(
        [by, *keys], descending=[False] + [True] * len(keys), nulls_last=True
    ).with_row_index("RANK")
    start = pl.when(pl.col(by).ne_missing(pl.col(by).shift(1))).then(pl.col("RANK"))
    return ordered.with_columns(RANK=(pl.col("RANK") - start.forward_fill()).cast(pl.Int64))
