"""Models of history rows: how much a single loan or payment looks like a defaulter's.

Each row of a history table gets its applicant's outcome as a label, a small LightGBM learns it,
and an applicant's rows are summed up by order statistics and the mean of their scores. Rows of
one applicant are always on the same side of a fold, since folds are made of applicants
(`scoring.learned.base.cross_fit`). bureau_balance and credit_card_balance are left out: the
former is known to lower the AUC on Home Credit's data, the latter to overfit.

Scores are rounded to millionths: whole numbers have the same sum in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.booster import Booster, BoosterError
from scoring.learned.base import (
    APPLICANT,
    Labels,
    LearnedError,
    Rows,
    columns_frame,
    quotient,
    readable,
    scramble,
    write_json,
)
from scoring.learned.boosting import fit_booster
from scoring.model_files import read_json
from scoring.tables import (
    BUREAU,
    INSTALLMENTS_PAYMENTS,
    POS_CASH_BALANCE,
    PREVIOUS_APPLICATION,
    Column,
    Table,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_ROUNDS = 60
_FEWEST_ROWS = 500
# More rows than this teach a model of 60 small trees nothing more, and would cost memory.
_MOST_ROWS = 1_000_000
_UNIT = 1e-6
_STATISTICS = ("min", "lower_quartile", "median", "mean", "upper_quartile", "max")
_FILE = "nested.json"


class Computed(NamedTuple):
    """A value of a row made of two others."""

    name: str
    left: str
    operation: Literal["-", "/"]
    right: str


@dataclass(frozen=True)
class RowTable:
    """How the rows of a history table are seen.

    Attributes
    ----------
    prefix : str
        The table's word in the features' names.
    table : Table
        Its columns; identifiers are not looked at.
    newest : str
        The column that is highest for the newest rows.
    most : int
        How many of an applicant's newest rows count; more where several are equally new.
    computed : tuple of Computed
        Further values of a row.
    """

    prefix: str
    table: Table
    newest: str
    most: int
    computed: tuple[Computed, ...]

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that the model sees."""
        return tuple(column for column in self.table.columns if column.kind != "id")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the model's columns."""
        return (*(column.name for column in self.inputs), *(made.name for made in self.computed))

    @property
    def categories(self) -> tuple[str, ...]:
        """Those of the model's columns that hold category codes."""
        return tuple(column.name for column in self.inputs if column.kind == "category")

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the features."""
        return tuple(f"nested__{self.prefix}__{said}" for said in _STATISTICS)

    @cached_property
    def _expressions(self) -> list[pl.Expr]:
        return [_as_number(column) for column in self.inputs]

    def matrix(self, rows: pl.DataFrame) -> Floats:
        """What the model sees of rows, of shape (rows, names)."""
        columns = dict(zip(self.names, rows.select(self._expressions).to_numpy().T, strict=False))
        for made in self.computed:
            left, right = columns[made.left], columns[made.right]
            columns[made.name] = left - right if made.operation == "-" else quotient(left, right)
        return np.column_stack(list(columns.values()))


def _as_number(column: Column) -> pl.Expr:
    """A column as Float64: category codes in the order of the table, null for sentinels."""
    values = pl.col(column.name)
    if column.kind == "category":
        levels = pl.Enum(column.categories)
        return values.cast(levels, strict=False).to_physical().cast(pl.Float64)
    if column.sentinels:
        values = pl.when(~values.is_in(column.sentinels)).then(values)
    return values.cast(pl.Float64)


ROW_TABLES: tuple[RowTable, ...] = (
    RowTable(
        "previous",
        PREVIOUS_APPLICATION,
        "DAYS_DECISION",
        20,
        (
            Computed("CREDIT_TO_APPLICATION", "AMT_CREDIT", "/", "AMT_APPLICATION"),
            Computed("CREDIT_TO_ANNUITY", "AMT_CREDIT", "/", "AMT_ANNUITY"),
            Computed("REPAID_TO_CREDIT", "CNT_PAYMENT", "/", "CREDIT_TO_ANNUITY"),
            Computed("DOWN_PAYMENT_TO_CREDIT", "AMT_DOWN_PAYMENT", "/", "AMT_CREDIT"),
            Computed("LAST_DUE_MOVED", "DAYS_LAST_DUE", "-", "DAYS_LAST_DUE_1ST_VERSION"),
            Computed("DURATION", "DAYS_TERMINATION", "-", "DAYS_DECISION"),
        ),
    ),
    RowTable(
        "bureau",
        BUREAU,
        "DAYS_CREDIT",
        20,
        (
            Computed("DEBT_TO_CREDIT", "AMT_CREDIT_SUM_DEBT", "/", "AMT_CREDIT_SUM"),
            Computed("OVERDUE_TO_DEBT", "AMT_CREDIT_SUM_OVERDUE", "/", "AMT_CREDIT_SUM_DEBT"),
            Computed("DURATION", "DAYS_CREDIT_ENDDATE", "-", "DAYS_CREDIT"),
            Computed("END_MOVED", "DAYS_ENDDATE_FACT", "-", "DAYS_CREDIT_ENDDATE"),
            Computed("UPDATED_AFTER", "DAYS_CREDIT_UPDATE", "-", "DAYS_CREDIT"),
        ),
    ),
    RowTable(
        "pos_cash",
        POS_CASH_BALANCE,
        "MONTHS_BALANCE",
        24,
        (Computed("REMAINING_TO_TERM", "CNT_INSTALMENT_FUTURE", "/", "CNT_INSTALMENT"),),
    ),
    RowTable(
        "installments",
        INSTALLMENTS_PAYMENTS,
        "DAYS_INSTALMENT",
        30,
        (
            Computed("LATE", "DAYS_ENTRY_PAYMENT", "-", "DAYS_INSTALMENT"),
            Computed("SHORT", "AMT_INSTALMENT", "-", "AMT_PAYMENT"),
            Computed("PAID_TO_DUE", "AMT_PAYMENT", "/", "AMT_INSTALMENT"),
        ),
    ),
)


@dataclass(frozen=True)
class Nested:
    """A model of the rows of each history table.

    Attributes
    ----------
    texts : tuple of str
        In the order of ROW_TABLES: the model in LightGBM's text format, empty where there were
        too few rows to learn from; its features are null then.
    """

    texts: tuple[str, ...]
    _boosters: tuple[Booster | None, ...] = field(init=False, repr=False, compare=False)
    name: ClassVar[str] = "nested"
    columns: ClassVar[tuple[str, ...]] = tuple(
        column for seen in ROW_TABLES for column in seen.columns
    )

    def __post_init__(self) -> None:
        boosters = tuple(Booster(text) if text else None for text in self.texts)
        for seen, booster in zip(ROW_TABLES, boosters, strict=True):
            if booster and booster.columns != len(seen.names):
                raise LearnedError(
                    f"the model of {seen.table.name} takes {booster.columns} columns, not "
                    f"{len(seen.names)}: train it again"
                )
        object.__setattr__(self, "_boosters", boosters)

    def transform(self, rows: Rows, features: pl.DataFrame) -> pl.DataFrame:
        """Statistics of the scores of each applicant's rows; null where there are no rows."""
        applicants = features[APPLICANT]
        parts = [
            self._statistics(seen, booster, rows[seen.table.name], applicants)
            for seen, booster in zip(ROW_TABLES, self._boosters, strict=True)
        ]
        return columns_frame(self.columns, np.concatenate(parts, axis=1))

    @staticmethod
    def _statistics(
        seen: RowTable, booster: Booster | None, rows: pl.DataFrame, applicants: pl.Series
    ) -> Floats:
        if booster is None:
            return np.full((len(applicants), len(_STATISTICS)), np.nan)
        own, owner = newest_rows(seen, rows, applicants)
        return summary(booster.raw_scores(seen.matrix(own)), owner, len(applicants))

    def save(self, folder: Path) -> None:
        """Write each model's text, and the names of what it sees."""
        seen_by = {}
        for seen, text in zip(ROW_TABLES, self.texts, strict=True):
            if text:
                seen_by[seen.prefix] = seen.names
                (folder / f"{seen.prefix}.txt").write_text(text, encoding="utf-8")
        write_json(folder / _FILE, {"seen": seen_by})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with readable(folder):
            seen_by = read_json((folder / _FILE).read_bytes())["seen"]
            texts = [_text(folder, seen, seen_by) for seen in ROW_TABLES]
        try:
            return cls(tuple(texts))
        except BoosterError as error:
            raise LearnedError(f"{folder}: not usable: {error}") from error


