"""Courses of time: known functions of the month."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.simulation.scenarios import SCENARIOS, Conditions, Scenario

LENGTHS = st.integers(4, 120)


def strengths(name: str, months: int) -> list[float]:
    return [SCENARIOS[name].strength(month, months) for month in range(months)]


@given(LENGTHS)
def test_without_drift_every_month_is_the_first_world(months: int) -> None:
    world = [SCENARIOS["none"].conditions(month, months) for month in range(months)]
    assert world == [Conditions()] * months


@given(LENGTHS, st.sampled_from(sorted(SCENARIOS)))
def test_no_month_is_beyond_the_peak_and_the_first_one_is_calm(months: int, name: str) -> None:
    found = strengths(name, months)
    assert max(map(abs, found)) <= 1.0
    assert found[0] == 0.0


@given(LENGTHS)
def test_a_sudden_change_comes_once_and_stays(months: int) -> None:
    found = strengths("sudden", months)
    assert set(found) == {0.0, 1.0}
    assert found == sorted(found)
    assert found.index(1.0) == -(-months // 3)


@given(LENGTHS)
def test_a_gradual_change_grows_by_the_same_each_month(months: int) -> None:
    found = strengths("gradual", months)
    steps = [later - earlier for earlier, later in pairwise(found)]
    assert steps == pytest.approx([1 / (months - 1)] * (months - 1))
    assert found[-1] == 1.0


def test_seasons_come_back_each_year_and_cancel_out() -> None:
    found = strengths("seasonal", 24)
    assert found[12:] == pytest.approx(found[:12], abs=1e-9)
    assert sum(found[:12]) == pytest.approx(0.0, abs=1e-9)
    assert max(found) == pytest.approx(1.0)


@given(st.integers(8, 120))
def test_a_recession_comes_and_goes(months: int) -> None:
    found = strengths("recession", months)
    assert max(found) == 1.0
    assert found[months // 2] == 1.0
    assert all(one == 0.0 for month, one in enumerate(found) if month >= months * 3 / 4)


def test_the_conditions_is_the_peak_in_its_strength() -> None:
    scenario = Scenario("half", Conditions(1.0, -2.0, 4.0), lambda _month, _months: 0.5)
    assert scenario.conditions(3, 9) == Conditions(0.5, -1.0, 2.0)
