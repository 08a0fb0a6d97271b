"""What a decision costs, and the cut-off that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Decision = Literal["accept", "refer", "refuse"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost of the two mistakes, in units of one refused good applicant.

    Attributes
    ----------
    false_negative : float
        A default that was accepted.
    false_positive : float
        A good applicant who was refused.
    """

    false_negative: float = 10.0
    false_positive: float = 1.0

    def __post_init__(self) -> None:
        if not (self.false_negative > 0 and self.false_positive > 0):
            raise ValueError(f"both costs must be above zero, not {self}")

    @property
    def cutoff(self) -> float:
        """The PD above which refusing is cheaper than accepting, for calibrated PDs.

        Accepting costs PD x false_negative on average and refusing (1 - PD) x false_positive;
        they are equal at false_positive / (false_positive + false_negative) (Elkan, "The
        foundations of cost-sensitive learning", 2001).
        """
        return self.false_positive / (self.false_positive + self.false_negative)


def business_cost(target: npt.ArrayLike, pd: npt.ArrayLike, cutoff: float, costs: Costs) -> float:
    """Mean cost an applicant when PDs above the cut-off are refused.

    Parameters
    ----------
    target : array-like of shape (applicants,)
        1 for a default, 0 else.
    pd : array-like of shape (applicants,)
        Probabilities of default.
    cutoff : float
        Applicants with a PD above it are refused.
    costs : Costs
        What the two mistakes cost.
    """
    defaulted = np.asarray(target) == 1
    refused = np.asarray(pd) > cutoff
    accepted_defaults = np.sum(defaulted & ~refused)
    refused_good = np.sum(~defaulted & refused)
    total = costs.false_negative * accepted_defaults + costs.false_positive * refused_good
    return float(total / defaulted.size)


def cost_curve(target: npt.ArrayLike, pd: npt.ArrayLike, costs: Costs) -> tuple[Floats, Floats]:
    """Business cost at every possible cut-off.

    Returns
    -------
    cutoffs, cost : numpy.ndarray of shape (distinct PDs + 1,)
        Cut-offs in rising order, from one below every PD (refuse all) to the highest PD
        (accept all), and the mean cost an applicant at each.
    """
    values, group = np.unique(np.asarray(pd, dtype=np.float64), return_inverse=True)
    defaulted = np.asarray(target) == 1
    defaults = np.bincount(group, weights=defaulted, minlength=values.size)
    good = np.bincount(group, weights=~defaulted, minlength=values.size)
    accepted_defaults = np.concatenate([[0.0], np.cumsum(defaults)])
    refused_good = good.sum() - np.concatenate([[0.0], np.cumsum(good)])
    total = costs.false_negative * accepted_defaults + costs.false_positive * refused_good
    cutoffs = np.concatenate([[np.nextafter(values[0], -np.inf)], values])
    return cutoffs, total / defaulted.size


def best_cutoff(target: npt.ArrayLike, pd: npt.ArrayLike, costs: Costs) -> float:
    """The cut-off of least business cost on these applicants (the lowest one where several tie)."""
    cutoffs, cost = cost_curve(target, pd, costs)
    return float(cutoffs[np.argmin(cost)])
