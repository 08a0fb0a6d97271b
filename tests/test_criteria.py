"""The table of criteria names files and sections that are there."""

from __future__ import annotations

import re

from tests.helpers import serving

ROOT = serving.ROOT
NOTEBOOKS = {"1": "01_preprocessing", "2": "02_modelling", "3": "03_drift"}


def rows() -> list[list[str]]:
    text = (ROOT / "docs/criteria.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_criterion_is_met_somewhere() -> None:
    found = rows()
    assert len(found) == 32
    assert all(len(row) == 3 and all(row) for row in found)


def test_every_file_that_is_named_is_there() -> None:
    named = [name for *_, where in rows() for name in re.findall(r"`([\w./-]+)`", where)]
    paths = [name for name in named if "/" in name or "." in name or name == "Makefile"]
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_section_that_is_named_is_in_its_notebook() -> None:
    for *_, where in rows():
        for part in where.split(";"):
            number = re.match(r"\s*notebook (\d)", part)
            if number is None:
                continue
            script = (ROOT / f"notebooks/{NOTEBOOKS[number[1]]}.py").read_text("utf-8")
            headings = set(re.findall(r"^# #+ (.+)$", script, re.MULTILINE))
            assert set(re.findall(r'"([^"]+)"', part)) <= headings


def test_every_link_between_documents_leads_somewhere() -> None:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    ]
    assert len(links) > 20
    assert [link for document, link in links if not (document.parent / link).exists()] == []
