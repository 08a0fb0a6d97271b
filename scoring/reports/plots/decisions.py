"""Plots of PDs and decisions: calibration, cut-offs and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    confusion_matrix,
)

from scoring.evaluation import business, metrics
from scoring.evaluation.money import Money
from scoring.reports.plots.style import BLUE, CYCLE, GREEN, GREY, ORANGE, finished
from scoring.serving.costs import Costs

Band = tuple[float, float]


def reliability(
    target: npt.ArrayLike,
    pds: Mapping[str, npt.ArrayLike],
    bins: int = 10,
    title: str = "Of those given a PD of 10%, do 10% default?",
) -> Figure:
    """Draw the observed default rate against the PD given, in bins of about equal count.

    PDs are given by their name in the legend; intervals are those of `metrics.reliability`.
    """
    figure, axis = plt.subplots(figsize=(5.4, 4.8))
    top = 0.0
    for (name, values), color in zip(pds.items(), CYCLE, strict=False):
        table = metrics.reliability(target, values, bins).select(
            pl.col("predicted", "observed", "low", "high") * 100
        )
        seen = table["observed"].to_numpy()
        axis.errorbar(
            table["predicted"], seen, np.stack([seen - table["low"], table["high"] - seen]),
            color=color, marker="o", markersize=4, capsize=3, label=name,
        )  # fmt: skip
        top = max(top, *table["predicted"], *table["high"])
    axis.plot([0, top], [0, top], color=GREY, linestyle=":", label="perfect")
    axis.set(
        xlabel="mean probability of default given (%)",
        ylabel="share that defaulted (%, bars: 95% interval)",
        title=title,
    )
    axis.legend(fontsize=9)
    return finished(figure)


def cutoff_choice(
    target: npt.ArrayLike,
    pds: npt.ArrayLike,
    costs: Costs,
    best: Sequence[float] | None = None,
    refer_band: Band | None = None,
    title: str = "Business cost along the cut-off",
) -> Figure:
    """Draw the business cost by cut-off: the one from the costs, the best one, the refer band.

    `best` is the best cut-off with its interval, as `business.study_cutoff` finds it; without it,
    the best one on these applicants.
    """
    cutoffs, cost = business.cost_curve(target, pds, costs)
    figure, axis = plt.subplots(figsize=(8, 3.8))
    axis.plot(cutoffs * 100, cost, color=BLUE)
    _referred(axis, refer_band)
    _best(axis, best if best is not None else [float(cutoffs[np.argmin(cost)])])
    chosen = costs.cutoff
    axis.axvline(
        chosen * 100, color=ORANGE, linestyle="--", label=f"from the costs: {chosen * 100:.1f}%"
    )
    axis.set_xlim(0, 50)
    # Below the default rate the curve climbs to refusing all; what matters lies near its floor.
    inside = cost[(cutoffs >= 0.01) & (cutoffs <= 0.5)]
    if inside.size:
        spread = inside.max() - inside.min()
        axis.set_ylim(inside.min() - 0.08 * spread - 1e-3, inside.max() + 0.08 * spread + 1e-3)
    axis.set(
        xlabel="cut-off (PD above which an application is refused, %)",
        ylabel="cost per applicant",
        title=title,
    )
    axis.legend(fontsize=9)
    return finished(figure)


def _referred(axis: Axes, band: Band | None) -> None:
    if band is not None and band[0] < band[1]:
        label = f"referred to an officer: {_percents(*band)}"
        axis.axvspan(100 * band[0], 100 * band[1], color=GREY, alpha=0.25, linewidth=0, label=label)


def _best(axis: Axes, best: Sequence[float]) -> None:
    if len(best) == 3:
        axis.axvspan(best[1] * 100, best[2] * 100, color=GREEN, alpha=0.18, linewidth=0)
        label = f"best on these applicants: {best[0] * 100:.1f}% ({_percents(best[1], best[2])})"
    else:
        label = f"best on these applicants: {best[0] * 100:.1f}%"
    axis.axvline(best[0] * 100, color=GREEN, linestyle=":", linewidth=2, label=label)


def _percents(low: float, high: float) -> str:
    return f"{low * 100:.1f} to {high * 100:.1f}%"


def ranking(target: npt.ArrayLike, pds: Mapping[str, npt.ArrayLike], cutoff: float) -> Figure:
    """Draw how PDs rank applicants: ROC curve, and precision along recall.

    PDs are given by their name in the legend; of the first ones the cut-off is marked.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.6))
    for place, (name, values) in enumerate(pds.items()):
        told: dict[str, Any] = {
            "name": name,
            "curve_kwargs": {"color": CYCLE[place % len(CYCLE)], "linewidth": 1.5},
            "plot_chance_level": not place,
        }
        RocCurveDisplay.from_predictions(target, values, ax=left, **told)
        PrecisionRecallDisplay.from_predictions(target, values, ax=right, **told)
    refused = np.asarray(next(iter(pds.values()))) > cutoff
    (kept, lost), (missed, caught) = confusion_matrix(target, refused)
    recall = caught / (caught + missed)
    for axis, point in (
        (left, (lost / (lost + kept), recall)),
        (right, (recall, caught / max(caught + lost, 1))),
    ):
        axis.plot(*point, "o", color="black", label=f"cut-off {cutoff * 100:.1f}%")
    left.set(xlabel="good applicants refused (share)", ylabel="defaults refused (share)")
    right.set(xlabel="defaults refused (share)", ylabel="defaults among the refused (share)")
    for axis, title in ((left, "ROC"), (right, "Precision and recall")):
        axis.set_title(title)
        axis.legend(fontsize=8)
    return finished(figure)


def confusion(
    target: npt.ArrayLike, pds: npt.ArrayLike, cutoff: float, loans: pl.DataFrame, money: Money
) -> Figure:
    """Draw the four outcomes of deciding at the cut-off, in applicants and in money.

    The money of those who defaulted is what their loans lose, of those who repaid what they earn.
    """
    defaulted, refused = np.asarray(target) == 1, np.asarray(pds) > cutoff
    amounts = np.where(defaulted, money.losses(loans), money.margins(loans)) / 1e6
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2))
    for axis, weights, form, title in (
        (axes[0], None, ",.0f", "applicants"),
        (axes[1], amounts, ",.1f", "millions: loss of a default, margin of a good loan"),
    ):
        ConfusionMatrixDisplay.from_predictions(
            defaulted, refused, sample_weight=weights, display_labels=["repaid", "defaulted"],
            values_format=form, cmap="Blues", colorbar=False, ax=axis,
        )  # fmt: skip
        axis.set_xticks([0, 1], ["accepted", "refused"])
        axis.set(xlabel="decision", ylabel="outcome", title=title)
    return finished(figure)
