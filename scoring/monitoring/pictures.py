"""Drawings of a look's page, as SVG that refers to nothing outside itself."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import polars as pl

from scoring.reports.document import Picture

# Okabe and Ito's palette, told apart with every kind of colour vision.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"
_COLOURS = {"large": _ORANGE, "moderate": "#E69F00", "none": _BLUE}
_WIDTH, _LABEL, _LINE = 760.0, 330.0, 22.0
_HEIGHT, _LEFT, _BOTTOM, _TOP = 240.0, 60.0, 200.0, 16.0


def drift(columns: pl.DataFrame, most: int = 12) -> Picture:
    """The PSI of the most changed columns as bars, coloured by how much they have drifted.

    Parameters
    ----------
    columns : polars.DataFrame
        Of a comparison, the most changed first.
    most : int
        How many bars.
    """
    shown = columns.head(most)
    scale = (_WIDTH - _LABEL - 60.0) / max(*shown["psi"], 0.25)
    parts = []
    for i, row in enumerate(shown.iter_rows(named=True)):
        top, length = i * _LINE, row["psi"] * scale
        parts += [
            _text(_LABEL - 8.0, top + 15.0, row["column"], "end"),
            f'<rect x="{_LABEL:g}" y="{top + 4:g}" width="{max(length, 1.0):.1f}" height="14" '
            f'fill="{_COLOURS[row["level"]]}"/>',
            _text(_LABEL + length + 6.0, top + 15.0, f"{row['psi']:.3f}"),
        ]
    told = (
        f"PSI of the {shown.height} most changed columns, without missing values: "
        "orange has drifted, blue has not"
    )
    return Picture(_svg(parts, shown.height * _LINE + 4.0, told), told)


def vintages(table: pl.DataFrame) -> Picture:
    """Default rates by month of decision with their intervals, and what the PDs expected.

    Parameters
    ----------
    table : polars.DataFrame
        As `scoring.monitoring.performance.by_vintage` gives it; one row at least.
    """
    highest: float = max(*table["rate_high"], *table["expected"])
    step = (_WIDTH - _LEFT - 20.0) / table.height

    def height(rate: float) -> float:
        return _BOTTOM - rate / highest * (_BOTTOM - _TOP)

    parts = [_line(_LEFT, _BOTTOM, _WIDTH, _BOTTOM, _GREY)]
    parts += [
        _text(_LEFT - 6.0, height(rate) + 4.0, f"{rate:.0%}" if highest > 0.1 else f"{rate:.1%}",
              "end")
        for rate in (0.0, highest / 2.0, highest)
    ]  # fmt: skip
    for i, row in enumerate(table.iter_rows(named=True)):
        middle = _LEFT + (i + 0.5) * step
        half = min(step / 3.0, 18.0)
        expected = height(row["expected"])
        parts += [
            _line(middle - half, expected, middle + half, expected, _ORANGE, 3.0),
            _line(middle, height(row["rate_low"]), middle, height(row["rate_high"]), _BLUE, 1.5),
            f'<circle cx="{middle:.1f}" cy="{height(row["default_rate"]):.1f}" r="4" '
            f'fill="{_BLUE}"/>',
        ]
        # Labels of many months would run into each other.
        if i % (1 + table.height // 12) == 0:
            parts.append(_text(middle, _BOTTOM + 18.0, f"{row['vintage']:%Y-%m}", "middle"))
    told = (
        "Default rate by month of decision, a blue point with its interval of 95 %; "
        "an orange line is what the PDs expected"
    )
    return Picture(_svg(parts, _HEIGHT, told), told)


def _svg(parts: Iterable[str], height: float, told: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {height:g}" width="{_WIDTH:g}" height="{height:g}" '
        f'font-size="12" fill="#1f2328">' + "".join(parts) + "</svg>"
        f"<figcaption>{escape(told)}</figcaption>"
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1.0) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"/>'
    )
