"""The plots of the notebooks: one message each, axes with units, colours told apart by all.

Every function takes plain tables and arrays and returns a finished matplotlib figure.
"""

from scoring.reports.plots.applicants import fairness, segments
from scoring.reports.plots.candidates import families, imbalance, trials
from scoring.reports.plots.card import card_calibration, card_costs, card_ranking
from scoring.reports.plots.decisions import (
    confusion,
    cutoff_choice,
    ranking,
    reliability,
)
from scoring.reports.plots.drift import binned, drift, pd_distributions, vintages
from scoring.reports.plots.explanation import beeswarm, importances, waterfall
from scoring.reports.plots.style import column_text, png, svg

__all__ = [
    "beeswarm",
    "binned",
    "card_calibration",
    "card_costs",
    "card_ranking",
    "column_text",
    "confusion",
    "cutoff_choice",
    "drift",
    "fairness",
    "families",
    "imbalance",
    "importances",
    "pd_distributions",
    "png",
    "ranking",
    "reliability",
    "segments",
    "svg",
    "trials",
    "vintages",
    "waterfall",
]
