"""What a decision is, and what the two mistakes cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

# What the costs are unless others are asked for.
FALSE_NEGATIVE, FALSE_POSITIVE = 10.0, 1.0

Decision = Literal["accept", "refer", "refuse"]


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

    false_negative: float = FALSE_NEGATIVE
    false_positive: float = FALSE_POSITIVE

    def __post_init__(self) -> None:
        if not (0 < self.false_negative < math.inf and 0 < self.false_positive < math.inf):
            raise ValueError(f"both costs must be above zero, not {self}")

    @property
    def cutoff(self) -> float:
        """The PD above which refusing is cheaper than accepting, for calibrated PDs.

        Accepting costs PD x false_negative on average and refusing (1 - PD) x false_positive;
        they are equal at false_positive / (false_positive + false_negative) (Elkan, "The
        foundations of cost-sensitive learning", 2001).
        """
        return self.false_positive / (self.false_positive + self.false_negative)

    @property
    def loss(self) -> float:
        """What an accepted default costs, in units of one refused good applicant."""
        return self.false_negative / self.false_positive

    def total(
        self, accepted_defaults: npt.ArrayLike, refused_good: npt.ArrayLike
    ) -> npt.NDArray[np.float64]:
        """Return what mistakes cost, given how many there are of each kind (or their chances)."""
        missed, rejected = np.asarray(accepted_defaults), np.asarray(refused_good)
        return np.asarray(self.false_negative * missed + self.false_positive * rejected)
