"""Segments cover everybody once, and say nothing where they hold too few."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.evaluation.metrics import figures
from scoring.evaluation.segments import parts, segments
from scoring.serving.costs import Costs

columns = st.one_of(
    st.lists(st.none() | st.sampled_from([0.0, 1.0, 2.5]) | st.floats(-9, 9), min_size=1).map(
        lambda values: pl.Series("x", values, dtype=pl.Float32)
    ),
    st.lists(st.none() | st.integers(0, 3), min_size=1).map(
        lambda values: pl.Series("x", values, dtype=pl.Int8)
    ),
    st.lists(st.none() | st.sampled_from("abc"), min_size=1).map(
        lambda values: pl.Series("x", values, dtype=pl.Enum(["c", "b", "a"]))
    ),
)


@settings(deadline=None, max_examples=100)
@given(columns)
def test_everybody_is_in_one_segment(column: pl.Series) -> None:
    found = list(parts(column))
    assert (np.sum([members for _, members in found], axis=0) == 1).all()
    assert all(members.any() for _, members in found)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names)


def test_numbers_are_cut_into_quarters_in_their_order() -> None:
    found = list(parts(pl.Series("x", [None, *range(100)])))
    assert [name for name, _ in found] == [
        "up to 24", "24 to 49", "49 to 74", "above 74", "unknown",
    ]  # fmt: skip
    assert [int(members.sum()) for _, members in found] == [25, 25, 25, 25, 1]


def test_a_segment_has_the_figures_of_its_applicants() -> None:
    rng = np.random.default_rng(0)
    pds = rng.beta(1, 6, 600)
    target = rng.random(600) < pds
    frame = pl.DataFrame(
        {"job": rng.choice(["baker", "judge"], 600), "rare": ["a"] * 590 + ["b"] * 10}
    )
    table = segments(frame, target, pds, 0.1, Costs(), ["job", "rare"], resamples=50)
    assert table["segment"].to_list() == ["baker", "judge", "a", "b"]
    baker = table.row(0, named=True)
    of_bakers = (frame["job"] == "baker").to_numpy()
    expected = figures(target[of_bakers], pds[of_bakers], 0.1, Costs())
    assert (baker["auc"], baker["cost"]) == pytest.approx(
        (expected["auc"], expected["business_cost"])
    )
    assert baker["default_rate"] == target[of_bakers].mean()
    assert baker["auc_low"] < baker["auc"] < baker["auc_high"]
    assert baker["default_low"] < baker["default_rate"] < baker["default_high"]


def test_a_small_segment_has_counts_only() -> None:
    target, pds = np.tile([0, 1], 40), np.tile([0.1, 0.2], 40)
    frame = pl.DataFrame({"job": ["baker"] * 60 + ["judge"] * 20})
    table = segments(frame, target, pds, 0.15, Costs(), ["job"], resamples=10)
    assert table["small"].to_list() == [False, True]
    judge = table.row(1, named=True)
    assert (judge["n"], judge["defaults"]) == (20, 10)
    assert {judge[name] for name in table.columns[4:-1]} == {None}
