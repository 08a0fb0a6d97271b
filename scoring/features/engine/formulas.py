"""Formulas over the columns of a table: written once, computed by Polars or by numpy.

Polars plans each expression before it computes anything. That is nothing for a portfolio and
nearly all of the time for one applicant, whose few rows numpy just computes. Both give the same
bits, since a formula is made only of what IEEE 754 defines to the last bit, in one order: the four
operations, square roots, rounding, comparisons and choices.

Numpy's numbers are 64-bit floats, whole numbers too (exact up to 2**53), and NaN stands for null;
texts are objects, and None stands for null. A condition over nulls is neither true nor false, as in
Polars, so numpy computes both of a condition's sides, each where it is needed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import polars as pl

from scoring.features.engine import numpy_program
from scoring.features.engine.numpy_program import Array, Constant, Leaf, Program, Step, call


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A number, or a text, for each row.

    Attributes
    ----------
    polars : polars.Expr
        How Polars computes it.
    step : Step
        How numpy computes it.
    """

    polars: pl.Expr
    step: Step

    def __add__(self, other: Formula | float) -> Formula:
        return _arithmetic(operator.add, np.add, self, other)

    def __sub__(self, other: Formula | float) -> Formula:
        return _arithmetic(operator.sub, np.subtract, self, other)

    def __rsub__(self, other: float) -> Formula:
        return _arithmetic(operator.sub, np.subtract, other, self)

    def __mul__(self, other: Formula | float) -> Formula:
        return _arithmetic(operator.mul, np.multiply, self, other)

    def __truediv__(self, other: Formula) -> Formula:
        """A division by a formula only: Polars multiplies by the reciprocal of a literal."""
        return _arithmetic(operator.truediv, np.divide, self, other)

    def __neg__(self) -> Formula:
        return Formula(-self.polars, call(np.negative, self.step))

    def __gt__(self, other: Formula | float) -> Condition:
        return _comparison(operator.gt, np.greater, np.less_equal, self, other)

    def __ge__(self, other: Formula | float) -> Condition:
        return _comparison(operator.ge, np.greater_equal, np.less, self, other)

    def __lt__(self, other: Formula | float) -> Condition:
        return _comparison(operator.lt, np.less, np.greater_equal, self, other)

    def __le__(self, other: Formula | float) -> Condition:
        return _comparison(operator.le, np.less_equal, np.greater, self, other)

    def __eq__(self, other: Formula | float | str) -> Condition:  # type: ignore[override]
        known = call(numpy_program.known, self.step)
        if isinstance(other, Formula):
            known = call(np.logical_and, known, call(numpy_program.known, other.step))
        equal = call(np.equal, self.step, _step(other))
        # Unequal is what is known and not equal.
        return Condition(self.polars == _polars(other), equal, call(np.greater, known, equal))

    def __ne__(self, other: Formula | float | str) -> Condition:  # type: ignore[override]
        equal = self == other
        return Condition(self.polars != _polars(other), equal.false, equal.true)

    __hash__ = None  # type: ignore[assignment]

    def is_in(self, values: Sequence[float | str]) -> Condition:
        """Whether it is one of the values."""
        either = reduce(operator.or_, (self == value for value in values))
        return Condition(self.polars.is_in(values), either.true, either.false)

    def is_null(self) -> Condition:
        null = call(numpy_program.null, self.step)
        return Condition(self.polars.is_null(), null, call(numpy_program.known, self.step))

    def is_not_null(self) -> Condition:
        return ~self.is_null()

    def fill_null(self, value: float) -> Formula:
        return Formula(
            self.polars.fill_null(value),
            call(np.where, call(numpy_program.known, self.step), self.step, Constant(value)),
        )

    def clip(self, lower: float, upper: float = np.inf) -> Formula:
        """The value, or the bound that it lies beyond."""
        step = call(
            numpy_program.not_below if lower == 0 else np.maximum, self.step, Constant(lower)
        )
        if upper == np.inf:
            return Formula(self.polars.clip(lower), step)
        return Formula(self.polars.clip(lower, upper), call(np.minimum, step, Constant(upper)))

    def abs(self) -> Formula:
        return Formula(self.polars.abs(), call(np.abs, self.step))

    def sqrt(self) -> Formula:
        return Formula(self.polars.sqrt(), call(np.sqrt, self.step))

    def round(self) -> Formula:
        """The nearest whole number, the even one of two."""
        return Formula(self.polars.round(), call(np.rint, self.step))

    def whole(self) -> Formula:
        """A whole number as a 64-bit integer; numpy's numbers stay floats."""
        return Formula(self.polars.cast(pl.Int64), self.step)

    def parsed(self) -> Formula:
        """The whole number that a text is, null for any other text."""
        return Formula(
            self.polars.cast(pl.Int64, strict=False), call(numpy_program.parsed, self.step)
        )

    def real(self) -> Formula:
        """As 64-bit floats, which numpy's numbers are."""
        return Formula(self.polars.cast(pl.Float64), self.step)


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """True, false or unknown for each row.

    Attributes
    ----------
    polars : polars.Expr
        How Polars computes it, null where it is unknown.
    true, false : Step
        How numpy computes where it is true, and where it is false.
    """

    polars: pl.Expr
    true: Step
    false: Step

    def __and__(self, other: Condition) -> Condition:
        return Condition(
            self.polars & other.polars,
            call(np.logical_and, self.true, other.true),
            call(np.logical_or, self.false, other.false),
        )

    def __or__(self, other: Condition) -> Condition:
        return Condition(
            self.polars | other.polars,
            call(np.logical_or, self.true, other.true),
            call(np.logical_and, self.false, other.false),
        )

    def __invert__(self) -> Condition:
        return Condition(~self.polars, self.false, self.true)

    def known_true(self) -> Condition:
        """True where it is true, false where it is false or unknown."""
        return Condition(self.polars.fill_null(False), self.true, call(np.logical_not, self.true))

    def whole(self) -> Formula:
        """1 where it is true, 0 where it is false, null where it is unknown."""
        return Formula(
            self.polars.cast(pl.Int64), call(numpy_program.one_or_zero, self.true, self.false)
        )

    def real(self) -> Formula:
        """What `whole` is, as 64-bit floats."""
        return self.whole().real()


