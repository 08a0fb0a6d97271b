"""The gates that a challenger has to pass before it decides on credit.

Champion and challenger score the same held-out applicants. Without a champion only the absolute
gates count. Every gate tells its figure, its bound and a sentence; all but suspected leakage can be
overridden with a motive, which is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from scoring.evaluation.bootstrap import Interval, standing_for
from scoring.evaluation.business import business_cost
from scoring.evaluation.fairness import FOUR_FIFTHS, four_fifths
from scoring.evaluation.metrics import (
    SUSPECT_AUC,
    auc_interval,
    bin_starts,
    figures,
    paired_difference,
)
from scoring.evaluation.off_policy import Logged, mean_of_seen
from scoring.features.definitions import definitions
from scoring.modelling.examples import Mask, taken
from scoring.reports.card.fields import Card, missing
from scoring.serving.families.base import Floats, Labels
from scoring.serving.scorer import Scorer

CARD = "model card"
_HELD_OUT = "held out"
_NOT_WORSE = "not shown to be worse"
# What is compared with the champion: name of the figure, its name in words, whether more is better.
_COMPARED = (
    ("auc", "AUC", True),
    ("business_cost", "business cost", False),
    ("brier", "Brier score", False),
    ("ece", "calibration error", False),
)
# Those of them that depend on how high PDs are, not on how they rank alone.
_LEVELS = ("brier", "ece")
_CHANCE_DRAWS = 200


@dataclass(frozen=True)
class Margins:
    """Margins of the gates: how much worse a challenger may be, and what no model may exceed.

    The first four are about two standard errors of the difference between two models of the same
    recipe on 2,000 held-out applicants: less would refuse for noise, more would let a worse model
    through. A challenger whose figure is worse than the champion's by more is refused, and so is
    one that is worse beyond chance (the whole 95 % interval of the difference), by however little.

    Attributes
    ----------
    worst_ece : float
        The largest calibration error of any champion; a larger one is let through where so few
        are held out that perfect PDs could show it (`chance_ece`), and where the champion's is
        larger still beyond chance.
    suspect_auc : float
        An AUC above it is taken for leakage.
    enough_defaults : int
        With fewer held-out defaults than that (a standard error of the AUC above 0.025) a higher
        AUC raises an alert only, unless its whole interval is above `suspect_auc`.
    lowest_ratio : mapping of str to float
        For each protected attribute the lowest acceptance rate of a group over the highest that a
        first champion may have, chance allowed for. Sex: the four-fifths rule. Age: half, because
        default rates of age bands differ by a factor of two; between half and four fifths an
        alert is raised.
    ratio : float
        By how much a challenger's ratio may be below the champion's where both break the
        four-fifths rule.
    uses : int
        Of the held-out applicants, a look with each model, from where on a fresh hold-out is asked
        for. The best of twenty equal models looks 1.9 standard errors better than it is (the mean
        of the largest of twenty normal draws), nearly as much as the first four margins.
    """

    auc: float = 0.015
    business_cost: float = 0.04
    brier: float = 0.001
    ece: float = 0.015
    worst_ece: float = 0.03
    suspect_auc: float = SUSPECT_AUC
    enough_defaults: int = 100
    lowest_ratio: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({"sex": FOUR_FIFTHS, "age": 0.5})
    )
    ratio: float = 0.05
    uses: int = 20


@dataclass(frozen=True)
class Gate:
    """The outcome of one gate: its figure, its bound, and both in a sentence.

    A gate with an `alert` was passed, but somebody should look at it; a `final` one cannot be
    overridden.
    """

    name: str
    passed: bool
    figure: float | str
    bound: float | str
    sentence: str
    alert: bool = False
    final: bool = False


@dataclass(frozen=True)
class GateVerdict:
    """The outcomes of all gates for a challenger, and how many applicants were held out.

    `challenger` and `champion` are versions; None where there is no champion to compare with.
    """

    challenger: str
    champion: str | None
    gates: tuple[Gate, ...]
    applicants: int
    defaults: int

    @property
    def passed(self) -> bool:
        """Whether every gate was."""
        return all(gate.passed for gate in self.gates)

    @property
    def only_incomparable(self) -> bool:
        """Whether all that stands in the way is a champion that cannot be compared with."""
        return [gate.name for gate in self.refused_by()] == [_HELD_OUT]

    def refused_by(self, force: bool = False) -> list[Gate]:
        """Return the gates in the way; where forced, only those that nobody overrides."""
        return [gate for gate in self.gates if not gate.passed and (gate.final or not force)]

    def summary(self) -> dict[str, list[Any]]:
        """Return whether each gate was passed, its figure and bound: plain JSON values."""
        return {gate.name: [gate.passed, gate.figure, gate.bound] for gate in self.gates}


@dataclass(frozen=True)
class HeldOut:
    """Applicants that no model has learnt from, with their outcomes and groups.

    `groups` has a column for each protected attribute ("sex", "age"), as
    `scoring.evaluation.fairness.attributes` gives them. `rule` says which applicants these are: it
    has to stand in the lineage of a model that is measured on them, as training.holdout. `current`
    are those whose outcomes are recent enough to tell how high PDs should be, everybody by default:
    calibration and Brier score are measured on them. `applicants` are their SK_ID_CURR, of whom the
    most used were looked at `uses` times before. Each stands for `sample_weight` applicants, or for
    itself.
    """

    target: Labels
    groups: pl.DataFrame
    rule: str
    current: Mask | None = None
    uses: int = 0
    applicants: tuple[int, ...] = ()
    sample_weight: Floats | None = None

    def part(self, rows: Mask) -> HeldOut:
        """Return some of them."""
        return replace(
            self,
            target=self.target[rows],
            groups=self.groups.filter(rows),
            current=None if self.current is None else self.current[rows],
            applicants=tuple(np.array(self.applicants)[rows].tolist()),
            sample_weight=taken(self.sample_weight, rows),
        )


@dataclass(frozen=True)
class Scored:
    """A model and the PDs that it gives to the held-out applicants, shape (applicants,)."""

    scorer: Scorer
    pds: Floats

    @property
    def version(self) -> str:
        """The model's."""
        return self.scorer.version

    def minus(
        self,
        other: Scored,
        target: Labels,
        rows: Mask | slice = slice(None),
        cutoff: float | None = None,
        resamples: int = 1000,
        seed: int = 0,
        sample_weight: Floats | None = None,
    ) -> dict[str, Interval]:
        """Compute this model's figures minus another's on the same applicants.

        They are those of `rows`, all by default; `cutoff` stands in the place of this model's own.
        """
        own, theirs = self.scorer.cutoff if cutoff is None else cutoff, other.scorer.cutoff
        known, costs, weights = target[rows], self.scorer.costs, taken(sample_weight, rows)
        pds, others = self.pds[rows], other.pds[rows]
        result = paired_difference(known, pds, others, own, theirs, costs, resamples, seed, weights)
        if weights is not None:
            seen = Logged(others, 1.0 / weights, weights > 0.0, known == 1)
            more: Floats = np.subtract(pds > own, others > theirs, dtype=np.float64)
            loss, gain = costs.false_positive * more, -costs.false_negative * more
            result["business_cost"] = mean_of_seen(seen, gain, loss)
        return result


