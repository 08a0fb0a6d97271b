"""Which model answers an applicant, and which are only scored along."""

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from scoring.serving.scorer import Scorer
from scoring.store import CostSummary, Experience, Policy, RefusalSummary

# A model with fewer known outcomes, of its loans or of those whom it refused, is not judged yet.
LEAST_OUTCOMES = 30
# What a model costs is believed, before anything is known, as if so many applicants had shown
# the prior mean: a weak prior, which a month of outcomes outweighs. In units of one refused good
# applicant.
_PRIOR_APPLICANTS = 10.0
_PRIOR_COST = 0.5
_PRIOR_DEVIATION = 2.0
_SALT = "credit-scoring split"


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A model in service as champion or challenger; the digest is its manifest's SHA-256."""

    scorer: Scorer
    digest: str
    role: str


@dataclass(frozen=True, slots=True)
class Route:
    """Which model answers, why, and which are scored along."""

    model: LiveModel
    why: str
    shadows: tuple[LiveModel, ...] = ()


def route(
    applicant: int,
    champion: LiveModel,
    challenger: LiveModel | None,
    policy: Policy,
    experience: Mapping[str, Experience],
    rng: random.Random,
) -> Route:
    """Choose the model that answers an applicant.

    In a split the same applicant always meets the same model. Without a challenger, or with one
    that is the champion's twin, the champion answers everything. The bandit throws its dice by
    what each model's answers turned out to cost, by digest.
    """
    if policy.strategy == "champion":
        return Route(champion, "champion")
    if challenger is None or challenger.digest == champion.digest:
        return Route(champion, "no challenger")
    if policy.strategy == "shadow":
        return Route(champion, "champion", (challenger,))
    if policy.strategy == "split":
        chosen = position(applicant) < policy.challenger_share
        return Route(challenger if chosen else champion, "split")
    return _drawn(champion, challenger, policy, experience, rng)


def position(applicant: int) -> float:
    """Map an applicant to a place between 0 and 1, the same at all times and in every process."""
    digest = hashlib.sha256(f"{_SALT} {applicant}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _drawn(
    champion: LiveModel,
    challenger: LiveModel,
    policy: Policy,
    experience: Mapping[str, Experience],
    rng: random.Random,
) -> Route:
    """Thompson sampling: draw what each may cost from what is known, and take the cheaper one.

    Thompson, "On the likelihood that one unknown probability exceeds another" (1933). Until both
    have outcomes enough, the challenger gets its share of a split. Where nobody explores, or nobody
    can be drawn, nothing will ever tell what refusals cost, and the champion answers.
    """
    mine, other = experience.get(champion.digest), experience.get(challenger.digest)
    known = mine and other and min(mine.known.applicants, other.known.applicants) >= LEAST_OUTCOMES
    unseen = [own.refusals for own in (mine, other) if own and not _refusals_seen(own.refusals)]
    if known and unseen and (not policy.explore_share or any(map(_beyond_chance, unseen))):
        return Route(champion, "bandit: no exploration")
    if not (mine and other and known) or unseen:
        chosen = challenger if rng.random() < policy.challenger_share else champion
        return Route(chosen, "bandit: first trials")
    cheaper = draw_cost(other, rng) < draw_cost(mine, rng)
    return Route(challenger if cheaper else champion, "bandit")


def _refusals_seen(refusals: RefusalSummary) -> bool:
    """Whether outcomes tell what a model's refusals cost, where it refuses anybody."""
    return not refusals.refused or refusals.explored >= LEAST_OUTCOMES


def _beyond_chance(refusals: RefusalSummary) -> bool:
    """Whether chance reaches fewer than one in ten whom a model refuses under today's policy."""
    return refusals.in_force >= LEAST_OUTCOMES and refusals.by_chance < refusals.in_force / 10


def draw_cost(experience: Experience, rng: random.Random) -> float:
    """Draw a model's mean cost an applicant from what is believed of it.

    The mean over all it decided on is put together from two groups, each with the weight that it
    has among the decisions: those whom it refused, at the share of good ones among the explored,
    and all others, at the mean cost of those whose outcome is known. Weights by outcomes would
    count refusals, which are known at once, more than loans, which take months.

    Refusals above the bound, of whom nobody sees any outcome, count like those below it. To a model
    whose high PDs are right this does some wrong; one that overstates risk gains nothing by it.

    Normal, with a weak prior; costs are bounded, so that the mean of some dozens is nearly
    normal whatever their distribution.
    """
    known, refusals = experience.known, experience.refusals
    mean, variance = _of_known(known)
    if refusals.refused:
        share = refusals.refused / refusals.decided
        lost, of_lost = _of_refused(refusals)
        variance = (
            (1.0 - share) ** 2 * variance
            + share**2 * of_lost
            + share * (1.0 - share) * (lost - mean) ** 2 / refusals.decided
        )
        mean = (1.0 - share) * mean + share * lost
    return rng.normalvariate(mean, math.sqrt(variance))


def _of_refused(refusals: RefusalSummary) -> tuple[float, float]:
    """Estimate the share of good applicants among the refused, and its variance.

    The weighted share of Hajek (1971), with the variance of a ratio. One of either kind is added,
    as Laplace's rule of succession does: where all explored were good, some are not.
    """
    usual = refusals.weights / refusals.explored
    weights, squares = refusals.weights + 2 * usual, refusals.weights_of_squares + 2 * usual**2
    share = (refusals.good + usual) / weights
    good = refusals.good_of_squares + usual**2
    return share, (good * (1.0 - 2.0 * share) + share**2 * squares) / weights**2


def _of_known(known: CostSummary) -> tuple[float, float]:
    """Compute mean and variance of what is believed of the mean cost, where outcomes are known."""
    n = known.applicants + _PRIOR_APPLICANTS
    mean = (known.total + _PRIOR_APPLICANTS * _PRIOR_COST) / n
    second = known.total_of_squares + _PRIOR_APPLICANTS * (_PRIOR_COST**2 + _PRIOR_DEVIATION**2)
    return mean, max(second / n - mean * mean, 0.0) / n
