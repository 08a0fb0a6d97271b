"""What is typed into the form is what the page says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.form import DAYS_A_YEAR, days_before, whole_years


@pytest.mark.parametrize("years", range(101))
def test_years_that_are_typed_are_the_years_that_are_said(years: int) -> None:
    assert whole_years(days_before(years)) == years


@given(st.integers(0, 1000))
def test_a_tenth_of_a_year_that_is_typed_stays(tenths: int) -> None:
    days = days_before(tenths / 10)
    assert round(-days / DAYS_A_YEAR, 1) == tenths / 10
    assert whole_years(days) == tenths // 10
