"""Whether estimates from explored outcomes hold, where everybody's true risk is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.evaluation.bootstrap import Flags
from scoring.evaluation.off_policy import (
    Estimates,
    Logged,
    auc,
    default_rate,
    observed_to_expected,
    policy_cost,
)
from scoring.serving.families.base import Floats
from scoring.store import Policy
from studies.simulation.arrivals import Arrivals
from studies.simulation.exploration import World, decide
from studies.simulation.scenarios import Scenario

# A stricter cut-off and a laxer model are judged that never decided on anybody.
CUTOFF = 0.15
WINDOWS = (24, 6, 3)


@dataclass(frozen=True)
class Truth:
    """The expected figures of those who come in a scenario, some months of it taken together.

    It is what applicants like these can be expected to do, and not what those who came did: the
    intervals allow for both chances, who comes and how it ends.

    Attributes
    ----------
    mass, bad : numpy.ndarray of shape (months, pool)
        How likely each of the pool is to come in a month, and to come and default.
    """

    mass: Floats
    bad: Floats

    @classmethod
    def of(cls, world: World, scenario: Scenario, months: int, bound: float) -> Truth:
        """Those with PDs up to a bound."""
        masses, bads = [], []
        for month in range(months):
            conditions = scenario.conditions(month, months)
            mass = np.exp(conditions.mix * world.pool.risk) * (world.of_pool(world.first) <= bound)
            masses.append(mass / mass.sum())
            bads.append(masses[-1] * world.pool.probability(conditions))
        return cls(np.array(masses), np.array(bads))

    def figures(self, world: World, counted: Floats) -> dict[str, float]:
        """Return them, given how many of each month are counted, of shape (months,)."""
        share = counted / counted.sum()
        mass, bad, pds = share @ self.mass, share @ self.bad, world.of_pool(world.first)
        refusing, accepting = world.costs.total(0.0, mass - bad), world.costs.total(bad, 0.0)
        costs = {
            name: float(np.where(refused, refusing, accepting).sum())
            for name, refused in rules(world, pds, world.of_pool(world.other)).items()
        }
        return {
            "default rate": float(bad.sum()),
            "AUC": _auc(pds, bad, mass - bad),
            "obs./exp.": float(bad.sum() / (mass @ pds)),
            **costs,
        }


def _auc(pds: Floats, bad: Floats, good: Floats) -> float:
    """The AUC where each of the pool may come twice, and once of either outcome: a tie."""
    order = np.argsort(pds)
    below = np.cumsum(good[order]) - 0.5 * good[order]
    return float(bad[order] @ below / (bad.sum() * good.sum()))


def rules(world: World, pds: Floats, other: Floats) -> Mapping[str, Flags]:
    """Whom the policy in force refuses, and two others that never decided on anybody."""
    return {
        "cost": pds > world.costs.cutoff,
        "cost at 0.15": pds > CUTOFF,
        "other model": other > world.costs.cutoff,
    }


def estimated(
    world: World, arrivals: Arrivals, place: Floats, policy: Policy, truth: Truth
) -> Iterator[dict[str, Any]]:
    """Estimate all figures from what one course of the first model has shown, and hold them to it.

    Without exploration the self-normalised estimate is the figure of the accepted alone, and the
    doubly robust one has the model's own PDs in the place of all outcomes that are not known.

    Yields
    ------
    dict
        window (the last so many months), figure, estimate, truth, error, covered, explored (how
        many).
    """
    pds = world.of_pool(world.first)[arrivals.place].reshape(arrivals.months, -1)
    decided = decide(pds, place.reshape(pds.shape), policy, world.costs)
    counted, chance = decided.counted, decided.chance
    if not policy.explore_share:
        counted, chance = pds <= policy.explore_bound, np.ones_like(pds)
    for window in WINDOWS:
        own = counted & (np.arange(arrivals.months) >= arrivals.months - window)[:, np.newaxis]
        rows = np.flatnonzero(own)
        seen, defaulted = decided.seen.ravel()[rows], arrivals.defaulted[rows]
        logged = Logged(pds.ravel()[rows], chance.ravel()[rows], seen, defaulted)
        true = truth.figures(world, own.sum(axis=1))
        other = world.of_pool(world.other)[arrivals.place[rows]]
        explored = int(np.sum(own & decided.seen & decided.refused))
        for figure, estimates in _figures(world, logged, other).items():
            for name, (value, low, high) in estimates._asdict().items():
                yield {
                    "window": window, "figure": figure, "estimate": name, "truth": true[figure],
                    "error": value - true[figure], "covered": low <= true[figure] <= high,
                    "explored": explored,
                }  # fmt: skip


def _figures(world: World, logged: Logged, other: Floats) -> dict[str, Estimates]:
    return {
        "default rate": default_rate(logged),
        "AUC": auc(logged),
        "obs./exp.": observed_to_expected(logged),
        **{
            name: policy_cost(logged, refused, world.costs)
            for name, refused in rules(world, logged.pds, other).items()
        },
    }
