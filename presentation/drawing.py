"""What can stand on a slide, one function a kind; content comes filled in, places in inches."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Emu, Inches, Pt
from pydantic import Field

from presentation.content import ContentError

# Okabe and Ito's palette, told apart with every kind of colour vision, as in the plots.
BLUE, ORANGE, GREEN, GREY, INK, PALE, WHITE = (
    RGBColor.from_string(code)
    for code in ("0072B2", "D55E00", "009E73", "777777", "1B2A3A", "EAF1F7", "FFFFFF")
)
FONT, FIXED = "Liberation Sans", "Liberation Mono"
LANGUAGE = "fr-FR"
# Points: lines that are read from the back of a room, and the least that is.
TEXT, TABLE, SMALL = 20, 16, 14
Size = Annotated[int, Field(ge=SMALL)]
_WIDE_CHARACTER = 0.6
_CAPTION = 0.45
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_BOLD = re.compile(r"\*\*(.+?)\*\*")
# Figures, with a unit or two of them, but no sentence.
_FIGURE = re.compile(r"(\*\*)?[+\u2212-]?\d.{,25}")


class Printed(NamedTuple):
    """A command, and what it printed."""

    command: str
    output: str


class Box(NamedTuple):
    """A place on a slide, in inches from its upper left corner."""

    left: float
    top: float
    width: float
    height: float

    def emu(self) -> tuple[Any, Any, Any, Any]:
        """Return it in the file's unit."""
        return Inches(self.left), Inches(self.top), Inches(self.width), Inches(self.height)


def cover(slide: Any, box: Box, content: Sequence[str]) -> None:
    """Turn a slide into the first one: white words on a dark ground, below a large title."""
    _fill(slide.background, INK)
    title = slide.shapes.title
    title.left, title.top, title.width, title.height = Box(1.0, 2.0, box.width - 0.8, 1.8).emu()
    run = title.text_frame.paragraphs[0].runs[0]
    run.font.size, run.font.color.rgb = Pt(44), WHITE
    for paragraph, line in _filled(textbox(slide, Box(1.0, 4.1, box.width - 0.8, 2.2)), content):
        write(paragraph, line, 24, color=WHITE)


def bullets(slide: Any, box: Box, content: Sequence[str], size: Size = TEXT) -> None:
    """Put sentences one below the other; **these words** are bold."""
    for paragraph, line in _filled(textbox(slide, box), content):
        paragraph.space_after = Pt(size * 0.55)
        # The lines after the first stand below its words, not below the dot.
        properties, indent = paragraph._p.get_or_add_pPr(), int(Pt(size * 0.9))
        properties.set("marL", str(indent))
        properties.set("indent", str(-indent))
        properties.append(properties.makeelement(f"{{{_DRAWING}}}buChar", {"char": "•"}))
        write(paragraph, line, size)


def says(slide: Any, box: Box, content: str, size: Size = TEXT, height: float = 0.9) -> None:
    """Put a sentence in a frame of its own: what to remember."""
    frame = panel(slide, box._replace(height=height), PALE).text_frame
    frame.word_wrap, frame.vertical_anchor = True, MSO_ANCHOR.MIDDLE
    frame.margin_left = frame.margin_right = Inches(0.2)
    frame.paragraphs[0].alignment = PP_ALIGN.LEFT
    write(frame.paragraphs[0], content, size)


def steps(slide: Any, box: Box, content: Sequence[tuple[str, str]], size: Size = TABLE) -> None:
    """Put boxes in a row that lead from one to the next: a name, and what happens there."""
    # Each box ends in the next one's notch, and the last one at the edge.
    width = box.width / (len(content) + 0.04)
    for number, (name, what) in enumerate(content):
        step = Box(box.left + number * width, box.top, width * 1.04, 0.9)
        shape = slide.shapes.add_shape(MSO_SHAPE.CHEVRON, *step.emu())
        shape.adjustments[0] = 0.2
        _fill(shape, BLUE)
        shape.line.color.rgb = WHITE
        shape.text_frame.word_wrap = True
        shape.text_frame.margin_left = shape.text_frame.margin_right = Inches(0.02)
        paragraph = shape.text_frame.paragraphs[0]
        paragraph.alignment = PP_ALIGN.CENTER
        write(paragraph, name, size, color=WHITE, bold=True)
        below = Box(step.left, box.top + 1.0, 0.92 * width, box.height - 1.0)
        write(textbox(slide, below).paragraphs[0], what, size)


