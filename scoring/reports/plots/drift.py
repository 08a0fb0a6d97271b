"""Plots of drift: features and PDs of today against those of the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.reports.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    column_text,
    finished,
    gridded,
    rows,
    wrapped,
)
from scoring.reports.words import Words
from scoring.serving.profiles import Column, Profile
from scoring.serving.scorer import Floats

# Panels side by side.
_ACROSS = 3
# Bars in a panel.
_BARS = 12


def drift(table: pl.DataFrame, limit: float, language: str = "en") -> Figure:
    """Draw the columns whose values moved most, by PSI, and those whose missing values did.

    The table has column, psi, missing_reference and missing_current. The limit is the PSI from
    which a column counts as drifted.
    """
    words = Words("plots", language)
    change = (pl.col("missing_current") - pl.col("missing_reference")) * 100
    values = _largest(table, pl.col("psi").fill_null(0.0), least=0.005)
    missing = _largest(table, change, least=0.5)
    heights = [max(part.height, 1) for part in (values, missing)]
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(10, 0.3 * sum(heights) + 2), height_ratios=heights
    )
    _bars(upper, values, language, [ORANGE if size >= limit else BLUE for size in values["size"]])
    upper.axvline(limit, color=GREY, linestyle="--", label=words("drift.limit", limit=limit))
    upper.legend(fontsize=8)
    upper.set(xlabel=words("drift.psi"), title=words("drift.values"))
    _bars(lower, missing, language, GREEN)
    lower.axvline(0, color=GREY, linewidth=1)
    lower.set(xlabel=words("drift.change"), title=words("drift.missing"))
    for axis in (upper, lower):
        axis.xaxis.set_major_formatter(words.ticks)
    return finished(figure)


def _largest(table: pl.DataFrame, size: pl.Expr, least: float) -> pl.DataFrame:
    sizes = table.select("column", size=size).filter(pl.col("size").abs() >= least)
    return sizes.sort(pl.col("size").abs(), descending=True).head(_BARS)


def _bars(axis: Axes, table: pl.DataFrame, language: str, color: str | list[str]) -> None:
    """A bar a column, by its name in words."""
    places = rows(axis, [wrapped(column_text(name, language), 64) for name in table["column"]])
    axis.barh(places, table["size"], color=color)
    axis.tick_params(axis="y", labelsize=8)
    gridded(axis)


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


def binned(before: Profile, after: Profile, columns: Sequence[str], language: str = "en") -> Figure:
    """Draw the shares of two populations in the bins of some columns, a panel a column."""
    words = Words("plots", language)
    lines = math.ceil(len(columns) / _ACROSS)
    figure, axes = plt.subplots(
        lines, _ACROSS, figsize=(11, 2.3 * lines + 0.6), sharey=False, squeeze=False
    )
    for axis, name in zip(axes.flat, columns, strict=False):
        _bins(axis, before.columns[name], after.columns[name], words)
        axis.set_title(wrapped(column_text(name, language), 38), fontsize=8)
    for axis in axes.flat[len(columns) :]:
        axis.axis("off")
    axes[0][0].legend(fontsize=7)
    figure.supylabel(words("drift.share"), fontsize=9)
    figure.supxlabel(words("drift.bins"), fontsize=9)
    return finished(figure)


def _bins(axis: Axes, before: Column, after: Column, words: Words) -> None:
    last = len(before.counts)
    for column, name, color in ((before, "reference", BLUE), (after, "current", ORANGE)):
        counts = np.array([*column.counts, column.missing], dtype=np.float64)
        shares = counts * 100 / max(counts.sum(), 1.0)
        axis.stairs(shares, color=color, fill=True, alpha=0.15)
        axis.stairs(shares, color=color, linewidth=1.5, label=words(f"drift.{name}"))
    axis.set_ylim(bottom=0)
    axis.set_xticks([last + 0.5], [words("drift.none")], fontsize=7)
    axis.tick_params(axis="y", labelsize=7)


def pd_distributions(pds: Mapping[str, Floats], cutoff: float, language: str = "en") -> Figure:
    """Draw how PDs are distributed in each population (reference, current), and the cut-off."""
    words = Words("plots", language)
    figure, axis = plt.subplots(figsize=(10, 3.4))
    bins = np.linspace(0.0, 0.5, 51).tolist()
    for (name, values), color in zip(pds.items(), (BLUE, ORANGE, GREEN), strict=False):
        share = np.full(values.size, 100 / values.size)
        above = float(np.mean(values > cutoff))
        axis.hist(
            np.minimum(values, 0.5), bins=bins, weights=share, histtype="step", linewidth=2,
            color=color, label=words("drift.above", name=words.named("drift", name), share=above),
        )  # fmt: skip
    axis.axvline(cutoff, color=GREY, linestyle=":", label=words("drift.cutoff", cutoff=cutoff))
    axis.set(xlabel=words("drift.pd_bins"), ylabel=words("drift.share"), title=words("drift.pds"))
    axis.xaxis.set_major_formatter(words.ticks)
    axis.legend()
    return finished(figure)
