"""JSON as it has to be to decide on somebody: it says one thing only."""

from __future__ import annotations

import json
import math
from typing import Any


def read_json(content: bytes) -> Any:
    """Read a JSON text.

    Raises
    ------
    ValueError
        If it is none, is nested too deeply, names a thing twice, or holds a number that is not
        finite or a text that cannot be written as UTF-8.
    """
    try:
        value = json.loads(
            content.decode(), object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite
        )
        write_json(value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def write_json(value: object) -> bytes:
    """A JSON text whose names are in alphabetical order: the same value gives the same bytes."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def bounded(what: str, value: object, low: float, high: float) -> float:
    """A number out of JSON.

    Raises
    ------
    ValueError
        If it is none, or not from low to high.
    """
    # A boolean is a number to Python.
    if type(value) not in (int, float) or not low <= float(str(value)) <= high:
        raise ValueError(f"{what} is {value!r}, and not a number from {low:g} to {high:g}")
    return float(str(value))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("it names a thing twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number")
    return number
