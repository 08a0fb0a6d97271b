"""Simulations: each policy meets the very same applicants, in a service of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.serving.costs import Costs
from scoring.serving.scorer import Floats, Scorer
from studies.processes import Progress, in_processes
from studies.simulation.arrivals import Arrivals, divide, draw
from studies.simulation.branch import Branch, Event, Ledger
from studies.simulation.learning import Trainer
from studies.simulation.policies import policies
from studies.simulation.scenarios import SCENARIOS
from studies.simulation.service import Service


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Settings of a simulation: scenarios, months, applicants a month.

    Attributes
    ----------
    delay : int
        Whole months between that of a decision and the day on which its outcome is known.
    every : int
        Months between two retrainings, or challengers, where time decides.
    learn_from : int
        The most applicants that the first model learns from.
    attended : bool
        Whether a person promotes, as for `Branch`.
    seed, seeds : int
        The first seed of everything random, and how many there are: a world of its own each.
    """

    scenarios: tuple[str, ...] = ("sudden",)
    months: int = 24
    applicants: int = 500
    delay: int = 3
    every: int = 3
    learn_from: int = 4_000
    attended: bool = True
    seed: int = 0
    seeds: int = 3

    @property
    def policies(self) -> tuple[str, ...]:
        """What is done about the model, by name."""
        return tuple(policies(self.every))


@dataclass(frozen=True)
class World:
    """What all courses of a seed have in common: how models are made, the first one's folder."""

    trainer: Trainer
    model: Path

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.trainer.settings.seed


@dataclass(frozen=True)
class Course:
    """The result of a policy in a scenario; the same applicants meet all policies of a seed."""

    scenario: str
    policy: str
    seed: int
    arrivals: Arrivals
    ledger: Ledger
    costs: Costs
    events: tuple[Event, ...]

    @property
    def cost(self) -> Floats:
        """What each decision costs, as `Arrivals.cost` has it."""
        return self.arrivals.cost(~self.ledger.refused, self.costs)

    @property
    def least_cost(self) -> Floats:
        """Least expected cost of each decision, knowing the true probabilities."""
        p = self.arrivals.probability
        return np.minimum(self.costs.total(p, 0.0), self.costs.total(0.0, 1.0 - p))


def start_world(trainer: Trainer, folder: Path) -> World:
    """Make a world with its first model, which is written to a folder."""
    trainer.first_model().save(folder)
    return World(trainer, folder)


def world_of(
    examples: Examples, candidate: Candidate, costs: Costs, size: int, folder: Path, seed: int
) -> World:
    """Make the world of a seed: its truth, and a first model of at most so many applicants."""
    first, pool = divide(examples, candidate, costs, seed)
    trainer = Trainer.of(first, pool, candidate, costs, size, seed)
    return start_world(trainer, folder / str(seed))


def course(world: World, settings: SimulationSettings, scenario: str, policy: str) -> Course:
    """Simulate one policy in one scenario."""
    scorer, pool = Scorer.load(world.model), world.trainer.pool
    arrivals = draw(pool, SCENARIOS[scenario], settings.months, settings.applicants, world.seed)
    chosen = policies(settings.every)[policy]
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Service(Path(folder), pool.vectors[:1], world.seed)) as service,
    ):
        branch = Branch(service, world.trainer, arrivals, settings.delay, scorer, settings.attended)
        for month in range(settings.months):
            chosen.review(branch, month)
            branch.decide(month)
    events = tuple(branch.events)
    return Course(scenario, policy, world.seed, arrivals, branch.ledger, scorer.costs, events)


def simulate(
    worlds: Sequence[World],
    settings: SimulationSettings,
    processes: int = 1,
    progress: Progress | None = None,
) -> list[Course]:
    """Simulate every policy in every scenario and world, so many courses at a time.

    Returns
    -------
    list of Course
        By scenario, by policy in the order of `settings.policies`, and by world.
    """
    wanted = [
        (world, settings, scenario, policy)
        for scenario, policy, world in product(settings.scenarios, settings.policies, worlds)
    ]
    courses = []
    for made in in_processes(course, wanted, processes):
        courses.append(made)
        if progress:
            progress(f"{made.scenario}: {made.policy}", len(courses), len(wanted))
    return courses
