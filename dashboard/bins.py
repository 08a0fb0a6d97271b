"""The bins of a feature's distribution: in words, as bars, and the one that a value falls into."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

# The outermost bins reach to the most extreme value of all, many times as far as the others.
_WIDEST = 3.0
_MOST_LEVELS = 12


class Bins(NamedTuple):
    """Applicants by the values of a feature.

    Attributes
    ----------
    labels : list of str
        What each bin holds, in words.
    counts : list of int
        Applicants in it.
    rates : list of float or None, or None
        The share of them that defaulted; None where it is not told.
    own : int or None
        The applicant's own bin.
    places, widths, heights : list of float
        Its bar: of numbers the area is the count, of categories the height.
    numeric : bool
        Whether the bins follow each other on an axis of numbers.
    missing : int
        Applicants without a value.
    missing_rate, average : float or None
        The share of those without a value, and of all, that defaulted.
    applicants : int
        All of them.
    """

    labels: list[str]
    counts: list[int]
    rates: list[float | None] | None
    own: int | None
    places: list[float]
    widths: list[float]
    heights: list[float]
    numeric: bool
    missing: int
    missing_rate: float | None
    average: float | None
    applicants: int

    @property
    def below(self) -> float:
        """The share of applicants with a value whose bin is lower than the own one."""
        return sum(self.counts[: self.own or 0]) / max(sum(self.counts), 1)


def bins_of(found: Mapping[str, Any], value: object, told: Callable[[float], str]) -> Bins:
    """The bins as the API tells them.

    Parameters
    ----------
    found : mapping
        An answer of GET /model/features/{feature}.
    value : object
        The applicant's own.
    told : callable
        A number in words.
    """
    numeric = found["kind"] == "number"
    kept = list(range(len(found["counts"]))) if numeric else _largest(found, value)
    counts = [found["counts"][i] for i in kept]
    if numeric:
        labels = _ranges(found["edges"], told)
        places, widths = _bars(found)
        heights = [count / width for count, width in zip(counts, widths, strict=True)]
        own = None if value is None else _place(found["edges"], value)
    else:
        labels = [found["levels"][i] for i in kept]
        places, widths = [float(i) for i in range(len(kept))], [0.8] * len(kept)
        heights = [float(count) for count in counts]
        own = labels.index(str(value)) if value in labels else None
    return Bins(
        labels, counts, _rates(found, kept), own, places, widths, heights, numeric,
        found["missing"], _share(found["missing_defaults"], found["missing"]), _average(found),
        found["applicants"],
    )  # fmt: skip


def _largest(found: Mapping[str, Any], value: object) -> list[int]:
    """The levels that most have, the most frequent first, and the own one."""
    order = sorted(range(len(found["levels"])), key=lambda i: -found["counts"][i])
    kept = order[:_MOST_LEVELS]
    if value in found["levels"] and (own := found["levels"].index(value)) not in kept:
        kept[-1] = own
    return kept


def _ranges(edges: Sequence[float], told: Callable[[float], str]) -> list[str]:
    if not edges:
        return ["–"]
    words = [told(edge) for edge in edges]
    between = [f"{low} – {high}" for low, high in pairwise(words)]
    return [f"≤ {words[0]}", *between, f"> {words[-1]}"]


def _place(edges: Sequence[float], value: object) -> int | None:
    # A bin reaches up to its upper edge, which belongs to it.
    return bisect_left(edges, value) if isinstance(value, int | float) else None


def _bars(found: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    edges: list[float] = found["edges"]
    low, high = found["low"] or 0.0, found["high"] or 0.0
    if len(edges) > 1:
        low = max(low, edges[0] - _WIDEST * (edges[1] - edges[0]))
        high = min(high, edges[-1] + _WIDEST * (edges[-1] - edges[-2]))
    ends = list(pairwise([low, *edges, high]))
    # A bin of one value only has no width of its own.
    least = max((high - low) / 200, 1e-9)
    widths = [max(stop - start, least) for start, stop in ends]
    return [(start + stop) / 2 for start, stop in ends], widths


def _rates(found: Mapping[str, Any], kept: Sequence[int]) -> list[float | None] | None:
    if found["defaults"] is None:
        return None
    return [_share(found["defaults"][i], found["counts"][i]) for i in kept]


def _share(part: int | None, whole: int) -> float | None:
    return None if part is None or not whole else part / whole


def _average(found: Mapping[str, Any]) -> float | None:
    """The default rate of all whose bin is told."""
    if found["defaults"] is None:
        return None
    told: list[tuple[int, int]] = [
        (part, whole)
        for part, whole in (
            *zip(found["defaults"], found["counts"], strict=True),
            (found["missing_defaults"], found["missing"]),
        )
        if part is not None
    ]
    return sum(part for part, _ in told) / max(sum(whole for _, whole in told), 1)
