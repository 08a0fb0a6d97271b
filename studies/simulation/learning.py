"""Training of a simulated lender's next model, from what it knows by then.

Three things set this apart from the first training. Only those who were given a loan have an
outcome, so that the part of the applicants that is refused is represented by applicants of the
first training whom the model would refuse. The newest outcomes come first, and older ones fill
up. And the level of the PDs is that of the newest outcomes alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples, Positions
from scoring.modelling.fit import fit_scorer, with_explanations
from scoring.modelling.validation import cross_validate
from scoring.serving.costs import Costs
from scoring.serving.profiles import Profile
from scoring.serving.scorer import MODEL_NAME, Scorer, encode
from studies.simulation.arrivals import Pool

_FOLDS = 2


@dataclass(frozen=True)
class Labelled:
    """Applicants whose outcome is known, as places in the pool, the newest last."""

    place: Positions
    defaulted: npt.NDArray[np.bool_]

    @property
    def defaults(self) -> int:
        """How many loans went wrong."""
        return int(self.defaulted.sum())

    def last(self, number: int) -> Labelled:
        """Return the newest of them."""
        start = max(self.place.size - number, 0)
        return Labelled(self.place[start:], self.defaulted[start:])


@dataclass(frozen=True)
class Trainer:
    """Everything a new model is made from besides outcomes.

    Attributes
    ----------
    first, pool : Examples and Pool
        Applicants whose outcomes are known from the start, and those that come later.
    candidate : Candidate
        How every model is made.
    applicants : int
        How many a model learns from; fewer if there are not so many from the start.
    seed : int
        Of folds, fits and draws.
    """

    first: Examples
    pool: Pool
    candidate: Candidate
    costs: Costs
    applicants: int
    seed: int

    def first_model(self) -> Scorer:
        """Make the model of the beginning; its reference is the pool as it is then."""
        everybody = np.arange(self.pool.risk.size)
        rng = np.random.default_rng(self.seed)
        chosen = _some(rng, np.arange(self.first.target.size), self.applicants)
        return self._made(self.first.take(chosen), 0, everybody, "simulated 1")

    def model(
        self, current: Scorer, known: Labelled, newest: int, recent: Positions, version: str
    ) -> Scorer:
        """Make a new model of all outcomes so far, in the place of the current one.

        The `newest` outcomes set the level of the PDs; those of the pool who came last and have no
        outcome yet, `recent`, are its reference.
        """
        examples, learnt = self._examples(current, known, recent)
        return self._made(examples, min(newest, learnt), recent, version)

    def _made(self, examples: Examples, newest: int, recent: Positions, version: str) -> Scorer:
        validation = cross_validate(
            self.candidate, examples, self.costs, folds=_FOLDS, seed=self.seed
        )
        is_newest = np.arange(examples.target.size) >= examples.target.size - newest
        validation = replace(validation, newest=is_newest)
        made = fit_scorer(validation, examples, MODEL_NAME, {}, self.seed)
        frame, pds = self.pool.features[recent], made.predict(self.pool.features[recent])
        levels = {feature.name: feature.levels for feature in made.features}
        matrix = encode(frame, made.features)
        profile = Profile.of_training(levels, matrix, pds, made.decide(pds))
        return with_explanations(replace(made, version=version, profile=profile), frame)

    def _examples(
        self, current: Scorer, known: Labelled, recent: Positions
    ) -> tuple[Examples, int]:
        """Return the examples, the newest outcomes last, and how many of those there are."""
        refused = _refuses(current, self.first.frame)
        share = float(_refuses(current, self.pool.features[recent]).mean())
        rng = np.random.default_rng(self.seed)
        size = min(self.applicants, self.first.target.size)
        stand_ins = _some(rng, np.flatnonzero(refused), round(share * size))
        new = known.last(size - stand_ins.size)
        missing = size - stand_ins.size - new.place.size
        old = np.concatenate([stand_ins, _some(rng, np.flatnonzero(~refused), missing)])
        target = np.concatenate([self.first.target[old], new.defaulted.astype(np.int8)])
        frame = pl.concat([self.first.frame[old], self.pool.features[new.place]])
        return Examples(frame, target, self.first.features), new.place.size


def _refuses(scorer: Scorer, features: pl.DataFrame) -> npt.NDArray[np.bool_]:
    decisions = scorer.decide(scorer.predict(features))
    return np.array([decision == "refuse" for decision in decisions], dtype=bool)


def _some(rng: np.random.Generator, places: Positions, number: int) -> Positions:
    return rng.permutation(places)[: max(number, 0)]
