"""The model card: what it holds, how it is shown."""

from __future__ import annotations

from scoring.reports.card.fields import (
    NOT_APPROVED,
    Approval,
    Card,
    CardError,
    check_complete,
    missing,
)
from scoring.reports.card.making import OWNER, Background, card_of, described
from scoring.reports.card.pages import html, markdown

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
