"""One page that leads to every report: what there is, for whom, and how the rest is made.

It opens from a disk without a network, and so does all that it leads to.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scoring.files import staged_file
from scoring.language import LANGUAGES, text
from scoring.reports.document import Block, Link, Links, Marked, Paragraph, Section, html
from scoring.reports.notebooks import as_html

INDEX = "index.html"


class Entry(NamedTuple):
    """A report that may be there: its file, its name in the catalogue, what makes it."""

    file: str
    name: str
    made_by: str = "make run"

    def title(self, language: str) -> str:
        """Return what it is called."""
        return text(language, f"overview.{self.name}.title")

    def not_yet(self, language: str) -> str:
        """Say that it is not made yet, and how it is."""
        title = self.title(language)
        return text(language, "overview.not_yet", title=title, command=self.made_by)

    def link(self, language: str) -> Link:
        """Return where it is, with what is in it."""
        says = text(language, f"overview.{self.name}.says")
        return Link(self.file, self.title(language), says)


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
_PARTS = {"model": MODEL, "notebooks": NOTEBOOKS, "watch": WATCH}


def write(reports: Path) -> Path:
    """Write the page, and as HTML what is there as a notebook or as Markdown.

    Parameters
    ----------
    reports : Path
        The folder of reports; executed notebooks are in its folder notebooks.
    """
    for notebook in sorted((reports / "notebooks").glob("*.ipynb")):
        _write(notebook.with_suffix(".html"), as_html(notebook))
    for source in sorted(reports.glob("benchmarks.md")):
        _write(source.with_suffix(".html"), markdown_html(source))
    sections = [
        _section(reports, language, part)
        # The reports themselves are in English: whoever reads another language starts here.
        for language in sorted(LANGUAGES, key="en".__eq__)
        for part in _PARTS
    ]
    page = html("Credit scoring: the reports", sections)
    # Many a folder has an index that is somebody else's.
    _write(reports / INDEX, page, page.partition("</title>")[0].encode())
    return reports / INDEX


def markdown_html(source: Path) -> str:
    """Show a text in Markdown as one page that loads nothing."""
    title, body = source.read_text("utf-8").split("\n", 1)
    return html(title.removeprefix("# ").strip(), [Section("", (Marked(body),))])


def _section(reports: Path, language: str, part: str) -> Section:
    there = [entry for entry in _PARTS[part] if (reports / entry.file).is_file()]
    blocks: list[Block] = [Links(tuple(entry.link(language) for entry in there))] if there else []
    blocks += [
        Paragraph(entry.not_yet(language), language) for entry in _PARTS[part] if entry not in there
    ]
    return Section(text(language, f"overview.parts.{part}"), tuple(blocks), language)


def _write(path: Path, content: str, begins: bytes | None = None) -> None:
    with staged_file(path, begins) as staged:
        staged.write_text(content, encoding="utf-8")
