"""From scores to probabilities of default."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from scoring.evaluation.bootstrap import standing_for
from scoring.modelling.candidates import log_odds
from scoring.serving.families.base import Floats, Labels
from scoring.serving.scorer import Calibration

# With fewer the level of PDs that newer outcomes set is no more than chance, and with fewer than
# the second the slope is: its standard error is about one over the root of the defaults.
LEAST_DEFAULTS = 20
_DEFAULTS_FOR_SLOPE = 100
_MOST_STEPS = 50


def calibrate(scores: Floats, target: Labels, sample_weight: Floats | None = None) -> Calibration:
    """Fit Platt scaling on scores of applicants that the model has not seen."""
    if np.ptp(scores) == 0.0:
        # A constant score has no slope to fit: only the level can be right.
        rate = np.average(target, weights=sample_weight)
        return Calibration(1.0, float(log_odds(rate) - scores[0]))
    model = LogisticRegression(C=np.inf).fit(scores.reshape(-1, 1), target, sample_weight)
    return Calibration(float(model.coef_[0, 0]), float(model.intercept_[0]))


def renewed(
    calibration: Calibration, scores: Floats, target: Labels, sample_weight: Floats | None = None
) -> Calibration:
    """A calibration fitted anew on the newest outcomes, as far as there are enough of them.

    Old outcomes still teach who is riskier than whom when they no longer tell how risky. With few
    new ones only the level is moved, so that the PDs sum up to the defaults there were, and with
    fewer than `LEAST_DEFAULTS` of either outcome all would be chance: the calibration stays as it
    is.

    The scores (log-odds) and outcomes are those of applicants whom the model has not seen. With
    weights few that stand for many tell less than as many of their own: they count as
    (sum of weights)^2 / sum of squared weights (Kish, "Survey sampling", 1965).
    """
    weights = standing_for(sample_weight, target.size)
    enough = min(_effective(weights[target == outcome]) for outcome in (0, 1))
    if enough < LEAST_DEFAULTS:
        return calibration
    if enough >= _DEFAULTS_FOR_SLOPE:
        return calibrate(scores, target, sample_weight)
    intercept = calibration.intercept
    for _ in range(_MOST_STEPS):
        pds = replace(calibration, intercept=intercept).probability(scores)
        # Newton's method; a long step would leave the range in which it converges.
        missing = (weights * target).sum() - (weights * pds).sum()
        step = missing / (weights * (pds * (1.0 - pds))).sum()
        intercept += float(np.clip(step, -1.0, 1.0))
        if math.isclose(step, 0.0, abs_tol=1e-9):
            break
    return replace(calibration, intercept=intercept)


def _effective(weights: Floats) -> float:
    """How many applicants that count alike would tell as much."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.size else 0.0
