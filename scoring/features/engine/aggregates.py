"""What is aggregated of history rows, and how a value is made of exact sums.

Floating-point sums depend on the order of the rows, so one applicant computed alone could differ
from the same applicant inside a batch. Here every value that is summed is an integer (amounts in
thousandths, ratios in millionths): integer sums have no order. Divisions are done once, on the
finished sums, column by column; a column is never divided by a literal, which Polars does by
multiplying with the reciprocal in a long column and by true division in a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scoring.data.tables import Column
from scoring.features.engine.formulas import Condition, Formula, col, over, when

APPLICANT = "SK_ID_CURR"

# Units of the integers that are summed, as the factor that turns them back.
AMOUNT_UNIT = 1e-3
RATIO_UNIT = 1e-6
COUNT_UNIT = 1.0

_RATIO_LIMIT = 1_000.0


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of a history table, or a value computed from several, as an integer.

    Attributes
    ----------
    name : str
        Kaggle's column name, or a new name in capitals for a computed value.
    formula : Formula
        The whole values.
    unit : float
        What one unit of the integer is worth: 0.001 for amounts, 0.000001 for ratios, 1 else.
    """

    name: str
    formula: Formula
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

    @property
    def column(self) -> str:
        """Name of the masked measure: the values of the rows that pass the filter."""
        return f"{self.measure}|{self.filter}"


def amount(name: str, formula: Formula | None = None) -> Measure:
    """An amount of money, in thousandths."""
    values = col(name) if formula is None else formula
    return Measure(name, (values * 1000.0).round().whole(), AMOUNT_UNIT)


def count(name: str, formula: Formula | None = None) -> Measure:
    """A number of days, months or things."""
    values = col(name) if formula is None else formula
    return Measure(name, values.whole())


def plain(column: Column) -> Measure:
    """A column as it is."""
    match column.kind:
        case "amount":
            return amount(column.name)
        case "number":
            return fraction(column.name, col(column.name))
        case _:
            return count(column.name)


def flag(name: str, condition: Condition) -> Measure:
    """1 where the condition holds, 0 where it does not, null where it is unknown."""
    return Measure(name, condition.whole())


def fraction(name: str, formula: Formula) -> Measure:
    """A value around one, such as a rate, in millionths, cut at +-1,000."""
    limited = formula.clip(-_RATIO_LIMIT, _RATIO_LIMIT)
    return Measure(name, (limited * 1e6).round().whole(), RATIO_UNIT)


def ratio(name: str, numerator: Formula, denominator: Formula) -> Measure:
    """A ratio in millionths, null where the denominator is not above zero, cut at +-1,000."""
    return fraction(name, when(denominator > 0).then(numerator / denominator))


def without_sentinel(name: str, sentinel: int) -> Formula:
    """The column with the value that stands for "never" made null."""
    return when(col(name) != sentinel).then(col(name))


def each(measures: str, filters: str, functions: str) -> list[Aggregate]:
    """All combinations of space-separated measures, filters and functions."""
    return [
        Aggregate(measure, name, function)
        for measure in measures.split()
        for name in filters.split()
        for function in functions.split()
    ]


def distinct(aggregates: Iterable[Aggregate]) -> list[Aggregate]:
    """One aggregate for each masked measure."""
    return list({item.column: item for item in aggregates}.values())


# The parts that a function of a measure is made of: a count, a least or greatest value, or a sum
# of whole numbers.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "sum": ("sum", "count"),
    "mean": ("sum", "count"),
    "min": ("min",),
    "max": ("max",),
    "count": ("count",),
}


def finished(function: str, part: Mapping[str, Formula], unit: Formula | float) -> Formula:
    """A function of a measure, from the parts that it needs (`NEEDS`), as floats, and its unit."""
    match function:
        case "count":
            return part["count"]
        case "sum":
            return when(part["count"] > 0).then(part["sum"] * unit)
        case "mean":
            return over(part["sum"] * unit, part["count"])
        case _:
            return part[function] * unit


def quotient(numerator: str, denominator: str) -> Formula:
    """A feature that divides two features, null where the denominator is not above zero."""
    return over(col(numerator), col(denominator))
