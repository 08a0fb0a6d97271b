"""Remedies for imbalance, applied to training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from imblearn import FunctionSampler
from imblearn.base import BaseSampler
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import RandomUnderSampler

from scoring.modelling.examples import Matrix
from scoring.serving.families.base import Feature, Labels

Resampling = Literal["none", "class weights", "under-sampling", "SMOTE"]
RESAMPLINGS: tuple[Resampling, ...] = get_args(Resampling)

# Defaults over good applicants after resampling: 1 to 1, as the remedies are usually applied.
_BALANCE = 1.0


def sampler(kind: Resampling, features: Sequence[Feature], seed: int) -> BaseSampler | str:
    """Return the step of a pipeline of imbalanced-learn that balances the training rows.

    "under-sampling" drops good applicants at random; "SMOTE" adds invented defaults between
    neighbouring ones; the others leave the rows as they are ("class weights" are the model's).
    """
    match kind:
        case "under-sampling":
            return RandomUnderSampler(sampling_strategy=_BALANCE, random_state=seed)
        case "SMOTE":
            return FunctionSampler(
                func=_with_invented, kw_args={"features": features, "seed": seed}, validate=False
            )
        case _:
            return "passthrough"


def _with_invented(
    matrix: Matrix, target: Labels, features: Sequence[Feature], seed: int
) -> tuple[Matrix, Labels]:
    invented = _invented_defaults(features, matrix, target, seed)
    labels = np.concatenate([target, np.ones(len(invented), dtype=np.int8)])
    return np.vstack([matrix, invented]), labels


def _invented_defaults(
    features: Sequence[Feature], matrix: Matrix, target: Labels, seed: int
) -> Matrix:
    """Defaults that SMOTE draws between neighbouring ones, with missing values and categories.

    SMOTE knows complete numbers only (Chawla et al., 2002). If invented rows were complete, a
    model would take completeness for a sign of default. So whether a value is missing, and which
    category it is, take part in the interpolation as indicators of their own, and the nearer
    neighbour decides.
    """
    numbers = np.array([not feature.levels for feature in features])
    middle, spread = _scale(matrix[:, numbers])
    defaults = matrix[target == 1]
    missing = np.isnan(defaults[:, numbers])
    scaled = np.where(missing, 0, (defaults[:, numbers] - middle) / spread)
    categories = [i for i, feature in enumerate(features) if feature.levels]
    levels = [_indicators(defaults[:, i], len(features[i].levels)) for i in categories]
    new = _between_neighbours(np.hstack([scaled, missing, *levels]), target, seed)
    count = int(numbers.sum())
    result = np.empty((len(new), len(features)), dtype=np.float32)
    values = new[:, :count] * spread + middle
    result[:, numbers] = np.where(new[:, count : 2 * count] > 0.5, np.nan, values)
    start = 2 * count
    for i, block in zip(categories, levels, strict=True):
        codes = new[:, start : start + block.shape[1]].argmax(axis=1)
        # The last indicator stands for a missing category.
        result[:, i] = np.where(codes == block.shape[1] - 1, np.nan, codes)
        start += block.shape[1]
    return result


def _between_neighbours(defaults: Matrix, target: Labels, seed: int) -> Matrix:
    """As many rows between neighbouring defaults as the good applicants are more.

    SMOTE looks at the rows of the rarer class alone, and wants to see a row of the other.
    """
    good = int((target == 0).sum())
    wanted = {1: max(len(defaults), round(good * _BALANCE))}
    rows = np.vstack([np.zeros_like(defaults[:1]), defaults])
    labels = np.arange(len(rows)) > 0
    sampler = SMOTE(sampling_strategy=wanted, random_state=seed)
    drawn, _ = sampler.fit_resample(rows, labels.astype(np.int8))
    return np.asarray(drawn[len(rows) :], dtype=np.float32)


def _scale(numbers: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and deviation of each column's known values, the deviation 1 where there is none."""
    known = ~np.isnan(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, numbers, 0).sum(axis=0, dtype=np.float64) / count
    squares = np.where(known, (numbers - middle) ** 2, 0).sum(axis=0)
    deviation = np.sqrt(squares / count)
    spread = np.where(deviation > 0, deviation, 1.0)
    return middle.astype(np.float32), spread.astype(np.float32)


def _indicators(codes: Matrix, levels: int) -> Matrix:
    """One column a level and one for a missing category."""
    filled = np.where(np.isnan(codes), levels, codes).astype(np.int64)
    return np.eye(levels + 1, dtype=np.float32)[filled]
