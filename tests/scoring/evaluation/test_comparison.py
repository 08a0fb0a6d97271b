"""Comparisons of populations: nothing found where nothing changed, and named what did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from scoring.evaluation.comparison import Limits, compare
from scoring.serving.profiles import PD, Profile, ProfileError

Floats = npt.NDArray[np.float64]

LEVELS = ("red", "green", "blue")
FEATURES = {"amount": (), "age": (), "owner": (), "colour": LEVELS}
REASONS = ["amount", "age", "owner"]


def _population(seed: int, size: int) -> Floats:
    rng = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            rng.lognormal(size=size),
            rng.normal(40, 10, size),
            rng.random(size) < 0.3,
            rng.integers(0, 3, size),
        ]
    )
    matrix[rng.random(size) < 0.1, 1] = np.nan
    return matrix


def _pds(matrix: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(3.0 - matrix[:, 0] / 2.0))


def _decisions(pds: Floats) -> list[str]:
    return np.where(pds > 0.12, "refuse", np.where(pds > 0.09, "refer", "accept")).tolist()


def _reasons(matrix: Floats) -> list[list[str]]:
    return [[REASONS[0]] if row[0] > 1.0 else REASONS[1:] for row in matrix]


@pytest.fixture(scope="module")
def reference() -> Profile:
    matrix = _population(0, 8000)
    pds = _pds(matrix)
    contributions = np.tile([4.0, 3.0, 2.0, 1.0], (8000, 1))
    made = Profile.of_training(FEATURES, matrix, pds, _decisions(pds))
    return made.explained_by(_reasons(matrix), contributions)


def _counted(reference: Profile, matrix: Floats) -> Profile:
    pds = _pds(matrix)
    return reference.counted(matrix, pds, _decisions(pds), _reasons(matrix))


def test_samples_of_the_same_population_have_not_changed(reference: Profile) -> None:
    alarms = 0
    for seed in range(1, 201):
        found = compare(reference, _counted(reference, _population(seed, 500)))
        alarms += not found.drifted.is_empty()
        assert found.weighted_psi < 0.05
        assert found.applicants == (8000, 500)
    assert alarms <= 4


@pytest.mark.parametrize(
    ("column", "method"),
    [
        ("amount", "Kolmogorov-Smirnov"),
        ("owner", "z-test of proportions"),
        ("colour", "chi-square"),
    ],
)
def test_the_column_that_changed_is_named_with_the_test_that_fits_it(
    reference: Profile, column: str, method: str
) -> None:
    matrix = _population(1, 1000)
    place = list(FEATURES).index(column)
    changed = {"amount": matrix[:, 0] * 2.0, "owner": 1.0 - matrix[:, 2], "colour": 0.0}[column]
    matrix[:, place] = changed
    found = compare(reference, _counted(reference, matrix))
    drifted = found.drifted.filter(pl.col("column") != PD)
    assert drifted["column"].to_list() == [column]
    assert drifted["level"].to_list() == ["large"]
    assert drifted["method"].to_list() == [method]
    assert drifted["p_adjusted"].item() < 1e-6


def test_values_that_went_missing_are_told_though_the_others_look_as_before(
    reference: Profile,
) -> None:
    matrix = _population(2, 1000)
    matrix[np.random.default_rng(3).random(1000) < 0.5, 0] = np.nan
    pds, told = np.full(1000, 0.05), [["amount"]] * 1000
    current = reference.counted(matrix, pds, ["accept"] * 1000, told)
    row = compare(reference, current).columns.row(
        by_predicate=pl.col("column") == "amount", named=True
    )
    assert row["level"] == "large"
    assert row["psi"] < 0.05
    assert row["missing_reference"] == 0.0
    assert row["missing_current"] == pytest.approx(0.5, abs=0.05)


def test_a_change_that_reaches_the_pd_moves_decisions_and_reasons(reference: Profile) -> None:
    matrix = _population(4, 2000)
    matrix[:, 0] *= 2.0
    found = compare(reference, _counted(reference, matrix))
    assert found.pd["level"] == "large"
    assert found.refused.change > 0.1
    assert found.refused.p_value < 1e-6
    total = [found.accepted.current + found.referred.current + found.refused.current]
    assert total == pytest.approx([1.0])
    first = found.reasons.row(0, named=True)
    assert abs(first["current"] - first["reference"]) > 0.1
    assert first["p_adjusted"] < 1e-6


def test_a_change_weighs_as_much_as_its_feature(reference: Profile) -> None:
    found = {}
    for place in (0, 3):
        matrix = _population(5, 4000)
        matrix[:2000, place] = np.nan
        current = reference.counted(matrix, np.full(4000, 0.05), ["accept"] * 4000, [[]] * 4000)
        found[place] = compare(reference, current).weighted_psi
    assert found[3] > 0.1
    # Their importances are 0.4 and 0.1.
    assert found[0] == pytest.approx(4 * found[3], rel=0.1)


def test_numbers_beyond_the_trainings_are_a_share(reference: Profile) -> None:
    matrix = _population(6, 1000)
    matrix[:250, 1] = 500.0
    row = compare(reference, _counted(reference, matrix)).columns.row(
        by_predicate=pl.col("column") == "age", named=True
    )
    assert row["outside"] == pytest.approx(0.25 / (1 - row["missing_current"]), abs=0.03)


def test_limits_are_settings(reference: Profile) -> None:
    matrix = _population(7, 2000)
    matrix[:, 1] += 4.0
    current = _counted(reference, matrix)
    assert "age" in compare(reference, current).drifted["column"]
    strict = Limits(moderate_psi=5.0, large_psi=9.0)
    assert compare(reference, current, strict).drifted.is_empty()


def test_nobody_is_no_change(reference: Profile) -> None:
    found = compare(reference, _counted(reference, _population(8, 0)))
    assert found.drifted.is_empty()
    assert found.weighted_psi == 0.0


def test_profiles_of_other_models_are_not_compared(reference: Profile) -> None:
    other = replace(reference, columns={PD: reference.columns[PD]})
    with pytest.raises(ProfileError, match="other features"):
        compare(reference, other)
