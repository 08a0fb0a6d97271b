"""Small LightGBM models of rows: fitted here, served through `scoring.booster`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Small on purpose: they are fitted once a fold, and what they learn is one input among hundreds.
_PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.1,
    "num_leaves": 7,
    "min_data_in_leaf": 60,
    "lambda_l2": 20.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 127,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


def fit_booster(
    matrix: Floats,
    target: Floats,
    names: Sequence[str],
    categories: Sequence[str],
    *,
    objective: Literal["binary", "regression"],
    rounds: int,
    seed: int,
) -> str:
    """Fit boosted trees and return them in LightGBM's text format.

    Parameters
    ----------
    matrix : numpy.ndarray of shape (rows, names)
        Numbers, category codes, NaN for missing.
    target : numpy.ndarray of shape (rows,)
        What is predicted: 0 or 1, or a number.
    names, categories : sequence of str
        The columns, and which of them hold category codes.
    objective : {"binary", "regression"}
        Scores of "binary" are log-odds less those of the rows' mean: models of different folds
        then agree on zero, whatever the default rate of their rows.
    rounds : int
        Number of trees.
    seed : int
        Of the rows and columns that each tree sees.
    """
    # LightGBM's package brings scikit-learn and pandas along, which a server does not have.
    import lightgbm

    start = None
    if objective == "binary":
        mean = target.mean()
        start = np.full(target.size, np.log(mean / (1 - mean)))
    data = lightgbm.Dataset(
        matrix,
        target,
        init_score=start,
        feature_name=list(names),
        categorical_feature=list(categories),
        params={"verbosity": -1, "max_bin": _PARAMETERS["max_bin"]},
    )
    parameters = {**_PARAMETERS, "objective": objective, "seed": seed}
    model: str = lightgbm.train(parameters, data, rounds).model_to_string()
    return model
