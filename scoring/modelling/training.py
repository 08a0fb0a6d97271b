"""Cross-validation, calibration and the fit of the model that is served."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from scoring.data.dataset import Dataset
from scoring.errors import ScoringError
from scoring.evaluation.business import best_cutoff, business_cost, refer_band
from scoring.evaluation.metrics import figures
from scoring.features import PROTECTED, build_features, wording
from scoring.modelling.candidates import Candidate, Fitted, fit, log_odds
from scoring.modelling.selection import ranking
from scoring.serving.costs import Costs
from scoring.serving.families import families
from scoring.serving.families.base import Model
from scoring.serving.profiles import Profile
from scoring.serving.scorer import Calibration, Feature, Scorer, encode

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
Progress = Callable[[str, int, int], None]
T = TypeVar("T")
R = TypeVar("R")

# A fifth of all applicants is never learnt from, whichever model is trained: a champion and its
# challenger can then be compared on applicants that neither has seen.
HOLDOUT_SHARE = 0.2
_HOLDOUT_SEED = 20_181
HOLDOUT_RULE = (
    f"SplitMix64 of SK_ID_CURR with seed {_HOLDOUT_SEED}, the lowest {HOLDOUT_SHARE:.0%} of hashes"
)
# Of the cross-validation.
FOLDS = 5
# With fewer the level of PDs that newer outcomes set is no more than chance, and with fewer than
# the second the slope is: its standard error is about one over the root of the defaults.
LEAST_DEFAULTS = 20
_DEFAULTS_FOR_SLOPE = 100
_MOST_STEPS = 50
# Models fitted at a time, at most: each holds its training rows.
_MOST_WORKERS = 4
# What a fitted model's numbers depend on.
_PACKAGES = ("lightgbm", "numpy", "polars", "scikit-learn")
# Rows that are scored at a time.
_ROWS = 20_000


class TrainingError(ScoringError):
    """There is not enough to train on."""


def is_held_out(applicants: pl.Series) -> pl.Series:
    """Whether each applicant (SK_ID_CURR) is kept from every model's training."""
    return pl.Series("held_out", _hashes(applicants) / 2.0**64 < HOLDOUT_SHARE)


