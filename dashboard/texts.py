"""What the page says, and how it writes numbers, in French and in English."""

from __future__ import annotations

from typing import Literal

from dashboard import english, french

Language = Literal["fr", "en"]

LANGUAGES: dict[Language, str] = {"fr": "Français", "en": "English"}

TEXTS: dict[Language, dict[str, str]] = {"fr": french.TEXTS, "en": english.TEXTS}


def percent(share: float, language: Language) -> str:
    """A share as people write it: 7.1% in English, 7,1 % in French.

    Examples
    --------
    >>> percent(0.0714, "en")
    '7.1%'
    """
    figure = f"{100 * share:.1f}"
    return f"{figure}%" if language == "en" else f"{figure.replace('.', ',')}\u202f%"


def number(value: float, language: Language, decimals: int | None = None) -> str:
    """A number with groups of thousands, and the decimals that its size asks for unless told.

    Examples
    --------
    >>> number(432000.0, "en")
    '432,000'
    """
    if decimals is None:
        decimals = 0 if value == round(value) else 4 if abs(value) < 1 else 2
    figure = f"{value:,.{decimals}f}"
    if language == "en":
        return figure
    return figure.replace(",", "\u202f").replace(".", ",")


def signed(value: float, language: Language, decimals: int = 2) -> str:
    """A difference: with its sign, and a minus as long as a plus.

    Examples
    --------
    >>> signed(-0.441, "fr")
    '−0,44'
    """
    figure = f"{value:+.{decimals}f}".replace("-", "\u2212")
    return figure if language == "en" else figure.replace(".", ",")
