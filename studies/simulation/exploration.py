"""A lender who explores, on the fast path: months of decisions as arrays, without a store.

Who is refused, who of them is drawn and when a month's budget is spent follow the same rules as in
the service. The model is of the family that is served, small and of the strongest features, so
that it is quickly made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scoring.data.dataset import Dataset
from scoring.evaluation.bootstrap import Flags
from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
from scoring.modelling.examples import Matrix, Positions, examples_of
from scoring.modelling.fit import candidate_of
from scoring.serving.costs import Costs
from scoring.serving.exploration import position, room
from scoring.serving.families import families
from scoring.serving.families.base import Feature, Floats, Labels
from scoring.serving.scorer import Scorer, encode
from scoring.store import Policy
from studies.simulation.arrivals import Arrivals, Pool, divide

# So many features and applicants, and few trees: a model is made in a tenth of a second.
_STRONGEST = 12
_OF_THE_START = 4_000
_TREES = {"n_estimators": 40, "learning_rate": 0.1, "num_leaves": 8, "colsample_bytree": 0.5}
_SMALL = Candidate.of(DEFAULT_FAMILY, **{f"trees.{name}": own for name, own in _TREES.items()})
_OTHER = Candidate.of("linear", C=0.001)


class Decided(NamedTuple):
    """Decisions on applicants, as arrays of one shape.

    Attributes
    ----------
    refused, seen : numpy.ndarray of bool
        Whom the model refuses; who got a loan, so that the outcome will be seen.
    chance : numpy.ndarray
        How likely each was to get one.
    counted : numpy.ndarray of bool
        Who stands for all others in estimates: those who had a chance, at a time at which everybody
        in the band had one.
    """

    refused: Flags
    seen: Flags
    chance: Floats
    counted: Flags


def decide(pds: Floats, place: Floats, policy: Policy, costs: Costs) -> Decided:
    """Decide on the applicants of whole months, in the order in which they came.

    PDs and places (those of `scoring.serving.exploration.position`) are of shape (months,
    applicants), or (applicants,) of one month. Whoever is above the cut-off of the costs is
    refused; of the policy its share, bound and monthly budget of exploration count.
    """
    refused = pds > costs.cutoff
    band = refused & (pds <= policy.explore_bound)
    drawn = band & (place < policy.explore_share)
    spent = np.cumsum(drawn * pds, axis=-1) - drawn * pds
    fits = spent <= room(policy, costs)
    chance = np.where(refused, np.where(band & fits, policy.explore_share, 0.0), 1.0)
    return Decided(refused, ~refused | (drawn & fits), chance, fits & (chance > 0.0))


@dataclass(frozen=True)
class World:
    """Applicants with their true risk, and what models are made from.

    Attributes
    ----------
    pool : Pool
        Those who may come, without their features.
    matrix : numpy.ndarray of shape (known from the start + pool, features)
        The strongest features of those known from the start, then of the pool.
    target : numpy.ndarray of shape (known from the start,)
        Their outcomes.
    """

    pool: Pool
    features: tuple[Feature, ...]
    matrix: Matrix
    target: Labels
    costs: Costs

    @classmethod
    def open(cls, data: Path, model: Path, seed: int) -> World:
        """Make one of a dataset and of a model, which says what the strongest features are.

        Raises
        ------
        ScoringError
            If the model does not tell how it was made.
        """
        champion, examples = Scorer.load(model), examples_of(Dataset.open(data))
        first, pool = divide(examples, candidate_of(champion), champion.costs, seed)
        first = first.take(np.arange(first.target.size)[:_OF_THE_START])
        weights = champion.profile.importance if champion.profile else {}
        ranked = sorted(first.features, key=lambda own: -weights.get(own.name, 0.0))
        features = tuple(ranked[:_STRONGEST])
        both = [encode(frame, features) for frame in (first.frame, pool.features)]
        slim = replace(pool, features=pool.features[:0], vectors=pool.vectors[:0])
        matrix = np.concatenate(both).astype(np.float32)
        return cls(slim, features, matrix, first.target, champion.costs)

    @cached_property
    def first(self) -> Floats:
        """Everybody's PDs by the model of the start, of shape (known from the start + pool,)."""
        return self.learnt(np.arange(self.target.size), self.target, None)

    @cached_property
    def other(self) -> Floats:
        """Everybody's PDs by a model that never decides on anybody."""
        return self.learnt(np.arange(self.target.size), self.target, None, _OTHER)

    def of_pool(self, pds: Floats) -> Floats:
        """Return the part of everybody's PDs that is the pool's."""
        return pds[self.target.size :]

    def learnt(
        self, rows: Positions, target: Labels, weights: Floats | None, made: Candidate = _SMALL
    ) -> Floats:
        """Return everybody's PDs by a new model of some rows of the matrix and their outcomes."""
        model = families()[made.name].fit(
            self.features, self.matrix[rows], target, weights, made.parameters, seed=0
        )
        return np.asarray(1.0 / (1.0 + np.exp(-model.raw_scores(self.matrix.astype(np.float64)))))


def places(arrivals: Arrivals, salt: str) -> Floats:
    """Return where chance puts everybody who comes, as the service draws it."""
    return np.array([position(str(number), salt) for number in range(arrivals.size)])