def _hashes(applicants: pl.Series) -> npt.NDArray[np.uint64]:
    """A pseudo-random number for each applicant, the same wherever the applicant stands.

    The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014).
    """
    state = applicants.to_numpy().astype(np.uint64) + np.uint64(_HOLDOUT_SEED * 2**32)
    state = (state + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


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
        _check_outcomes(target)
        columns = joined.drop("SK_ID_CURR", "TARGET")
        features = tuple(
            Feature.of(name, dtype)
            for name, dtype in columns.schema.items()
            if use_protected or name not in PROTECTED
        )
        return cls(joined.drop("TARGET"), target, features)

    @cached_property
    def matrix(self) -> Matrix:
        """Encoded; features are 32-bit floats, so that half the memory holds them exactly."""
        return encode(self.frame, self.features).astype(np.float32)

    def take(self, rows: Positions) -> Examples:
        """Some of the applicants, by position."""
        return Examples(self.frame[rows], self.target[rows], self.features)

    def with_protected(self) -> Examples:
        """The same applicants with every feature allowed: sex, age and family status too."""
        columns = self.frame.drop("SK_ID_CURR").schema
        features = tuple(Feature.of(name, dtype) for name, dtype in columns.items())
        return Examples(self.frame, self.target, features)

    def holdout(self) -> tuple[Examples, Examples]:
        """Split into (development, held out) by `is_held_out`.

        Raises
        ------
        TrainingError
            If fewer than ten applicants of either outcome are on one side.
        """
        held = is_held_out(self.frame["SK_ID_CURR"]).to_numpy()
        parts = self.take(np.flatnonzero(~held)), self.take(np.flatnonzero(held))
        for part in parts:
            _check_outcomes(part.target)
        return parts


def examples_of(dataset: Dataset, use_protected: bool = False) -> Examples:
    """The training applicants of a dataset with their features and outcomes.

    Raises
    ------
    TrainingError
        If fewer than ten applicants of either outcome are known.
    """
    frames = dataset.frames("train")
    rows = dict(zip(frames, pl.collect_all(frames.values()), strict=True))
    return Examples.of(build_features(rows), rows["application"], use_protected)


def applicants_digest(examples: Examples) -> str:
    """SHA-256 of who was learnt from with which outcome, whatever their order.

    It is that of a text with a line for each applicant, SK_ID_CURR and TARGET with a comma
    between, by rising numbers.
    """
    outcome = pl.Series("TARGET", examples.target)
    known = examples.frame.select("SK_ID_CURR", outcome).sort("SK_ID_CURR")
    return hashlib.sha256(known.write_csv(include_header=False).encode()).hexdigest()


def _check_outcomes(target: Labels) -> None:
    fewest = _rarer(target)
    if fewest < 10:
        raise TrainingError(
            f"only {fewest} applicants of the rarer outcome among {target.size}: training "
            "needs at least 10"
        )


class Fold(NamedTuple):
    """A fold of the cross-validation: positions of its training rows, and of the rows left out."""

    inside: Positions
    out: Positions


@dataclass(frozen=True)
class Folds:
    """A cross-validation made ready once for any number of candidates.

    Attributes
    ----------
    examples : Examples
        Applicants with outcomes.
    parts : tuple of Fold
        Each leaves other applicants out.
    seed : int
        Of the folds and of everything fitted in them.
    """

    examples: Examples
    parts: tuple[Fold, ...]
    seed: int
    # Of each fold: the columns with values, and their ranking.
    _known: dict[int, Positions] = field(default_factory=dict, repr=False, compare=False)
    _rankings: dict[int, Positions] = field(default_factory=dict, repr=False, compare=False)

    @property
    def number(self) -> npt.NDArray[np.int64]:
        """In which fold each applicant is left out."""
        result = np.empty(self.examples.target.size, dtype=np.int64)
        for number, part in enumerate(self.parts):
            result[part.out] = number
        return result

    def data(self, number: int, candidate: Candidate) -> tuple[Positions, Matrix, Matrix]:
        """A fold's columns for a candidate, its training rows and its rows left out."""
        part, columns = self.parts[number], self._columns(number, candidate)
        matrix = self.examples.matrix
        return columns, matrix[np.ix_(part.inside, columns)], matrix[np.ix_(part.out, columns)]

    def _columns(self, number: int, candidate: Candidate) -> Positions:
        """The columns that a candidate keeps in a fold, found once for all candidates."""
        rows, examples = self.parts[number].inside, self.examples
        if number not in self._known:
            self._known[number] = known_columns(examples.matrix[rows])
        known = self._known[number]
        if candidate.kept is None:
            return known
        if number not in self._rankings:
            features = [examples.features[i] for i in known]
            inside, target = examples.matrix[np.ix_(rows, known)], examples.target[rows]
            self._rankings[number] = ranking(features, inside, target, self.seed)
        return np.sort(known[self._rankings[number][: candidate.kept]])


def known_columns(matrix: Matrix) -> Positions:
    """The columns that have a value in some training row: nothing can be learnt from others."""
    return np.flatnonzero(~np.isnan(matrix).all(axis=0))


def prepare(examples: Examples, folds: int = FOLDS, seed: int = 0) -> Folds:
    """Make stratified, shuffled folds.

    Parameters
    ----------
    examples : Examples
        Applicants with outcomes.
    folds : int
        How many.
    seed : int
        Of the folds and of everything fitted in them.
    """
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    # Encoded once, before several threads ask for it.
    splits = splitter.split(examples.matrix, examples.target)
    return Folds(examples, tuple(Fold(*split) for split in splits), seed)


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
    train_auc, train_cost, fit_seconds, predict_seconds : list of float
        One value a fold; the first two on rows that the fold's model has seen.
    newest : numpy.ndarray of bool of shape (applicants,), optional
        Whose outcomes alone the PDs are calibrated on; everybody's by default.
    """

    candidate: Candidate
    scores: Floats
    fold: npt.NDArray[np.int64]
    target: Labels
    costs: Costs
    train_auc: list[float] = field(default_factory=list)
    train_cost: list[float] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    predict_seconds: list[float] = field(default_factory=list)
    newest: Mask | None = None

    @cached_property
    def pds(self) -> Floats:
        """Calibrated PDs; each fold's calibration is fitted on the other folds."""
        result = np.empty_like(self.scores)
        for out in self._folds():
            result[out] = self._calibrated(~out).probability(self.scores[out])
        return result

    @property
    def calibration(self) -> Calibration:
        """From scores to PDs, fitted on everybody."""
        return self._calibrated(np.ones(self.target.size, dtype=np.bool_))

    def _calibrated(self, rows: Mask) -> Calibration:
        found = calibrate(self.scores[rows], self.target[rows])
        if self.newest is None:
            return found
        chosen = rows & self.newest
        return renewed(found, self.scores[chosen], self.target[chosen])

    @property
    def raw_pds(self) -> Floats:
        """PDs as the models give them, without calibration."""
        return Calibration().probability(self.scores)

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

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The figures by which candidates are compared.

        All are on applicants not seen in training, but auc_train and business_cost_train. The
        AUC is that of all scores together.
        """
        auc = float(roc_auc_score(self.target, self.scores))
        found = figures(self.target, self.pds, self.costs.cutoff, self.costs)
        raw = figures(self.target, self.raw_pds, self.costs.cutoff, self.costs)
        return found | {
            "auc": auc,
            "gini": 2 * auc - 1,
            "auc_fold_std": float(np.std(self.fold_auc)),
            "auc_train": float(np.mean(self.train_auc)),
            "business_cost_tuned_cutoff": self.tuned_cost,
            "business_cost_train": float(np.mean(self.train_cost)),
            "ece_before_calibration": raw["ece"],
            "business_cost_before_calibration": raw["business_cost"],
            "fit_seconds": float(np.mean(self.fit_seconds)),
            "predict_seconds": float(np.mean(self.predict_seconds)),
        }

    def _folds(self) -> list[Mask]:
        return [self.fold == number for number in np.unique(self.fold)]


def cross_validate(
    candidate: Candidate,
    examples: Examples | Folds,
    costs: Costs,
    folds: int = FOLDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Validation:
    """Score every applicant with a model that has not seen them.

    Parameters
    ----------
    candidate : Candidate
        Fitted anew in every fold: preprocessing, selection of features and resampling included.
    examples : Examples or Folds
        Applicants with outcomes, or folds of them that `prepare` made.
    costs : Costs
        What mistakes cost.
    folds, seed : int
        For `prepare`, where the folds are not made yet.
    progress : callable of (name, done, total), optional
        Told after each fold.
    """
    ready = examples if isinstance(examples, Folds) else prepare(examples, folds, seed)
    return cross_validate_all([candidate], ready, costs, progress=progress)[0]


def cross_validate_all(
    candidates: Sequence[Candidate],
    folds: Folds,
    costs: Costs,
    progress: Progress | None = None,
) -> list[Validation]:
    """Cross-validate several candidates on the same folds."""
    fitted = fit_each(candidates, folds, range(len(folds.parts)), progress)
    return [
        assemble(candidate, folds, costs, parts)
        for candidate, parts in zip(candidates, fitted, strict=True)
    ]


@dataclass(frozen=True)
class FittedFold:
    """What a candidate's model of one fold says.

    Attributes
    ----------
    number : int
        Which fold.
    scores, seen : numpy.ndarray
        Log-odds of default of the rows left out, and of the training rows.
    fit_seconds, predict_seconds : float
        Wall-clock time.
    """

    number: int
    scores: Floats
    seen: Floats
    fit_seconds: float
    predict_seconds: float


def fit_each(
    candidates: Sequence[Candidate],
    folds: Folds,
    numbers: Sequence[int],
    progress: Progress | None = None,
) -> list[list[FittedFold]]:
    """Fit candidates in some of the folds, as many models at a time as there are cores.

    No core waits for the last fold of a candidate: the next one's first is taken up.
    """

    def one(pair: tuple[Candidate, int]) -> FittedFold:
        candidate, number = pair
        columns, inside, out = folds.data(number, candidate)
        features = folds.examples.features
        target = folds.examples.target[folds.parts[number].inside]
        start = time.perf_counter()
        model = fit(candidate, [features[i] for i in columns], inside, target, folds.seed)
        fitted = time.perf_counter()
        scores = scores_of(model, out)
        predicted = time.perf_counter()
        seen = scores_of(model, inside)
        return FittedFold(number, scores, seen, fitted - start, predicted - fitted)

    fitted = in_parallel(one, [(item, number) for item in candidates for number in numbers])
    return [
        list(_told(islice(fitted, len(numbers)), item.name, numbers, progress))
        for item in candidates
    ]


def assemble(
    candidate: Candidate, folds: Folds, costs: Costs, parts: Iterable[FittedFold]
) -> Validation:
    """The validation of the folds that were fitted; applicants of other folds are left out."""
    fitted = list(parts)
    target = folds.examples.target
    out = [folds.parts[part.number].out for part in fitted]
    order = np.argsort(np.concatenate(out), kind="stable")
    fold = np.concatenate(
        [np.full(len(rows), p.number) for rows, p in zip(out, fitted, strict=True)]
    )
    result = Validation(
        candidate,
        np.concatenate([part.scores for part in fitted])[order],
        fold[order],
        target[np.sort(np.concatenate(out))],
        costs,
        fit_seconds=[part.fit_seconds for part in fitted],
        predict_seconds=[part.predict_seconds for part in fitted],
    )
    for part in fitted:
        seen = target[folds.parts[part.number].inside]
        pds = calibrate(part.seen, seen).probability(part.seen)
        result.train_auc.append(float(roc_auc_score(seen, part.seen)))
        result.train_cost.append(business_cost(seen, pds, costs.cutoff, costs))
    return result


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Do some work on each item, one core an item, and give the results in order.

    Threads are enough: LightGBM and NumPy let go of Python while they compute.
    """
    # One thread of linear algebra each: more would wait for each other.
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, items)


