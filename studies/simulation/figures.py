"""What the courses of events cost: by month, and in all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.intervals import mean_interval
from studies.simulation.run import Course


def by_month(courses: Sequence[Course]) -> pl.DataFrame:
    """A row a course and month.

    Returns
    -------
    polars.DataFrame
        scenario, policy, month (from 0), applicants, default_rate (the mean true probability of
        default of all who applied), refused (a share), auc (of all who applied, refused or not;
        null where one outcome does not occur), cost and least_cost (an applicant, in units of one
        refused good applicant), done (what was done about the models before the month, or "").
    """
    return pl.DataFrame(
        [row for one in courses for row in _months(one)], schema_overrides={"auc": pl.Float64}
    )


def _months(one: Course) -> Iterator[dict[str, Any]]:
    cost, least = one.cost, one.least_cost
    for month in range(one.arrivals.months):
        rows = one.arrivals.of_month(month)
        done = (f"{event.what}: {event.why}" for event in one.events if event.month == month)
        yield {
            "scenario": one.scenario,
            "policy": one.policy,
            "month": month,
            "applicants": rows.size,
            "default_rate": float(one.arrivals.probability[rows].mean()),
            "refused": float(one.ledger.refused[rows].mean()),
            "auc": _auc(one, rows),
            "cost": float(cost[rows].mean()),
            "least_cost": float(least[rows].mean()),
            "done": "; ".join(done),
        }


def summary(courses: Sequence[Course]) -> pl.DataFrame:
    """A row a course, over all its months.

    Returns
    -------
    polars.DataFrame
        scenario, policy, cost, least_cost (an applicant), avoidable (cost beyond the least_cost),
        saved, saved_low, saved_high (an applicant, against the first policy of the scenario, with
        an interval of 95 %), refused (a share), auc, champions (how many new ones).

        The same applicants meet every policy, so that the interval is that of a mean of paired
        differences: other applicants could have come. That other outcomes would have led to other
        models is not in it; other seeds show it.
    """
    first = {one.scenario: one for one in reversed(courses)}
    return pl.DataFrame([_summed(one, first[one.scenario]) for one in courses])


def _summed(one: Course, first: Course) -> dict[str, Any]:
    cost, least = float(one.cost.mean()), float(one.least_cost.mean())
    return {
        "scenario": one.scenario,
        "policy": one.policy,
        "cost": cost,
        "least_cost": least,
        "avoidable": cost - least,
        **paired_saving(one, first).columns("saved"),
        "refused": float(one.ledger.refused.mean()),
        "auc": _auc(one, np.arange(one.arrivals.size)),
        "champions": sum(event.what == "a new champion" for event in one.events),
    }


def paired_saving(one: Course, other: Course) -> Interval:
    """What a course costs less an applicant than another with the same applicants."""
    return mean_interval(other.cost - one.cost, ddof=1)


def _auc(one: Course, rows: np.typing.NDArray[np.intp]) -> float | None:
    outcomes = one.arrivals.defaulted[rows]
    if outcomes.all() or not outcomes.any():
        return None
    return float(roc_auc_score(outcomes, one.ledger.pd[rows]))
