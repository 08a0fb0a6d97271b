"""Features learnt from data: fitted on training applicants only, carried by the Scorer.

To learn: `LEARNERS`, `cross_fit`. To serve: `Learned.transform`, `add_learned`, `LEARNED`.
"""

from __future__ import annotations

from collections.abc import Mapping

from scoring.learned.base import (
    Labels,
    Learned,
    LearnedError,
    Learner,
    Rows,
    add_learned,
    assign_folds,
    cross_fit,
    cross_fit_all,
    scramble,
)
from scoring.learned.groups import (
    GroupMedians,
    GroupMediansLearner,
    TargetMeans,
    TargetMeansLearner,
)
from scoring.learned.neighbours import Neighbours, NeighboursLearner
from scoring.learned.nested import Nested, NestedLearner
from scoring.learned.rates import Rates, RatesLearner

__all__ = [
    "LEARNED",
    "LEARNERS",
    "Labels",
    "Learned",
    "LearnedError",
    "Learner",
    "Rows",
    "add_learned",
    "assign_folds",
    "cross_fit",
    "cross_fit_all",
    "scramble",
]

# The standard learners by name, and the classes of what they learn, to load a saved Scorer.
LEARNERS: Mapping[str, Learner] = {
    learner.name: learner
    for learner in (
        NeighboursLearner(),
        NestedLearner(),
        TargetMeansLearner(),
        GroupMediansLearner(),
        RatesLearner(),
    )
}
LEARNED: Mapping[str, type[Learned]] = {
    Neighbours.name: Neighbours,
    Nested.name: Nested,
    TargetMeans.name: TargetMeans,
    GroupMedians.name: GroupMedians,
    Rates.name: Rates,
}
