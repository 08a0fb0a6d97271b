"""Costs of the simulated courses: by month, and in all."""

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
    """Tabulate courses by month.

    Returns
    -------
    polars.DataFrame
        scenario, policy, month (from 0), applicants, default_rate (the mean true probability of
        default of all who applied), refused (a share), auc (of all who applied, refused or not;
        null where one outcome does not occur), cost and least_cost (an applicant, in units of one
        refused good applicant), done (what was done about the models before the month, or "").
    """
    return pl.DataFrame(
        [row for course in courses for row in _months(course)], schema_overrides={"auc": pl.Float64}
    )


def _months(course: Course) -> Iterator[dict[str, Any]]:
    cost, least = course.cost, course.least_cost
    for month in range(course.arrivals.months):
        rows = course.arrivals.of_month(month)
        done = (f"{event.what}: {event.why}" for event in course.events if event.month == month)
        yield {
            "scenario": course.scenario,
            "policy": course.policy,
            "month": month,
            "applicants": rows.size,
            "default_rate": float(course.arrivals.probability[rows].mean()),
            "refused": float(course.ledger.refused[rows].mean()),
            "auc": _auc(course, rows),
            "cost": float(cost[rows].mean()),
            "least_cost": float(least[rows].mean()),
            "done": "; ".join(done),
        }


def summary(courses: Sequence[Course]) -> pl.DataFrame:
    """Tabulate courses over all their months.

    Returns
    -------
    polars.DataFrame
        scenario, policy, cost, least_cost (an applicant), avoidable (cost beyond the least_cost),
        saved, saved_low, saved_high (an applicant, against the first policy of the scenario),
        refused (a share), auc, champions (how many new ones).

        The interval of 95 % is that of a mean of paired differences: other applicants could have
        come. That other outcomes would have led to other models is not in it.
    """
    first = {course.scenario: course for course in reversed(courses)}
    return pl.DataFrame([_summed(course, first[course.scenario]) for course in courses])


def _summed(course: Course, first: Course) -> dict[str, Any]:
    cost, least = float(course.cost.mean()), float(course.least_cost.mean())
    return {
        "scenario": course.scenario,
        "policy": course.policy,
        "cost": cost,
        "least_cost": least,
        "avoidable": cost - least,
        **paired_saving(course, first).columns("saved"),
        "refused": float(course.ledger.refused.mean()),
        "auc": _auc(course, np.arange(course.arrivals.size)),
        "champions": sum(event.what == "a new champion" for event in course.events),
    }


def paired_saving(course: Course, other: Course) -> Interval:
    """Return what a course saves an applicant against another with the same applicants."""
    return mean_interval(other.cost - course.cost, ddof=1)


def _auc(course: Course, rows: np.typing.NDArray[np.intp]) -> float | None:
    outcomes = course.arrivals.defaulted[rows]
    if outcomes.all() or not outcomes.any():
        return None
    return float(roc_auc_score(outcomes, course.ledger.pd[rows]))
