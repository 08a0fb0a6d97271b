"""The models compared, from the simplest to the one that is served."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import TargetEncoder

from scoring.errors import ScoringError
from scoring.modelling.examples import Matrix
from scoring.modelling.resampling import Resampling, resample
from scoring.serving.families import families
from scoring.serving.families.base import Feature, Floats, Labels, Model

# Served unless another family is clearly better.
DEFAULT_FAMILY = "sum"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a model is made by: its name in tables and runs, and parameters that distinguish it.

    Attributes
    ----------
    family : type of Model, optional
        What it is served as, and fitted by; None for what is only compared with.
    build : callable of (features, seed) to classifier, optional
        Without a family: makes an unfitted classifier for the encoded matrix of these features,
        numbers as they are, category codes as floats, NaN for missing.
    resampling : Resampling
        What is done about imbalance, to the training rows.
    kept : int or None
        How many features are kept, the best ones of the training rows; None for all.
    """

    name: str
    parameters: Mapping[str, Any]
    family: type[Model] | None = None
    build: Callable[[Sequence[Feature], int], ClassifierMixin] | None = None
    resampling: Resampling = "none"
    kept: int | None = None

    @classmethod
    def of(cls, family: str, **changes: Any) -> Candidate:
        """The default recipe of a family that can be served, but for some parameters.

        Raises
        ------
        ScoringError
            If there is no such family, or no such parameter of it.
        """
        if family not in families():
            raise ScoringError(f"no family is called {family!r}: any of {', '.join(families())}")
        own = families()[family]
        if strange := changes.keys() - own.defaults.keys():
            raise ScoringError(f"the family {family} has no parameter {min(strange)!r}")
        return cls(family, {**own.defaults, **changes}, own)


def dummy() -> Candidate:
    """Gives everyone the default rate of the training rows."""
    return Candidate("dummy", {}, build=lambda _features, _seed: DummyClassifier(strategy="prior"))


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
                ("numbers", SimpleImputer(strategy="median", keep_empty_features=True), numbers),
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

    return Candidate("random forest", {"min_samples_leaf": min_samples_leaf}, build=build)


class Fitted(Protocol):
    """A fitted candidate."""

    def parts(self, matrix: Floats) -> Floats:
        """Parts of the log-odds of default of encoded rows, of shape (applicants, parts)."""


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier of scikit-learn, for comparison only."""

    model: ClassifierMixin

    def parts(self, matrix: Floats) -> Floats:
        """Log-odds of default of encoded rows, of shape (applicants, 1)."""
        # In the 32 bits that it was fitted on, which hold features exactly.
        return log_odds(self.model.predict_proba(matrix.astype(np.float32))[:, 1:])


def fit(
    candidate: Candidate, features: Sequence[Feature], matrix: Matrix, target: Labels, seed: int
) -> Fitted:
    """Fit a candidate on an encoded matrix of shape (applicants, features)."""
    rows, labels, weights = resample(candidate.resampling, features, matrix, target, seed)
    if candidate.family is not None:
        return candidate.family.fit(features, rows, labels, weights, candidate.parameters, seed)
    if candidate.build is None:
        raise ScoringError(f"the candidate {candidate.name} has neither family nor classifier")
    model = candidate.build(features, seed)
    if weights is None:
        return Classifier(model.fit(rows, labels))
    last = model.steps[-1][0] if isinstance(model, Pipeline) else None
    name = f"{last}__sample_weight" if last else "sample_weight"
    return Classifier(model.fit(rows, labels, **{name: weights}))


def log_odds(pds: npt.ArrayLike) -> Floats:
    """Logit, kept finite."""
    inside = np.clip(np.asarray(pds, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.log(inside) - np.log1p(-inside)


def first_values() -> dict[str, tuple[Candidate, ...]]:
    """The few values of each family that are tried first, its standard one in front."""
    return {
        "dummy": (dummy(),),
        "random forest": (random_forest(), random_forest(min_samples_leaf=60)),
        **{
            name: (Candidate.of(name), *(Candidate.of(name, **each) for each in own.first_values))
            for name, own in families().items()
        },
    }
