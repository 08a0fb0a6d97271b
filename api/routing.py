"""Which model answers an applicant, and which are only scored along."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from scoring.scorer import Scorer
from scoring.store import CostSummary, Policy

# A model with fewer known outcomes is not judged by them yet.
LEAST_OUTCOMES = 30
# What a model costs is believed, before anything is known, as if so many applicants had shown
# the prior mean: a weak prior, which a month of outcomes outweighs.
_PRIOR_APPLICANTS = 10.0
_PRIOR_COST = 0.5
_PRIOR_DEVIATION = 2.0
_SALT = "credit-scoring split"


@dataclass(frozen=True, slots=True)
class Live:
    """A model that is in service.

    Attributes
    ----------
    scorer : Scorer
        The model.
    digest : str
        SHA-256 of its manifest.
    role : str
        champion or challenger.
    """

    scorer: Scorer
    digest: str
    role: str


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers, why, and who is scored along."""

    live: Live
    why: str
    shadows: tuple[Live, ...] = ()


def route(
    applicant: int,
    champion: Live,
    challenger: Live | None,
    policy: Policy,
    costs: Mapping[str, CostSummary],
    rng: random.Random,
) -> Route:
    """Choose the model that answers an applicant.

    Parameters
    ----------
    applicant : int
        SK_ID_CURR; in a split the same applicant always meets the same model.
    champion, challenger : Live
        The models; without a challenger the champion answers everything.
    policy : Policy
        How models are used.
    costs : mapping of str to CostSummary
        What each model's answers turned out to cost, by digest; the bandit's memory.
    rng : random.Random
        The bandit's dice.
    """
    if challenger is None:
        return Route(champion, "champion")
    match policy.strategy:
        case "shadow":
            return Route(champion, "champion", (challenger,))
        case "split":
            chosen = position(applicant) < policy.challenger_share
            return Route(challenger, "split") if chosen else Route(champion, "split")
        case "bandit":
            return _drawn(champion, challenger, policy, costs, rng)
        case _:
            return Route(champion, "champion")


def position(applicant: int) -> float:
    """Where an applicant stands between 0 and 1, the same at all times and in every process."""
    digest = hashlib.sha256(f"{_SALT} {applicant}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _drawn(
    champion: Live,
    challenger: Live,
    policy: Policy,
    costs: Mapping[str, CostSummary],
    rng: random.Random,
) -> Route:
    """Thompson sampling: draw what each may cost from what is known, and take the cheaper one.

    Thompson, "On the likelihood that one unknown probability exceeds another" (1933). Until both
    have outcomes enough, the challenger gets its share of a split.
    """
    known = [costs.get(live.digest) for live in (champion, challenger)]
    if any(summary is None or summary.applicants < LEAST_OUTCOMES for summary in known):
        chosen = challenger if rng.random() < policy.challenger_share else champion
        return Route(chosen, "bandit: first trials")
    drawn = [draw_cost(summary, rng) for summary in known if summary is not None]
    return Route(challenger if drawn[1] < drawn[0] else champion, "bandit")


def draw_cost(summary: CostSummary, rng: random.Random) -> float:
    """A draw from what is believed of a model's mean cost an applicant.

    Normal, with a weak prior; costs are bounded, so that the mean of some dozens is nearly
    normal whatever their distribution.
    """
    n = summary.applicants + _PRIOR_APPLICANTS
    mean = (summary.total + _PRIOR_APPLICANTS * _PRIOR_COST) / n
    second = summary.total_of_squares + _PRIOR_APPLICANTS * (_PRIOR_COST**2 + _PRIOR_DEVIATION**2)
    variance = max(second / n - mean * mean, 0.0)
    return rng.gauss(mean, math.sqrt(variance / n))
