"""The Home Credit tables: columns, types, keys, allowed ranges and sentinel values.

`tables.toml` beside this module has them. Everything that reads, makes or checks rows (ingestion,
the sample applicants, the features, the API's request schema) takes its knowledge from here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import polars as pl

Kind = Literal["id", "flag", "integer", "amount", "number", "category"]

DTYPES: Mapping[Kind, type[pl.DataType]] = {
    "id": pl.Int32,
    "flag": pl.Int8,
    "integer": pl.Int32,
    "amount": pl.Float64,
    "number": pl.Float64,
    "category": pl.String,
}

# What manifests and models call rows of Kaggle's own files; sample applicants are others.
HOME_CREDIT = "home-credit"
# Home Credit writes "never" or "not employed" as a day a thousand years away.
DAY_SENTINEL = 365_243
# XNA stands for "not available", XAP for "not applicable".
TEXT_SENTINELS = ("XNA", "XAP")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Kaggle's own name.
    kind : Kind
        What the values are; decides the stored type (`DTYPES`). Amounts are in the lender's
        currency with at most three decimals.
    minimum, maximum : float or None
        Bounds, both included; None where the kind has none (categories).
    categories : tuple of str
        Every value known for a category, sentinels included; empty for other kinds.
    sentinels : tuple
        Values that stand for "missing" or "does not apply".
    required : bool
        Whether a row without a value here is an error.
    """

    name: str
    kind: Kind
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    sentinels: tuple[int, ...] | tuple[str, ...] = ()
    required: bool = False

    @property
    def dtype(self) -> type[pl.DataType]:
        return DTYPES[self.kind]


@dataclass(frozen=True)
class Table:
    """One Kaggle table.

    Attributes
    ----------
    name : str
        Kaggle's file name without its ending; `application` for the two application files.
    columns : tuple of Column
        In the order of Kaggle's file.
    key : tuple of str
        The columns that identify a row; empty where Kaggle's rows have no unique key.
    link : str
        The column that leads to the applicant: SK_ID_CURR, or SK_ID_BUREAU for bureau_balance,
        whose rows hang on those of bureau.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    link: str = "SK_ID_CURR"

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @cached_property
    def schema(self) -> pl.Schema:
        return pl.Schema({column.name: column.dtype for column in self.columns})


def _table(name: str, content: Mapping[str, Any], types: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = tuple(_column(name, entry, types) for name, entry in content["columns"].items())
    return Table(name, columns, tuple(content["key"]), content.get("link", "SK_ID_CURR"))


def _column(name: str, entry: Mapping[str, Any], types: Mapping[str, Mapping[str, Any]]) -> Column:
    values = {**types.get(entry.get("type", ""), {"kind": "category"}), **entry}
    values.pop("type", None)
    categories = tuple(values.pop("categories", ()))
    text_sentinels = [text for text in categories if text in TEXT_SENTINELS]
    sentinels = tuple(values.pop("sentinels", text_sentinels))
    return Column(name, categories=categories, sentinels=sentinels, **values)


def _read() -> dict[str, Table]:
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    types = content.pop("types")
    return {name: _table(name, table, types) for name, table in content.items()}


TABLES: Mapping[str, Table] = _read()
APPLICATION, *_HISTORY = TABLES.values()
HISTORY: tuple[Table, ...] = tuple(_HISTORY)
BUREAU_BALANCE = TABLES["bureau_balance"]

# Rows of one table, lazy (batch work) or not (a single request, where planning costs more than
# the work): the features are written once for both.
RowsT = TypeVar("RowsT", pl.LazyFrame, pl.DataFrame)

# Rows by table name, as `build_features` takes them: "application" and any of the history.
Frames = Mapping[str, RowsT]


def empty_frame(table: Table) -> pl.DataFrame:
    """A frame of the table's columns and types without a row."""
    return pl.DataFrame(schema=table.schema)
