"""Plots of what a model leans on: over all applicants, along one feature, for one applicant.

shap draws them from the Scorer's own contributions, which are exact; it takes seconds to import,
so it is imported where it draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from scoring.evaluation.explain import Local, Step, Summary
from scoring.features.wording import Language, describe
from scoring.features.wording.reasons import cause_text
from scoring.reports.plots.style import (
    BLUE,
    DARK,
    GREEN,
    GREY,
    LOW_TO_HIGH,
    ORANGE,
    PURPLE,
    finished,
    rows,
    wrapped,
)
from scoring.reports.words import Words


def importances(table: pl.DataFrame, language: Language = "en") -> Figure:
    """Draw the three measures of the leading features, with their noise.

    The table has a row a feature: feature, contribution (mean absolute, in log-odds), gain (share),
    what shuffling its values adds to the business cost and takes from the AUC (cost_increase,
    auc_drop), and their standard deviations (cost_std, auc_std).
    """
    words = Words("plots", language)
    colors = {"contribution": BLUE, "gain": GREEN, "cost_increase": ORANGE, "auc_drop": PURPLE}
    figure, axes = plt.subplots(1, 4, figsize=(12, 0.36 * table.height + 1.4), sharey=True)
    for axis, (name, color) in zip(axes, colors.items(), strict=True):
        places = rows(axis, [wrapped(describe(each, language), 56) for each in table["feature"]])
        spread = table[name.split("_")[0] + "_std"] if "_" in name else None
        factor = 100.0 if name == "gain" else 1.0
        axis.barh(places, table[name] * factor, xerr=spread, color=color, ecolor=GREY)
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_xlabel(words(f"measure.{name}"), fontsize=9)
        axis.locator_params(axis="x", nbins=4)
        axis.tick_params(labelsize=8)
    figure.suptitle(words("measures"))
    return finished(figure)


def beeswarm(
    summary: Summary, top: int = 15, language: Language = "en", points: int = 600, seed: int = 0
) -> Figure:
    """Draw contributions of the strongest features, coloured by the feature's value.

    At most `points` applicants are drawn, chosen at random by the seed.
    """
    import shap

    words = Words("plots", language)
    applicants = summary.contributions.shape[0]
    chosen = np.random.default_rng(seed).permutation(applicants)[:points]
    names = [wrapped(describe(name, language), 52) for name in summary.features[:top]]
    figure, axis = plt.subplots(figsize=(10, 0.42 * len(names) + 1.5))
    explanation = shap.Explanation(
        summary.contributions[chosen, :top], data=summary.values[chosen, :top], feature_names=names
    )
    with _repeatable(seed):
        shap.plots.beeswarm(
            explanation, max_display=top, order=np.arange(len(names)), color=LOW_TO_HIGH,
            color_bar_label=words("value"), ax=axis, plot_size=None, s=9, show=False,
        )  # fmt: skip
    axis.tick_params(axis="y", labelsize=8)
    axis.tick_params(axis="x", labelsize=9)
    axis.set_xlabel(words("pushes"), fontsize=10)
    bar = figure.axes[-1]
    bar.set_yticklabels([words("low"), words("high")], fontsize=8)
    bar.yaxis.label.set_fontsize(8)
    figure.suptitle(words("summary"))
    return finished(figure)


def waterfall(parts: Local, cutoff: float | None = None, language: Language = "en") -> Figure:
    """Draw one applicant's PD, from that of an average application, cause by cause."""
    import shap

    words = Words("plots", language)
    names = [wrapped(_told(step, language), 68) for step in parts.steps]
    # What is beyond the leading ones is drawn as one bar below them.
    others = [parts.rest / parts.others] * parts.others if parts.others else []
    figure = plt.figure()
    shap.plots.waterfall(
        shap.Explanation(
            np.array([*(step.contribution for step in parts.steps), *others]),
            parts.base,
            feature_names=[*names, *([""] * len(others))],
        ),
        max_display=len(names) + bool(others),
        show=False,
    )
    figure.set_size_inches(10, 0.44 * len(names) + 2.6)
    # Where the sum starts and ends is told below, as PDs and in the right language.
    axis, *tops = figure.axes
    for top in tops:
        top.remove()
    for number in axis.texts:
        number.set_text(words.written(_number(number), "+.2f"))
        number.set_fontsize(9)
    labels = [*([words("rest", n=parts.others)] if others else []), *reversed(names)]
    axis.set_yticks(np.arange(len(labels)), labels, fontsize=8, color=DARK)
    axis.tick_params(axis="x", labelsize=9)
    axis.set_xlabel(words("odds"))
    _levels(axis, parts, cutoff, words)
    _percent_axis(axis, words)
    figure.suptitle(words("local"))
    figure.legend(loc="lower center", ncols=3, frameon=False, fontsize=9)
    return finished(figure, below=0.35 / figure.get_figheight())


def _told(step: Step, language: Language) -> str:
    if step.reason:
        return step.reason.text(language)
    return cause_text(step.cause, language, step.features)


def _number(text: Text) -> float:
    return float(text.get_text().replace("\u2212", "-"))


def _levels(axis: Axes, parts: Local, cutoff: float | None, words: Words) -> None:
    """Vertical lines: where the sum starts, where it ends, and the cut-off."""
    levels = [(parts.base, "base", GREY, ":"), (parts.logit, "pd", GREEN, "-")]
    if cutoff is not None:
        levels.append((float(np.log(cutoff / (1 - cutoff))), "cutoff", "black", "--"))
    for level, name, color, style in levels:
        label = words(name, pd=1 / (1 + np.exp(-level)))
        axis.axvline(level, color=color, linestyle=style, linewidth=1.2, zorder=0, label=label)


def _percent_axis(axis: Axes, words: Words) -> None:
    """PDs along the top, at the log-odds they stand for."""
    low, high = (100 / (1 + np.exp(-end)) for end in axis.get_xlim())
    percents = MaxNLocator(7).tick_values(low, high)
    percents = percents[(percents > low) & (percents < high)]
    above = axis.secondary_xaxis("top")
    above.set_xticks(np.log(percents / (100 - percents)), words.cells("g", *percents))
    above.set_xlabel(words("percent"))


@contextmanager
def _repeatable(seed: int) -> Iterator[None]:
    """Draw alike each time: shap scatters its points by NumPy's global generator."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
