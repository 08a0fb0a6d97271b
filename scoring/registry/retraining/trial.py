"""Champion and challenger on the newest decisions whose outcome is known.

Only those who were given a loan have an outcome, and the champion chose them: on them alone a
challenger that refuses more looks better, and what it would accept of the refused costs nothing.
Where chance has accepted enough of the refused, each whom the policy might have accepted counts by
1 / chance. Else the refused are represented by stand-ins: held-out applicants of known outcome whom
the champion would refuse, in the share in which it refused; the fewer there are, the more each
counts. These are of the original hold-out, on which both models are held against each other on
their own, too: new labels must not unlearn what was known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from scoring.evaluation import bootstrap
from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.metrics import figures
from scoring.evaluation.off_policy import ENOUGH_EXPLORED
from scoring.registry.gates import HeldOut, Scored
from scoring.registry.holdout import Unseen
from scoring.registry.retraining.history import History
from scoring.reports.words import Words
from scoring.serving.scorer import Floats, Scorer

_RESAMPLES = 1000
_ALMOST_ALL = 0.95
# A tenth of the odds: honest effects move further only where most of what is learnt is about
# accepted applicants, and a person looks at these as well (docs/model-life.md).
LARGEST_MOVE = 0.1
# Whose contributions are looked at: more would take minutes and tell the same.
_MOST = 2_000


@dataclass(frozen=True)
class Window:
    """The newest decisions with a known outcome, which neither model has learnt from.

    They may have been taken from `since` to `until`; of all decisions in that time, whatever came
    of them, there are `decided`, and `refused` were refusals without an outcome. `explored` of
    those with an outcome were accepted by chance. If they are enough, `weights` say for how many of
    all who had a chance each decision stands, by its id; else there are none.
    """

    since: datetime
    until: datetime
    history: History
    decided: int
    refused: int
    explored: int = 0
    weights: Mapping[str, float] = field(default_factory=dict)

    def basis(self, language: str = "en") -> str:
        """How the refused have a part in the comparison, in a sentence."""
        key = "window.weighted" if self.weights else "window.represented"
        words = Words("retraining", language)
        return words(key, explored=self.explored, least=ENOUGH_EXPLORED)

    @property
    def refusal_rate(self) -> float:
        """The share of refusals without an outcome."""
        return self.refused / self.decided if self.decided else 0.0


@dataclass(frozen=True)
class Trial:
    """Champion and challenger measured on the same applicants.

    Attributes
    ----------
    stand_ins, wanted : int
        Applicants in the place of the refused: how many there were, and how many it would take.
    held_out : HeldOut
        The applicants, the labelled decisions of the window first; its `applicants` are all who
        were looked at, the original hold-out too.
    past : tuple of Scored
        The champions before this one, on the same applicants.
    on_all : mapping of str to Interval
        Figures of the challenger minus the champion's, with weights or stand-ins.
    on_original : mapping of str to Interval
        The same on the original hold-out, where the challenger refuses as many as the champion:
        how high PDs are, and so how many it would refuse, follows today's outcomes.
    effects : mapping of str to Interval
        By table: what its features add to the log-odds of default, on the mean over the original
        hold-out, in the challenger minus in the champion.
    """

    window: Window
    stand_ins: int
    wanted: int
    challenger: Scored
    champion: Scored
    held_out: HeldOut
    on_all: Mapping[str, Interval]
    on_original: Mapping[str, Interval]
    effects: Mapping[str, Interval]
    past: tuple[Scored, ...] = ()
    seed: int = 0

    @cached_property
    def on_labelled(self) -> dict[str, Interval]:
        """Figures of the challenger minus the champion's on the labelled decisions as they are."""
        target = self.held_out.target
        labelled = slice(target.size - self.stand_ins)
        return self.challenger.minus(self.champion, target, labelled, seed=self.seed)

    @property
    def moved(self) -> list[str]:
        """Effects that have moved beyond chance, and by more than is usual, in sentences."""
        return [
            f"On the original hold-out features of {table} add {value:+.3f} [{low:+.3f}, "
            f"{high:+.3f}] to the log-odds of default beyond the champion's; {LARGEST_MOVE} is "
            "the limit."
            for table, (value, low, high) in self.effects.items()
            if low > LARGEST_MOVE or high < -LARGEST_MOVE
        ]

    @property
    def cost(self) -> Interval:
        """The difference in business cost an applicant; below 0 the challenger is cheaper."""
        return self.on_all["business_cost"]

    @property
    def cheaper(self) -> bool:
        """Whether the challenger is cheaper beyond chance: the whole interval is below 0."""
        return self.cost.high < 0

    def figures_of(self, scored: Scored) -> dict[str, float]:
        """Compute a model's own figures on all these applicants."""
        scorer = scored.scorer
        return figures(
            self.held_out.target, scored.pds, scorer.cutoff, scorer.costs,
            self.held_out.sample_weight,
        )  # fmt: skip


