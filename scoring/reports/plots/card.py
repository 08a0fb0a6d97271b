"""Plots of a model card, from the points that the card keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.reports.plots.style import BLUE, GREY, ORANGE, finished
from scoring.reports.words import Words

Curves = Mapping[str, Sequence[Sequence[float]]]


def card_ranking(curves: Curves, language: str = "en") -> Figure | None:
    """Draw the ROC curve: how many defaults are ranked above so many good applicants."""
    if "roc" not in curves:
        return None
    words = Words("plots", language)
    figure, axis = plt.subplots(figsize=(4.7, 4.3))
    axis.plot(*100 * np.array(curves["roc"]).T, color=BLUE)
    axis.set(title=words("card.roc"), xlabel=words("card.good"), ylabel=words("card.bad"))
    return _beside_diagonal(figure, axis, 100.0, words("card.chance"), words)


def card_calibration(curves: Curves, language: str = "en") -> Figure | None:
    """Draw the default rate against the PD given, in bins of about equal count."""
    if "reliability" not in curves:
        return None
    words = Words("plots", language)
    given, seen, low, high = 100 * np.array(curves["reliability"]).T
    figure, axis = plt.subplots(figsize=(4.7, 4.3))
    lengths = np.maximum([seen - low, high - seen], 0.0)
    axis.errorbar(given, seen, lengths, color=BLUE, marker="o", markersize=4, capsize=3)
    axis.set(title=words("card.reliability"), xlabel=words("card.given"), ylabel=words("card.seen"))
    return _beside_diagonal(figure, axis, max(*given, *high), words("card.perfect"), words)


def card_costs(curves: Curves, cutoff: float, language: str = "en") -> Figure | None:
    """Draw what decisions cost along the cut-off, from refusing all to accepting all."""
    if "cost" not in curves:
        return None
    words = Words("plots", language)
    figure, axis = plt.subplots(figsize=(10, 3.6))
    cutoffs, cost = np.array(curves["cost"]).T
    axis.plot(100 * cutoffs, cost, color=BLUE)
    label = words("cutoff", pd=cutoff)
    axis.axvline(100 * cutoff, color=ORANGE, linestyle="--", label=label)
    label = words("card.everybody", cost=cost[-1])
    axis.axhline(cost[-1], color=GREY, linestyle=":", label=label)
    axis.set(xlim=(0, 50), xlabel=words("card.cutoff"), ylabel=words("card.cost"))
    return _numbered(figure, axis, words)


def _beside_diagonal(figure: Figure, axis: Axes, end: float, label: str, words: Words) -> Figure:
    axis.plot([0, end], [0, end], color=GREY, linestyle=":", label=label)
    return _numbered(figure, axis, words)


def _numbered(figure: Figure, axis: Axes, words: Words) -> Figure:
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(words.ticks)
    axis.legend(fontsize=9)
    return finished(figure)