@dataclass(frozen=True, slots=True)
class When:
    """The beginning of a choice."""

    condition: Condition

    def then(self, value: Formula | float) -> Formula:
        """The value where the condition is true, null elsewhere."""
        return Formula(
            pl.when(self.condition.polars).then(_polars(value)),
            call(np.where, self.condition.true, _step(value), Constant(np.nan)),
        )


def col(name: str) -> Formula:
    """A column."""
    return Formula(pl.col(name), Leaf(name))


def when(condition: Condition) -> When:
    """The beginning of `when(condition).then(value)`."""
    return When(condition)


def over(numerator: Formula, denominator: Formula) -> Formula:
    """A division, null where the denominator is not above zero."""
    return when(denominator > 0).then(numerator / denominator)


def sum_of_three(first: Formula, second: Formula, third: Formula) -> Formula:
    """A sum in which nulls count as zero, added from the right."""
    return first.fill_null(0.0) + (second.fill_null(0.0) + third.fill_null(0.0))


def total(formulas: Iterable[Formula]) -> Formula:
    """The sum of whole numbers, in no order; those that are null count as zero."""
    terms = [formula.real() for formula in formulas]
    return Formula(
        pl.sum_horizontal(term.polars for term in terms),
        call(numpy_program.total, *(term.step for term in terms)),
    )


def number_of(conditions: Iterable[Condition]) -> Formula:
    """How many conditions are true."""
    terms = list(conditions)
    return Formula(
        pl.sum_horizontal(term.polars.cast(pl.Float64) for term in terms),
        call(numpy_program.number_of, *(term.true for term in terms)),
    )


def least(formulas: Iterable[Formula]) -> Formula:
    """The least of those that are not null."""
    terms = list(formulas)
    expression = pl.min_horizontal(term.polars for term in terms)
    return Formula(expression, call(numpy_program.least, *(term.step for term in terms)))


def greatest(formulas: Iterable[Formula]) -> Formula:
    """The greatest of those that are not null."""
    terms = list(formulas)
    expression = pl.max_horizontal(term.polars for term in terms)
    return Formula(expression, call(numpy_program.greatest, *(term.step for term in terms)))


def own(polars: pl.Expr, numpy: Callable[..., Any], *arguments: Formula | float | str) -> Formula:
    """A formula that no operation makes; whoever makes it sees to the same bits."""
    return Formula(polars, call(numpy, *(_step(argument) for argument in arguments)))


class Formulas:
    """Named formulas and conditions, made ready once to be computed together.

    Parameters
    ----------
    named : mapping of str to Formula or Condition
        Of conditions numpy tells only where they are true.
    """

    def __init__(self, named: Mapping[str, Formula | Condition]) -> None:
        self.names = tuple(named)
        self.expressions = [item.polars.alias(name) for name, item in named.items()]
        self._program = Program(
            [item.true if isinstance(item, Condition) else item.step for item in named.values()]
        )

    def arrays(self, column: Callable[[str], Array]) -> list[Array]:
        """Compute them by numpy, from columns that are asked for by name."""
        return self._program.run(column)


def _polars(value: Formula | float | str) -> Any:
    return value.polars if isinstance(value, Formula) else value


def _step(value: Formula | float | str) -> Step:
    return value.step if isinstance(value, Formula) else Constant(value)


def _arithmetic(
    by_polars: Callable[[Any, Any], pl.Expr],
    by_numpy: Callable[..., Array],
    left: Formula | float,
    right: Formula | float,
) -> Formula:
    return Formula(
        by_polars(_polars(left), _polars(right)), call(by_numpy, _step(left), _step(right))
    )


def _comparison(
    by_polars: Callable[[Any, Any], pl.Expr],
    true: Callable[..., Array],
    false: Callable[..., Array],
    left: Formula,
    right: Formula | float,
) -> Condition:
    compared = left.step, _step(right)
    return Condition(
        by_polars(left.polars, _polars(right)), call(true, *compared), call(false, *compared)
    )
