"""The plots of the notebooks: one message each, axes with units, colours told apart by all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.figure import Figure

from scoring import business
from scoring.scorer import Floats
from scoring.training import Validation

# Okabe and Ito's palette, told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"


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
    return _finished(figure)


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
    return _finished(figure)


def default_rates(examples: pl.DataFrame, titles: Mapping[str, str], groups: int = 5) -> Figure:
    """Default rate along some features, in groups of equal size.

    Parameters
    ----------
    examples : polars.DataFrame
        TARGET and the features.
    titles : mapping of str to str
        The axis title of each feature.
    groups : int
        How many groups; applicants without a value are left out.
    """
    figure, axes = plt.subplots(1, len(titles), figsize=(14, 3.2), sharey=True)
    overall = float(examples["TARGET"].to_numpy().mean())
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        group = (pl.col(name).rank("ordinal") - 1) * groups // pl.len()
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
    return _finished(figure)


def costs(table: pl.DataFrame, everybody: float, nobody: float) -> Figure:
    """Business cost of each candidate against accepting and refusing all.

    Parameters
    ----------
    table : polars.DataFrame
        Columns candidate and business_cost.
    everybody, nobody : float
        The cost of accepting all and of refusing all.
    """
    figure, axis = plt.subplots(figsize=(8, 0.6 * table.height + 1.4))
    bars = axis.barh(table["candidate"], table["business_cost"], color=BLUE)
    axis.bar_label(bars, fmt="%.3f", padding=3)
    axis.axvline(everybody, color=ORANGE, linestyle="--", label=f"accept all ({everybody:.3f})")
    axis.axvline(nobody, color=GREY, linestyle=":", label=f"refuse all ({nobody:.3f})")
    axis.invert_yaxis()
    axis.set_xlim(0, 1.12 * max(everybody, nobody))
    axis.set(
        xlabel="business cost per applicant (1 = one good applicant refused)",
        title="What the decisions cost, on applicants not seen in training",
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return _finished(figure, below=0.12)


def cost_curve(validation: Validation) -> Figure:
    """Business cost at every cut-off, with the cut-off that the costs dictate."""
    cutoffs, cost = business.cost_curve(validation.target, validation.pds, validation.costs)
    figure, axis = plt.subplots(figsize=(8, 3.6))
    axis.plot(cutoffs, cost, color=BLUE)
    chosen = validation.costs.cutoff
    axis.axvline(chosen, color=ORANGE, linestyle="--", label=f"from the costs: {chosen:.3f}")
    best = cutoffs[np.argmin(cost)]
    axis.axvline(best, color=GREEN, linestyle=":", label=f"best on these applicants: {best:.3f}")
    axis.set_xlim(0, 0.5)
    axis.set(
        xlabel="cut-off (probability of default above which an application is refused)",
        ylabel="cost per applicant",
        title=f"Business cost along the cut-off ({validation.candidate.name})",
    )
    axis.legend()
    return _finished(figure)


def calibration(validation: Validation, groups: int = 10) -> Figure:
    """Observed default rate against the PD given, in groups of equal size."""
    order = np.argsort(validation.pds, kind="stable")
    parts = [part for part in np.array_split(order, groups) if part.size]
    given = np.array([validation.pds[part].mean() for part in parts])
    seen = np.array([validation.target[part].mean() for part in parts])
    error = np.array([np.sqrt(s * (1 - s) / p.size) for s, p in zip(seen, parts, strict=True)])
    figure, axis = plt.subplots(figsize=(5, 4.4))
    top = 1.1 * max(given.max(), (seen + error).max())
    axis.plot([0, top], [0, top], color=GREY, linestyle=":", label="perfect")
    axis.errorbar(given, seen, 1.96 * error, color=BLUE, marker="o", capsize=3, label="tenths")
    axis.set(
        xlabel="mean probability of default given",
        ylabel="share that defaulted (bars: 95% interval)",
        title=f"Calibration ({validation.candidate.name})",
    )
    axis.legend()
    return _finished(figure)


def importance(table: pl.DataFrame) -> Figure:
    """Global importance as bars, the largest on top."""
    figure, axis = plt.subplots(figsize=(8, 0.28 * table.height + 1))
    axis.barh(table["feature"], table["importance"], color=BLUE)
    axis.invert_yaxis()
    axis.set(
        xlabel="mean absolute contribution (log-odds of default)",
        title="The features that move the score most",
    )
    return _finished(figure)


def drift(table: pl.DataFrame, limit: float) -> Figure:
    """PSI and change in missingness of each column, side by side.

    Parameters
    ----------
    table : polars.DataFrame
        Columns column, psi, missing_reference and missing_current.
    limit : float
        The PSI from which a column counts as drifted.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 0.28 * table.height + 1.2), sharey=True)
    left.barh(table["column"], table["psi"].fill_null(0.0), color=BLUE)
    left.axvline(limit, color=ORANGE, linestyle="--", label=f"limit {limit}")
    left.invert_yaxis()
    left.set(xlabel="population stability index (no unit)", title="Values")
    left.legend()
    change = (table["missing_current"] - table["missing_reference"]) * 100
    right.barh(table["column"], change, color=GREEN)
    right.axvline(0, color=GREY, linewidth=1)
    right.set(xlabel="change in missing values (points of %)", title="Missing values")
    return _finished(figure)


def pd_distributions(pds: Mapping[str, Floats], cutoff: float) -> Figure:
    """Distribution of the PD in two or more populations, and the cut-off."""
    figure, axis = plt.subplots(figsize=(8, 3.4))
    bins = np.linspace(0.0, 0.5, 51).tolist()
    for (name, values), color in zip(pds.items(), (BLUE, ORANGE, GREEN), strict=False):
        share = np.full(values.size, 100 / values.size)
        axis.hist(
            np.minimum(values, 0.5), bins=bins, weights=share, histtype="step", linewidth=2,
            color=color, label=f"{name}: {np.mean(values > cutoff):.1%} refused",
        )  # fmt: skip
    axis.axvline(cutoff, color=GREY, linestyle=":", label=f"cut-off {cutoff:.3f}")
    axis.set(
        xlabel="probability of default (the last bin holds all above)",
        ylabel="share of applicants (%)",
        title="Probability of default of both populations",
    )
    axis.legend()
    return _finished(figure)


def _finished(figure: Figure, below: float = 0.0) -> Figure:
    """Fit the figure to its texts, and take it from pyplot, which would keep and draw it twice."""
    figure.tight_layout(rect=(0, below, 1, 1))
    plt.close(figure)
    return figure
