"""Weights: one who stands for many counts as many, and without weights nothing has changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scoring.evaluation.business import best_cutoff, business_cost
from scoring.evaluation.metrics import figures, intervals, paired_difference
from scoring.evaluation.off_policy import Logged, auc, expectation
from scoring.modelling.calibration import calibrate, renewed
from scoring.modelling.candidates import MOST_WEIGHT, Candidate, dummy
from scoring.modelling.examples import Examples, TrainingError
from scoring.modelling.fit import fit_scorer
from scoring.modelling.validation import Validation, cross_validate
from scoring.serving.costs import Costs
from scoring.serving.families.sum import SumModel
from scoring.serving.scorer import Calibration
from tests.helpers.simulated import QUICK, simulated

SUM = Candidate.of("sum", **{"trees.n_estimators": 20})


@given(seed=st.integers(0, 2**32), most=st.integers(1, 60))
@settings(max_examples=10, deadline=None)
def test_a_weight_counts_as_so_many_rows(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    pds, target = rng.uniform(0.01, 0.6, 80), np.arange(80) % 3 == 0
    times = rng.integers(1, most, 80, endpoint=True)
    weights, scores = times.astype(np.float64), np.log(pds / (1 - pds))
    many, outcomes = np.repeat(pds, times), np.repeat(target, times)
    weighted = figures(target, pds, 0.1, Costs(), weights)
    repeated = figures(outcomes, many, 0.1, Costs())
    # Bins of the calibration error hold as many of those who were seen.
    for name in weighted.keys() - {"ece"}:
        assert weighted[name] == pytest.approx(repeated[name], rel=1e-4, abs=1e-6), name
    assert business_cost(target, pds, 0.1, Costs(), weights) == pytest.approx(
        business_cost(outcomes, many, 0.1, Costs())
    )
    assert best_cutoff(target, pds, Costs(), weights) == best_cutoff(outcomes, many, Costs())
    one = calibrate(scores, target.astype(np.int8), weights)
    other = calibrate(np.repeat(scores, times), outcomes.astype(np.int8))
    assert one.probability(scores) == pytest.approx(other.probability(scores), rel=1e-3)
    parts = np.column_stack([scores, rng.normal(size=80)])
    repeats = np.repeat(parts, times, axis=0)
    assert np.array_equal(
        SumModel.weights_of(parts, target, weights), SumModel.weights_of(repeats, outcomes)
    )


def test_the_interval_of_a_weighted_difference_knows_how_few_were_seen() -> None:
    """Ten who stand for fifty each tell less than five hundred."""
    rng = np.random.default_rng(0)
    pds, others = rng.uniform(0.0, 0.2, (2, 2000))
    target = rng.random(2000) < pds
    weights = np.where(np.arange(2000) < 20, 50.0, 1.0)
    few = paired_difference(target, pds, others, 0.1, 0.1, Costs(), 300, 0, weights)
    all_seen = paired_difference(target, pds, others, 0.1, 0.1, Costs(), 300, 0)
    for name in ("auc", "business_cost"):
        widths = [own[name].high - own[name].low for own in (few, all_seen)]
        assert widths[0] > 2 * widths[1]


def test_weighted_intervals_are_those_of_off_policy_estimates() -> None:
    """The bootstrap of a paired difference in cost, and of an AUC, beside their closed forms."""
    rng = np.random.default_rng(2)
    pds, others = rng.uniform(0.0, 0.3, (2, 6000))
    target, chance = rng.random(6000) < pds, np.where(pds > 0.2, 0.1, 1.0)
    seen = rng.random(6000) < chance
    logged = Logged(pds, chance, seen, target)
    more = (pds > 0.1).astype(np.float64) - (others > 0.1)
    ours, theirs, known, weights = pds[seen], others[seen], target[seen], 1 / chance[seen]
    drawn = paired_difference(known, ours, theirs, 0.1, 0.1, Costs(), 1000, 0, weights)
    exact = expectation(logged, -10 * more, more).self_normalised
    assert drawn["business_cost"] == pytest.approx(exact, abs=0.1 * (exact.high - exact.low))
    ranked = intervals(known, ours, 0.1, Costs(), 1000, 0, weights)["auc"]
    exact = auc(logged).self_normalised
    assert ranked == pytest.approx(exact, abs=0.1 * (exact.high - exact.low))


def test_few_who_stand_for_many_do_not_move_the_slope() -> None:
    """120 defaults, of whom 8 stand for 20 each, tell as much as 22."""
    rng = np.random.default_rng(1)
    scores = rng.normal(-1.0, 1.0, 400)
    target = (np.arange(400) % 10 < 3).astype(np.int8)
    weights = np.where(np.arange(400) % 50 == 0, 20.0, 1.0)
    before = Calibration(0.9, 0.0)
    assert renewed(before, scores, target).slope != before.slope
    after = renewed(before, scores, target, weights)
    assert after.slope == before.slope
    assert weights @ after.probability(scores) == pytest.approx(weights @ target)


def explored(
    share: float, seed: int = 4, signal: float = 1.5, columns: int = 6
) -> tuple[Examples, Examples]:
    """Everybody; and whom a rule accepts, with a share of the others who stand for them all."""
    everybody = simulated(6000, signal, seed, columns)
    accepted = np.nan_to_num(everybody.matrix[:, 0]) < 0.3
    drawn = ~accepted & (np.random.default_rng(5).random(6000) < share)
    known = everybody.take(np.flatnonzero(accepted | drawn))
    numbers = everybody.frame["SK_ID_CURR"].filter(drawn)
    return everybody, known.standing_for(dict.fromkeys(numbers.to_list(), 1 / share))


@pytest.mark.parametrize("candidate", [QUICK, SUM], ids=["trees", "sum"])
def test_with_weights_pds_and_figures_are_those_of_everybody(candidate: Candidate) -> None:
    everybody, known = explored(0.1)
    weighted = cross_validate(candidate, known, Costs(), folds=3)
    alone = cross_validate(candidate, replace(known, sample_weight=None), Costs(), folds=3)
    rate = float(everybody.target.mean())
    scorers = [
        fit_scorer(own, replace(known, sample_weight=own.sample_weight), "m", {})
        for own in (weighted, alone)
    ]
    means = [float(own.predict(everybody.frame).mean()) for own in scorers]
    assert abs(means[0] - rate) < 0.5 * abs(means[1] - rate)
    whole = cross_validate(candidate, everybody, Costs(), folds=3).metrics
    for name in ("auc", "business_cost"):
        errors = [abs(own.metrics[name] - whole[name]) for own in (weighted, alone)]
        assert errors[0] < errors[1], name
    again = cross_validate(candidate, known, Costs(), folds=3)
    assert again.scores.tobytes() == weighted.scores.tobytes()


def test_weights_of_fifty_are_cut_where_they_would_be_learnt_by_heart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cut ranks unseen applicants better, and PDs are those of everybody all the same."""
    aucs, levels = [], []
    for most in (MOST_WEIGHT, 50.0):
        monkeypatch.setattr("scoring.modelling.candidates.MOST_WEIGHT", most)
        for seed in range(3):
            _, known = explored(0.02, seed, 1.0, 20)
            unseen = simulated(3000, 1.0, 100 + seed, 20)
            found = cross_validate(QUICK, known, Costs(), folds=3)
            pds = fit_scorer(found, known, "m", {}).predict(unseen.frame)
            aucs.append(roc_auc_score(unseen.target, pds))
            levels.append(pds.mean() / unseen.target.mean())
    assert np.mean(aucs[:3]) > np.mean(aucs[3:]) + 0.01
    assert np.mean(levels[:3]) == pytest.approx(1.0, abs=0.1)


