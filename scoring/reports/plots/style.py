"""What all plots share: colours, wrapped labels, and the way a figure is finished."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text

from scoring.features.wording import WordingError, describe
from scoring.reports.words import Words
from scoring.serving.profiles import PD
from scoring.serving.scorer import Floats

# Okabe and Ito's palette, told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
DARK, GREY, LIGHT = "#333333", "#777777", "#DDDDDD"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, GREY)

# A figure of twelve inches fills the width of a notebook.
DPI = 96

# From low to high values of a feature.
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", [BLUE, "#8F7F8F", ORANGE])


def finished(figure: Figure, below: float = 0.0) -> Figure:
    """Fit the figure to its texts, and take it from pyplot, which would keep and draw it twice."""
    figure.set_dpi(DPI)
    figure.tight_layout(rect=(0, below, 1, 1))
    plt.close(figure)
    # Closing brings the resolution of pyplot's window back.
    figure.set_dpi(DPI)
    return figure


def svg(figure: Figure) -> str:
    """Draw a figure to stand in a page: no address in it, and the same bytes for the same data."""
    content = io.StringIO()
    unsaid = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    # A page hides what is not in its reader's language: nothing may be named as in what it shows.
    salt = " ".join(text.get_text() for text in figure.findobj(Text))
    with plt.rc_context({"svg.hashsalt": salt}):
        figure.savefig(content, format="svg", metadata=unsaid)
    drawing = content.getvalue()
    # HTML knows what an SVG is without being told.
    return re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawing[drawing.index("<svg") :])


def png(figure: Figure, dpi: int = DPI) -> bytes:
    """Draw a figure as a file of its own, the same bytes for the same data."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, metadata={"Software": None})
    return content.getvalue()


def wrapped(words: str, width: int = 46) -> str:
    """Words on as many lines as they need; no-break spaces do not break."""
    lines = textwrap.wrap(words, width, break_long_words=False)
    return "\n".join(lines)


def column_text(column: str, language: str = "en") -> str:
    """Say in words what a column holds, or its own name where it is no feature."""
    if column == PD:
        return Words("plots", language)("drift.pd")
    try:
        return describe(column, language)
    except WordingError:
        return column


def rows(axis: Axes, labels: Sequence[str]) -> Floats:
    """One horizontal place a label, the first on top; returns the places."""
    places = np.arange(len(labels), dtype=np.float64)
    axis.set_yticks(places, labels)
    # Without any, too, the two ends differ.
    axis.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    return places


def intervals(
    axis: Axes,
    places: Floats,
    table: pl.DataFrame,
    name: str,
    stem: str | None = None,
    factor: float = 1.0,
    **options: Any,
) -> None:
    """Draw a column of a table as points in its rows, with intervals where the table has any.

    Their ends are in the columns stem_low and stem_high; the stem is the name unless given.
    """
    values, lengths = table[name].to_numpy() * factor, None
    low, high = f"{stem or name}_low", f"{stem or name}_high"
    if low in table.columns:
        ends = np.stack(
            [values - table[low].to_numpy() * factor, table[high].to_numpy() * factor - values]
        )
        lengths = np.maximum(ends, 0.0)
    axis.errorbar(values, places, xerr=lengths, fmt="o", capsize=3, **({"color": BLUE} | options))


def below(figure: Figure, axis: Axes | None = None, **options: Any) -> Figure:
    """Finish a figure with the legend of all axes, or of one, below it."""
    entries = axis.get_legend_handles_labels() if axis else ()
    figure.legend(*entries, loc="lower center", ncols=2, frameon=False, fontsize=9, **options)
    return finished(figure, below=0.35 / figure.get_figheight())


def value_labels(axis: Axes, places: Floats, values: Floats, form: str) -> None:
    """Write the values of points above them."""
    for place, value in zip(places, values, strict=True):
        axis.annotate(
            form % value, (value, place), xytext=(0, 7), textcoords="offset points", ha="center",
            fontsize=8, color=BLUE,
        )  # fmt: skip


def gridded(axis: Axes) -> None:
    """Draw light lines down the axis, behind what is on it."""
    axis.grid(axis="x", color="#EEEEEE")
    axis.set_axisbelow(True)
