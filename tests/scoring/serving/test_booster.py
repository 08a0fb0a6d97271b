"""LightGBM's C library without its package: the same numbers, and errors instead of aborts."""

from __future__ import annotations

import subprocess
import sys

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest

from scoring.serving.booster import Booster, BoosterError

ROWS, COLUMNS, CATEGORY = 800, 6, 5


@pytest.fixture(scope="module")
def matrix() -> npt.NDArray[np.float64]:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(ROWS, COLUMNS))
    values[:, CATEGORY] = rng.integers(0, 9, ROWS)
    values[rng.random(values.shape) < 0.2] = np.nan
    return values


@pytest.fixture(scope="module")
def trained(matrix: npt.NDArray[np.float64]) -> lightgbm.Booster:
    rng = np.random.default_rng(2)
    effect = np.nan_to_num(matrix[:, 0]) + (matrix[:, CATEGORY] > 5) + rng.normal(size=ROWS)
    model = lightgbm.LGBMClassifier(n_estimators=25, num_leaves=8, verbosity=-1)
    return model.fit(matrix, effect > 0.3, categorical_feature=[CATEGORY]).booster_


@pytest.fixture(scope="module")
def text(trained: lightgbm.Booster) -> str:
    return trained.model_to_string()


@pytest.fixture(scope="module")
def odd(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows with categories that were never seen, infinities, and nothing at all."""
    rows = matrix[:40].copy()
    rows[:10, CATEGORY] = 77
    rows[10:15, CATEGORY] = -1
    rows[15:20, 0] = np.inf
    rows[20:25, 0] = -np.inf
    rows[25:30] = np.nan
    rows[30:35] = 0.0
    rows[35:40] = 1e300
    return rows


def test_scores_equal_lightgbm_to_the_last_bit(
    trained: lightgbm.Booster,
    text: str,
    matrix: npt.NDArray[np.float64],
    odd: npt.NDArray[np.float64],
) -> None:
    booster = Booster(text)
    assert booster.columns == COLUMNS
    assert len(np.unique(booster.raw_scores(matrix))) > 100
    for rows in (matrix, odd, matrix[:1]):
        expected = trained.predict(rows, raw_score=True)
        assert booster.raw_scores(rows).tobytes() == np.asarray(expected).tobytes()


def test_any_layout_and_type_of_numbers_will_do(text: str, matrix: npt.NDArray[np.float64]) -> None:
    booster = Booster(text)
    expected = booster.raw_scores(matrix)
    assert np.array_equal(booster.raw_scores(np.asfortranarray(matrix)), expected)
    assert np.array_equal(booster.raw_scores(matrix[::2]), expected[::2])
    small = matrix.astype(np.float32)
    assert np.array_equal(booster.raw_scores(small), booster.raw_scores(small.astype(np.float64)))


def test_no_rows_give_no_scores(text: str) -> None:
    assert Booster(text).raw_scores(np.empty((0, COLUMNS))).shape == (0,)


@pytest.mark.parametrize("columns", [0, 1, COLUMNS - 1, COLUMNS + 1])
def test_another_width_is_refused(text: str, columns: int) -> None:
    with pytest.raises(BoosterError, match=f"takes {COLUMNS} columns, not {columns}"):
        Booster(text).raw_scores(np.zeros((3, columns)))


@pytest.mark.parametrize(
    "broken", ["", "tree", "tree\n", "nonsense", "{}", "tree\nend of trees\n", "\x00" * 50]
)
def test_what_is_no_model_is_refused(broken: str) -> None:
    with pytest.raises(BoosterError, match="not a LightGBM model"):
        Booster(broken)


def test_texts_cut_short_are_refused_without_ending_the_process(text: str) -> None:
    end = text.index("end of trees")
    for length in range(0, end, 211):
        with pytest.raises(BoosterError):
            Booster(text[:length])
        with pytest.raises(BoosterError):
            Booster(text[:length] + "\nend of trees\n")


def test_texts_that_lack_a_line_are_refused_without_ending_the_process(text: str) -> None:
    lines = text[: text.index("end of trees")].split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("Tree=0"))
    for i in [*range(first, first + 20), len(lines) - 5]:
        if lines[i]:
            with pytest.raises(BoosterError, match="damaged or cut short"):
                Booster("\n".join([*lines[:i], *lines[i + 1 :], "end of trees\n"]))


def test_a_model_without_a_split_is_read() -> None:
    flat = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1)
    model = flat.fit(np.zeros((60, 2)), np.arange(60) % 2).booster_
    rows = np.zeros((3, 2))
    found = Booster(model.model_to_string()).raw_scores(rows)
    assert np.array_equal(found, model.predict(rows, raw_score=True))


def test_many_boosters_live_side_by_side(text: str, matrix: npt.NDArray[np.float64]) -> None:
    expected = Booster(text).raw_scores(matrix)
    boosters = [Booster(text) for _ in range(20)]
    del boosters[::2]
    for booster in boosters:
        assert np.array_equal(booster.raw_scores(matrix), expected)


def test_a_server_that_predicts_imports_no_heavy_library(text: str) -> None:
    program = """
import sys
import numpy as np
from scoring.serving.booster import Booster
print(Booster(sys.stdin.read()).raw_scores(np.zeros((1, 6)))[0])
heavy = {"lightgbm", "pandas", "sklearn", "scipy", "pyarrow", "shap", "mlflow"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == Booster(text).raw_scores(np.zeros((1, COLUMNS)))[0]
