"""Plots of parts of the applicants: where a model errs, and whom it accepts."""

from __future__ import annotations

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.evaluation.segments import UNKNOWN
from scoring.reports.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    below,
    column_text,
    gridded,
    intervals,
    rows,
)
from scoring.reports.words import Words
from scoring.serving.scorer import Floats


def segments(table: pl.DataFrame) -> Figure:
    """Draw where the model errs, in parts of the applicants: default rate, mean PD and cost.

    The table is that of `segments.segments`; small segments are left out.
    """
    shown = table.filter(~pl.col("small"))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12, 0.3 * shown.height + 1.7), sharey=True, width_ratios=(3, 2)
    )
    places = rows(left, _segment_names(shown))
    intervals(
        left, places, shown, "default_rate", "default", 100, color=ORANGE,
        label="observed default rate (95% interval)",
    )  # fmt: skip
    left.scatter(shown["mean_pd"] * 100, places, marker="D", color=BLUE, label="mean PD", zorder=3)
    left.set(xlabel="share of the segment (%)", title="Are the PDs right?")
    intervals(right, places, shown, "cost", color=GREEN)
    right.set(xlabel="business cost per applicant (95% interval)", title="What do errors cost?")
    for axis in (left, right):
        axis.set_xlim(left=0)
        gridded(axis)
    left.tick_params(axis="y", labelsize=8)
    return below(figure)


def _segment_names(table: pl.DataFrame) -> list[str]:
    """The column in words before its first segment, and each segment with its size."""
    names, before = [], None
    for column, segment, number in table.select("column", "segment", "n").iter_rows():
        head = f"{column_text(column)}:  " if column != before else ""
        names.append(f"{head}{segment} ({number:,})")
        before = column
    return names


def fairness(table: pl.DataFrame, share: float = 0.8, language: str = "en") -> Figure:
    """Draw the acceptance rate of each group, against four fifths of the most accepted group's.

    The table is that of `fairness.by_group`; small groups are left out.
    """
    words, shown = Words("plots", language), table.filter(~pl.col("small"))
    figure, axis = plt.subplots(figsize=(8, 0.36 * shown.height + 1.7))
    places = _group_rows(axis, shown, Words("card", language))
    intervals(
        axis, places, shown, "acceptance_rate", factor=100,
        label=words("fairness.rate"),
    )  # fmt: skip
    # A group of unknown members sets no standard.
    rate = pl.when(pl.col("group") != UNKNOWN).then("acceptance_rate")
    limit = shown.select(rate.max().over("attribute") * share * 100).to_series()
    axis.scatter(
        limit, places, marker="|", s=300, linewidths=2, color=ORANGE,
        label=words("fairness.limit", share=share),
    )  # fmt: skip
    axis.set(xlabel=words("fairness.accepted"), title=words("fairness.title"))
    axis.set_xlim(0, 102)
    return below(figure, markerscale=0.6)


def _group_rows(axis: Axes, table: pl.DataFrame, words: Words) -> Floats:
    """A row a group, named with its size, and a line between attributes; returns the places."""
    labels = [
        words(
            "groups.size",
            attribute=words.named("groups", attribute),
            group=words.named("groups", group),
            number=number,
        )
        for attribute, group, number in table.select("attribute", "group", "n").iter_rows()
    ]
    places = rows(axis, labels)
    axis.tick_params(axis="y", labelsize=8)
    names = table["attribute"].to_list()
    for place in range(1, len(names)):
        if names[place] != names[place - 1]:
            axis.axhline(place - 0.5, color=GREY, linewidth=0.6)
    gridded(axis)
    return places
