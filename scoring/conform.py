"""What a well-formed table is: `conform` gives loosely typed rows the table's types, or says
which value of which row stands in the way.
"""

from __future__ import annotations

import logging
import math
from functools import lru_cache, reduce
from operator import or_

import polars as pl

from scoring.errors import ScoringError
from scoring.tables import Column, Table

logger = logging.getLogger(__name__)

_SHOWN_CATEGORIES = 5
_SHOWN_CHARACTERS = 40
_LARGEST = 1.7976931348623157e308


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


def conform(
    frame: pl.DataFrame, table: Table, *, where: str, missing_ok: bool = False
) -> pl.DataFrame:
    """Cast loosely typed columns, as read from CSV, Parquet or JSON, to a table's schema.

    Text is parsed, whole floats become integers, empty text becomes null, unknown columns are
    dropped with a warning. Category values are taken as they are (`warn_unknown_categories`).

    Parameters
    ----------
    frame : DataFrame
        Rows with the table's column names, in any order.
    table : Table
        What the rows should be.
    where : str
        The file or request part the rows come from, for messages.
    missing_ok : bool
        Fill absent columns that are not required with null instead of raising.

    Returns
    -------
    DataFrame
        The same rows in the same order with exactly `table.schema`.

    Raises
    ------
    DatasetError
        For a missing column, a value of another type, outside the column's bounds (and not a
        sentinel), NaN or infinite, or a null where a value is required.
    """
    frame = _select_columns(frame, table, where, missing_ok)
    dtypes = frame.dtypes
    for column, dtype in zip(table.columns, dtypes, strict=True):
        _check_type(dtype, column, table, where)
    _check_values(frame, table, where)
    return frame.select(map(_stored, table.columns, dtypes))


def warn_unknown_categories(frame: pl.DataFrame, table: Table, *, where: str) -> None:
    """Log a warning for each category column that holds values `table` does not know."""
    columns = [column for column in table.columns if column.kind == "category"]
    seen = frame.select(pl.col(column.name).unique().implode() for column in columns)
    for column in columns:
        unknown = sorted({*seen[column.name][0]} - {None, *column.categories})
        if unknown:
            count = frame[column.name].is_in(unknown).sum()
            shown = ", ".join(
                repr(value[:_SHOWN_CHARACTERS]) for value in unknown[:_SHOWN_CATEGORIES]
            )
            more = ", ..." if len(unknown) > _SHOWN_CATEGORIES else ""
            logger.warning(
                "table %s (%s), column %s: %d rows hold %d categories not seen before (%s%s); kept",
                table.name, where, column.name, count, len(unknown), shown, more,
            )  # fmt: skip


def check_key(frame: pl.DataFrame, table: Table, *, where: str) -> None:
    """Raise DatasetError for the first row whose key an earlier row has.

    Parameters
    ----------
    frame : DataFrame
        Conformed rows in the order of their file.
    """
    if not table.key:
        return
    key = frame.select(packed_key([table[name] for name in table.key]).alias("key"))["key"]
    if key.n_unique() == frame.height:
        return
    row = key.is_first_distinct().arg_min()
    assert row is not None  # noqa: S101 - there is a repeated key
    values = ", ".join(f"{name} {frame[name][row]}" for name in table.key)
    first = key.index_of(key[row])
    raise DatasetError(
        f"duplicate key: {values} is already in data row {1 + (first or 0)}",
        mend="Keep one of the two rows",
        where=where,
        table=table.name,
        column=" + ".join(table.key),
        row=row + 1,
    )


def packed_key(columns: list[Column]) -> pl.Expr:
    """Several bounded integer columns as one Int64 that sorts as they do.

    Comparing one integer is several times faster than comparing rows of two columns.
    """

    def pack(packed: pl.Expr, column: Column) -> pl.Expr:
        low, high = _bounds(column)
        return packed * int(high - low + 1) + (pl.col(column.name) - int(low))

    return reduce(pack, columns[1:], pl.col(columns[0].name).cast(pl.Int64))


def _select_columns(
    frame: pl.DataFrame, table: Table, where: str, missing_ok: bool
) -> pl.DataFrame:
    given = frame.columns
    missing = [column for column in table.columns if column.name not in given]
    fatal = [column.name for column in missing if column.required or not missing_ok]
    if fatal:
        several = len(fatal) > 1
        raise DatasetError(
            f"missing column{'s' if several else ''} {', '.join(fatal)}",
            mend=f"Add {'them' if several else 'it'} (Kaggle's own names, in capitals, separated "
            "by commas), empty where nothing is known",
            where=where,
            table=table.name,
            column=fatal[0],
        )
    extra = [name for name in given if name not in table]
    if extra:
        names = ", ".join(name or "(without a name)" for name in extra)
        logger.warning("table %s (%s): unknown columns dropped: %s", table.name, where, names)
    nulls = [pl.lit(None, column.dtype).alias(column.name) for column in missing]
    return frame.with_columns(nulls).select(column.name for column in table.columns)


