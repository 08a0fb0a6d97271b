"""Aggregates: right to the unit that the module documents, and independent of rows' order."""

from __future__ import annotations

import math
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.engine.aggregates import (
    Aggregate,
    amount,
    count,
    each,
    flag,
    fraction,
    quotient,
    ratio,
    without_sentinel,
)
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Formulas, col
from scoring.features.engine.numpy_rows import SmallRows
from scoring.features.engine.rows import PolarsRows
from tests.helpers.exact import as_frame, differing

SCHEMA = {"SK_ID_CURR": pl.Int32, "AMT": pl.Float64, "DAYS": pl.Int32}
FUNCTIONS = "sum mean min max count"
AGGREGATION = Aggregation(
    "t",
    [
        amount("AMT"),
        count("DAYS"),
        ratio("RATE", col("AMT"), col("DAYS")),
        flag("IS_LATE", col("DAYS") > 0),
    ],
    {"late": col("DAYS") > 0},
    each("AMT DAYS RATE", "all late", FUNCTIONS) + each("IS_LATE", "all", "mean sum"),
)

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


def by_polars(aggregation: Aggregation, rows: pl.DataFrame) -> pl.DataFrame:
    return PolarsRows(rows).aggregated(aggregation).frame.sort("SK_ID_CURR")


def by_numpy(aggregation: Aggregation, rows: pl.DataFrame) -> pl.DataFrame:
    made = SmallRows.of(rows).aggregated(aggregation)
    return as_frame(made, by_polars(aggregation, rows)).sort("SK_ID_CURR")


@settings(max_examples=60, deadline=None)
@given(rows)
def test_aggregates_are_those_of_the_definition(
    values: list[tuple[int, float | None, int | None]],
) -> None:
    found = by_polars(AGGREGATION, frame(values))
    assert differing(by_numpy(AGGREGATION, frame(values)), found) == []
    result = {row["SK_ID_CURR"]: row for row in found.to_dicts()}
    assert set(result) == {applicant for applicant, _, _ in values}
    for applicant, row in result.items():
        own = [(money, days) for who, money, days in values if who == applicant]
        check(row, "AMT__all", [m for m, _ in own if m is not None])
        check(row, "DAYS__all", [d for _, d in own if d is not None])
        late = [(m, d) for m, d in own if d is not None and d > 0]
        check(row, "AMT__late", [m for m, _ in late if m is not None])
        rates = [min(max(m / d, -1000.0), 1000.0) for m, d in late if m is not None]
        check(row, "RATE__all", rates, absolute=1e-6 * max(len(rates), 1))


def check(
    row: dict[str, float | None], column: str, values: list[float], absolute: float = 1e-9
) -> None:
    found = {function: row[f"t__{column}__{function}"] for function in FUNCTIONS.split()}
    assert found["count"] == len(values)
    if not values:
        assert [found[name] for name in ("sum", "mean", "min", "max")] == [None] * 4
        return
    expected = {
        "sum": float(sum(values)),
        "mean": sum(values) / len(values),
        "min": min(values),
        "max": max(values),
    }
    for function, value in expected.items():
        # Python's own float sums of a billion are right to about a millionth.
        assert found[function] == pytest.approx(value, rel=1e-9, abs=max(absolute, 1e-5))


@settings(max_examples=40, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_neither_order_nor_company_matter(
    values: list[tuple[int, float | None, int | None]], shuffle: random.Random
) -> None:
    batch = by_polars(AGGREGATION, frame(values))
    turned = list(values)
    shuffle.shuffle(turned)
    assert differing(by_polars(AGGREGATION, frame(turned)), batch) == []
    assert differing(by_numpy(AGGREGATION, frame(turned)), batch) == []
    lazily = PolarsRows(frame(turned).lazy()).aggregated(AGGREGATION).frame
    assert differing(lazily.sort("SK_ID_CURR").collect(), batch) == []
    for applicant in batch["SK_ID_CURR"]:
        own = frame([row for row in turned if row[0] == applicant])
        expected = batch.filter(SK_ID_CURR=applicant)
        assert differing(by_polars(AGGREGATION, own), expected) == []
        assert differing(by_numpy(AGGREGATION, own), expected) == []


def test_no_aggregate_is_a_negative_zero() -> None:
    rows = frame([(1, -0.0001, -1), (1, -0.0, -1)])
    assert differing(by_numpy(AGGREGATION, rows), by_polars(AGGREGATION, rows)) == []
    values = by_numpy(AGGREGATION, rows).select(pl.col("^t__AMT__all__.*$")).row(0)
    assert [math.copysign(1.0, value) for value in values] == [1.0] * 5


def test_large_sums_are_exact() -> None:
    # In floating point 1e10 + 0.001 - 1e10 loses the thousandth.
    values = [(1, 1e10, 1), (1, 0.001, 1), (1, -1e10, 1)] * 1000
    for compute in (by_polars, by_numpy):
        assert compute(AGGREGATION, frame(values))["t__AMT__all__sum"].to_list() == [1.0]


def test_a_name_says_table_column_filter_and_function() -> None:
    assert Aggregate("AMT", "late", "sum").feature("t") == "t__AMT__late__sum"
    assert [item.feature("t") for item in each("A B", "all", "min max")] == [
        "t__A__all__min",
        "t__A__all__max",
        "t__B__all__min",
        "t__B__all__max",
    ]


def test_a_row_whose_filter_is_unknown_does_not_count() -> None:
    for compute in (by_polars, by_numpy):
        result = compute(AGGREGATION, frame([(1, 5.0, None), (1, 7.0, 1), (1, 9.0, -1)]))
        assert result["t__AMT__late__count"].to_list() == [1.0]
        assert result["t__AMT__late__sum"].to_list() == [7.0]
        assert result["t__IS_LATE__all__mean"].to_list() == [0.5]


def test_measures() -> None:
    values = pl.DataFrame(
        {"A": [1.0, -3.0, None, 4.0], "B": [4.0, 0.0, 2.0, -1.0], "D": [365243, -5, None, 0]}
    )
    measures = [
        amount("A"),
        ratio("R", col("A"), col("B")),
        fraction("F", col("A") * 1e6),
        count("D", without_sentinel("D", 365243)),
        flag("L", col("A") > 0),
    ]
    formulas = Formulas({item.name: item.formula for item in measures})
    result = values.select(formulas.expressions)
    by_numpy = formulas.arrays(SmallRows.of(values).column)
    assert [[None if math.isnan(value) else value for value in values] for values in by_numpy] == [
        result[name].to_list() for name in result.columns
    ]
    assert result.to_dict(as_series=False) == {
        "A": [1000, -3000, None, 4000],
        "R": [250_000, None, None, None],
        "F": [10**9, -(10**9), None, 10**9],
        "D": [None, -5, None, 0],
        "L": [1, 0, None, 1],
    }


def test_a_quotient_needs_a_positive_denominator() -> None:
    values = pl.DataFrame({"a": [1.0, 1.0, 1.0, None], "b": [4.0, 0.0, -1.0, 2.0]})
    quotients = Formulas({"q": quotient("a", "b")})
    assert values.select(quotients.expressions)["q"].to_list() == [0.25, None, None, None]
    (by_numpy,) = quotients.arrays(SmallRows.of(values).column)
    assert by_numpy.tolist() == pytest.approx([0.25, math.nan, math.nan, math.nan], nan_ok=True)
