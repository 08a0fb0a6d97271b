"""A sum of models of other families: their log-odds are added, and so are their contributions.

How much each counts is learnt from scores of training rows by models that had not seen them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from scoring.serving.families.base import Explanations, Feature, Floats, Labels, Model, Parameters
from scoring.serving.families.linear import LinearModel
from scoring.serving.families.trees import BoostedTrees
from scoring.serving.strict_json import bounded, read_json, write_json

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_FILE = "sum.json"
_MEMBERS: Mapping[str, type[Model]] = {each.name: each for each in (LinearModel, BoostedTrees)}
_MOST = 1e3


def _prefixed(name: str, parameters: Parameters) -> dict[str, Any]:
    return {f"{name}.{key}": value for key, value in parameters.items()}


@dataclass(frozen=True)
class SumModel(Model):
    """A weighted sum of a linear model and boosted trees.

    Attributes
    ----------
    features : tuple of Feature
        What all members read.
    intercept : float
        What is added to the weighted scores.
    members : tuple of Model
        One of each family.
    weights : tuple of float
        Theirs.
    """

    name: ClassVar[str] = "sum"
    file_names: ClassVar[frozenset[str]] = frozenset({_FILE})
    # The members' own defaults, and the folds of training rows that the weights are learnt from.
    defaults: ClassVar[Parameters] = {
        **_prefixed("linear", LinearModel.defaults),
        **_prefixed("trees", BoostedTrees.defaults),
        "folds": 3,
    }

    features: tuple[Feature, ...]
    intercept: float
    members: tuple[Model, ...]
    weights: tuple[float, ...]

    def raw_scores(self, matrix: Floats) -> Floats:
        scores = np.full(len(matrix), self.intercept)
        for weight, member in zip(self.weights, self.members, strict=True):
            scores += weight * member.raw_scores(matrix)
        return scores

    def contributions(self, matrix: Floats) -> Explanations:
        values, base = np.zeros(matrix.shape), self.intercept
        for weight, member in zip(self.weights, self.members, strict=True):
            own = member.contributions(matrix)
            values += weight * own.contributions
            base += weight * own.base
        return Explanations(values, base)

    def gains(self) -> Floats:
        total = np.zeros(len(self.features))
        for weight, member in zip(self.weights, self.members, strict=True):
            total += weight * member.gains()
        return total / total.sum() if total.any() else total

    def files(self) -> dict[str, bytes]:
        pairs = zip(self.members, self.weights, strict=True)
        weights = {member.name: weight for member, weight in pairs}
        own = {_FILE: write_json({"intercept": self.intercept, "weights": weights})}
        for member in self.members:
            own |= member.files()
        return own

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], features: tuple[Feature, ...]) -> SumModel:
        value = read_json(files[_FILE])
        if not isinstance(value, dict) or value.keys() != {"intercept", "weights"}:
            raise ValueError(f"{_FILE} does not hold intercept and weights")
        if value["weights"].keys() != _MEMBERS.keys():
            raise ValueError(f"{_FILE} is a sum of others than {' and '.join(_MEMBERS)}")
        weights = tuple(bounded(name, value["weights"][name], 0.0, _MOST) for name in _MEMBERS)
        intercept = bounded("intercept", value["intercept"], -_MOST, _MOST)
        members = tuple(each.from_files(files, features) for each in _MEMBERS.values())
        return cls(features, intercept, members, weights)

    @classmethod
    def fit(
        cls,
        features: Sequence[Feature],
        matrix: npt.NDArray[np.float32],
        target: Labels,
        weights: Floats | None,
        parameters: Parameters,
        seed: int,
    ) -> SumModel:
        from sklearn.model_selection import StratifiedKFold

        def fitted(rows: npt.NDArray[np.intp] | slice) -> tuple[Model, ...]:
            weighed = None if weights is None else weights[rows]
            return tuple(
                family.fit(
                    features, matrix[rows], target[rows], weighed, _own(parameters, name), seed
                )
                for name, family in _MEMBERS.items()
            )

        unseen = np.empty((target.size, len(_MEMBERS)))
        folds = StratifiedKFold(parameters["folds"], shuffle=True, random_state=seed)
        for inside, out in folds.split(matrix, target):
            rows = matrix[out].astype(np.float64)
            unseen[out] = np.column_stack([each.raw_scores(rows) for each in fitted(inside)])
        counts, intercept = _weights(unseen, target, weights)
        return cls(tuple(features), intercept, fitted(slice(None)), counts)

    @classmethod
    def proposed(cls, trial: BaseTrial) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        for name, family in _MEMBERS.items():
            changes |= _prefixed(name, family.proposed(trial))
        return changes


def _own(parameters: Parameters, name: str) -> dict[str, Any]:
    """A member's parameters."""
    start = f"{name}."
    return {
        key.removeprefix(start): value for key, value in parameters.items() if key.startswith(start)
    }


def _weights(
    scores: Floats, target: Labels, weights: Floats | None
) -> tuple[tuple[float, ...], float]:
    """How much each member's score counts, never less than nothing, and the intercept."""
    from sklearn.linear_model import LogisticRegression

    kept = np.ones(scores.shape[1], dtype=np.bool_)
    while True:
        model = LogisticRegression(C=np.inf).fit(scores[:, kept], target, sample_weight=weights)
        counts = np.zeros(kept.size)
        counts[kept] = model.coef_[0]
        if (counts >= 0.0).all() or kept.sum() == 1:
            return tuple(np.maximum(counts, 0.0).tolist()), float(model.intercept_[0])
        kept &= counts > 0.0
