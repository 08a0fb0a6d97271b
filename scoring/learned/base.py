"""What a feature learnt from data is, and how it is learnt without seeing its own label."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.errors import ScoringError

# Typed tables of some applicants by Kaggle's names, as `Dataset.frames()` collected. All seven
# are there; they may hold applicants that are not asked for.
Rows = Mapping[str, pl.DataFrame]
Labels = npt.NDArray[np.int8]

APPLICANT = "SK_ID_CURR"


class LearnedError(ScoringError):
    """A feature cannot be learnt from these rows, or its saved files cannot be used."""


class Learned(Protocol):
    """Features learnt from training applicants, as they travel in the Scorer.

    An applicant's values depend on nothing but the applicant's own rows and what was learnt:
    they are the same to the last bit alone and in any batch.
    """

    @property
    def name(self) -> str:
        """Of what it learnt; the name of its folder in a saved Scorer."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features it adds."""

    def transform(self, rows: Rows, features: pl.DataFrame) -> pl.DataFrame:
        """The features of some applicants.

        Parameters
        ----------
        rows : mapping of str to polars.DataFrame
            Their tables, and possibly those of others.
        features : polars.DataFrame
            A row an applicant, as `build_features` gives them, SK_ID_CURR included.

        Returns
        -------
        polars.DataFrame
            `columns` as Float32, a row for each row of `features`, in its order.
        """

    def save(self, folder: Path) -> None:
        """Write plain files into an empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        LearnedError
            If the files do not make sense.
        """


class Learner(Protocol):
    """Features to be learnt.

    Attributes
    ----------
    name : str
        As what it learns is called.
    uses_target : bool
        Whether labels are learnt from; training applicants then need values from a fit that
        has not seen their label (`cross_fit`).
    """

    @property
    def name(self) -> str:
        """As what it learns is called."""

    @property
    def uses_target(self) -> bool:
        """Whether labels are learnt from."""

    def fit(self, rows: Rows, features: pl.DataFrame, target: Labels, seed: int) -> Learned:
        """Learn from the applicants of `features` alone, whoever else has rows.

        Parameters
        ----------
        rows : mapping of str to polars.DataFrame
            Tables of at least these applicants.
        features : polars.DataFrame of shape (applicants, features + 1)
            As `build_features` gives them.
        target : numpy.ndarray of shape (applicants,)
            1 for a default, 0 else, in the order of `features`.
        seed : int
            Of whatever is random: the same arguments give the same bytes.
        """


def cross_fit(
    learner: Learner, rows: Rows, features: pl.DataFrame, target: Labels, folds: int, seed: int
) -> tuple[Learned, pl.DataFrame]:
    """Learn features, and compute those of the training applicants without their own labels.

    Parameters
    ----------
    learner : Learner
        What to learn.
    rows, features, target
        The training applicants, as for `Learner.fit`.
    folds : int
        Number of folds (two at least). Only used where labels are learnt from: each fold's
        values come from a fit on the other folds.
    seed : int
        Of the folds and the fits.

    Returns
    -------
    learned : Learned
        Fitted on all these applicants, for others.
    columns : polars.DataFrame of shape (applicants, columns)
        Of these applicants, for training: an applicant's own label has no part in them.
    """
    learned = learner.fit(rows, features, target, seed)
    if not learner.uses_target:
        return learned, learned.transform(rows, features)
    fold = assign_folds(features[APPLICANT], folds, seed)
    parts = []
    for number in range(folds):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        fitted = learner.fit(rows, features[inside], target[inside], seed)
        parts.append(fitted.transform(rows, features[outside]))
    order = np.argsort(np.argsort(fold, kind="stable"), kind="stable")
    return learned, pl.concat(parts)[order]


def assign_folds(applicants: pl.Series, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Fold of each applicant, of equal sizes, by applicant and seed alone.

    Not stratified: folds that depend on labels would let an applicant's label move its own
    feature.

    Raises
    ------
    LearnedError
        If there are fewer than two folds, or fewer applicants than folds.
    """
    if not 2 <= folds <= len(applicants):
        raise LearnedError(f"{len(applicants)} applicants cannot be split into {folds} folds")
    order = np.argsort(scramble(applicants, seed), kind="stable")
    fold = np.empty(len(applicants), dtype=np.int64)
    fold[order] = np.arange(len(applicants)) % folds
    return fold


def scramble(applicants: pl.Series, seed: int) -> npt.NDArray[np.uint64]:
    """A pseudo-random number for each applicant, the same wherever the applicant stands.

    The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014).
    """
    state = applicants.to_numpy().astype(np.uint64) + np.uint64(seed % 2**32) * np.uint64(2**32)
    state = (state + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def add_learned(learned: Sequence[Learned], rows: Rows, features: pl.DataFrame) -> pl.DataFrame:
    """The features of some applicants with the learnt ones beside them, in their order."""
    return pl.concat(
        [features, *(part.transform(rows, features) for part in learned)], how="horizontal"
    )


def cross_fit_all(
    learners: Sequence[Learner],
    rows: Rows,
    features: pl.DataFrame,
    target: Labels,
    folds: int,
    seed: int,
) -> tuple[tuple[Learned, ...], pl.DataFrame]:
    """`cross_fit` of several learners.

    Returns
    -------
    learned : tuple of Learned
        For other applicants: `add_learned(learned, rows, features)`.
    features : polars.DataFrame
        `features` with the columns of these applicants beside them, for training.
    """
    fitted = [cross_fit(learner, rows, features, target, folds, seed) for learner in learners]
    frame = pl.concat([features, *(columns for _, columns in fitted)], how="horizontal")
    return tuple(learned for learned, _ in fitted), frame


def columns_frame(columns: Sequence[str], values: npt.NDArray[np.floating]) -> pl.DataFrame:
    """Values of shape (applicants, columns) as Float32 columns, NaN made null."""
    frame = pl.from_numpy(values.astype(np.float32), schema=list(columns))
    return frame.fill_nan(None)


def numbers(frame: pl.DataFrame, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Columns as a matrix of shape (rows, names), NaN for null.

    What is computed of them is computed by NumPy: Polars divides by a column of length one as by
    a literal, through its reciprocal, and one applicant would differ from a batch in the last bit.
    """
    return frame.select(pl.col(name).cast(pl.Float64) for name in names).to_numpy()


def codes(frame: pl.DataFrame, name: str, levels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Positions of a category's values among the levels; null and unknown ones come after all."""
    known = frame[name].cast(_enum(tuple(levels)), strict=False)
    return known.to_physical().cast(pl.Int64).fill_null(len(levels)).to_numpy()


@cache
def _enum(levels: tuple[str, ...]) -> pl.Enum:
    """Made once: it takes longer than a single applicant's cast."""
    return pl.Enum(levels)


def quotient(
    numerator: npt.NDArray[np.float64], denominator: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Elementwise quotient, NaN where it is not finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = numerator / denominator
    return np.where(np.isfinite(values), values, np.nan)


def finite(values: Iterable[Any]) -> tuple[float, ...]:
    """Numbers that were saved, from JSON that holds no others than finite ones."""
    found = tuple(values)
    if any(type(one) not in (int, float) for one in found):
        raise ValueError("something that was saved as a number is none")
    return tuple(map(float, found))


def write_json(path: Path, value: object) -> None:
    """Write a value of plain JSON types; floats come back to the same bits."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while files are read into a LearnedError that names the folder."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise LearnedError(f"{folder}: not usable: {error}") from error
