"""Figures of all who applied, from the outcomes of those whom a known chance accepted.

Who is refused shows no outcome. Where some of the refused are accepted by chance, and the chance
is on record, the outcomes of these few stand for all others, each for 1 / propensity of them. Three
estimates are made of each figure:

- Horvitz-Thompson, of what is added up over those who were seen, each by 1 / propensity (Horvitz,
  Thompson, "A generalization of sampling without replacement from a finite universe", 1952):
  unbiased, and far off where few are seen.
- Self-normalised, the same divided by the sum of the weights instead of the number of applicants
  (Hajek, comment in "Foundations of statistical inference", 1971): steadier, with a bias that
  vanishes with the number of those seen.
- Doubly robust, what the model's PDs let expect, corrected by the weighted errors of those who were
  seen (Robins, Rotnitzky, Zhao, "Estimation of regression coefficients when some regressors are
  not always observed", 1994; for decisions Dudik, Langford, Li, "Doubly robust policy evaluation
  and learning", 2011): unbiased as the first is, and narrower the better the PDs are.

Of those without any chance to be accepted nothing is known, and they have no place here: leave them
out, and say how many there were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import stats

from scoring.errors import ScoringError
from scoring.evaluation.bootstrap import Flags, Floats, Interval
from scoring.serving.costs import Costs

# With fewer outcomes of explored loans the intervals are too narrow (docs/exploration.md).
ENOUGH_EXPLORED = 60


class OffPolicyError(ScoringError):
    """Decisions from which nothing can be estimated of those who were refused."""


class Estimates(NamedTuple):
    """A figure of all applicants by each of the three ways, with 95 % intervals."""

    horvitz_thompson: Interval
    self_normalised: Interval
    doubly_robust: Interval


@dataclass(frozen=True, slots=True)
class Logged:
    """Applicants with the chance that each had to be accepted, and so to show an outcome.

    Attributes
    ----------
    pds : numpy.ndarray of shape (applicants,)
        The PDs of the model, for the doubly robust estimates.
    chance : numpy.ndarray of shape (applicants,)
        How likely the policy was to accept each: the propensity of an acceptance, and what it
        lacks of 1 for a refusal.
    observed : numpy.ndarray of bool of shape (applicants,)
        Whether the outcome is known.
    defaulted : numpy.ndarray of bool of shape (applicants,)
        The outcomes; of those who were not observed it does not matter which.

    Raises
    ------
    OffPolicyError
        If nobody was observed, or a chance is not above 0 and up to 1.
    """

    pds: Floats
    chance: Floats
    observed: Flags
    defaulted: Flags

    def __post_init__(self) -> None:
        if not np.any(self.observed):
            raise OffPolicyError("nobody's outcome is known: there is nothing to estimate from")
        if not np.all((self.chance > 0) & (self.chance <= 1)):
            raise OffPolicyError(
                "a chance to be accepted must be above 0 and at most 1: leave out whoever had none"
            )

    @property
    def weights(self) -> Floats:
        """For how many applicants each stands who was observed; 0 for all others."""
        return np.asarray(self.observed / self.chance)

    def part(self, chosen: Flags) -> Self:
        """Return some of the applicants, chosen by what was known before the decision."""
        return type(self)(
            self.pds[chosen], self.chance[chosen], self.observed[chosen], self.defaulted[chosen]
        )


def default_rate(logged: Logged) -> Estimates:
    """Estimate the share of all applicants who default, or would."""
    return expectation(logged, 1.0, 0.0)


def policy_cost(logged: Logged, refused: Flags, costs: Costs) -> Estimates:
    """Estimate the mean cost an applicant of refusing some, whoever was refused in fact.

    Of shape (applicants,), `refused` says whom the rule would refuse that is to be judged: another
    cut-off, or another model's. The estimate is in the units of `costs`.
    """
    return expectation(logged, costs.false_negative * ~refused, costs.false_positive * refused)


def observed_to_expected(logged: Logged) -> Estimates:
    """Divide the estimated number of defaults by the sum of PDs: 1 where these are calibrated."""
    expected, rates = float(np.mean(logged.pds)), default_rate(logged)
    return Estimates(*(Interval(*(value / expected for value in rate)) for rate in rates))


def expectation(logged: Logged, if_defaulted: npt.ArrayLike, if_good: npt.ArrayLike) -> Estimates:
    """Estimate the mean over all applicants of what depends on the outcome.

    Each counts as `if_defaulted` or as `if_good`, of shape (applicants,) or one number. The
    interval of the self-normalised estimate, a ratio, is to the first order (Sarndal, Swensson,
    Wretman, "Model assisted survey sampling", 1992, section 5.7).
    """
    chance, weights, number = logged.chance, logged.weights, logged.pds.size
    bad, good = (np.broadcast_to(value, number) for value in (if_defaulted, if_good))
    values = np.where(logged.defaulted, bad, good).astype(np.float64)
    expected = logged.pds * bad + (1.0 - logged.pds) * good
    total = float(np.mean(weights * values))
    ratio = float(np.sum(weights * values) / np.sum(weights))
    robust = float(np.mean(expected + weights * (values - expected)))
    rest = expected - robust
    cases = (
        (np.full(number, -total), bad / chance - total, good / chance - total),
        (np.zeros(number), (bad - ratio) / chance, (good - ratio) / chance),
        (rest, rest + (bad - expected) / chance, rest + (good - expected) / chance),
    )
    plain, normed, corrected = (_half_width(logged, *each) for each in cases)
    return Estimates(
        Interval.around(total, plain / number),
        Interval.around(ratio, normed / float(np.sum(weights))),
        Interval.around(robust, corrected / number),
    )


def mean_of_seen(logged: Logged, if_defaulted: Floats, if_good: Floats) -> Interval:
    """Estimate the self-normalised mean where only those who were observed are at hand.

    They stand for all others in the variance, too: a bootstrap of few of them is too narrow.
    """
    weights = logged.weights
    values = np.where(logged.defaulted, if_defaulted, if_good)
    mean = float(np.average(values, weights=weights))
    # The variance counts each by the chance to be seen, which has come true for all of these.
    bad, good = ((each - mean) * weights**1.5 for each in (if_defaulted, if_good))
    half = _half_width(logged, np.zeros(weights.size), bad, good)
    return Interval.around(mean, half / float(np.sum(weights)))


def _half_width(logged: Logged, unseen: Floats, bad: Floats, good: Floats) -> float:
    """Return half the interval of a sum, given what each adds if unseen, a default, or good.

    The variance of those who are seen in any case is taken from what they added. Of the few who
    are seen by chance too few default for that, in the worst case none: of all who could have been
    seen so it is what chance and outcome let expect (Isaki, Fuller, "Survey design under the
    regression superpopulation model", 1982), the PDs being moved to the level of the outcomes
    seen. One default, and one that was expected, are added there, so that it is never nought.

    That level is as uncertain as a count of defaults, which Student's t allows for: the degrees of
    freedom are those of Satterthwaite, "An approximate distribution of estimates of variance
    components", 1946.
    """
    by_chance = logged.chance < 1.0
    seen = logged.observed & by_chance
    defaults = float(np.sum(logged.defaulted[seen])) + 1.0
    pds = np.minimum(defaults / (np.sum(logged.pds[seen]) + 1.0) * logged.pds, 1.0)
    outcome = pds * bad**2 + (1.0 - pds) * good**2
    expected = logged.chance * outcome + (1.0 - logged.chance) * unseen**2
    happened = np.where(logged.observed, np.where(logged.defaulted, bad, good), unseen) ** 2
    chances, rest = np.sum(expected[by_chance]), np.sum(happened[~by_chance])
    freedom = 2.0 * defaults * ((chances + rest) / chances) ** 2 if chances else np.inf
    return float(stats.t.ppf(0.975, freedom) * np.sqrt(chances + rest))


def auc(logged: Logged) -> Estimates:
    """Estimate the AUC of the PDs on all applicants.

    Every pair of a default and a good applicant counts by the product of their weights, or of what
    the model expects of them, corrected. The sum over all pairs is not known, so that the first
    two estimates are one; they are NaN where only one outcome was observed. The variance is that of
    what each applicant adds to the ratio (DeLong, DeLong, Clarke-Pearson, "Comparing the areas
    under two or more correlated receiver operating characteristic curves", 1988, with weights).
    """
    nobody, share = np.zeros(logged.pds.size), 1.0 / logged.chance
    weighted = _auc(logged, (nobody, share, nobody), (nobody, nobody, share))
    expected = logged.pds
    bad = (expected, expected + (1.0 - expected) * share, expected - expected * share)
    corrected = _auc(logged, bad, (1.0 - bad[0], 1.0 - bad[1], 1.0 - bad[2]))
    return Estimates(weighted, weighted, corrected)


_Cases = tuple[Floats, Floats, Floats]


def _auc(logged: Logged, bads: _Cases, goods: _Cases) -> Interval:
    """The AUC, given how much of a default and of a good one each is: unseen, a default, good."""
    case = np.where(logged.observed, np.where(logged.defaulted, 1, 2), 0)
    bad, good = np.choose(case, bads), np.choose(case, goods)
    _, place = np.unique(logged.pds, return_inverse=True)
    below_good, below_bad = _below(place, good), _below(place, bad)
    # Nobody is compared with themselves.
    above_good = below_good - 0.5 * good
    above_bad = bad.sum() - below_bad - 0.5 * bad
    pairs = bad.sum() * good.sum() - np.sum(bad * good)
    if not pairs > 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    value = float(np.sum(bad * above_good) / pairs)
    as_bad = above_good - value * (good.sum() - good)
    as_good = above_bad - value * (bad.sum() - bad)
    unseen, default, sound = (
        own * as_bad + other * as_good for own, other in zip(bads, goods, strict=True)
    )
    return Interval.around(value, _half_width(logged, unseen, default, sound) / pairs)


def _below(place: npt.NDArray[np.intp], amount: Floats) -> Floats:
    """How much of an amount lies below each place, and half of what lies at it."""
    at = np.bincount(place, weights=amount)
    return np.asarray((np.cumsum(at) - 0.5 * at)[place])
