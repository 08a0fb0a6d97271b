"""The page that leads to all reports: what is there is linked, what is not is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.reports.overview import MODEL, NOTEBOOKS, WATCH, write
from tests.helpers import serving

ENTRIES = (*MODEL, *NOTEBOOKS, *WATCH)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project's own notebooks, a benchmark, and a drift report."""
    folder = tmp_path_factory.mktemp("reports")
    (folder / "notebooks").mkdir()
    for notebook in (serving.ROOT / "notebooks").glob("*.ipynb"):
        (folder / "notebooks" / notebook.name).write_bytes(notebook.read_bytes())
    (folder / "drift.html").write_text("<p></p>")
    (folder / "benchmarks.md").write_text("# Benchmarks\n\n| a | b |\n|---|---|\n| 1 | <2> |\n")
    assert CliRunner().invoke(app, ["overview", "--reports", str(folder)]).exit_code == 0
    return folder


def test_every_link_leads_somewhere_in_both_languages(reports: Path) -> None:
    page = (reports / "index.html").read_text("utf-8")
    links = re.findall(r'href="([^"]+)"', page)
    assert all((reports / link).is_file() for link in links)
    there = [entry for entry in ENTRIES if (reports / entry.file).is_file()]
    assert sorted(links) == sorted([entry.file for entry in there] * 2)
    assert len(there) == len(NOTEBOOKS) + 2
    assert 'lang="fr"' in page


def test_what_is_not_there_is_told_with_its_command(reports: Path) -> None:
    page = (reports / "index.html").read_text("utf-8")
    for entry in ENTRIES:
        told = page.count(f"{entry.title('en')}: not made yet; the command: {entry.made_by}")
        assert told == (0 if (reports / entry.file).is_file() else 1)


def test_nothing_is_loaded_from_elsewhere(reports: Path) -> None:
    pages = sorted(reports.rglob("*.html"))
    assert len(pages) >= len(NOTEBOOKS) + 2
    for page in pages:
        text = page.read_text("utf-8")
        assert re.findall(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//', text) == []
        assert re.findall(r'<link[^>]+href="(?:https?:)?//', text) == []


def test_markdown_is_shown_as_a_page(reports: Path) -> None:
    page = (reports / "benchmarks.html").read_text("utf-8")
    assert "<h1>Benchmarks</h1>" in page
    assert "<td>&lt;2&gt;</td>" in page


def test_an_empty_folder_has_a_page_too(tmp_path: Path) -> None:
    page = write(tmp_path).read_text("utf-8")
    assert "href" not in page
    assert all(entry.made_by in page for entry in ENTRIES)
