"""Remedies for imbalance: what they do to training rows, and what they leave alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.modelling.resampling import RESAMPLINGS, Resampling, sampler
from scoring.serving.scorer import Feature

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]

FEATURES = (
    Feature("AMT_CREDIT"),
    Feature("OCCUPATION_TYPE", ("a", "b", "c")),
    Feature("OWN_CAR_AGE"),
    Feature("AMT_GOODS_PRICE"),
)


def applicants(good: int, defaults: int, seed: int) -> tuple[Matrix, Labels]:
    """Numbers with values missing, a category, and a column without any value."""
    rng = np.random.default_rng(seed)
    rows = good + defaults
    matrix = np.empty((rows, 4), dtype=np.float32)
    matrix[:, 0] = rng.normal(1e5, 1e4, rows)
    matrix[:, 1] = rng.integers(0, 3, rows)
    matrix[:, 2] = np.nan
    matrix[:, 3] = rng.lognormal(0, 1, rows)
    matrix[rng.random((rows, 4)) < 0.2] = np.nan
    target = rng.permutation(np.arange(rows) < defaults).astype(np.int8)
    return matrix, target


def resample(kind: Resampling, matrix: Matrix, target: Labels, seed: int) -> tuple[Matrix, Labels]:
    """What a model is fitted on: whatever a pipeline's first step makes of the rows."""
    step = sampler(kind, FEATURES, seed)
    return (matrix, target) if isinstance(step, str) else step.fit_resample(matrix, target)


@pytest.mark.parametrize("kind", ["none", "class weights"])
def test_what_is_no_sampling_leaves_the_rows_as_they_were(kind: Resampling) -> None:
    assert sampler(kind, FEATURES, 0) == "passthrough"


@given(st.integers(12, 80), st.integers(8, 12), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_under_sampling_drops_good_applicants_only(good: int, defaults: int, seed: int) -> None:
    matrix, target = applicants(good, defaults, seed)
    matrix[:, 0] = np.arange(target.size)
    rows, labels = resample("under-sampling", matrix, target, seed % 1000)
    assert np.bincount(labels).tolist() == [defaults, defaults]
    kept = rows[:, 0].astype(int)
    assert len(set(kept)) == kept.size
    assert rows.tobytes() == matrix[kept].tobytes()
    assert labels.tolist() == target[kept].tolist()
    assert set(np.flatnonzero(target)) <= set(kept)


@given(st.integers(12, 80), st.integers(8, 12), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_smote_adds_defaults_between_those_there_are(good: int, defaults: int, seed: int) -> None:
    matrix, target = applicants(good, defaults, seed)
    rows, labels = resample("SMOTE", matrix, target, seed % 1000)
    assert rows[: target.size].tobytes() == matrix.tobytes()
    assert labels[: target.size].tolist() == target.tolist()
    invented = rows[target.size :]
    assert labels[target.size :].tolist() == [1] * (good - defaults)
    real = matrix[target == 1]
    assert np.isnan(invented[:, 2]).all()
    assert {float(code) for code in invented[:, 1] if code == code} <= {0.0, 1.0, 2.0}
    # A value that is missing counts as the mean in between, so the mean may widen the range.
    for column in (0, 3):
        known = np.append(real[:, column], np.nanmean(matrix[:, column]))
        found = invented[:, column][~np.isnan(invented[:, column])]
        slack = 1e-4 * np.abs(known[~np.isnan(known)]).max()
        assert (found >= np.nanmin(known) - slack).all()
        assert (found <= np.nanmax(known) + slack).all()


def test_smote_invents_missing_values_as_often_as_defaults_have_them() -> None:
    matrix, target = applicants(3000, 300, 1)
    rows, _ = resample("SMOTE", matrix, target, 0)
    real, invented = matrix[target == 1], rows[target.size :]
    shares = np.isnan(real).mean(axis=0), np.isnan(invented).mean(axis=0)
    assert np.abs(shares[0] - shares[1]).max() < 0.12
    counts = [
        np.bincount(part[~np.isnan(part)].astype(int)) for part in (real[:, 1], invented[:, 1])
    ]
    assert counts[1] / counts[1].sum() == pytest.approx(counts[0] / counts[0].sum(), abs=0.12)


@pytest.mark.parametrize("kind", RESAMPLINGS)
def test_a_remedy_does_the_same_for_the_same_seed(kind: Resampling) -> None:
    matrix, target = applicants(100, 20, 2)
    first, again, other = (resample(kind, matrix, target, seed) for seed in (5, 5, 6))
    assert first[0].tobytes() == again[0].tobytes()
    drawn = kind in {"under-sampling", "SMOTE"}
    assert (first[0].tobytes() != other[0].tobytes()) == drawn


def test_remedies_leave_what_they_are_given_untouched() -> None:
    matrix, target = applicants(100, 20, 3)
    before = matrix.tobytes(), target.tobytes()
    for kind in RESAMPLINGS:
        resample(kind, matrix, target, 0)
    assert (matrix.tobytes(), target.tobytes()) == before