def _text(folder: Path, seen: RowTable, seen_by: dict[str, Sequence[str]]) -> str:
    if seen.prefix not in seen_by:
        return ""
    if tuple(seen_by[seen.prefix]) != seen.names:
        raise ValueError(f"the model of {seen.table.name} was made of other columns")
    return (folder / f"{seen.prefix}.txt").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class NestedLearner:
    """Learns which rows of the history come before a default."""

    name: str = "nested"
    uses_target: bool = True

    def fit(self, rows: Rows, features: pl.DataFrame, target: Labels, seed: int) -> Nested:
        """Fit a model of the rows of each table."""
        applicants = features[APPLICANT]
        return Nested(
            tuple(
                self._fit_table(seen, rows[seen.table.name], applicants, target, seed)
                for seen in ROW_TABLES
            )
        )

    @staticmethod
    def _fit_table(
        seen: RowTable, rows: pl.DataFrame, applicants: pl.Series, target: Labels, seed: int
    ) -> str:
        own, owner = newest_rows(seen, rows, applicants)
        if owner.size > _MOST_ROWS:
            chance = (scramble(applicants, seed) >> np.uint64(11)) * 2.0**-53
            chosen = chance[owner] < _MOST_ROWS / owner.size
            own, owner = own.filter(chosen), owner[chosen]
        labels = target[owner].astype(np.float64)
        if labels.size < _FEWEST_ROWS or labels.min() == labels.max():
            return ""
        return fit_booster(
            seen.matrix(own),
            labels,
            seen.names,
            seen.categories,
            objective="binary",
            rounds=_ROUNDS,
            seed=seed,
        )