@dataclass(frozen=True)
class Incomparable:
    """A champion that is not compared with, and why; one of sample applicants `gives_way`."""

    version: str
    why: str
    gives_way: bool = False


def judge(
    challenger: Scored,
    champion: Scored | Incomparable | None,
    held_out: HeldOut,
    card: Card | None,
    margins: Margins | None = None,
    resamples: int = 1000,
    seed: int = 0,
    past: Sequence[Scored] = (),
) -> GateVerdict:
    """Hold a challenger against the gates; there may be no champion to compare it with yet.

    `held_out` are applicants that none has learnt from, `card` is the challenger's, and `past` are
    the champions before this one that decide by the same costs.
    """
    contest = _Contest(challenger, champion, held_out, margins or Margins(), resamples, seed, past)
    gates = [
        _feature_set(challenger.scorer),
        contest.held_out_gate(),
        contest.fresh(),
        contest.credible(),
        contest.calibrated(),
        *contest.against_champions(),
        *contest.fair(),
        _card(challenger.scorer, card),
    ]
    return GateVerdict(
        challenger=challenger.version,
        champion=None if champion is None else champion.version,
        gates=tuple(gates),
        applicants=held_out.target.size,
        defaults=int(held_out.target.sum()),
    )


def on_original(differences: Mapping[str, Interval]) -> Iterator[Gate]:
    """Judge whether AUC and cost are worse than the champion's beyond chance, a gate each."""
    for name, words, more_is_better in _COMPARED[:2]:
        value, low, high = differences[name]
        worse = high < 0 if more_is_better else low > 0
        judgement = "worse beyond chance" if worse else "not worse beyond chance"
        yield Gate(
            f"{words} on the original hold-out", not worse, value, 0.0,
            f"The {words} differs by {value:+.4f} [{low:+.4f}, {high:+.4f}] from the champion's on "
            f"the original hold-out: {judgement}.",
        )  # fmt: skip


