"""One column of a request's rows: its check, its place in the OpenAPI document, and its words.

All three come from `scoring.data.tables`, so that the three cannot disagree with it.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from pydantic_core import CoreSchema, core_schema

from scoring.data.tables import Column
from scoring.data.values import category, is_missing, shown, wanted_category
from scoring.features.wording import LANGUAGES, describe, unit_of, unit_text, value_text
from scoring.features.wording.values import category as category_text


def checker(column: Column) -> CoreSchema:
    """Make the strict pydantic check of a column's value; null is left to the row's check.

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


class Unknown:
    """A value that was not understood, in its place in a checked row."""

    __slots__ = ("value",)

    def __init__(self, value: str | float) -> None:
        self.value = value


def reader(column: Column, *, required: bool) -> CoreSchema:
    """Make the lenient pydantic check of a request's value: takes what plainly means the same, too.

    A text that says that there is nothing is null, and one that is no category is `Unknown`; the
    list that the check is given as its context then gets the column's name. Where a value is
    required neither will do.
    """
    other = core_schema.with_info_plain_validator_function(
        partial(_read_otherwise, column, required=required)
    )
    both = core_schema.union_schema([_value_checker(column), other], mode="left_to_right")
    return core_schema.custom_error_schema(
        both if required else core_schema.nullable_schema(both),
        custom_error_type="column",
        custom_error_message=column.name,
    )


def _read_otherwise(
    column: Column, value: object, info: core_schema.ValidationInfo[Any], *, required: bool
) -> str | Unknown | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("neither text nor number")
    if column.kind != "category":
        if required or not isinstance(value, str) or not is_missing(value):
            raise ValueError("no number")
        return None
    try:
        known = category(column, value)
    except ValueError:
        if required:
            raise
        info.context.append(column.name)
        return Unknown(value)
    if known is None and required:
        raise ValueError("missing")
    return known


def json_schema(column: Column, *, nullable: bool) -> dict[str, Any]:
    """Describe the column in JSON Schema, as OpenAPI 3.1 and generators of clients take it."""
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


def in_words(column: Column, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a column of the application to people: what it means, and what its numbers count.

    Returns
    -------
    dict
        The column's schema with a description in English and, under `x-words`, by language, what
        a form needs: label, unit, and the words of the values that one chooses from.
    """
    words = {language: _words(column, language) for language in LANGUAGES}
    unit = words["en"]["unit"]
    parts = [words["en"]["label"] + (f" ({unit})" if unit else ""), schema.get("description", "")]
    return {
        **schema,
        "description": ": ".join(filter(None, parts)),
        "x-unit": unit_of(column.name),
        "x-words": words,
    }


def _words(column: Column, language: str) -> dict[str, Any]:
    if column.kind == "flag":
        options = {str(flag): value_text(column.name, flag, language) for flag in (0, 1)}
    else:
        options = {value: category_text(value, language) for value in column.categories}
    unit = "" if column.kind == "category" else unit_text(column.name, language)
    return {"label": describe(column.name, language), "unit": unit, "options": options}


def expectation(column: Column, value: object) -> str:
    """Say in words what the column wants and what it got."""
    return f"{column.name} must be {_wanted(column, value)}, not {_shown(value)}"


def _wanted(column: Column, value: object) -> str:
    if column.kind == "category":
        return wanted_category(column, value)
    noun = "a number" if column.kind in ("amount", "number") else "a whole number"
    sentinels = "".join(f", or {sentinel}" for sentinel in column.sentinels)
    return f"{noun} from {_plain(column.minimum)} to {_plain(column.maximum)}{sentinels}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return orjson.dumps(shown(value) if isinstance(value, str) else value).decode()


def _plain(number: float | None) -> int | float | None:
    return int(number) if number is not None and number == int(number) else number
