"""How decisions turned out by the month in which they were taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.evaluation.business import realised_cost
from scoring.evaluation.intervals import wilson
from scoring.evaluation.metrics import intervals
from scoring.serving.scorer import Scorer
from scoring.store import Settled

Floats = npt.NDArray[np.float64]

# A month with fewer outcomes of either kind has figures, but no resample worth an interval.
_LEAST_OF_EACH = 5
_RESAMPLES = 100
# Figures of more would take minutes and tell the same.
_MOST = 10_000
_RANKED = ("auc", "ks", "brier")


def by_vintage(
    scorer: Scorer, ever: Settled, decided: Mapping[date, int], seed: int = 0
) -> pl.DataFrame:
    """A row a month of decision, of all decisions whose outcome is known so far.

    A young month's outcomes are the early ones, and a refused applicant has none: `decided`
    says how many were decided on, so how many of them the figures leave out.

    Parameters
    ----------
    scorer : Scorer
        The model that decided.
    ever : Settled
        Its decisions whose outcome is known.
    decided : mapping of date to int
        All of its decisions, by the first day of the month.
    seed : int
        Of the intervals.

    Returns
    -------
    polars.DataFrame
        vintage (the month's first day), decided, labelled; default_rate with rate_low and
        rate_high (Wilson); expected (mean PD of the labelled); business_cost with cost_low and
        cost_high; auc, ks and brier, each with _low and _high: null where fewer than five
        defaulted, or fewer than five did not.
    """
    columns = {"pd": ever.pds, "defaulted": ever.defaulted, "refused": ever.refused}
    table = pl.DataFrame({"vintage": ever.at, **columns}).with_columns(
        pl.col("vintage").dt.date().dt.month_start()
    )
    months = table.sort("vintage", maintain_order=True).partition_by("vintage", maintain_order=True)
    rows = [_vintage(month, scorer, decided, seed) for month in months]
    return pl.DataFrame(rows, infer_schema_length=None)


def _vintage(
    month: pl.DataFrame, scorer: Scorer, decided: Mapping[date, int], seed: int
) -> dict[str, Any]:
    first, defaulted = month["vintage"][0], month["defaulted"].to_numpy()
    low, high = wilson(defaulted.sum(), month.height)
    row = {
        "vintage": first,
        "decided": decided.get(first, month.height),
        "labelled": month.height,
        "default_rate": float(defaulted.mean()),
        "rate_low": float(low),
        "rate_high": float(high),
        "expected": float(month["pd"].to_numpy().mean()),
    }
    cost = realised_cost(defaulted, month["refused"].to_numpy(), scorer.costs)
    row |= {"business_cost": cost.value, "cost_low": cost.low, "cost_high": cost.high}
    return row | _ranking(month, scorer, seed)


def _ranking(month: pl.DataFrame, scorer: Scorer, seed: int) -> dict[str, float | None]:
    """Return a month's AUC, KS and Brier score; null where there are too few of an outcome."""
    if month.height > _MOST:
        month = month.sample(_MOST, seed=seed)
    defaults = int(month["defaulted"].sum())
    if min(defaults, month.height - defaults) < _LEAST_OF_EACH:
        return {name + end: None for name in _RANKED for end in ("", "_low", "_high")}
    outcomes, pds = month["defaulted"].to_numpy(), month["pd"].to_numpy()
    figures = intervals(outcomes, pds, scorer.cutoff, scorer.costs, _RESAMPLES, seed)
    return {key: value for name in _RANKED for key, value in figures[name].columns(name).items()}
