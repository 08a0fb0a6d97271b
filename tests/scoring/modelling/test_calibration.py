"""Calibration: PDs are probabilities, and follow the newest outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from scoring.modelling.calibration import LEAST_DEFAULTS, calibrate, renewed
from scoring.modelling.validation import Validation
from scoring.serving.families.base import Floats, Labels
from scoring.serving.scorer import Calibration


def test_pds_are_probabilities_that_calibration_did_not_worsen(validation: Validation) -> None:
    assert ((validation.pds > 0) & (validation.pds < 1)).all()
    raw = 1 / (1 + np.exp(-validation.scores))
    assert validation.metrics["brier"] <= brier_score_loss(validation.target, raw) * 1.005
    assert validation.pds.mean() == pytest.approx(validation.target.mean(), abs=0.01)


def test_an_applicants_own_outcome_does_not_move_the_pd(validation: Validation) -> None:
    for number in range(4):
        out = validation.fold == number
        other = replace(validation, target=np.where(out, 1 - validation.target, validation.target))
        assert other.pds[out].tobytes() == validation.pds[out].tobytes()
        assert not np.array_equal(other.pds[~out], validation.pds[~out])


def test_calibration_mends_scores_that_are_far_too_sure() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(-2, 1, 20_000)
    target = (rng.random(truth.size) < 1 / (1 + np.exp(-truth))).astype(np.int8)
    found = calibrate(4 * truth + 3, target)
    assert found.slope == pytest.approx(0.25, abs=0.02)
    assert found.intercept == pytest.approx(-0.75, abs=0.1)
    pds = found.probability(4 * truth + 3)
    raw = 1 / (1 + np.exp(-(4 * truth + 3)))
    assert brier_score_loss(target, pds) < 0.9 * brier_score_loss(target, raw)
    # It keeps the order of the applicants.
    assert roc_auc_score(target, pds) == pytest.approx(roc_auc_score(target, truth))


def drawn(size: int, level: float, slope: float = 1.0) -> tuple[Floats, Labels]:
    """Scores in log-odds, and outcomes that follow them from a level on, by a slope."""
    rng = np.random.default_rng(7)
    scores = rng.normal(-2.5, 1.0, size)
    truth = 1 / (1 + np.exp(-(slope * scores + level)))
    return scores, (rng.random(size) < truth).astype(np.int8)


def test_too_few_new_outcomes_change_no_calibration() -> None:
    before = Calibration(1.1, 0.2)
    scores, target = drawn(60, 1.0)
    assert 0 < target.sum() < LEAST_DEFAULTS
    assert renewed(before, scores, target) == before


@pytest.mark.parametrize("level", [-0.5, 0.0, 1.0])
def test_some_new_outcomes_move_the_level_alone(level: float) -> None:
    before = Calibration(0.9, -0.1)
    scores, target = drawn(400, level)
    assert LEAST_DEFAULTS <= target.sum() < 100
    after = renewed(before, scores, target)
    assert after.slope == before.slope
    assert after.probability(scores).sum() == pytest.approx(target.sum(), rel=1e-9)


def test_many_new_outcomes_move_the_slope_too() -> None:
    scores, target = drawn(20_000, 0.7, slope=0.5)
    after = renewed(Calibration(), scores, target)
    assert after == calibrate(scores, target)
    assert after.slope == pytest.approx(0.5, abs=0.05)
    assert after.intercept == pytest.approx(0.7, abs=0.15)


def test_pds_follow_the_newest_outcomes(validation: Validation) -> None:
    newest = np.arange(validation.target.size) % 3 == 0
    target = validation.target.copy()
    target[newest & (np.arange(target.size) % 2 == 0)] = 1
    stale = replace(validation, target=target)
    fresh = replace(validation, target=target, newest=newest)
    rate = float(target[newest].mean())
    assert abs(float(fresh.pds[newest].mean()) - rate) < 0.03
    assert abs(float(stale.pds[newest].mean()) - rate) > 0.1
    assert fresh.calibration == renewed(
        stale.calibration, validation.scores[newest], target[newest]
    )


def test_a_constant_score_is_calibrated_to_the_default_rate() -> None:
    target = np.array([0, 0, 0, 1], dtype=np.int8)
    scores = np.full(4, 1.7)
    assert calibrate(scores, target).probability(scores) == pytest.approx([0.25] * 4)
