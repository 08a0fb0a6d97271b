"""Champion and challenger on the newest decisions whose outcome is known.

Only those who were given a loan have an outcome, and the champion chose them: on them alone a
challenger that refuses more looks better, and what it would accept of the refused costs nothing.
So the refused are represented by stand-ins: held-out applicants of known outcome whom the champion
would refuse, in the share in which it refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from scoring.approval import held_out_of, pds_of, score_held_out
from scoring.bootstrap import Interval
from scoring.dataset import Dataset
from scoring.evaluation import figures, paired_difference
from scoring.gates import HeldOut, Scored
from scoring.retraining.history import History
from scoring.scorer import Floats, Scorer

_RESAMPLES = 1000
_ALMOST_ALL = 0.95


@dataclass(frozen=True)
class Window:
    """The newest decisions with a known outcome, which neither model has learnt from.

    Attributes
    ----------
    since, until : datetime
        When the first and the last of them may have been taken.
    history : History
        Those with an outcome.
    decided, refused : int
        Of all decisions in that time, whatever came of them, how many there are and how many
        were refusals.
    """

    since: datetime
    until: datetime
    history: History
    decided: int
    refused: int

    @property
    def refusal_rate(self) -> float:
        """The share of refusals."""
        return self.refused / self.decided if self.decided else 0.0


@dataclass(frozen=True)
class Trial:
    """What both models make of the same applicants.

    Attributes
    ----------
    window : Window
        Whose newest decisions they are.
    stand_ins, wanted : int
        Applicants in the place of the refused: how many there were, and how many it would take.
    challenger, champion : Scored
        The models with their PDs of the applicants.
    held_out : HeldOut
        The applicants, the labelled decisions first.
    on_labelled, on_all : mapping of str to Interval
        Figures of the challenger minus the champion's, without stand-ins and with them.
    """

    window: Window
    stand_ins: int
    wanted: int
    challenger: Scored
    champion: Scored
    held_out: HeldOut
    on_labelled: Mapping[str, Interval]
    on_all: Mapping[str, Interval]

    @property
    def cost(self) -> Interval:
        """The difference in business cost an applicant; below 0 the challenger is cheaper."""
        return self.on_all["business_cost"]

    @property
    def cheaper(self) -> bool:
        """Whether the challenger is cheaper beyond chance: the whole interval is below 0."""
        return self.cost.high < 0

    def figures_of(self, scored: Scored) -> dict[str, float]:
        """A model's own figures on all these applicants."""
        scorer = scored.scorer
        return figures(self.held_out.target, scored.pds, scorer.cutoff, scorer.costs)


def held(
    challenger: Scorer, champion: Scorer, window: Window, dataset: Dataset, seed: int = 0
) -> Trial:
    """Score the newest decisions and the stand-ins with both models.

    Parameters
    ----------
    challenger, champion : Scorer
        The models.
    window : Window
        With at least one labelled decision.
    dataset : Dataset
        What the challenger learnt from, less those held out of it: the stand-ins are of these.
    seed : int
        Of the draw of stand-ins and of the bootstrap.
    """
    models = challenger, champion
    newest = held_out_of(window.history.frames["application"])
    others, pds_of_others = score_held_out(dataset, *models)
    size = newest.target.size
    # Where nearly all are refused no number of stand-ins would do.
    rate = min(window.refusal_rate, _ALMOST_ALL)
    wanted = round(size * rate / (1.0 - rate))
    chosen = _refused(champion, pds_of_others[1], wanted, seed)
    pds = [
        np.concatenate([own, theirs[chosen]])
        for own, theirs in zip(pds_of(window.history.frames, *models), pds_of_others, strict=True)
    ]
    target = np.concatenate([newest.target, others.target[chosen]])
    groups = pl.concat([newest.groups, others.groups[chosen]])
    return Trial(
        window=window,
        stand_ins=chosen.size,
        wanted=wanted,
        challenger=Scored(challenger, pds[0]),
        champion=Scored(champion, pds[1]),
        # Stand-ins tell what refusals cost, but their outcomes are of another time.
        held_out=HeldOut(target, groups, newest.rule, np.arange(target.size) < size),
        on_labelled=_differences(models, pds, target, size, seed),
        on_all=_differences(models, pds, target, target.size, seed),
    )


def _refused(champion: Scorer, pds: Floats, wanted: int, seed: int) -> np.ndarray:
    refused = np.array([one == "refuse" for one in champion.decide(pds)], dtype=np.bool_)
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(refused))
    return np.sort(drawn[:wanted])


def _differences(
    models: tuple[Scorer, Scorer], pds: list[Floats], target: np.ndarray, size: int, seed: int
) -> dict[str, Interval]:
    challenger, champion = models
    return paired_difference(
        target[:size],
        pds[0][:size],
        pds[1][:size],
        challenger.cutoff,
        champion.cutoff,
        challenger.costs,
        _RESAMPLES,
        seed,
    )