def compared(
    challenger: Scorer,
    champion: Scorer,
    window: Window,
    newest: Unseen,
    original: Unseen,
    seed: int = 0,
    past: Sequence[Scorer] = (),
) -> Trial:
    """Compare all models, `past` champions among them, on the newest decisions and the hold-out.

    `newest` are the window's labelled decisions, at least one, in its order; `original` those held
    out of what the first champion of all learnt from, whose outcomes no caller has reported. Of
    these are the stand-ins, where there are no weights.
    """
    models = challenger, champion, *past
    newest = _weighed(newest, window)
    newest_pds = [own.predict(newest.features) for own in models]
    others_pds = [own.predict(original.features) for own in models]
    held_out, others = newest.held_out, original.held_out
    size, weights = held_out.target.size, held_out.sample_weight
    # Where nearly all are refused no number of stand-ins would do.
    rate = min(window.refusal_rate, _ALMOST_ALL)
    wanted = 0 if window.weights else round(size * rate / (1.0 - rate))
    chosen = _refused(champion, others_pds[1], wanted, seed)
    weights = _enough(weights, size, chosen.size, wanted)
    pds = [
        np.concatenate([own, old[chosen]]) for own, old in zip(newest_pds, others_pds, strict=True)
    ]
    target = np.concatenate([held_out.target, others.target[chosen]])
    groups = pl.concat([held_out.groups, others.groups[chosen]])
    ours, theirs, *earlier = map(Scored, models, pds)
    first_ours, first_theirs, *_ = map(Scored, models, others_pds)
    strict = _as_strict(others_pds, champion.cutoff)
    return Trial(
        window=window,
        stand_ins=chosen.size,
        wanted=wanted,
        challenger=ours,
        champion=theirs,
        # Stand-ins tell what refusals cost, but their outcomes are of another time.
        held_out=HeldOut(
            target,
            groups,
            held_out.rule,
            np.arange(target.size) < size,
            applicants=held_out.applicants + others.applicants,
            sample_weight=weights,
        ),
        on_all=ours.minus(theirs, target, seed=seed, sample_weight=weights),
        on_original=first_ours.minus(first_theirs, others.target, cutoff=strict, seed=seed),
        effects=effects(challenger, champion, original, seed),
        past=tuple(earlier),
        seed=seed,
    )


def _weighed(newest: Unseen, window: Window) -> Unseen:
    """Leave out, where there are weights, decisions that have none."""
    if not window.weights:
        return newest
    weights = np.array([window.weights.get(own.id, 0.0) for own in window.history.decisions])
    some = weights > 0.0
    weighed = replace(newest.held_out, sample_weight=weights).part(some)
    return Unseen(weighed, newest.features.filter(some))


def _enough(weights: Floats | None, size: int, stand_ins: int, wanted: int) -> Floats | None:
    """Where there are too few stand-ins each counts for more: the refused keep their share."""
    if 0 < stand_ins < wanted:
        return np.repeat([1.0, wanted / stand_ins], [size, stand_ins])
    return weights


def _as_strict(pds: list[Floats], cutoff: float) -> float:
    """The cut-off at which the challenger refuses as many applicants as the champion."""
    refused = int((pds[1] > cutoff).sum())
    return float(np.sort(pds[0])[::-1][min(refused, pds[0].size - 1)])


def effects(
    challenger: Scorer, champion: Scorer, original: Unseen, seed: int = 0
) -> dict[str, Interval]:
    """Measure how far the mean contribution of each table's features has moved, in log-odds.

    Contributions are centred on those who were learnt from. Where these are such as the held-out
    ones of the `original` data their mean is about zero, whatever the outcomes were; labels about
    applicants of a kind of their own push it away for everybody else. Means of Shapley values to
    watch models by: Lundberg et al., "From local explanations to global understanding" (2020).
    """
    features, target = original.features.head(_MOST), original.held_out.target[:_MOST]
    ours, theirs = _by_table(challenger, features), _by_table(champion, features)
    nothing = np.zeros(target.size)
    tables = sorted(ours | theirs)
    moves = np.stack([ours.get(table, nothing) - theirs.get(table, nothing) for table in tables])
    by_table = bootstrap.sums(moves.T, target, _RESAMPLES, seed).T / target.size
    return {
        table: bootstrap.interval(float(own.mean()), resampled)
        for table, own, resampled in zip(tables, moves, by_table, strict=True)
    }


def _by_table(scorer: Scorer, features: pl.DataFrame) -> dict[str, Floats]:
    """Each applicant's contributions, those of a table's features together."""
    sums: dict[str, Floats] = {}
    for feature, own in zip(scorer.features, scorer.explain(features).contributions.T, strict=True):
        table, _, rest = feature.name.partition("__")
        table = table if rest else "application"
        sums[table] = sums.get(table, 0.0) + own
    return sums


def _refused(champion: Scorer, pds: Floats, wanted: int, seed: int) -> np.ndarray:
    refused = np.array([decision == "refuse" for decision in champion.decide(pds)], dtype=np.bool_)
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(refused))
    return np.sort(drawn[:wanted])
