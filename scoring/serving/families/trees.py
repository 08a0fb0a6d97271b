"""Gradient-boosted trees, read from LightGBM's text format; their reasons are exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from scoring.serving.booster import Booster
from scoring.serving.families.base import Explanations, Feature, Floats, Labels, Model, Parameters
from scoring.serving.shapley import Shapley

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_FILE = "model.txt"


@dataclass(frozen=True)
class BoostedTrees(Model):
    """Trees that LightGBM grew, in its own text format, scored by its C library."""

    name: ClassVar[str] = "trees"
    file_names: ClassVar[frozenset[str]] = frozenset({_FILE})
    # Few leaves, few columns a tree and strong regularisation suit a few thousand defaults; depth
    # is bounded because the tables of exact contributions double with each level.
    defaults: ClassVar[Parameters] = {
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
        # Whether a feature's known direction binds the trees.
        "directed": True,
    }
    first_values: ClassVar[tuple[Parameters, ...]] = ({"num_leaves": 8}, {"min_child_samples": 80})

    features: tuple[Feature, ...]
    text: str = field(repr=False)
    _booster: Booster = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_booster", Booster(self.text))

    @cached_property
    def _shapley(self) -> Shapley:
        return Shapley(self._booster.trees)

    def raw_scores(self, matrix: Floats) -> Floats:
        return self._booster.raw_scores(matrix)

    def contributions(self, matrix: Floats) -> Explanations:
        return Explanations(self._shapley.values(matrix), self._shapley.expected_score)

    def gains(self) -> Floats:
        splits = self._booster.trees.splits
        total = np.bincount(splits.feature, splits.gain, minlength=len(self.features))
        return total / total.sum() if total.any() else total.astype(np.float64)

    def files(self) -> dict[str, bytes]:
        return {_FILE: self.text.encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], features: tuple[Feature, ...]) -> BoostedTrees:
        return cls(features, files[_FILE].decode())

    @classmethod
    def fit(
        cls,
        features: Sequence[Feature],
        matrix: npt.NDArray[np.float32],
        target: Labels,
        weights: Floats | None,
        parameters: Parameters,
        seed: int,
    ) -> BoostedTrees:
        from lightgbm import LGBMClassifier

        from scoring.features.directions import DIRECTIONS

        of_lightgbm = {key: value for key, value in parameters.items() if key != "directed"}
        directed = parameters.get("directed", False)
        directions = [directed * DIRECTIONS.get(feature.name, 0) for feature in features]
        model = LGBMClassifier(
            **of_lightgbm,
            monotone_constraints=directions if any(directions) else None,
            random_state=seed,
            deterministic=True,
            # With a tenth of the columns a tree, one thread is as fast as two on an idle machine
            # and many times as fast on a busy one, where OpenMP's threads wait for each other.
            force_col_wise=True,
            n_jobs=1,
            verbosity=-1,
        )
        model.fit(
            matrix,
            target,
            sample_weight=weights,
            categorical_feature=[i for i, feature in enumerate(features) if feature.levels],
            feature_name=[feature.name for feature in features],
        )
        return cls(tuple(features), model.booster_.model_to_string())

    @classmethod
    def proposed(cls, trial: BaseTrial) -> dict[str, Any]:
        number = trial.suggest_int("n_estimators", 200, 700, step=50)
        # The learning rate follows from the number of trees: their product is what counts.
        product = cls.defaults["learning_rate"] * cls.defaults["n_estimators"]
        return {
            "n_estimators": number,
            "learning_rate": product / number,
            "num_leaves": trial.suggest_int("num_leaves", 6, 24),
            "max_depth": trial.suggest_int("max_depth", 3, 6),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.05, 0.4, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "min_child_samples": trial.suggest_int("min_child_samples", 20, 150, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 3.0, 100.0, log=True),
        }
