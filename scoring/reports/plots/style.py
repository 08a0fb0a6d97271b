"""What all plots share: colours, wrapped labels, and the way a figure is finished."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from scoring.serving.scorer import Floats

# Okabe and Ito's palette, told apart with every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
DARK, GREY, LIGHT = "#333333", "#777777", "#DDDDDD"
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, GREY)

# A notebook holds some twenty figures in less than 1.5 MB.
DPI = 72

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
    with plt.rc_context({"svg.hashsalt": "report"}):
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


def rows(axis: Axes, labels: Sequence[str]) -> Floats:
    """One horizontal place a label, the first on top; returns the places."""
    places = np.arange(len(labels), dtype=np.float64)
    axis.set_yticks(places, labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    return places


def error_bars(table: pl.DataFrame, name: str, stem: str | None = None) -> Floats | None:
    """Lengths below and above of intervals, of shape (2, rows), as matplotlib takes them.

    From the columns stem_low and stem_high (the stem is the name unless given); None where the
    table has no such columns.
    """
    low, high = f"{stem or name}_low", f"{stem or name}_high"
    if low not in table.columns:
        return None
    value = table[name].to_numpy()
    lengths: Floats = np.stack([value - table[low].to_numpy(), table[high].to_numpy() - value])
    return np.maximum(lengths, 0.0)
