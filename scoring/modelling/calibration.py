"""From scores to probabilities of default."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression

from scoring.modelling.candidates import log_odds
from scoring.modelling.examples import rarer
from scoring.serving.families.base import Floats, Labels
from scoring.serving.scorer import Calibration

# With fewer the level of PDs that newer outcomes set is no more than chance, and with fewer than
# the second the slope is: its standard error is about one over the root of the defaults.
LEAST_DEFAULTS = 20
_DEFAULTS_FOR_SLOPE = 100
_MOST_STEPS = 50


def calibrate(scores: Floats, target: Labels) -> Calibration:
    """Fit Platt scaling on scores of applicants that the model has not seen."""
    if np.ptp(scores) == 0.0:
        # A constant score has no slope to fit: only the level can be right.
        return Calibration(1.0, float(log_odds(target.mean()) - scores[0]))
    model = LogisticRegression(C=np.inf).fit(scores.reshape(-1, 1), target)
    return Calibration(float(model.coef_[0, 0]), float(model.intercept_[0]))


def renewed(calibration: Calibration, scores: Floats, target: Labels) -> Calibration:
    """A calibration fitted anew on the newest outcomes, as far as there are enough of them.

    Old outcomes still teach who is riskier than whom when they no longer tell how risky. With few
    new ones only the level is moved, so that the PDs sum up to the defaults there were, and with
    fewer than `LEAST_DEFAULTS` of either outcome all would be chance: the calibration stays as it
    is.

    The scores (log-odds) and outcomes are those of applicants whom the model has not seen.
    """
    if rarer(target) < LEAST_DEFAULTS:
        return calibration
    if rarer(target) >= _DEFAULTS_FOR_SLOPE:
        return calibrate(scores, target)
    intercept = calibration.intercept
    for _ in range(_MOST_STEPS):
        pds = replace(calibration, intercept=intercept).probability(scores)
        # Newton's method; a long step would leave the range in which it converges.
        step = (int(target.sum()) - pds.sum()) / (pds * (1.0 - pds)).sum()
        intercept += float(np.clip(step, -1.0, 1.0))
        if math.isclose(step, 0.0, abs_tol=1e-9):
            break
    return replace(calibration, intercept=intercept)
