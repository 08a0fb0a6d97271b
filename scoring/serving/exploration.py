"""Who of those that a model refuses is accepted at random, so that some refusals have outcomes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Literal

from scoring.serving.caution import LEAST_KNOWN, settle
from scoring.serving.costs import Costs
from scoring.store import Policy, Prediction

State = Literal["off", "suspended", "ineffective", "spent", "on"]

# By which policies drew before each store had a secret of its own.
PUBLIC_SALT = "credit-scoring exploration"


def position(applicant: str, digest: str, salt: str = PUBLIC_SALT) -> float:
    """Map an applicant and a model to a place from 0 to 1, the same whenever it is asked for.

    The applicant is as `Pseudonyms.applicant` gives it, the model the one that refuses, by its
    manifest's SHA-256. Whoever knows the salt can tell beforehand who will be drawn.
    """
    hashed = hashlib.sha256(f"{salt} {digest} {applicant}".encode()).digest()
    return int.from_bytes(hashed[:8], "big") / 2**64


def explored(decision: Prediction, policy: Policy, least_known: float = LEAST_KNOWN) -> Prediction:
    """Decide whether one whom the model refuses is accepted at random, and how likely that was.

    Nothing but the PD tells who is in the band, and all of them are equally likely to be drawn. A
    larger share keeps those whom a smaller one drew. Where it is no refusal in the band, or where
    an officer would have to accept (`scoring.serving.caution.settle` says who, by `least_known`),
    the decision only gets the number of the policy; without exploration not even that.
    """
    if not policy.explore_share:
        return decision
    decision = replace(decision, policy=policy.number)
    share, understood = policy.explore_share, decision.misunderstood is None
    accepted, _ = settle("accept", decision.known, understood=understood, least_known=least_known)
    open_to_chance = decision.decision == "refuse" and accepted == "accept"
    if not open_to_chance or decision.pd > policy.explore_bound:
        return decision
    salt = policy.explore_salt or PUBLIC_SALT
    if position(decision.applicant, decision.model_digest, salt) < share:
        return replace(decision, decision="accept", propensity=share, exploration="drawn")
    return replace(decision, propensity=1.0 - share, exploration="not drawn")


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
