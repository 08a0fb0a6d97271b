"""Cross-validation, calibration and the fit of the model that is served."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split

from scoring.business import Costs, best_cutoff, business_cost
from scoring.candidates import Candidate, fit
from scoring.errors import ScoringError
from scoring.features import PROTECTED
from scoring.scorer import Calibration, Feature, Scorer, encode

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
Progress = Callable[[str, int, int], None]


class TrainingError(ScoringError):
    """There is not enough to train on."""


@dataclass(frozen=True)
class Examples:
    """Applicants with a known outcome, encoded for the models.

    Attributes
    ----------
    frame : polars.DataFrame
        SK_ID_CURR and features, as `build_features` gives them.
    target : numpy.ndarray of shape (applicants,)
        1 for a default, 0 else.
    features : tuple of Feature
        Which columns a model may use.
    """

    frame: pl.DataFrame
    target: Labels
    features: tuple[Feature, ...]

    @classmethod
    def of(
        cls, frame: pl.DataFrame, targets: pl.DataFrame, use_protected: bool = False
    ) -> Examples:
        """Join features with outcomes and choose the columns that a model may use.

        Parameters
        ----------
        frame : polars.DataFrame
            Features by SK_ID_CURR.
        targets : polars.DataFrame
            SK_ID_CURR and TARGET; applicants without an outcome are left out.
        use_protected : bool
            Whether sex, age and family status may be used.

        Raises
        ------
        TrainingError
            If fewer than ten applicants of either outcome remain.
        """
        known = targets.select("SK_ID_CURR", "TARGET").drop_nulls("TARGET")
        joined = frame.join(known, on="SK_ID_CURR", how="inner", maintain_order="left")
        target = joined["TARGET"].to_numpy().astype(np.int8)
        fewest = min(int(target.sum()), int((target == 0).sum()))
        if fewest < 10:
            raise TrainingError(
                f"only {fewest} applicants of the rarer outcome among {target.size}: training "
                "needs at least 10"
            )
        columns = joined.drop("SK_ID_CURR", "TARGET")
        features = tuple(
            Feature.of(name, dtype)
            for name, dtype in columns.schema.items()
            if use_protected or name not in PROTECTED
        )
        return cls(joined.drop("TARGET"), target, features)

    @cached_property
    def matrix(self) -> Floats:
        return encode(self.frame, self.features)

    def take(self, rows: npt.NDArray[np.intp]) -> Examples:
        """Some of the applicants, by position."""
        return Examples(self.frame[rows], self.target[rows], self.features)

    def split(self, share: float, seed: int) -> tuple[Examples, Examples]:
        """Split at random, with equal default rates, into (rest, share)."""
        rows = np.arange(self.target.size)
        rest, part = train_test_split(
            rows, test_size=share, stratify=self.target, random_state=seed
        )
        return self.take(np.sort(rest)), self.take(np.sort(part))


@dataclass(frozen=True)
class Validation:
    """A candidate's cross-validation.

    Attributes
    ----------
    candidate : Candidate
        What was validated.
    scores : numpy.ndarray of shape (applicants,)
        Log-odds of default, each from a model that has not seen the applicant.
    fold : numpy.ndarray of shape (applicants,)
        In which fold each applicant was left out.
    target : numpy.ndarray of shape (applicants,)
        The outcomes.
    costs : Costs
        What mistakes cost.
    train_auc, fit_seconds, predict_seconds : list of float
        One value a fold.
    """

    candidate: Candidate
    scores: Floats
    fold: npt.NDArray[np.int64]
    target: Labels
    costs: Costs
    train_auc: list[float] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    predict_seconds: list[float] = field(default_factory=list)

    @cached_property
    def pds(self) -> Floats:
        """Calibrated PDs; each fold's calibration is fitted on the other folds."""
        result = np.empty_like(self.scores)
        for out in self._folds():
            result[out] = calibrate(self.scores[~out], self.target[~out]).probability(
                self.scores[out]
            )
        return result

    @cached_property
    def fold_auc(self) -> list[float]:
        return [float(roc_auc_score(self.target[out], self.scores[out])) for out in self._folds()]

    @cached_property
    def tuned_cost(self) -> float:
        """Business cost when each fold's cut-off is the best one of the other folds."""
        total = 0.0
        for out in self._folds():
            cutoff = best_cutoff(self.target[~out], self.pds[~out], self.costs)
            total += business_cost(self.target[out], self.pds[out], cutoff, self.costs) * out.sum()
        return float(total / self.target.size)

    @property
    def metrics(self) -> dict[str, float]:
        """The figures by which candidates are compared, all on applicants not seen in training."""
        return {
            "auc": float(roc_auc_score(self.target, self.scores)),
            "auc_fold_std": float(np.std(self.fold_auc)),
            "auc_train": float(np.mean(self.train_auc)),
            "business_cost": business_cost(self.target, self.pds, self.costs.cutoff, self.costs),
            "business_cost_tuned_cutoff": self.tuned_cost,
            "brier": float(brier_score_loss(self.target, self.pds)),
            "log_loss": float(log_loss(self.target, self.pds)),
            "fit_seconds": float(np.mean(self.fit_seconds)),
            "predict_seconds": float(np.mean(self.predict_seconds)),
        }

    def _folds(self) -> list[npt.NDArray[np.bool_]]:
        return [self.fold == number for number in np.unique(self.fold)]


