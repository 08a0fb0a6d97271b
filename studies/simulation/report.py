"""What a simulation has shown, as one offline page and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from scoring.data.dataset import Dataset
from scoring.evaluation.bootstrap import Interval
from scoring.modelling.examples import examples_of
from scoring.modelling.fit import candidate_of
from scoring.reports import document
from scoring.reports.document import (
    READ_IN,
    Bullets,
    Marked,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
)
from scoring.reports.overview import publish
from scoring.reports.plots import svg
from scoring.reports.words import Words
from scoring.serving.scorer import Scorer
from studies.processes import Progress, in_processes
from studies.simulation.figures import by_month, paired_saving, summary
from studies.simulation.pictures import picture
from studies.simulation.policies import NEVER
from studies.simulation.run import Course, SimulationSettings, simulate, world_of

NAME = "simulation"


def study(
    data: Path,
    model: Path,
    settings: SimulationSettings,
    out: Path,
    processes: int,
    progress: Progress,
) -> pl.DataFrame:
    """Simulate a dataset's applicants, with models made as one is; write the report.

    Returns
    -------
    polars.DataFrame
        As `figures.summary` gives it.

    Raises
    ------
    ScoringError
        If the model does not tell how it was made.
    TrainingError
        If there are too few applicants of either outcome.
    """
    progress("the worlds", 0, None)
    dataset, champion = Dataset.open(data), Scorer.load(model)
    candidate, costs, examples = candidate_of(champion), champion.costs, examples_of(dataset)
    seeds = [(settings.seed + number,) for number in range(settings.seeds)]
    with TemporaryDirectory() as folder:
        make = partial(world_of, examples, candidate, costs, settings.learn_from, Path(folder))
        worlds = list(in_processes(make, seeds, processes))
        courses = simulate(worlds, settings, processes, progress)
    return write(out, courses, settings, {"model": str(model), "dataset": dataset.digest[:12]})


def write(
    folder: Path, courses: Sequence[Course], settings: SimulationSettings, about: dict[str, str]
) -> pl.DataFrame:
    """Write simulation.html and .json, and return the summary.

    `about` says which "model" was simulated on which "dataset".
    """
    months, total = by_month(courses), summary(courses)
    pages = [
        Page(words("title"), tuple(_sections(courses, total, months, settings, about, words)),
             words.language)
        for words in (Words(NAME, language) for language in READ_IN)
    ]  # fmt: skip
    values = {
        "about": about,
        "settings": asdict(settings),
        "conclusions": conclusions(total, Words(NAME)),
        "summary": total.fill_nan(None).rows(named=True),
        "months": months.rows(named=True),
    }
    json_text = json.dumps(values, indent=1) + "\n"
    publish(folder, {f"{NAME}.html": document.in_languages(pages), f"{NAME}.json": json_text})
    return total


def conclusions(total: pl.DataFrame, words: Words) -> dict[str, str]:
    """Say in each scenario what the policies were worth, drawn from the figures."""
    return {
        part["scenario"][0]: " ".join(_conclusion(part.rows(named=True), words))
        for part in total.partition_by("scenario", maintain_order=True)
    }


def _conclusion(rows: Sequence[dict[str, Any]], words: Words) -> Iterator[str]:
    first, *others = sorted(rows, key=lambda row: (row is not rows[0], -row["saved"]))
    yield words("conclusion.never", **first)
    if len(first["savings"]) == 1:
        yield words("conclusion.one")
        return
    cheaper = [row for row in others if row["saved_low"] > 0]
    dearer = [row for row in others if row["saved_high"] < 0]
    for key, some in (("cheaper", cheaper), ("dearer", dearer)):
        if some:
            names = ", ".join(words(f"names.{row['policy']}") for row in some)
            yield words(f"conclusion.{key}", names=names)
    if not cheaper and not dearer:
        yield words("conclusion.nothing")
    if cheaper:
        yield _best([*others, first], words)


def _best(rows: Sequence[dict[str, Any]], words: Words) -> str:
    """Name what saves most only where it saves more than any other beyond chance."""
    best, *rest = rows
    name = words(f"names.{best['policy']}")
    for row in rest:
        if not paired_saving(best["savings"], row["savings"]).low > 0:
            return words("conclusion.tied", name=name, next=words(f"names.{row['policy']}"))
    return words("conclusion.best", name=name, saved=best["saved"])


def _sections(
    courses: Sequence[Course],
    total: pl.DataFrame,
    months: pl.DataFrame,
    settings: SimulationSettings,
    about: dict[str, str],
    words: Words,
) -> Iterator[Section]:
    known = {**asdict(settings), **about}
    person = "attended" if settings.attended else "unattended"
    intro = words("intro.text", **known), words(f"intro.{person}"), words("intro.reading")
    yield Section(words("intro.title"), tuple(map(Paragraph, intro)))
    told = conclusions(total, words)
    for scenario in settings.scenarios:
        figure = picture(months.filter(scenario=scenario), settings.applicants, words)
        rows = [row[1:] for row in rows_of(total.filter(scenario=scenario), words)]
        blocks = (
            Paragraph(words(f"stories.{scenario}")),
            Marked(f"**{told[scenario]}**"),
            Picture(svg(figure), words("plot.alternative")),
            words.table("table", rows, seeds=settings.seeds),
        )
        yield Section(words(f"scenarios.{scenario}"), blocks)
    policies = tuple(words(f"policies.{name}", **known) for name in settings.policies)
    yield Section(words("policies.title"), (Bullets(policies),))
    yield Section(words("events.title"), (_events(courses, settings.seed, words),), folds=True)


def rows_of(total: pl.DataFrame, words: Words) -> list[tuple[str, ...]]:
    """The summary as texts: scenario, then what the catalogue's table has."""
    return [
        (
            words(f"scenarios.{row['scenario']}"),
            words(f"names.{row['policy']}"),
            *words.cells(".3f", row["cost"], row["avoidable"]),
            _saved(row, words),
            words.written(row["refused"], ".1%"),
            words.written(row["auc"], ".3f"),
            *words.cells(".1f", row["judged"], row["cheaper"], row["champions"]),
        )
        for row in total.rows(named=True)
    ]


def _saved(row: dict[str, Any], words: Words) -> str:
    if row["policy"] == NEVER:
        return ""
    if len(row["savings"]) == 1:
        return words.written(row["saved"], "+.3f")
    value = Interval(row["saved"], row["saved_low"], row["saved_high"])
    return words("interval", value=value)


def _events(courses: Sequence[Course], seed: int, words: Words) -> Table | Paragraph:
    rows = [
        (
            words(f"scenarios.{course.scenario}"),
            words(f"names.{course.policy}"),
            str(event.month + 1),
            words(f"events.{event.what}"),
            event.why,
        )
        for course in courses
        if course.seed == seed
        for event in course.events
    ]
    return words.table("events", rows) if rows else Paragraph(words("events.nothing"))
