"""The report of how soon changes are seen: one HTML file, its plot, its figures."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import polars as pl

from scoring.data.dataset import Dataset
from scoring.data.synthetic import write_sample
from scoring.evaluation.metrics import wilson
from scoring.files import staged_file
from scoring.monitoring.thresholds import Thresholds
from scoring.reports.plots import power_curves
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
    profile_of,
    scored,
    usual_changes,
)

_APPLICANTS = 20_000


class Study(NamedTuple):
    """What was simulated.

    Attributes
    ----------
    model : str
        Name and version.
    applicants : int
        How many there were to draw from.
    table : polars.DataFrame
        As `studies.power.power.power` gives it.
    """

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
    progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Simulate every usual change on a dataset's applicants.

    Parameters
    ----------
    scorer : Scorer
        The model.
    dataset : Dataset
        Applicants with outcomes whom the model has not seen.
    thresholds : Thresholds
        Of the rules.
    sizes : sequence of int
        Applicants in a window.
    windows : int
        How many windows of each change and size.
    seed : int
        Same seed, same windows.
    processes : int
        How many work at it.
    progress : callable, optional
        Told how many of how many changes are done.

    Raises
    ------
    PowerError
        If the model carries no profile.
    """
    features = pl.concat(feature_batches(dataset, "train"))
    outcomes = dataset.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    known = features.select("SK_ID_CURR").join(outcomes, on="SK_ID_CURR", maintain_order="left")
    population = scored(scorer, features, known["TARGET"].to_numpy())
    world = World.of(profile_of(scorer), population, scorer.costs, thresholds)
    changes = usual_changes(scorer, population, features)

    def told(done: int) -> None:
        if progress:
            progress(done, len(changes))

    table = power(world, changes, sizes, windows, seed, processes, told)
    return Study(f"{scorer.name} version {scorer.version}", features.height, table)


def invented(folder: Path, seed: int) -> Dataset:
    """Sample applicants of another seed than those that `make run` trains on.

    Parameters
    ----------
    folder : Path
        Where they are written.
    seed : int
        Of the sample.
    """
    return write_sample(folder, _APPLICANTS, test_applicants=0, seed=seed)


def write(found: Study, folder: Path) -> None:
    """Write power.html, which loads nothing, power.png and power.json.

    Parameters
    ----------
    found : Study
        What was simulated.
    folder : Path
        Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plot = _png(found.table)
    figures = {
        "model": found.model,
        "applicants": found.applicants,
        "power": POWER,
        "needed": applicants_needed(found.table).to_dicts(),
        "table": found.table.to_dicts(),
    }
    for name, content in (
        ("power.png", plot),
        ("power.json", (json.dumps(figures, indent=1) + "\n").encode()),
        ("power.html", _page(found, plot).encode()),
    ):
        with staged_file(folder / name) as staged:
            staged.write_bytes(content)


def sentences(found: Study) -> list[str]:
    """What came out, in words.

    Parameters
    ----------
    found : Study
        What was simulated.
    """
    told = [_false_alarms(found.table)]
    for row in applicants_needed(found.table).iter_rows(named=True):
        change = f"{row['kind']}, {row['strength']}"
        if row["applicants"] is None:
            told.append(f"{change}: not in {POWER:.0%} of the windows at any size that was tried.")
        else:
            told.append(
                f"{change}: in {POWER:.0%} of the windows from {row['applicants']:,} applicants "
                f"on, most often by the rule {row['rule']}."
            )
    return told


def _false_alarms(table: pl.DataFrame) -> str:
    quiet = table.filter(kind=NO_CHANGE)
    windows = int(quiet["windows"].sum())
    alarms = round(float((quiet["detected"] * quiet["windows"]).sum()))
    low, high = wilson([alarms], [windows])
    worst = quiet.sort("detected", descending=True).row(0, named=True)
    return (
        f"Nothing has changed: {alarms:,} of {windows:,} windows have an alert, "
        f"{alarms / windows:.1%} ({low[0]:.1%} to {high[0]:.1%}); at most {worst['detected']:.1%}, "
        f"with {worst['applicants']:,} applicants."
    )


def _png(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    power_curves(table, POWER).savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _page(found: Study, plot: bytes) -> str:
    items = "\n".join(f"<li>{escape(one)}</li>" for one in sentences(found))
    rows = "\n".join(
        f"<tr><td>{escape(row['kind'])}</td><td>{escape(row['strength'])}</td>"
        f"<td>{row['applicants']:,}</td><td>{row['windows']}</td><td>{row['detected']:.1%}</td>"
        f"<td>{row['low']:.1%} to {row['high']:.1%}</td><td>{escape(row['rule'] or '')}</td></tr>"
        for row in found.table.iter_rows(named=True)
    )
    return _PAGE.format(
        model=escape(found.model),
        applicants=f"{found.applicants:,}",
        items=items,
        rows=rows,
        plot=base64.b64encode(plot).decode(),
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>How soon changes are seen</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; color: #1f2328; background: #ffffff;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ border: 1px solid #6e7781; padding: .25rem .6rem; text-align: left; }}
thead th {{ background: #eaeef2; }}
</style>
</head>
<body>
<main>
<h1>How soon changes are seen, and how often nothing is</h1>
<p>Model: {model}. Windows are drawn from {applicants} applicants whom it has not seen, with a
change or without one, and judged by the rules of monitoring with all their thresholds. A window is
detected if it deserves any alert. Only applicants who were not refused have an outcome: label and
concept shift are found by their outcomes, the others without any.</p>
<ul>
{items}
</ul>
<img alt="Share of windows with an alert by the number of applicants, a panel a kind of change"
 src="data:image/png;base64,{plot}">
<p>The dotted lines are at 5 % and 95 %; the bands are 95 % intervals. Larger windows are left out
once every window is detected, and drawn as a broken line.</p>
<h2>Figures</h2>
<table>
<thead><tr><th>Change</th><th>Strength</th><th>Applicants</th><th>Windows</th><th>Detected</th>
<th>95 % interval</th><th>Most frequent rule</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>
</body>
</html>
"""
