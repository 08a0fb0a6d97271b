"""Every feature in the words of a credit officer, in English and in French.

Used for reason codes, dashboards and plots. Nothing but the standard library is needed: the API
imports it. A feature without words is an error that names what lacks them, so that nobody adds a
feature that could not be explained.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from scoring.features.wording import application, combined, history
from scoring.features.wording.grammar import Entry, Text, WordingError
from scoring.features.wording.values import LANGUAGES, NO_BREAK, Language, unit_name, value_in

__all__ = [
    "LANGUAGES",
    "Language",
    "Text",
    "WordingError",
    "describe",
    "reason_text",
    "texts",
    "unit_text",
    "value_text",
]


def describe(feature: str) -> Text:
    """What a feature is.

    Parameters
    ----------
    feature : str
        A column of `build_features`.

    Raises
    ------
    WordingError
        Naming the part of the feature's name that has no words.

    Examples
    --------
    >>> describe("bureau__AMT_CREDIT_SUM_DEBT__active__sum").en
    'Total debt still owed on open loans with other lenders'
    >>> describe("installments__DAYS_LATE__365d__mean").fr
    'Retard moyen de paiement des échéances des 12 derniers mois'
    """
    return _entry(feature).text


def value_text(feature: str, value: float | str | None, language: Language) -> str:
    """How a value of a feature is said: 450,000; 32%; 3 years ago; yes; unknown.

    Parameters
    ----------
    feature : str
        As for `describe`.
    value : float, str or None
        The feature's value, in the feature's own unit.
    language : "en" or "fr"
        Of the words and of the numbers' format.
    """
    return value_in(_entry(feature).unit, value, language)


def reason_text(feature: str, value: float | str | None, language: Language) -> str:
    """One sentence for a reason code: what the feature is, and what it is for this applicant.

    Examples
    --------
    >>> reason_text("AMT_CREDIT", 450000.0, "en")
    'Amount of the loan asked for: 450,000'
    """
    said = describe(feature)
    colon = f"{NO_BREAK}: " if language == "fr" else ": "
    return (
        f"{said.fr if language == 'fr' else said.en}{colon}{value_text(feature, value, language)}"
    )


def unit_text(feature: str, language: Language) -> str:
    """What the numbers of a feature count ("days"), empty where they count nothing."""
    return unit_name(_entry(feature).unit, language)


def texts(features: Iterable[str]) -> dict[str, dict[str, str]]:
    """The descriptions of some features by language, as a Scorer carries them."""
    return {feature: describe(feature)._asdict() for feature in features}


@cache
def _entry(feature: str) -> Entry:
    parts = feature.split("__")
    try:
        if len(parts) == 4 and parts[0] in history.SECTIONS:
            return history.entry(*parts)
        if parts[0] == combined.PREFIX:
            return combined.entry(feature, describe)
        return application.entry(feature)
    except WordingError as error:
        raise WordingError(f"{feature}: {error}; add them to scoring/wording") from error
