"""How a value is said: amounts, shares, dates and categories, its numbers formatted by Babel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from scoring import formats
from scoring.features.wording.grammar import numbered
from scoring.language import catalogue, text

_NO_BREAK = "\u00a0"
_DAYS_IN_MONTH, _DAYS_IN_YEAR = 365.25 / 12, 365.25


def value_in(unit: str, value: float | str | None, language: str) -> str:
    """Say a value of a unit.

    Parameters
    ----------
    unit : str
        One of UNITS.
    value : float, str or None
        As the features hold it; None is unknown.
    language : str
        Of the words and of the numbers' format.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return _word("unknown", language)
    if isinstance(value, str):
        return category(value, language)
    return UNITS[unit](float(value), language)


def category(value: str, language: str) -> str:
    """Say a category's value; one that has no words is said as it is."""
    return numbered(catalogue(language, "categories"), value) or value


def number(value: float, language: str, decimals: int | None = None) -> str:
    """Say a number with at most so many decimals, by default as many as its size asks for."""
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    # The sum makes a zero of a negative zero.
    return formats.number(round(value, decimals) + 0.0, language, at_most=decimals)


def _word(key: str, language: str, **parts: object) -> str:
    return text(language, f"units.values.{key}", **parts)


def _whole(value: float, language: str) -> str:
    return number(value, language, 0 if value == round(value) else None)


def _amount(value: float, language: str) -> str:
    return number(value, language, 0 if abs(value) >= 100 else 2)


def _percent(value: float, language: str) -> str:
    percent = value * 100
    decimals = 0 if abs(percent) >= 10 or percent == round(percent) else 1
    return formats.percent(value + 0.0, language, decimals)


def _scale(value: float, language: str) -> str:
    """Say a value from 0 to 1 with what these ends stand for."""
    ends = f"({catalogue(language, 'units')['names']['scale']})".replace(" ", _NO_BREAK)
    return f"{number(value, language, 3)} {ends}"


def _counted(value: float, length: str, language: str, decimals: int | None = None) -> str:
    """Say a number of days, months or years, by default with a decimal where it is not whole."""
    if decimals is None:
        decimals = 0 if value == round(value) else 1
    # The words follow the number as it is said: 1.04 days are "1 day".
    plural = formats.locale_of(language).plural_form(abs(round(value, decimals)))
    words = catalogue(language, "units")["lengths"][length]
    pattern: str = words.get(plural, words["other"])
    return pattern.format(number=number(value, language, decimals))


def _span(value: float, language: str) -> str:
    """Say a length of time in days, in the unit that suits its size."""
    size = abs(value)
    if size < 60:
        return _counted(value, "day", language, 0)
    if size < 2 * _DAYS_IN_YEAR:
        return _counted(value / _DAYS_IN_MONTH, "month", language, 0)
    return _counted(value / _DAYS_IN_YEAR, "year", language, 1)


def _date(value: float, language: str) -> str:
    """Say a number of days from the application, negative before it."""
    if abs(value) < 0.5:
        return _word("today", language)
    return _away(_span(abs(value), language), value, language)


def _months_ago(value: float, language: str) -> str:
    if value == 0:
        return _word("this_month", language)
    return _away(_counted(abs(value), "month", language), value, language)


def _away(length: str, value: float, language: str) -> str:
    return _word("ago" if value < 0 else "ahead", language, length=length)


def _signed(value: float, language: str) -> str:
    return f"{'+' if value > 0 else ''}{number(value, language)}"


def _points(value: float, language: str) -> str:
    return _word("points", language, number=_signed(round(value * 100, 1), language))


UNITS: Mapping[str, Callable[[float, str], str]] = {
    "amount": _amount,
    "category": number,
    "date": _date,
    "days": lambda value, language: _counted(value, "day", language),
    "months": lambda value, language: _counted(value, "month", language),
    "months_ago": _months_ago,
    "number": number,
    "percent": _percent,
    "points": _points,
    "scale": _scale,
    "share": lambda value, language: number(value, language, 3),
    "span": _span,
    # Kaggle counts days before the application below zero.
    "span_back": lambda value, language: _span(-value, language),
    "whole": _whole,
    "years": lambda value, language: _counted(value, "year", language, 1),
    "yes_no": lambda value, language: _word("yes" if value else "no", language),
}
