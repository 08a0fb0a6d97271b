"""Estimates of AUC, cost and default rate before outcomes are known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.business import decision_costs
from scoring.evaluation.intervals import auc_of_ranks
from scoring.monitoring.findings import Estimate
from scoring.serving.costs import Costs

Floats = npt.NDArray[np.float64]

_DRAWS = 300
# The interval of more applicants would be narrower than the calibration's own error.
_MOST = 20_000


def estimate(
    pds: Floats, refused: npt.NDArray[np.bool_], costs: Costs, seed: int = 0
) -> Estimate | None:
    """Estimate AUC, cost and default rate of all applicants, refused ones too, from their PDs.

    Outcomes are drawn from the PDs, many times (confidence-based performance estimation; Guillory
    et al., "Predicting with confidence on unseen distributions", 2021, estimate accuracy alike).
    That holds as long as the PDs are calibrated: a change of the applicants is seen, a change of
    what makes them default is not.

    Parameters
    ----------
    pds : numpy.ndarray of shape (applicants,)
        Probabilities of default.
    refused : numpy.ndarray of shape (applicants,)
        Whether they were refused.
    costs : Costs
        Of the two mistakes.
    seed : int
        Of the draws.

    Returns
    -------
    Estimate or None
        None with nobody. An interval is that of chance in the outcomes, for at most 20,000
        applicants.
    """
    if not pds.size:
        return None
    rng = np.random.default_rng(seed)
    if pds.size > _MOST:
        places = rng.choice(pds.size, _MOST, replace=False)
        pds, refused = pds[places], refused[places]
    ranks = stats.rankdata(pds)
    drawn = np.array([_figures(rng.random(pds.size) < pds, ranks, refused, costs)
                      for _ in range(_DRAWS)])  # fmt: skip
    return Estimate(*(_interval(values) for values in drawn.T))


def _figures(
    defaulted: npt.NDArray[np.bool_], ranks: Floats, refused: npt.NDArray[np.bool_], costs: Costs
) -> tuple[float, float, float]:
    cost = float(decision_costs(defaulted, refused, costs).mean())
    return auc_of_ranks(ranks, defaulted), cost, float(defaulted.mean())


def _interval(drawn: Floats) -> Interval:
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(known.mean()), float(low), float(high))
