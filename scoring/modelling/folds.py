"""The folds of a cross-validation, made once for any number of candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sklearn.model_selection import StratifiedKFold

from scoring.modelling.examples import Examples, Positions

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


def prepare(examples: Examples, folds: int = FOLDS, seed: int = 0) -> Folds:
    """Make stratified, shuffled folds; the seed is also that of everything fitted in them."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    # Encoded once, before several threads ask for it.
    splits = splitter.split(examples.matrix, examples.target)
    return Folds(examples, tuple(Fold(*split) for split in splits), seed)
