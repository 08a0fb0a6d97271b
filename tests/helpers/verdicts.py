"""Verdicts of the gates, put together without a model."""

from __future__ import annotations

from scoring.registry.gates import Gate, GateVerdict


def passed(version: str, champion: str | None) -> GateVerdict:
    """A verdict that lets a version through."""
    gate = Gate("AUC", True, 0.76, 0.75, "The AUC is not worse.")
    return GateVerdict(version, champion, (gate,), applicants=200, defaults=16)
