"""What every family of models does: score, explain, be fitted, be written to files and read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import polars as pl
    from optuna.trial import BaseTrial

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the model: its name, and the levels of a category (empty for a number)."""

    name: str
    levels: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, dtype: pl.DataType) -> Feature:
        """The feature that a column of `build_features` is."""
        # Only columns of polars.Enum have categories; what proves a model does without Polars.
        return cls(name, tuple(getattr(dtype, "categories", ())))


class Explanations(NamedTuple):
    """Contributions in log-odds, of shape (applicants, features), and their base.

    A row's sum plus the base is the applicant's score.
    """

    contributions: Floats
    base: float


class Explained(NamedTuple):
    """Scores of rows, of shape (applicants,), and what adds up to them."""

    scores: Floats
    explanations: Explanations


class Model(ABC):
    """A fitted model: log-odds of default of applicants, and what each feature adds to them.

    Attributes
    ----------
    name : str
        Of the family.
    file_names : frozenset of str
        Of all files that a model of the family may consist of; no other family has one of them.
    defaults : mapping
        The parameters of the default recipe.
    first_values : tuple of mapping
        What else is tried in the comparison of families, as changes of the defaults.
    features : tuple of Feature
        What the model reads, in the order of its matrix: numbers as they are, codes of categories
        as floats, NaN where nothing is known.
    """

    name: ClassVar[str]
    file_names: ClassVar[frozenset[str]]
    defaults: ClassVar[Parameters]
    first_values: ClassVar[tuple[Parameters, ...]] = ()
    features: tuple[Feature, ...]

    @abstractmethod
    def raw_scores(self, matrix: Floats) -> Floats:
        """Log-odds of default of rows of shape (applicants, features), of shape (applicants,).

        An applicant's is the same to the last bit, alone or among others.
        """

    def parts(self, matrix: Floats) -> Floats:
        """Scores that `weights_of` weighs, of shape (applicants, parts): one unless it is a sum."""
        return self.raw_scores(matrix)[:, np.newaxis]

    @classmethod
    def weights_of(
        cls, parts: Floats, target: Labels, sample_weight: Floats | None = None
    ) -> Floats:
        """How much each part counts, learnt from parts of applicants whom no model had seen."""
        del target, sample_weight
        return np.ones(parts.shape[1])

    def weighted(self, weights: Floats) -> Self:
        """The model with other weights of its parts."""
        del weights
        return self

    @abstractmethod
    def contributions(self, matrix: Floats) -> Explanations:
        """What each feature adds to the score of each row; likewise the same bits alone."""

    def explained(self, matrix: Floats) -> Explained:
        """`raw_scores` and `contributions`, for a family that has work in common done once."""
        return Explained(self.raw_scores(matrix), self.contributions(matrix))

    @abstractmethod
    def gains(self) -> Floats:
        """How much each feature weighs in the fitted model, as shares that sum to 1, or all 0."""

    @abstractmethod
    def files(self) -> dict[str, bytes]:
        """The model as plain files by name, which `from_files` reads."""

    @classmethod
    @abstractmethod
    def from_files(cls, files: Mapping[str, bytes], features: tuple[Feature, ...]) -> Self:
        """Read a model from its files, which may be anybody's: all is checked before it is used.

        Raises
        ------
        ValueError, LookupError
            If the files do not make a model of these features.
        """

    @classmethod
    @abstractmethod
    def fit(
        cls,
        features: Sequence[Feature],
        matrix: npt.NDArray[np.float32],
        target: Labels,
        weights: Floats | None,
        parameters: Parameters,
        seed: int,
    ) -> Self:
        """Fit a model; training libraries are imported here only, since services have none.

        Parameters
        ----------
        features : sequence of Feature
            The columns of the matrix.
        matrix : numpy.ndarray of shape (applicants, features)
            Encoded, NaN for missing.
        target : numpy.ndarray of shape (applicants,)
            1 for a default, 0 else.
        weights : numpy.ndarray of shape (applicants,) or None
            Of the rows; None where all count the same.
        parameters : mapping
            All of those that `defaults` names.
        seed : int
            Of everything random.
        """

    @classmethod
    @abstractmethod
    def proposed(cls, trial: BaseTrial) -> dict[str, Any]:
        """Have a trial of the search suggest the changes of the defaults."""
