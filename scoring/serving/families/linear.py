"""A linear model: logistic regression on logarithms of numbers and on levels of categories.

It is additive, so that what a feature adds to the score is its coefficient times the distance of
the applicant's value from the mean of the training rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

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
from scoring.serving.strict_json import bounded, read_json, write_json

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_FILE = "linear.json"
# Beyond it a file's numbers would make sums overflow, or drown all others in them.
_FURTHEST = 1e6
# Columns that a fit computes at once: bounds the memory of what is only on the way.
_AT_ONCE = 16
_KEYS = {"intercept", "clip", "numbers", "categories"}

Mask = npt.NDArray[np.bool_]


class Number(NamedTuple):
    """How a number counts: its logarithm is standardised, clipped and taken times a coefficient.

    Center and scale are those of the training rows' logarithms; the mean is of what comes of them,
    a missing number being 0; the coefficient is in log-odds of default.
    """

    center: float
    scale: float
    mean: float
    coefficient: float


class Category(NamedTuple):
    """What each level of a category adds, and a missing one; a level never seen adds nothing."""

    levels: Mapping[str, float]
    missing: float


class _Codes(NamedTuple):
    """Where each category is, how many levels it has, and where its own begin in what is added."""

    places: npt.NDArray[np.intp]
    levels: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    added: Floats


@dataclass
class _Design:
    """What a regression is fitted on: a column a number and a level, with the mean of each.

    Center and scale are of the numbers' logarithms.
    """

    columns: Floats
    means: Floats
    center: Floats
    scale: Floats


@dataclass(frozen=True)
class LinearModel(Model):
    """A linear model; the intercept is the mean score of the training rows, in log-odds.

    A number may count up to `clip` standard deviations from the mean.
    """

    name: ClassVar[str] = "linear"
    file_names: ClassVar[frozenset[str]] = frozenset({_FILE})
    # Strong regularisation suits hundreds of features that say much the same.
    defaults: ClassVar[Parameters] = {"C": 0.003, "clip": 5.0, "directed": True}
    first_values: ClassVar[tuple[Parameters, ...]] = ({"C": 0.001}, {"C": 0.008})

    features: tuple[Feature, ...]
    intercept: float
    clip: float
    numbers: Mapping[str, Number]
    categories: Mapping[str, Category]

    def raw_scores(self, matrix: Floats) -> Floats:
        return self.explained(matrix).scores

    def explained(self, matrix: Floats) -> Explained:
        values, base = explanations = self.contributions(matrix)
        return Explained(values.sum(axis=1) + base, explanations)

    def contributions(self, matrix: Floats) -> Explanations:
        values = np.empty(matrix.shape)
        places, table = self._table
        if places.size:
            standard = _standardised(matrix[:, places], table[0], table[1], self.clip)
            values[:, places] = (standard - table[2]) * table[3]
        own = self._codes
        codes = matrix[:, own.places]
        known = (codes >= 0) & (codes < own.levels)
        values[:, own.places] = own.added[
            own.starts + np.where(known, codes, own.levels).astype(int)
        ]
        return Explanations(values, self.intercept)

    @cached_property
    def _table(self) -> tuple[npt.NDArray[np.intp], Floats]:
        """Where the numbers are, and how they count: a row for each field of `Number`."""
        places = [i for i, feature in enumerate(self.features) if not feature.levels]
        rows = [self.numbers[self.features[i].name] for i in places]
        return np.array(places, dtype=np.intp), np.array(rows).reshape(-1, 4).T.copy()

    @cached_property
    def _codes(self) -> _Codes:
        """What `_added` says, in one table."""
        levels = np.array([added.size - 1 for _, added in self._added], np.intp)
        return _Codes(
            places=np.array([place for place, _ in self._added], np.intp),
            levels=levels,
            starts=np.cumsum(levels + 1) - levels - 1,
            added=np.concatenate([added for _, added in self._added] or [np.empty(0)]),
        )

    @cached_property
    def _added(self) -> list[tuple[int, Floats]]:
        """Where each category is, and what its codes add; the last is for a missing one."""
        return [
            (i, np.array([*(own.levels.get(level, 0.0) for level in feature.levels), own.missing]))
            for i, feature in enumerate(self.features)
            if feature.levels
            for own in (self.categories[feature.name],)
        ]

    def gains(self) -> Floats:
        total = np.zeros(len(self.features))
        places, table = self._table
        total[places] = np.abs(table[3])
        for place, added in self._added:
            total[place] = added.std()
        return total / total.sum() if total.any() else total

    def files(self) -> dict[str, bytes]:
        value = {
            "intercept": self.intercept,
            "clip": self.clip,
            "numbers": {name: number._asdict() for name, number in self.numbers.items()},
            "categories": {name: own._asdict() for name, own in self.categories.items()},
        }
        return {_FILE: write_json(value)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], features: tuple[Feature, ...]) -> LinearModel:
        value = read_json(files[_FILE])
        if not isinstance(value, dict) or value.keys() != _KEYS:
            raise ValueError(f"{_FILE} does not hold {', '.join(sorted(_KEYS))}")
        own = {feature.name: feature.levels for feature in features}
        numbers = {name: _number(name, each) for name, each in value["numbers"].items()}
        categories = {
            name: _category(name, each, own.get(name, ()))
            for name, each in value["categories"].items()
        }
        if {name for name, levels in own.items() if levels} != categories.keys() or {
            name for name, levels in own.items() if not levels
        } != numbers.keys():
            raise ValueError(f"{_FILE} is of other features than the model")
        intercept = _bounded("intercept", value["intercept"])
        clip = _bounded("clip", value["clip"], 0.0)
        return cls(features, intercept, clip, numbers, categories)

    @classmethod
    def fit(
        cls,
        features: Sequence[Feature],
        matrix: npt.NDArray[np.float32],
        target: Labels,
        weights: Floats | None,
        parameters: Parameters,
        seed: int,
    ) -> LinearModel:
        from threadpoolctl import threadpool_limits

        del seed  # nothing is random
        clip = float(parameters["clip"])
        numbers = [feature for feature in features if not feature.levels]
        design = _design(features, matrix, clip)
        center, scale, means = design.center, design.scale, design.means
        signs = np.zeros(means.size)
        signs[: len(numbers)] = _signs(numbers, parameters["directed"])
        # The same bits whatever the number of threads.
        with threadpool_limits(1):
            coefficients, intercept = _regression(design, target, weights, signs, parameters["C"])
        fitted = np.column_stack([center, scale, means[: len(numbers)]])
        return cls(
            tuple(features),
            intercept + float((coefficients * means).sum()),
            clip,
            {
                feature.name: Number._make(map(float, (*row, coefficient)))
                for feature, row, coefficient in zip(numbers, fitted, coefficients, strict=False)
            },
            _categories(features, coefficients[len(numbers) :], means[len(numbers) :]),
        )

    @classmethod
    def proposed(cls, trial: BaseTrial) -> dict[str, Any]:
        return {"C": trial.suggest_float("C", 0.0003, 0.03, log=True)}


def _logarithms(values: Floats) -> Floats:
    """Logarithms to base 2 of 1 + |value|, with the value's sign, straight between powers of 2.

    Of what IEEE 754 defines to the last bit: a logarithm proper differs between processors, and a
    decision has to be the same wherever it is computed again.
    """
    fraction, exponent = np.frexp(1.0 + np.abs(values))
    return np.copysign(exponent - 2.0 + 2.0 * fraction, values)


def _standardised(values: Floats, center: Floats, scale: Floats, clip: float) -> Floats:
    """Logarithms in standard deviations from their mean, 0 where nothing is known."""
    standard = np.clip((_logarithms(values) - center) / scale, -clip, clip)
    return np.where(np.isnan(standard), 0.0, standard)


def _moments(values: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each column's known values; 0 and 1 where there is none."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    center = np.where(known, values, 0.0).sum(axis=0) / count
    scale = np.sqrt((np.where(known, values - center, 0.0) ** 2).sum(axis=0) / count)
    return center, np.where(scale > 0.0, scale, 1.0)


def _design(features: Sequence[Feature], matrix: npt.NDArray[np.float32], clip: float) -> _Design:
    """Make the columns in the place where they stay: copies of all of them would be gigabytes."""
    numbers = [i for i, feature in enumerate(features) if not feature.levels]
    categories = [(i, len(feature.levels)) for i, feature in enumerate(features) if feature.levels]
    width = len(numbers) + sum(levels + 1 for _, levels in categories)
    columns, start = np.empty((len(matrix), width)), len(numbers)
    center, scale = np.empty(start), np.empty(start)
    for first in range(0, len(numbers), _AT_ONCE):
        own = slice(first, min(first + _AT_ONCE, len(numbers)))
        # Column after column, as sums are then the same whatever is computed at once.
        values = np.asfortranarray(matrix[:, numbers[own]], dtype=np.float64)
        center[own], scale[own] = _moments(_logarithms(values))
        columns[:, own] = _standardised(values, center[own], scale[own], clip)
    for i, levels in categories:
        columns[:, start : start + levels + 1] = _indicators(matrix[:, i], levels)
        start += levels + 1
    return _Design(columns, columns.mean(axis=0), center, scale)


def _indicators(codes: npt.NDArray[np.float32], levels: int) -> Floats:
    """One column a level and one for a missing category."""
    filled = np.where(np.isnan(codes), levels, codes).astype(np.intp)
    return np.eye(levels + 1)[filled]


def _signs(features: Sequence[Feature], directed: bool) -> Floats:
    from scoring.features.directions import DIRECTIONS

    return np.array([directed * DIRECTIONS.get(feature.name, 0) for feature in features])


def _regression(
    design: _Design, target: Labels, weights: Floats | None, signs: Floats, c: float
) -> tuple[Floats, float]:
    """Coefficients and intercept; a column whose coefficient has the wrong sign is left out.

    It is left out of the design too, of which a copy would be as large again.
    """
    from sklearn.linear_model import LogisticRegression

    coefficients, kept = np.zeros(signs.size), np.arange(signs.size)
    while True:
        model = LogisticRegression(C=c, solver="newton-cholesky", max_iter=100)
        model.fit(design.columns, target, sample_weight=weights)
        right = model.coef_[0] * signs[kept] >= 0.0
        if right.all():
            coefficients[kept] = model.coef_[0]
            return coefficients, float(model.intercept_[0])
        kept, design.columns = kept[right], design.columns.compress(right, axis=1)


def _categories(
    features: Sequence[Feature], coefficients: Floats, means: Floats
) -> dict[str, Category]:
    """What the levels of each category add beyond the mean of the training rows."""
    result, start = {}, 0
    for feature in features:
        if not feature.levels:
            continue
        own = slice(start, start + len(feature.levels) + 1)
        start = own.stop
        added = coefficients[own] - float((coefficients[own] * means[own]).sum())
        # What no training row had has learnt nothing.
        *levels, missing = np.where(means[own] > 0.0, added, 0.0).tolist()
        result[feature.name] = Category(dict(zip(feature.levels, levels, strict=True)), missing)
    return result


def _bounded(what: str, value: object, low: float = -_FURTHEST) -> float:
    return bounded(f"{_FILE}: {what}", value, low, _FURTHEST)


def _number(name: str, value: Mapping[str, object]) -> Number:
    numbers = {each: _bounded(f"{each} of {name}", value[each]) for each in Number._fields}
    if value.keys() != numbers.keys() or not numbers["scale"] > 0.0:
        raise ValueError(f"{_FILE}: {name} has a scale that is none, or something more")
    return Number(**numbers)


def _category(name: str, value: Mapping[str, Any], levels: tuple[str, ...]) -> Category:
    added = {level: _bounded(f"{level} of {name}", each) for level, each in value["levels"].items()}
    if tuple(sorted(levels)) != tuple(sorted(added)) or value.keys() != set(Category._fields):
        raise ValueError(f"{_FILE}: {name} has other levels than the model")
    return Category(added, _bounded(f"missing of {name}", value["missing"]))