def _check_type(dtype: pl.DataType, column: Column, table: Table, where: str) -> None:
    textual = dtype in (pl.String, pl.Null) or isinstance(dtype, pl.Categorical | pl.Enum)
    allowed = dtype.is_integer() if column.kind == "category" else _numeric(dtype)
    if not (textual or allowed):
        expected = "text" if column.kind == "category" else "numbers"
        raise DatasetError(
            f"holds {dtype}, not {expected}",
            mend=f"Convert the column to {expected}",
            where=where,
            table=table.name,
            column=column.name,
        )


def _numeric(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Boolean


def _check_values(frame: pl.DataFrame, table: Table, where: str) -> None:
    flawed = frame.select(map(_any_flaw, table.columns, frame.dtypes)).row(0)
    for column, is_flawed in zip(table.columns, flawed, strict=True):
        if is_flawed:
            dtype = frame.schema[column.name]
            row = frame.select(_flaw(column, dtype).arg_max()).item()
            value = frame.select(_parsed(column, dtype).gather(row)).item()
            problem, mend = _explain(frame[column.name][row], value, column)
            raise DatasetError(
                problem, mend=mend, where=where, table=table.name, column=column.name, row=row + 1
            )


# Building the expressions takes Python longer than evaluating them takes Polars on the few rows
# of a request; a column and a type always make the same ones.
@lru_cache(maxsize=4096)
def _stored(column: Column, dtype: pl.DataType) -> pl.Expr:
    return _parsed(column, dtype).cast(column.dtype).alias(column.name)


@lru_cache(maxsize=4096)
def _any_flaw(column: Column, dtype: pl.DataType) -> pl.Expr:
    return _flaw(column, dtype).any().alias(column.name)


def _parsed(column: Column, dtype: pl.DataType) -> pl.Expr:
    """The column's values as text or numbers; null where text is no number."""
    value = pl.col(column.name)
    if column.kind == "category":
        text = value if dtype == pl.String else value.cast(pl.String)
        return text if dtype.is_integer() else pl.when(text != "").then(text)
    if dtype == pl.Boolean:
        return value.cast(pl.Int8)
    if dtype == pl.Float32 and column.kind == "amount":
        # 2962.53 in single precision is 2962.530029...: amounts have at most three decimals.
        return value.cast(pl.Float64).round(3)
    if dtype.is_integer() or dtype.is_float():
        return value
    if dtype.is_decimal() or dtype == pl.Null:
        return value.cast(pl.Float64)
    return _text(column).cast(pl.Float64, strict=False)


def _text(column: Column) -> pl.Expr:
    return pl.col(column.name).cast(pl.String).str.strip_chars()


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
            tests.append(value.is_null() & (_text(column) != ""))
    # A comparison with a missing value is neither true nor false, and no flaw.
    return reduce(or_, tests).fill_null(False)


def _bounds(column: Column) -> tuple[float, float]:
    low = -_LARGEST if column.minimum is None else column.minimum
    high = _LARGEST if column.maximum is None else column.maximum
    return low, high


def _explain(raw: object, value: object, column: Column) -> tuple[str, str]:
    leave_empty = "" if column.required else ", or leave it empty where it is unknown"
    shown = repr(raw) if isinstance(raw, str) else f"{raw}"
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return "a value is required, and there is none", "Fill it in, or remove the row"
    if value is None:
        return f"{shown} is not a number", f"Correct the value{leave_empty}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{shown} is not a finite number", f"Correct the value{leave_empty}"
    if column.kind == "flag":
        return f"{shown} is neither 0 nor 1", f"Correct the value{leave_empty}"
    low, high = _bounds(column)
    sentinels = "".join(f" or {sentinel}" for sentinel in column.sentinels)
    assert isinstance(value, int | float)  # noqa: S101 - categories have no bounds
    if not low <= value <= high and value not in column.sentinels:
        return f"{shown} is not in {low:.12g} to {high:.12g}{sentinels}", (
            f"Correct the value{leave_empty}"
        )
    return f"{shown} is not a whole number", f"Correct the value{leave_empty}"
