"""Slides in one style: a title that says the message, what shows it, and what the speaker says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pptx import Presentation
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import (
    XL_CHART_TYPE,
    XL_LEGEND_POSITION,
    XL_MARKER_STYLE,
    XL_TICK_LABEL_POSITION,
    XL_TICK_MARK,
)
from pptx.enum.dml import MSO_LINE
from pptx.enum.shapes import MSO_SHAPE
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.util import Emu, Inches, Pt

# Okabe and Ito's palette, told apart with every kind of colour vision, as in the plots.
BLUE, ORANGE, GREEN, GREY = (
    RGBColor.from_string(code) for code in ("0072B2", "D55E00", "009E73", "777777")
)
INK, PALE, WHITE = (RGBColor.from_string(code) for code in ("1B2A3A", "EAF1F7", "FFFFFF"))
FONT, FIXED = "Liberation Sans", "Liberation Mono"
LANGUAGE = "fr-FR"

# A line that is read from the back of a room.
TEXT, TABLE, SMALL = 20, 16, 14
WIDTH, HEIGHT = 13.333, 7.5
MARGIN, TOP, BOTTOM = 0.6, 1.5, 6.9
_MOST_LINES = 30
_ONE_LINE = 62
_WIDE_CHARACTER = 0.6
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_FIGURE = re.compile(r"[+\u2212-]?\d")


class Box(NamedTuple):
    """A place on a slide, in inches from its upper left corner."""

    left: float = MARGIN
    top: float = TOP
    width: float = WIDTH - 2 * MARGIN
    height: float = BOTTOM - TOP

    def part(self, start: float, end: float) -> Box:
        """A part of its width, from and to a share of it, with a gap to its neighbour."""
        gap = 0.15 if start > 0 else 0.0
        return self._replace(
            left=self.left + start * self.width + gap, width=(end - start) * self.width - gap
        )

    def above(self, height: float) -> Box:
        """Its upper part."""
        return self._replace(height=height)

    def below(self, height: float) -> Box:
        """What is left under its upper part."""
        return self._replace(top=self.top + height, height=self.height - height)


BODY = Box()


class Line(NamedTuple):
    """A line of a chart of two numbers: its points, or its marks."""

    name: str
    points: Sequence[tuple[float, float]]
    color: RGBColor = BLUE
    dashed: bool = False
    marked: bool = False


class Deck:
    """A presentation that grows slide by slide.

    Parameters
    ----------
    title, author : str
        Of the document's properties.
    """

    def __init__(self, title: str, author: str) -> None:
        self._file = Presentation()
        self._file.slide_width, self._file.slide_height = Inches(WIDTH), Inches(HEIGHT)
        properties = self._file.core_properties
        properties.title, properties.author, properties.language = title, author, LANGUAGE
        self.seconds = 0

    def __len__(self) -> int:
        """How many slides there are."""
        return len(self._file.slides)

    def slide(self, title: str, says: str, seconds: int) -> Slide:
        """Add a slide.

        Parameters
        ----------
        title : str
            Its message, in a line or two.
        says : str
            What the speaker says.
        seconds : int
            For how long.
        """
        self.seconds += seconds
        made = self._file.slides.add_slide(self._file.slide_layouts[5])
        made.notes_slide.notes_text_frame.text = f"[{seconds} s] {says}"
        return Slide(made, title, len(self))

    def cover(self, title: str, lines: Sequence[str], says: str, seconds: int) -> None:
        """Add the first slide, with nothing but words."""
        slide = self.slide(title, says, seconds)
        slide.as_cover(lines)

    def save(self, path: Path) -> None:
        """Write the file."""
        self._file.save(str(path))


class Slide:
    """One slide, to put things on.

    Parameters
    ----------
    made : pptx.slide.Slide
        With a title's placeholder.
    title : str
        Its message.
    number : int
        Its place, from 1.
    """

    def __init__(self, made: Any, title: str, number: int) -> None:
        self._shapes = made.shapes
        self._background = made.background
        heading = made.shapes.title
        _place(heading, Box(top=0.35, height=0.95))
        heading.text_frame.vertical_anchor = MSO_ANCHOR.MIDDLE
        heading.text_frame.margin_left = 0
        size = 30 if len(title) <= _ONE_LINE else 26
        _write(heading.text_frame.paragraphs[0], title, size, bold=True)
        heading.text_frame.paragraphs[0].alignment = PP_ALIGN.LEFT
        if number > 1:
            self._panel(Box(MARGIN, 1.32, 1.2, 0.05), ORANGE)
            page = self._textbox(Box(WIDTH - 1.4, 7.02, 0.8, 0.35))
            _write(page.paragraphs[0], str(number), 12, color=GREY)
            page.paragraphs[0].alignment = PP_ALIGN.RIGHT

    def as_cover(self, lines: Sequence[str]) -> None:
        """White words on a dark ground."""
        self._background.fill.solid()
        self._background.fill.fore_color.rgb = INK
        heading = self._shapes.title
        _place(heading, Box(1.0, 2.0, WIDTH - 2.0, 1.8))
        run = heading.text_frame.paragraphs[0].runs[0]
        run.font.size, run.font.color.rgb = Pt(44), WHITE
        frame = self._textbox(Box(1.0, 4.1, WIDTH - 2.0, 2.2))
        for paragraph, line in _filled(frame, lines):
            _write(paragraph, line, 24, color=WHITE)

    def bullets(self, lines: Sequence[str], box: Box = BODY, size: int = TEXT) -> None:
        """Sentences, one below the other; **these words** are bold."""
        frame = self._textbox(box)
        for paragraph, line in _filled(frame, lines):
            paragraph.space_after = Pt(size * 0.55)
            _bullet(paragraph, size)
            _write(paragraph, line, size)

    def says(self, text: str, box: Box, size: int = TEXT) -> None:
        """A sentence in a frame of its own: what to remember."""
        frame = self._panel(box, PALE).text_frame
        frame.word_wrap = True
        frame.vertical_anchor = MSO_ANCHOR.MIDDLE
        frame.margin_left = frame.margin_right = Inches(0.2)
        paragraph = frame.paragraphs[0]
        paragraph.alignment = PP_ALIGN.LEFT
        _write(paragraph, text, size)

    def steps(self, names: Sequence[tuple[str, str]], box: Box, size: int = SMALL) -> None:
        """Boxes in a row that lead from one to the next: a name, and what happens there."""
        width = box.width / len(names)
        for number, (name, what) in enumerate(names):
            kind = MSO_SHAPE.PENTAGON if number == 0 else MSO_SHAPE.CHEVRON
            place = Box(box.left + number * width, box.top, width * 1.04, 0.9)
            shape = self._shapes.add_shape(kind, *_inches(place))
            shape.adjustments[0] = 0.2
            shape.fill.solid()
            shape.fill.fore_color.rgb = BLUE
            shape.line.color.rgb = WHITE
            shape.text_frame.word_wrap = True
            shape.text_frame.margin_left = shape.text_frame.margin_right = Inches(0.02)
            paragraph = shape.text_frame.paragraphs[0]
            paragraph.alignment = PP_ALIGN.CENTER
            _write(paragraph, name, size, color=WHITE, bold=True)
            below = Box(place.left, box.top + 1.0, 0.92 * width, box.height - 1.0)
            frame = self._textbox(below)
            _write(frame.paragraphs[0], what, size)

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        box: Box = BODY,
        size: int = TABLE,
        widths: Sequence[float] = (),
        strong: Sequence[int] = (),
    ) -> None:
        """A table: its first column is words, the others are put to the right.

        Parameters
        ----------
        header, rows : sequence of str
            The cells.
        box : Box
            Its place; the height is that of its rows.
        size : int
            Of its letters, in points.
        widths : sequence of float
            Shares of the width, one a column; equal unless given.
        strong : sequence of int
            Rows that are set in bold.
        """
        height = min(box.height, (len(rows) + 1) * size * 2.2 / 72)
        frame = self._shapes.add_table(
            len(rows) + 1, len(header), *_inches(box._replace(height=height))
        )
        made = frame.table
        for number, share in enumerate(widths or [1 / len(header)] * len(header)):
            made.columns[number].width = Inches(box.width * share)
        for row in made.rows:
            row.height = Emu(int(Inches(height) / (len(rows) + 1)))
        numeric = [
            column > 0 and _are_numbers([row[column] for row in rows])
            for column in range(len(header))
        ]
        for place, cells in enumerate([header, *rows]):
            for column, words in enumerate(cells):
                cell = made.cell(place, column)
                cell.vertical_anchor = MSO_ANCHOR.MIDDLE
                cell.margin_top = cell.margin_bottom = Inches(0.03)
                cell.fill.solid()
                cell.fill.fore_color.rgb = INK if place == 0 else (PALE if place % 2 else WHITE)
                paragraph = cell.text_frame.paragraphs[0]
                paragraph.alignment = PP_ALIGN.RIGHT if numeric[column] else PP_ALIGN.LEFT
                color = WHITE if place == 0 else INK
                _write(paragraph, words, size, color=color, bold=place == 0 or place - 1 in strong)

    def terminal(self, command: str, output: str, box: Box = BODY) -> None:
        """A command and what it printed, in letters as large as they fit.

        Raises
        ------
        ValueError
            If it has too many lines to be read.
        """
        lines = [f"$ {command}", *output.rstrip().splitlines()]
        if len(lines) > _MOST_LINES:
            raise ValueError(f"{command}: {len(lines)} lines are too many for a slide")
        longest = max(len(line) for line in lines)
        inner = box.width - 0.4, box.height - 0.3
        size = min(
            inner[0] * 72 / (longest * _WIDE_CHARACTER), inner[1] * 72 / (len(lines) * 1.25), 18
        )
        frame = self._panel(
            box._replace(height=len(lines) * size * 1.25 / 72 + 0.3), INK
        ).text_frame
        frame.word_wrap = False
        frame.vertical_anchor = MSO_ANCHOR.TOP
        frame.margin_left = frame.margin_right = Inches(0.2)
        for number, (paragraph, line) in enumerate(_filled(frame, lines)):
            paragraph.alignment = PP_ALIGN.LEFT
            _write(paragraph, line, size, color=WHITE, bold=number == 0, font=FIXED, marks=False)

    def picture(
        self,
        path: Path,
        alternative: str,
        box: Box = BODY,
        part: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
    ) -> None:
        """A picture, or a part of it, as large as it fits, in a thin frame.

        Parameters
        ----------
        path : Path
            The file.
        alternative : str
            What it shows, for those who cannot see it.
        box : Box
            Its place.
        part : (left, top, right, bottom)
            What is shown of it, as shares of its width and height.
        """
        picture = self._shapes.add_picture(str(path), Inches(box.left), Inches(box.top))
        left, top, right, bottom = part
        width, height = picture.width * (right - left), picture.height * (bottom - top)
        picture.crop_left, picture.crop_top = left, top
        picture.crop_right, picture.crop_bottom = 1 - right, 1 - bottom
        scale = min(Inches(box.width) / width, Inches(box.height) / height)
        picture.width, picture.height = int(width * scale), int(height * scale)
        picture.left = Inches(box.left) + (Inches(box.width) - picture.width) // 2
        picture.line.color.rgb = GREY
        picture.line.width = Pt(0.75)
        _describe(picture, alternative)

    def bars(
        self,
        series: Mapping[str, Mapping[str, float]],
        alternative: str,
        box: Box = BODY,
        form: str = "0.000",
        title: str | None = None,
        size: int = SMALL,
    ) -> None:
        """Horizontal bars, the first on top, with their values.

        Parameters
        ----------
        series : mapping of str to mapping
            Values by what they belong to, by the series' name; several get a legend.
        alternative : str
            What the chart shows.
        box : Box
            Its place.
        form : str
            Excel's format of the values.
        title : str, optional
            Of the axis: what is measured, and its unit.
        size : int
            Of the letters.
        """
        data = CategoryChartData(number_format=form)
        data.categories = list(next(iter(series.values())))
        for name, values in series.items():
            data.add_series(name, list(values.values()))
        chart = self._chart(XL_CHART_TYPE.BAR_CLUSTERED, data, alternative, box, size)
        if len(series) > 1:
            _legend(chart, size)
        chart.category_axis.reverse_order = True
        chart.category_axis.tick_labels.offset = 0
        chart.category_axis.format.line.color.rgb = GREY
        # Beside the chart, where negative bars do not cross the names.
        chart.category_axis.tick_label_position = XL_TICK_LABEL_POSITION.LOW
        # Every bar has its value beside it.
        chart.value_axis.visible = title is not None
        chart.value_axis.has_major_gridlines = False
        chart.value_axis.tick_label_position = XL_TICK_LABEL_POSITION.NONE
        chart.value_axis.major_tick_mark = XL_TICK_MARK.NONE
        chart.value_axis.format.line.fill.background()
        if title is not None:
            _axis_title(chart.value_axis, title, size)
        plot = chart.plots[0]
        plot.gap_width = 50
        plot.has_data_labels = True
        plot.data_labels.number_format, plot.data_labels.number_format_is_linked = form, False
        plot.data_labels.font.size = Pt(size)
        for drawn, color in zip(plot.series, (BLUE, ORANGE, GREEN), strict=False):
            drawn.format.fill.solid()
            drawn.format.fill.fore_color.rgb = color
            drawn.invert_if_negative = False

    def lines(
        self,
        lines: Sequence[Line],
        alternative: str,
        axes: tuple[str, str],
        box: Box = BODY,
        limits: tuple[float, float, float, float] | None = None,
        size: int = SMALL,
    ) -> None:
        """Lines and marks over two axes.

        Parameters
        ----------
        lines : sequence of Line
            What is drawn.
        alternative : str
            What the chart shows.
        axes : (str, str)
            Titles of the axes, with units.
        box : Box
            Its place.
        limits : (left, right, low, high), optional
            What the axes have to hold; they end on round numbers.
        size : int
            Of the letters.
        """
        data = XyChartData()
        for line in lines:
            series = data.add_series(line.name)
            for x, y in line.points:
                series.add_data_point(x, y)
        kind = XL_CHART_TYPE.XY_SCATTER_LINES_NO_MARKERS
        chart = self._chart(kind, data, alternative, box, size)
        _legend(chart, size)
        for axis, words in zip((chart.category_axis, chart.value_axis), axes, strict=True):
            axis.has_major_gridlines = False
            _axis_title(axis, words, size)
        if limits is not None:
            ends = chart.category_axis, chart.value_axis
            for axis, low, high in zip(ends, limits[::2], limits[1::2], strict=True):
                step = _round_step((high - low) / 6)
                axis.minimum_scale = round(math.floor(low / step) * step, 9)
                axis.maximum_scale = round(math.ceil(high / step) * step, 9)
                axis.major_unit = step
        for drawn, line in zip(chart.plots[0].series, lines, strict=True):
            _draw(drawn, line)

    def _chart(self, kind: Any, data: Any, alternative: str, box: Box, size: int) -> Any:
        """A chart without a title, which is the slide's, and without a legend yet."""
        frame = self._shapes.add_chart(kind, *_inches(box), data)
        _describe(frame, alternative)
        frame.chart.font.size, frame.chart.font.name = Pt(size), FONT
        frame.chart.has_title = frame.chart.has_legend = False
        return frame.chart

    def _textbox(self, box: Box) -> Any:
        frame = self._shapes.add_textbox(*_inches(box)).text_frame
        frame.word_wrap = True
        frame.margin_left = frame.margin_right = 0
        return frame

    def _panel(self, box: Box, color: RGBColor) -> Any:
        """A rectangle of one colour."""
        shape = self._shapes.add_shape(MSO_SHAPE.RECTANGLE, *_inches(box))
        shape.fill.solid()
        shape.fill.fore_color.rgb = color
        shape.line.fill.background()
        shape.shadow.inherit = False
        return shape


