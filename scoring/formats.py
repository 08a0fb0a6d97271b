"""Numbers and dates as people write them, by the rules of Unicode's CLDR."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from numbers import Real
from string import Formatter
from typing import Any

from babel import Locale, dates, numbers


def number(value: float, language: str, decimals: int | None = None, at_most: int = 2) -> str:
    """Format a number as people write it: 432,000.5 in English, 432 000,5 in French.

    Parameters
    ----------
    value : float
        What is written.
    language : str
        One of `scoring.language.LANGUAGES`.
    decimals : int, optional
        How many; by default as many as there are.
    at_most : int
        Decimals where their number is not given.
    """
    digits = "#" * at_most if decimals is None else "0" * decimals
    pattern = f"#,##0.{digits}" if digits else "#,##0"
    locale = locale_of(language)
    return _signs(numbers.format_decimal(value, _parsed(pattern), locale=locale), locale)


def percent(share: float, language: str, decimals: int = 1) -> str:
    """Format a share as people write it: 7.1% in English, 7,1 % in French."""
    locale = locale_of(language)
    pattern = locale.percent_formats[None].pattern
    pattern = pattern.replace("0", "0." + "0" * decimals if decimals else "0")
    return _signs(numbers.format_percent(share, _parsed(pattern), locale=locale), locale)


def percents(shares: Sequence[float], language: str) -> list[str]:
    """Format shares that are held against each other: different ones never read alike.

    Examples
    --------
    >>> percents((0.08104, 0.081, 0.095), "en")
    ['8.104%', '8.100%', '9.500%']
    """
    written = ([percent(share, language, places) for share in shares] for places in range(1, 18))
    apart = (texts for texts in written if len({*texts}) == len({*shares}))
    # What is still nearer is next to nothing, and written as it is stored.
    return next(apart, [str(share) for share in shares])


@cache
def locale_of(language: str) -> Locale:
    """Look up Babel's data of a language once: it takes as long as to write a number."""
    return Locale.parse(language)


@cache
def _parsed(pattern: str) -> numbers.NumberPattern:
    return numbers.parse_pattern(pattern)


_SPEC = re.compile(r"(?P<sign>\+?),?(?:\.(?P<digits>\d+))?(?P<kind>[f%]?)")


def written(value: object, spec: str, language: str) -> str:
    """Format what stands in a sentence.

    Parameters
    ----------
    value : object
        A number, a day or moment, or a text.
    spec : str
        How: as for `format` for numbers (".3f", "+.1%", ",", "g"), as CLDR has it for days
        ("d MMMM y HH:mm").
    language : str
        One of `scoring.language.LANGUAGES`.
    """
    if isinstance(value, datetime):
        return _first(dates.format_datetime(value, spec, locale=language), language)
    if isinstance(value, date):
        return _first(dates.format_date(value, spec, locale=language), language)
    if not isinstance(value, Real):
        return format(value, spec)
    form = _SPEC.fullmatch(spec)
    if not spec or form is None or not math.isfinite(value):
        return format(value, spec).replace(".", numbers.get_decimal_symbol(language))
    digits, share = int(form["digits"] or 0), form["kind"] == "%"
    # Rounded as `format` does it; what rounds to zero has no minus.
    scale = 100 if share else 1
    rounded = round(float(value) * scale, digits) / scale + 0.0
    sign = "+" if form["sign"] and rounded >= 0 else ""
    return sign + (percent if share else number)(rounded, language, digits)


def _first(day: str, language: str) -> str:
    """Write the first of a month as the French do, which CLDR does not have."""
    return re.sub(r"^1 ", "1er ", day) if language == "fr" else day


class _Sentences(Formatter):
    def __init__(self, language: str) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        return written(value, format_spec, self._language)


def filled(sentence: str, language: str, values: Mapping[str, object]) -> str:
    """Fill in a sentence whose placeholders say how figures are written ("{auc:.3f}")."""
    return _Sentences(language).vformat(sentence, (), values)


def _signs(formatted: str, locale: Locale) -> str:
    # A hyphen is shorter than a plus: differences in a column would not line up.
    return formatted.replace(numbers.get_minus_sign_symbol(locale), "\u2212")
