"""The plot of a simulation: what changes, what it costs, and what each policy saves."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.reports.plots.style import CYCLE, GREY, finished
from scoring.serving.scorer import Floats

# A month's cost is noisy: each point is the mean of it and the two before.
_SMOOTH = 3


def simulation(months: pl.DataFrame) -> Figure:
    """Draw a row of three panels for each scenario, from what `figures.by_month` makes."""
    parts = months.partition_by("scenario", maintain_order=True)
    figure, axes = plt.subplots(len(parts), 3, figsize=(14, 3.7 * len(parts) + 0.9), squeeze=False)
    for row, part in zip(axes, parts, strict=True):
        courses = part.partition_by("policy", maintain_order=True)
        _world(row[0], part["scenario"][0], courses[0])
        _avoidable(row[1], courses)
        _saved(row[2], courses)
    handles, labels = axes[0][1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    return finished(figure, below=0.5 / figure.get_figheight())


def _world(axis: Axes, scenario: str, course: pl.DataFrame) -> None:
    month = course["month"] + 1
    axis.plot(month, course["default_rate"] * 100, color=GREY, label="of all who apply")
    axis.set_ylim(bottom=0)
    axis.set(title=f"{scenario}: how many would default", xlabel="month", ylabel="default rate (%)")


def _avoidable(axis: Axes, courses: Sequence[pl.DataFrame]) -> None:
    for course, color in zip(courses, CYCLE, strict=False):
        beyond = (course["cost"] - course["least_cost"]).to_numpy()
        # The first one is seen below those that do as it does.
        width = 4 if course is courses[0] else 1.6
        label = course["policy"][0]
        axis.plot(course["month"] + 1, _smoothed(beyond), color=color, linewidth=width, label=label)
    axis.set_ylim(bottom=0)
    axis.set(
        title="Cost that perfect knowledge would spare",
        xlabel="month (mean of three)",
        ylabel="refused good applicants\nan applicant",
    )


def _saved(axis: Axes, courses: Sequence[pl.DataFrame]) -> None:
    """Costs of the first policy minus those of each other, added up."""
    first = _total(courses[0])
    axis.axhline(0, color=CYCLE[0], linewidth=4)
    for course, color in zip(courses[1:], CYCLE[1:], strict=False):
        saved = np.cumsum(first - _total(course))
        new = course["done"].str.contains("a new champion").to_numpy()
        month = course["month"].to_numpy() + 1
        axis.plot(month, saved, color=color, linewidth=1.6)
        axis.plot(month[new], saved[new], "o", color=color, markersize=4)
    axis.set(
        title=f"Saved against “{courses[0]['policy'][0]}”",
        xlabel="month (dots: new champions)",
        ylabel="refused good applicants,\nadded up",
    )


def _total(course: pl.DataFrame) -> Floats:
    return (course["cost"] * course["applicants"]).to_numpy()


def _smoothed(values: Floats) -> Floats:
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, values.size + 1)
    starts = np.maximum(ends - _SMOOTH, 0)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))
