"""Pictures of a simulation: what came, what it cost, and what was saved, month by month."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.reports.plots.style import CYCLE, GREY, finished
from scoring.reports.words import Words

# A month's cost is noisy: each point is the mean of it and the two before.
_SMOOTH = 3


def picture(months: pl.DataFrame, applicants: int, words: Words) -> Figure:
    """Draw one scenario of `figures.by_month`, as means over seeds; so many apply each month."""
    figures = pl.exclude("scenario", "policy", "month", "seed").mean()
    means = months.group_by("policy", "month", maintain_order=True).agg(figures)
    courses = means.partition_by("policy", maintain_order=True)
    figure, axes = plt.subplots(3, 1, figsize=(8, 10))
    _world(axes[0], courses[0], words)
    _avoidable(axes[1], courses, words)
    _saved(axes[2], courses, applicants, words)
    for axis in axes:
        axis.yaxis.set_major_formatter(words.ticks)
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    return finished(figure, below=0.03)


def _world(axis: Axes, course: pl.DataFrame, words: Words) -> None:
    axis.plot(course["month"] + 1, course["default_rate"] * 100, color=GREY)
    axis.set_ylim(bottom=0)
    axis.set(title=words("plot.world"), xlabel=words("plot.month"), ylabel=words("plot.rate"))


def _avoidable(axis: Axes, courses: list[pl.DataFrame], words: Words) -> None:
    for course, color in zip(courses, CYCLE, strict=False):
        beyond = (course["cost"] - course["least_cost"]).rolling_mean(_SMOOTH, min_samples=1)
        # The first one is seen below those that do as it does.
        width = 4 if course is courses[0] else 1.6
        label = words(f"names.{course['policy'][0]}")
        axis.plot(course["month"] + 1, beyond, color=color, linewidth=width, label=label)
    axis.set_ylim(bottom=0)
    axis.set(
        title=words("plot.avoidable"), xlabel=words("plot.smoothed"), ylabel=words("plot.cost")
    )


def _saved(axis: Axes, courses: list[pl.DataFrame], applicants: int, words: Words) -> None:
    """Costs of the first policy minus those of each other, added up."""
    axis.axhline(0, color=CYCLE[0], linewidth=4)
    for course, color in zip(courses[1:], CYCLE[1:], strict=False):
        saved = np.cumsum((courses[0]["cost"] - course["cost"]).to_numpy()) * applicants
        new, month = course["promoted"].to_numpy() > 0, course["month"].to_numpy() + 1
        axis.plot(month, saved, color=color, linewidth=1.6)
        axis.plot(month[new], saved[new], "o", color=color, markersize=4)
    axis.set(title=words("plot.saved"), xlabel=words("plot.dots"), ylabel=words("plot.total"))
