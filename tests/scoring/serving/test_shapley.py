"""Shapley values of trees: LightGBM's own, and those of the definition."""

from __future__ import annotations

import math
from itertools import combinations

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.serving.booster import Booster
from scoring.serving.shapley import Shapley
from scoring.serving.trees import Trees, TreesError

Floats = npt.NDArray[np.float64]

ROWS, COLUMNS, CATEGORY = 500, 6, 5


def _matrix(seed: int, unknown: float = 0.2) -> Floats:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(ROWS, COLUMNS))
    values[:, CATEGORY] = rng.integers(0, 40, ROWS)
    values[rng.random(values.shape) < unknown] = np.nan
    return values


def _trained(matrix: Floats, seed: int = 0, **parameters: object) -> lightgbm.Booster:
    rng = np.random.default_rng(seed)
    known = np.nan_to_num(matrix)
    effect = known[:, 0] * known[:, 1] + (known[:, CATEGORY] % 3) + rng.normal(size=len(matrix))
    model = lightgbm.LGBMClassifier(
        **{"n_estimators": 12, "min_child_samples": 3, "verbosity": -1, **parameters}
    )
    return model.fit(matrix, effect > 0.8, categorical_feature=[CATEGORY]).booster_


def _odd(matrix: Floats) -> Floats:
    """Categories that were never seen, infinities, zeros, and nothing at all."""
    rows = matrix[:60].copy()
    rows[:10, CATEGORY] = 77
    rows[10:15, CATEGORY] = -1
    rows[15:20, CATEGORY] = -0.5
    rows[20:25, 0] = np.inf
    rows[25:30, 0] = -np.inf
    rows[30:40] = np.nan
    rows[40:50] = 0.0
    rows[50:] = 1e300
    return rows


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    max_depth=st.integers(1, 12),
    num_leaves=st.integers(2, 40),
    unknown=st.sampled_from([0.0, 0.2]),
)
def test_values_are_lightgbms(seed: int, max_depth: int, num_leaves: int, unknown: float) -> None:
    matrix = _matrix(seed, unknown)
    trained = _trained(matrix, seed, max_depth=max_depth, num_leaves=num_leaves)
    explained = Shapley(Trees.read(trained.model_to_string()))
    rows = np.vstack([matrix[:50], _odd(matrix)])
    expected = np.asarray(trained.predict(rows, pred_contrib=True))
    assert explained.values(rows) == pytest.approx(expected[:, :-1], abs=1e-12)
    assert explained.expected_score == pytest.approx(expected[0, -1], abs=1e-12)


def test_values_and_the_expected_score_sum_to_the_score() -> None:
    matrix = _matrix(1)
    text = _trained(matrix, num_leaves=31).model_to_string()
    explained = Shapley(Trees.read(text))
    rows = np.vstack([matrix, _odd(matrix)])
    total = explained.values(rows).sum(axis=1) + explained.expected_score
    assert total == pytest.approx(Booster(text).raw_scores(rows), abs=1e-12)


def _defined(trees: Trees, row: Floats) -> Floats:
    """Shapley values by their definition: over every set of known features."""
    splits = trees.splits
    (left,) = splits.left(row[np.newaxis])

    def game(known: tuple[int, ...]) -> float:
        def part(edge_split: int, edge_left: bool, share: float) -> float:
            if int(splits.feature[edge_split]) in known:
                return float(left[edge_split] == edge_left)
            return share

        return sum(
            leaf.value * math.prod(part(*edge) for edge in leaf.path) for leaf in trees.leaves
        )

    values = np.zeros(splits.columns)
    for feature in range(splits.columns):
        others = [other for other in range(splits.columns) if other != feature]
        for size in range(splits.columns):
            ways = splits.columns * math.comb(splits.columns - 1, size)
            for known in combinations(others, size):
                values[feature] += (game((*known, feature)) - game(known)) / ways
    return values


def test_values_are_those_of_the_definition() -> None:
    matrix = _matrix(2)
    trees = Trees.read(_trained(matrix, n_estimators=2, num_leaves=8).model_to_string())
    assert Shapley(trees).values(matrix[:3]) == pytest.approx(
        np.array([_defined(trees, row) for row in matrix[:3]]), abs=1e-12
    )


def test_a_row_has_the_same_values_to_the_last_bit_whatever_comes_with_it() -> None:
    matrix = _matrix(3)
    explained = Shapley(Trees.read(_trained(matrix, num_leaves=31).model_to_string()))
    together = explained.values(matrix)
    alone = np.vstack([explained.values(matrix[i : i + 1]) for i in range(50)])
    assert alone.tobytes() == together[:50].tobytes()


def test_no_rows_have_no_values() -> None:
    explained = Shapley(Trees.read(_trained(_matrix(4)).model_to_string()))
    assert explained.values(np.empty((0, COLUMNS))).shape == (0, COLUMNS)


def test_a_model_without_a_split_explains_nothing() -> None:
    flat = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1)
    model = flat.fit(np.zeros((60, 2)), np.arange(60) % 3 == 0).booster_
    explained = Shapley(Trees.read(model.model_to_string()))
    assert np.array_equal(explained.values(np.zeros((3, 2))), np.zeros((3, 2)))
    assert explained.expected_score == pytest.approx(
        np.asarray(model.predict(np.zeros((1, 2)), raw_score=True))[0]
    )


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"linear_tree": True}, "linear leaves"),
        ({"zero_as_missing": True}, "zeros count as unknown"),
    ],
)
def test_trees_of_another_kind_are_refused(parameters: dict[str, object], told: str) -> None:
    text = _trained(_matrix(5), **parameters).model_to_string()
    with pytest.raises(TreesError, match=told):
        Trees.read(text)


def test_trees_whose_leaves_depend_on_too_many_features_are_refused() -> None:
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(3000, 30))
    model = lightgbm.LGBMClassifier(
        n_estimators=3, num_leaves=200, colsample_bytree=0.9, min_child_samples=2, verbosity=-1
    )
    text = model.fit(matrix, matrix.sum(axis=1) > 0).booster_.model_to_string()
    with pytest.raises(TreesError, match="max_depth=6 or less"):
        Shapley(Trees.read(text))


def test_a_model_of_several_classes_is_refused() -> None:
    matrix = _matrix(6)
    model = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1)
    text = model.fit(matrix, np.arange(ROWS) % 3).booster_.model_to_string()
    with pytest.raises(TreesError, match="several classes"):
        Trees.read(text)
