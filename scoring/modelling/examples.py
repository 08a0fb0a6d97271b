"""Applicants with known outcomes, and those of them that no model learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.model_selection import train_test_split

from scoring.data.dataset import Dataset
from scoring.errors import ScoringError
from scoring.features import PROTECTED
from scoring.serving.batch import feature_batches
from scoring.serving.families.base import Floats, Labels
from scoring.serving.scorer import Feature, encode

Matrix = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]

# A fifth of all applicants is never learnt from, whichever model is trained: a champion and its
# challenger can then be compared on applicants that neither has seen.
HOLDOUT_SHARE = 0.2
_HOLDOUT_SEED = 20_181
HOLDOUT_RULE = (
    f"SplitMix64 of SK_ID_CURR with seed {_HOLDOUT_SEED}, the lowest {HOLDOUT_SHARE:.0%} of hashes"
)


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
    """Applicants with a known outcome (1 for a default, 0 else), encoded for the models.

    The frame holds SK_ID_CURR and features, as `build_features` gives them; `features` are the
    columns that a model may use. Of shape (applicants,), `sample_weight` says for how many each
    stands; None where for itself alone.
    """

    frame: pl.DataFrame
    target: Labels
    features: tuple[Feature, ...]
    sample_weight: Floats | None = None

    @classmethod
    def of(
        cls, frame: pl.DataFrame, targets: pl.DataFrame, use_protected: bool = False
    ) -> Examples:
        """Join features with outcomes and choose the columns that a model may use.

        Applicants without an outcome are left out, and so are sex, age and family status unless
        `use_protected`.

        Raises
        ------
        TrainingError
            If fewer than ten applicants of either outcome remain.
        """
        known = targets.select("SK_ID_CURR", "TARGET").drop_nulls("TARGET")
        joined = frame.join(known, on="SK_ID_CURR", how="inner", maintain_order="left")
        target = joined["TARGET"].to_numpy().astype(np.int8)
        _check_outcomes(target)
        features = _features(joined.drop("TARGET"))
        allowed = (own for own in features if use_protected or own.name not in PROTECTED)
        return cls(joined.drop("TARGET"), target, tuple(allowed))

    @cached_property
    def matrix(self) -> Matrix:
        """Encoded; features are 32-bit floats, so that half the memory holds them exactly."""
        return encode(self.frame, self.features).astype(np.float32)

    def take(self, rows: Positions) -> Examples:
        """Some of the applicants, by position."""
        weights = taken(self.sample_weight, rows)
        return Examples(self.frame[rows], self.target[rows], self.features, weights)

    def standing_for(self, weights: Mapping[int, float]) -> Examples:
        """The same applicants, of whom some stand for others too: how many, by SK_ID_CURR."""
        if not weights:
            return self
        own = self.frame["SK_ID_CURR"].replace_strict(weights, default=1.0, return_dtype=pl.Float64)
        return replace(self, sample_weight=own.to_numpy())

    def subset(self, size: int, seed: int = 0) -> Examples:
        """Draw so many of the applicants, both outcomes in their shares; all if there are no more.

        Raises
        ------
        TrainingError
            If fewer than ten applicants of either outcome are drawn.
        """
        if size >= self.target.size:
            return self
        rows = np.arange(self.target.size)
        drawn, _ = train_test_split(rows, train_size=size, stratify=self.target, random_state=seed)
        _check_outcomes(self.target[drawn])
        return self.take(np.sort(drawn))

    def with_protected(self) -> Examples:
        """The same applicants with every feature allowed: sex, age and family status too."""
        return replace(self, features=_features(self.frame))

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
    targets = dataset.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    return Examples.of(pl.concat(feature_batches(dataset, "train")), targets, use_protected)


def applicants_digest(examples: Examples) -> str:
    """SHA-256 of who was learnt from with which outcome, whatever their order.

    It is that of a text with a line for each applicant, SK_ID_CURR and TARGET with a comma
    between, by rising numbers.
    """
    outcome = pl.Series("TARGET", examples.target)
    known = examples.frame.select("SK_ID_CURR", outcome).sort("SK_ID_CURR")
    return hashlib.sha256(known.write_csv(include_header=False).encode()).hexdigest()


def _features(frame: pl.DataFrame) -> tuple[Feature, ...]:
    columns = frame.drop("SK_ID_CURR").schema
    return tuple(Feature.of(name, dtype) for name, dtype in columns.items())


def _check_outcomes(target: Labels) -> None:
    fewest = rarer(target)
    if fewest < 10:
        raise TrainingError(
            f"only {fewest} applicants of the rarer outcome among {target.size}: training "
            "needs at least 10"
        )


def taken(sample_weight: Floats | None, rows: Positions | Mask | slice) -> Floats | None:
    """The weights of some applicants; None where all count alike."""
    return None if sample_weight is None else sample_weight[rows]


def rarer(target: Labels) -> int:
    """How many have the rarer outcome."""
    defaults = int(target.sum())
    return min(defaults, target.size - defaults)
