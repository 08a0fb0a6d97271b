"""Remedies for imbalance compared, and the one that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scoring.modelling.choice import Choice, cheapest
from scoring.modelling.folds import Folds
from scoring.modelling.resampling import RESAMPLINGS
from scoring.modelling.validation import Progress, Validation, cross_validate_all


def remedies(
    reference: Validation, folds: Folds, progress: Progress | None = None
) -> list[Validation]:
    """Cross-validate a candidate without and with each remedy for imbalance."""
    others = [
        replace(reference.candidate, resampling=kind)
        for kind in RESAMPLINGS
        if kind != reference.candidate.resampling
    ]
    return [reference, *cross_validate_all(others, folds, reference.costs, progress=progress)]


def remedy_choice(tried: Sequence[Validation]) -> Choice:
    """Which remedy for imbalance is kept: none, unless another is clearly cheaper."""
    none, *others = tried
    return cheapest(none, others, lambda candidate: candidate.resampling)
