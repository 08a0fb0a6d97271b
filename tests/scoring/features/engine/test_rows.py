"""What is done with rows: by Polars and by numpy alike."""

from __future__ import annotations

import random
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.engine.formulas import Formulas, col
from scoring.features.engine.numpy_rows import SmallRows
from scoring.features.engine.rows import PolarsRows, RowsT, Summary
from tests.helpers.exact import as_frame, differing

SCHEMA = {
    "SK_ID_CURR": pl.Int32,
    "SK_ID_PREV": pl.Int32,
    "MONTH": pl.Int32,
    "AMT": pl.Float64,
    "STATUS": pl.String,
}
tables = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 3) | st.integers(2**31 - 3, 2**31 - 1),
        st.none() | st.integers(-3, 0),
        st.none() | st.sampled_from([-1.5, 0.0, 2.0]),
        st.none() | st.sampled_from(["Active", "Completed", "active", "\u00e9tat", "XNA"]),
    ),
    max_size=20,
)  # fmt: skip
Table = list[tuple[int, int, int | None, float | None, str | None]]

SUMMARIES: dict[str, Summary] = {
    "MONTHS": ("MONTH", "count"),
    "OLDEST": ("MONTH", "min"),
    "NEWEST": ("MONTH", "max"),
    "TOTAL": ("MONTH", "sum"),
}
DOUBLE = Formulas({"DOUBLE": col("AMT") * 2.0, "MONTH": col("MONTH") + 1})
KEYS = ["SK_ID_CURR", "SK_ID_PREV"]


def ranked(rows: RowsT) -> RowsT:
    """All columns decide here, so that rows of equal rank are equal."""
    newest = rows.newest_first(["MONTH"])
    return newest.with_newest("LAST", "SK_ID_PREV")


def joined(rows: RowsT) -> RowsT:
    summaries = rows.filter(col("STATUS") == "Active").summarised(KEYS, SUMMARIES)
    return rows.joined(summaries, on=KEYS)


def joined_inner(rows: RowsT) -> RowsT:
    summaries = rows.filter(col("AMT") > 0).summarised(["SK_ID_PREV"], SUMMARIES)
    return rows.joined(summaries, on=["SK_ID_PREV"], inner=True)


STEPS: dict[str, Callable[[RowsT], RowsT]] = {
    "newest_first": ranked,
    "with_columns": lambda rows: rows.with_columns(DOUBLE).only(["MONTH", "SK_ID_CURR", "DOUBLE"]),
    "filter": lambda rows: rows.filter((col("MONTH") < -1) | (col("STATUS") != "Active")),
    "summarised": lambda rows: rows.summarised(KEYS, SUMMARIES),
    "summarised by one": lambda rows: rows.summarised(["SK_ID_PREV"], SUMMARIES),
    "joined": joined,
    "joined inner": joined_inner,
    "after one another": lambda rows: joined(ranked(rows).with_columns(DOUBLE)),
}


def frame(values: Table) -> pl.DataFrame:
    return pl.DataFrame(values, SCHEMA, orient="row")


@pytest.mark.parametrize("name", STEPS)
@settings(max_examples=40, deadline=None)
@given(values=tables)
def test_numpy_does_what_polars_does(name: str, values: Table) -> None:
    step = STEPS[name]
    expected = step(PolarsRows(frame(values))).frame
    small = step(SmallRows.of(frame(values)))
    found = as_frame(small, expected)
    assert small.height == expected.height
    names = expected.columns
    assert differing(found.sort(names), expected.sort(names)) == []
    lazily = step(PolarsRows(frame(values).lazy())).frame.collect()
    assert differing(lazily.sort(names), expected.sort(names)) == []


def newest_first(rows: pl.DataFrame) -> pl.DataFrame:
    found = PolarsRows(rows).newest_first(["MONTH"]).frame
    small = SmallRows.of(rows).newest_first(["MONTH"])
    assert differing(as_frame(small, found), found) == []
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(-3, 0), st.none() | st.integers(1, 3)),
        min_size=1,
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_ranks_go_from_the_newest_and_break_ties_alike_in_any_order(
    values: list[tuple[int, int, int | None]], shuffle: random.Random
) -> None:
    schema = {"SK_ID_CURR": pl.Int32, "MONTH": pl.Int32, "VALUE": pl.Int32}
    ranked = newest_first(pl.DataFrame(values, schema, orient="row"))
    for _, own in ranked.group_by("SK_ID_CURR"):
        ordered = own.sort("RANK")
        assert ordered["RANK"].to_list() == list(range(own.height))
        assert ordered["MONTH"].is_sorted(descending=True)
    turned = list(values)
    shuffle.shuffle(turned)
    again = newest_first(pl.DataFrame(turned, schema, orient="row"))
    assert again.sort("SK_ID_CURR", "RANK").equals(ranked.sort("SK_ID_CURR", "RANK"))
