"""What the page says: every text is used, and numbers are written as the language does."""

from __future__ import annotations

import doctest
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import texts
from dashboard.texts import LANGUAGES, TEXTS, as_number, number, percent, percents, signed

FOLDER = Path(texts.__file__).parent
CODE = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))


def is_used(key: str) -> bool:
    """Whether the code names a text, or makes its name of a part and of a value."""
    if re.search(rf"[\"']{key}[\"']", CODE):
        return True
    made = re.findall(r'f"(\w*)\{[^}]+\}(\w*)"', CODE)
    return any(
        (before or after) and key.startswith(before) and key.endswith(after)
        for before, after in made
    )


def test_every_text_is_used() -> None:
    assert [key for key in TEXTS["en"] if not is_used(key)] == []


@pytest.mark.parametrize(
    ("said", "en", "fr"),
    [
        (lambda language: percent(0.0714, language), "7.1%", "7,1\u00a0%"),
        (lambda language: number(432_000.0, language), "432,000", "432\u202f000"),
        (lambda language: number(0.5, language), "0.5000", "0,5000"),
        (lambda language: number(-1234.5, language), "\u22121,234.50", "\u22121\u202f234,50"),
        (lambda language: signed(-0.441, language), "\u22120.44", "\u22120,44"),
        (lambda language: signed(17.84, language, 1), "+17.8", "+17,8"),
    ],
)
def test_numbers_are_written_as_the_language_does(
    said: Callable[[str], str], en: str, fr: str
) -> None:
    assert (said("en"), said("fr")) == (en, fr)


@given(st.decimals(-(10**6), 10**9, places=4), st.sampled_from(sorted(LANGUAGES)))
def test_a_number_is_read_as_it_is_written(value: Decimal, language: str) -> None:
    assert as_number(f" {value} ", language) == float(value)
    assert as_number(str(value).replace(".", ","), language) == float(value)
    assert as_number(f"{number(float(value), 'fr', 4)}".replace("\u2212", "-"), "fr") == float(
        value
    )


@pytest.mark.parametrize("typed", ["", "nan", "inf", "1e3", "2.5%", "1,2,3", "1.", ".5", "--1"])
def test_what_is_no_number_stays_as_it_was_typed(typed: str) -> None:
    assert [as_number(typed, language) for language in LANGUAGES] == [typed] * 2


def test_thousands_are_never_read_as_units() -> None:
    assert as_number("1,000", "en") == "1,000"
    assert (as_number("0.125", "en"), as_number("0,125", "fr")) == (0.125, 0.125)


def test_the_examples_hold() -> None:
    results = doctest.testmod(texts)
    assert results.attempted >= 4
    assert results.failed == 0


def test_shares_that_are_held_against_each_other_never_read_alike() -> None:
    from scoring import formats

    for language in ("en", "fr"):
        for shares in ((0.0811, 0.0809), (0.08104, 0.081, 0.095), (1 / 11, 1 / 11), (1e-300, 0.0)):
            written = percents(shares, language)
            assert len({*written}) == len({*shares})
            assert written == formats.percents(shares, language)
    assert percents((0.0811, 0.09), "en") == ["8.1%", "9.0%"]
