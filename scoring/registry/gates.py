"""The gates that a challenger has to pass before it decides on credit.

Champion and challenger score the same held-out applicants. Without a champion only the absolute
gates count. Every gate tells its figure, its bound and a sentence; all but suspected leakage can be
overridden with a motive, which is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.fairness import FOUR_FIFTHS, four_fifths
from scoring.evaluation.metrics import (
    SUSPECT_AUC,
    auc_interval,
    bin_starts,
    figures,
    paired_difference,
)
from scoring.features.definitions import definitions
from scoring.reports.card.fields import Card, missing
from scoring.serving.scorer import Scorer

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]

_HELD_OUT = "held out"


@dataclass(frozen=True)
class Margins:
    """Margins of the gates: how much worse a challenger may be, and what no model may exceed.

    The margins are about two standard errors of the difference between two models of the same
    recipe on 2,000 held-out applicants: less would refuse for noise, more would let a worse model
    through. On more applicants the intervals, which have no margin, become the stricter half of
    the rule.

    Attributes
    ----------
    auc, business_cost, brier, ece : float
        A challenger whose figure is worse than the champion's by more is refused, and so is one
        that is worse beyond doubt (the whole 95 % interval of the difference), by however little.
    worst_ece : float
        The largest calibration error of any champion; a larger one is let through where so few
        are held out that perfect PDs could show it (`chance_ece`), and where the champion's is
        larger still beyond doubt.
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


@dataclass(frozen=True)
class Gate:
    """The outcome of one gate.

    Attributes
    ----------
    name : str
    passed : bool
    figure, bound : float or str
        What was found, and what was asked for.
    sentence : str
        Both in words.
    alert : bool
        Passed, but somebody should look at it.
    final : bool
        Whether no motive overrides it.
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
    """The outcomes of all gates for a challenger.

    Attributes
    ----------
    challenger, champion : str
        Versions; champion is None where there is none to compare with.
    gates : tuple of Gate
    applicants, defaults : int
        How many were held out, and how many of them defaulted.
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
    """Applicants that no model has learnt from.

    Attributes
    ----------
    target : numpy.ndarray of shape (applicants,)
        1 for a default, 0 else.
    groups : polars.DataFrame
        Each applicant's group by protected attribute, a column each ("sex", "age"), as
        `scoring.evaluation.fairness.attributes` gives them.
    rule : str
        Which applicants these are; it has to stand in the lineage of a model that is measured
        on them, as training.holdout.
    current : numpy.ndarray of bool of shape (applicants,), optional
        Whose outcomes are recent enough to tell how high PDs should be: calibration and Brier
        score are measured on them. Everybody's by default.
    """

    target: Labels
    groups: pl.DataFrame
    rule: str
    current: Mask | None = None

    @property
    def levels(self) -> Mask:
        """Those on whom the level of PDs is measured."""
        everybody = np.ones(self.target.size, dtype=np.bool_)
        return everybody if self.current is None else self.current


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
    ) -> dict[str, Interval]:
        """Compute this model's figures minus another's on the same applicants.

        Parameters
        ----------
        other : Scored
            The other model, with its PDs of the same applicants.
        target : numpy.ndarray of shape (applicants,)
            1 for a default, 0 else.
        rows : numpy.ndarray of bool or slice
            On which of the applicants; all by default.
        cutoff : float, optional
            In the place of this model's own.
        resamples, seed : int
            Of the bootstrap intervals.
        """
        own = self.scorer.cutoff if cutoff is None else cutoff
        pds, others = self.pds[rows], other.pds[rows]
        return paired_difference(
            target[rows], pds, others, own, other.scorer.cutoff, self.scorer.costs, resamples, seed
        )


@dataclass(frozen=True)
class Incomparable:
    """A champion that this code cannot score with, and why."""

    version: str
    why: str


