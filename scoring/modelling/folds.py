"""The folds of a cross-validation, made once for any number of candidates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedKFold

from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples, Matrix, Positions
from scoring.modelling.selection import ranking

# Of the cross-validation.
FOLDS = 5


class Fold(NamedTuple):
    """A fold of the cross-validation: positions of its training rows, and of the rows left out."""

    inside: Positions
    out: Positions


@dataclass(frozen=True)
class Folds:
    """A cross-validation made ready once for any number of candidates.

    Each of its parts leaves other applicants out; `seed` is that of the folds and of everything
    fitted in them.
    """

    examples: Examples
    parts: tuple[Fold, ...]
    seed: int
    # Of each fold: the columns with values, and their ranking.
    _known: dict[int, Positions] = field(default_factory=dict, repr=False, compare=False)
    _rankings: dict[int, Positions] = field(default_factory=dict, repr=False, compare=False)

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
    """Make stratified, shuffled folds; the seed is also that of everything fitted in them."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    # Encoded once, before several threads ask for it.
    splits = splitter.split(examples.matrix, examples.target)
    return Folds(examples, tuple(Fold(*split) for split in splits), seed)
