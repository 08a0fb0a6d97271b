"""What a well-formed table is: `conform` gives loosely typed rows the table's types, or says
which value of which row stands in the way.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_
from typing import Self

import polars as pl

from scoring.data.tables import DAY_SENTINEL, Column, Table
from scoring.data.values import MISSING_WORDS, category, is_missing, shown, wanted_category
from scoring.errors import ScoringError

logger = logging.getLogger(__name__)

_SHOWN_CATEGORIES = 5
_SHOWN_NAMES = 8
_LARGEST = 1.7976931348623157e308
# The largest whole numbers up to which a narrow float holds all of them.
_EXACT: dict[type[pl.DataType], int] = {pl.Float16: 2048, pl.Float32: 2**24}
# How many numbers short integers have.
_ROOM: dict[type[pl.DataType], int] = {
    pl.Int8: 2**7, pl.UInt8: 2**8, pl.Int16: 2**15, pl.UInt16: 2**16
}  # fmt: skip
_MANY_DAYS = -60_000
# What 16 bits make of the sentinel, with and without a sign, and of how many rows nobody doubts it.
_WRAPPED = ((DAY_SENTINEL + 2**15) % 2**16 - 2**15, DAY_SENTINEL % 2**16)
_LEAST_WRAPPED = 5
# In so many rows each of Kaggle's columns has a value somewhere.
_LEAST_TOLD = 100
_ANEW = "Write the column anew from the first source, as {} or text"
# A few odd values are mistakes; more than half of so many are another way of writing all.
_LEAST_RECODED = 10


class DatasetError(ScoringError):
    """Rows or files that cannot be used, said so that a person can mend them.

    Parameters
    ----------
    problem : str
        What is wrong.
    mend : str
        What to do about it.
    where : str
        The file or request part that was read.
    table, column : str
        Kaggle's names; empty where the problem is not in one.
    row : int or None
        The data row, counted from 1 without the header.
    """

    def __init__(
        self,
        problem: str,
        *,
        mend: str = "",
        where: str = "",
        table: str = "",
        column: str = "",
        row: int | None = None,
    ) -> None:
        self.problem, self.mend, self.where = problem, mend, where
        self.table, self.column, self.row = table, column, row
        super().__init__(self._message())

    def after(self, rows: int, where: str | None = None, table: str | None = None) -> Self:
        """The same of a file, or of what comes after some rows of it."""
        return type(self)(
            self.problem, mend=self.mend, where=self.where if where is None else where,
            table=self.table if table is None else table, column=self.column,
            row=None if self.row is None else self.row + rows,
        )  # fmt: skip

    def _message(self) -> str:
        place = [
            f"table {self.table} ({self.where})" if self.table and self.where else
            f"table {self.table}" if self.table else self.where,
            f"column {self.column}" if self.column else "",
            f"data row {self.row} (the first is 1)" if self.row is not None else "",
        ]  # fmt: skip
        head = ", ".join(part for part in place if part)
        message = f"{head}: {self.problem}" if head else self.problem
        return f"{message}. {self.mend}" if self.mend else message


def refusal(
    table: Table, where: str, column: str, problem: str, mend: str, row: int | None = None
) -> DatasetError:
    """What is wrong with a column of a table, or with the row at a place (from 0)."""
    return DatasetError(
        problem, mend=mend, where=where, table=table.name, column=column,
        row=None if row is None else row + 1,
    )  # fmt: skip


def conform(frame: pl.DataFrame, table: Table, *, where: str) -> pl.DataFrame:
    """Cast loosely typed columns, as read from CSV or Parquet, to a table's schema.

    Text is parsed, whole floats become integers, texts that say that there is nothing become null
    (`scoring.data.values`), unknown columns are dropped with a warning. Categories that are not
    known are left as they are, for `without_unknown` to take out. `where` names the file.

    Raises
    ------
    DatasetError
        For a missing column, a value of another type, outside the column's bounds (and not a
        sentinel) or infinite, or a null where a value is required; for a column whose type
        has lost digits, or most of whose categories are unknown.
    """
    frame = _select_columns(frame, table, where)
    for column, dtype in zip(table.columns, frame.dtypes, strict=True):
        _check_type(dtype, column, table, where)
        if type(dtype) in _ROOM:
            _check_room(frame[column.name], column, table, where)
        if type(dtype) in _EXACT:
            _check_precision(frame[column.name], column, table, where)
    frame = _with_categories(frame, table, where)
    _check_values(frame, table, where)
    frame = frame.select(
        _parsed(column, dtype).cast(column.dtype).alias(column.name)
        for column, dtype in zip(table.columns, frame.dtypes, strict=True)
    )
    _check_sentinels(frame, table, where)
    return frame


def warn_empty(filled: Collection[str], rows: int, table: Table, where: str) -> None:
    """Say in the log in which columns none of a table's rows has a value; `filled` has one."""
    empty = [column.name for column in table.columns if column.name not in filled]
    if empty and rows >= _LEAST_TOLD:
        names = ", ".join(empty[:_SHOWN_NAMES]) + (", ..." if len(empty) > _SHOWN_NAMES else "")
        logger.warning("table %s (%s): no row has a value in %s", table.name, where, names)