def _inches(box: Box) -> tuple[Any, Any, Any, Any]:
    left, top, width, height = (Inches(value) for value in box)
    return left, top, width, height


def _place(shape: Any, box: Box) -> None:
    shape.left, shape.top, shape.width, shape.height = _inches(box)


def _filled(frame: Any, lines: Sequence[str]) -> Iterator[tuple[Any, str]]:
    """A paragraph for each line; a frame comes with its first."""
    for number, line in enumerate(lines):
        yield frame.paragraphs[0] if number == 0 else frame.add_paragraph(), line


def _write(
    paragraph: Any,
    text: str,
    size: float,
    color: RGBColor = INK,
    bold: bool = False,
    font: str = FONT,
    marks: bool = True,
) -> None:
    """Words into a paragraph; those between two asterisks in bold, unless they are taken as is."""
    parts = _BOLD.split(text) if marks else [text]
    for number, part in enumerate(parts):
        if not part:
            continue
        run = paragraph.add_run()
        run.text = part
        run.font.size, run.font.name = Pt(round(size, 1)), font
        run.font.bold = bold or number % 2 == 1
        run.font.color.rgb = color
        run._r.get_or_add_rPr().set("lang", LANGUAGE)


def _bullet(paragraph: Any, size: int) -> None:
    """A dot before the line, and the lines after it below its words, not below the dot."""
    properties = paragraph._p.get_or_add_pPr()
    indent = int(Pt(size * 0.9))
    properties.set("marL", str(indent))
    properties.set("indent", str(-indent))
    dot = properties.makeelement(f"{{{_DRAWING}}}buChar", {"char": "•"})
    properties.append(dot)


