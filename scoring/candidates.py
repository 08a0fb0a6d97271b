"""The models compared, from the simplest to the one that is served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from scoring.scorer import Feature

# Boosted trees: few leaves, few columns a tree and strong regularisation suit a few thousand
# defaults; depth is bounded because exact contributions cost its square.
LIGHTGBM_DEFAULTS: dict[str, Any] = {
    "n_estimators": 400,
    "learning_rate": 0.02,
    "num_leaves": 16,
    "max_depth": 5,
    "colsample_bytree": 0.1,
    "subsample": 0.8,
    "subsample_freq": 1,
    "min_child_samples": 30,
    "reg_lambda": 20.0,
}


class KnownColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keep the columns that have a value in the training rows; the others have no ranks."""

    def fit(self, matrix: npt.NDArray[np.float64], _target: object = None) -> KnownColumns:
        """Note which columns have a value."""
        self.known_ = ~np.isnan(matrix).all(axis=0)
        return self

    def transform(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Leave the other columns out."""
        return matrix[:, self.known_]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family of models.

    Attributes
    ----------
    name : str
        How tables and runs call it.
    build : callable of (features, seed) to classifier
        Makes an unfitted classifier for the encoded matrix of these features: numbers as they
        are, category codes as floats, NaN for missing.
    parameters : mapping
        What distinguishes it, for the record.
    servable : bool
        Whether a Scorer can hold it: boosted trees only, whose reasons are exact.
    """

    name: str
    build: Callable[[Sequence[Feature], int], ClassifierMixin]
    parameters: dict[str, Any]
    servable: bool = False


def dummy() -> Candidate:
    """Gives everyone the default rate of the training rows."""
    return Candidate("dummy", lambda _features, _seed: DummyClassifier(strategy="prior"), {})


def logistic_regression(c: float = 0.0005) -> Candidate:
    """Linear in the ranks of the numbers and in the categories.

    Ranks tame amounts and day counts of any shape; a missing number is put in the middle; a
    category becomes one column a level.
    """

    def build(features: Sequence[Feature], seed: int) -> Pipeline:
        numbers = [i for i, feature in enumerate(features) if not feature.levels]
        categories = [i for i, feature in enumerate(features) if feature.levels]
        ranks = QuantileTransformer(
            n_quantiles=100, output_distribution="normal", subsample=20_000, random_state=seed
        )
        fill = SimpleImputer(strategy="constant", fill_value=0.0)
        preprocess = ColumnTransformer(
            [
                ("numbers", make_pipeline(KnownColumns(), ranks, fill), numbers),
                ("categories", OneHotEncoder(handle_unknown="ignore"), categories),
            ],
            sparse_threshold=0.0,
        )
        model = LogisticRegression(C=c, max_iter=300, random_state=seed)
        return make_pipeline(preprocess, model)

    return Candidate("logistic regression", build, {"C": c})


def lightgbm(**changes: Any) -> Candidate:
    """Gradient-boosted trees; missing values and categories are LightGBM's own business."""
    parameters = LIGHTGBM_DEFAULTS | changes

    def build(_features: Sequence[Feature], seed: int) -> LGBMClassifier:
        return LGBMClassifier(
            **parameters,
            random_state=seed,
            deterministic=True,
            # With a tenth of the columns a tree, one thread is as fast as two on an idle machine
            # and many times as fast on a busy one, where OpenMP's threads wait for each other.
            force_col_wise=True,
            n_jobs=1,
            verbosity=-1,
        )

    return Candidate("lightgbm", build, parameters, servable=True)


def fit(
    candidate: Candidate,
    features: Sequence[Feature],
    matrix: npt.NDArray[np.float64],
    target: npt.NDArray[np.int8],
    seed: int,
) -> ClassifierMixin:
    """Fit a candidate on an encoded matrix of shape (applicants, features)."""
    model = candidate.build(features, seed)
    if isinstance(model, LGBMClassifier):
        categories = [i for i, feature in enumerate(features) if feature.levels]
        names = [feature.name for feature in features]
        return model.fit(matrix, target, categorical_feature=categories, feature_name=names)
    return model.fit(matrix, target)


def standard() -> tuple[Candidate, ...]:
    """The candidates that the modelling notebook compares."""
    return dummy(), logistic_regression(), lightgbm()
