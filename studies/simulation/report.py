"""What a simulation found, as one offline page, a picture and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoring.data.dataset import Dataset
from scoring.modelling.examples import examples_of
from scoring.modelling.fit import candidate_of
from scoring.reports.document import Bullets, Paragraph, Picture, Section, Table, html
from scoring.reports.overview import publish
from scoring.reports.plots import png, svg
from scoring.reports.plots.style import CYCLE, GREY, finished
from scoring.serving.scorer import Floats, Scorer
from studies.processes import Progress
from studies.simulation.arrivals import divide
from studies.simulation.figures import by_month, summary
from studies.simulation.learning import Trainer
from studies.simulation.run import Course, SimulationSettings, simulate, start_world
from studies.simulation.scenarios import SCENARIOS, TEXTS

_NAME = "simulation"
_DPI = 110
# A month's cost is noisy: each point is the mean of it and the two before.
_SMOOTH = 3
HEADER = (
    "Scenario", "Policy", "Cost", "Avoidable", "Saved", "Refused", "AUC", "New champions",
)  # fmt: skip


def study(
    data: Path,
    model: Path,
    settings: SimulationSettings,
    out: Path,
    processes: int,
    progress: Progress,
) -> pl.DataFrame:
    """Simulate a dataset's applicants, with models made as one is; write the report.

    Raises
    ------
    ScoringError
        If the model does not tell how it was made.
    TrainingError
        If there are too few applicants of either outcome.
    """
    progress("the world", 0, None)
    dataset, champion = Dataset.open(data), Scorer.load(model)
    candidate, costs = candidate_of(champion), champion.costs
    first, pool = divide(examples_of(dataset), candidate, costs, settings.seed)
    trainer = Trainer(first, pool, candidate, costs, settings.learn_from, settings.seed)
    with TemporaryDirectory() as folder:
        world = start_world(trainer, Path(folder) / "model")
        courses = simulate(world, settings, processes, progress)
    about = f"Models made as {model}, on dataset {dataset.digest[:12]}."
    return write(out, courses, settings, about)


def write(
    folder: Path, courses: Sequence[Course], settings: SimulationSettings, about: str
) -> pl.DataFrame:
    """Write simulation.html, .png and .json, and return the summary.

    `about` says which model was simulated on which data.
    """
    months, total = by_month(courses), summary(courses)
    figure = picture(months)
    files: dict[str, str | bytes] = {
        f"{_NAME}.png": png(figure, _DPI),
        f"{_NAME}.json": _json(months, total, settings, about),
        f"{_NAME}.html": page(total, months, svg(figure), settings, about),
    }
    publish(folder, files)
    return total


def conclusions(total: pl.DataFrame) -> list[str]:
    """A sentence a scenario: what each policy was worth, drawn from its figures."""
    return [_conclusion(part) for part in total.partition_by("scenario", maintain_order=True)]


def _conclusion(part: pl.DataFrame) -> str:
    first, *others = part.rows(named=True)
    sentences = [
        f"{first['scenario']}: a model that is never replaced costs {first['cost']:.3f} an "
        f"applicant, of which {first['avoidable']:.3f} could be avoided."
    ]
    surely = [row for row in others if row["saved_low"] > 0]
    dearer = [row for row in others if row["saved_high"] < 0]
    if surely:
        best = max(surely, key=lambda row: row["saved"])
        sentences.append(
            f"{_listed(surely)} surely cost less; the most is saved by {best['policy']}: "
            f"{best['saved']:.3f} an applicant (new champions: {best['champions']})."
        )
    if dearer:
        sentences.append(f"{_listed(dearer)} surely cost more.")
    if not surely and not dearer:
        sentences.append("No policy can be told from doing nothing.")
    return " ".join(sentences)


def _listed(rows: Iterable[dict[str, Any]]) -> str:
    return ", ".join(row["policy"] for row in rows)


def page(
    total: pl.DataFrame,
    months: pl.DataFrame,
    picture: str,
    settings: SimulationSettings,
    about: str,
) -> str:
    """Write one HTML file that loads nothing, of what `figures` makes and the plot as SVG."""
    intro = TEXTS["intro"].format(about=about, **asdict(settings))
    stories = tuple(f"{name}: {SCENARIOS[name].story}" for name in settings.scenarios)
    sections = (
        Section("What was simulated", (Paragraph(TEXTS["french"]), Paragraph(intro))),
        Section(
            "What it comes to",
            (
                Bullets(tuple(conclusions(total))),
                Picture(picture, TEXTS["picture"]),
                *_tables(total),
                Paragraph(TEXTS["note"]),
            ),
        ),
        Section("What happens", (Bullets(stories),)),
        Section("What is done about it", (Bullets(tuple(_policies(settings))),)),
        Section(
            "What was done, and why",
            (Table("Events", ("Scenario", "Policy", "Month", "What and why"), _events(months)),),
        ),
    )
    return html(TEXTS["title"], sections)


def _tables(total: pl.DataFrame) -> list[Table]:
    """One a scenario: narrow enough for a page."""
    return [
        Table(
            f"{part['scenario'][0]}: an applicant, over all months",
            HEADER[1:],
            tuple(row[1:] for row in rows_of(part)),
        )
        for part in total.partition_by("scenario", maintain_order=True)
    ]


def _policies(settings: SimulationSettings) -> Iterable[str]:
    known = {"every": settings.every, **asdict(settings.limits)}
    for name in settings.policies:
        key = "every" if name.startswith("every") else name
        yield f"{name}: {TEXTS['policies'][key].format(**known)}"


def rows_of(total: pl.DataFrame) -> list[tuple[str, ...]]:
    """The summary as texts, under `HEADER`."""
    return [
        (
            row["scenario"],
            row["policy"],
            f"{row['cost']:.3f}",
            f"{row['avoidable']:.3f}",
            "{saved:+.3f} ({saved_low:+.3f} to {saved_high:+.3f})".format(**row),
            f"{row['refused']:.1%}",
            "" if row["auc"] is None else f"{row['auc']:.3f}",
            str(row["champions"]),
        )
        for row in total.rows(named=True)
    ]


def _events(months: pl.DataFrame) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (row["scenario"], row["policy"], str(row["month"] + 1), row["done"])
        for row in months.filter(pl.col("done") != "").iter_rows(named=True)
    )


def _json(
    months: pl.DataFrame, total: pl.DataFrame, settings: SimulationSettings, about: str
) -> str:
    document = {
        "about": about,
        "settings": asdict(settings),
        "conclusions": conclusions(total),
        "summary": total.rows(named=True),
        "months": months.rows(named=True),
    }
    return json.dumps(document, indent=1) + "\n"


def picture(months: pl.DataFrame) -> Figure:
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
