"""The families of models: each with its own preprocessing, none upset by what applicants bring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from scoring.modelling.candidates import (
    LIGHTGBM_DEFAULTS,
    Candidate,
    boosted_trees,
    dummy,
    first_values,
    fit,
    lightgbm,
    logistic_regression,
    random_forest,
    standard,
)
from scoring.modelling.resampling import RESAMPLINGS, Resampling
from scoring.modelling.training import scores_of
from scoring.serving.scorer import Feature

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]

FEATURES = (
    Feature("AMT_CREDIT"),
    Feature("EXT_SOURCE_2"),
    Feature("OCCUPATION_TYPE", ("a", "b", "c", "never seen")),
    Feature("OWN_CAR_AGE"),
    Feature("AMT_GOODS_PRICE"),
)
FAMILIES = (
    logistic_regression(0.1),
    logistic_regression(0.1, "logarithms"),
    random_forest(),
    lightgbm(n_estimators=150, colsample_bytree=0.6),
)
FAMILY_NAMES = [f"{item.name} {item.parameters.get('transform', '')}".strip() for item in FAMILIES]


def applicants(rows: int, seed: int) -> tuple[Matrix, Labels]:
    """An amount with a long tail, a score that lowers the risk, a category, and no car at all."""
    rng = np.random.default_rng(seed)
    amount, score = rng.lognormal(12, 1, rows), rng.random(rows)
    category = rng.integers(0, 3, rows)
    risk = 0.8 * np.log(amount / 1.6e5) - 3 * score + 1.2 * (category == 1) - 0.3
    target = (rng.random(rows) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    nothing, noise = np.full(rows, np.nan), rng.normal(size=rows)
    matrix = np.column_stack([amount, score, category, nothing, noise]).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.05] = np.nan
    return matrix, target


@pytest.fixture(scope="module")
def training_rows() -> tuple[Matrix, Labels]:
    return applicants(1500, 0)


@pytest.fixture(scope="module")
def others() -> tuple[Matrix, Labels]:
    return applicants(1500, 1)


def test_the_comparison_goes_from_the_simplest_to_the_most_complex() -> None:
    names = [candidate.name for candidate in standard()]
    assert names == ["dummy", "logistic regression", "random forest", "lightgbm"]
    assert list(first_values()) == names
    for name, values in first_values().items():
        assert {candidate.name for candidate in values} == {name}
        assert len(values) <= 4
        parameters = [tuple(sorted(candidate.parameters.items())) for candidate in values]
        assert len(set(parameters)) == len(parameters)
    assert [item.servable for item in standard()] == [False, False, False, True]


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_each_family_finds_the_risk(
    candidate: Candidate, training_rows: tuple[Matrix, Labels], others: tuple[Matrix, Labels]
) -> None:
    model = fit(candidate, FEATURES, *training_rows, seed=0)
    scores = scores_of(model, others[0])
    assert scores.shape == (1500,)
    assert np.isfinite(scores).all()
    assert roc_auc_score(others[1], scores) > 0.75


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_an_applicant_unlike_all_others_has_a_score(
    candidate: Candidate, training_rows: tuple[Matrix, Labels]
) -> None:
    model = fit(candidate, FEATURES, *training_rows, seed=0)
    nothing_known = np.full(5, np.nan)
    far_away = np.array([1e15, -5.0, 3.0, 12.0, -1e15])
    scores = scores_of(model, np.stack([nothing_known, far_away]).astype(np.float32))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_an_applicants_score_does_not_depend_on_the_others_asked_for(
    candidate: Candidate, training_rows: tuple[Matrix, Labels], others: tuple[Matrix, Labels]
) -> None:
    model = fit(candidate, FEATURES, *training_rows, seed=0)
    together = scores_of(model, others[0])
    assert scores_of(model, others[0][:7]) == pytest.approx(together[:7], rel=1e-5)


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_the_same_seed_fits_the_same_model(
    candidate: Candidate, training_rows: tuple[Matrix, Labels], others: tuple[Matrix, Labels]
) -> None:
    first, again = (fit(candidate, FEATURES, *training_rows, seed=4) for _ in range(2))
    assert scores_of(first, others[0]).tobytes() == scores_of(again, others[0]).tobytes()


@pytest.mark.parametrize("kind", RESAMPLINGS)
@pytest.mark.parametrize("candidate", [FAMILIES[0], FAMILIES[2], FAMILIES[3]], ids=lambda c: c.name)
def test_every_family_takes_every_remedy(
    candidate: Candidate,
    kind: Resampling,
    training_rows: tuple[Matrix, Labels],
    others: tuple[Matrix, Labels],
) -> None:
    scores = scores_of(
        fit(replace(candidate, resampling=kind), FEATURES, *training_rows, seed=0), others[0]
    )
    assert roc_auc_score(others[1], scores) > 0.7
    # A remedy raises the level of the PDs, which calibration has to put right.
    mean = float(np.mean(1 / (1 + np.exp(-scores))))
    assert (mean > others[1].mean() + 0.1) == (kind != "none")


def test_the_dummy_tells_nobody_apart(training_rows: tuple[Matrix, Labels]) -> None:
    scores = scores_of(fit(dummy(), FEATURES, *training_rows, seed=0), training_rows[0])
    assert 1 / (1 + np.exp(-scores)) == pytest.approx(training_rows[1].mean())


def test_the_default_trees_never_rise_with_an_external_score(
    training_rows: tuple[Matrix, Labels],
) -> None:
    rows = np.repeat(training_rows[0][:50], 40, axis=0)
    rows[:, 1] = np.tile(np.linspace(0, 1, 40), 50)
    rising = []
    for candidate in (FAMILIES[3], boosted_trees(dict(FAMILIES[3].parameters))):
        scores = scores_of(fit(candidate, FEATURES, *training_rows, seed=0), rows).reshape(50, 40)
        rising.append(bool((np.diff(scores, axis=1) > 0).any()))
    # Without the constraint they do.
    assert rising == [False, True]


def test_changes_leave_the_other_defaults() -> None:
    assert lightgbm().parameters == LIGHTGBM_DEFAULTS
    assert lightgbm(num_leaves=3).parameters == LIGHTGBM_DEFAULTS | {"num_leaves": 3}
