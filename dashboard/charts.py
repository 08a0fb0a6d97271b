"""The page's charts. Colours are of Okabe and Ito's palette, which colour-blind people can tell
apart, and none of them says anything that words beside it do not say.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.bins import Bins
from dashboard.texts import TEXTS, Language, percent, percents, signed

BLUE, YELLOW, ORANGE, DEEP_BLUE, INK = "#56B4E9", "#F0E442", "#E69F00", "#0072B2", "#1A1A1A"

_FONT = {"size": 14, "color": INK, "family": "Source Sans, Source Sans Pro, sans-serif"}
_MARGIN = {"t": 10, "b": 10, "l": 10, "r": 10}
_WRAPPED, _LONGEST = 34, 64
# As many letters as a telephone is wide.
_LINE, _LINE_HEIGHT = 44, 19
_BAR = 0.3
# Text beside bars stays legible where a line passes behind it.
_HALO = ", ".join(["0 0 3px white"] * 4)


def scale(
    pd: float, cutoff: float, band: Sequence[float], texts: Mapping[str, str], language: Language
) -> go.Figure:
    """The probability of default on a line, with the cut-off and the band that officers decide in.

    Parameters
    ----------
    pd, cutoff : float
        Both in [0, 1].
    band : (float, float)
        From where to where an officer decides; twice the cut-off for nowhere.
    texts : mapping
        The page's words.
    language : Language
        How numbers are written.
    """
    # Cut-offs are low: on a scale to 100% everything that matters would be in a corner.
    low, high = band
    end = min(1.0, max(4 * cutoff, 1.25 * pd, 1.25 * high))
    zones = (
        (0.0, low, BLUE, texts["accepted_zone"]),
        (low, high, YELLOW, texts["officer_zone"]),
        (high, end, ORANGE, texts["refused_zone"]),
    )
    said, allowed = percents((pd, cutoff), language)
    figure = go.Figure()
    for start, stop, colour, name in zones:
        if stop > start:
            figure.add_bar(
                x=[stop - start], base=[start], y=[0], orientation="h", marker_color=colour,
                name=name, hoverinfo="skip", marker_line={"color": INK, "width": 1},
            )  # fmt: skip
    figure.add_annotation(
        x=pd, y=0.5, text=f"<b>{said}</b>", font={"size": 20, "color": INK},
        showarrow=False, yanchor="bottom",
    )  # fmt: skip
    figure.add_scatter(
        x=[pd], y=[0.4], mode="markers", showlegend=False, cliponaxis=False,
        marker={"symbol": "triangle-down", "size": 18, "color": INK},
        hovertemplate=f"{texts['gauge']} {said}<extra></extra>",
    )  # fmt: skip
    marks = {0.0: percent(0, language), end: percent(end, language)}
    marks[cutoff] = f"{texts['cutoff']}<br>{allowed}"
    figure.update_xaxes(range=[0, end], tickvals=list(marks), ticktext=list(marks.values()))
    figure.update_yaxes(visible=False, range=[-0.5, 1.0])
    legend = {"orientation": "h", "y": -0.55, "x": 0}
    figure.update_layout(
        barmode="overlay", bargap=0.5, height=210, margin=_MARGIN | {"l": 30, "r": 30},
        legend=legend,
    )  # fmt: skip
    return _dressed(figure)


def waterfall(
    labels: Sequence[str],
    contributions: Sequence[float],
    ends: tuple[str, str],
    base: float,
    cutoff: tuple[float, str],
    language: Language,
) -> go.Figure:
    """Draw the way from the average applicant's PD to this one's, a step a cause.

    A step in log-odds moves the PD by the more points, the nearer the PD is to one half: what is
    drawn holds in the order in which the steps are.

    Parameters
    ----------
    labels : sequence of str
        The causes.
    contributions : sequence of float
        In log-odds, in the order in which they are drawn.
    ends : (str, str)
        What the first and the last bar are called.
    base : float
        The log-odds of the average applicant.
    cutoff : (float, str)
        The PD above which an application is refused, and its name.
    language : Language
        How numbers are written.
    """
    moved = points(contributions, base)
    reached = [*accumulate(moved, initial=100 * _probability(base))]
    names = [ends[0], *labels, ends[1]]
    limit = 100 * cutoff[0]
    # The last step reaches the PD but for rounding.
    shares = [round(value / 100, 12) for value in (reached[0], reached[-1], limit)]
    first, last, allowed = percents(shares, language)
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            measure=["absolute", *["relative"] * len(moved), "total"],
            x=[reached[0], *moved, 0],
            y=list(range(len(names))),
            text=[first, *(signed(round(step, 1) + 0.0, language, 1) for step in moved), last],
            width=_BAR,
            textposition="outside",
            constraintext="none",
            textfont=_FONT | {"shadow": _HALO},
            increasing={"marker": {"color": ORANGE, "line": {"color": INK, "width": 1}}},
            decreasing={"marker": {"color": BLUE, "line": {"color": INK, "width": 1}}},
            totals={"marker": {"color": "#767676"}},
            customdata=names,
            hovertemplate="%{customdata}: %{text}<extra></extra>",
            cliponaxis=False,
        )
    )
    height = _named_above(figure, names) + 60
    figure.add_vline(limit, line={"color": INK, "dash": "dash"}, layer="below")
    figure.add_annotation(
        x=limit, y=1, yref="paper", yanchor="bottom", text=f"{cutoff[1]} {allowed}",
        showarrow=False, font={"color": INK},
    )  # fmt: skip
    most = max(*reached, limit)
    figure.update_xaxes(range=[0, 1.2 * most], ticksuffix=TEXTS[language]["percent_sign"])
    figure.update_layout(height=height, margin=_MARGIN | {"t": 30}, showlegend=False)
    return _dressed(figure)


def points(contributions: Sequence[float], base: float) -> list[float]:
    """Count the points of PD that steps in log-odds make, one after the other from a base."""
    reached = (100 * _probability(logit) for logit in accumulate(contributions, initial=base))
    return [after - before for before, after in pairwise(reached)]


def _probability(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def distribution(bins: Bins, value: object, language: Language, percent: bool = False) -> go.Figure:
    """How applicants are distributed, and how often those of each bin defaulted.

    Parameters
    ----------
    bins : Bins
        The applicants, and the one bin that is the applicant's own.
    value : object
        The applicant's own value.
    language : Language
        Of the words, and how numbers are written.
    percent : bool
        Whether the values are shares, which the axis has in percent.
    """
    if percent and isinstance(value, int | float):
        value = 100 * value
        places, widths = ([100 * x for x in some] for some in (bins.places, bins.widths))
        bins = bins._replace(places=places, widths=widths)
    rates, texts, sign = bins.rates, TEXTS[language], TEXTS[language]["percent_sign"]
    rows = 1 if rates is None else 2
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    _add_bins(figure, 1, bins, bins.heights)
    # Heights of numbers' bars count nothing by themselves: their areas do.
    title = texts["spread_axis" if bins.numeric else "applicants"]
    figure.update_yaxes(title=title, showticklabels=not bins.numeric, row=1, col=1)
    if rates is not None:
        _add_bins(figure, 2, bins, [100 * (rate or 0.0) for rate in rates], f": %{{y:.1f}}{sign}")
        figure.update_yaxes(title=texts["rate_axis"], ticksuffix=sign, row=2, col=1)
        if bins.average is not None:
            figure.add_hline(
                100 * bins.average, row=2, col=1, line={"color": INK, "dash": "dash"},
                annotation={"text": texts["average"], "font": {"color": INK}},
            )  # fmt: skip
    if bins.numeric and isinstance(value, int | float):
        low, high = bins.places[0] - bins.widths[0] / 2, bins.places[-1] + bins.widths[-1] / 2
        figure.add_vline(min(max(value, low), high), line={"color": INK, "width": 3})
        figure.update_xaxes(ticksuffix=sign if percent else "")
    elif not bins.numeric:
        names = [wrapped(shortened(label, 30), 16) for label in bins.labels]
        figure.update_xaxes(tickvals=list(bins.places), ticktext=names)
    figure.update_layout(height=150 + 150 * rows, margin=_MARGIN, bargap=0.0)
    return _dressed(figure)


def _add_bins(
    figure: go.Figure, row: int, bins: Bins, heights: Sequence[float], height: str = ""
) -> None:
    own = [i == bins.own for i in range(len(bins.labels))]
    figure.add_bar(
        x=bins.places, y=heights, width=bins.widths, row=row, col=1, customdata=bins.labels,
        showlegend=False, hovertemplate=f"%{{customdata}}{height}<extra></extra>",
        marker={
            "color": [ORANGE if mark else BLUE for mark in own],
            "line": {"color": "white", "width": 1},
            "pattern": {"shape": ["/" if mark else "" for mark in own], "fgcolor": INK},
        },
    )  # fmt: skip


def shares(
    labels: Sequence[str], values: Sequence[float], axis: str, language: Language
) -> go.Figure:
    """Shares as horizontal bars, the largest at the top.

    Parameters
    ----------
    labels : sequence of str
        What each is of.
    values : sequence of float
        In [0, 1].
    axis : str
        The horizontal axis's title.
    language : Language
        How numbers are written.
    """
    places, sign = list(range(len(labels))), TEXTS[language]["percent_sign"]
    figure = go.Figure(
        go.Bar(
            x=[100 * value for value in values],
            y=places,
            orientation="h",
            width=_BAR,
            marker_color=DEEP_BLUE,
            customdata=list(labels),
            hovertemplate=f"%{{customdata}}: %{{x:.1f}}{sign}<extra></extra>",
        )
    )
    height = _named_above(figure, labels) + 60
    figure.update_xaxes(title=axis, rangemode="tozero", ticksuffix=sign)
    figure.update_layout(height=height, margin=_MARGIN)
    return _dressed(figure)


def _named_above(figure: go.Figure, names: Sequence[str]) -> int:
    """Names above horizontal bars, where they have the whole width; returns the height it takes."""
    words = [wrapped(name, _LINE) for name in names]
    for place, text in enumerate(words):
        figure.add_annotation(
            x=0, xref="paper", xanchor="left", y=place - _BAR / 2, yanchor="bottom", align="left",
            text=text, showarrow=False, bgcolor="white", borderpad=0,
        )  # fmt: skip
    figure.update_yaxes(range=[len(names) - 0.7, -0.9], visible=False)
    most = max((text.count("<br>") + 1 for text in words), default=1)
    return (32 + _LINE_HEIGHT * most) * len(names)


def _dressed(figure: go.Figure) -> go.Figure:
    """The same in ink that is read on paper white, and without what nobody needs."""
    axis = {"tickfont": {"color": INK}, "title_font": {"color": INK}, "gridcolor": "#D9D9D9"}
    figure.update_xaxes(automargin=True, **axis).update_yaxes(automargin=True, **axis)
    return figure.update_layout(paper_bgcolor="white", plot_bgcolor="white", font=_FONT)


def shortened(text: str, length: int = _LONGEST) -> str:
    """A text that a chart has room for; the tables have it whole."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def wrapped(text: str, width: int = _WRAPPED) -> str:
    """A text in lines, as charts break them."""
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return "<br>".join(lines)