def _describe(shape: Any, alternative: str) -> None:
    """What a screen reader says in the place of a picture or a chart."""
    shape._element.xpath(".//p:cNvPr")[0].set("descr", alternative)


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether a column is set to the right: its cells are figures."""
    return bool(cells) and all(len(cell) < 24 and _FIGURE.match(cell) for cell in cells)


def _legend(chart: Any, size: int) -> None:
    chart.has_legend = True
    chart.legend.position = XL_LEGEND_POSITION.BOTTOM
    chart.legend.include_in_layout = False
    chart.legend.font.size = Pt(size)


def _axis_title(axis: Any, words: str, size: int) -> None:
    axis.has_title = True
    frame = axis.axis_title.text_frame
    frame.text = ""
    _write(frame.paragraphs[0], words, size)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10 and their powers of ten."""
    power = float(10 ** math.floor(math.log10(step)))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= step)


def _draw(drawn: Any, line: Line) -> None:
    drawn.smooth = False
    drawn.format.line.color.rgb = line.color
    drawn.format.line.width = Pt(2.5)
    if line.dashed:
        drawn.format.line.dash_style = MSO_LINE.DASH
    drawn.marker.style = XL_MARKER_STYLE.CIRCLE if line.marked else XL_MARKER_STYLE.NONE
    if line.marked:
        drawn.marker.size = 9
        drawn.marker.format.fill.solid()
        drawn.marker.format.fill.fore_color.rgb = line.color
