"""What exploration costs, what better retraining gives back, and which model a bandit prefers."""

from __future__ import annotations

import math
import random

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from api.models.routing import LEAST_OUTCOMES, draw_cost
from scoring.evaluation.bootstrap import Flags
from scoring.modelling.candidates import MOST_WEIGHT, log_odds
from scoring.modelling.examples import Positions
from scoring.modelling.validation import MOST_IN_CALIBRATION
from scoring.serving.families.base import Floats, Labels
from scoring.store import CostSummary, Experience, Policy, RefusalSummary
from studies.simulation.arrivals import Arrivals
from studies.simulation.exploration import Decided, World, decide

# Months between new models, and until an outcome is known.
_EVERY, _DELAY = 6, 3
_OVERSTATED = 3.0
# No level is moved by more, in log-odds.
_FARTHEST = 10.0


def live(
    world: World, arrivals: Arrivals, place: Floats, policy: Policy, way: str
) -> dict[str, float]:
    """Let a lender explore and decide, learn from it, and decide again.

    Parameters
    ----------
    way : str
        What a new model learns from: "stand-ins", all applicants of the start, some of whom stand
        in for the refused, and the accepted loans; "accepted alone", of those of the start only
        whom the first model would accept; "weighted", the explored besides, each of whom stands
        for many; "everybody", the outcomes of all, which no lender has.

    Returns
    -------
    dict
        cost, an applicant's over all months from the true probabilities; exploring, the part of it
        that the explored cost more than if they had been refused.
    """
    pds, course = world.first, list[Decided]()
    for month in range(arrivals.months):
        if month and month % _EVERY == 0:
            pds = _renewed(world, arrivals, course[: month - _DELAY], way)
        rows = arrivals.of_month(month)
        own = world.of_pool(pds)[arrivals.place[rows]]
        course.append(decide(own, place[rows], policy, world.costs))
    whole = _together(course)
    cost, by_rule = (arrivals.cost(got, world.costs) for got in (whole.seen, ~whole.refused))
    return {"cost": float(cost.mean()), "exploring": float((cost - by_rule).mean())}


def _together(course: list[Decided]) -> Decided:
    return Decided(*map(np.concatenate, zip(*course, strict=True)))


def _renewed(world: World, arrivals: Arrivals, course: list[Decided], way: str) -> Floats:
    """Learn from those whose time has come, and from those known from the start.

    As in the service, weights are cut, and the level of the PDs is that of the new outcomes.
    """
    past, old = _together(course), np.arange(world.target.size)
    learnt = {"weighted": past.seen, "everybody": np.ones_like(past.seen)}.get(way, ~past.refused)
    if way == "accepted alone":
        old = np.flatnonzero(world.first[: old.size] <= world.costs.cutoff)
    new = np.flatnonzero(learnt)
    weights = 1.0 / past.chance[new] if way == "weighted" else np.ones(new.size)
    rows, target = world.target.size + arrivals.place[new], arrivals.defaulted[new].astype(np.int8)
    pds = world.learnt(
        np.concatenate([old, rows]),
        np.concatenate([world.target[old], target]),
        np.concatenate([np.ones(old.size), np.minimum(weights, MOST_WEIGHT)]),
    )
    return _levelled(pds, rows, target, np.minimum(weights, MOST_IN_CALIBRATION))


def _levelled(pds: Floats, rows: Positions, target: Labels, weights: Floats) -> Floats:
    """Shift all log-odds so that the PDs of some rows add up to their defaults."""
    scores = log_odds(pds)

    def beyond(shift: float) -> float:
        return float(weights @ (expit(scores[rows] + shift) - target))

    return np.asarray(expit(scores + brentq(beyond, -_FARTHEST, _FARTHEST)))


def preferred(
    world: World, arrivals: Arrivals, place: Floats, policy: Policy, seed: int
) -> dict[str, float | None]:
    """Let a bandit choose between the first model and one that says thrice the odds of default.

    Each decides on every other applicant.

    Returns
    -------
    dict
        dearer, what an applicant costs more with the second, from the true probabilities; by_pds
        and by_outcomes, 1 where the second is drawn as the cheaper one: by refusals judged by the
        model's own PDs, and as the service does, by those of the explored. None, where too few
        were explored for the service to judge.
    """
    rng = random.Random(seed)  # noqa: S311 - dice, not secrets
    first = world.of_pool(world.first)[arrivals.place]
    second = _OVERSTATED * first / (1.0 + (_OVERSTATED - 1.0) * first)
    costs, words, lived = list[float](), list[float](), list[Experience]()
    for turn, pds in enumerate((first, second)):
        costs.append(float(arrivals.cost(pds <= world.costs.cutoff, world.costs).mean()))
        rows = np.arange(turn, arrivals.size, 2)
        shape = (arrivals.months, -1)
        decided = decide(pds[rows].reshape(shape), place[rows].reshape(shape), policy, world.costs)
        flat = _together([Decided(*month) for month in zip(*decided, strict=True)])
        defaulted = arrivals.defaulted[rows]
        words.append(_by_its_own_word(pds[rows], flat.refused, defaulted, world, rng))
        lived.append(_experience(flat, defaulted, world))
    by_outcomes = None
    if min(own.refusals.explored for own in lived) >= LEAST_OUTCOMES:
        by_outcomes = float(draw_cost(lived[1], rng) < draw_cost(lived[0], rng))
    by_pds = float(words[1] < words[0])
    return {"dearer": costs[1] - costs[0], "by_pds": by_pds, "by_outcomes": by_outcomes}


def _by_its_own_word(
    pds: Floats, refused: Flags, defaulted: Flags, world: World, rng: random.Random
) -> float:
    """Draw a model's cost where nobody is explored, so that its PDs say what refusals cost."""
    costs = np.where(refused, 1.0 - pds, world.costs.loss * defaulted)
    return rng.normalvariate(float(costs.mean()), float(costs.std()) / math.sqrt(costs.size))


def _experience(decided: Decided, defaulted: Flags, world: World) -> Experience:
    """What the store would tell of a model's decisions once all outcomes are known."""
    loans, explored = ~decided.refused, decided.refused & decided.seen
    cost, weights = world.costs.loss * defaulted[loans], 1.0 / decided.chance[explored]
    good = weights * ~defaulted[explored]
    return Experience(
        CostSummary(cost.size, float(cost.sum()), float((cost**2).sum())),
        RefusalSummary(
            loans.size, float(decided.refused.sum()), weights.size, float(weights.sum()),
            float(good.sum()), float((weights**2).sum()), float((good**2).sum()),
        ),
    )  # fmt: skip
