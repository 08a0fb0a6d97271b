"""What decisions turned out to cost."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scoring.evaluation.bootstrap import Interval
from scoring.serving.costs import Costs

_Z_95 = 1.959963984540054


def realised_cost(
    defaulted: npt.NDArray[np.bool_], refused: npt.NDArray[np.bool_], costs: Costs
) -> Interval:
    """Mean cost of decisions, with the interval of a mean (normal approximation)."""
    cost = np.where(refused, costs.false_positive * ~defaulted, costs.false_negative * defaulted)
    mean = float(cost.mean())
    error = _Z_95 * float(cost.std()) / math.sqrt(cost.size)
    return Interval(mean, mean - error, mean + error)
