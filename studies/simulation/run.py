"""Simulations: each policy meets the very same applicants, in a service of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from scoring.data.dataset import Dataset
from scoring.modelling.configuration import candidate_of
from scoring.modelling.examples import examples_of
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer
from studies.simulation.arrivals import Arrivals, Floats, divide, draw
from studies.simulation.branch import Branch, Event, Ledger
from studies.simulation.learning import School
from studies.simulation.policies import policies
from studies.simulation.scenarios import SCENARIOS
from studies.simulation.service import running
from studies.simulation.watch import Limits

# Called with what is done, how far it is and how far it goes.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is simulated.

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
    limits : Limits
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
    limits: Limits = field(default_factory=Limits)
    seed: int = 0

    @property
    def policies(self) -> tuple[str, ...]:
        """What is done about the model, by name."""
        return tuple(policies(self.every, self.limits))


@dataclass(frozen=True)
class World:
    """What all courses of events have in common.

    Attributes
    ----------
    school : School
        Applicants, and how models are made.
    model : Path
        The folder of the first model.
    """

    school: School
    model: Path


@dataclass(frozen=True)
class Course:
    """What came of a policy in a scenario.

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
        """What each decision is to be expected to cost, in units of one refused good applicant.

        From the true probability: the luck of single loans is left out.
        """
        p = self.arrivals.probability
        accepted, refused = p * self.costs.false_negative, (1.0 - p) * self.costs.false_positive
        return np.where(self.ledger.refused, refused, accepted)

    @property
    def least_cost(self) -> Floats:
        """The same for somebody who knows the true probabilities."""
        p = self.arrivals.probability
        return np.minimum(p * self.costs.false_negative, (1.0 - p) * self.costs.false_positive)


def world_of(dataset: Dataset, champion: Scorer, settings: Settings, folder: Path) -> World:
    """The world of a dataset, and the first model in it.

    Parameters
    ----------
    dataset : Dataset
        Its training applicants.
    champion : Scorer
        Whose configuration and costs all models have.
    settings : Settings
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
    school = School(first, pool, made, costs, settings.learn_from, settings.seed)
    return begun(school, folder)


def begun(school: School, folder: Path) -> World:
    """A world with its first model, which is written to a folder."""
    school.first_model().save(folder)
    return World(school, folder)


def course(world: World, settings: Settings, scenario: str, policy: str) -> Course:
    """Simulate one policy in one scenario.

    Parameters
    ----------
    world : World
        Applicants and the first model.
    settings : Settings
        How long, how many.
    scenario : str
        Of `SCENARIOS`.
    policy : str
        Of `settings.policies`.
    """
    scorer, pool = Scorer.load(world.model), world.school.pool
    arrivals = draw(pool, SCENARIOS[scenario], settings.months, settings.applicants, settings.seed)
    chosen = policies(settings.every, settings.limits)[policy]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), pool.vectors[:1], settings.seed) as service,
    ):
        branch = Branch(service, world.school, arrivals, settings.delay, scorer)
        for month in range(settings.months):
            chosen.review(branch, month)
            branch.live(month)
    return Course(scenario, policy, arrivals, branch.ledger, scorer.costs, tuple(branch.events))


def simulate(
    world: World,
    settings: Settings,
    processes: int = 1,
    progress: Progress | None = None,
) -> list[Course]:
    """Simulate every policy in every scenario.

    Parameters
    ----------
    world : World
        Applicants and the first model.
    settings : Settings
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
    wanted = [(one, policy) for one in settings.scenarios for policy in settings.policies]
    found = []
    for done, one in enumerate(_courses(world, settings, wanted, processes), start=1):
        found.append(one)
        if progress:
            progress(f"{one.scenario}: {one.policy}", done, len(wanted))
    return found


def _courses(
    world: World, settings: Settings, wanted: Sequence[tuple[str, str]], processes: int
) -> Iterator[Course]:
    if processes == 1:
        for scenario, policy in wanted:
            yield course(world, settings, scenario, policy)
        return
    # Forked children would inherit the locks of Polars' threads.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(course, world, settings, *pair) for pair in wanted]
        for one in waiting:
            yield one.result()
