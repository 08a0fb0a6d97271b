"""The next model of a simulated lender, made and compared as `python -m scoring retrain` does it.

The functions are the same; features of the pool stand in the place of rows and registry.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples, applicants_digest
from scoring.modelling.pipeline import Data, TrainingSettings, fitted, revalidated
from scoring.registry.holdout import Unseen
from scoring.registry.retraining.history import History
from scoring.registry.retraining.retrain import check_enough, newest_of, window_of, with_outcomes
from scoring.registry.retraining.trial import Trial, Window, compared
from scoring.serving.costs import Costs
from scoring.serving.families.base import Labels
from scoring.serving.scorer import MODEL_NAME, Scorer
from scoring.store import Labelled, Store
from studies.simulation.arrivals import Arrivals, Pool

# As `python -m scoring retrain` has it by default.
WINDOW = timedelta(days=90)
_FOLDS = 2
# Numbers of those who are there from the start; those who come later have 1, 2 and so on.
_FIRST_NUMBER = 1_000_000_000


@dataclass(frozen=True)
class Trainer:
    """Everything a new model is made from besides decisions.

    Attributes
    ----------
    first, pool : Examples and Pool
        Applicants whose outcomes are known from the start, and those that come later.
    candidate : Candidate
        How every model is made.
    """

    first: Examples
    pool: Pool
    candidate: Candidate
    settings: TrainingSettings

    @classmethod
    def of(
        cls, first: Examples, pool: Pool, candidate: Candidate, costs: Costs, size: int, seed: int
    ) -> Trainer:
        """Take so many of the first applicants, and give them numbers, so that some are held out.

        None of them was held out by the number of the dataset.
        """
        chosen = first.subset(size, seed)
        last = _FIRST_NUMBER + chosen.target.size
        numbers = pl.int_range(_FIRST_NUMBER, last, dtype=pl.Int32, eager=True)
        settings = TrainingSettings(trials=0, seed=seed, costs=costs, folds=_FOLDS)
        known = replace(chosen, frame=chosen.frame.with_columns(SK_ID_CURR=numbers))
        return cls(known, pool, candidate, settings)

    @cached_property
    def original(self) -> Unseen:
        """Those of the first applicants that no model learns from."""
        _, holdout = self.first.holdout()
        return Unseen.of(holdout.frame, holdout.target)

    def first_model(self) -> Scorer:
        """Make the model of the beginning."""
        return self._made(self.first, (), "simulated 1")

    def next_model(self, known: Known, version: str) -> Scorer:
        """Make a model of the first applicants and of decisions, the newest of them left out."""
        frame = pl.concat([self.first.frame, known.features(self.pool, known.before)])
        target = np.concatenate([self.first.target, _target(known.before.decisions)])
        examples = Examples(frame, target, self.first.features).standing_for(known.before.weights)
        return self._made(examples, newest_of(known.before, WINDOW), version)

    def trial(
        self, challenger: Scorer, champion: Scorer, past: Sequence[Scorer], known: Known
    ) -> Trial:
        """Compare models on the newest decisions, and two of them on the original hold-out."""
        newest, seed = known.window.history, self.settings.seed
        unseen = Unseen.of(known.features(self.pool, newest), _target(newest.decisions))
        return compared(challenger, champion, known.window, unseen, self.original, seed, past)

    def _made(self, examples: Examples, newest: Collection[int], version: str) -> Scorer:
        development, holdout = examples.holdout()
        data = Data(
            applicants_digest(examples), "simulated", development, holdout, development,
            {"format": 2, "source": "simulated", "files": {}, "tables": {}},
        )  # fmt: skip
        validation = revalidated(data, self.candidate, newest, self.settings)
        return replace(fitted(validation, data, self.settings, MODEL_NAME), version=version)


@dataclass(frozen=True)
class Known:
    """Decisions whose outcome is known: those `before` the `window` are learnt from."""

    arrivals: Arrivals
    before: History
    window: Window

    @classmethod
    def at(cls, store: Store, arrivals: Arrivals, now: datetime) -> Known:
        """Read what is known at a time.

        Raises
        ------
        NothingToLearnError
            If there are too few outcomes to learn from, or to compare on.
        """
        decisions, _ = with_outcomes(store, now)
        since, last = decisions[-1].at - WINDOW, decisions[-1].at
        before = [own for own in decisions if own.at < since]
        newest = decisions[len(before) :]
        check_enough(before, f"before the newest {WINDOW.days} days")
        check_enough(newest, f"in the newest {WINDOW.days} days")
        window = window_of(store, cls.history(newest), since, last, now)
        return cls(arrivals, cls.history(before), window)

    @staticmethod
    def history(decisions: Sequence[Labelled]) -> History:
        """Return decisions by the numbers of their applicants; their rows are features."""
        return History(tuple(decisions), tuple(int(own.applicant) for own in decisions), {})

    def features(self, pool: Pool, history: History) -> pl.DataFrame:
        """Return the features of the applicants who were decided on, with their numbers."""
        chosen: pl.DataFrame = pool.features[self.arrivals.place[np.array(history.numbers) - 1]]
        return chosen.with_columns(SK_ID_CURR=pl.Series(history.numbers, dtype=pl.Int32))


def _target(decisions: Sequence[Labelled]) -> Labels:
    return np.array([own.defaulted for own in decisions], dtype=np.int8)
