"""How words bend when sentences are put together.

The patterns of `words/LANGUAGE/grammar.toml` are joined with `str.format`. In French the parts of
a sentence agree and contract, which a pattern asks for after a colon: "{noun:moyen|moyenne}",
"{rows:de}". A language whose words do not bend needs nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from scoring.errors import ScoringError


class WordingError(ScoringError):
    """A feature, or a part of its name, has no words."""


class Entry(NamedTuple):
    """A feature in words, and the unit of its values (a name in `values`)."""

    text: str
    unit: str


class Phrase(str):
    """A part of a sentence: "{rows:de}" contracts it after "de", "{rows:d'}" without article."""

    __slots__ = ()

    def __format__(self, bent: str) -> str:
        if bent == "de":
            return de(self)
        return de(self.removeprefix("les ")) if bent == "d'" else str(self)


class Noun(str):
    """A French noun with "un" or "une" before it, or a noun of a language that has no genders.

    "{noun}" is the noun alone, "{noun:du}" the noun after "de" and its article, and
    "{noun:moyen|moyenne}" the form that agrees with it.
    """

    __slots__ = ()

    def __format__(self, bent: str) -> str:
        article, _, noun = self.partition(" ")
        if article not in ("un", "une"):
            return str(self)
        masculine, _, feminine = bent.partition("|")
        if feminine:
            return masculine if article == "un" else feminine
        return de(with_article(noun, article)) if bent == "du" else noun


def sentence(pattern: str, **parts: str) -> str:
    """Fill a pattern, and begin it with a capital."""
    words = re.sub(r" +", " ", pattern.format(**parts)).strip()
    return words[:1].upper() + words[1:]


def inside(words: str) -> str:
    """Say words within a sentence, without the capital that they begin with."""
    return words[:1].lower() + words[1:]


def numbered(words: Mapping[str, str], name: str) -> str | None:
    """Find the words of a name, or those of "last{n}" for last5; None where there are none."""
    if name in words:
        return words[name]
    number = re.search(r"\d+", name)
    pattern = words.get(re.sub(r"\d+", "{n}", name, count=1))
    return pattern.replace("{n}", number[0]) if pattern and number else None


def with_article(noun: str, article: str) -> str:
    """Say a noun with its definite article: le montant, la dette, l'avance."""
    if _elides(noun):
        return f"l'{noun}"
    return f"{'le' if article == 'un' else 'la'} {noun}"


def de(words: str) -> str:
    """Say words after "de": du montant, des crédits, de la dette, d'échéances."""
    for article, contracted in (("le ", "du "), ("les ", "des ")):
        if words.startswith(article):
            return contracted + words.removeprefix(article)
    return f"d'{words}" if _elides(words) else f"de {words}"


def _elides(word: str) -> bool:
    # No aspirated h is among our words.
    return word[:1].lower() in "aàâeéèêiîoôuh"
