"""The application in words: Kaggle's own columns, and the features made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scoring.features.wording.grammar import Entry, WordingError, inside, numbered, sentence
from scoring.language import catalogue

COMBINED = "combined"


def entry(feature: str, language: str) -> Entry:
    """Say a column of the application, or `application__NAME`.

    Raises
    ------
    WordingError
        Naming the feature that has no words.
    """
    for unit, described in catalogue(language, "application").items():
        if unit != COMBINED and (text := numbered(described, feature)):
            return Entry(text, unit)
    raise WordingError(f"the feature {feature!r} of the application has no words")


def combined(feature: str, language: str, describe: Callable[[str, str], str]) -> Entry:
    """Say `combined__NAME` or `combined__FEATURE__over__FEATURE`.

    Parameters
    ----------
    feature : str
        The feature's name.
    language : str
        Of the words.
    describe : callable of str and str to str
        Gives the words of the two features of a quotient.

    Raises
    ------
    WordingError
        Naming what has no words.
    """
    words: Mapping[str, str] = catalogue(language, "application")[COMBINED]
    name = feature.removeprefix(f"{COMBINED}__")
    if "__over__" in name:
        top, bottom = (inside(describe(part, language)) for part in name.split("__over__", 1))
        return Entry(sentence(words["over"], top=top, bottom=bottom), "percent")
    if name not in words:
        raise WordingError(f"the combination {name!r} has no words")
    return Entry(words[name], "percent")
