"""Each column's check, schema and words, against one another."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic_core import SchemaValidator, ValidationError

from api.decisions.column_checks import checker, expectation, json_schema
from scoring.data.tables import APPLICATION, DAY_SENTINEL, TABLES, Column
from scoring.data.values import nearest_name

COLUMNS = [column for table in TABLES.values() for column in table.columns]


def accepted(column: Column, value: object) -> bool:
    try:
        SchemaValidator(checker(column)).validate_python(value)
    except ValidationError:
        return False
    return True


def edges(column: Column) -> st.SearchStrategy[Any]:
    """Values at, near and far from what the column allows."""
    near = [column.minimum, column.maximum, *column.sentinels, *column.categories[:3]]
    near += [value + step for value in near if isinstance(value, int | float) for step in (-1, 0.5)]
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    return st.sampled_from([value for value in near if value is not None]) | anything


@given(st.data())
def test_the_check_accepts_what_the_schema_accepts(data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(COLUMNS))
    value = data.draw(edges(column))
    if isinstance(value, float) and not math.isfinite(value):
        assert not accepted(column, value)
    else:
        schema = json_schema(column, nullable=False)
        assert accepted(column, value) == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_schemas_are_json_schema(table: Any) -> None:
    for column in table.columns:
        schema = json_schema(column, nullable=True)
        Draft202012Validator.check_schema(schema)
        assert Draft202012Validator(schema).is_valid(None)


@pytest.mark.parametrize("value", ["12", True, False, float("nan"), float("inf"), 10**30, [1], {}])
@pytest.mark.parametrize("name", ["SK_ID_CURR", "CNT_CHILDREN", "AMT_CREDIT", "FLAG_PHONE"])
def test_numbers_are_strict(name: str, value: object) -> None:
    assert not accepted(APPLICATION[name], value)


def test_whole_floats_become_integers() -> None:
    checked = SchemaValidator(checker(APPLICATION["DAYS_REGISTRATION"])).validate_python(-3648.0)
    assert checked == -3648
    assert isinstance(checked, int)


@pytest.mark.parametrize("value", [-3648.5, -3648.0000000001, 0.1])
def test_fractions_are_no_whole_numbers(value: float) -> None:
    assert not accepted(APPLICATION["DAYS_REGISTRATION"], value)


def test_a_sentinel_outside_the_bounds_is_accepted_where_declared() -> None:
    assert accepted(APPLICATION["DAYS_EMPLOYED"], float(DAY_SENTINEL))
    assert not accepted(APPLICATION["DAYS_EMPLOYED"], DAY_SENTINEL - 1)
    assert not accepted(APPLICATION["DAYS_BIRTH"], DAY_SENTINEL)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("DAYS_EMPLOYED", 5, "a whole number from -60000 to 0, or 365243, not 5"),
        ("AMT_CREDIT", "12", 'a number from 1 to 10000000000, not "12"'),
        ("CODE_GENDER", "f", 'one of "F", "M", "XNA", not "f"'),
        ("ORGANIZATION_TYPE", "Bnk", 'did you mean "Bank"?'),
        ("ORGANIZATION_TYPE", "x" * 5000, "xxx..."),
        ("AMT_CREDIT", {"a": 1}, "not an object"),
        ("AMT_CREDIT", [1], "not a list"),
    ],
)
def test_words_say_what_is_wanted_and_what_was_sent(column: str, value: object, words: str) -> None:
    said = expectation(APPLICATION[column], value)
    assert said.startswith(column)
    assert words in said
    assert len(said) < 200


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("AMT_CREDIT_SUMM", "AMT_CREDIT_SUM"),
        ("amt_credit_sum", "AMT_CREDIT_SUM"),
        ("zzz", None),
        ("A" * 100_000, None),
    ],
)
def test_nearest_name(name: str, nearest: str | None) -> None:
    assert nearest_name(name, tuple(column.name for column in TABLES["bureau"].columns)) == nearest
