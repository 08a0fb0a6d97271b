"""Aggregates: right to the unit that the module documents, and independent of rows' order."""

from __future__ import annotations

import random
import statistics

import polars as pl
import pytest
from exact import differing
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.aggregates import (
    Aggregate,
    Aggregation,
    amount,
    count,
    each,
    flag,
    fraction,
    newest_first,
    quotient,
    ratio,
    without_sentinel,
)

SCHEMA = {"SK_ID_CURR": pl.Int32, "AMT": pl.Float64, "DAYS": pl.Int32}
FUNCTIONS = "sum mean min max std range count"
AGGREGATION = Aggregation(
    "t",
    [
        amount("AMT"),
        count("DAYS"),
        ratio("RATE", pl.col("AMT"), pl.col("DAYS")),
        flag("IS_LATE", pl.col("DAYS") > 0),
    ],
    {"late": pl.col("DAYS") > 0},
    each("AMT DAYS RATE", "all late", FUNCTIONS) + each("IS_LATE", "all", "mean sum"),
)
# A spread of amounts is computed on hundreds of currency, of ratios on thousandths.
AMOUNT_TOLERANCE, RATIO_TOLERANCE = 100.0, 1e-3

amounts = st.integers(-(10**12), 10**12).map(lambda thousandths: thousandths / 1000)
rows = st.lists(
    st.tuples(
        st.integers(1, 3), st.none() | amounts, st.none() | st.integers(-60_000, 365_243)
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


def frame(values: list[tuple[int, float | None, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


@settings(max_examples=60, deadline=None)
@given(rows)
def test_aggregates_are_those_of_the_definition(
    values: list[tuple[int, float | None, int | None]],
) -> None:
    result = {row["SK_ID_CURR"]: row for row in AGGREGATION.apply(frame(values)).to_dicts()}
    assert set(result) == {applicant for applicant, _, _ in values}
    for applicant, row in result.items():
        own = [(money, days) for who, money, days in values if who == applicant]
        check(row, "AMT__all", [m for m, _ in own if m is not None], AMOUNT_TOLERANCE)
        check(row, "DAYS__all", [d for _, d in own if d is not None], 1e-6)
        late = [(m, d) for m, d in own if d is not None and d > 0]
        check(row, "AMT__late", [m for m, _ in late if m is not None], AMOUNT_TOLERANCE)
        rates = [min(max(m / d, -1000.0), 1000.0) for m, d in late if m is not None]
        check(row, "RATE__all", rates, RATIO_TOLERANCE, absolute=1e-6 * max(len(rates), 1))


def check(
    row: dict[str, float | None],
    column: str,
    values: list[float],
    tolerance: float,
    absolute: float = 1e-9,
) -> None:
    found = {function: row[f"t__{column}__{function}"] for function in FUNCTIONS.split()}
    assert found["count"] == len(values)
    if not values:
        assert [found[name] for name in ("sum", "mean", "min", "max", "std", "range")] == [None] * 6
        return
    expected = {
        "sum": float(sum(values)),
        "mean": sum(values) / len(values),
        "min": min(values),
        "max": max(values),
        "range": max(values) - min(values),
    }
    for function, value in expected.items():
        # Python's own float sums of a billion are right to about a millionth.
        assert found[function] == pytest.approx(value, rel=1e-9, abs=max(absolute, 1e-5))
    if len(values) < 2:
        assert found["std"] is None
    else:
        assert found["std"] == pytest.approx(statistics.stdev(values), rel=1e-6, abs=tolerance)


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_neither_order_nor_company_matter(
    values: list[tuple[int, float | None, int | None]], shuffle: random.Random
) -> None:
    batch = AGGREGATION.apply(frame(values)).sort("SK_ID_CURR")
    turned = list(values)
    shuffle.shuffle(turned)
    assert differing(AGGREGATION.apply(frame(turned)).sort("SK_ID_CURR"), batch) == []
    lazily = AGGREGATION.apply(frame(turned).lazy()).sort("SK_ID_CURR").collect()
    assert differing(lazily, batch) == []
    for applicant in batch["SK_ID_CURR"]:
        alone = AGGREGATION.apply(frame([row for row in turned if row[0] == applicant]))
        assert differing(alone, batch.filter(SK_ID_CURR=applicant)) == []


SLOPES = Aggregation(
    "t",
    [amount("AMT"), count("DAYS")],
    {"late": pl.col("DAYS") > 0},
    each("AMT", "all late", "slope mean"),
    along=pl.col("MONTH"),
)
months = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.none() | st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000),
        st.none() | st.integers(-1, 1),
        st.integers(-60, 0),
    ),
    min_size=1,
    max_size=60,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(months, st.randoms(use_true_random=False))
def test_slopes_are_those_of_least_squares_in_any_order_and_company(
    values: list[tuple[int, float | None, int | None, int]], shuffle: random.Random
) -> None:
    schema = {**SCHEMA, "MONTH": pl.Int32}
    batch = SLOPES.apply(pl.DataFrame(values, schema, orient="row")).sort("SK_ID_CURR")
    turned = list(values)
    shuffle.shuffle(turned)
    for row in batch.to_dicts():
        own = [value for value in turned if value[0] == row["SK_ID_CURR"]]
        alone = SLOPES.apply(pl.DataFrame(own, schema, orient="row"))
        assert differing(alone, batch.filter(SK_ID_CURR=row["SK_ID_CURR"])) == []
        known = [(month, money) for _, money, _, month in own if money is not None]
        if len({month for month, _ in known}) < 2:
            assert row["t__AMT__all__slope"] is None
            continue
        expected = statistics.linear_regression(*zip(*known, strict=True)).slope
        assert row["t__AMT__all__slope"] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_large_sums_are_exact() -> None:
    # In floating point 1e10 + 0.001 - 1e10 loses the thousandth.
    values = [(1, 1e10, 1), (1, 0.001, 1), (1, -1e10, 1)] * 1000
    assert AGGREGATION.apply(frame(values))["t__AMT__all__sum"].to_list() == [1.0]


def test_a_name_says_table_column_filter_and_function() -> None:
    assert Aggregate("AMT", "late", "sum").feature("t") == "t__AMT__late__sum"
    assert [item.feature("t") for item in each("A B", "all", "min max")] == [
        "t__A__all__min",
        "t__A__all__max",
        "t__B__all__min",
        "t__B__all__max",
    ]


def test_a_row_whose_filter_is_unknown_does_not_count() -> None:
    result = AGGREGATION.apply(frame([(1, 5.0, None), (1, 7.0, 1), (1, 9.0, -1)]))
    assert result["t__AMT__late__count"].to_list() == [1.0]
    assert result["t__AMT__late__sum"].to_list() == [7.0]
    assert result["t__IS_LATE__all__mean"].to_list() == [0.5]


def test_measures() -> None:
    values = pl.DataFrame(
        {"A": [1.0, -3.0, None, 4.0], "B": [4.0, 0.0, 2.0, -1.0], "D": [365243, -5, None, 0]}
    )
    measures = [
        amount("A"),
        ratio("R", pl.col("A"), pl.col("B")),
        fraction("F", pl.col("A") * 1e6),
        count("D", without_sentinel("D", 365243)),
        flag("L", pl.col("A") > 0),
    ]
    result = values.select(item.expression.alias(item.name) for item in measures)
    assert result.to_dict(as_series=False) == {
        "A": [1000, -3000, None, 4000],
        "R": [250_000, None, None, None],
        "F": [10**9, -(10**9), None, 10**9],
        "D": [None, -5, None, 0],
        "L": [1, 0, None, 1],
    }


def test_a_quotient_needs_a_positive_denominator() -> None:
    values = pl.DataFrame({"a": [1.0, 1.0, 1.0, None], "b": [4.0, 0.0, -1.0, 2.0]})
    assert values.select(quotient("q", "a", "b"))["q"].to_list() == [0.25, None, None, None]


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
    ranked = newest_first(pl.DataFrame(values, schema, orient="row"), "SK_ID_CURR", ["MONTH"])
    for _, own in ranked.group_by("SK_ID_CURR"):
        ordered = own.sort("RANK")
        assert ordered["RANK"].to_list() == list(range(own.height))
        assert ordered["MONTH"].is_sorted(descending=True)
    turned = list(values)
    shuffle.shuffle(turned)
    again = newest_first(pl.DataFrame(turned, schema, orient="row"), "SK_ID_CURR", ["MONTH"])
    assert again.sort("SK_ID_CURR", "RANK").equals(ranked.sort("SK_ID_CURR", "RANK"))
