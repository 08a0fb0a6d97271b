"""A reason in one sentence: its cause, the applicant's value, and what is usual."""

from __future__ import annotations

from collections.abc import Collection

from scoring.features.application import PROTECTED
from scoring.features.causes import NEVER, PROTECTED_CAUSE
from scoring.features.wording import describe, value_text
from scoring.features.wording.grammar import inside, numbered
from scoring.language import LANGUAGES, catalogue

Value = float | str | None

# A flag is a category or a number.
_YES = ("Y", 1.0)


def cause_text(cause: str, language: str, features: Collection[str] = ()) -> str:
    """Name a cause: "Debts with other lenders".

    Of `features` that count under the protected cause none may be protected itself: then the title
    says that they only give such an attribute away.
    """
    words = catalogue(language, "causes")
    only_says = cause == PROTECTED_CAUSE and features and PROTECTED.isdisjoint(features)
    return str(words["says_age"] if only_says else words["title"][cause])


def nothing_known_text(cause: str, language: str) -> str | None:
    """Say that nothing is known of a cause; None where that cannot be."""
    words: dict[str, str] = catalogue(language, "causes")["missing"]
    return words.get(cause)


def reason_text(cause: str, feature: str, value: Value, usual: Value, language: str) -> str:
    """Say what raises the PD in one sentence.

    Parameters
    ----------
    cause : str
        One of `scoring.features.causes.CAUSES`.
    feature : str
        The feature of the cause that is told.
    value, usual : float, str or None
        The applicant's value, and the usual one of applicants who are accepted, which is left out
        where it reads like the applicant's; None where there is none.
    language : str
        One of `scoring.language.LANGUAGES`.

    Examples
    --------
    >>> reason_text("loan_asked", "AMT_CREDIT", 450000.0, 270000.0, "en")
    'The loan asked for: 450,000 asked for; usual: 270,000'
    """
    words = catalogue(language, "causes")
    patterns, title = words["pattern"], words["title"][cause]
    if value is None and feature in words["unknown"]:
        return str(patterns["plain"].format(cause=title, told=words["unknown"][feature]))
    if feature in words["compared"] and isinstance(value, float) and isinstance(usual, float):
        told = words["compared"][feature]["below" if value < usual else "above"]
        return str(patterns["plain"].format(cause=title, told=told))
    told, usually = _said(feature, value, language), _said(feature, usual, language)
    if value is not None and feature in words["told"]:
        within = words["told"][feature].format(value=told)
        reason = patterns["plain"].format(cause=title, told=within)
    elif value is not None and (feature in words["flag"] or feature in words["signed"]):
        reason = patterns["plain"].format(cause=title, told=told)
    else:
        label = words["label"].get(feature) or inside(describe(feature, language))
        reason = patterns["labelled"].format(cause=title, label=label, told=told)
    if told == usually or (usual is None and feature not in NEVER):
        return str(reason)
    return str(patterns["usual"].format(reason=reason, usual=usually))


def read_alike(feature: str, value: Value, usual: Value) -> bool:
    """Tell whether two values of a feature are the same in words."""
    language = LANGUAGES[0]
    return value == usual or _said(feature, value, language) == _said(feature, usual, language)


def _said(feature: str, value: Value, language: str) -> str:
    words = catalogue(language, "causes")
    if value is None:
        missing = words["pattern"]["never" if feature in NEVER else "unknown"]
        return str(words["unknown"].get(feature, missing))
    if feature in words["flag"]:
        return str(words["flag"][feature]["yes" if value in _YES else "no"])
    if feature in words["signed"] and isinstance(value, float):
        sign = "below" if value < 0.0 else "above" if value > 0.0 else "zero"
        size = value_text(feature, abs(value), language)
        return str(words["signed"][feature][sign].format(value=size))
    if isinstance(value, str) and (kind := numbered(words["category"], value)):
        return kind
    return value_text(feature, value, language, ends=False)
