"""Folds: balanced, and nothing of the applicants left out is seen in any, neither by the choice
of features, nor by a remedy for imbalance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scoring.data.dataset import Dataset
from scoring.modelling.candidates import Candidate, estimator
from scoring.modelling.examples import Examples, examples_of
from scoring.modelling.folds import Folds, prepare
from scoring.modelling.resampling import RESAMPLINGS
from scoring.modelling.validation import Validation, cross_validate, fit_each
from scoring.serving.costs import Costs
from tests.helpers.simulated import COLOR, NUMBERS, QUICK, simulated, with_target

RECIPE = replace(QUICK, kept=4)


def test_every_applicant_is_left_out_once_in_balanced_folds(validation: Validation) -> None:
    sizes = np.bincount(validation.fold)
    assert sizes.size == 4
    assert np.ptp(sizes) <= 1
    rates = [validation.target[validation.fold == number].mean() for number in range(4)]
    assert np.ptp(rates) < 0.01
    assert np.isfinite(validation.scores).all()


def without_labels_of(folds: Folds, number: int) -> Folds:
    """The same folds, with the opposite outcome for each applicant that one of them leaves out."""
    target = folds.examples.target.copy()
    out = folds.parts[number].out
    target[out] = 1 - target[out]
    return replace(folds, examples=with_target(folds.examples, target))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
def test_selection_and_resampling_do_not_see_the_outcomes_left_out(
    examples: Examples, resampling: Any
) -> None:
    folds = prepare(examples, folds=3, seed=2)
    candidate = replace(RECIPE, resampling=resampling)
    first, flipped, other = (
        fit_each([candidate], item, [1])[0][0]
        for item in (folds, without_labels_of(folds, 1), without_labels_of(folds, 0))
    )
    assert first.parts.tobytes() == flipped.parts.tobytes()
    assert first.seen.tobytes() == flipped.seen.tobytes()
    # Those of training rows matter.
    assert first.parts.tobytes() != other.parts.tobytes()


def test_the_features_kept_are_chosen_anew_in_every_fold() -> None:
    noise = simulated(1500, signal=1.5, columns=30)
    folds = prepare(noise, folds=3)
    chosen = []
    for part in folds.parts:
        model = estimator(RECIPE, noise.features, folds.seed)
        model.fit(noise.matrix[part.inside], noise.target[part.inside])
        chosen.append(set(model.named_steps["model"].columns_))
    assert {len(columns) for columns in chosen} == {4}
    assert chosen[0] != chosen[1]
    names = [feature.name for feature in noise.features]
    assert all({names.index(NUMBERS[0]), names.index(COLOR)} <= columns for columns in chosen)


def test_noise_gives_an_auc_of_a_half_through_the_whole_pipeline(sample: Dataset) -> None:
    # Half of the applicants "default", which makes the most of 800: the standard error of the
    # mean AUC of three drawings is 0.012.
    candidate = replace(Candidate.of("trees", n_estimators=60), kept=100, resampling="SMOTE")
    examples = examples_of(sample)
    found = []
    for seed in range(3):
        target = np.random.default_rng(seed).permutation(np.arange(800) % 2).astype(np.int8)
        folds = prepare(with_target(examples, target), folds=2, seed=seed)
        validation = cross_validate(candidate, folds, Costs(1, 1))
        assert validation.metrics["auc_train"] > 0.8
        found.append(validation.metrics["auc"])
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)
