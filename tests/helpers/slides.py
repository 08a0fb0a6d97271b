"""What every presentation has to be, and things to put into one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pptx.util import Pt

from presentation.__main__ import PICTURE as _PICTURE
from presentation.drawing import SMALL, Printed
from presentation.evidence import Evidence
from tests.helpers import serving

PICTURE = serving.ROOT / _PICTURE


def evidence() -> Evidence:
    """What commands and servers might have shown."""
    reason = {"contribution": 0.25, "texts": {"en": "Age of the car", "fr": "Âge de la voiture"}}
    shown: dict[str, Printed | Path] = {
        "repository": Printed("git ls-tree", "README.md"),
        "commits": Printed("git log", "abc1234 2026-01-01 Begin"),
        "tests": Printed("pytest", "tests/test_a.py::test_b PASSED\n1 passed"),
        "deployment": Printed("make bundle", "credit-scoring version 1"),
        "mlflow_runs": PICTURE,
        "mlflow_registry": PICTURE,
    }
    return Evidence(
        shown=shown,
        own={name: name == "mlflow_runs" for name in shown},
        commits=3,
        tests_in_all=2500,
        answer={
            "id": "01", "probability_of_default": 0.2, "cutoff": 1 / 11, "decision": "refuse",
            "reasons": [reason],
            "model": {"name": "credit-scoring", "version": "1", "role": "champion"},
        },
        causes=[
            {"text": "Âge de la voiture", "contribution": 0.25},
            {"text": "Revenu", "contribution": -0.5},
        ],
    )  # fmt: skip


def words(file: Path) -> Iterator[str]:
    """Every line of text on the slides."""
    for slide in Presentation(str(file)).slides:
        for shape in slide.shapes:
            yield from (paragraph.text for paragraph in _paragraphs(shape))


def bold(file: Path) -> set[str]:
    """Every text that is set in bold."""
    paragraphs = (
        paragraph
        for slide in Presentation(str(file)).slides
        for shape in slide.shapes
        for paragraph in _paragraphs(shape)
    )
    return {run.text for paragraph in paragraphs for run in paragraph.runs if run.font.bold}


def check(file: Path) -> None:
    """Nothing beyond an edge, empty, too small to read, without words for a picture, or unsaid.

    A slide has one picture at most, and a table five rows below its header.
    """
    talk = Presentation(str(file))
    for number, slide in enumerate(talk.slides, start=1):
        assert slide.notes_slide.notes_text_frame.text.startswith("["), number
        kinds = [shape.shape_type for shape in slide.shapes]
        assert kinds.count(MSO_SHAPE_TYPE.PICTURE) <= 1, number
        for shape in slide.shapes:
            where = f"slide {number}, {shape.name}"
            assert shape.left >= 0, where
            assert shape.top >= 0, where
            assert shape.left + shape.width <= talk.slide_width * 1.001, where
            assert shape.top + shape.height <= talk.slide_height, where
            if shape.has_chart or shape.shape_type == MSO_SHAPE_TYPE.PICTURE:
                assert shape._element.xpath(".//p:cNvPr")[0].get("descr"), where
            if shape.is_placeholder:
                assert shape.text_frame.text, where
            for paragraph in _paragraphs(shape):
                for run in paragraph.runs:
                    assert run.font.size >= Pt(SMALL), f"{where}: {run.text}"
            if shape.has_table:
                assert len(shape.table.rows) <= 6, where


def _paragraphs(shape: Any) -> Iterator[Any]:
    if shape.has_text_frame:
        yield from shape.text_frame.paragraphs
    elif shape.has_table:
        for row in shape.table.rows:
            for cell in row.cells:
                yield from cell.text_frame.paragraphs
