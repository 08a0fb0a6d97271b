"""The models compared, from the simplest to the one that is served."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from scoring.features.directions import DIRECTIONS
from scoring.modelling.resampling import Resampling, resample
from scoring.serving.scorer import Feature

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

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
    # An eighth less time than with LightGBM's own 255, and an AUC that cannot be told from its.
    "max_bin": 127,
}


class KnownColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keep the columns that have a value in the training rows; the others have no ranks."""

    def fit(self, matrix: Matrix, _target: object = None) -> KnownColumns:
        """Note which columns have a value."""
        self.known_ = ~np.isnan(matrix).all(axis=0)
        return self

    def transform(self, matrix: Matrix) -> Matrix:
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
    resampling : Resampling
        What is done about imbalance, to the training rows.
    kept : int or None
        How many features are kept, the best ones of the training rows; None for all.
    """

    name: str
    build: Callable[[Sequence[Feature], int], ClassifierMixin]
    parameters: dict[str, Any]
    servable: bool = False
    resampling: Resampling = "none"
    kept: int | None = None


def dummy() -> Candidate:
    """Gives everyone the default rate of the training rows."""
    return Candidate("dummy", lambda _features, _seed: DummyClassifier(strategy="prior"), {})


Transform = Literal["ranks", "logarithms"]


def logistic_regression(c: float = 0.002, transform: Transform = "logarithms") -> Candidate:
    """Linear in the transformed numbers and in the categories.

    Ranks, or logarithms brought to the same scale, tame amounts and day counts of any shape; a
    missing number is put in the middle; a category becomes one column a level.
    """

    def build(features: Sequence[Feature], seed: int) -> Pipeline:
        numbers, categories = _kinds(features)
        fill = SimpleImputer(strategy="constant", fill_value=0.0)
        preprocess = ColumnTransformer(
            [
                (
                    "numbers",
                    make_pipeline(KnownColumns(), *_transform(transform, seed), fill),
                    numbers,
                ),
                ("categories", OneHotEncoder(handle_unknown="ignore"), categories),
            ],
            sparse_threshold=0.0,
        )
        model = LogisticRegression(C=c, max_iter=300, random_state=seed)
        return make_pipeline(preprocess, model)

    return Candidate("logistic regression", build, {"C": c, "transform": transform})


def _transform(transform: Transform, seed: int) -> list[TransformerMixin]:
    if transform == "ranks":
        return [
            QuantileTransformer(
                n_quantiles=100, output_distribution="normal", subsample=20_000, random_state=seed
            )
        ]
    return [FunctionTransformer(_signed_logarithm), StandardScaler()]


def _signed_logarithm(values: Floats) -> Floats:
    return np.sign(values) * np.log1p(np.abs(values))


def _kinds(features: Sequence[Feature]) -> tuple[list[int], list[int]]:
    """Positions of the numbers, and of the categories."""
    numbers = [i for i, feature in enumerate(features) if not feature.levels]
    return numbers, [i for i, feature in enumerate(features) if feature.levels]


def random_forest(min_samples_leaf: int = 20) -> Candidate:
    """Averaged deep trees on half of the rows each.

    A category becomes its default rate, fitted across folds within the training rows; a missing
    number takes the median, which its tree can still tell apart where many are missing.
    """

    def build(features: Sequence[Feature], seed: int) -> Pipeline:
        numbers, categories = _kinds(features)
        shuffled = StratifiedKFold(5, shuffle=True, random_state=seed)
        preprocess = ColumnTransformer(
            [
                (
                    "numbers",
                    make_pipeline(KnownColumns(), SimpleImputer(strategy="median")),
                    numbers,
                ),
                ("categories", TargetEncoder(cv=shuffled), categories),
            ],
            sparse_threshold=0.0,
        )
        model = RandomForestClassifier(
            n_estimators=100,
            min_samples_leaf=min_samples_leaf,
            max_features="sqrt",
            max_samples=0.5,
            random_state=seed,
            n_jobs=1,
        )
        return make_pipeline(preprocess, model)

    return Candidate("random forest", build, {"min_samples_leaf": min_samples_leaf})


def lightgbm(**changes: Any) -> Candidate:
    """The default boosted trees, but for some parameters; they heed the features' directions."""
    return boosted_trees(LIGHTGBM_DEFAULTS | changes, DIRECTIONS)


def boosted_trees(
    parameters: dict[str, Any], directions: Mapping[str, int] = MappingProxyType({})
) -> Candidate:
    """Gradient-boosted trees; missing values and categories are LightGBM's own business.

    Parameters
    ----------
    parameters : dict
        LightGBM's.
    directions : mapping of str to int
        1 for the features that may only raise the score, -1 for those that may only lower it.
    """

    def build(features: Sequence[Feature], seed: int) -> LGBMClassifier:
        constraints = [directions.get(feature.name, 0) for feature in features]
        return LGBMClassifier(
            **parameters,
            monotone_constraints=constraints if any(constraints) else None,
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
    matrix: Matrix,
    target: npt.NDArray[np.int8],
    seed: int,
) -> ClassifierMixin:
    """Fit a candidate on an encoded matrix of shape (applicants, features)."""
    model = candidate.build(features, seed)
    rows, labels, weights = resample(candidate.resampling, features, matrix, target, seed)
    if isinstance(model, LGBMClassifier):
        return model.fit(
            rows,
            labels,
            sample_weight=weights,
            categorical_feature=_kinds(features)[1],
            feature_name=[feature.name for feature in features],
        )
    if weights is None:
        return model.fit(rows, labels)
    return model.fit(rows, labels, **{f"{model.steps[-1][0]}__sample_weight": weights})


def standard() -> tuple[Candidate, ...]:
    """A candidate of each family, from the simplest to the most complex."""
    return dummy(), logistic_regression(), random_forest(), lightgbm()


def first_values() -> dict[str, tuple[Candidate, ...]]:
    """The few values of each family that are tried first, its standard one among them."""
    return {
        "dummy": (dummy(),),
        "logistic regression": (
            logistic_regression(),
            logistic_regression(c=0.0005),
            logistic_regression(c=0.0005, transform="ranks"),
        ),
        "random forest": (random_forest(), random_forest(min_samples_leaf=60)),
        "lightgbm": (lightgbm(), lightgbm(num_leaves=8), lightgbm(min_child_samples=80)),
    }
