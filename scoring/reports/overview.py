"""One page that leads to every report: what there is, for whom, and how the rest is made.

It opens from a disk without a network, and so does all that it leads to. Every command that makes a
report writes it anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from scoring.files import FilesError, write_file
from scoring.reports.card.fields import Card, CardError
from scoring.reports.document import READ_IN, Marked, Page, Section, html, in_languages
from scoring.reports.words import Words

logger = logging.getLogger(__name__)

INDEX = "index.html"
CARD = "model_card.json"


class Entry(NamedTuple):
    """A report that may be there: its file, its name in the catalogue, what makes it."""

    file: str
    name: str
    made_by: str = "make run"


NOTEBOOKS = (
    Entry("notebooks/01_preprocessing.html", "preprocessing"),
    Entry("notebooks/02_modelling.html", "modelling"),
    Entry("notebooks/03_drift.html", "drift_notebook"),
)
MODEL = (
    Entry("model_card.html", "model_card"),
    Entry("benchmarks.html", "benchmarks", "make bench"),
)
WATCH = (
    Entry("drift.html", "drift"),
    Entry("monitoring.html", "monitoring", "python -m scoring monitor"),
    Entry("retraining.html", "retraining", "python -m scoring retrain"),
    Entry("power.html", "power", "python -m studies power"),
    Entry("simulation.html", "simulation", "python -m studies simulate"),
)
TALK = (Entry("presentation.pptx", "presentation", "make presentation"),)
_PARTS = {"model": MODEL, "talk": TALK, "notebooks": NOTEBOOKS, "watch": WATCH}


def publish(reports: Path, files: Mapping[str, str | bytes]) -> None:
    """Write reports into a folder, each whole or not at all, and the page that leads to them."""
    for name, content in files.items():
        write_file(reports / name, content)
    refresh(reports)


def refresh(reports: Path) -> None:
    """Write the page anew, unless somebody else's is in its place, which is logged."""
    try:
        write(reports)
    except FilesError as error:
        logger.warning("%s", error)


def write(reports: Path) -> Path:
    """Write the page, and as HTML what is there as a notebook or as Markdown and newer than that.

    Parameters
    ----------
    reports : Path
        The folder of reports; executed notebooks are in its folder notebooks.
    """
    for source in (*(reports / "notebooks").glob("*.ipynb"), *reports.glob("benchmarks.md")):
        made = source.with_suffix(".html")
        if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
            write_file(made, _as_html(source))
    pages = [Page("Credit scoring: the reports", (), language) for language in READ_IN]
    fronts = {language: _front(reports, Words("overview", language)) for language in READ_IN}
    page = in_languages(pages, "index.html.jinja", fronts=fronts)
    # Many a folder has an index that is somebody else's.
    write_file(reports / INDEX, page, page.partition("</title>")[0].encode())
    return reports / INDEX


def _as_html(source: Path) -> str:
    if source.suffix == ".md":
        return markdown_html(source)
    # It takes seconds to import.
    from scoring.reports.notebooks import as_html

    return as_html(source)


def markdown_html(source: Path) -> str:
    """Show a text in Markdown as one page that loads nothing."""
    title, body = source.read_text("utf-8").split("\n", 1)
    return html(title.removeprefix("# ").strip(), [Section("", (Marked(body),))])


def _front(reports: Path, words: Words) -> dict[str, Any]:
    """What the page says in a language: the run and its figures, and the reports by part."""
    parts = {
        part: [(entry, (reports / entry.file).is_file()) for entry in entries]
        for part, entries in _PARTS.items()
    }
    front = {"words": words, "parts": parts, "card": None}
    try:
        card = Card.parse((reports / CARD).read_text("utf-8"))
    except (OSError, CardError):
        return front
    return front | {
        "card": card,
        "created": date.fromisoformat(card.identity.created),
        "holdout": {figure.name: figure for figure in card.holdout},
        "gap": min(card.fairness.ratios, key=lambda own: own.ratio.value, default=None),
        "groups": Words("card", words.language),
    }
