"""The applicants of a simulation: whom it draws from, who comes when, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from scoring.errors import ScoringError
from scoring.evaluation.bootstrap import Flags
from scoring.features.vectors import Vectors, pack
from scoring.modelling.candidates import Candidate, log_odds
from scoring.modelling.examples import Examples, Positions, is_held_out
from scoring.modelling.validation import cross_validate
from scoring.serving.costs import Costs
from scoring.serving.scorer import Floats
from studies.simulation.scenarios import Conditions, Scenario

# What makes a loan hard to carry: the concept shift acts on it.
STRAIN = "application__ANNUITY_TO_INCOME"

# Apart from the seeds of the model that is simulated, so that it does not know the truth.
_TRUTH_SEED = 7_919
_TRUTH_FOLDS = 3


class SimulationError(ScoringError):
    """A simulation cannot be run with what is there."""


@dataclass(frozen=True)
class Pool:
    """The applicants that arrivals are drawn from: some whom the first model has not seen.

    Attributes
    ----------
    features : polars.DataFrame
        As `build_features` gives them; `vectors` are the same, as the service's store keeps them.
    log_odds : numpy.ndarray of shape (applicants,)
        Of default, before anything changes: the truth of the simulated world.
    risk, strain : numpy.ndarray of shape (applicants,)
        The place by log-odds and by annuity over income, as standard normal numbers.
    """

    features: pl.DataFrame
    vectors: Vectors
    log_odds: Floats
    risk: Floats
    strain: Floats

    @classmethod
    def of(cls, features: pl.DataFrame, truth: Floats) -> Pool:
        """Make a pool of applicants with their log-odds of default."""
        strain = features[STRAIN].cast(pl.Float64).to_numpy()
        return cls(features, pack(features), truth, _normal(truth), _normal(strain))

    def probability(self, conditions: Conditions) -> Floats:
        """Return everybody's probability of default under some conditions."""
        odds = self.log_odds + conditions.level + conditions.burden * self.strain
        return np.asarray(1.0 / (1.0 + np.exp(-odds)))


def _normal(values: Floats) -> Floats:
    """Places in rising order as quantiles of the standard normal distribution; 0 where unknown."""
    known = ~np.isnan(values)
    result = np.zeros_like(values)
    ranks = stats.rankdata(values[known])
    result[known] = stats.norm.ppf((ranks - 0.5) / max(ranks.size, 1))
    return result


def divide(
    examples: Examples, candidate: Candidate, costs: Costs, seed: int
) -> tuple[Examples, Pool]:
    """Divide a dataset's applicants into those known from the start and those who may come.

    Everybody's true log-odds are those of a cross-validation, so of models that have not seen the
    applicant, and all outcomes are drawn from them. The outcomes that are known from the start are
    drawn too: a truth that was learnt from the real ones would favour the model that was, and
    every later one would look worse than it is. A simulated outcome is no more than what the
    features of a real applicant can tell, and the same applicant may come twice with different
    outcomes.

    Returns
    -------
    first : Examples
        Those whom any model may learn from, with drawn outcomes.
    pool : Pool
        The others (`is_held_out`): nobody who comes has been seen before.
    """
    validation = cross_validate(
        candidate, examples, costs, folds=_TRUTH_FOLDS, seed=seed + _TRUTH_SEED
    )
    held = is_held_out(examples.frame["SK_ID_CURR"]).to_numpy()
    rng = np.random.default_rng([seed, _TRUTH_SEED])
    drawn = rng.random(held.size) < validation.pds
    first = Examples(examples.frame.filter(~held), drawn[~held].astype(np.int8), examples.features)
    return first, Pool.of(examples.frame.filter(held), log_odds(validation.pds[held]))


@dataclass(frozen=True)
class Arrivals:
    """Everybody who applies, in the order of time.

    Attributes
    ----------
    months : int
        How long it goes on.
    month, place : numpy.ndarray of shape (arrivals,)
        When, from 0, and who, as a place in the pool.
    probability : numpy.ndarray of shape (arrivals,)
        Of default, on that day.
    defaulted : numpy.ndarray of bool of shape (arrivals,)
        Whether a loan goes, or would go, wrong. Nobody is told of those who are refused.
    """

    months: int
    month: npt.NDArray[np.int64]
    place: Positions
    probability: Floats
    defaulted: Flags

    @property
    def size(self) -> int:
        """How many apply."""
        return self.month.size

    def of_month(self, month: int) -> Positions:
        """Return those who apply in a month."""
        return np.flatnonzero(self.month == month)

    def cost(self, granted: Flags, costs: Costs) -> Floats:
        """Expected cost of each decision, in units of one refused good applicant.

        From the true probability: the luck of single loans is left out.
        """
        p = self.probability
        return np.where(granted, costs.total(p, 0.0), costs.total(0.0, 1.0 - p))


def draw(pool: Pool, scenario: Scenario, months: int, applicants: int, seed: int) -> Arrivals:
    """Draw everybody who applies, with replacement: so many applicants each month.

    Each month has dice of its own: a longer simulation begins as a shorter one.
    """
    places, probabilities, outcomes = [], [], []
    for month in range(months):
        rng = np.random.default_rng([seed, month])
        conditions = scenario.conditions(month, months)
        weights = np.exp(conditions.mix * pool.risk)
        place = rng.choice(pool.risk.size, size=applicants, p=weights / weights.sum())
        probability = pool.probability(conditions)[place]
        places.append(place)
        probabilities.append(probability)
        outcomes.append(rng.random(applicants) < probability)
    return Arrivals(
        months,
        np.repeat(np.arange(months), applicants),
        np.concatenate(places),
        np.concatenate(probabilities),
        np.concatenate(outcomes),
    )
