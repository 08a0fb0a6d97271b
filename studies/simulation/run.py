"""Simulations: each policy meets the very same applicants, in a service of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from scoring.data.dataset import Dataset
from scoring.modelling.examples import examples_of
from scoring.modelling.fit import candidate_of
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer
from studies.processes import in_processes
from studies.simulation.arrivals import Arrivals, Floats, divide, draw
from studies.simulation.branch import Branch, Event, Ledger
from studies.simulation.learning import Trainer
from studies.simulation.policies import policies
from studies.simulation.scenarios import SCENARIOS
from studies.simulation.service import running
from studies.simulation.watch import AlarmLimits

# Called with what is done, how far it is and how far it goes.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Settings of a simulation.

    Attributes
    ----------
    scenarios : tuple of str
        Of `SCENARIOS`.
    months : int
        How long.
    applicants : int
        A month.
    delay : int
        Whole months between that of a decision and the day on which its outcome is known.
    every : int
        Months between two new models, or challengers, where time decides.
    learn_from : int
        The most applicants that a new model learns from.
    limits : AlarmLimits
        Of the alarms.
    seed : int
        Of everything random.
    """

    scenarios: tuple[str, ...] = ("sudden",)
    months: int = 24
    applicants: int = 500
    delay: int = 3
    every: int = 3
    learn_from: int = 4_000
    limits: AlarmLimits = field(default_factory=AlarmLimits)
    seed: int = 0

    @property
    def policies(self) -> tuple[str, ...]:
        """What is done about the model, by name."""
        return tuple(policies(self.every, self.limits))


@dataclass(frozen=True)
class World:
    """Applicants and first model that all courses have in common.

    Attributes
    ----------
    trainer : Trainer
        Applicants, and how models are made.
    model : Path
        The folder of the first model.
    """

    trainer: Trainer
    model: Path


@dataclass(frozen=True)
class Course:
    """The result of a policy in a scenario.

    Attributes
    ----------
    scenario, policy : str
        Which.
    arrivals : Arrivals
        Who applied; the same for all policies.
    ledger : Ledger
        What was decided.
    costs : Costs
        What mistakes cost.
    events : tuple of Event
        What was done about the models.
    """

    scenario: str
    policy: str
    arrivals: Arrivals
    ledger: Ledger
    costs: Costs
    events: tuple[Event, ...]

    @property
    def cost(self) -> Floats:
        """Expected cost of each decision, in units of one refused good applicant.

        From the true probability: the luck of single loans is left out.
        """
        p = self.arrivals.probability
        return np.where(
            self.ledger.refused, self.costs.total(0.0, 1.0 - p), self.costs.total(p, 0.0)
        )

    @property
    def least_cost(self) -> Floats:
        """Least expected cost of each decision, knowing the true probabilities."""
        p = self.arrivals.probability
        return np.minimum(self.costs.total(p, 0.0), self.costs.total(0.0, 1.0 - p))


def world_of(
    dataset: Dataset, champion: Scorer, settings: SimulationSettings, folder: Path
) -> World:
    """Make the world of a dataset, with its first model.

    Parameters
    ----------
    dataset : Dataset
        Its training applicants.
    champion : Scorer
        Whose configuration and costs all models have.
    settings : SimulationSettings
        What is simulated.
    folder : Path
        Where the first model is written to.

    Raises
    ------
    ScoringError
        If the champion does not tell how it was made.
    TrainingError
        If there are too few applicants of either outcome.
    """
    made = candidate_of(champion)
    costs = champion.costs
    first, pool = divide(examples_of(dataset), made, costs, settings.seed)
    trainer = Trainer(first, pool, made, costs, settings.learn_from, settings.seed)
    return start_world(trainer, folder)


def start_world(trainer: Trainer, folder: Path) -> World:
    """Make a world with its first model, which is written to a folder."""
    trainer.first_model().save(folder)
    return World(trainer, folder)


def course(world: World, settings: SimulationSettings, scenario: str, policy: str) -> Course:
    """Simulate one policy in one scenario.

    Parameters
    ----------
    world : World
        Applicants and the first model.
    settings : SimulationSettings
        How long, how many.
    scenario : str
        Of `SCENARIOS`.
    policy : str
        Of `settings.policies`.
    """
    scorer, pool = Scorer.load(world.model), world.trainer.pool
    arrivals = draw(pool, SCENARIOS[scenario], settings.months, settings.applicants, settings.seed)
    chosen = policies(settings.every, settings.limits)[policy]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), pool.vectors[:1], settings.seed) as service,
    ):
        branch = Branch(service, world.trainer, arrivals, settings.delay, scorer)
        for month in range(settings.months):
            chosen.review(branch, month)
            branch.decide(month)
    return Course(scenario, policy, arrivals, branch.ledger, scorer.costs, tuple(branch.events))


def simulate(
    world: World,
    settings: SimulationSettings,
    processes: int = 1,
    progress: Progress | None = None,
) -> list[Course]:
    """Simulate every policy in every scenario.

    Parameters
    ----------
    world : World
        Applicants and the first model.
    settings : SimulationSettings
        What is simulated.
    processes : int
        How many courses are simulated at a time.
    progress : callable of (name, done, total), optional
        Told after each course.

    Returns
    -------
    list of Course
        By scenario, and by policy in the order of `settings.policies`.
    """
    wanted = list(product(settings.scenarios, settings.policies))
    courses = []
    for made in in_processes(partial(course, world, settings), wanted, processes):
        courses.append(made)
        if progress:
            progress(f"{made.scenario}: {made.policy}", len(courses), len(wanted))
    return courses
