"""Business cost of decisions, and the cut-off that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.evaluation import bootstrap
from scoring.evaluation.bootstrap import Flags, Floats, Interval, standing_for
from scoring.evaluation.intervals import mean_interval
from scoring.serving.costs import Costs

# Share of applications that officers look at; see `refer_band`.
REFER_SHARE = 0.07


def business_cost(
    target: npt.ArrayLike,
    pd: npt.ArrayLike,
    cutoff: npt.ArrayLike,
    costs: Costs,
    sample_weight: Floats | None = None,
) -> float:
    """Return the mean cost an applicant if PDs above the cut-off, one or one each, are refused."""
    refused = np.asarray(pd) > np.asarray(cutoff)
    each = decision_costs(np.asarray(target) == 1, refused, costs)
    return float(np.average(each, weights=sample_weight))


def baselines(target: npt.ArrayLike, costs: Costs) -> dict[str, float]:
    """Return the cost an applicant of accepting all and of refusing all, without a model."""
    nothing = np.zeros(np.shape(target))
    return {
        "accept_all": business_cost(target, nothing, 0.5, costs),
        "refuse_all": business_cost(target, nothing + 1.0, 0.5, costs),
    }


def decision_costs(defaulted: Flags, refused: Flags, costs: Costs) -> Floats:
    """Return what each decision has cost, given whether the applicant defaulted."""
    return costs.total(defaulted & ~refused, ~defaulted & refused)


def realised_cost(defaulted: Flags, refused: Flags, costs: Costs) -> Interval:
    """Return the mean cost of decisions as they were taken, with its interval."""
    return mean_interval(decision_costs(defaulted, refused, costs))


def cost_curve(
    target: npt.ArrayLike, pd: npt.ArrayLike, costs: Costs, sample_weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """Compute the business cost at every possible cut-off.

    Returns
    -------
    cutoffs, cost : numpy.ndarray of shape (distinct PDs + 1,)
        Cut-offs in rising order, from one below every PD (refuse all) to the highest PD
        (accept all), and the mean cost an applicant at each.
    """
    curves = _Curves.of(target, pd)
    counts = standing_for(sample_weight, curves.defaulted.size)
    return curves.cutoffs, curves.costs(costs, counts[np.newaxis])[0]


def best_cutoff(
    target: npt.ArrayLike, pd: npt.ArrayLike, costs: Costs, sample_weight: Floats | None = None
) -> float:
    """Find the cut-off of least business cost on these applicants; of several, the lowest."""
    cutoffs, cost = cost_curve(target, pd, costs, sample_weight)
    return float(cutoffs[np.argmin(cost)])


@dataclass(frozen=True, slots=True)
class CutoffStudy:
    """The cut-off that the costs dictate, set against the one that came out best.

    Attributes
    ----------
    theoretical : float
        Best for calibrated PDs, whoever applies.
    best : Interval
        Of least cost on these applicants; each resample has its own.
    theoretical_cost : Interval
        Cost per applicant at the theoretical cut-off.
    best_cost : float
        Cost per applicant at the best one; flattered, since it was chosen on the same applicants.
    """

    theoretical: float
    best: Interval
    theoretical_cost: Interval
    best_cost: float

    @property
    def agree(self) -> bool:
        """Whether the theoretical cut-off lies in the interval of the best one."""
        return self.best.low <= self.theoretical <= self.best.high


def study_cutoff(
    target: npt.ArrayLike,
    pd: npt.ArrayLike,
    costs: Costs,
    resamples: int = 1000,
    seed: int = 0,
) -> CutoffStudy:
    """Measure how far these applicants can tell which cut-off is the best."""
    curves = _Curves.of(target, pd)
    cost = curves.costs(costs, np.ones((1, curves.defaulted.size)))[0]
    # The highest cut-off that decides as the theoretical one; the first one refuses everybody.
    theory = max(int(np.searchsorted(curves.cutoffs, costs.cutoff, side="right")) - 1, 0)

    def figures_of(counts: Floats) -> dict[str, Floats]:
        drawn = curves.costs(costs, counts)
        return {"best": curves.cutoffs[drawn.argmin(axis=1)], "theory": drawn[:, theory]}

    # The default rate is by chance, too.
    found = bootstrap.intervals(figures_of, np.ones_like(target), resamples, seed)
    return CutoffStudy(costs.cutoff, found["best"], found["theory"], float(cost.min()))


def refer_band(pd: npt.ArrayLike, cutoff: float, share: float = REFER_SHARE) -> tuple[float, float]:
    """Choose the PDs that an officer should look at: those about which the model can say least.

    At a PD p, deciding by the model instead of the other way round saves
    |p x false_negative - (1 - p) x false_positive| on average, which is proportional to
    |p - cutoff|. An officer's time is therefore best spent on the applicants whose PDs are
    nearest to the cut-off, and how many there can be is a matter of staff, not of statistics:
    the band is the widest one around the cut-off that holds no more than that share.

    Chow's reject rule ("On optimum recognition error and reject tradeoff", 1970) is not used: it
    supposes an officer who never errs, and would refer every applicant whom the model refuses
    at a moderate PD.

    Returns
    -------
    low, high : float
        Applications with low <= PD <= high are referred; both equal the cut-off where none is.

    Raises
    ------
    ValueError
        If the share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share to refer must be at least 0 and below 1, not {share}")
    distance = np.sort(np.abs(np.asarray(pd, dtype=np.float64) - cutoff))
    beyond = distance[int(share * distance.size)]
    inside = distance[distance < beyond]
    if inside.size == 0:
        return cutoff, cutoff
    # Half-way to the next applicant, so that no PD lies on an edge.
    half = float(inside[-1] + beyond) / 2
    return max(0.0, cutoff - half), min(1.0, cutoff + half)


@dataclass(frozen=True)
class _Curves:
    """Applicants by rising PD, and their costs at every cut-off under any counts."""

    order: npt.NDArray[np.intp]
    defaulted: Flags
    ends: npt.NDArray[np.intp]
    cutoffs: Floats

    @classmethod
    def of(cls, target: npt.ArrayLike, pd: npt.ArrayLike) -> _Curves:
        values = np.asarray(pd, dtype=np.float64)
        order = np.argsort(values, kind="stable")
        values = values[order]
        ends = np.flatnonzero(np.append(np.diff(values) > 0, True))
        cutoffs = np.concatenate([[np.nextafter(values[0], -np.inf)], values[ends]])
        return cls(order, (np.asarray(target) == 1)[order], ends, cutoffs)

    def costs(self, costs: Costs, counts: Floats) -> Floats:
        """Compute the mean cost an applicant, of shape (rows of counts, cut-offs)."""
        weights = counts[:, self.order]
        accepted_defaults = self._below(weights * self.defaulted)
        accepted_good = self._below(weights * ~self.defaulted)
        refused_good = accepted_good[:, -1:] - accepted_good
        total = costs.total(accepted_defaults, refused_good)
        return np.asarray(total / weights.sum(axis=1, keepdims=True))

    def _below(self, weights: Floats) -> Floats:
        sums = np.cumsum(weights, axis=1)[:, self.ends]
        return np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
