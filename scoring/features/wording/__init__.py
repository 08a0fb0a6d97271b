"""Every feature in the words of a credit officer, in each language that has a catalogue.

Used for reason codes, dashboards and plots. The words are in `scoring/words`; here they are put
together. A feature without words is an error that names what lacks them, so that nobody adds a
feature that could not be explained.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from scoring.features.wording import application, history
from scoring.features.wording.grammar import Entry, WordingError
from scoring.features.wording.values import value_in
from scoring.language import LANGUAGES, catalogue

__all__ = [
    "LANGUAGES",
    "Language",
    "WordingError",
    "describe",
    "unit_of",
    "unit_text",
    "value_text",
]

Language = str


def describe(feature: str, language: Language = "en") -> str:
    """Say what a feature is.

    Parameters
    ----------
    feature : str
        A column of `build_features`.
    language : str
        One of `LANGUAGES`.

    Raises
    ------
    WordingError
        Naming the part of the feature's name that has no words.

    Examples
    --------
    >>> describe("bureau__AMT_CREDIT_SUM_DEBT__all__sum")
    'Total debt still owed on loans with other lenders'
    >>> describe("installments__DAYS_LATE__365d__mean", "fr")
    'Retard moyen de paiement des échéances des 12 derniers mois'
    """
    return _entry(feature, language).text


@lru_cache(4096)
def value_text(
    feature: str, value: float | str | None, language: Language, *, ends: bool = True
) -> str:
    """Say a value of a feature: 450,000; 32%; 3 years ago; yes; unknown.

    Parameters
    ----------
    feature : str
        As for `describe`.
    value : float, str or None
        The feature's value, in the feature's own unit; None is unknown.
    language : str
        Of the words and of the numbers' format.
    ends : bool
        Whether a value on a scale says what the scale's ends stand for.
    """
    unit = _entry(feature, language).unit
    return value_in(unit if ends or unit != "scale" else "share", value, language)


def unit_of(feature: str) -> str:
    """Return the unit of a feature's values: amount, span_back, yes_no, category, ..."""
    return _entry(feature, "en").unit


def unit_text(feature: str, language: Language) -> str:
    """Say what the numbers of a feature count ("days"), empty where they count nothing."""
    names: Mapping[str, str] = catalogue(language, "units")["names"]
    return names.get(_entry(feature, language).unit, "")


@cache
def _entry(feature: str, language: Language) -> Entry:
    parts = feature.split("__")
    try:
        if len(parts) == 4 and parts[0] in history.tables(language):
            return history.entry(feature, language)
        if parts[0] == application.COMBINED:
            return application.combined(feature, language, describe)
        return application.entry(feature, language)
    except WordingError as error:
        raise WordingError(f"{feature}: {error}; add them to scoring/words/{language}") from error
