from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from scoring.data.tables import (
    APPLICATION,
    DAY_SENTINEL,
    HISTORY,
    TABLES,
    TEXT_SENTINELS,
    Column,
    Table,
    empty_frame,
)

ALL_COLUMNS = [
    pytest.param(table, column, id=f"{table.name}-{column.name}")
    for table in TABLES.values()
    for column in table.columns
]


def test_there_are_the_seven_tables_of_kaggle() -> None:
    assert {name: len(table.columns) for name, table in TABLES.items()} == {
        "application": 122,
        "bureau": 17,
        "bureau_balance": 3,
        "previous_application": 37,
        "POS_CASH_balance": 8,
        "installments_payments": 8,
        "credit_card_balance": 23,
    }


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_names_are_unique_and_keys_are_columns(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert {*table.key, table.link} <= set(names)
    for name in {*table.key, table.link}:
        assert table[name].required, f"{name} leads to a row and may not be empty"


@pytest.mark.parametrize(("table", "column"), ALL_COLUMNS)
def test_a_column_is_declared_in_full(table: Table, column: Column) -> None:
    assert column.name in table
    assert table.schema[column.name] == column.dtype
    if column.kind == "category":
        assert len(set(column.categories)) == len(column.categories) > 1
        assert set(column.sentinels) == set(column.categories) & set(TEXT_SENTINELS)
        return
    assert column.minimum is not None
    assert column.maximum is not None
    assert column.minimum < column.maximum
    assert set(column.sentinels) <= {DAY_SENTINEL}
    # A sentinel among the ordinary values could not be told from them.
    assert not any(column.minimum <= int(value) <= column.maximum for value in column.sentinels)
    if column.dtype.is_integer():
        limits = [column.minimum, column.maximum, *column.sentinels]
        assert pl.Series(limits, dtype=column.dtype, strict=True).to_list() == limits


def test_every_history_table_leads_to_an_applicant() -> None:
    reached = {"SK_ID_CURR"}
    for table in HISTORY:
        assert table.link in reached, f"{table.name} hangs on a table that comes later"
        reached |= {key for key in table.key if len(table.key) == 1}


def test_an_empty_frame_has_the_tables_columns_and_types() -> None:
    frame = empty_frame(APPLICATION)
    assert frame.is_empty()
    assert frame.schema == APPLICATION.schema


@pytest.mark.parametrize("name", ["application_train", *(table.name for table in HISTORY)])
def test_real_files_have_exactly_these_columns_in_this_order(
    name: str, home_credit_folder: Path
) -> None:
    header = (home_credit_folder / f"{name}.csv").open().readline().strip().split(",")
    table = TABLES.get(name, APPLICATION)
    assert header == [column.name for column in table.columns]


@pytest.mark.parametrize("table", HISTORY, ids=lambda table: table.name)
def test_real_categories_are_known(table: Table, home_credit_folder: Path) -> None:
    categories = {c.name: pl.String for c in table.columns if c.kind == "category"}
    frame = pl.scan_csv(
        home_credit_folder / f"{table.name}.csv", schema_overrides=categories
    ).select(*categories)
    for name in categories:
        seen = set(frame.select(pl.col(name).unique()).collect()[name]) - {None}
        assert seen <= set(table[name].categories), name
