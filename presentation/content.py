"""The text of slides/*.toml, and how {figures} are filled into it as French writes them."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoring.errors import ScoringError
from scoring.features.wording import describe
from scoring.formats import written

FOLDER = Path(__file__).parent / "slides"
_FOLD = re.compile(r"[ \t]*\n[ \t]*")
# French puts a space before these, at which no line may end.
_TIED = re.compile(r" (?=[:;?!%])")


class ContentError(ScoringError):
    """A slide's text asks for something that there is not."""


def read_slides(folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """Read the slides of a folder, file by file in the order of their names."""
    for file in sorted(folder.glob("[0-9]*.toml")):
        yield from read(file)["slides"]


def read(file: Path) -> dict[str, Any]:
    """Read a file of slides, or of words; a `ContentError` names one that is no TOML."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ContentError(f"{file}: {error}") from error


class French(string.Formatter):
    """Fills figures into texts, with what a text may name, and the words of words.toml.

    Numbers as for `scoring.formats.written`: {auc:.3f}, {rate:.1%}, {gain:+.2f}, {limit:g}; {folds}
    is a whole one. {row.name:families} is a word of that section of words.toml, {column:feature}
    the name of a feature, and {serious} the text of choices.serious there for what its `of` is in
    this run.
    """

    def __init__(self, names: Mapping[str, Any], words: Mapping[str, Any]) -> None:
        self._names, self._words = names, words

    def value(self, name: str) -> Any:
        """Look up what a name with its attributes and items stands for."""
        return self.get_field(name, (), self._names)[0]

    def filled(self, content: Any) -> Any:
        """Fill in a text, or every text of lists and tables; lines are joined.

        Raises
        ------
        ContentError
            If a text names what there is not, or a brace has no other.
        """
        if isinstance(content, str):
            text = _TIED.sub("\N{NO-BREAK SPACE}", _FOLD.sub(" ", content.strip()))
            try:
                return self.vformat(text, (), self._names)
            except ContentError:
                raise
            except ValueError as error:
                raise ContentError(f"{text!r}: {error}") from error
        if isinstance(content, Mapping):
            return {key: self.filled(item) for key, item in content.items()}
        return [self.filled(item) for item in content] if isinstance(content, list) else content

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Look up what is between braces: a name or a choice."""
        choice = self._words.get("choices", {}).get(field_name)
        if choice is not None:
            case = str(self.value(choice["of"]))
            return self.filled(choice.get(case, choice.get("otherwise", ""))), field_name
        try:
            return super().get_field(field_name, args, kwargs)
        except (LookupError, AttributeError, TypeError) as error:
            raise ContentError(f"there is nothing named {field_name!r} ({error})") from error

    def format_field(self, value: Any, format_spec: str) -> str:
        """Write a number or a word."""
        if isinstance(value, str):
            return self._word(value, format_spec)
        try:
            return written(value, format_spec or ",", "fr")
        except (TypeError, ValueError) as error:
            raise ContentError(f"{value!r} cannot be written as {format_spec!r}") from error

    def of_row(self, row: Any) -> French:
        """Return one that also knows {row}."""
        return French({**self._names, "row": row}, self._words)

    def _word(self, value: str, section: str) -> str:
        if section == "feature":
            return describe(value, "fr")
        if section and section not in self._words:
            raise ContentError(f"words.toml has no section {section!r} for {value!r}")
        return str(self._words[section].get(value, value)) if section else value
