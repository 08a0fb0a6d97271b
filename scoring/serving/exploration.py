"""Who of those that a model refuses is accepted at random, so that some refusals have outcomes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Literal

from scoring.serving.costs import Costs
from scoring.store import Policy, Prediction

State = Literal["off", "suspended", "ineffective", "spent", "on"]

_SALT = "credit-scoring exploration"


def position(applicant: str, digest: str) -> float:
    """Map an applicant and a model to a place from 0 to 1, the same whenever it is asked for.

    Parameters
    ----------
    applicant : str
        As `Pseudonyms.applicant` gives it.
    digest : str
        The SHA-256 of the manifest of the model that refuses.
    """
    hashed = hashlib.sha256(f"{_SALT} {digest} {applicant}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") / 2**64


def explored(refusal: Prediction, policy: Policy) -> Prediction:
    """Decide whether one whom the model refuses is accepted at random, and how likely that was.

    Nothing but the PD tells who is in the band, and all of them are equally likely to be drawn. A
    larger share keeps those whom a smaller one drew.

    Parameters
    ----------
    refusal : Prediction
        A decision "refuse" that nothing but the probability stands behind.
    policy : Policy
        The policy in force.

    Returns
    -------
    Prediction
        The same decision where the PD is above the bound or nobody is drawn.
    """
    share = policy.explore_share
    if not share or refusal.pd > policy.explore_bound:
        return refusal
    if position(refusal.applicant, refusal.model_digest) < share:
        return replace(refusal, decision="accept", propensity=share, exploration="drawn")
    return replace(refusal, propensity=1.0 - share, exploration="not drawn")


def room(policy: Policy, costs: Costs) -> float:
    """The summed PD that a month may have spent for the dearest of the band still to fit."""
    return policy.explore_budget / costs.loss - policy.explore_bound


def state(policy: Policy, floor: float, spent: float, costs: Costs) -> State:
    """Whether anybody can be drawn by models that refuse above a PD `floor`; if not, why.

    `spent` is the summed PD of those drawn in the month.
    """
    if not policy.explore_share:
        return "off"
    if policy.refer_all:
        return "suspended"
    if policy.explore_bound <= floor:
        return "ineffective"
    return "spent" if spent > room(policy, costs) else "on"
