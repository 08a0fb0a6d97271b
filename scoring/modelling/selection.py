"""Which features are worth keeping, learnt from training applicants only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from lightgbm import Dataset, train

from scoring.modelling.examples import Matrix, Positions
from scoring.serving.families.base import Feature, Floats, Labels

# Gains on shuffled outcomes: their upper quartile is what a worthless feature may reach.
_SHUFFLES = 3
_QUANTILE = 0.75
_ROUNDS = 60
# Coarse and quick: the order of hundreds of features is wanted, not a good model.
_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 16,
    "max_bin": 31,
    "feature_fraction": 0.2,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "min_data_in_leaf": 30,
    "lambda_l2": 20.0,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_RANKINGS: dict[bytes, Positions] = {}


def best_columns(
    features: Sequence[Feature], matrix: Matrix, target: Labels, kept: int | None, seed: int = 0
) -> Positions:
    """Return the columns that have a value in some training row; of them the best, if so many.

    Nothing can be learnt from a column without values.
    """
    known = np.flatnonzero(~np.isnan(matrix).all(axis=0))
    if kept is None:
        return known
    own = [features[i] for i in known.tolist()]
    return np.sort(known[ranking(own, matrix[:, known], target, seed)[:kept]])


def ranking(
    features: Sequence[Feature], matrix: Matrix, target: Labels, seed: int = 0
) -> Positions:
    """Order features by gain, corrected by the gain they reach on shuffled outcomes.

    A feature with many values finds splits in noise too. The score is the logarithm of the gain
    on the outcomes over the upper quartile of its gains on shuffled ones (null importance:
    Altmann et al., "Permutation importance: a corrected feature importance measure", 2010).

    The rows are those of training applicants only. Returns positions, the most valuable first;
    the trials of a search ask for the same again and again, and get what was found before.
    """
    asked = hashlib.sha256(repr((features, seed)).encode())
    for values in (target, matrix):
        asked.update(np.ascontiguousarray(values).data)
    if (key := asked.digest()) not in _RANKINGS:
        _RANKINGS[key] = _ranked(features, matrix, target, seed)
    return _RANKINGS[key]


def _ranked(features: Sequence[Feature], matrix: Matrix, target: Labels, seed: int) -> Positions:
    rng = np.random.default_rng(seed)
    categories = [i for i, feature in enumerate(features) if feature.levels]
    data = Dataset(matrix, target, categorical_feature=categories, params=_PARAMETERS).construct()
    real = _gains(data, target, seed)
    shuffled = [_gains(data, rng.permutation(target), seed + 1 + i) for i in range(_SHUFFLES)]
    chance = np.quantile(shuffled, _QUANTILE, axis=0)
    score = np.log1p(real) - np.log1p(chance)
    return np.lexsort((-real, -score))


def _gains(data: Dataset, target: Labels, seed: int) -> Floats:
    """Each feature's gain in trees that explain these outcomes; the binned data are reused."""
    data.set_label(target)
    booster = train({**_PARAMETERS, "seed": seed}, data, _ROUNDS)
    return np.asarray(booster.feature_importance("gain"), dtype=np.float64)
