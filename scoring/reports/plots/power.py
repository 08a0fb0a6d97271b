"""The plot of how many applicants it takes to see a change."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.reports.plots.style import CYCLE, GREY, finished

_COLUMNS = 3


def power_curves(table: pl.DataFrame, level: float) -> Figure:
    """Draw detected windows by their size, a panel a kind of change, a line a strength.

    The table is that of `studies.power.power.power`. The level is drawn as a line: the share of
    windows that false alarms have to stay below, and that may not be missed.
    """
    kinds = table["kind"].unique(maintain_order=True).to_list()
    sizes = table["applicants"].unique().sort().to_list()
    lines = -(-len(kinds) // _COLUMNS)
    figure, axes = plt.subplots(
        lines, _COLUMNS, figsize=(12, 3.4 * lines), sharex=True, sharey=True, squeeze=False
    )
    for axis, kind in zip(axes.flat, kinds, strict=False):
        _panel(axis, table.filter(kind=kind), sizes, level)
    for axis in axes.flat[len(kinds) :]:
        axis.set_visible(False)
    return finished(figure)


def _panel(axis: Axes, table: pl.DataFrame, sizes: Sequence[int], level: float) -> None:
    strengths = table["strength"].unique(maintain_order=True).to_list()
    for colour, strength in zip(CYCLE, strengths, strict=False):
        some = table.filter(strength=strength).sort("applicants")
        axis.plot(some["applicants"], some["detected"], "o-", color=colour, label=strength)
        # Larger windows than those that are all detected are not simulated.
        if some["detected"][-1] == 1.0:
            axis.hlines(1.0, some["applicants"][-1], max(sizes), color=colour, linestyle="--")
        axis.fill_between(some["applicants"], some["low"], some["high"], color=colour, alpha=0.15)
    axis.axhline(level, color=GREY, linestyle=":")
    axis.axhline(1 - level, color=GREY, linestyle=":")
    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.minorticks_off()
    axis.set_ylim(-0.03, 1.03)
    axis.set_title(table["kind"][0].capitalize() if table["kind"][0] != "none" else "No change")
    axis.set_xlabel("applicants in a window")
    axis.set_ylabel("windows with an alert")
    axis.legend(loc="best")