def test_weights_of_one_change_nothing_that_is_decided(
    examples: Examples, validation: Validation
) -> None:
    assert examples.standing_for({}) is examples
    each = dict.fromkeys(examples.frame["SK_ID_CURR"].to_list(), 1.0)
    ones = cross_validate(QUICK, examples.standing_for(each), Costs(), folds=4, seed=3)
    assert ones.scores == pytest.approx(validation.scores, rel=1e-6)
    assert ones.pds == pytest.approx(validation.pds, rel=1e-4)


def test_weights_go_with_their_applicants(examples: Examples) -> None:
    numbers = examples.frame["SK_ID_CURR"].to_list()
    known = examples.standing_for({number: float(number) for number in numbers[:700]})
    for part in (*known.holdout(), known.subset(300), known.with_protected()):
        own = part.frame["SK_ID_CURR"].to_numpy()
        assert part.sample_weight is not None
        assert np.array_equal(part.sample_weight, np.where(own <= 700, own, 1.0))


@pytest.mark.parametrize("candidate", [dummy(), replace(QUICK, resampling="SMOTE")])
def test_a_recipe_that_takes_no_weights_says_so(candidate: Candidate, examples: Examples) -> None:
    with pytest.raises(TrainingError, match="takes no weights"):
        cross_validate(candidate, examples.standing_for({1: 5.0}), Costs(), folds=2)