def judge(
    challenger: Scored,
    champion: Scored | Incomparable | None,
    held_out: HeldOut,
    card: Card | None,
    margins: Margins | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> GateVerdict:
    """Hold a challenger against the gates.

    Parameters
    ----------
    challenger : Scored
        The model that should become the champion.
    champion : Scored, Incomparable or None
        The one that is; None where there is none yet.
    held_out : HeldOut
        Applicants that neither has learnt from.
    card : Card, optional
        The challenger's model card.
    margins : Margins, optional
        What is tolerated.
    resamples, seed : int
        Of the bootstrap intervals.
    """
    allowed = margins or Margins()
    differences = _differences(challenger, champion, held_out, resamples, seed)
    ece = differences["ece"] if differences else None
    gates = [
        _feature_set(challenger.scorer),
        _held_out(challenger.scorer, champion, held_out),
        _credible(challenger, held_out, allowed, resamples, seed),
        _calibrated(challenger, held_out, allowed, ece, seed),
        *_against(differences, allowed),
        *_fairness(challenger, champion, held_out, allowed, resamples, seed),
        _card(challenger.scorer, card),
    ]
    return GateVerdict(
        challenger=challenger.version,
        champion=None if champion is None else champion.version,
        gates=tuple(gates),
        applicants=held_out.target.size,
        defaults=int(held_out.target.sum()),
    )


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


def _held_out(
    challenger: Scorer, champion: Scored | Incomparable | None, held_out: HeldOut
) -> Gate:
    """Whether no model has learnt from the applicants that it is measured on."""
    name, asked = "held out", held_out.rule
    if isinstance(champion, Incomparable):
        words = f"There is no comparison with the champion, which cannot be read: {champion.why}."
        return Gate(name, False, "no comparison", asked, words)
    models = {"challenger": challenger}
    if champion is not None:
        models["champion"] = champion.scorer
    for role, scorer in models.items():
        holdout = str(scorer.lineage.get("training", {}).get("holdout", "not recorded"))
        if holdout != asked:
            words = f"The {role} may have learnt from these applicants: it held out {holdout!r}."
            return Gate(name, False, holdout, asked, words)
    return Gate(name, True, asked, asked, "No model has learnt from the applicants scored here.")


def _differences(
    challenger: Scored,
    champion: Scored | Incomparable | None,
    held_out: HeldOut,
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    """Figures of the challenger minus the champion's; none where there is no comparison."""
    if not isinstance(champion, Scored):
        return {}

    differences = challenger.minus(champion, held_out.target, resamples=resamples, seed=seed)
    if held_out.current is not None:
        levels = challenger.minus(
            champion, held_out.target, held_out.current, resamples=resamples, seed=seed
        )
        differences |= {name: levels[name] for name in _LEVELS}
    return differences


def _calibrated(
    challenger: Scored,
    held_out: HeldOut,
    allowed: Margins,
    difference: Interval | None,
    seed: int,
) -> Gate:
    """Whether PDs are off by little, or at least by less than those that decide meanwhile."""
    scorer, rows = challenger.scorer, held_out.levels
    pds = challenger.pds[rows]
    ece = figures(held_out.target[rows], pds, scorer.cutoff, scorer.costs)["ece"]
    bound = max(allowed.worst_ece, chance_ece(pds, seed))
    better = difference is not None and difference.high < 0
    words = f"PDs are off by {ece:.4f} on average (at most {bound:.4f})"
    if ece > bound and better:
        words += ", beyond doubt less than the champion's"
    passed = ece <= bound or better
    return Gate("calibration", passed, ece, bound, f"{words}.", alert=passed and ece > bound)


def _credible(
    challenger: Scored, held_out: HeldOut, allowed: Margins, resamples: int, seed: int
) -> Gate:
    auc, low, high = auc_interval(held_out.target, challenger.pds, resamples, seed)
    suspect = auc > allowed.suspect_auc
    few = int(held_out.target.sum()) < allowed.enough_defaults
    by_chance = suspect and few and low <= allowed.suspect_auc
    words = f"AUC {auc:.4f} [{low:.4f}, {high:.4f}] "
    if by_chance:
        words += f"is above {allowed.suspect_auc}, which chance explains with so few defaults."
    elif suspect:
        words += f"is above {allowed.suspect_auc}, better than any model ever published: leakage."
    else:
        words += f"is credible (at most {allowed.suspect_auc})."
    passed = not suspect or by_chance
    return Gate("no leakage", passed, auc, allowed.suspect_auc, words, alert=by_chance, final=True)


def chance_ece(pds: Floats, seed: int = 0) -> float:
    """Compute the calibration error that perfect PDs exceed by chance once in twenty times.

    Few applicants make any PD look wrong: outcomes are drawn from the PDs themselves.

    Parameters
    ----------
    pds : numpy.ndarray of shape (applicants,)
    seed : int
        Of the drawn outcomes.
    """
    rng = np.random.default_rng(seed)
    rising = np.sort(pds)
    errors = (rng.random((_CHANCE_DRAWS, pds.size)) < rising) - rising
    by_bin = np.add.reduceat(errors, bin_starts(rising, 10), axis=1)
    return float(np.quantile(np.abs(by_bin).sum(axis=1) / pds.size, 0.95))


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


def _against(differences: Mapping[str, Interval], allowed: Margins) -> Iterator[Gate]:
    for name, words, more_is_better in _COMPARED if differences else ():
        margin = getattr(allowed, name)
        yield _not_worse(words, differences[name], margin, more_is_better)


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


def _not_worse(words: str, difference: Interval, margin: float, more_is_better: bool) -> Gate:
    """Refuse what is worse by more than the margin, and what is worse beyond doubt."""
    value, low, high = difference
    loss, least_loss = (-value, -high) if more_is_better else (value, low)
    bound = -margin if more_is_better else margin
    if least_loss > 0:
        judgement = "worse beyond doubt"
    elif loss > margin:
        judgement = f"worse by more than {margin}"
    else:
        judgement = "not worse"
    return Gate(
        f"{words} against the champion", judgement == "not worse", value, bound,
        f"The {words} differs by {value:+.4f} [{low:+.4f}, {high:+.4f}] from the champion's: "
        f"{judgement}.",
    )  # fmt: skip


def _fairness(
    challenger: Scored,
    champion: Scored | Incomparable | None,
    held_out: HeldOut,
    allowed: Margins,
    resamples: int,
    seed: int,
) -> Iterator[Gate]:
    ours, theirs = (
        _ratios(scored, held_out, resamples, seed) if isinstance(scored, Scored) else {}
        for scored in (challenger, champion)
    )
    for attribute in held_out.groups.columns:
        if attribute not in ours:
            yield _unknown(attribute)
            continue
        bound, compared = allowed.lowest_ratio[attribute], "a first champion needs"
        if attribute in theirs:
            other = theirs[attribute].value
            bound = FOUR_FIFTHS if other >= FOUR_FIFTHS else other - allowed.ratio
            compared = f"the champion's is {other:.3f}, it needs"
        yield _fair(attribute, ours[attribute], bound, compared)


def _ratios(scored: Scored, held_out: HeldOut, resamples: int, seed: int) -> dict[str, Interval]:
    """The ratio of each attribute that has two groups large enough."""
    table = four_fifths(
        held_out.groups, held_out.target, scored.pds, scored.scorer.cutoff, resamples, seed
    )
    rows = table.select("attribute", "ratio", "low", "high").iter_rows()
    return {attribute: Interval(*ratio) for attribute, *ratio in rows}


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


def _unknown(attribute: str) -> Gate:
    words = f"Too few held-out applicants to compare acceptance by {attribute}."
    return Gate(f"fairness by {attribute}", True, "unknown", "two groups", words, alert=True)


def _card(scorer: Scorer, card: Card | None) -> Gate:
    name, bound = "model card", "complete"
    if card is None:
        return Gate(name, False, "none", bound, "No model card was registered with the challenger.")
    if (card.identity.name, card.identity.version) != (scorer.name, scorer.version):
        words = f"The model card is that of version {card.identity.version}."
        return Gate(name, False, f"of version {card.identity.version}", bound, words)
    empty = list(missing(card))
    if empty:
        words = f"The model card has empty fields: {', '.join(empty)}."
        return Gate(name, False, f"{len(empty)} empty fields", bound, words)
    return Gate(name, True, bound, bound, "The model card is complete.")
