"""When an applicant is not accepted without an officer, whatever the probability says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from scoring.serving.costs import Decision

ReferReason = Literal["band", "not_understood", "little_known", "refer_all"]

# At least half of what the model leans on has to be known. Of 10,000 real applicants fewer than
# one in a hundred have less, those with the shortest histories; the values that have to be
# given alone make a twenty-fifth of it, and an application without any history a third.
LEAST_KNOWN = 0.5


def settle(
    model_decision: Decision,
    known: float | None,
    *,
    understood: bool,
    least_known: float = LEAST_KNOWN,
    refer_all: bool = False,
) -> tuple[Decision, tuple[ReferReason, ...]]:
    """What is answered, and why an officer decides if one does.

    Parameters
    ----------
    model_decision : Decision
        What the probability means.
    known : float or None
        The share of what the model leans on that is known of the applicant, from 0 to 1; None
        where the model does not say what it leans on.
    understood : bool
        Whether everything that was given was understood.
    least_known : float
        The share below which nobody is accepted without an officer.
    refer_all : bool
        Whether every application goes to an officer.

    Returns
    -------
    decision : Decision
        The model's, or "refer" in the place of "accept", or of any while everything is referred.
    reasons : tuple of str
        Empty unless it is "refer".
    """
    doubts: dict[ReferReason, bool] = {
        "band": model_decision == "refer",
        "not_understood": not understood,
        "little_known": known is not None and known < least_known,
        "refer_all": refer_all,
    }
    if model_decision == "refuse" and not refer_all:
        return model_decision, ()
    reasons = tuple(reason for reason, holds in doubts.items() if holds)
    return ("refer" if reasons else model_decision), reasons
