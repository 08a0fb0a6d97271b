"""Candidates cross-validated: every applicant scored by a model that has not seen them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from scoring.evaluation.business import best_cutoff, business_cost
from scoring.evaluation.metrics import figures
from scoring.modelling.calibration import calibrate, renewed
from scoring.modelling.candidates import Candidate, estimator, parts_of, weighing
from scoring.modelling.examples import Examples, Mask, taken
from scoring.modelling.folds import FOLDS, Folds, prepare
from scoring.serving.costs import Costs
from scoring.serving.families.base import Floats, Labels
from scoring.serving.scorer import Calibration

# Told a stage, how much of it is done, and of how much (None: not known).
Progress = Callable[[str, int, int | None], None]
T = TypeVar("T")
R = TypeVar("R")

# The most that an applicant weighs in the calibration. It has to know the level of the refused; but
# one default of weight 100 among some dozens would set the level by itself.
MOST_IN_CALIBRATION = 10.0
# Models fitted at a time, at most: each holds its training rows.
_MOST_WORKERS = 4


@dataclass(frozen=True)
class Validation:
    """A candidate's cross-validation: each score is from a model that has not seen the applicant.

    Attributes
    ----------
    scores, fold, target : numpy.ndarray of shape (applicants,)
        The log-odds, in which fold each applicant was left out, and the outcomes.
    train_auc, train_cost, fit_seconds, predict_seconds : list of float
        One value a fold; the first two on rows that the fold's model has seen.
    newest : numpy.ndarray of bool of shape (applicants,), optional
        Whose outcomes alone the PDs are calibrated on; everybody's by default.
    weights : numpy.ndarray of shape (parts,), optional
        How much each part of the model's score counts, learnt from all of them; in each fold's
        scores they are learnt from the other folds.
    sample_weight : numpy.ndarray of shape (applicants,), optional
        For how many each stands, in the calibration and in all figures.
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
    weights: Floats | None = field(default=None, compare=False)
    sample_weight: Floats | None = field(default=None, compare=False)

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
        weights = self.sample_weight
        if weights is not None:
            weights = np.minimum(weights, MOST_IN_CALIBRATION)
        calibration = calibrate(self.scores[rows], self.target[rows], taken(weights, rows))
        if self.newest is None:
            return calibration
        chosen = rows & self.newest
        return renewed(
            calibration, self.scores[chosen], self.target[chosen], taken(weights, chosen)
        )

    @property
    def raw_pds(self) -> Floats:
        """PDs as the models give them, without calibration."""
        return Calibration().probability(self.scores)

    @cached_property
    def fold_auc(self) -> list[float]:
        return [self._auc(out) for out in self._folds()]

    @cached_property
    def tuned_cost(self) -> float:
        """Business cost when each fold's cut-off is the best one of the other folds."""
        cutoffs, costs, weights = np.empty_like(self.pds), self.costs, self.sample_weight
        for out in self._folds():
            others = taken(weights, ~out)
            cutoffs[out] = best_cutoff(self.target[~out], self.pds[~out], costs, others)
        return business_cost(self.target, self.pds, cutoffs, costs, weights)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The figures by which candidates are compared.

        All are on applicants not seen in training, but auc_train and business_cost_train. The
        AUC is that of all scores together.
        """
        auc = self._auc(slice(None))
        cutoff, costs, weights = self.costs.cutoff, self.costs, self.sample_weight
        calibrated = figures(self.target, self.pds, cutoff, costs, weights)
        raw = figures(self.target, self.raw_pds, cutoff, costs, weights)
        return calibrated | {
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

    def _auc(self, rows: Mask | slice) -> float:
        weights = taken(self.sample_weight, rows)
        return float(roc_auc_score(self.target[rows], self.scores[rows], sample_weight=weights))

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
        Applicants with outcomes, or folds of them that `prepare` made; where the folds are not made
        yet it is given `folds` and `seed`.
    costs : Costs
        What mistakes cost.
    progress : callable of (name, done, total), optional
        Told after each fold.
    """
    ready = examples if isinstance(examples, Folds) else prepare(examples, folds, seed)
    (fitted,) = fit_each([candidate], ready, range(len(ready.parts)), progress)
    return assemble(candidate, ready, costs, fitted)


