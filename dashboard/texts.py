"""What the page says, and how it writes numbers and dates: in each language that has a folder."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from babel import Locale, dates, numbers

Language = str

_WORDS = Path(__file__).parent / "words"
# The lender's officers speak French: theirs is the language that the page opens in.
_FIRST = "fr"

TEXTS: dict[Language, dict[str, str]] = {
    folder.name: tomllib.loads((folder / "page.toml").read_text(encoding="utf-8"))
    for folder in sorted(_WORDS.iterdir(), key=lambda folder: (folder.name != _FIRST, folder.name))
}
LANGUAGES: dict[Language, str] = {name: texts["language"] for name, texts in TEXTS.items()}


def percent(share: float, language: Language, decimals: int = 1) -> str:
    """Format a share as people write it: 7.1% in English, 7,1 % in French.

    Examples
    --------
    >>> percent(0.0714, "en")
    '7.1%'
    """
    digits = "0." + "0" * decimals
    pattern = Locale.parse(language).percent_formats[None].pattern.replace("0", digits)
    return numbers.format_percent(share, pattern, locale=language)


def percents(shares: Sequence[float], language: Language) -> list[str]:
    """Format shares that are held against each other: different ones never read alike."""
    written = ([percent(share, language, places) for share in shares] for places in range(1, 18))
    apart = (texts for texts in written if len({*texts}) == len({*shares}))
    # What is still nearer is next to nothing, and written as it is stored.
    return next(apart, [str(share) for share in shares])


def number(value: float, language: Language, decimals: int | None = None) -> str:
    """Format a number, with the decimals that its size asks for unless they are given.

    Examples
    --------
    >>> number(432000.0, "en")
    '432,000'
    """
    if decimals is None:
        decimals = 0 if value == round(value) else 4 if abs(value) < 1 else 2
    pattern = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
    # A hyphen is shorter than a plus: differences in a column would not line up.
    minus = numbers.get_minus_sign_symbol(language)
    # Rounded as Python does: by the value itself, not by its shortest decimal.
    rounded = Decimal(f"{value:.{decimals}f}")
    return numbers.format_decimal(rounded, pattern, locale=language).replace(minus, "\u2212")


def as_number(text: str, language: Language) -> float | str:
    """Read a number with a decimal comma or point; what is none, as "1,000" in English, stays."""
    typed, group = "".join(text.split()), re.escape(separators(language)[1])
    read = re.fullmatch(rf"-?\d+((?!{group}\d{{3}}$)[.,]\d+)?", typed)
    return float(typed.replace(",", ".")) if read else text


def signed(value: float, language: Language, decimals: int = 2) -> str:
    """Format a difference with its sign.

    Examples
    --------
    >>> signed(-0.441, "fr")
    '−0,44'
    """
    return f"{'+' if value >= 0 else ''}{number(value, language, decimals)}"


def moment(text: str, language: Language) -> str:
    """Format a time of the API's, in UTC: Nov 28, 2026 17:40, 28 nov. 2026 17:40.

    Examples
    --------
    >>> moment("2026-11-28T17:40:03+00:00", "fr")
    '28 nov. 2026 17:40'
    """
    time = datetime.fromisoformat(text).astimezone(UTC)
    day = dates.format_date(time, "medium", locale=language)
    # CLDR has no form for the first of a month.
    day = re.sub(r"^1 ", "1er ", day) if language == "fr" else day
    return f"{day} {time:%H:%M}"


def separators(language: Language) -> str:
    """Find the mark before decimals and the one between thousands: ".," in English."""
    return numbers.get_decimal_symbol(language) + numbers.get_group_symbol(language)
