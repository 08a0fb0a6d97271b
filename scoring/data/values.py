"""What a value says, at every door alike: understood, missing, or not understood.

Files are read a column at a time (`scoring.data.checks`) and requests a value at a time; what a
text or a number means for a category is decided here for both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from heapq import nlargest
from itertools import pairwise
from typing import Any, NamedTuple

from scoring.data.tables import Column

# How spreadsheets, pandas, R and SQL write that there is nothing, whatever the capitals.
MISSING_WORDS: frozenset[str] = frozenset(
    {"", "na", "n/a", "nan", "null", "none", "<na>", "#n/a", "#na"}
)
SHOWN_CHARACTERS = 40

_SHOWN_CATEGORIES = 12
_WHOLE = re.compile(r"([+-]?[0-9]{1,9})\.0{1,9}")
# It may be whose application it is, and no category has one.
_LONG_NUMBER = re.compile(r"[0-9]{5,}")
# Comparing names costs the product of their lengths; no column's name is half as long.
_LONGEST_NAME = 80


class Misunderstood(NamedTuple):
    """A value that was taken for missing, because nobody knows what it says.

    Attributes
    ----------
    pointer : str
        Where it is in the applicant's rows, as a JSON pointer (RFC 6901).
    value : str
        What was given, cut to 40 characters.
    nearest : str or None
        The known value most like it.
    detail : str
        What the column wants, in a sentence.
    """

    pointer: str
    value: str
    nearest: str | None
    detail: str


def is_missing(text: str) -> bool:
    """Whether a text says that there is nothing."""
    # The longest of the words, and some blanks around it: others need not be looked at.
    return len(text) < _LONGEST_NAME and text.strip().casefold() in MISSING_WORDS


def category(column: Column, value: str | float) -> str | None:
    """The category that a text or a number stands for; None where it is missing.

    Blanks around a text do not count, and a number is the text that it would be written as:
    1 and 1.0 are "1".

    Parameters
    ----------
    column : Column
        Of kind "category".
    value : str or float
        What was given.

    Raises
    ------
    ValueError
        If it is none of the column's.
    """
    text = f"{value}" if isinstance(value, int | float) else value
    if text in column.categories:
        return text
    if is_missing(text):
        return None
    stripped = text.strip() if len(text) <= _LONGEST_NAME else ""
    whole = _WHOLE.fullmatch(stripped)
    stripped = whole[1] if whole else stripped
    if stripped not in column.categories:
        raise ValueError(f"{column.name} has no such category")
    return stripped


def misunderstood(pointer: str, column: Column, value: object) -> Misunderstood:
    """What is told of a value that is none of a column's categories; long numbers are not."""
    text = _LONG_NUMBER.sub("#####", shown(value))
    nearest = nearest_name(value, column.categories)
    detail = f"{column.name} must be {wanted_category(column, value)}; it was taken for missing"
    return Misunderstood(pointer, text, nearest, detail)


def put_back(rows: dict[str, Any], told: Iterable[Mapping[str, Any]]) -> None:
    """Write what was not understood into an applicant's rows again, to be told whenever read."""
    for value in told:
        *path, column = value["pointer"].split("/")[1:]
        row: Any = rows
        # Rows that were taken out meanwhile are not there.
        with suppress(LookupError):
            for part in path:
                row = row[int(part)] if isinstance(row, list) else row[part]
            row[column] = value["value"]


def misunderstood_json(told: Sequence[Misunderstood]) -> str | None:
    """What was not understood, as it is kept and answered; None if there is nothing."""
    return json.dumps([value._asdict() for value in told]) if told else None


def shown(value: object) -> str:
    """A value as it may be repeated: not too long, and nothing that cannot be seen."""
    text = "".join(sign if sign.isprintable() else "?" for sign in str(value)[:_LONGEST_NAME])
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def wanted_category(column: Column, value: object) -> str:
    """Which values a category has: all of them, or that most like another value."""
    if len(column.categories) <= _SHOWN_CATEGORIES:
        return "one of " + ", ".join(f'"{known}"' for known in column.categories)
    nearest = nearest_name(value, column.categories)
    hint = f' (did you mean "{nearest}"?)' if nearest else ""
    return f"one of its {len(column.categories)} values in the API's documentation{hint}"


def nearest_name(name: object, known: Sequence[str]) -> str | None:
    """The known name most like another one, whatever the capitals; None if none is like it."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return None
    return _nearest(name.strip().casefold(), tuple(known))


@lru_cache(maxsize=1024)
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    folded = {candidate.casefold(): candidate for candidate in known}
    # Comparing letter by letter is slow, and only worth it for those that share most pairs.
    pairs = set(pairwise(name))
    likely = nlargest(3, folded, key=lambda other: len(pairs.intersection(pairwise(other))))
    matches = get_close_matches(name, likely, n=1)
    return folded[matches[0]] if matches else None
