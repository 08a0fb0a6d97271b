"""The rows of a table, and what the features do with rows: in a frame of Polars, or by numpy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, Literal, Self, TypeVar

import polars as pl

from scoring.data.tables import RowsT as FrameT
from scoring.features.engine.aggregates import APPLICANT
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Condition, Formulas

# A column of one value a group: what is made of which column. Nulls are passed over; the sum of
# nothing is zero, and sums are of whole numbers.
Summary = tuple[str, Literal["sum", "count", "min", "max"]]


class Rows(ABC):
    """Rows, of which each step makes new ones: the features are written once, for both kinds."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """The columns in their order."""

    @abstractmethod
    def with_columns(self, formulas: Formulas) -> Self:
        """Add columns."""

    @abstractmethod
    def only(self, names: Sequence[str]) -> Self:
        """Keep some columns, in the order given."""

    @abstractmethod
    def filter(self, condition: Condition) -> Self:
        """Keep the rows for which a condition is true."""

    @abstractmethod
    def newest_first(self, order: Sequence[str]) -> Self:
        """Number each applicant's rows from 0, the highest in `order` first, as the column RANK.

        All columns take part in the order after those named, so that ties are broken in the same
        way whatever the order of the input; rows that are equal throughout are interchangeable.
        The columns are in no particular order then.
        """

    @abstractmethod
    def with_newest(self, name: str, column: str) -> Self:
        """Add what the applicant's newest row holds, to rows that are the newest first."""

    @abstractmethod
    def aggregated(self, aggregation: Aggregation) -> Self:
        """One row an applicant: SK_ID_CURR and the aggregates, as 64-bit floats.

        The rows may be in any order; the applicants are in none in particular.
        """

    @abstractmethod
    def summarised(self, by: Sequence[str], summaries: Mapping[str, Summary]) -> Self:
        """One row for each value of the columns `by`, in no particular order."""

    @abstractmethod
    def joined(self, other: Self, on: Sequence[str], *, inner: bool = False) -> Self:
        """Add the columns of another's rows, of which each key has one at most.

        Rows without one get nulls, or are left out when `inner`. The order is kept, unless
        `inner`.
        """


class PolarsRows(Rows, Generic[FrameT]):
    """Rows of a portfolio, in a frame or the plan that makes it in the end."""

    def __init__(self, frame: FrameT) -> None:
        self.frame: FrameT = frame

    @property
    def names(self) -> Sequence[str]:
        names: list[str] = self.frame.collect_schema().names()
        return names

    def with_columns(self, formulas: Formulas) -> Self:
        return type(self)(self.frame.with_columns(formulas.expressions))

    def only(self, names: Sequence[str]) -> Self:
        return type(self)(self.frame.select(names))

    def filter(self, condition: Condition) -> Self:
        return type(self)(self.frame.filter(condition.polars))

    def newest_first(self, order: Sequence[str]) -> Self:
        keys: list[str] = [
            *order,
            *(name for name in self.names if name not in order and name != APPLICANT),
        ]
        ordered = self.frame.sort(
            [APPLICANT, *keys], descending=[False] + [True] * len(keys), nulls_last=True
        ).with_row_index("RANK")
        first = pl.col(APPLICANT).ne_missing(pl.col(APPLICANT).shift(1))
        start = pl.when(first).then(pl.col("RANK")).forward_fill()
        return type(self)(ordered.with_columns(RANK=(pl.col("RANK") - start).cast(pl.Int64)))

    def with_newest(self, name: str, column: str) -> Self:
        newest = pl.when(pl.col("RANK") == 0).then(pl.col(column)).forward_fill()
        return type(self)(self.frame.with_columns(newest.alias(name)))

    def aggregated(self, aggregation: Aggregation) -> Self:
        return type(self)(aggregation.polars.apply(self.frame))

    def summarised(self, by: Sequence[str], summaries: Mapping[str, Summary]) -> Self:
        return type(self)(
            self.frame.group_by(by).agg(
                getattr(pl.col(column), kind)().alias(name)
                for name, (column, kind) in summaries.items()
            )
        )

    def joined(self, other: Self, on: Sequence[str], *, inner: bool = False) -> Self:
        how: Literal["inner", "left"] = "inner" if inner else "left"
        order: Literal["none", "left"] = "none" if inner else "left"
        return type(self)(self.frame.join(other.frame, on=list(on), how=how, maintain_order=order))


# One kind of rows throughout.
RowsT = TypeVar("RowsT", bound=Rows)
