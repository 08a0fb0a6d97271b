"""What monitoring found, as a sentence in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scoring.features.wording import WordingError, describe
from scoring.formats import filled
from scoring.language import catalogue, text


def alert_text(rule: str, facts: Mapping[str, Any] | None, message: str, language: str) -> str:
    """Say what an alert is about.

    Parameters
    ----------
    rule : str
        The rule that found it.
    facts : mapping or None
        The figures of the sentence by name; `sizes` are those of single features or causes,
        `changes` those of their shares with the sign, and a word is one of the catalogue's terms.
        None for an alert of before facts were kept.
    message : str
        The sentence as it was kept, told where there are no facts or no such rule any more, or
        where a change was kept without its sign.
    language : str
        One of `scoring.language.LANGUAGES`.
    """
    catalogued = catalogue(language, "monitoring")
    unsigned = rule in catalogued["changes"] and "changes" not in (facts or {})
    if facts is None or unsigned or rule not in catalogued["found"]:
        return message

    def words(key: str, **values: object) -> str:
        return filled(text(language, f"monitoring.{key}"), language, values)

    values: dict[str, Any] = {
        name: words(f"terms.{value}") if isinstance(value, str) else value
        for name, value in facts.items()
    }
    named = [
        words(f"sizes.{rule}", name=_subject(name, language), size=size)
        for name, size in values.pop("sizes", {}).items()
    ] + [
        words(
            f"changes.{rule}.{'more' if change > 0 else 'less'}",
            name=_subject(name, language),
            points=100 * abs(change),
        )
        for name, change in values.pop("changes", {}).items()
    ]
    if named:
        values["named"] = words("terms.between").join(named)
        more = facts["more"]
        values["more"] = f" {words('terms.more', count=more)}" if more else ""
    return words(f"found.{rule}", **values)


def _subject(name: str, language: str) -> str:
    """A cause or a feature in words; one of an earlier model that has none by its name."""
    causes: Mapping[str, str] = catalogue(language, "causes")["title"]
    try:
        return causes.get(name) or describe(name, language)
    except WordingError:
        return name
