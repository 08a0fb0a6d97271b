"""The page's charts and the bins behind them, by what they show."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.bins import bins_of
from dashboard.charts import distribution, scale, shares, waterfall, wrapped
from dashboard.texts import TEXTS, percent, signed

LONG = (
    "Indice d'alerte dans les crédits chez d'autres prêteurs, multiplié par la faiblesse de la "
    "note externe n° 1 : 0,52"
)


def numbers(**changes: Any) -> dict[str, Any]:
    """A feature of numbers, as the API tells it."""
    return {
        "kind": "number", "edges": [1.0, 2.0, 4.0], "low": 0.0, "high": 100.0,
        "counts": [10, 20, 30, 40], "defaults": [1, 2, 6, None], "applicants": 110,
        "missing": 10, "missing_defaults": 5, **changes,
    }  # fmt: skip


def levels(count: int) -> dict[str, Any]:
    """A feature of categories, the first the rarest."""
    return {
        "kind": "category", "levels": [f"L{i}" for i in range(count)],
        "counts": list(range(1, count + 1)), "defaults": None, "applicants": 200,
        "missing": 0, "missing_defaults": None,
    }  # fmt: skip


def plain(value: float) -> str:
    return f"{value:g}"


def test_a_step_has_its_whole_name_and_its_signed_value() -> None:
    figure = waterfall([LONG, "b"], [-0.441, 0.2], ("from", "to"), -2.0, (0.09, "seuil"), "fr")
    said = [note.text.replace("<br>", " ") for note in figure.layout.annotations]
    assert said == ["from", LONG, "b", "to", f"seuil {percent(0.09, 'fr')}"]
    # 1 / (1 + e^2) = 11.92%, 1 / (1 + e^2.441) = 8.01%, 1 / (1 + e^2.241) = 9.61%.
    assert list(figure.data[0].text) == [
        percent(0.1192, "fr"), "−3,9", "+1,6", percent(0.0961, "fr"),
    ]  # fmt: skip
    assert sum(figure.data[0].x[:3]) == pytest.approx(100 / (1 + math.exp(2.241)))
    short = waterfall(["a", "b"], [-0.441, 0.2], ("from", "to"), -2.0, (0.09, "seuil"), "fr")
    assert figure.layout.height > short.layout.height


def test_all_steps_are_inside_the_chart() -> None:
    figure = waterfall(["a", "b"], [3.0, -1.0], ("from", "to"), -2.0, (0.09, "cut-off"), "en")
    low, high = figure.layout.xaxis.range
    # The farthest point is 1 / (1 + e^-1), 73%.
    assert low == 0
    assert high > 73.2


@given(st.text(st.characters(codec="utf-8", exclude_characters="<>")))
def test_wrapping_loses_no_word(text: str) -> None:
    assert wrapped(text, 20).replace("<br>", " ").split() == text.split()
    if all(len(word) < 20 for word in text.split(" ")):
        assert all(len(line) <= 20 for line in wrapped(text, 20).split("<br>"))


@pytest.mark.parametrize("pd", [0.0, 0.09, 0.5, 1.0])
def test_the_scale_holds_the_probability_and_the_cutoff(pd: float) -> None:
    figure = scale(pd, 0.0909, (0.08, 0.1), TEXTS["fr"], "fr")
    low, high = figure.layout.xaxis.range
    assert low <= pd <= high <= 1.0
    assert high > 0.1
    assert any("seuil" in words for words in figure.layout.xaxis.ticktext)


def test_a_number_falls_into_the_bin_whose_upper_edge_it_may_be() -> None:
    own = [bins_of(numbers(), value, plain).own for value in (0.5, 1.0, 1.1, 4.0, 99.0, None)]
    assert own == [0, 0, 1, 2, 3, None]
    found = bins_of(numbers(), 3.0, plain)
    assert found.labels == ["≤ 1", "1 – 2", "2 – 4", "> 4"]
    assert found.below == pytest.approx(0.3)
    assert found.rates == [0.1, 0.1, 0.2, None]
    assert found.missing_rate == 0.5


def test_the_area_of_a_bar_is_its_count() -> None:
    found = bins_of(numbers(), 3.0, plain)
    areas = [height * width for height, width in zip(found.heights, found.widths, strict=True)]
    assert areas == pytest.approx(found.counts)
    # The last bin reaches to 100, which would leave the others no room.
    assert found.places[-1] + found.widths[-1] / 2 == 10.0


def test_the_own_level_is_shown_however_rare() -> None:
    found = bins_of(levels(30), "L0", plain)
    assert len(found.labels) == 12
    assert found.labels[0] == "L29"
    assert found.own is not None
    assert found.labels[found.own] == "L0"
    assert bins_of(levels(3), "never seen", plain).own is None


def test_the_own_bin_differs_by_more_than_its_colour() -> None:
    figure = distribution(bins_of(numbers(), 3.0, plain), 3.0, "en")
    assert list(figure.data[0].marker.pattern.shape) == ["", "", "/", ""]


def test_shares_are_told_in_percent() -> None:
    assert list(shares(["a", "b"], [0.5, 0.25], "x", "en").data[0].x) == [50.0, 25.0]


@pytest.mark.parametrize(("language", "sign"), [("en", "%"), ("fr", "\u00a0%")])
def test_percent_is_written_as_the_language_does(language: str, sign: str) -> None:
    bars = shares(["a"], [0.5], "x", language)
    steps = waterfall(["a"], [0.4], ("from", "to"), -2.0, (0.09, "cut-off"), language)
    spread = distribution(bins_of(numbers(), 0.3, plain), 0.3, language, percent=True)
    axes = (bars.layout.xaxis, steps.layout.xaxis, spread.layout.xaxis, spread.layout.yaxis2)
    assert {axis.ticksuffix for axis in axes} == {sign}
    for hover in (bars.data[0].hovertemplate, spread.data[1].hovertemplate):
        assert hover.endswith(f".1f}}{sign}<extra></extra>")


def test_differences_have_a_sign_in_both_languages() -> None:
    assert (signed(-0.441, "fr"), signed(17.84, "en", 1)) == ("−0,44", "+17.8")
