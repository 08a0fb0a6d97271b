"""The models compared, from the simplest to the one that is served."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import TargetEncoder

from scoring.errors import ScoringError
from scoring.evaluation.bootstrap import standing_for
from scoring.modelling.examples import Matrix, TrainingError
from scoring.modelling.resampling import Resampling, sampler
from scoring.modelling.selection import best_columns
from scoring.serving.families import families
from scoring.serving.families.base import Feature, Floats, Labels, Model

# Served unless another family is cheaper beyond chance.
DEFAULT_FAMILY = "sum"
# The most that an applicant weighs in a fit; of 1, 3, 5, 8, 15 and 50, 3 ranked everybody best.
MOST_WEIGHT = 3.0
# Rows that are scored at a time.
_ROWS = 20_000


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
        Of a family, how many features are kept, the best ones of the training rows; None for all.
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

    def build(features: Sequence[Feature], seed: int) -> ClassifierMixin:
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


class FamilyClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A family that can be served, as a classifier of scikit-learn.

    Parameters
    ----------
    family : type of Model
        What is fitted.
    parameters : mapping
        All of those that its `defaults` names.
    features : sequence of Feature
        The columns of the matrix that it is fitted on.
    kept : int or None
        How many of them are kept, the best ones of the training rows; None for all.
    class_weight : "balanced" or None
        Whether both outcomes get the same total weight.
    seed : int
        Of everything random.

    Attributes
    ----------
    columns_ : numpy.ndarray of shape (features kept,)
        Positions of the columns that the model reads: those with a value in some training row.
    model_ : Model
        The fitted model of these columns.
    """

    def __init__(
        self,
        family: type[Model],
        parameters: Mapping[str, Any],
        features: Sequence[Feature],
        kept: int | None = None,
        class_weight: str | None = None,
        seed: int = 0,
    ) -> None:
        self.family = family
        self.parameters = parameters
        self.features = features
        self.kept = kept
        self.class_weight = class_weight
        self.seed = seed

    def fit(self, matrix: Matrix, target: Labels, sample_weight: Floats | None = None) -> Self:
        """Choose the columns and fit the model on encoded rows with their outcomes."""
        self.classes_ = np.array([0, 1])
        self.columns_ = best_columns(self.features, matrix, target, self.kept, self.seed)
        weights = sample_weight
        if self.class_weight is not None:
            rate = float(np.average(target, weights=sample_weight))
            balance = np.where(target == 1, 0.5 / rate, 0.5 / (1 - rate))
            weights = balance * standing_for(sample_weight, target.size)
        features = [self.features[i] for i in self.columns_]
        # Mostly every column is kept, and a copy would be as large again.
        own = matrix if len(features) == matrix.shape[1] else matrix[:, self.columns_]
        self.model_ = self.family.fit(features, own, target, weights, self.parameters, self.seed)
        _give_memory_back()
        return self

    def parts(self, matrix: Matrix) -> Floats:
        """Return the parts of the log-odds of default, of shape (applicants, parts)."""
        return self.model_.parts(matrix[:, self.columns_].astype(np.float64))

    def predict_proba(self, matrix: Matrix) -> Floats:
        """Return the probabilities of either outcome, the parts of a sum counting alike."""
        pds = 1.0 / (1.0 + np.exp(-self.parts(matrix).mean(axis=1)))
        return np.column_stack([1.0 - pds, pds])

    def predict(self, matrix: Matrix) -> Labels:
        """Return the likelier outcome, which is seldom a default: costs are what decides."""
        return (self.predict_proba(matrix)[:, 1] > 0.5).astype(np.int8)


def _give_memory_back() -> None:
    """Give what was freed back to the system, where the C library can be asked to (glibc).

    LightGBM frees the rows that it has made bins of in small pieces: 0.4 GB of 200,000 applicants,
    which would stay with each thread.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def estimator(candidate: Candidate, features: Sequence[Feature], seed: int) -> Pipeline:
    """Build a candidate's pipeline, not fitted: a remedy for imbalance, then the model.

    It takes the encoded matrix of these features. The remedy is applied to training rows only.

    Raises
    ------
    ScoringError
        If the candidate has neither a family nor a classifier.
    """
    if candidate.family is not None:
        model = FamilyClassifier(
            candidate.family, candidate.parameters, features, candidate.kept, seed=seed
        )
    elif candidate.build is not None:
        model = candidate.build(features, seed)
    else:
        raise ScoringError(f"the candidate {candidate.name} has neither family nor classifier")
    if candidate.resampling == "class weights":
        weighted = [name for name in model.get_params() if name.endswith("class_weight")]
        model.set_params(**dict.fromkeys(weighted, "balanced"))
    return Pipeline([("balance", sampler(candidate.resampling, features, seed)), ("model", model)])


def weighing(candidate: Candidate, sample_weight: Floats | None) -> dict[str, Floats]:
    """What the fit of a candidate's pipeline takes besides, for rows that stand for so many each.

    Weights are cut to `MOST_WEIGHT` (Ionides, "Truncated importance sampling", 2008): a few of 50
    would be learnt by heart. The bias that is left is mostly one of the level.

    Raises
    ------
    TrainingError
        If there are weights, and the candidate changes the training rows or is of no family.
    """
    if sample_weight is None:
        return {}
    if candidate.family is None or candidate.resampling in ("under-sampling", "SMOTE"):
        raise TrainingError(
            f"the candidate {candidate.name} ({candidate.resampling}) takes no weights, which "
            "explored loans have: train a champion of a family, on the rows as they are"
        )
    return {"model__sample_weight": np.minimum(sample_weight, MOST_WEIGHT)}


def parts_of(fitted: Pipeline, matrix: Matrix) -> Floats:
    """The parts of the log-odds of default that a fitted candidate gives to encoded rows."""
    model = fitted.named_steps["model"]
    own = isinstance(model, FamilyClassifier)
    # Some at a time, since log-odds are computed from twice as large a copy.
    blocks = (matrix[start : start + _ROWS] for start in range(0, len(matrix), _ROWS))
    return np.concatenate(
        [
            model.parts(rows) if own else log_odds(model.predict_proba(rows)[:, 1:])
            for rows in blocks
        ]
    )


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