def cross_validate(
    candidate: Candidate,
    examples: Examples,
    costs: Costs,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Validation:
    """Score every applicant with a model that has not seen them.

    Parameters
    ----------
    candidate : Candidate
        Fitted anew, preprocessing included, in every fold.
    examples : Examples
        Applicants with outcomes.
    costs : Costs
        What mistakes cost.
    folds : int
        Number of stratified, shuffled folds.
    seed : int
        Of the folds and of the models.
    progress : callable of (name, done, total), optional
        Told after each fold.
    """
    target = examples.target
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    result = Validation(
        candidate, np.empty(target.size), np.empty(target.size, dtype=np.int64), target, costs
    )
    for number, (rows, out) in enumerate(splitter.split(examples.matrix, target)):
        start = time.perf_counter()
        model = fit(candidate, examples.features, examples.matrix[rows], target[rows], seed)
        fitted = time.perf_counter()
        result.scores[out] = scores_of(model, examples.matrix[out])
        result.predict_seconds.append(time.perf_counter() - fitted)
        result.fit_seconds.append(fitted - start)
        seen = scores_of(model, examples.matrix[rows])
        result.train_auc.append(float(roc_auc_score(target[rows], seen)))
        result.fold[out] = number
        if progress:
            progress(candidate.name, number + 1, folds)
    return result


def scores_of(model: ClassifierMixin, matrix: Floats) -> Floats:
    """Log-odds of default that a fitted candidate gives to encoded rows."""
    if isinstance(model, lightgbm.LGBMClassifier):
        return np.asarray(model.booster_.predict(matrix, raw_score=True), dtype=np.float64)
    return log_odds(model.predict_proba(matrix)[:, 1])


def log_odds(pds: npt.ArrayLike) -> Floats:
    """Logit, kept finite."""
    inside = np.clip(np.asarray(pds, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.log(inside) - np.log1p(-inside)


def calibrate(scores: Floats, target: Labels) -> Calibration:
    """Fit Platt scaling on scores of applicants that the model has not seen."""
    if np.ptp(scores) == 0.0:
        # A constant score has no slope to fit: only the level can be right.
        return Calibration(1.0, float(log_odds(target.mean()) - scores[0]))
    model = LogisticRegression(C=np.inf).fit(scores.reshape(-1, 1), target)
    return Calibration(float(model.coef_[0, 0]), float(model.intercept_[0]))


def fit_scorer(
    validation: Validation,
    examples: Examples,
    name: str,
    lineage: Mapping[str, Any],
    seed: int = 0,
) -> Scorer:
    """Fit the served model on all examples; its calibration comes from the cross-validation.

    Parameters
    ----------
    validation : Validation
        Of a LightGBM candidate on the same examples.
    examples : Examples
        Applicants with outcomes.
    name : str
        The registered model's name.
    lineage : mapping
        Kept inside the Scorer as it is.
    seed : int
        Of the model.
    """
    if not validation.candidate.servable:
        raise TrainingError(f"a Scorer holds LightGBM trees, not a {validation.candidate.name}")
    model = fit(validation.candidate, examples.features, examples.matrix, examples.target, seed)
    return Scorer(
        name=name,
        version="0",
        features=examples.features,
        calibration=calibrate(validation.scores, validation.target),
        cutoff=validation.costs.cutoff,
        costs=validation.costs,
        text=model.booster_.model_to_string(),
        lineage=lineage,
    )


def evaluate(scorer: Scorer, examples: Examples) -> dict[str, float]:
    """A Scorer's figures on applicants that had no part in making it."""
    pds = scorer.predict(examples.frame)
    decisions = np.asarray(scorer.decide(pds))
    return {
        "auc": float(roc_auc_score(examples.target, pds)),
        "business_cost": business_cost(examples.target, pds, scorer.cutoff, scorer.costs),
        "brier": float(brier_score_loss(examples.target, pds)),
        "log_loss": float(log_loss(examples.target, pds)),
        "default_rate": float(examples.target.mean()),
        "mean_pd": float(pds.mean()),
        "refused": float(np.mean(decisions == "refuse")),
    }


def unseen_pds(
    validation: Validation, development: Examples, scorer: Scorer, holdout: Examples
) -> pl.DataFrame:
    """PDs of all training applicants, each from a model that has not seen the applicant.

    Parameters
    ----------
    validation : Validation
        Of the development applicants: theirs come from the folds.
    development, holdout : Examples
        The applicants that were learnt from, and those that were not.
    scorer : Scorer
        The served model: the held-out applicants' PDs are its own.

    Returns
    -------
    polars.DataFrame
        SK_ID_CURR and probability_of_default.
    """
    parts = (
        (development, validation.pds),
        (holdout, scorer.predict(holdout.frame)),
    )
    return pl.concat(
        examples.frame.select("SK_ID_CURR", probability_of_default=pl.Series(pds))
        for examples, pds in parts
    )


def compare(validations: Sequence[Validation]) -> pl.DataFrame:
    """A row a candidate with the metrics of its cross-validation."""
    return pl.DataFrame(
        [{"candidate": item.candidate.name, **item.metrics} for item in validations]
    )


def lineage(validation: Validation, record: Mapping[str, Any]) -> dict[str, Any]:
    """Where a model comes from, as plain JSON values: what it was trained on, how, how well.

    Timings are left out: the same data, seed and code give the same values.
    """
    metrics = {
        name: value for name, value in validation.metrics.items() if not name.endswith("seconds")
    }
    return {
        "candidate": validation.candidate.name,
        "parameters": dict(validation.candidate.parameters),
        "training": dict(record),
        "cross_validation": metrics,
        "packages": {name: version(name) for name in ("lightgbm", "numpy", "polars")},
    }
