"""Plots of drift: features and PDs of today against those of the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.features.wording import WordingError, describe
from scoring.reports.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    YELLOW,
    finished,
    rows,
    wrapped,
)
from scoring.reports.words import Words
from scoring.serving.profiles import PD, Column, Profile
from scoring.serving.scorer import Floats

# Panels side by side.
_ACROSS = 3
_LEVELS = {"large": ORANGE, "moderate": YELLOW, "none": BLUE}


def drift(table: pl.DataFrame, limit: float, language: str = "en") -> Figure:
    """Draw PSI and change in missingness of each column, side by side.

    The table has column, psi, missing_reference and missing_current; a level, if it has one,
    colours the bars. The limit is the PSI from which a column counts as drifted.
    """
    words = Words("plots", language)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 0.36 * table.height + 1.2), sharey=True)
    places = rows(left, [wrapped(column_text(name, language), 52) for name in table["column"]])
    levels = table["level"] if "level" in table.columns else ["none"] * table.height
    colors = [_LEVELS[level] for level in levels]
    left.barh(places, table["psi"].fill_null(0.0), color=colors)
    left.axvline(limit, color=GREY, linestyle="--", label=words("drift.limit", limit=limit))
    left.set(xlabel=words("drift.psi"), title=words("drift.values"))
    left.tick_params(axis="y", labelsize=8)
    left.legend()
    change = (table["missing_current"] - table["missing_reference"]) * 100
    right.barh(places, change, color=GREEN)
    right.axvline(0, color=GREY, linewidth=1)
    right.set(xlabel=words("drift.change"), title=words("drift.missing"))
    for axis in (left, right):
        axis.xaxis.set_major_formatter(words.ticks)
    return finished(figure)


def vintages(table: pl.DataFrame, language: str = "en") -> Figure:
    """Draw default rates by month of decision with their intervals, and what the PDs expected.

    The table is that of `scoring.monitoring.cohorts.by_vintage`.
    """
    words = Words("plots", language)
    figure, axis = plt.subplots(figsize=(10, 3.2))
    months = np.arange(table.height)
    axis.hlines(
        table["expected"] * 100, months - 0.3, months + 0.3, color=ORANGE, linewidth=3,
        label=words("vintages.expected"),
    )  # fmt: skip
    observed = table["default_rate"]
    axis.errorbar(
        months, observed * 100, fmt="o", color=BLUE, capsize=3, label=words("vintages.observed"),
        yerr=[(observed - table["rate_low"]) * 100, (table["rate_high"] - observed) * 100],
    )  # fmt: skip
    # Labels of many months would run into each other.
    apart = 1 + table.height // 12
    axis.set_xticks(months[::apart], table["vintage"].dt.strftime("%Y-%m")[::apart].to_list())
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_formatter(words.ticks)
    axis.set(xlabel=words("vintages.month"), ylabel=words("vintages.rate"))
    axis.legend(fontsize=9)
    return finished(figure)


def binned(before: Profile, after: Profile, columns: Sequence[str]) -> Figure:
    """Draw the shares of two populations in the bins of some columns, a panel a column."""
    lines = math.ceil(len(columns) / _ACROSS)
    figure, axes = plt.subplots(
        lines, _ACROSS, figsize=(11, 2.3 * lines + 0.6), sharey=False, squeeze=False
    )
    for axis, name in zip(axes.flat, columns, strict=False):
        _bins(axis, before.columns[name], after.columns[name])
        axis.set_title(wrapped(column_text(name), 38), fontsize=8)
    for axis in axes.flat[len(columns) :]:
        axis.axis("off")
    axes[0][0].legend(fontsize=7)
    figure.supylabel("share of applicants (%)", fontsize=9)
    figure.supxlabel("bins of the reference; the last: no value", fontsize=9)
    return finished(figure)


def _bins(axis: Axes, before: Column, after: Column) -> None:
    last = len(before.counts)
    for column, label, color in ((before, "reference", BLUE), (after, "current", ORANGE)):
        counts = np.array([*column.counts, column.missing], dtype=np.float64)
        shares = counts * 100 / max(counts.sum(), 1.0)
        axis.stairs(shares, color=color, fill=True, alpha=0.15)
        axis.stairs(shares, color=color, linewidth=1.5, label=label)
    axis.set_ylim(bottom=0)
    axis.set_xticks([last + 0.5], ["no value"], fontsize=7)
    axis.tick_params(axis="y", labelsize=7)


def column_text(column: str, language: str = "en") -> str:
    """Name a column of a comparison in words: the PD, a feature; by its own name if it has none."""
    if column == PD:
        return Words("plots", language)("drift.pd")
    try:
        return describe(column, language)
    except WordingError:
        return column


def pd_distributions(pds: Mapping[str, Floats], cutoff: float) -> Figure:
    """Distribution of the PD in two or more populations, and the cut-off."""
    figure, axis = plt.subplots(figsize=(8, 3.4))
    bins = np.linspace(0.0, 0.5, 51).tolist()
    for (name, values), color in zip(pds.items(), (BLUE, ORANGE, GREEN), strict=False):
        share = np.full(values.size, 100 / values.size)
        axis.hist(
            np.minimum(values, 0.5), bins=bins, weights=share, histtype="step", linewidth=2,
            color=color, label=f"{name}: {np.mean(values > cutoff):.1%} above the cut-off",
        )  # fmt: skip
    axis.axvline(cutoff, color=GREY, linestyle=":", label=f"cut-off {cutoff:.3f}")
    axis.set(
        xlabel="probability of default (the last bin holds all above)",
        ylabel="share of applicants (%)",
        title="Probability of default of both populations",
    )
    axis.legend()
    return finished(figure)
