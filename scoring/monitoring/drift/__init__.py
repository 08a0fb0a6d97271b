"""Drift: today's applicants compared with those the model learnt from.

populations.py says who is compared with whom, study.py compares every column, verdict.py puts into
words what that means, checks.py lets Evidently report and test the columns that matter most, and
page.py makes one HTML file of it all.
"""

from scoring.monitoring.drift.checks import Checks, check
from scoring.monitoring.drift.page import figures, metrics, save
from scoring.monitoring.drift.populations import (
    HISTORIES,
    DriftError,
    populations,
    with_outcomes,
    with_pd,
)
from scoring.monitoring.drift.study import Study, study
from scoring.monitoring.drift.verdict import DriftVerdict, conclusion, verdict

__all__ = [
    "HISTORIES",
    "Checks",
    "DriftError",
    "DriftVerdict",
    "Study",
    "check",
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
