"""A sum of models of other families: their log-odds are added, and so are their contributions.

How much each counts is learnt with the calibration: from scores of applicants whom the models had
not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from scoring.serving.families.base import (
    Explained,
    Explanations,
    Feature,
    Floats,
    Labels,
    Model,
    Parameters,
)
from scoring.serving.families.linear import LinearModel
from scoring.serving.families.trees import BoostedTrees
from scoring.serving.strict_json import bounded, read_json, write_json

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_FILE = "sum.json"
_MEMBERS: Mapping[str, type[Model]] = {each.name: each for each in (LinearModel, BoostedTrees)}
# Shares of the linear model that are tried.
_TENTHS = np.linspace(0.0, 1.0, 11)


def _prefixed(name: str, parameters: Parameters) -> dict[str, Any]:
    return {f"{name}.{key}": value for key, value in parameters.items()}


@dataclass(frozen=True)
class SumModel(Model):
    """A weighted sum of a linear model and boosted trees, which read the same features."""

    name: ClassVar[str] = "sum"
    file_names: ClassVar[frozenset[str]] = frozenset({_FILE})
    defaults: ClassVar[Parameters] = {
        **_prefixed("linear", LinearModel.defaults),
        **_prefixed("trees", BoostedTrees.defaults),
    }

    features: tuple[Feature, ...]
    members: tuple[Model, ...]
    weights: tuple[float, ...]

    def raw_scores(self, matrix: Floats) -> Floats:
        scores = np.zeros(len(matrix))
        for weight, member in zip(self.weights, self.members, strict=True):
            scores += weight * member.raw_scores(matrix)
        return scores

    def parts(self, matrix: Floats) -> Floats:
        return np.column_stack([member.raw_scores(matrix) for member in self.members])

    @classmethod
    def weights_of(
        cls, parts: Floats, target: Labels, sample_weight: Floats | None = None
    ) -> Floats:
        """The shares, in tenths, of the sum that says most about the outcomes once calibrated.

        None is below nothing, so that the sum heeds the directions of its members.
        """
        shares = np.column_stack([_TENTHS, 1.0 - _TENTHS])
        losses = [_loss(parts @ share, target, sample_weight) for share in shares]
        weights: Floats = shares[int(np.argmin(losses))]
        return weights

    def weighted(self, weights: Floats) -> SumModel:
        return replace(self, weights=tuple(weights.tolist()))

    def contributions(self, matrix: Floats) -> Explanations:
        return self.explained(matrix).explanations

    def explained(self, matrix: Floats) -> Explained:
        scores, values, base = np.zeros(len(matrix)), np.zeros(matrix.shape), 0.0
        for weight, member in zip(self.weights, self.members, strict=True):
            own, explanations = member.explained(matrix)
            scores += weight * own
            values += weight * explanations.contributions
            base += weight * explanations.base
        return Explained(scores, Explanations(values, base))

    def gains(self) -> Floats:
        total = np.zeros(len(self.features))
        for weight, member in zip(self.weights, self.members, strict=True):
            total += weight * member.gains()
        return total / total.sum() if total.any() else total

    def files(self) -> dict[str, bytes]:
        pairs = zip(self.members, self.weights, strict=True)
        own = {_FILE: write_json({member.name: weight for member, weight in pairs})}
        for member in self.members:
            own |= member.files()
        return own

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], features: tuple[Feature, ...]) -> SumModel:
        value = read_json(files[_FILE])
        if not isinstance(value, dict) or value.keys() != _MEMBERS.keys():
            raise ValueError(f"{_FILE} does not hold the weights of {' and '.join(_MEMBERS)}")
        weights = tuple(bounded(name, value[name], 0.0, 1.0) for name in _MEMBERS)
        members = tuple(each.from_files(files, features) for each in _MEMBERS.values())
        return cls(features, members, weights)

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
        members = tuple(
            family.fit(features, matrix, target, weights, _own(parameters, name), seed)
            for name, family in _MEMBERS.items()
        )
        return cls(tuple(features), members, (1.0 / len(members),) * len(members))

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


def _loss(scores: Floats, target: Labels, sample_weight: Floats | None) -> float:
    """The log loss of scores after Platt scaling."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    column = scores[:, np.newaxis]
    model = LogisticRegression(C=np.inf).fit(column, target, sample_weight)
    pds = model.predict_proba(column)[:, 1]
    return float(log_loss(target, pds, sample_weight=sample_weight))
