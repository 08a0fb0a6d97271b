"""One column of a request's rows: its check, its place in the OpenAPI document, and its words.

All three come from `scoring.tables`, so that the three cannot disagree with it.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache
from heapq import nlargest
from itertools import pairwise
from typing import Any

import orjson
from pydantic_core import CoreSchema, core_schema

from scoring.tables import Column

_SHOWN_CATEGORIES = 12
_SHOWN_CHARACTERS = 40
# Comparing names costs the product of their lengths; no column's name is half as long.
_LONGEST_NAME = 80


def checker(column: Column) -> CoreSchema:
    """The pydantic check of a column's value, in Rust alone; null is left to the row's check.

    Numbers are strict: neither text nor booleans, NaN nor infinity pass for them. Whole numbers
    may be written as floats (-3648.0), as Kaggle writes many of them.
    """
    return core_schema.custom_error_schema(
        _value_checker(column),
        custom_error_type="column",
        custom_error_message=column.name,
    )


def _value_checker(column: Column) -> CoreSchema:
    if column.kind == "category":
        return core_schema.literal_schema(list(column.categories))
    low, high = column.minimum, column.maximum
    if column.kind in ("amount", "number"):
        return core_schema.float_schema(strict=True, allow_inf_nan=False, ge=low, le=high)
    whole: CoreSchema = core_schema.int_schema(
        ge=None if low is None else int(low), le=None if high is None else int(high)
    )
    if column.sentinels:
        sentinels = core_schema.literal_schema(list(column.sentinels))
        whole = core_schema.union_schema([whole, sentinels], mode="left_to_right")
    # A strict float takes 3 and 3.0 but neither "3" nor true; a lax integer takes whole floats.
    return core_schema.chain_schema(
        [
            core_schema.float_schema(strict=True, allow_inf_nan=False),
            core_schema.int_schema(),
            whole,
        ]
    )


def json_schema(column: Column, *, nullable: bool) -> dict[str, Any]:
    """The column in JSON Schema, as OpenAPI 3.1 uses it and typed clients can be made of it."""
    kinds = {"category": "string", "amount": "number", "number": "number"}
    kind = kinds.get(column.kind, "integer")
    schema: dict[str, Any] = {"type": [kind, "null"] if nullable else kind}
    if column.kind == "category":
        return schema | {"enum": [*column.categories, *([None] if nullable else [])]}
    low, high = _plain(column.minimum), _plain(column.maximum)
    schema |= {"minimum": low, "maximum": high}
    for sentinel in column.sentinels:
        # Generated clients choose wrongly between a number and a constant: a range with a gap.
        schema["maximum"] = sentinel
        schema["not"] = {"type": kind, "exclusiveMinimum": high, "exclusiveMaximum": sentinel}
        schema["description"] = f"{low} to {high}, or {sentinel}: it does not apply"
    return schema


def expectation(column: Column, value: object) -> str:
    """What the column wants and what it got, in words."""
    return f"{column.name} must be {_wanted(column, value)}, not {_shown(value)}"


def _wanted(column: Column, value: object) -> str:
    if column.kind == "category":
        return _wanted_category(column, value)
    noun = "a number" if column.kind in ("amount", "number") else "a whole number"
    sentinels = "".join(f", or {sentinel}" for sentinel in column.sentinels)
    return f"{noun} from {_plain(column.minimum)} to {_plain(column.maximum)}{sentinels}"


def _wanted_category(column: Column, value: object) -> str:
    if len(column.categories) <= _SHOWN_CATEGORIES:
        return "one of " + ", ".join(f'"{category}"' for category in column.categories)
    nearest = nearest_name(value, column.categories)
    hint = f' (did you mean "{nearest}"?)' if nearest else ""
    return f"one of its {len(column.categories)} values in the API's documentation{hint}"


def nearest_name(name: object, known: tuple[str, ...]) -> str | None:
    """The known name most like another one, whatever the capitals; None if none is like it."""
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        return None
    return _nearest(name.casefold(), known)


@lru_cache(maxsize=1024)
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    folded = {candidate.casefold(): candidate for candidate in known}
    # Comparing letter by letter is slow, and only worth it for those that share most pairs.
    pairs = set(pairwise(name))
    likely = nlargest(3, folded, key=lambda other: len(pairs.intersection(pairwise(other))))
    matches = get_close_matches(name, likely, n=1)
    return folded[matches[0]] if matches else None


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        value = value[:_SHOWN_CHARACTERS] + "..."
    return orjson.dumps(value).decode()


def _plain(number: float | None) -> int | float | None:
    return int(number) if number is not None and number == int(number) else number
