"""The builder: a presentation from the slides' texts and what they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pptx import Presentation
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Inches
from pydantic import ValidationError, validate_call

from presentation import charts, drawing
from presentation.content import ContentError, French
from presentation.drawing import GREY, LANGUAGE, ORANGE, SMALL, Box

WIDTH, HEIGHT = 13.333, 7.5
BODY = Box(0.6, 1.5, WIDTH - 1.2, 5.4)
HEADING = Box(0.6, 0.35, WIDTH - 1.2, 0.95)
_GAP = 0.25
# Characters times points of a bold line as wide as a slide; two lines of 24 stay above the rule.
_ONE_LINE = 1560

T = TypeVar("T")

# What can stand in a place, by the name that slides/*.toml calls it; options are checked.
KINDS: Mapping[str, Callable[..., None]] = {
    kind.__name__: validate_call(kind)
    for kind in (
        drawing.cover, drawing.bullets, drawing.says, drawing.steps, drawing.table,
        drawing.terminal, drawing.picture, drawing.shown, charts.bars, charts.lines,
    )
}  # fmt: skip


class Deck:
    """A presentation that grows slide by slide."""

    def __init__(self, title: str, author: str) -> None:
        self._file = Presentation()
        self._file.slide_width, self._file.slide_height = Inches(WIDTH), Inches(HEIGHT)
        properties = self._file.core_properties
        properties.title, properties.author, properties.language = title, author, LANGUAGE
        self.seconds = 0

    def __len__(self) -> int:
        """Return how many slides there are."""
        return len(self._file.slides)

    def add(self, fields: Mapping[str, Any], french: French) -> None:
        """Add a slide as slides/*.toml has it.

        Raises
        ------
        ContentError
            If the slide lacks something or asks for what there is not; the message names it.
        """
        try:
            self._add(french, **fields)
        except ValidationError as error:
            first = error.errors()[0]
            words = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise ContentError(f"slide {fields.get('title')!r}: {words}") from error
        except ContentError as error:
            raise ContentError(f"slide {fields.get('title')!r}: {error}") from error

    @validate_call
    def _add(
        self,
        french: Any,
        title: str,
        notes: str,
        seconds: int,
        columns: float = 0.5,
        depth: float = BODY.height + _GAP,
        **places: Mapping[str, dict[str, Any]],
    ) -> None:
        """A slide whose right column begins at a share of its width, and foot at inches of depth.

        Places hold options of what stands there, by its kind.
        """
        slide = self._headed(french.filled(title))
        slide.notes_slide.notes_text_frame.text = f"[{seconds} s] {french.filled(notes)}"
        self.seconds += seconds
        boxes = _divided(columns, depth)
        for place, things in places.items():
            for kind, options in things.items():
                box = _known("place", place, boxes)
                _known("kind of content", kind, KINDS)(slide, box, **_given(kind, options, french))

    def save(self, path: Path) -> None:
        """Write the file."""
        self._file.save(str(path))

    def _headed(self, title: str) -> Any:
        """A slide with its title, and from the second on a line below it and the page's number."""
        slide = self._file.slides.add_slide(self._file.slide_layouts[5])
        heading = slide.shapes.title
        heading.left, heading.top, heading.width, heading.height = HEADING.emu()
        heading.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
        heading.text_frame.margin_left = 0
        paragraph = heading.text_frame.paragraphs[0]
        drawing.write(paragraph, title, min(30, max(24, _ONE_LINE / len(title))), bold=True)
        paragraph.alignment = PP_ALIGN.LEFT
        if len(self) > 1:
            drawing.panel(slide, Box(BODY.left, 1.32, 1.2, 0.05), ORANGE)
            page = drawing.textbox(slide, Box(WIDTH - 1.4, 7.02, 0.8, 0.35)).paragraphs[0]
            drawing.write(page, str(len(self)), SMALL, color=GREY)
            page.alignment = PP_ALIGN.RIGHT
        return slide


def _divided(columns: float, depth: float) -> dict[str, Box]:
    """The places of a slide: body, or left and right, and foot."""
    body = BODY._replace(height=depth - _GAP)
    left = columns * BODY.width - _GAP / 2
    right = BODY.width - left - _GAP
    return {
        "body": body,
        "left": body._replace(width=left),
        "right": body._replace(left=BODY.left + left + _GAP, width=right),
        "foot": BODY._replace(top=BODY.top + depth, height=BODY.height - depth),
    }


def _known(what: str, name: str, things: Mapping[str, T]) -> T:
    if name not in things:
        raise ContentError(f"there is no {what} {name!r}, only {', '.join(things)}")
    return things[name]


def _given(kind: str, options: dict[str, Any], french: French) -> dict[str, Any]:
    """Options with content as it is, or what a name, or each of rows, stands for."""
    if "rows" in options:
        return (_table_of if kind == "table" else _bars_of)(french, **options)
    given: dict[str, Any] = french.filled({key: options[key] for key in options if key != "name"})
    return given | ({"content": french.value(options["name"])} if "name" in options else {})


@validate_call
def _table_of(
    french: Any, rows: str, row: list[str], strong: str | None = None, **others: Any
) -> dict[str, Any]:
    """A table with a row for each thing of a list, what `strong` names in bold."""
    strongest = french.value(strong) if strong else None
    content = []
    for item in french.value(rows):
        cells = french.of_row(item).filled(row)
        content.append([f"**{cell}**" for cell in cells] if item is strongest else cells)
    return {**french.filled(others), "content": content}


@validate_call
def _bars_of(
    french: Any,
    rows: str,
    label: str,
    values: Mapping[str, str],
    form: str = ".3f",
    spans: tuple[str, ...] = (),
    **others: Any,
) -> dict[str, Any]:
    """Bars for each thing of a list; `values` has the series' names and what they are of a row."""
    items = [french.of_row(item) for item in french.value(rows)]
    content = {name: [item.value(value) for item in items] for name, value in values.items()}
    texts = [[french.format_field(value, form) for value in series] for series in content.values()]
    labels = [item.filled(label) for item in items]
    ends = [[item.value(end) for end in spans] for item in items if spans]
    drawn = {"content": content, "labels": labels, "texts": texts}
    return {**french.filled(others), **drawn, "spans": [] if [None, None] in ends else ends}