def chance_ece(pds: Floats, seed: int = 0, sample_weight: Floats | None = None) -> float:
    """Compute the calibration error that perfect PDs exceed by chance once in twenty times.

    Few applicants make any PD look wrong, and so do few who stand for many: outcomes are drawn from
    the PDs themselves.
    """
    rng, order = np.random.default_rng(seed), np.argsort(pds, kind="stable")
    rising, weights = pds[order], standing_for(sample_weight, pds.size)[order]
    errors = ((rng.random((_CHANCE_DRAWS, pds.size)) < rising) - rising) * weights
    by_bin = np.add.reduceat(errors, bin_starts(rising, 10), axis=1)
    return float(np.quantile(np.abs(by_bin).sum(axis=1) / weights.sum(), 0.95))


@dataclass(frozen=True)
class _Contest:
    """Challenger and champion on the same held-out applicants, a method for each kind of gate."""

    challenger: Scored
    champion: Scored | Incomparable | None
    held_out: HeldOut
    margins: Margins
    resamples: int
    seed: int
    past: Sequence[Scored]

    def held_out_gate(self) -> Gate:
        """Whether no model has learnt from the applicants that it is measured on."""
        asked = self.held_out.rule
        champion, words = self.champion, ""
        if isinstance(champion, Incomparable):
            words = f"There is no comparison with the champion: {champion.why}. "
            if not champion.gives_way:
                return Gate(_HELD_OUT, False, "no comparison", asked, words.strip())
            champion = None
        for role, scored in (("challenger", self.challenger), ("champion", champion)):
            training = {} if scored is None else scored.scorer.lineage.get("training", {})
            holdout = str(training.get("holdout", "not recorded"))
            if scored is not None and holdout != asked:
                words = f"The {role} may have learnt from these applicants: it held out "
                return Gate(_HELD_OUT, False, holdout, asked, f"{words}{holdout!r}.")
        words += "No model has learnt from the applicants scored here."
        return Gate(_HELD_OUT, True, asked, asked, words)

    def fresh(self) -> Gate:
        """Whether the applicants were looked at too seldom for luck alone to choose by."""
        uses, most = self.held_out.uses, self.margins.uses
        words = (
            f"Other models measured on these applicants before: {uses} (from {most} on a fresh "
            "hold-out, of newer outcomes, is needed)."
        )
        return Gate("fresh hold-out", uses < most, float(uses), float(most), words)

    def credible(self) -> Gate:
        limit = self.margins.suspect_auc
        held_out = self.held_out
        auc, low, high = auc_interval(
            held_out.target, self.challenger.pds, self.resamples, self.seed, held_out.sample_weight
        )
        few = int(held_out.target.sum()) < self.margins.enough_defaults
        by_chance = auc > limit and few and low <= limit
        words = f"AUC {auc:.4f} [{low:.4f}, {high:.4f}] "
        if by_chance:
            words += f"is above {limit}, which chance explains with so few defaults."
        elif auc > limit:
            words += f"is above {limit}, better than any model ever published: leakage."
        else:
            words += f"is credible (at most {limit})."
        passed = auc <= limit or by_chance
        return Gate("no leakage", passed, auc, limit, words, alert=by_chance, final=True)

    def calibrated(self) -> Gate:
        """Whether PDs are off by little, or at least by less than those that decide meanwhile."""
        scorer, current = self.challenger.scorer, self.held_out.current
        rows = slice(None) if current is None else current
        pds = self.challenger.pds[rows]
        weights = taken(self.held_out.sample_weight, rows)
        ece = figures(self.held_out.target[rows], pds, scorer.cutoff, scorer.costs, weights)["ece"]
        bound = max(self.margins.worst_ece, chance_ece(pds, self.seed, weights))
        better = bool(self._differences) and self._differences["ece"].high < 0
        words = f"PDs are off by {ece:.4f} on average (at most {bound:.4f})"
        if ece > bound and better:
            words += ", beyond chance less than the champion's"
        passed = ece <= bound or better
        return Gate("calibration", passed, ece, bound, f"{words}.", alert=passed and ece > bound)

    def against_champions(self) -> Iterator[Gate]:
        """Hold it against the champion and the best one so far: small losses may not add up."""
        compared = {"champion": self._differences} if self._differences else {}
        if self.past:
            best = _best(self.past, self.held_out, self.seed)
            compared["best champion"] = self._minus(best)
        for whose, differences in compared.items():
            for name, words, more_is_better in _COMPARED:
                margin = getattr(self.margins, name)
                yield _not_worse(words, differences[name], margin, more_is_better, whose)

    def fair(self) -> Iterator[Gate]:
        ours, theirs = self._ratios(self.challenger), self._ratios(self.champion)
        for attribute in self.held_out.groups.columns:
            if attribute not in ours:
                accepted = self.challenger.pds <= self.challenger.scorer.cutoff
                yield _unknown(attribute, bool(accepted.any()))
                continue
            bound, compared = self.margins.lowest_ratio[attribute], "a first champion needs"
            if attribute in theirs:
                other = theirs[attribute].value
                bound = FOUR_FIFTHS if other >= FOUR_FIFTHS else other - self.margins.ratio
                compared = f"the champion's is {other:.3f}, it needs"
            yield _fair(attribute, ours[attribute], bound, compared)

    @cached_property
    def _differences(self) -> dict[str, Interval]:
        """Figures of the challenger minus the champion's; none where there is no comparison."""
        return self._minus(self.champion) if isinstance(self.champion, Scored) else {}

    def _minus(self, champion: Scored) -> dict[str, Interval]:
        held_out = self.held_out

        def minus(rows: Mask | slice) -> dict[str, Interval]:
            return self.challenger.minus(
                champion, held_out.target, rows, resamples=self.resamples, seed=self.seed,
                sample_weight=held_out.sample_weight,
            )  # fmt: skip

        differences = minus(slice(None))
        if held_out.current is not None:
            levels = minus(held_out.current)
            differences |= {name: levels[name] for name in _LEVELS}
        return differences

    def _ratios(self, scored: Scored | Incomparable | None) -> dict[str, Interval]:
        """The ratio of each attribute that has two groups large enough."""
        if not isinstance(scored, Scored):
            return {}
        table = four_fifths(
            self.held_out.groups, self.held_out.target, scored.pds, scored.scorer.cutoff,
            self.resamples, self.seed, self.held_out.sample_weight,
        )  # fmt: skip
        rows = table.select("attribute", "ratio", "low", "high").iter_rows()
        return {attribute: Interval(*ratio) for attribute, *ratio in rows}