def _told(parts: Iterable[R], name: str, expected: Sized, progress: Progress | None) -> Iterator[R]:
    for done, part in enumerate(parts, start=1):
        if progress:
            progress(name, done, len(expected))
        yield part


def scores_of(model: Fitted, matrix: Matrix) -> Floats:
    """Log-odds of default that a fitted candidate gives to encoded rows."""
    # Some at a time, since they are twice as large as the features' own 32 bits.
    parts = (matrix[start : start + _ROWS] for start in range(0, len(matrix), _ROWS))
    return np.concatenate([model.raw_scores(part.astype(np.float64)) for part in parts])


def calibrate(scores: Floats, target: Labels) -> Calibration:
    """Fit Platt scaling on scores of applicants that the model has not seen."""
    if np.ptp(scores) == 0.0:
        # A constant score has no slope to fit: only the level can be right.
        return Calibration(1.0, float(log_odds(target.mean()) - scores[0]))
    model = LogisticRegression(C=np.inf).fit(scores.reshape(-1, 1), target)
    return Calibration(float(model.coef_[0, 0]), float(model.intercept_[0]))


def renewed(calibration: Calibration, scores: Floats, target: Labels) -> Calibration:
    """A calibration fitted anew on the newest outcomes, as far as there are enough of them.

    Old outcomes still teach who is riskier than whom when they no longer tell how risky. With
    few new ones only the level is moved, so that the PDs sum up to the defaults there were.

    Parameters
    ----------
    calibration : Calibration
        Fitted on all outcomes.
    scores, target : numpy.ndarray of shape (applicants,)
        Of applicants with new outcomes, whom the model has not seen. With fewer than
        `LEAST_DEFAULTS` of either outcome the calibration stays as it is: all would be chance.
    """
    if _rarer(target) < LEAST_DEFAULTS:
        return calibration
    if _rarer(target) >= _DEFAULTS_FOR_SLOPE:
        return calibrate(scores, target)
    intercept = calibration.intercept
    for _ in range(_MOST_STEPS):
        pds = replace(calibration, intercept=intercept).probability(scores)
        # Newton's method; a long step would leave the range in which it converges.
        step = (int(target.sum()) - pds.sum()) / (pds * (1.0 - pds)).sum()
        intercept += float(np.clip(step, -1.0, 1.0))
        if math.isclose(step, 0.0, abs_tol=1e-9):
            break
    return replace(calibration, intercept=intercept)


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
        Of a candidate that can be served, on the same examples.
    examples : Examples
        Applicants with outcomes.
    name : str
        The registered model's name.
    lineage : mapping
        Kept inside the Scorer as it is.
    seed : int
        Of the model.
    """
    candidate = validation.candidate
    features, matrix = _training_matrix(candidate, examples, seed)
    model = fit(candidate, features, matrix, examples.target, seed)
    if not isinstance(model, Model):
        raise TrainingError(
            f"a Scorer holds a model of {', '.join(families())}, not a {candidate.name}"
        )
    cutoff = validation.costs.cutoff
    scorer = Scorer(
        name=name,
        version="0",
        model=model,
        calibration=validation.calibration,
        cutoff=cutoff,
        costs=validation.costs,
        lineage=lineage,
        refer_band=refer_band(validation.pds, cutoff),
        texts=wording.texts(feature.name for feature in features),
    )
    levels = {feature.name: feature.levels for feature in features}
    decisions = scorer.decide(validation.pds)
    profile = Profile.of_training(levels, matrix, validation.pds, decisions, examples.target == 1)
    return replace(scorer, profile=profile)


def with_explanations(scorer: Scorer, unseen: pl.DataFrame) -> Scorer:
    """The Scorer with the reasons and the importance of features in its profile.

    Parameters
    ----------
    scorer : Scorer
        As `fit_scorer` made it.
    unseen : polars.DataFrame
        Features of applicants that the model has not seen.
    """
    if scorer.profile is None:
        raise TrainingError("the model has no profile: fit it with fit_scorer")
    told = ([reason.feature for reason in own] for own in scorer.reasons(unseen))
    contributions = scorer.explain(unseen).contributions
    return replace(scorer, profile=scorer.profile.explained_by(told, contributions))


def _training_matrix(
    candidate: Candidate, examples: Examples, seed: int
) -> tuple[tuple[Feature, ...], Matrix]:
    """The columns that a candidate keeps of all examples."""
    known = known_columns(examples.matrix)
    features = tuple(examples.features[i] for i in known)
    matrix = examples.matrix[:, known]
    if candidate.kept is not None:
        kept = np.sort(ranking(features, matrix, examples.target, seed)[: candidate.kept])
        features, matrix = tuple(features[i] for i in kept), matrix[:, kept]
    return features, matrix


def with_figures(scorer: Scorer, found: Mapping[str, Any]) -> Scorer:
    """The Scorer with further plain values in its lineage."""
    return replace(scorer, lineage={**scorer.lineage, **found})


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
        [
            {
                "candidate": item.candidate.name,
                "resampling": item.candidate.resampling,
                "folds": len(item.fold_auc),
                **item.metrics,
            }
            for item in validations
        ]
    )


def promises(validation: Validation) -> dict[str, dict[str, float]]:
    """What a model's decisions should turn out like, of all applicants and of those not refused.

    Only applicants who get a loan show an outcome: the model has taken the clear cases away from
    them, and ranks the others less well than all together. Where the newest outcomes set the level
    of the PDs, the promise for those not refused is theirs. Left out where too few defaulted.
    """
    cutoff, costs = validation.costs.cutoff, validation.costs
    low, high = refer_band(validation.pds, cutoff)
    kept = validation.pds <= (high if low < high else cutoff)
    if (
        validation.newest is not None
        and _rarer(validation.target[kept & validation.newest]) >= LEAST_DEFAULTS
    ):
        kept &= validation.newest
    parts = {"all": np.ones_like(kept), "not_refused": kept}
    return {
        name: figures(validation.target[part], validation.pds[part], cutoff, costs)
        for name, part in parts.items()
        if 0 < validation.target[part].sum() < part.sum()
    }


def _rarer(target: Labels) -> int:
    """How many have the rarer outcome."""
    defaults = int(target.sum())
    return min(defaults, target.size - defaults)


def lineage(validation: Validation, record: Mapping[str, Any]) -> dict[str, Any]:
    """Where a model comes from, as plain JSON values: what it was trained on, how, how well.

    Timings are left out: the same data, seed and code give the same values.
    """
    metrics = {
        name: value for name, value in validation.metrics.items() if not name.endswith("seconds")
    }
    candidate = validation.candidate
    return {
        "candidate": candidate.name,
        "parameters": dict(candidate.parameters),
        "resampling": candidate.resampling,
        "features_kept": candidate.kept,
        "training": dict(record),
        "cross_validation": metrics,
        "promised": promises(validation),
        "packages": {name: version(name) for name in _PACKAGES},
    }