def newest_rows(
    seen: RowTable, rows: pl.DataFrame, applicants: pl.Series
) -> tuple[pl.DataFrame, Integers]:
    """The newest rows of some applicants.

    Returns
    -------
    rows : polars.DataFrame
        For each applicant the `seen.most` newest, and those as new as the oldest of these.
    owner : numpy.ndarray of shape (rows,)
        Position of each row's applicant among `applicants`.
    """
    owner = _positions(rows[APPLICANT].to_numpy(), applicants.to_numpy())
    own = owner >= 0
    rows, owner = rows.filter(own), owner[own]
    age = -rows[seen.newest].to_numpy().astype(np.int64)
    order = np.lexsort((age, owner))
    start, count = _runs(owner[order])
    oldest = age[order][start + np.minimum(count, seen.most) - 1]
    limit = np.full(len(applicants), -1, dtype=np.int64)
    limit[owner[order][start]] = oldest
    kept = age <= limit[owner]
    return rows.filter(kept), owner[kept]


def _positions(
    values: npt.NDArray[np.integer], among: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """Where each value is among others, -1 where it is not."""
    if among.size == 0:
        return np.full(values.size, -1, dtype=np.int64)
    order = np.argsort(among, kind="stable")
    place = np.minimum(np.searchsorted(among[order], values), among.size - 1)
    return np.where(among[order][place] == values, order[place], -1)


def _runs(ordered: Integers) -> tuple[Integers, Integers]:
    """Start and length of each run of equal values."""
    start = np.flatnonzero(np.diff(ordered, prepend=-1))
    return start, np.diff(start, append=ordered.size)


def summary(scores: Floats, owner: Integers, applicants: int) -> Floats:
    """Statistics of the scores of each applicant's rows, of shape (applicants, 6), NaN for none."""
    result = np.full((applicants, len(_STATISTICS)), np.nan)
    if scores.size == 0:
        return result
    whole = np.rint(scores / _UNIT).astype(np.int64)
    order = np.lexsort((whole, owner))
    ordered = whole[order]
    start, count = _runs(owner[order])
    # Quartiles that are scores of rows: the lower one where a position falls between two.
    lowest, lower, middle, upper, highest = (
        ordered[start + (count - 1) * quarter // 4].astype(np.float64) for quarter in range(5)
    )
    mean = np.add.reduceat(ordered, start).astype(np.float64) / count
    values = np.column_stack([lowest, lower, middle, mean, upper, highest])
    result[owner[order][start]] = values * _UNIT
    return result
