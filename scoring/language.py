"""Words in the languages that people read.

Sentences are in catalogues, a folder a language: `words/en/reports.toml` beside
`words/fr/reports.toml`, with the same keys. A further language is one more folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from scoring.errors import ScoringError

_WORDS = Path(__file__).parent / "words"
LANGUAGES = tuple(sorted(folder.name for folder in _WORDS.iterdir() if folder.is_dir()))


class LanguageError(ScoringError):
    """A language, a catalogue or a sentence is missing."""


@cache
def catalogue(language: str, name: str) -> Mapping[str, Any]:
    """Load the sentences of a catalogue.

    Parameters
    ----------
    language : str
        One of `LANGUAGES`.
    name : str
        Of the file without its ending, `reports` for example.

    Raises
    ------
    LanguageError
        If there is no such file.
    """
    path = _WORDS / language / f"{name}.toml"
    if not path.is_file():
        raise LanguageError(f"there is no catalogue {name!r} in the language {language!r}: {path}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def text(language: str, key: str, **values: object) -> str:
    """Return a sentence with its placeholders filled in.

    Parameters
    ----------
    language : str
        One of `LANGUAGES`.
    key : str
        The catalogue and the tables and key in it, with dots between: "card.figures.auc".
    **values : object
        What stands in braces in the sentence.

    Raises
    ------
    LanguageError
        If there is no such sentence.
    """
    name, *path = key.split(".")
    found: Any = catalogue(language, name)
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        raise LanguageError(f"{key!r} is no sentence in the language {language!r}")
    return found.format(**values) if values else found
