"""Plots of the models compared: families, remedies for imbalance, the search."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.reports.plots.style import (
    BLUE,
    GREY,
    LIGHT,
    ORANGE,
    below,
    finished,
    gridded,
    intervals,
    rows,
    value_labels,
)


def families(table: pl.DataFrame) -> Figure:
    """Draw AUC and business cost of each family, on applicants seen and not seen in training.

    The distance between the two marks is the overfitting. The table has a row a family: candidate,
    auc, auc_train, business_cost and, where it was measured, business_cost_train; auc_low, auc_high
    and the like make intervals.
    """
    figure, axes = plt.subplots(1, 2, figsize=(11, 0.5 * table.height + 1.5), sharey=True)
    for axis, name, title in zip(
        axes,
        ("auc", "business_cost"),
        ("AUC (higher is better)", "Business cost (lower is better)"),
        strict=True,
    ):
        _seen_and_unseen(axis, table, name)
        axis.set_title(title)
    axes[0].set_xlabel("area under the ROC curve (no unit)")
    axes[1].set_xlabel("cost per applicant (1 = one good applicant refused)")
    return below(figure, axes[0])


def _seen_and_unseen(axis: Axes, table: pl.DataFrame, name: str) -> None:
    places = rows(axis, table["candidate"].to_list())
    trained = f"{name}_train"
    if trained in table.columns:
        axis.hlines(places, table[name], table[trained], color=LIGHT, linewidth=5, zorder=1)
        axis.scatter(
            table[trained], places, color="white", edgecolors=GREY, zorder=3,
            label="applicants seen in training",
        )  # fmt: skip
    intervals(axis, places, table, name, zorder=4, label="applicants not seen")
    value_labels(axis, places, table[name].to_numpy(), "%.3f")
    axis.margins(x=0.1)
    gridded(axis)


def imbalance(table: pl.DataFrame) -> Figure:
    """Draw what each remedy for imbalance does to ranking, calibration and cost.

    The table has a row a remedy: resampling, auc, ece and business_cost; ece_before_calibration
    and business_cost_before_calibration, where they are there, show what the remedy does to PDs
    that nobody puts right. Columns auc_low, auc_high and the like make intervals. The remedy
    "none", where it is there, is the dotted line.
    """
    panels = {
        "auc": ("Ranking: AUC\n(higher is better, no unit)", "%.3f"),
        "ece": ("Calibration error of the PDs\n(lower is better, points of %)", "%.1f"),
        "business_cost": ("Business cost per applicant\n(lower is better)", "%.3f"),
    }
    figure, axes = plt.subplots(1, 3, figsize=(11, 0.5 * table.height + 1.9), sharey=True)
    for axis, (name, (title, form)) in zip(axes, panels.items(), strict=True):
        _remedies(axis, table, name, form)
        axis.set_xlabel(title, fontsize=9)
    figure.suptitle("Remedies for imbalance (dotted: none), on applicants not seen in training")
    return below(figure, axes[1])


def _remedies(axis: Axes, table: pl.DataFrame, name: str, form: str) -> None:
    factor = 100.0 if name == "ece" else 1.0
    places = rows(axis, table["resampling"].to_list())
    values = table[name].to_numpy() * factor
    before = f"{name}_before_calibration"
    if before in table.columns:
        raw = table[before].to_numpy() * factor
        axis.hlines(places, values, raw, color=LIGHT, linewidth=3, zorder=1)
        axis.scatter(
            raw, places, color="white", edgecolors=ORANGE, zorder=3, label="PDs not calibrated"
        )
    intervals(axis, places, table, name, factor=factor, zorder=4, label="calibrated PDs")
    value_labels(axis, places, values, form)
    reference = np.flatnonzero((table["resampling"] == "none").to_numpy())
    if reference.size:
        axis.axvline(values[reference[0]], color=GREY, linestyle=":", zorder=0)
    axis.margins(x=0.15)


def trials(table: pl.DataFrame) -> Figure:
    """Draw what each trial reached, and the best so far, as `search.refine` tabulates it."""
    figure, axis = plt.subplots(figsize=(8, 3.4))
    ended, stopped = table.filter(~pl.col("pruned")), table.filter(pl.col("pruned"))
    axis.scatter(ended["trial"], ended["objective"], color=BLUE, label="completed")
    axis.scatter(
        stopped["trial"], stopped["objective"], color=GREY, marker="x", label="stopped early"
    )
    best = ended["objective"].cum_min()
    axis.step(ended["trial"], best, where="post", color=ORANGE, label="best so far")
    axis.set(
        xlabel="trial",
        ylabel="smoothed cost per applicant",
        title="Search for hyper-parameters: business cost in cross-validation",
    )
    axis.locator_params(axis="x", integer=True)
    # One bad trial far above the others would flatten everything worth seeing.
    reached = table["objective"].drop_nulls().to_numpy()
    low, high = reached.min(), np.quantile(reached, 0.95)
    margin = 0.08 * (high - low) or 0.01
    axis.set_ylim(low - margin, high + margin)
    axis.legend(fontsize=9)
    return finished(figure)
