"""Charts, drawn as pictures as large as their place."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from presentation.drawing import BLUE, GREEN, GREY, INK, ORANGE, TABLE, Box, Size, describe
from scoring.formats import written

COLORS = (BLUE, ORANGE, GREEN)
_DPI = 200
_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), f"#{INK}"),
    "axes.edgecolor": f"#{GREY}",
}


class Line(NamedTuple):
    """A line, or marks at its points, in a colour of the slides."""

    points: Sequence[tuple[float, float]]
    color: Any = BLUE
    style: str = "-"


def bars(
    slide: Any,
    box: Box,
    content: Mapping[str, Sequence[float]],
    labels: Sequence[str],
    texts: Sequence[Sequence[str]],
    alt: str,
    axis: str,
    size: Size = TABLE,
    spans: Sequence[tuple[float, float]] = (),
) -> None:
    """Put horizontal bars, the first on top, each with its value as a text beside it.

    Several series of values get a legend; the values of a single one may have spans, low and high.
    What is above zero has another colour than what is below.
    """
    with mpl.rc_context({**_STYLE, "font.size": size, "axes.spines.bottom": False}):
        figure, axes = _axes(box)
        height = 0.7 / len(content)
        for number, (name, values) in enumerate(content.items()):
            places = np.arange(len(labels)) + number * height
            around = np.abs(np.transpose(spans) - values) if spans else None
            drawn = axes.barh(
                places, values, height, color=_colors(number, values), label=name, xerr=around,
                ecolor=f"#{INK}", capsize=5,
            )  # fmt: skip
            axes.bar_label(drawn, texts[number], padding=4)
        # Names take at most half of the width.
        most = int(0.5 * box.width * 72 / (0.55 * size))
        wrapped = [textwrap.fill(label, most, break_long_words=False) for label in labels]
        axes.set_yticks(np.arange(len(labels)) + (len(content) - 1) * height / 2, wrapped)
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.margins(x=0.4 if np.min([*content.values()], initial=0.0) < 0 else 0.2)
        axes.axvline(0, color=f"#{GREY}", linewidth=0.8)
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0)
        figure.supxlabel(axis, fontsize=size)
        _put(slide, box, figure, alt, legend=len(content) > 1)


def lines(
    slide: Any,
    box: Box,
    content: Sequence[Line],
    series: Sequence[str],
    alt: str,
    axes: tuple[str, str],
    forms: tuple[str, str],
    size: Size = TABLE,
) -> None:
    """Put lines over two axes, with a legend of their names; forms are of the axes' figures."""
    with mpl.rc_context({**_STYLE, "font.size": size}):
        figure, drawn = _axes(box)
        for line, name in zip(content, series, strict=True):
            x, y = zip(*line.points, strict=True)
            drawn.plot(x, y, line.style, color=f"#{line.color}", label=name, linewidth=2.5)
        for axis, words, form in zip((drawn.xaxis, drawn.yaxis), axes, forms, strict=True):
            axis.set_label_text(words)
            axis.set_major_formatter(_ticks(form))
        _put(slide, box, figure, alt, legend=True)


def _colors(number: int, values: Sequence[float]) -> list[str]:
    """One colour for a series, unless some of its values are below zero and some above."""
    below = min(values, default=0.0) < 0
    return [f"#{COLORS[number + (below and value > 0)]}" for value in values]


def _ticks(form: str) -> Callable[[float, float], str]:
    return lambda value, _: written(value, form, "fr")


def _axes(box: Box) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(box.width, box.height), dpi=_DPI, layout="constrained")
    return figure, figure.add_subplot()


def _put(slide: Any, box: Box, figure: Figure, alt: str, legend: bool) -> None:
    if legend:
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
    file = BytesIO()
    figure.savefig(file, format="png")
    describe(slide.shapes.add_picture(file, *box.emu()), alt)
