"""The page's charts. Colours are of Okabe and Ito's palette, which colour-blind people can tell
apart, and none of them says anything that words beside it do not say.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboard.texts import Language, percent

BLUE, YELLOW, ORANGE, INK = "#56B4E9", "#F0E442", "#E69F00", "#1A1A1A"

_FONT = {"size": 15}


def gauge(
    pd: float, cutoff: float, band: Sequence[float], texts: dict[str, str], language: Language
) -> go.Figure:
    """The probability of default against the cut-off and the band that an officer decides in.

    Parameters
    ----------
    pd, cutoff : float
        Both in [0, 1].
    band : (float, float)
        From where to where an officer decides; twice the cut-off for nowhere.
    texts : dict
        The page's words.
    language : Language
        How numbers are written.
    """
    # Cut-offs are low: on a scale to 100% everything that matters would be in a corner.
    low, high = band
    end = min(1.0, max(4 * cutoff, 1.25 * pd, 1.25 * high))
    marks = {
        0.0: percent(0, language),
        low / 2: texts["accepted_zone"],
        cutoff: f"{texts['cutoff']} {percent(cutoff, language)}",
        (high + end) / 2: texts["refused_zone"],
        end: percent(end, language),
    }
    indicator = go.Indicator(
        mode="gauge+number",
        value=100 * pd,
        number={"suffix": " %" if language == "fr" else "%", "valueformat": ".1f"},
        gauge={
            "axis": {
                "range": [0, 100 * end],
                "tickvals": [100 * place for place in marks],
                "ticktext": list(marks.values()),
            },
            "bar": {"color": INK, "thickness": 0.25},
            "steps": [
                {"range": [0, 100 * low], "color": BLUE},
                {"range": [100 * low, 100 * high], "color": YELLOW},
                {"range": [100 * high, 100 * end], "color": ORANGE},
            ],
            "threshold": {"value": 100 * cutoff, "line": {"color": INK, "width": 4}},
        },
    )
    separators = ", " if language == "fr" else ".,"
    margin = {"t": 40, "b": 10, "l": 60, "r": 60}
    return go.Figure(indicator).update_layout(
        height=260, margin=margin, font=_FONT, separators=separators
    )


def reason_bars(labels: Sequence[str], contributions: Sequence[float], axis: str) -> go.Figure:
    """Contributions as horizontal bars, the strongest at the top.

    Parameters
    ----------
    labels : sequence of str
        A feature and its value each.
    contributions : sequence of float
        In log-odds, strongest first.
    axis : str
        The horizontal axis's title.
    """
    figure = go.Figure(
        go.Bar(
            x=list(contributions),
            y=list(range(len(labels))),
            orientation="h",
            marker_color=ORANGE,
            text=list(labels),
            textposition="none",
            hovertemplate="%{text}: %{x:+.3f}<extra></extra>",
        )
    )
    figure.update_yaxes(
        autorange="reversed",
        tickvals=list(range(len(labels))),
        ticktext=list(labels),
        automargin=True,
    )
    figure.update_xaxes(title=axis, rangemode="tozero")
    return figure.update_layout(
        height=90 + 45 * len(labels), margin={"t": 10, "b": 10, "l": 10, "r": 10}, font=_FONT
    )
