"""Figures by segment of the applicants: where the model errs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.evaluation.bootstrap import Flags, Floats
from scoring.evaluation.intervals import wilson
from scoring.evaluation.metrics import checked, intervals
from scoring.serving.costs import Costs

# Below these a figure would say more about chance than about the segment.
LEAST_APPLICANTS = 30
LEAST_OUTCOMES = 5

# Numbers with no more distinct values than this are counts or flags: a segment a value.
_FEW_VALUES = 5

UNKNOWN = "unknown"


def segments(
    frame: pl.DataFrame,
    target: npt.ArrayLike,
    pds: npt.ArrayLike,
    cutoff: float,
    costs: Costs,
    columns: Sequence[str],
    resamples: int = 300,
    seed: int = 0,
) -> pl.DataFrame:
    """Compute figures by segment: values of categories, quarters of numbers, and the unknown.

    Parameters
    ----------
    frame, columns : polars.DataFrame and sequence of str
        A row an applicant, and what to cut the applicants by, one column at a time.

    Returns
    -------
    polars.DataFrame
        A row a segment, in the order of the columns and of their values: column, segment, n,
        defaults, default_rate, default_low and default_high (Wilson interval), mean_pd, refused
        (share), auc and cost, either with _low and _high; small. Small segments, of fewer than
        30 applicants or 5 of either outcome, have their counts only.
    """
    outcomes, values = checked(target, pds)
    rows = []
    for column in columns:
        for segment, members in parts(frame[column]):
            row: dict[str, Any] = {"column": column, "segment": segment}
            row |= counts(outcomes[members])
            if not row["small"]:
                row |= _rates(outcomes[members], values[members], cutoff)
                figures = intervals(
                    outcomes[members], values[members], cutoff, costs, resamples, seed
                )
                row |= figures["auc"].columns("auc") | figures["business_cost"].columns("cost")
            rows.append(row)
    return pl.DataFrame(rows, schema=_SCHEMA)


_SCHEMA: dict[str, type[pl.DataType]] = (
    {"column": pl.String, "segment": pl.String, "n": pl.Int64, "defaults": pl.Int64}
    | dict.fromkeys(
        (
            "default_rate", "default_low", "default_high", "mean_pd", "refused",
            "auc", "auc_low", "auc_high", "cost", "cost_low", "cost_high",
        ),
        pl.Float64,
    )
    | {"small": pl.Boolean}
)  # fmt: skip


def parts(column: pl.Series) -> Iterable[tuple[str, Flags]]:
    """Yield the segments of a column, names and who belongs to each, in the order of the values.

    Categories and numbers with at most five values have a segment a value; other numbers are cut
    into quarters of about equal count, named by their bounds. Missing values come last.
    """
    if column.dtype.is_numeric() and column.n_unique() > _FEW_VALUES:
        yield from _quarters(column.cast(pl.Float64).fill_null(np.nan).to_numpy())
    else:
        labels = column.cast(pl.String) if isinstance(column.dtype, pl.Categorical) else column
        for value in labels.drop_nulls().unique().sort():
            name = f"{value:g}" if isinstance(value, float) else str(value)
            yield name, (labels == value).fill_null(value=False).to_numpy()
    missing = column.is_null().to_numpy()
    if missing.any():
        yield UNKNOWN, missing


def _quarters(values: Floats) -> Iterable[tuple[str, Flags]]:
    """Values at a bound belong below it; rows that hold one value stay together."""
    bounds = np.unique(np.nanpercentile(values, [25, 50, 75], method="lower"))
    bounds = bounds[bounds < np.nanmax(values)]
    edges = [-np.inf, *bounds, np.inf]
    for low, high in pairwise(edges):
        name = f"{low:,.7g} to {high:,.7g}"
        if low == -np.inf:
            name = f"up to {high:,.7g}"
        elif high == np.inf:
            name = f"above {low:,.7g}"
        yield name, (low < values) & (values <= high)


def counts(outcomes: Flags) -> dict[str, Any]:
    """Return how many applicants and defaults a part has, and whether it is small."""
    defaults = int(outcomes.sum())
    rarer = min(defaults, outcomes.size - defaults)
    small = outcomes.size < LEAST_APPLICANTS or rarer < LEAST_OUTCOMES
    return {"n": outcomes.size, "defaults": defaults, "small": small}


def _rates(outcomes: Flags, pds: Floats, cutoff: float) -> dict[str, float]:
    low, high = wilson(outcomes.sum(), outcomes.size)
    return {
        "default_rate": float(outcomes.mean()),
        "default_low": float(low),
        "default_high": float(high),
        "mean_pd": float(pds.mean()),
        "refused": float((pds > cutoff).mean()),
    }
