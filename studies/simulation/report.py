"""What a simulation found, as one offline page, a picture and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from scoring.files import staged_file
from scoring.reports.document import Bullets, Paragraph, Picture, Section, Table, html
from scoring.reports.plots import png, svg
from studies.simulation.figures import by_month, summary
from studies.simulation.plots import simulation
from studies.simulation.run import Course, SimulationSettings
from studies.simulation.scenarios import SCENARIOS

_NAME = "simulation"
_DPI = 110
HEADER = (
    "Scenario", "Policy", "Cost", "Avoidable", "Saved", "Refused", "AUC", "New champions",
)  # fmt: skip
_NOTE = (
    "Avoidable: what knowing the true probability of default would spare. Saved: against the first "
    "policy, with an interval of 95 % for other applicants; that other outcomes would have led to "
    "other models is not in it, other seeds show it."
)
_POLICIES = {
    "never retrain": "The first model stays for good.",
    "every": "A new model every {every} months, whatever it is worth.",
    "on alert": "A new model when the newest outcomes are further than {deviation:g} standard "
    "deviations from what the PDs promised; and when last month's applicants are not those that "
    "the model was made for (a large drift of the PD, or a weighted PSI above {weighted_psi:g}), "
    "as soon as their outcomes are known.",
    "champion/challenger": "A challenger, at least {every} months after the one before, scored in "
    "shadow; it takes over if its PDs fit the outcomes better than the champion's.",
    "bandit": "A challenger, at least {every} months after the one before; each applicant is "
    "answered by the model that a draw from what is known of their costs favours, and whoever "
    "answers most stays.",
}


def write(
    folder: Path, courses: Sequence[Course], settings: SimulationSettings, about: str
) -> pl.DataFrame:
    """Write simulation.html, .png and .json.

    Parameters
    ----------
    folder : Path
        Where to; made if it is not there.
    courses : sequence of Course
        What was simulated.
    settings : SimulationSettings
        How.
    about : str
        Which model on which data.

    Returns
    -------
    polars.DataFrame
        The summary, as `figures.summary` makes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    months, total = by_month(courses), summary(courses)
    figure = simulation(months)
    texts = {
        "png": png(figure, _DPI),
        "json": _json(months, total, settings, about).encode(),
        "html": page(total, months, svg(figure), settings, about).encode(),
    }
    for ending, content in texts.items():
        with staged_file(folder / f"{_NAME}.{ending}") as staged:
            staged.write_bytes(content)
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
    """One HTML file that loads nothing.

    Parameters
    ----------
    total, months : polars.DataFrame
        As `figures.summary` and `figures.by_month` make them.
    picture : str
        The plot as SVG.
    settings : SimulationSettings
        What was simulated.
    about : str
        Which model on which data.
    """
    stories = tuple(f"{name}: {SCENARIOS[name].story}" for name in settings.scenarios)
    sections = (
        Section("What was simulated", (Paragraph(_intro(settings, about)),)),
        Section(
            "What it comes to",
            (
                Bullets(tuple(conclusions(total))),
                Picture(picture, "By month: default rate, avoidable cost, what was saved"),
                *_tables(total),
                Paragraph(_NOTE),
            ),
        ),
        Section("What happens", (Bullets(stories),)),
        Section("What is done about it", (Bullets(tuple(_policies(settings))),)),
        Section(
            "What was done, and why",
            (Table("Events", ("Scenario", "Policy", "Month", "What and why"), _events(months)),),
        ),
    )
    return html("What monitoring is worth: time simulated", sections)


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


def _intro(settings: SimulationSettings, about: str) -> str:
    return (
        f"{about} {settings.applicants:,} applicants a month for {settings.months} months, seed "
        f"{settings.seed}. An outcome is known {settings.delay} whole months after the month of "
        "the decision, and only of those who got a loan. Costs are in refused good applicants, "
        "from the true probability of default; every policy meets the same applicants."
    )


def _policies(settings: SimulationSettings) -> Iterable[str]:
    known = {"every": settings.every, **asdict(settings.limits)}
    for name in settings.policies:
        key = "every" if name.startswith("every") else name
        yield f"{name}: {_POLICIES[key].format(**known)}"


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
