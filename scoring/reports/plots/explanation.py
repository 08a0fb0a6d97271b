"""Plots of what a model leans on: over all applicants, along one feature, for one applicant."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scoring.evaluation.explain import Local, Summary
from scoring.features.wording import Language, describe, reason_text, unit_text, value_text
from scoring.reports.plots.style import (
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    LOW_TO_HIGH,
    ORANGE,
    PURPLE,
    finished,
    rows,
    wrapped,
)
from scoring.serving.scorer import Floats

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "pushes": "contribution to the log-odds of default",
        "summary": "What moves the score: each point is an applicant",
        "low": "low",
        "high": "high",
        "value": "value of the feature (grey: unknown)",
        "rest": "{n} other features",
        "base": "average application: {pd}",
        "pd": "this application: {pd}",
        "cutoff": "cut-off: {pd}",
        "odds": "log-odds of default",
        "adds": "contribution (log-odds)",
        "percent": "probability of default (%)",
        "local": "How the probability of default comes about",
        "measures": "Importance by three measures (bars: one standard deviation over shuffles)",
        "contribution": "mean |contribution|\n(log-odds)",
        "gain": "share of the trees' gain\n(%)",
        "cost_increase": "cost when shuffled\n(increase per applicant)",
        "auc_drop": "AUC when shuffled\n(drop)",
        "along": "What the most important features add to the log-odds of default",
    },
    "fr": {
        "pushes": "contribution au log-odds de défaut",
        "summary": "Ce qui fait bouger le score : chaque point est un demandeur",
        "low": "faible",
        "high": "élevée",
        "value": "valeur de la variable (gris : inconnue)",
        "rest": "{n} autres variables",
        "base": "demande moyenne : {pd}",
        "pd": "cette demande : {pd}",
        "cutoff": "seuil : {pd}",
        "odds": "log-odds de défaut",
        "adds": "contribution (log-odds)",
        "percent": "probabilité de défaut (%)",
        "local": "D'où vient la probabilité de défaut",
        "measures": "Importance selon trois mesures (barres : un écart-type entre permutations)",
        "contribution": "|contribution| moyenne\n(log-odds)",
        "gain": "part du gain des arbres\n(%)",
        "cost_increase": "coût après permutation\n(hausse par demandeur)",
        "auc_drop": "AUC après permutation\n(baisse)",
        "along": "Ce que les principales variables ajoutent au log-odds de défaut",
    },
}


def importance(table: pl.DataFrame) -> Figure:
    """Global importance as bars, the largest on top.

    Parameters
    ----------
    table : polars.DataFrame
        feature and importance, as `explain.global_importance` gives them.
    """
    figure, axis = plt.subplots(figsize=(9, 0.34 * table.height + 1))
    places = rows(axis, [wrapped(describe(name), 62) for name in table["feature"]])
    axis.tick_params(axis="y", labelsize=8)
    axis.barh(places, table["importance"], color=BLUE)
    axis.set_xlabel("mean absolute contribution (log-odds of default)")
    figure.suptitle("The features that move the score most")
    return finished(figure)


def importances(table: pl.DataFrame, language: Language = "en") -> Figure:
    """Importance by three measures side by side: contribution, gain, permutation.

    Parameters
    ----------
    table : polars.DataFrame
        As `explain.importances` gives it.
    language : "en" or "fr"
        Of the features' names.
    """
    words = _WORDS[language]
    colors = {"contribution": BLUE, "gain": GREEN, "cost_increase": ORANGE, "auc_drop": PURPLE}
    figure, axes = plt.subplots(1, 4, figsize=(12, 0.36 * table.height + 1.4), sharey=True)
    for axis, (name, color) in zip(axes, colors.items(), strict=True):
        places = rows(axis, [wrapped(describe(each, language), 56) for each in table["feature"]])
        spread = table[name.split("_")[0] + "_std"] if "_" in name else None
        factor = 100.0 if name == "gain" else 1.0
        axis.barh(places, table[name] * factor, xerr=spread, color=color, ecolor=GREY)
        axis.axvline(0, color=GREY, linewidth=0.8)
        axis.set_xlabel(words[name], fontsize=9)
        axis.locator_params(axis="x", nbins=4)
        axis.tick_params(labelsize=8)
    figure.suptitle(words["measures"])
    return finished(figure)


def beeswarm(
    found: Summary, top: int = 15, language: Language = "en", points: int = 600, seed: int = 0
) -> Figure:
    """SHAP summary: contributions of the strongest features, coloured by the feature's value.

    Parameters
    ----------
    found : Summary
        As `explain.summary` gives it.
    top : int
        How many features.
    language : "en" or "fr"
        Of all words.
    points : int
        At most so many applicants are drawn, chosen at random.
    seed : int
        Of that choice.
    """
    words = _WORDS[language]
    number = found.contributions.shape[0]
    chosen = np.random.default_rng(seed).permutation(number)[:points]
    names = found.features[:top]
    figure, axis = plt.subplots(figsize=(10, 0.42 * len(names) + 1.5))
    places = rows(axis, [wrapped(describe(name, language), 52) for name in names])
    axis.axvline(0, color=GREY, linewidth=0.8)
    shown = None
    for column, place in enumerate(places):
        x = found.contributions[chosen, column]
        rank = _ranks(found.values[chosen, column])
        y = place + _jitter(x)
        unknown = np.isnan(rank)
        axis.scatter(x[unknown], y[unknown], s=7, color=LIGHT, linewidths=0, rasterized=True)
        shown = axis.scatter(
            x[~unknown], y[~unknown], c=rank[~unknown], cmap=LOW_TO_HIGH, vmin=0, vmax=1, s=7,
            linewidths=0, rasterized=True,
        )  # fmt: skip
    axis.tick_params(axis="y", labelsize=8)
    axis.set_xlabel(words["pushes"])
    if shown is not None:
        bar = figure.colorbar(shown, ax=axis, ticks=[0, 1], aspect=40, pad=0.02)
        bar.ax.set_yticklabels([words["low"], words["high"]], fontsize=8)
        bar.set_label(words["value"], fontsize=8)
        bar.outline.set_visible(False)
    figure.suptitle(words["summary"])
    return finished(figure)


def waterfall(found: Local, cutoff: float | None = None, language: Language = "en") -> Figure:
    """One applicant's PD, from that of an average application, feature by feature, in words.

    Parameters
    ----------
    found : Local
        As `explain.local` gives it.
    cutoff : float, optional
        The PD above which an application is refused.
    language : "en" or "fr"
        Of all words.
    """
    words = _WORDS[language]
    names = [reason_text(step.feature, step.value, language) for step in found.steps]
    moves = [step.contribution for step in found.steps]
    if found.others:
        names.append(words["rest"].format(n=found.others))
        moves.append(found.rest)
    ends = found.base + np.cumsum(moves)
    starts = ends - np.array(moves)
    figure, axis = plt.subplots(figsize=(10, 0.44 * len(names) + 2.2))
    places = rows(axis, [wrapped(name, 68) for name in names])
    colors = [ORANGE if move > 0 else BLUE for move in moves]
    axis.barh(places, moves, left=starts, color=colors, height=0.62)
    for place, move, start, end in zip(places, moves, starts, ends, strict=True):
        said = _decimal(f"{move:+.2f}", language)
        axis.annotate(
            said, (max(start, end), place), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8, bbox={"color": "white", "alpha": 0.85, "pad": 0.8},
        )  # fmt: skip
    axis.vlines(ends[:-1], places[:-1], places[1:], color=GREY, linewidth=0.7)
    _levels(axis, found, cutoff, language)
    axis.tick_params(axis="y", labelsize=8)
    everything = np.concatenate([starts, ends, axis.get_xlim()])
    margin = 0.06 * np.ptp(everything)
    axis.set_xlim(everything.min() - margin, everything.max() + 1.5 * margin)
    axis.set_xlabel(words["odds"])
    _percent_axis(axis, words["percent"], language)
    figure.suptitle(words["local"])
    figure.legend(loc="lower center", ncols=3, frameon=False, fontsize=9)
    return finished(figure, below=0.35 / figure.get_figheight())


def _levels(axis: Axes, found: Local, cutoff: float | None, language: Language) -> None:
    """Vertical lines: where the sum starts, where it ends, and the cut-off."""
    words = _WORDS[language]
    levels = [
        (found.base, "base", GREY, ":"),
        (found.logit, "pd", GREEN, "-"),
    ]
    if cutoff is not None:
        levels.append((float(np.log(cutoff / (1 - cutoff))), "cutoff", "black", "--"))
    for level, name, color, style in levels:
        said = _decimal(f"{100 / (1 + np.exp(-level)):.1f}%", language)
        axis.axvline(
            level, color=color, linestyle=style, linewidth=1.2, zorder=0,
            label=words[name].format(pd=said),
        )  # fmt: skip


def _percent_axis(axis: Axes, title: str, language: Language) -> None:
    """PDs along the top, at the log-odds they stand for."""
    low, high = (100 / (1 + np.exp(-end)) for end in axis.get_xlim())
    percents = MaxNLocator(7).tick_values(low, high)
    percents = percents[(percents > low) & (percents < high)]
    above = axis.secondary_xaxis("top")
    labels = [_decimal(f"{percent:g}", language) for percent in percents]
    above.set_xticks(np.log(percents / (100 - percents)), labels)
    above.set_xlabel(title)


def dependence(
    tables: Mapping[str, pl.DataFrame], language: Language = "en", points: int = 800, seed: int = 0
) -> Figure:
    """What some features add to the log-odds of default along their values.

    Parameters
    ----------
    tables : mapping of str to polars.DataFrame
        value and contribution of each feature, as `explain.dependence` gives them.
    language : "en" or "fr"
        Of all words.
    points : int
        At most so many applicants are drawn, chosen at random.
    seed : int
        Of that choice.
    """
    columns = min(3, len(tables))
    lines = -(-len(tables) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(4 * columns, 3.1 * lines + 0.4), sharey=True, squeeze=False
    )
    for axis, (name, table) in zip(axes.flat, tables.items(), strict=False):
        axis.axhline(0, color=GREY, linewidth=0.8)
        known = table.drop_nulls("value")
        drawn = known.sample(min(points, known.height), seed=seed)
        if known["value"].dtype.is_numeric():
            _along_number(axis, known, drawn)
        else:
            said = known.with_columns(
                pl.col("value")
                .cast(pl.String)
                .replace_strict(
                    {each: value_text(name, each, language) for each in known["value"].unique()}
                )
            )
            _along_category(axis, said)
        unit = unit_text(name, language)
        title = wrapped(describe(name, language), 44) + (f"\n({unit})" if unit else "")
        axis.set_xlabel(title, fontsize=8)
        axis.tick_params(labelsize=7)
    for axis in axes.flat[len(tables) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel(_WORDS[language]["adds"], fontsize=9)
    figure.suptitle(_WORDS[language]["along"])
    return finished(figure)


def _along_number(axis: Axes, known: pl.DataFrame, drawn: pl.DataFrame) -> None:
    axis.scatter(
        drawn["value"], drawn["contribution"], s=6, color=BLUE, alpha=0.35, linewidths=0,
        rasterized=True,
    )  # fmt: skip
    groups = (
        known.with_columns(group=(pl.col("value").rank("ordinal") - 1) * 20 // pl.len())
        .group_by("group")
        .agg(pl.col("value", "contribution").median())
        .sort("value")
    )
    axis.plot(groups["value"], groups["contribution"], color=ORANGE, linewidth=1.6)
    # A few very large amounts would squeeze all others against the axis.
    low, high = np.quantile(known["value"].to_numpy(), [0.005, 0.99])
    if low < high:
        axis.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))


def _along_category(axis: Axes, known: pl.DataFrame) -> None:
    groups = (
        known.group_by("value").agg(pl.len(), pl.col("contribution").mean()).sort("contribution")
    )
    places = np.arange(groups.height)
    axis.bar(places, groups["contribution"], color=BLUE)
    axis.set_xticks(places, groups["value"], rotation=90)


def _decimal(number: str, language: Language) -> str:
    return number.replace(".", ",").replace("%", " %") if language == "fr" else number


def _ranks(values: Floats) -> Floats:
    """Ranks from 0 to 1, equal values sharing one, NaN where unknown: outliers do not matter."""
    known = ~np.isnan(values)
    result = np.full(values.shape, np.nan)
    levels, place = np.unique(values[known], return_inverse=True)
    number = np.bincount(place, minlength=levels.size)
    middle = np.cumsum(number) - number / 2
    result[known] = middle[place] / max(int(known.sum()), 1)
    return result


def _jitter(x: Floats, bins: int = 60) -> Floats:
    """Heights that show how many points share a place, symmetric around the line."""
    span = np.ptp(x)
    if x.size == 0 or span == 0.0:
        return np.linspace(-0.3, 0.3, x.size)
    group = ((x - x.min()) / span * (bins - 1)).astype(np.int64)
    crowd = np.bincount(group, minlength=bins)
    order = np.lexsort((np.arange(x.size), group))
    within = np.empty(x.size)
    within[order] = np.arange(x.size) - np.repeat(np.cumsum(crowd) - crowd, crowd)
    # Alternately above and below: 0, 1, -1, 2, -2 ...
    side = np.where(within % 2 == 0, -1.0, 1.0)
    steps = np.ceil(within / 2) * side
    return steps / max(float(crowd.max()) / 2, 6.0) * 0.38