def _feature_set(scorer: Scorer) -> Gate:
    changed = [name for name, own in scorer.definitions.items() if definitions().get(name) != own]
    words = f"{changed[0]!r} is not" if changed else "All are"
    return Gate(
        "feature set",
        not changed,
        float(len(changed)),
        0.0,
        f"{len(scorer.features)} features are read. {words} computed as when the model learnt.",
    )


def _best(champions: Sequence[Scored], held_out: HeldOut, seed: int) -> Scored:
    """Give each half of the applicants the PDs of the champion that is the cheapest on the other.

    On the applicants that it is chosen by, the best of several looks better than it is. All
    decide by the same costs.
    """
    target, weights = held_out.target, held_out.sample_weight
    half = np.random.default_rng(seed).random(target.size) < 0.5
    pds, costs = np.empty(target.size), champions[0].scorer.costs
    for own, other in ((half, ~half), (~half, half)):
        counts = taken(weights, other)
        prices = [
            business_cost(target[other], c.pds[other], costs.cutoff, costs, counts)
            for c in champions
        ]
        pds[own] = champions[int(np.argmin(prices))].pds[own]
    return Scored(champions[0].scorer, pds)


def _not_worse(
    words: str, difference: Interval, margin: float, more_is_better: bool, whose: str
) -> Gate:
    """Refuse what is worse by more than the margin, and what is worse beyond chance."""
    value, low, high = difference
    loss, least_loss = (-value, -high) if more_is_better else (value, low)
    bound = -margin if more_is_better else margin
    if least_loss > 0:
        judgement = "worse beyond chance"
    elif loss > margin:
        judgement = f"worse by more than {margin}"
    else:
        judgement = _NOT_WORSE
    return Gate(
        f"{words} against the {whose}", judgement == _NOT_WORSE, value, bound,
        f"The {words} differs by {value:+.4f} [{low:+.4f}, {high:+.4f}] from the {whose}'s: "
        f"{judgement}.",
    )  # fmt: skip


