"""Numbers in French; `scoring.formats` has them in every language."""

from __future__ import annotations

from scoring import formats


def number(value: float, digits: int = 0) -> str:
    """Format a number as the French write it."""
    return formats.number(value, "fr", digits)


def percent(share: float, digits: int = 1) -> str:
    """Format a share as the French write it."""
    return formats.percent(share, "fr", digits)
