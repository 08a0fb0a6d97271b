"""Every feature in the words of a credit officer, in each language that has a catalogue.

Used for reason codes, dashboards and plots. The words are in `scoring/words`; here they are put
together. A feature without words is an error that names what lacks them, so that nobody adds a
feature that could not be explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from scoring.features.wording import application, history
from scoring.features.wording.grammar import Entry, WordingError
from scoring.language import LANGUAGES, catalogue, text

__all__ = [
    "LANGUAGES",
    "Language",
    "WordingError",
    "describe",
    "reason_text",
    "texts",
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


def value_text(feature: str, value: float | str | None, language: Language) -> str:
    """Say a value of a feature: 450,000; 32%; 3 years ago; yes; unknown.

    Parameters
    ----------
    feature : str
        As for `describe`.
    value : float, str or None
        The feature's value, in the feature's own unit; None is unknown.
    language : str
        Of the words and of the numbers' format.
    """
    # Babel formats the numbers, which the API does without.
    from scoring.features.wording.values import value_in

    return value_in(_entry(feature, language).unit, value, language)


def reason_text(feature: str, value: float | str | None, language: Language) -> str:
    """Say a reason code in one sentence: the feature, and its value for this applicant.

    Examples
    --------
    >>> reason_text("AMT_CREDIT", 450000.0, "en")
    'Amount of the loan asked for: 450,000'
    """
    value_words = value_text(feature, value, language)
    return text(
        language, "units.values.reason", feature=describe(feature, language), value=value_words
    )


def unit_of(feature: str) -> str:
    """Return the unit of a feature's values: amount, span_back, yes_no, category, ..."""
    return _entry(feature, "en").unit


def unit_text(feature: str, language: Language) -> str:
    """Say what the numbers of a feature count ("days"), empty where they count nothing."""
    names: Mapping[str, str] = catalogue(language, "units")["names"]
    return names.get(_entry(feature, language).unit, "")


def texts(features: Iterable[str]) -> dict[str, dict[str, str]]:
    """Describe features in every language, as a Scorer carries them."""
    return {
        feature: {language: describe(feature, language) for language in LANGUAGES}
        for feature in features
    }


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
