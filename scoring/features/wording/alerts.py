"""What monitoring found, as a sentence in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scoring.formats import filled
from scoring.language import catalogue, text


def alert_text(rule: str, facts: Mapping[str, Any] | None, message: str, language: str) -> str:
    """Say what an alert is about.

    Parameters
    ----------
    rule : str
        The rule that found it.
    facts : mapping or None
        The figures of the sentence by name; `sizes` are those of single features or causes, and a
        word is one of the catalogue's terms. None for an alert of before facts were kept.
    message : str
        The sentence as it was kept, told where there are no facts or no such rule any more.
    language : str
        One of `scoring.language.LANGUAGES`.
    """
    if facts is None or rule not in catalogue(language, "monitoring")["found"]:
        return message

    def words(key: str, **values: object) -> str:
        return filled(text(language, f"monitoring.{key}"), language, values)

    values: dict[str, Any] = {
        name: words(f"terms.{value}") if isinstance(value, str) else value
        for name, value in facts.items()
    }
    if sizes := values.pop("sizes", None):
        causes = catalogue(language, "causes")["title"]
        values["named"] = ", ".join(
            words(f"sizes.{rule}", name=causes.get(name, name), size=size)
            for name, size in sizes.items()
        )
        more = facts["more"]
        values["more"] = f" {words('terms.more', count=more)}" if more else ""
    return words(f"found.{rule}", **values)
