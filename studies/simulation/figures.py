"""Costs of the simulated courses: by month, and in all, as means over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.intervals import auc_of_ranks
from studies.simulation.branch import CHALLENGER, KEPT, PROMOTED
from studies.simulation.run import Course


def by_month(courses: Sequence[Course]) -> pl.DataFrame:
    """Tabulate courses by month.

    Returns
    -------
    polars.DataFrame
        scenario, policy, seed, month (from 0), default_rate (the mean true probability of
        default of all who applied), refused (a share), cost and least_cost (an applicant, in units
        of one refused good applicant), promoted (new champions before the month).
    """
    return pl.DataFrame([row for course in courses for row in _months(course)])


def _months(course: Course) -> Iterator[dict[str, Any]]:
    cost, least = course.cost, course.least_cost
    promoted = [event.month for event in course.events if event.what in PROMOTED]
    for month in range(course.arrivals.months):
        rows = course.arrivals.of_month(month)
        yield {
            "scenario": course.scenario,
            "policy": course.policy,
            "seed": course.seed,
            "month": month,
            "default_rate": float(course.arrivals.probability[rows].mean()),
            "refused": float(course.ledger.refused[rows].mean()),
            "cost": float(cost[rows].mean()),
            "least_cost": float(least[rows].mean()),
            "promoted": promoted.count(month),
        }


def summary(courses: Sequence[Course]) -> pl.DataFrame:
    """Tabulate courses over all their months, by scenario and policy.

    Returns
    -------
    polars.DataFrame
        scenario, policy, and as means over seeds: cost, least_cost (an applicant), avoidable (cost
        beyond the least_cost), saved with saved_low and saved_high (an applicant, against the first
        policy of the scenario and seed), refused (a share), auc (of all who applied, refused or
        not), judged, cheaper and champions (how many models were judged, were cheaper beyond
        chance, and took over); and savings, a list of what was saved in each seed.
    """
    first = {(course.scenario, course.seed): course for course in reversed(courses)}
    rows = pl.DataFrame([_summed(own, first[own.scenario, own.seed]) for own in courses])
    means = pl.exclude("scenario", "policy", "seed").mean()
    keys = "scenario", "policy"
    table = rows.group_by(keys, maintain_order=True).agg(means, savings=pl.col("saved"))
    ends = [paired_saving(savings) for savings in table["savings"].to_list()]
    return table.with_columns(
        saved_low=pl.Series([own.low for own in ends]),
        saved_high=pl.Series([own.high for own in ends]),
    )


def _summed(course: Course, first: Course) -> dict[str, Any]:
    cost, least = float(course.cost.mean()), float(course.least_cost.mean())
    judged = [event.what for event in course.events if event.what != CHALLENGER]
    return {
        "scenario": course.scenario,
        "policy": course.policy,
        "seed": course.seed,
        "cost": cost,
        "least_cost": least,
        "avoidable": cost - least,
        "saved": float((first.cost - course.cost).mean()),
        "refused": float(course.ledger.refused.mean()),
        "auc": auc_of_ranks(stats.rankdata(course.ledger.pd), course.arrivals.defaulted),
        "judged": len(judged),
        "cheaper": len(judged) - judged.count(KEPT),
        "champions": sum(what in PROMOTED for what in judged),
    }


def paired_saving(savings: Sequence[float], others: Sequence[float] | float = 0.0) -> Interval:
    """Return the mean of what is saved, beyond what another policy saves in the same seeds.

    The interval of 95 % is Student's ("The probable error of a mean", 1908) over seeds; with one
    seed it has no ends (NaN).
    """
    beyond = np.asarray(savings) - np.asarray(others)
    mean = float(beyond.mean())
    if beyond.size == 1:
        return Interval(mean, float("nan"), float("nan"))
    error = float(beyond.std(ddof=1)) / np.sqrt(beyond.size)
    half = float(stats.t.ppf(0.975, beyond.size - 1)) * error
    return Interval.around(mean, half)