def _fair(attribute: str, ratio: Interval, bound: float, compared: str) -> Gate:
    """Refuse a ratio below the bound, unless so few applicants show it that it may be chance.

    The same exception as in the rule itself: differences based on small numbers that are not
    significant are none (EEOC, Uniform Guidelines on Employee Selection Procedures, 4D, 1978).
    """
    below = ratio.value < FOUR_FIFTHS
    words = (
        f"The least accepted group by {attribute} is accepted {ratio.value:.3f} times as often as "
        f"the most accepted one [{ratio.low:.3f}, {ratio.high:.3f}] ({compared} {bound:.3f})"
    )
    words += ": below the four-fifths rule." if below else "."
    passed = ratio.high >= bound
    name = f"fairness by {attribute}"
    return Gate(name, passed, ratio.value, bound, words, alert=below and passed)


def _unknown(attribute: str, some: bool) -> Gate:
    """Refuse a model that accepts nobody; of too few applicants nothing can be said."""
    words = f"Nobody held out is accepted: there is no acceptance to compare by {attribute}."
    if some:
        words = f"Too few held-out applicants to compare acceptance by {attribute}."
    return Gate(f"fairness by {attribute}", some, "unknown", "two groups", words, alert=some)


def _card(scorer: Scorer, card: Card | None) -> Gate:
    figure, words = "complete", "The model card is complete."
    if card is None:
        figure, words = "none", "No model card was registered with the challenger."
    elif (card.identity.name, card.identity.version) != (scorer.name, scorer.version):
        figure = f"of version {card.identity.version}"
        words = f"The model card is that of version {card.identity.version}."
    elif empty := list(missing(card)):
        figure = f"{len(empty)} empty fields"
        words = f"The model card has empty fields: {', '.join(empty)}."
    return Gate(CARD, figure == "complete", figure, "complete", words)
