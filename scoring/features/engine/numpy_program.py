"""What numpy computes: steps, each a function of steps before it, and programs of many steps.

See `scoring.features.engine.formulas` for what stands for null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Array = npt.NDArray[Any]

_NO_TEXT: Any = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A number or a text that a formula names."""

    value: float | str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function of numpy of other steps; made by `call`."""

    function: Callable[..., Array]
    arguments: tuple[Step, ...]


Step = Leaf | Constant | Call


@cache
def call(function: Callable[..., Array], *arguments: Step) -> Call:
    """The same function of the same arguments is one step, computed once."""
    return Call(function, arguments)


class Program:
    """Whatever steps the wanted ones need, each after its arguments and computed once."""

    def __init__(self, wanted: Sequence[Step]) -> None:
        steps = _in_order(wanted)
        constants = [step for step in steps if isinstance(step, Constant)]
        leaves = [step for step in steps if isinstance(step, Leaf)]
        calls = [step for step in steps if isinstance(step, Call)]
        place = {step: number for number, step in enumerate([*constants, *leaves, *calls])}
        self._constants = [_as_argument(step.value) for step in constants]
        self._leaves = [step.name for step in leaves]
        self._calls = [
            (step.function, _picker([place[argument] for argument in step.arguments]))
            for step in calls
        ]
        self._wanted = [place[step] for step in wanted]

    def run(self, column: Callable[[str], Array]) -> list[Array]:
        """Compute what is wanted, in its order, from columns that are asked for by name."""
        values = [*self._constants, *map(column, self._leaves)]
        # What a choice passes over may well divide by zero.
        with np.errstate(all="ignore"):
            for function, arguments in self._calls:
                values.append(function(*arguments(values)))
        return [values[place] for place in self._wanted]


def _picker(places: Sequence[int]) -> Callable[[list[Any]], Sequence[Any]]:
    """What picks the values at some places out of a list, as a sequence even of one."""
    if len(places) == 1:
        return itemgetter(slice(places[0], places[0] + 1))
    return itemgetter(*places)


def _in_order(wanted: Sequence[Step]) -> list[Step]:
    """All steps that are needed, each after its arguments."""
    found: dict[Step, None] = {}

    def visit(step: Step) -> None:
        if step not in found:
            for argument in step.arguments if isinstance(step, Call) else ():
                visit(argument)
            found[step] = None

    for step in wanted:
        visit(step)
    return list(found)


def _as_argument(value: float | str) -> Any:
    """Numpy is quicker with an array of one number than with Python's numbers."""
    return value if isinstance(value, str) else np.array([value], dtype=np.float64)


def known(values: Array) -> Array:
    """Where values are not null: NaN, unlike any other value, is not itself."""
    result: Array = (
        np.not_equal(values, _NO_TEXT) if values.dtype == object else np.equal(values, values)
    )
    return result


def null(values: Array) -> Array:
    """Where values are null."""
    result: Array = (
        np.equal(values, _NO_TEXT) if values.dtype == object else np.not_equal(values, values)
    )
    return result


def not_below(values: Array, lower: Array) -> Array:
    """What numpy's maximum is, and the same on all processors for zeros of both signs."""
    return np.where(np.less(values, lower), lower, values)


def parsed(texts: Array) -> Array:
    """What Polars takes for whole numbers, asked once for each text."""
    different = list(dict.fromkeys(texts))
    numbers = pl.Series(different, dtype=pl.String).cast(pl.Int64, strict=False)
    number = dict(zip(different, numbers.cast(pl.Float64).to_list(), strict=True))
    return np.array([number[text] for text in texts], dtype=np.float64)


def one_or_zero(true: Array, false: Array) -> Array:
    """1 / 1 where it is true, 0 / 1 where it is false, and 0 / 0, which is NaN, elsewhere."""
    result: Array = np.divide(true, np.logical_or(true, false))
    return result


def total(*terms: Array) -> Array:
    """The sum of whole numbers; null counts as zero.

    They have no order, but `sum` begins at zero and so gives 0 for -0 alone: `accumulate` does not.
    """
    stacked = np.array(terms)
    result: Array = np.add.accumulate(np.where(np.isnan(stacked), 0.0, stacked), axis=0)[-1]
    return result


def number_of(*conditions: Array) -> Array:
    """How many conditions are true."""
    result: Array = np.array(conditions).sum(axis=0, dtype=np.float64)
    return result


def least(*terms: Array) -> Array:
    """The least of those that are not null."""
    return reduce(lambda left, right: _either(np.less(left, right), left, right), terms)


def greatest(*terms: Array) -> Array:
    """The greatest of those that are not null."""
    return reduce(lambda left, right: _either(np.greater(left, right), left, right), terms)


def _either(first: Array, left: Array, right: Array) -> Array:
    """The left value where it comes first or the right one is null, the right one elsewhere."""
    return np.where(np.logical_or(first, null(right)), left, right)
