"""Plots of the applicants: what is missing, how they differ, and where a model errs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm, rankdata

from scoring.evaluation.segments import UNKNOWN
from scoring.reports.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    below,
    column_text,
    finished,
    gridded,
    intervals,
    rows,
)
from scoring.reports.words import Words
from scoring.serving.scorer import Floats


def missing(applications: pl.DataFrame, number: int = 20) -> Figure:
    """Share of applicants without a value, for the columns that miss it most often."""
    shares = applications.select(pl.all().is_null().mean()).row(0, named=True)
    top = sorted(shares.items(), key=lambda item: -item[1])[:number]
    figure, axis = plt.subplots(figsize=(8, 0.26 * number + 0.8))
    axis.barh([name for name, _ in top], [share * 100 for _, share in top], color=BLUE)
    axis.invert_yaxis()
    axis.set(
        xlabel="applicants without a value (%)",
        title=f"The {number} columns missing most often",
    )
    return finished(figure)


def densities(applications: pl.DataFrame, columns: Sequence[str]) -> Figure:
    """Distribution of some columns among applicants who repaid and who defaulted."""
    figure, axes = plt.subplots(1, len(columns), figsize=(11, 3.2), sharey=True)
    for axis, column in zip(axes, columns, strict=True):
        for target, label, color in ((0, "repaid", BLUE), (1, "defaulted", ORANGE)):
            values = applications.filter(pl.col("TARGET") == target)[column].drop_nulls()
            axis.hist(
                values, bins=30, density=True, histtype="step", linewidth=2, label=label,
                color=color,
            )  # fmt: skip
        axis.set_xlabel(f"{column} (no unit)")
    axes[0].set_ylabel("density")
    axes[0].legend()
    figure.suptitle("Applicants who repaid and applicants who defaulted")
    return finished(figure)


def transforms(applications: pl.DataFrame, column: str, title: str) -> Figure:
    """Draw a skewed amount above zero as it is, as a logarithm and as a rank made normal."""
    values = applications[column].drop_nulls().to_numpy()
    ranks = (rankdata(values) - 0.5) / values.size
    panels = {
        title: np.minimum(values, np.quantile(values, 0.999)),
        "its logarithm (base 10)": np.log10(values),
        "its rank, made normal (deviations)": norm.ppf(ranks),
    }
    figure, axes = plt.subplots(1, 3, figsize=(11, 2.8))
    for axis, (name, shown) in zip(axes, panels.items(), strict=True):
        axis.hist(shown, bins=40, color=BLUE)
        axis.set_xlabel(name)
    axes[0].set_ylabel("applicants")
    figure.suptitle("One amount, three ways to show it to a model")
    return finished(figure)


def default_rates(examples: pl.DataFrame, titles: Mapping[str, str], groups: int = 5) -> Figure:
    """Draw the default rate along some features, by their axis titles, in groups of equal size.

    Applicants without a value are left out; those of one value stay together.
    """
    figure, axes = plt.subplots(1, len(titles), figsize=(14, 3.2), sharey=True)
    overall = float(examples["TARGET"].to_numpy().mean())
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        group = (pl.col(name).rank("average") - 1) * groups // pl.len()
        rates = (
            examples.drop_nulls(name)
            .group_by(group.alias("group"))
            .agg(rate=pl.col("TARGET").mean() * 100, middle=pl.col(name).median())
            .sort("group")
        )
        axis.plot(rates["middle"], rates["rate"], marker="o", color=BLUE)
        axis.axhline(overall * 100, linestyle=":", color=GREY)
        axis.set_xlabel(title)
    axes[0].set_ylabel("default rate (%)")
    figure.suptitle("Default rate along four features (dotted: all applicants)")
    return finished(figure)


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
