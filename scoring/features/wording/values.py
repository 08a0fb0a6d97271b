"""How a value is said: amounts, shares, dates and categories, in English and in French."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, get_args

from scoring.features.wording import categories

Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

# French sets thousands apart with a narrow no-break space and a sign with a no-break space.
_THIN, NO_BREAK = "\u202f", "\u00a0"
_DAYS_IN_MONTH, _DAYS_IN_YEAR = 365.25 / 12, 365.25

_UNKNOWN = {"en": "unknown", "fr": "inconnu"}
_YES = {"en": "yes", "fr": "oui"}
_NO = {"en": "no", "fr": "non"}
_TODAY = {"en": "on the day of the application", "fr": "le jour de la demande"}
# Singular and plural; French counts 1.5 as singular, English as plural.
_WORDS = {
    "en": {"day": ("day", "days"), "month": ("month", "months"), "year": ("year", "years")},
    "fr": {"day": ("jour", "jours"), "month": ("mois", "mois"), "year": ("an", "ans")},
}


def value_in(unit: str, value: float | str | None, language: Language) -> str:
    """A value of a unit, in words.

    Parameters
    ----------
    unit : str
        One of UNITS.
    value : float, str or None
        As the features hold it; None is unknown.
    language : "en" or "fr"
        Of the words and of the numbers' format.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return _UNKNOWN[language]
    if isinstance(value, str):
        return categories.said(value, language)
    return UNITS[unit](float(value), language)


def number(value: float, language: Language, decimals: int | None = None) -> str:
    """A number with its thousands apart, and as many decimals as its size asks for."""
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 4
    said = f"{value:,.{decimals}f}"
    if "." in said:
        said = said.rstrip("0").rstrip(".")
    if said in ("-0", ""):
        said = "0"
    if language == "fr":
        return said.replace(",", _THIN).replace(".", ",")
    return said


def _whole(value: float, language: Language) -> str:
    return number(value, language, 0 if value == round(value) else None)


def _amount(value: float, language: Language) -> str:
    return number(value, language, 0 if abs(value) >= 100 else 2)


def _percent(value: float, language: Language) -> str:
    percent = value * 100
    decimals = 0 if abs(percent) >= 10 or percent == round(percent) else 1
    space = NO_BREAK if language == "fr" else ""
    return f"{number(percent, language, decimals)}{space}%"


def _scale(value: float, language: Language) -> str:
    """A value from 0 to 1 with what these ends stand for."""
    ends = f"({unit_name('scale', language)})".replace(" ", NO_BREAK)
    return f"{number(value, language, 3)} {ends}"


def _yes_no(value: float, language: Language) -> str:
    return _YES[language] if value else _NO[language]


def _hour(value: float, language: Language) -> str:
    minutes = round(value * 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02d}" if language == "en" else f"{hours}{NO_BREAK}h{NO_BREAK}{rest:02d}"


def _counted(value: float, word: str, language: Language, decimals: int | None = None) -> str:
    said = number(value, language, decimals)
    # The words follow the number as it is said: 1.04 days are "1 day".
    seen = abs(float(said.replace(_THIN, "").replace(",", "." if language == "fr" else "")))
    singular = seen < 2 if language == "fr" else seen == 1
    return f"{said}{NO_BREAK}{_WORDS[language][word][0 if singular else 1]}"


def _days(value: float, language: Language) -> str:
    return _counted(value, "day", language, 0 if value == round(value) else 1)


def _months(value: float, language: Language) -> str:
    return _counted(value, "month", language, 0 if value == round(value) else 1)


def _years(value: float, language: Language) -> str:
    return _counted(value, "year", language, 1)


def _span(value: float, language: Language) -> str:
    """A length of time in days, in the unit that suits its size."""
    size = abs(value)
    if size < 60:
        return _counted(value, "day", language, 0)
    if size < 2 * _DAYS_IN_YEAR:
        return _counted(value / _DAYS_IN_MONTH, "month", language, 0)
    return _years(value / _DAYS_IN_YEAR, language)


def _date(value: float, language: Language) -> str:
    """A number of days from the application, negative before it."""
    if abs(value) < 0.5:
        return _TODAY[language]
    return _away(_span(abs(value), language), value, language)


def _months_ago(value: float, language: Language) -> str:
    if value == 0:
        return {"en": "this month", "fr": "ce mois-ci"}[language]
    return _away(_months(abs(value), language), value, language)


def _away(length: str, value: float, language: Language) -> str:
    if language == "fr":
        return f"il y a {length}" if value < 0 else f"dans {length}"
    return f"{length} ago" if value < 0 else f"in {length}"


def _signed(value: float, language: Language) -> str:
    sign = "+" if value > 0 else ""
    return f"{sign}{number(value, language)}"


def _points(value: float, language: Language) -> str:
    return f"{_signed(round(value * 100, 1), language)}{NO_BREAK}points"


UNITS: Mapping[str, Callable[[float, Language], str]] = {
    "amount": _amount,
    # Kaggle counts days before the application below zero, and what is divided by them with them.
    "amount_back": lambda value, language: _amount(-value, language),
    "category": number,
    "date": _date,
    "days": _days,
    "hour": _hour,
    "months": _months,
    "months_ago": _months_ago,
    "number": number,
    "percent": _percent,
    "points": _points,
    "scale": _scale,
    "share": lambda value, language: number(value, language, 3),
    "signed": _signed,
    "span": _span,
    "span_back": lambda value, language: _span(-value, language),
    "whole": _whole,
    "years": _years,
    # Years divided by days counted below zero, as a share of the same length of time.
    "years_to_days": lambda value, language: _percent(-value * _DAYS_IN_YEAR, language),
    "yes_no": _yes_no,
}

# What a plain number of a unit counts, for the axes of plots.
_NAMES: Mapping[str, tuple[str, str]] = {
    "amount": ("lender's currency", "monnaie du prêteur"),
    "amount_back": ("lender's currency, below zero", "monnaie du prêteur, négative"),
    "date": ("days from the application", "jours par rapport à la demande"),
    "days": ("days", "jours"),
    "hour": ("hour of the day", "heure"),
    "months": ("months", "mois"),
    "months_ago": ("months from the application", "mois par rapport à la demande"),
    "percent": ("1 = 100%", "1 = 100 %"),
    "points": ("0.01 = one point of %", "0,01 = un point de %"),
    "scale": ("0 riskiest, 1 safest", "0 le plus risqué, 1 le plus sûr"),
    "span": ("days", "jours"),
    "span_back": ("days, below zero", "jours, négatifs"),
    "years": ("years", "ans"),
    "years_to_days": ("years a day, below zero", "ans par jour, négatifs"),
    "yes_no": ("0 no, 1 yes", "0 non, 1 oui"),
}


def unit_name(unit: str, language: Language) -> str:
    """What the numbers of a unit count, empty where they count nothing but themselves."""
    en, fr = _NAMES.get(unit, ("", ""))
    return fr if language == "fr" else en
