"""Plots of drift: features and PDs of today against those of the reference."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from scoring.plots.style import BLUE, GREEN, GREY, ORANGE, finished
from scoring.scorer import Floats


def drift(table: pl.DataFrame, limit: float) -> Figure:
    """PSI and change in missingness of each column, side by side.

    Parameters
    ----------
    table : polars.DataFrame
        Columns column, psi, missing_reference and missing_current.
    limit : float
        The PSI from which a column counts as drifted.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 0.28 * table.height + 1.2), sharey=True)
    left.barh(table["column"], table["psi"].fill_null(0.0), color=BLUE)
    left.axvline(limit, color=ORANGE, linestyle="--", label=f"limit {limit}")
    left.invert_yaxis()
    left.set(xlabel="population stability index (no unit)", title="Values")
    left.legend()
    change = (table["missing_current"] - table["missing_reference"]) * 100
    right.barh(table["column"], change, color=GREEN)
    right.axvline(0, color=GREY, linewidth=1)
    right.set(xlabel="change in missing values (points of %)", title="Missing values")
    return finished(figure)


def pd_distributions(pds: Mapping[str, Floats], cutoff: float) -> Figure:
    """Distribution of the PD in two or more populations, and the cut-off."""
    figure, axis = plt.subplots(figsize=(8, 3.4))
    bins = np.linspace(0.0, 0.5, 51).tolist()
    for (name, values), color in zip(pds.items(), (BLUE, ORANGE, GREEN), strict=False):
        share = np.full(values.size, 100 / values.size)
        axis.hist(
            np.minimum(values, 0.5), bins=bins, weights=share, histtype="step", linewidth=2,
            color=color, label=f"{name}: {np.mean(values > cutoff):.1%} refused",
        )  # fmt: skip
    axis.axvline(cutoff, color=GREY, linestyle=":", label=f"cut-off {cutoff:.3f}")
    axis.set(
        xlabel="probability of default (the last bin holds all above)",
        ylabel="share of applicants (%)",
        title="Probability of default of both populations",
    )
    axis.legend()
    return finished(figure)
