"""Formulas: numpy computes what Polars computes, to the last bit."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.features.engine.formulas import (
    Condition,
    Formula,
    Formulas,
    col,
    greatest,
    least,
    number_of,
    over,
    own,
    sum_of_three,
    total,
    when,
)
from scoring.features.engine.numpy_program import Array
from scoring.features.engine.numpy_rows import SmallRows
from tests.helpers.exact import as_frame, differing

SCHEMA = {"A": pl.Float64, "B": pl.Float64, "I": pl.Int32, "TEXT": pl.String}
# Eighths are exact, so that sums and products meet; what divides them is not.
numbers = st.none() | st.integers(-800, 800).map(lambda eighths: eighths / 8)
rows = st.lists(
    st.tuples(
        numbers,
        numbers,
        st.none() | st.integers(-5, 5),
        st.none() | st.sampled_from(["", "5", "-3", "C", "Active"]),
    ),
    min_size=1,
    max_size=8,
)
Values = list[tuple[float | None, float | None, int | None, str | None]]

# Negative zero is not among them: no definition names it.
constants = st.sampled_from([-2.0, 0.25, 0.0, 1.0, 3.0, 1e6])
leaves = st.sampled_from(["A", "B", "I"]).map(lambda name: col(name).real())


def conditions(formulas: st.SearchStrategy[Formula]) -> st.SearchStrategy[Condition]:
    compared = st.one_of(
        st.builds(lambda left, right: left > right, formulas, formulas | constants),
        st.builds(lambda left, right: left >= right, formulas, formulas | constants),
        st.builds(lambda left, right: left < right, formulas, formulas | constants),
        st.builds(lambda left, right: left <= right, formulas, formulas | constants),
        st.builds(lambda left, right: left == right, formulas, formulas | constants),
        st.builds(lambda left, right: left != right, formulas, formulas | constants),
        formulas.map(Formula.is_null),
        formulas.map(Formula.is_not_null),
        st.sampled_from(["5", "Active"]).map(lambda text: col("TEXT") == text),
        st.sampled_from(["5", "Active"]).map(lambda text: col("TEXT") != text),
        st.just(col("TEXT").is_in(["", "C"])),
        st.just(col("TEXT").is_null()),
        st.just(col("I").is_in([0, 4])),
    )
    return st.recursive(
        compared,
        lambda inner: st.one_of(
            st.builds(lambda left, right: left & right, inner, inner),
            st.builds(lambda left, right: left | right, inner, inner),
            inner.map(lambda condition: ~condition),
            inner.map(Condition.known_true),
        ),
        max_leaves=3,
    )


CONDITIONS = conditions(leaves)


def larger(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    either = inner | constants
    return st.one_of(
        st.builds(lambda left, right: left + right, inner, either),
        st.builds(lambda left, right: left - right, inner, either),
        # Not from zero, as no feature is: Polars makes 0 - 0 a -0 where a null stands beside it.
        st.builds(lambda left, right: right - left, inner, constants.filter(bool)),
        st.builds(lambda left, right: left * right, inner, either),
        st.builds(over, inner, inner),
        st.builds(lambda formula, bound: (formula > bound).real(), inner, constants),
        st.builds(lambda formula, bound: (formula != bound).real(), inner, constants),
        inner.map(lambda formula: -formula),
        inner.map(Formula.abs),
        inner.map(Formula.round),
        inner.map(lambda formula: formula.abs().sqrt()),
        st.builds(Formula.fill_null, inner, constants),
        st.builds(lambda formula, bound: formula.clip(-bound, bound), inner, st.just(3.0)),
        inner.map(lambda formula: formula.clip(0.0, 1.0)),
        inner.map(lambda formula: formula.clip(0.0)),
        st.builds(lambda when_, value: when(when_).then(value), CONDITIONS, either),
        CONDITIONS.map(Condition.real),
        st.lists(CONDITIONS, min_size=1, max_size=5).map(number_of),
        st.lists(inner.map(Formula.round), min_size=1, max_size=5).map(total),
        st.lists(inner, min_size=1, max_size=3).map(least),
        st.lists(inner, min_size=1, max_size=3).map(greatest),
        st.builds(sum_of_three, inner, inner, inner),
    )  # fmt: skip


def both(formulas: dict[str, Formula], frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    made = Formulas(formulas)
    by_polars = frame.select(made.expressions)
    small = SmallRows.of(frame).with_columns(made).only(made.names)
    return by_polars, as_frame(small, by_polars)


@settings(max_examples=300, deadline=None)
@given(formula=st.recursive(leaves, larger, max_leaves=6), values=rows)
def test_numpy_computes_what_polars_computes(formula: Formula, values: Values) -> None:
    by_polars, by_numpy = both({"F": formula}, pl.DataFrame(values, SCHEMA, orient="row"))
    assert differing(by_numpy, by_polars) == []


def test_a_zero_below_zero_stays_one() -> None:
    frame = pl.DataFrame({"A": [-0.125, None], "B": [-0.25, -0.25]})
    below, other = col("A").round(), col("B").round()
    formulas = {"one": -total([below]), "two": -total([below, other])}
    by_polars, by_numpy = both(formulas, frame)
    assert differing(by_numpy, by_polars) == []


def test_an_unknown_condition_is_neither_true_nor_false() -> None:
    frame = pl.DataFrame({"A": [1.0, -1.0, None, None], "B": [1.0, 1.0, 1.0, -1.0]})
    positive, known = col("A") > 0, col("B") > 0
    formulas = {
        "both": (positive & known).real(),
        "either": (positive | known).real(),
        "not": (~positive).real(),
        "certainly": positive.known_true().real(),
        "chosen": when(~positive).then(1.0).fill_null(0.0),
    }
    by_polars, by_numpy = both(formulas, frame)
    assert differing(by_numpy, by_polars) == []
    assert by_numpy.to_dict(as_series=False) == {
        "both": [1.0, 0.0, None, 0.0],
        "either": [1.0, 1.0, 1.0, None],
        "not": [0.0, 1.0, None, None],
        "certainly": [1.0, 0.0, 0.0, 0.0],
        "chosen": [0.0, 1.0, 0.0, 0.0],
    }


def test_texts_are_numbers_for_both_or_for_none() -> None:
    texts = ["0", "5", "-3", "007", "+5", " 5", "5.0", "1e3", "C", "", "٣", None]
    by_polars, by_numpy = both({"N": col("T").parsed()}, pl.DataFrame({"T": texts}))
    assert differing(by_numpy, by_polars) == []
    assert by_numpy["N"].to_list()[:3] == [0, 5, -3]
    assert by_numpy["N"].null_count() >= 4


def test_a_step_that_several_formulas_share_is_computed_once() -> None:
    calls = []

    def counted(values: Array) -> Array:
        calls.append(len(values))
        return values + 1.0

    shared = own(pl.col("A") + 1.0, counted, col("A"))
    frame = pl.DataFrame({"A": [1.0, 2.0]})
    by_polars, by_numpy = both({"X": shared * 2.0, "Y": shared - col("A")}, frame)
    assert differing(by_numpy, by_polars) == []
    assert calls == [2]