def without_unknown(
    frame: pl.DataFrame, table: Table, *, where: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take categories of conformed rows that are not known for missing.

    Returns the rows, and where those values were (`row`, from 0), in which `column`, and which
    `value`.

    Raises
    ------
    DatasetError
        If a value is required that is not known.
    """
    unknown = [pl.DataFrame(schema={"row": pl.UInt32, "column": pl.String, "value": pl.String})]
    known = []
    for column in (column for column in table.columns if column.kind == "category"):
        values = frame[column.name]
        odd = ~values.is_in(column.categories) & values.is_not_null()
        if not odd.any():
            continue
        rows = odd.arg_true()
        given = values.gather(rows)
        if column.required:
            mend = f"It must be {wanted_category(column, given[0])}"
            problem = f"{shown(given[0])!r} is unknown"
            raise refusal(table, where, column.name, problem, mend, rows[0])
        place = pl.lit(column.name).alias("column")
        unknown.append(pl.DataFrame({"row": rows, "value": given}).select("row", place, "value"))
        known.append(values.set(odd, None))
    return frame.with_columns(known), pl.concat(unknown)


def warn_unknown(unknown: pl.DataFrame, table: Table, where: str) -> None:
    """Say in the log how many categories were not known, as `without_unknown` gives them."""
    for (column,), given in unknown.group_by("column", maintain_order=True):
        values = given["value"].unique().sort()
        named = ", ".join(repr(shown(value)) for value in values[:_SHOWN_CATEGORIES])
        more = ", ..." if len(values) > _SHOWN_CATEGORIES else ""
        logger.warning(
            "table %s (%s), column %s: %d rows hold %d categories not seen before (%s%s); taken "
            "for missing, and applicants who have them are never accepted without an officer",
            table.name, where, column, given.height, len(values), named, more,
        )  # fmt: skip


def check_key(frame: pl.DataFrame, table: Table, *, where: str) -> None:
    """Raise DatasetError for the first of conformed rows whose key an earlier row has.

    The column `row` says where in the file they are, from 0.
    """
    key = frame.select(packed_key([table[name] for name in table.key]))[table.key[0]]
    if key.n_unique() == frame.height:
        return
    row = key.is_first_distinct().arg_min()
    assert row is not None  # noqa: S101 - there is a repeated key
    values = ", ".join(f"{name} {frame[name][row]}" for name in table.key)
    first = frame["row"][key.index_of(key[row]) or 0]
    problem = f"duplicate key: {values} is already in data row {1 + first}"
    mend = "Keep one of the two rows"
    raise refusal(table, where, " + ".join(table.key), problem, mend, frame["row"][row])


def packed_key(columns: list[Column]) -> pl.Expr:
    """Several bounded integer columns as one Int64 that sorts as they do.

    Comparing one integer is several times faster than comparing rows of two columns.
    """

    def pack(packed: pl.Expr, column: Column) -> pl.Expr:
        low, high = _bounds(column)
        return packed * int(high - low + 1) + (pl.col(column.name) - int(low))

    return reduce(pack, columns[1:], pl.col(columns[0].name).cast(pl.Int64))


def _select_columns(frame: pl.DataFrame, table: Table, where: str) -> pl.DataFrame:
    missing = [column.name for column in table.columns if column.name not in frame.columns]
    if missing:
        several = len(missing) > 1
        more = f" and {len(missing) - _SHOWN_NAMES} more" if len(missing) > _SHOWN_NAMES else ""
        names = ", ".join(missing[:_SHOWN_NAMES])
        problem = f"missing column{'s' if several else ''} {names}{more}"
        mend = (
            f"Add {'them' if several else 'it'} (Kaggle's own names, in capitals, separated "
            "by commas), empty where nothing is known"
        )
        raise refusal(table, where, missing[0], problem, mend)
    extra = [name for name in frame.columns if name not in table]
    if extra:
        names = ", ".join(name or "(without a name)" for name in extra)
        logger.warning("table %s (%s): unknown columns dropped: %s", table.name, where, names)
    return frame.select(column.name for column in table.columns)


def _check_type(dtype: pl.DataType, column: Column, table: Table, where: str) -> None:
    textual = dtype in (pl.String, pl.Null) or isinstance(dtype, pl.Categorical | pl.Enum)
    allowed = dtype.is_numeric() if column.kind == "category" else _numeric(dtype)
    if not (textual or allowed):
        expected = "text" if column.kind == "category" else "numbers"
        mend = _as_kaggle(column) if column.categories else "Convert the column to numbers"
        raise refusal(table, where, column.name, f"holds {dtype}, not {expected}", mend)


def _check_room(values: pl.Series, column: Column, table: Table, where: str) -> None:
    """Refuse integers too short for a column: what goes beyond one end begins at the other.

    Those that stay far from both ends have not.
    """
    room = _ROOM[type(values.dtype)]
    days = (column.minimum or 0) <= _MANY_DAYS and room <= _ROOM[pl.UInt8]
    far = values.cast(pl.Int64).abs() > room // 2
    if not far.any() or not (days or column.kind in ("amount", "id")):
        return
    problem = f"holds {values.dtype}, which has no room for such numbers: larger ones have become"
    raise refusal(table, where, column.name, f"{problem} others", _ANEW.format("Int64"))


def _check_sentinels(frame: pl.DataFrame, table: Table, where: str) -> None:
    """Refuse days that say "never" in 16 bits, which have no room for it."""
    for column in (column for column in table.columns if column.sentinels == (DAY_SENTINEL,)):
        values = frame[column.name]
        wrapped = values.is_in(_WRAPPED)
        if wrapped.sum() < max(_LEAST_WRAPPED, frame.height // 100):
            continue
        if not (values == DAY_SENTINEL).any():
            value = values.filter(wrapped)[0]
            problem = f"{wrapped.sum()} rows hold {value}, which is what 16 bits make of"
            mend = _ANEW.format("Int64")
            raise refusal(table, where, column.name, f"{problem} {DAY_SENTINEL}", mend)


def _check_precision(values: pl.Series, column: Column, table: Table, where: str) -> None:
    """Refuse numbers that were rounded to fit into half or single precision.

    Whole numbers up to a limit are exact. Beyond it nobody can tell what they were, nor can
    anybody of fractions in half precision, which has three digits.
    """
    half = values.dtype == pl.Float16
    if not half and column.kind in ("amount", "number"):
        return
    wide = values.cast(pl.Float64)
    lost = wide.abs() > _EXACT[type(values.dtype)]
    if half:
        lost |= wide != wide.round()
    # NaN, which is larger than any number here, says that there is nothing.
    lost &= wide.is_not_nan()
    row = lost.arg_max()
    if row is not None and lost[row]:
        problem = f"holds {values.dtype}, which has lost digits ({wide[row]:.8g})"
        raise refusal(table, where, column.name, problem, _ANEW.format("Float64"), row)


def _with_categories(frame: pl.DataFrame, table: Table, where: str) -> pl.DataFrame:
    """The frame with categories as texts, as `scoring.data.values.category` understands them.

    Each different value is looked at once. Those that are not known stay as they are.
    """
    changed = []
    for column in (column for column in table.columns if column.kind == "category"):
        values = frame[column.name].cast(pl.String)
        counts = values.value_counts()
        texts = counts[column.name].to_list()
        meant = {text: _meant(column, text) for text in texts if text is not None}
        unknown = set(filter(None, meant.values())).difference(column.categories)
        _check_recoded(counts, unknown, column, table, where)
        others = {text: known for text, known in meant.items() if known != text}
        values = values.replace(list(others), list(others.values())) if others else values
        changed.append(values.alias(column.name))
    return frame.with_columns(changed)


def _meant(column: Column, text: str) -> str | None:
    try:
        return category(column, text)
    except ValueError:
        return text


def _check_recoded(
    counts: pl.DataFrame, unknown: Iterable[str], column: Column, table: Table, where: str
) -> None:
    """Refuse a column most of whose values are not known: it was written in another way."""
    given = counts.drop_nulls()
    odd = given.filter(pl.col(column.name).is_in(list(unknown)))
    if odd["count"].sum() < max(_LEAST_RECODED, given["count"].sum() / 2):
        return
    named = ", ".join(repr(shown(value)) for value in odd[column.name].sort()[:_SHOWN_CATEGORIES])
    problem = f"most of its values are unknown ({named}): it was recoded"
    raise refusal(table, where, column.name, problem, _as_kaggle(column))


def _as_kaggle(column: Column) -> str:
    return "Write it as Kaggle does: " + ", ".join(f'"{known}"' for known in column.categories)


def _numeric(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean


def _check_values(frame: pl.DataFrame, table: Table, where: str) -> None:
    flaws = frame.select(
        _flaw(column, dtype).alias(column.name)
        for column, dtype in zip(table.columns, frame.dtypes, strict=True)
    )
    for column in (column for column in table.columns if flaws[column.name].any()):
        flawed, values = flaws[column.name], frame[column.name]
        row = flawed.arg_max()
        assert row is not None  # noqa: S101 - a value is flawed
        value = frame.select(_parsed(column, values.dtype).gather(row)).item()
        problem, mend = _explain(values[row], value, column)
        most = flawed.sum() >= max(_LEAST_RECODED, values.drop_nulls().len() / 2)
        if most and not is_missing(str(values[row])):
            # It is written in another way: no cell is to blame.
            problem = f"most of its values cannot be: {problem}"
            mend = "Write it as Kaggle does: unit, sign, decimal point, nothing between thousands"
            raise refusal(table, where, column.name, problem, mend)
        raise refusal(table, where, column.name, problem, mend, row)


def _parsed(column: Column, dtype: pl.DataType) -> pl.Expr:
    """The column's values as text or numbers; null where text is no number."""
    value = pl.col(column.name)
    if column.kind == "category":
        return value
    if dtype == pl.Boolean:
        return value.cast(pl.Float64)
    if dtype == pl.Float32:
        # 2962.53 in single precision is 2962.530029...; the shortest text for it says 2962.53.
        wide = value.cast(pl.Float64)
        wide = wide.round(3) if column.kind == "amount" else value.cast(pl.String).cast(pl.Float64)
    elif dtype.is_numeric() or dtype == pl.Null:
        # Whatever its own type: sentinels and bounds may lie beyond it.
        wide = value.cast(pl.Float64)
    else:
        wide = _text(column).cast(pl.Float64, strict=False)
    # How pandas and Spark write that there is nothing.
    return wide.fill_nan(None)


def _text(column: Column) -> pl.Expr:
    return pl.col(column.name).cast(pl.String).str.strip_chars()


def _says_missing(column: Column) -> pl.Expr:
    return _text(column).str.to_lowercase().is_in(sorted(MISSING_WORDS))


def _flaw(column: Column, dtype: pl.DataType) -> pl.Expr:
    """Whether a value is wrong, one Boolean a row."""
    value = _parsed(column, dtype)
    tests = [value.is_null() if column.required else pl.lit(False)]
    if column.kind != "category":
        low, high = _bounds(column)
        allowed = value.is_between(low, high)
        for sentinel in column.sentinels:
            allowed |= value == sentinel
        tests.append(~allowed)
        if not dtype.is_integer() and not column.dtype.is_float():
            tests.append(value != value.round())
        if not _numeric(dtype) and dtype != pl.Null:
            tests.append(value.is_null() & ~_says_missing(column))
    # A comparison with a missing value is neither true nor false, and no flaw.
    return reduce(or_, tests).fill_null(False)


def _bounds(column: Column) -> tuple[float, float]:
    low = -_LARGEST if column.minimum is None else column.minimum
    high = _LARGEST if column.maximum is None else column.maximum
    return low, high


def _explain(raw: object, value: object, column: Column) -> tuple[str, str]:
    leave_empty = "" if column.required else ", or leave it empty where it is unknown"
    mend = f"Correct the value{leave_empty}"
    shown = repr(raw) if isinstance(raw, str) else f"{raw}"
    if raw is None or is_missing(str(raw)):
        return "a value is required, and there is none", "Fill it in, or remove the row"
    if value is None:
        return f"{shown} is not a number", mend
    if isinstance(value, float) and not math.isfinite(value):
        return f"{shown} is not a finite number", mend
    if column.kind == "flag":
        return f"{shown} is neither 0 nor 1", mend
    low, high = _bounds(column)
    sentinels = "".join(f" or {sentinel}" for sentinel in column.sentinels)
    assert isinstance(value, int | float)  # noqa: S101 - categories have no bounds
    if not low <= value <= high and value not in column.sentinels:
        return f"{shown} is not in {low:.12g} to {high:.12g}{sentinels}", mend
    return f"{shown} is not a whole number", mend
