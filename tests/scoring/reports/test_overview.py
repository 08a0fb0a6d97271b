"""The page that leads to all reports: what is there is linked, what is not is said."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.files import FilesError
from scoring.language import text
from scoring.registry.approval import write_card
from scoring.reports.card.fields import Approval
from scoring.reports.overview import MODEL, NOTEBOOKS, TALK, WATCH, publish, write
from tests.helpers import serving
from tests.helpers.cards import filled_card

ENTRIES = (*MODEL, *TALK, *NOTEBOOKS, *WATCH)


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
    served = [link for link in links if link.startswith("http://127.0.0.1:")]
    languages = [link for link in links if link.startswith("#")]
    assert sorted(languages) == ["#en", "#fr"]
    assert len(served) == 2 * 2
    files = [link.removesuffix("#fr") for link in links if link not in served + languages]
    assert all((reports / link).is_file() for link in files)
    there = [entry for entry in ENTRIES if (reports / entry.file).is_file()]
    assert sorted(files) == sorted([entry.file for entry in there] * 2)
    assert len(there) == len(NOTEBOOKS) + 2
    assert "drift.html#fr" in links
    assert '<div class="report" id="fr" lang="fr">' in page


def test_what_is_not_there_is_told_with_its_command(reports: Path) -> None:
    page = (reports / "index.html").read_text("utf-8")
    for entry in ENTRIES:
        title = text("en", f"overview.{entry.name}.title")
        told = page.count(
            f"<strong>{title}</strong><p>Not made yet; the command: <code>{entry.made_by}</code>"
        )
        assert told == (0 if (reports / entry.file).is_file() else 1)


def test_every_report_that_is_made_brings_the_figures_of_the_run_with_it(tmp_path: Path) -> None:
    publish(tmp_path, {"power.html": "<p></p>"})
    before = (tmp_path / "index.html").read_text("utf-8")
    assert 'href="power.html"' in before
    assert "five figures" not in before
    card = replace(
        filled_card(version="7"),
        approval=Approval("ana", "why", "2026-11-22T10:30", "passed", ("g",)),
    )
    write_card(card, tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8").replace("\xa0", " ")
    assert 'href="model_card.html#fr"' in page
    assert "Version 7 (lightgbm), made on 22 November 2026, learnt from 8,000 sample" in page
    assert "Version 7 (lightgbm), faite le 22 novembre 2026" in page
    values = re.findall(r'<dd class="value">([^<]+)<', page)
    assert values == [
        "0.751", "0.540", "9.1%", "1.3%", "61%", "0,751", "0,540", "9,1 %", "1,3 %", "61 %",
    ]  # fmt: skip
    assert "accepting all of the same applicants costs 0.800" in page


def test_an_index_of_somebody_else_is_left_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "index.html").write_text("<p>Mine.</p>")
    publish(tmp_path, {"power.html": "<p></p>"})
    assert (tmp_path / "index.html").read_text() == "<p>Mine.</p>"
    assert (tmp_path / "power.html").is_file()
    assert "index.html is not replaced" in caplog.text
    with pytest.raises(FilesError):
        write(tmp_path)


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
    assert {link for link in re.findall(r'href="([^"]+)"', page) if "127.0.0.1" not in link} == {
        "#en", "#fr",
    }  # fmt: skip
    assert all(entry.made_by in page for entry in ENTRIES)