@dataclass(frozen=True)
class FittedFold:
    """Log-odds of default that a candidate's model of one fold gives, of shape (rows, parts).

    `parts` are those of the rows left out and `seen` those of the training rows; the seconds are
    wall-clock time.
    """

    number: int
    parts: Floats
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
        examples, (inside, out) = folds.examples, folds.parts[number]
        rows, unseen = examples.matrix[inside], examples.matrix[out]
        start = time.perf_counter()
        model = estimator(candidate, examples.features, folds.seed)
        weights = taken(examples.sample_weight, inside)
        model.fit(rows, examples.target[inside], **weighing(candidate, weights))
        fitted = time.perf_counter()
        parts = parts_of(model, unseen)
        predicted = time.perf_counter()
        seen = parts_of(model, rows)
        return FittedFold(number, parts, seen, fitted - start, predicted - fitted)

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
    target, sample_weight = folds.examples.target, folds.examples.sample_weight
    out = [folds.parts[part.number].out for part in fitted]
    order = np.argsort(np.concatenate(out), kind="stable")
    weights = [_weights(candidate, fitted, folds, without=part.number) for part in fitted]
    fold = np.concatenate(
        [np.full(len(rows), p.number) for rows, p in zip(out, fitted, strict=True)]
    )
    result = Validation(
        candidate,
        np.concatenate([p.parts @ own for p, own in zip(fitted, weights, strict=True)])[order],
        fold[order],
        target[np.sort(np.concatenate(out))],
        costs,
        fit_seconds=[part.fit_seconds for part in fitted],
        predict_seconds=[part.predict_seconds for part in fitted],
        weights=_weights(candidate, fitted, folds),
        sample_weight=taken(sample_weight, np.sort(np.concatenate(out))),
    )
    for part, own in zip(fitted, weights, strict=True):
        inside = folds.parts[part.number].inside
        seen, scores, counts = target[inside], part.seen @ own, taken(sample_weight, inside)
        pds = calibrate(scores, seen, counts).probability(scores)
        result.train_auc.append(float(roc_auc_score(seen, scores, sample_weight=counts)))
        result.train_cost.append(business_cost(seen, pds, costs.cutoff, costs, counts))
    return result


def _weights(
    candidate: Candidate, fitted: Sequence[FittedFold], folds: Folds, without: int | None = None
) -> Floats:
    """Weights of the parts of a score, learnt on the folds that were fitted, but for one."""
    chosen = [part for part in fitted if part.number != without]
    if candidate.family is None or not chosen:
        count = fitted[0].parts.shape[1]
        return np.full(count, 1.0 / count)
    rows = np.concatenate([folds.parts[part.number].out for part in chosen])
    parts = np.concatenate([part.parts for part in chosen])
    examples = folds.examples
    return candidate.family.weights_of(
        parts, examples.target[rows], taken(examples.sample_weight, rows)
    )


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Do some work on each item, one core an item, and give the results in order.

    Threads are enough: LightGBM and NumPy let go of Python while they compute.
    """
    # One thread of linear algebra each: more would wait for each other.
    with threadpool_limits(1), ThreadPoolExecutor(at_a_time()) as pool:
        yield from pool.map(work, items)


def at_a_time() -> int:
    """How many models are fitted side by side."""
    return min(os.cpu_count() or 1, _MOST_WORKERS)


def begun(stage: str, progress: Progress | None) -> Progress | None:
    """Tell that a stage begins; return what tells how far it is, under its name."""
    if progress is None:
        return None
    progress(stage, 0, None)
    return lambda _name, done, total: progress(stage, done, total)


def _told(parts: Iterable[R], name: str, expected: Sized, progress: Progress | None) -> Iterator[R]:
    for done, part in enumerate(parts, start=1):
        if progress:
            progress(name, done, len(expected))
        yield part


def compare(validations: Sequence[Validation]) -> pl.DataFrame:
    """A row a candidate: of how many applicants and folds, and the metrics there."""
    return pl.DataFrame(
        [
            {
                "candidate": item.candidate.name,
                "resampling": item.candidate.resampling,
                "folds": len(item.fold_auc),
                "applicants": item.target.size,
                **item.metrics,
            }
            for item in validations
        ]
    )
