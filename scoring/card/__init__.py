"""The model card: what it holds, how it is shown."""

from __future__ import annotations

from scoring.card.fields import (
    NOT_APPROVED,
    Approval,
    Card,
    CardError,
    check_complete,
    missing,
)
from scoring.card.making import OWNER, Background, card_of, described
from scoring.card.pages import html, markdown

__all__ = [
    "NOT_APPROVED",
    "OWNER",
    "Approval",
    "Background",
    "Card",
    "CardError",
    "card_of",
    "check_complete",
    "described",
    "html",
    "markdown",
    "missing",
]
