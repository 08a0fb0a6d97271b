"""The families of models: each with its own preprocessing, none upset by what applicants bring."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from scoring.errors import ScoringError
from scoring.modelling.candidates import (
    Candidate,
    dummy,
    estimator,
    first_values,
    log_odds,
    parts_of,
    random_forest,
)
from scoring.modelling.resampling import RESAMPLINGS, Resampling
from scoring.serving.families import linear
from scoring.serving.families.linear import LinearModel
from scoring.serving.families.trees import BoostedTrees
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
TREES: dict[str, Any] = {"n_estimators": 150, "colsample_bytree": 0.6}
FAMILIES = (
    Candidate.of("linear", C=0.1),
    random_forest(),
    Candidate.of("trees", **TREES),
    Candidate.of(
        "sum", **{"linear.C": 0.1}, **{f"trees.{name}": value for name, value in TREES.items()}
    ),
)
FAMILY_NAMES = [item.name for item in FAMILIES]


def scores_of(model: Pipeline, matrix: Matrix) -> npt.NDArray[np.float64]:
    """Scores of a fitted candidate, the parts of a sum counting alike."""
    return parts_of(model, matrix).mean(axis=1)


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
    assert list(first_values()) == ["dummy", "random forest", "linear", "sum", "trees"]
    for name, values in first_values().items():
        assert {candidate.name for candidate in values} == {name}
        assert len(values) <= 4
        parameters = [tuple(sorted(candidate.parameters.items())) for candidate in values]
        assert len(set(parameters)) == len(parameters)
        standard = values[0]
        assert (standard.family is not None) == (name in ("linear", "sum", "trees"))
        assert standard.family is None or standard == Candidate.of(name)


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_each_family_finds_the_risk(
    candidate: Candidate, training_rows: tuple[Matrix, Labels], others: tuple[Matrix, Labels]
) -> None:
    model = estimator(candidate, FEATURES, seed=0).fit(*training_rows)
    scores = scores_of(model, others[0])
    assert scores.shape == (1500,)
    assert np.isfinite(scores).all()
    assert roc_auc_score(others[1], scores) > 0.75


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_an_applicant_unlike_all_others_has_a_score(
    candidate: Candidate, training_rows: tuple[Matrix, Labels]
) -> None:
    model = estimator(candidate, FEATURES, seed=0).fit(*training_rows)
    nothing_known = np.full(5, np.nan)
    far_away = np.array([1e15, -5.0, 3.0, 12.0, -1e15])
    scores = scores_of(model, np.stack([nothing_known, far_away]).astype(np.float32))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_an_applicants_score_does_not_depend_on_the_others_asked_for(
    candidate: Candidate, training_rows: tuple[Matrix, Labels], others: tuple[Matrix, Labels]
) -> None:
    model = estimator(candidate, FEATURES, seed=0).fit(*training_rows)
    together = scores_of(model, others[0])
    assert scores_of(model, others[0][:7]) == pytest.approx(together[:7], rel=1e-5)


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_the_same_seed_fits_the_same_model(
    candidate: Candidate, training_rows: tuple[Matrix, Labels], others: tuple[Matrix, Labels]
) -> None:
    first, again = (estimator(candidate, FEATURES, 4).fit(*training_rows) for _ in range(2))
    assert scores_of(first, others[0]).tobytes() == scores_of(again, others[0]).tobytes()


@pytest.mark.parametrize("kind", RESAMPLINGS)
@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_every_family_takes_every_remedy(
    candidate: Candidate,
    kind: Resampling,
    training_rows: tuple[Matrix, Labels],
    others: tuple[Matrix, Labels],
) -> None:
    model = estimator(replace(candidate, resampling=kind), FEATURES, seed=0)
    scores = scores_of(model.fit(*training_rows), others[0])
    assert roc_auc_score(others[1], scores) > 0.7
    # A remedy raises the level of the PDs, which calibration has to put right.
    mean = float(np.mean(1 / (1 + np.exp(-scores))))
    assert (mean > others[1].mean() + 0.1) == (kind != "none")


def test_class_weights_give_both_outcomes_the_same_say() -> None:
    target = np.array([0] * 90 + [1] * 10, dtype=np.int8)
    candidate = replace(FAMILIES[2], resampling="class weights")
    told = list[npt.NDArray[np.float64]]()

    class Told(BoostedTrees):
        @classmethod
        def fit(cls, features: Any, matrix: Any, target: Any, weights: Any, *rest: Any) -> Any:
            told.append(weights)
            return BoostedTrees.fit(features, matrix, target, weights, *rest)

    model = estimator(replace(candidate, family=Told), FEATURES, 0)
    model.fit(applicants(100, 0)[0], target)
    assert told[0][target == 1].sum() == pytest.approx(told[0][target == 0].sum())
    assert told[0].sum() == pytest.approx(100)


@pytest.mark.parametrize("candidate", FAMILIES, ids=FAMILY_NAMES)
def test_every_family_is_an_estimator_of_scikit_learn(
    candidate: Candidate, training_rows: tuple[Matrix, Labels]
) -> None:
    model = estimator(replace(candidate, kept=3), FEATURES, seed=0)
    pds = cross_val_predict(clone(model), *training_rows, cv=3, method="predict_proba")
    assert pds.sum(axis=1) == pytest.approx(1.0)
    assert roc_auc_score(training_rows[1], pds[:, 1]) > 0.75


def test_the_dummy_tells_nobody_apart(training_rows: tuple[Matrix, Labels]) -> None:
    scores = scores_of(estimator(dummy(), FEATURES, 0).fit(*training_rows), training_rows[0])
    assert 1 / (1 + np.exp(-scores)) == pytest.approx(training_rows[1].mean())


@pytest.mark.parametrize("candidate", [FAMILIES[2], FAMILIES[3]], ids=["trees", "sum"])
def test_the_default_recipe_never_rises_with_an_external_score(
    candidate: Candidate, training_rows: tuple[Matrix, Labels]
) -> None:
    rows = np.repeat(training_rows[0][:50], 40, axis=0)
    rows[:, 1] = np.tile(np.linspace(0, 1, 40), 50)
    rising = []
    free = {name: False for name in candidate.parameters if name.endswith("directed")}
    for item in (candidate, replace(candidate, parameters={**candidate.parameters, **free})):
        model = estimator(item, FEATURES, seed=0).fit(*training_rows)
        scores = scores_of(model, rows).reshape(50, 40)
        rising.append(bool((np.diff(scores, axis=1) > 0).any()))
    assert not rising[0]
    assert rising[1]


def test_a_linear_model_is_the_same_however_many_columns_are_computed_at_once(
    training_rows: tuple[Matrix, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, target = training_rows
    fitted = []
    for at_once in (1, 3, len(FEATURES)):
        monkeypatch.setattr(linear, "_AT_ONCE", at_once)
        model = LinearModel.fit(FEATURES, matrix, target, None, LinearModel.defaults, 0)
        fitted.append(model.files())
    assert fitted[0] == fitted[1] == fitted[2]
    # In columns or in rows, as selection leaves them.
    across = np.asfortranarray(matrix)
    assert (
        LinearModel.fit(FEATURES, across, target, None, LinearModel.defaults, 0).files()
        == (fitted[0])
    )


def test_memory_is_given_back_after_a_fit_where_that_can_be_asked_for(
    training_rows: tuple[Matrix, Labels], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[int]()
    for library in (SimpleNamespace(malloc_trim=asked.append), SimpleNamespace()):
        monkeypatch.setattr(ctypes, "CDLL", lambda _name, library=library: library)
        estimator(FAMILIES[0], FEATURES, 0).fit(*training_rows)
    assert asked == [0]


def test_changes_leave_the_other_defaults() -> None:
    assert Candidate.of("trees").parameters == BoostedTrees.defaults
    changed = Candidate.of("trees", num_leaves=3).parameters
    assert changed == {**BoostedTrees.defaults, "num_leaves": 3}
    members = Candidate.of("sum", **{"linear.C": 1.0}).parameters
    assert members.items() >= {f"trees.{k}": v for k, v in BoostedTrees.defaults.items()}.items()
    assert members["linear.clip"] == LinearModel.defaults["clip"]
    assert members["linear.C"] == 1.0


def test_what_there_is_not_is_told_by_name() -> None:
    with pytest.raises(ScoringError, match="'forest': any of linear, sum, trees"):
        Candidate.of("forest")
    with pytest.raises(ScoringError, match="trees has no parameter 'depth'"):
        Candidate.of("trees", depth=3)


def test_log_odds_stay_finite() -> None:
    assert log_odds([0.5]) == pytest.approx([0.0])
    assert np.isfinite(log_odds([0.0, 1.0])).all()
