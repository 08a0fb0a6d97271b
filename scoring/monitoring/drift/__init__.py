"""Drift: today's applicants compared with those the model learnt from.

study.py says who is compared with whom and compares every column, verdict.py puts into words what
that means, checks.py reads the reports that notebook 3 lets Evidently make of the columns that
matter most, and page.py makes one HTML file of it all.
"""

from scoring.monitoring.drift.checks import Checks
from scoring.monitoring.drift.page import figures, metrics, save
from scoring.monitoring.drift.study import (
    HISTORIES,
    DriftError,
    Study,
    populations,
    study,
    with_outcomes,
    with_pd,
)
from scoring.monitoring.drift.verdict import DriftVerdict, conclusion, verdict

__all__ = [
    "HISTORIES",
    "Checks",
    "DriftError",
    "DriftVerdict",
    "Study",
    "conclusion",
    "figures",
    "metrics",
    "populations",
    "save",
    "study",
    "verdict",
    "with_outcomes",
    "with_pd",
]
