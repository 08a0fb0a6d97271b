"""What is estimated from the explored, and what everybody's outcomes show, which no lender has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

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

# Figures are of the last so many months.
WINDOWS = (24, 6, 3)
# A stricter one than is in force, by which nobody was ever decided on.
_CUTOFF = 0.15


def estimated(
    world: World, arrivals: Arrivals, place: Floats, policy: Policy
) -> Iterator[dict[str, Any]]:
    """Estimate all figures from what one course of the first model has shown.

    They are of those who had a chance. Without exploration that is nobody who was refused: the
    self-normalised estimate is then the figure of the accepted alone, and the doubly robust one
    has the model's own PDs in the place of all outcomes that are not known.

    Yields
    ------
    dict
        window, figure, estimate, value, low, high, everybody (the figure by everybody's outcomes,
        of which the mean over many runs is the truth), explored (how many).
    """
    pds = world.of_pool(world.first)[arrivals.place].reshape(arrivals.months, -1)
    decided = decide(pds, place.reshape(pds.shape), policy, world.costs)
    counted, chance = decided.counted, decided.chance
    if not policy.explore_share:
        counted, chance = pds <= policy.explore_bound, np.ones_like(pds)
    for window in WINDOWS:
        late = np.arange(arrivals.months) >= arrivals.months - window
        rows = np.flatnonzero(counted & late[:, np.newaxis])
        own, seen = pds.ravel()[rows], decided.seen.ravel()[rows]
        defaulted = arrivals.defaulted[rows]
        other = world.of_pool(world.other)[arrivals.place[rows]]
        shown = _figures(world, Logged(own, chance.ravel()[rows], seen, defaulted), other)
        all_seen = Logged(own, np.ones_like(own), np.ones_like(seen), defaulted)
        explored = int(np.sum(seen & decided.refused.ravel()[rows]))
        known: dict[str, Any] = {"window": window, "explored": explored}
        for figure, everybody in _figures(world, all_seen, other).items():
            known |= {"figure": figure, "everybody": everybody.self_normalised.value}
            for name, (value, low, high) in shown[figure]._asdict().items():
                yield known | {"estimate": name, "value": value, "low": low, "high": high}


def _figures(world: World, logged: Logged, other: Floats) -> dict[str, Estimates]:
    """Three costs among them: in force, by another cut-off, and by a model that was never used."""
    costs = world.costs
    return {
        "default rate": default_rate(logged),
        "AUC": auc(logged),
        "obs./exp.": observed_to_expected(logged),
        "cost": policy_cost(logged, logged.pds > costs.cutoff, costs),
        f"cost at {_CUTOFF:g}": policy_cost(logged, logged.pds > _CUTOFF, costs),
        "other model": policy_cost(logged, other > costs.cutoff, costs),
    }
