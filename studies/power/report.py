"""The report of how soon changes are seen: one HTML file, its plot, its figures."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.data.dataset import Dataset
from scoring.evaluation.intervals import wilson
from scoring.monitoring.thresholds import Thresholds
from scoring.reports.document import Bullets, Paragraph, Picture, Section, Table, html
from scoring.reports.overview import publish
from scoring.reports.plots import png, svg
from scoring.reports.plots.style import CYCLE, GREY, finished
from scoring.serving.batch import feature_batches
from scoring.serving.scorer import Scorer
from studies.power.power import (
    NO_CHANGE,
    POWER,
    SIZES,
    WINDOWS,
    World,
    applicants_needed,
    power,
    scored,
    usual_changes,
)
from studies.processes import Progress

_TEXTS = tomllib.loads(Path(__file__).with_name("texts.toml").read_text("utf-8"))
# Panels side by side.
_COLUMNS = 3


class Study(NamedTuple):
    """A model's name and version, how many applicants there were, and the table of `power`."""

    model: str
    applicants: int
    table: pl.DataFrame


def study(
    scorer: Scorer,
    dataset: Dataset,
    thresholds: Thresholds,
    sizes: Sequence[int] = SIZES,
    windows: int = WINDOWS,
    seed: int = 0,
    processes: int = 1,
    progress: Progress | None = None,
) -> Study:
    """Simulate every usual change on a dataset's applicants, whom the model has not seen.

    Raises
    ------
    PowerError
        If the model carries no profile or no promises.
    """
    features = pl.concat(feature_batches(dataset, "train"))
    outcomes = dataset.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    known = features.select("SK_ID_CURR").join(outcomes, on="SK_ID_CURR", maintain_order="left")
    population = scored(scorer, features, known["TARGET"].to_numpy())
    world = World.of(scorer, population, thresholds)
    changes = usual_changes(scorer, population, features)
    table = power(world, changes, sizes, windows, seed, processes, progress)
    return Study(f"{scorer.name} version {scorer.version}", features.height, table)


def write(result: Study, folder: Path) -> None:
    """Write power.html, which loads nothing, power.png and power.json."""
    figures = {
        "model": result.model,
        "applicants": result.applicants,
        "power": POWER,
        "needed": applicants_needed(result.table).to_dicts(),
        "table": result.table.to_dicts(),
    }
    files: dict[str, str | bytes] = {
        "power.png": png(power_curves(result.table, POWER)),
        "power.json": json.dumps(figures, indent=1) + "\n",
        "power.html": _page(result),
    }
    publish(folder, files)


def sentences(result: Study) -> list[str]:
    """Say what came out, in words."""
    lines = [_false_alarms(result.table)]
    for row in applicants_needed(result.table).iter_rows(named=True):
        sentence = "unseen" if row["applicants"] is None else "seen"
        lines.append(_TEXTS[sentence].format(power=POWER, **row))
    return lines


def _false_alarms(table: pl.DataFrame) -> str:
    quiet = table.filter(kind=NO_CHANGE)
    windows = int(quiet["windows"].sum())
    alarms = round(float((quiet["detected"] * quiet["windows"]).sum()))
    low, high = wilson(alarms, windows)
    worst = quiet.sort("detected", descending=True).row(0, named=True)
    return str(
        _TEXTS["quiet"].format(
            alarms=alarms, windows=windows, share=alarms / windows, low=float(low),
            high=float(high), most=worst["detected"], applicants=worst["applicants"],
        )
    )  # fmt: skip


def _page(result: Study) -> str:
    rows = (
        (
            row["kind"],
            row["strength"],
            f"{row['applicants']:,}",
            str(row["windows"]),
            f"{row['detected']:.1%}",
            f"{row['low']:.1%} to {row['high']:.1%}",
            row["rule"] or "",
        )
        for row in result.table.iter_rows(named=True)
    )
    about = _TEXTS["about"].format(model=result.model, applicants=result.applicants)
    table = Table(_TEXTS["caption"], tuple(_TEXTS["header"]), tuple(rows))
    picture = Picture(svg(power_curves(result.table, POWER)), _TEXTS["picture"])
    sections = [
        Section("", (Paragraph(_TEXTS["french"]), Paragraph(about))),
        Section("Findings", (Bullets(tuple(sentences(result))), picture)),
        Section("Figures", (table,)),
    ]
    return html(_TEXTS["title"], sections)


def power_curves(table: pl.DataFrame, level: float) -> Figure:
    """Draw detected windows by their size, a panel a kind of change, a line a strength.

    The table is that of `power`. The level is drawn as a line: the share of windows that false
    alarms have to stay below, and that may not be missed.
    """
    kinds = table["kind"].unique(maintain_order=True).to_list()
    sizes = table["applicants"].unique().sort().to_list()
    lines = -(-len(kinds) // _COLUMNS)
    figure, axes = plt.subplots(
        lines, _COLUMNS, figsize=(12, 3.4 * lines), sharex=True, sharey=True, squeeze=False
    )
    for axis, kind in zip(axes.flat, kinds, strict=False):
        _panel(axis, table.filter(kind=kind), sizes, level)
    for axis in axes.flat[len(kinds) :]:
        axis.set_visible(False)
    return finished(figure)


def _panel(axis: Axes, table: pl.DataFrame, sizes: Sequence[int], level: float) -> None:
    strengths = table["strength"].unique(maintain_order=True).to_list()
    for colour, strength in zip(CYCLE, strengths, strict=False):
        some = table.filter(strength=strength).sort("applicants")
        axis.plot(some["applicants"], some["detected"], "o-", color=colour, label=strength)
        # Larger windows than those that are all detected are not simulated.
        if some["detected"][-1] == 1.0:
            axis.hlines(1.0, some["applicants"][-1], max(sizes), color=colour, linestyle="--")
        axis.fill_between(some["applicants"], some["low"], some["high"], color=colour, alpha=0.15)
    axis.axhline(level, color=GREY, linestyle=":")
    axis.axhline(1 - level, color=GREY, linestyle=":")
    axis.set_xscale("log")
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.minorticks_off()
    axis.set_ylim(-0.03, 1.03)
    axis.set_title(table["kind"][0].capitalize() if table["kind"][0] != "none" else "No change")
    axis.set_xlabel("applicants in a window")
    axis.set_ylabel("windows with an alert")
    axis.legend(loc="best")