def table(
    slide: Any,
    box: Box,
    header: Sequence[str],
    content: Sequence[Sequence[str]],
    widths: Sequence[float] = (),
    size: Size = TABLE,
) -> None:
    """Put a table as high as its rows; columns of figures are put to the right.

    `widths` are shares of the width, one a column; equal unless given.

    Raises
    ------
    ContentError
        If a row has another number of cells than the header.
    """
    if any(len(cells) != len(header) for cells in content):
        raise ContentError(f"a row under {' | '.join(header)} has more or fewer cells")
    box = box._replace(height=min(box.height, (len(content) + 1) * size * 2.2 / 72))
    made = slide.shapes.add_table(len(content) + 1, len(header), *box.emu()).table
    for row in made.rows:
        row.height = Emu(int(Inches(box.height) / (len(content) + 1)))
    for number, column in enumerate(made.columns):
        column.width = Inches(box.width * (widths[number] if widths else 1 / len(header)))
        cells = [row[number] for row in content]
        right = bool(cells) and number > 0 and all(map(_FIGURE.fullmatch, cells))
        for place, words in enumerate([header[number], *cells]):
            cell = made.cell(place, number)
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            cell.margin_top = cell.margin_bottom = Inches(0.03)
            _fill(cell, INK if place == 0 else (PALE if place % 2 else WHITE))
            paragraph = cell.text_frame.paragraphs[0]
            paragraph.alignment = PP_ALIGN.RIGHT if right else PP_ALIGN.LEFT
            write(paragraph, words, size, color=INK if place else WHITE, bold=place == 0)


def terminal(slide: Any, box: Box, content: Printed) -> None:
    """Put a command and what it printed, in letters as large as they fit; long lines go on below.

    Raises
    ------
    ContentError
        If it has too many lines to be read.
    """
    width = (box.width - 0.4) * 72 / _WIDE_CHARACTER
    wrap = textwrap.TextWrapper(int(width / SMALL), subsequent_indent="  ", break_long_words=False)
    printed = [f"$ {content.command}", *content.output.rstrip().splitlines()]
    lines = [part for line in printed for part in wrap.wrap(line) or [""]]
    size = min(width / max(map(len, lines)), (box.height - 0.3) * 72 / (len(lines) * 1.25), 18)
    if size < SMALL:
        raise ContentError(f"{content.command}: {len(lines)} lines are too many for a slide")
    frame = panel(slide, box, INK).text_frame
    frame.word_wrap, frame.vertical_anchor = False, MSO_ANCHOR.TOP
    frame.margin_left = frame.margin_right = Inches(0.2)
    for number, (paragraph, line) in enumerate(_filled(frame, lines)):
        paragraph.alignment = PP_ALIGN.LEFT
        write(paragraph, line, size, color=WHITE, bold=number == 0, font=FIXED)


def shown(slide: Any, box: Box, content: Printed | Path, alt: str, caption: str) -> None:
    """Put what was printed or a picture, and below it where it comes from."""
    place = box._replace(height=box.height - _CAPTION)
    if isinstance(content, Path):
        picture(slide, place, content, alt)
    else:
        terminal(slide, place, content)
    below = Box(box.left, box.top + place.height, box.width, _CAPTION)
    write(textbox(slide, below).paragraphs[0], caption, SMALL)


def picture(
    slide: Any,
    box: Box,
    content: Path,
    alt: str,
    part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> None:
    """Put a picture, or a part of it, as large as it fits, in a thin frame.

    `alt` says what it shows to those who cannot see it; `part` is left, top, right and bottom of
    what is shown, as shares of its width and height.
    """
    made = slide.shapes.add_picture(str(content), *box.emu()[:2])
    left, top, right, bottom = part
    width, height = made.width * (right - left), made.height * (bottom - top)
    made.crop_left, made.crop_top = left, top
    made.crop_right, made.crop_bottom = 1 - right, 1 - bottom
    scale = min(Inches(box.width) / width, Inches(box.height) / height)
    made.width, made.height = int(width * scale), int(height * scale)
    made.left = Inches(box.left) + (Inches(box.width) - made.width) // 2
    made.line.color.rgb, made.line.width = GREY, Pt(0.75)
    describe(made, alt)


def describe(shape: Any, alt: str) -> None:
    """Say what a screen reader says in the place of a picture or a chart."""
    shape._element.xpath(".//p:cNvPr")[0].set("descr", alt)


def textbox(slide: Any, box: Box) -> Any:
    """Add an empty frame for words."""
    frame = slide.shapes.add_textbox(*box.emu()).text_frame
    frame.word_wrap = True
    frame.margin_left = frame.margin_right = 0
    return frame


def panel(slide: Any, box: Box, color: RGBColor) -> Any:
    """Add a rectangle of one colour."""
    shape = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, *box.emu())
    _fill(shape, color)
    shape.line.fill.background()
    shape.shadow.inherit = False
    return shape


def write(
    paragraph: Any,
    text: str,
    size: float,
    color: RGBColor = INK,
    bold: bool = False,
    font: str = FONT,
) -> None:
    """Write into a paragraph; **these words** in bold, unless it is what a terminal printed."""
    for number, part in enumerate([text] if font == FIXED else _BOLD.split(text)):
        if part:
            run = paragraph.add_run()
            run.text = part
            run.font.size, run.font.name = Pt(round(size, 1)), font
            run.font.bold = bold or number % 2 == 1
            run.font.color.rgb = color
            run._r.get_or_add_rPr().set("lang", LANGUAGE)


def _fill(shape: Any, color: RGBColor) -> None:
    shape.fill.solid()
    shape.fill.fore_color.rgb = color


def _filled(frame: Any, lines: Sequence[str]) -> Iterator[tuple[Any, str]]:
    """A paragraph for each line; a frame comes with its first."""
    for number, line in enumerate(lines):
        yield frame.add_paragraph() if number else frame.paragraphs[0], line
