"""A population as counts: how applicants look to a model, and what it makes of them.

A profile keeps, of every feature, how many applicants fall into each bin and how many have no
value; the same of the probability of default; and how often each decision and each reason was
given. It is as small for a million applicants as for a thousand, profiles of parts of a population
add up to that of the whole, and no applicant can be read from it.

The bins are made once, from the applicants that a model learnt from (`Profile.of_training`): the
Scorer carries that profile, and every later population is counted by the same bins.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.features.causes import NEVER, NONE_OWNED

# The PD among the columns of a profile.
PD = "probability_of_default"

# A bin is to hold a twentieth of the applicants that a model learnt from, and at least so many.
_BINS = 20
_FEWEST = 50

Numbers = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]


class ProfileError(ValueError):
    """Profiles do not fit together, or are none."""


@dataclass(frozen=True, slots=True)
class Column:
    """A feature of a population, or its PD.

    Attributes
    ----------
    edges : tuple of float
        Of a number, rising: bin i holds values above edges[i - 1] and up to edges[i].
    levels : tuple of str
        Of a category: bin i holds those of levels[i]. There are no edges then.
    counts : tuple of int
        How many applicants are in each bin: one more than edges, or as many as levels.
    missing : int
        How many have no value.
    low, high : float
        The smallest and the largest number that a training applicant has; NaN for a category, and
        where no applicant has one.
    outside : int
        How many numbers are below low or above high.
    defaults : tuple of int
        How many in each bin defaulted; empty where outcomes are not known.
    missing_defaults : int
        How many of those without a value did.
    """

    edges: tuple[float, ...]
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    missing: int
    low: float = math.nan
    high: float = math.nan
    outside: int = 0
    defaults: tuple[int, ...] = ()
    missing_defaults: int = 0

    @classmethod
    def of_numbers(cls, values: Numbers) -> Column:
        """Bins of about equal count, from the numbers themselves; NaN is missing."""
        known = np.sort(values[~np.isnan(values)])
        if known.size == 0:
            return cls((), (), (0,), values.size)
        bins = min(max(known.size // _FEWEST, 1), _BINS)
        # Values that occur, so that equal numbers are never parted by a rounding.
        edges = np.unique(known[np.arange(1, bins) * known.size // bins])
        edges = edges[edges < known[-1]]
        empty = cls(
            edges=tuple(edges.tolist()),
            levels=(),
            counts=(0,) * (edges.size + 1),
            missing=0,
            low=float(known[0]),
            high=float(known[-1]),
        )
        return empty.counted(values)

    @classmethod
    def of_categories(cls, codes: Numbers, levels: Sequence[str]) -> Column:
        """A bin a level, from the levels' places; NaN is missing."""
        return cls((), tuple(levels), (0,) * len(levels), 0).counted(codes)

    @property
    def known(self) -> int:
        """How many applicants have a value."""
        return sum(self.counts)

    @property
    def applicants(self) -> int:
        """How many were counted."""
        return self.known + self.missing

    def counted(self, values: Numbers) -> Column:
        """Another population by the same bins.

        Parameters
        ----------
        values : numpy.ndarray of shape (applicants,)
            Numbers, or the places of levels; NaN is missing.
        """
        known = values[~np.isnan(values)]
        # No comparison with NaN is true: of categories nothing is outside.
        outside = np.count_nonzero((known < self.low) | (known > self.high))
        return replace(
            self,
            counts=self._by_bin(known),
            missing=values.size - known.size,
            outside=int(outside),
            defaults=(),
            missing_defaults=0,
        )

    def with_outcomes(self, values: Numbers, defaulted: Flags) -> Column:
        """The same column with the defaults among the applicants that were counted.

        Parameters
        ----------
        values : numpy.ndarray of shape (applicants,)
            As they were counted.
        defaulted : numpy.ndarray of bool of shape (applicants,)
            What happened.
        """
        missing = np.isnan(values)
        return replace(
            self,
            defaults=self._by_bin(values[~missing & defaulted]),
            missing_defaults=int(np.count_nonzero(missing & defaulted)),
        )

    def _by_bin(self, known: Numbers) -> tuple[int, ...]:
        places = (
            known.astype(np.intp)
            if self.levels
            else np.searchsorted(np.asarray(self.edges), known, side="left")
        )
        return tuple(np.bincount(places, minlength=len(self.counts)).tolist())

    def plus(self, other: Column) -> Column:
        """Both populations together; outcomes are of one alone.

        Raises
        ------
        ProfileError
            If the bins are not the same.
        """
        if (self.edges, self.levels) != (other.edges, other.levels):
            raise ProfileError("profiles with other bins cannot be added: they are of other models")
        return replace(
            self,
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            missing=self.missing + other.missing,
            outside=self.outside + other.outside,
            defaults=(),
            missing_defaults=0,
        )


@dataclass(frozen=True)
class Profile:
    """A population, as a model sees it.

    Attributes
    ----------
    columns : mapping of str to Column
        The model's features, and the PD as `PD`.
    decisions : mapping of str to int
        How often each was taken.
    reasons : mapping of str to int
        How many applicants had each cause among their reasons.
    explained : int
        How many applicants' reasons were counted.
    importance : mapping of str to float
        Each feature's part of the sum of mean absolute contributions; they sum to 1. Empty where
        contributions are not known.
    usual : mapping of str to float, str or None
        Each feature's usual value among the applicants that the model accepts.
    """

    columns: Mapping[str, Column]
    decisions: Mapping[str, int]
    reasons: Mapping[str, int] = field(default_factory=dict)
    explained: int = 0
    importance: Mapping[str, float] = field(default_factory=dict)
    usual: Mapping[str, float | str | None] = field(default_factory=dict)

    @property
    def applicants(self) -> int:
        """How many have a PD."""
        return self.columns[PD].applicants

    @classmethod
    def of_training(
        cls,
        features: Mapping[str, Sequence[str]],
        matrix: Numbers,
        pds: Numbers,
        decisions: Iterable[str],
        defaulted: Flags | None = None,
    ) -> Profile:
        """The profile that later populations are held against.

        Parameters
        ----------
        features : mapping of str to sequence of str
            Names in the order of the columns, with a category's levels; none for a number.
        matrix : numpy.ndarray of shape (applicants, features)
            What the model learnt from: numbers, places of levels, NaN.
        pds : numpy.ndarray of shape (applicants,)
            Of models that had not seen the applicant: what a model says of its own training rows
            is more extreme than what it says of others, who would then seem to have changed.
        decisions : iterable of str
            What those PDs mean.
        defaulted : numpy.ndarray of bool of shape (applicants,), optional
            What happened.
        """
        columns = {
            name: Column.of_categories(matrix[:, i], levels)
            if levels
            else Column.of_numbers(matrix[:, i])
            for i, (name, levels) in enumerate(features.items())
        }
        scored = Column.of_numbers(pds)
        if defaulted is not None:
            columns = {
                name: column.with_outcomes(matrix[:, i], defaulted)
                for i, (name, column) in enumerate(columns.items())
            }
            scored = scored.with_outcomes(pds, defaulted)
        taken = list(decisions)
        accepted = matrix[[decision == "accept" for decision in taken]]
        return cls(
            {**columns, PD: scored},
            dict(Counter(taken)),
            usual=usual_values(features, accepted),
        )

    def explained_by(self, reasons: Iterable[Iterable[str]], contributions: Numbers) -> Profile:
        """The same profile with what drove the PDs of applicants that the model has not seen.

        Parameters
        ----------
        reasons : iterable of iterable of str
            The causes that each applicant was told.
        contributions : numpy.ndarray of shape (applicants, features)
            In the order of the columns.
        """
        told = list(reasons)
        strength = np.abs(contributions).mean(axis=0)
        shares = strength / max(strength.sum(), np.finfo(np.float64).tiny)
        names = [name for name in self.columns if name != PD]
        return replace(
            self,
            reasons=dict(Counter(chain.from_iterable(told))),
            explained=len(told),
            importance=dict(zip(names, shares.tolist(), strict=True)),
        )

    def counted(
        self,
        matrix: Numbers,
        pds: Numbers,
        decisions: Iterable[str],
        reasons: Iterable[Iterable[str]],
    ) -> Profile:
        """Another population by the same bins.

        Parameters
        ----------
        matrix : numpy.ndarray of shape (applicants, features)
            In the order of the columns.
        pds : numpy.ndarray of shape (applicants,)
            Their PDs.
        decisions : iterable of str
            What was decided.
        reasons : iterable of iterable of str
            The causes that each applicant was told.
        """
        told = list(reasons)
        names = [name for name in self.columns if name != PD]
        columns = {name: self.columns[name].counted(matrix[:, i]) for i, name in enumerate(names)}
        return Profile(
            columns={**columns, PD: self.columns[PD].counted(pds)},
            decisions=dict(Counter(decisions)),
            reasons=dict(Counter(chain.from_iterable(told))),
            explained=len(told),
        )

    def plus(self, other: Profile) -> Profile:
        """Both populations together; the importance stays this one's.

        Raises
        ------
        ProfileError
            If the columns or their bins are not the same.
        """
        if self.columns.keys() != other.columns.keys():
            raise ProfileError(
                "profiles of other features cannot be added: they are of other models"
            )
        return Profile(
            columns={name: own.plus(other.columns[name]) for name, own in self.columns.items()},
            decisions=dict(Counter(self.decisions) + Counter(other.decisions)),
            reasons=dict(Counter(self.reasons) + Counter(other.reasons)),
            explained=self.explained + other.explained,
            importance=self.importance,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            # A list: their order is the model's.
            "columns": [
                {"name": name, **_column_json(column)} for name, column in self.columns.items()
            ],
            "decisions": dict(self.decisions),
            "reasons": dict(self.reasons),
            "explained": self.explained,
            "importance": dict(self.importance),
            "usual": dict(self.usual),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Profile:
        """What `as_json` gave.

        Raises
        ------
        ProfileError
            If it is something else.
        """
        try:
            _check_counts(found["explained"], *found["decisions"].values())
            _check_counts(*found["reasons"].values())
            return cls(
                columns={one["name"]: _column(one) for one in found["columns"]},
                decisions=dict(found["decisions"]),
                reasons=dict(found["reasons"]),
                explained=found["explained"],
                importance={name: float(part) for name, part in found["importance"].items()},
                usual={name: _usual(value) for name, value in found["usual"].items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProfileError(f"not a profile: {error}") from error


def usual_values(
    features: Mapping[str, Sequence[str]], matrix: Numbers
) -> dict[str, float | str | None]:
    """The usual value of each feature: the median of numbers, the most common of categories.

    Parameters
    ----------
    features : mapping of str to sequence of str
        As for `Profile.of_training`.
    matrix : numpy.ndarray of shape (applicants, features)
        Of applicants that the model accepts.

    Returns
    -------
    dict of str to float, str or None
        None where none of them has a value, or, if that means that something never happened or is
        not owned, most have none.
    """
    return {
        name: _most_usual(name, levels, matrix[:, i])
        for i, (name, levels) in enumerate(features.items())
    }


def _most_usual(name: str, levels: Sequence[str], values: Numbers) -> float | str | None:
    known = values[~np.isnan(values)]
    if known.size == 0 or (name in NEVER | NONE_OWNED and 2 * known.size < values.size):
        return None
    if levels:
        return levels[int(np.bincount(known.astype(np.intp)).argmax())]
    # A value that occurs: of counts and flags nothing is half.
    return value_of((), float(np.quantile(known, 0.5, method="inverted_cdf")))


def value_of(levels: Sequence[str], value: float) -> float | str | None:
    """A value of the model's matrix as a category, or with the digits that its 32 bits hold.

    0.42, not 0.41999998688697815.
    """
    if math.isnan(value):
        return None
    return levels[int(value)] if levels else _shortest(value)


@lru_cache(4096)
def _shortest(value: float) -> float:
    return float(str(np.float32(value)))


def _usual(value: object) -> float | str | None:
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no value of a feature")
    return value


def _check_counts(*counts: object) -> None:
    if any(type(one) is not int or one < 0 for one in counts):
        raise ValueError("a count is none")


def _column_json(column: Column) -> dict[str, Any]:
    outcomes = {"defaults": list(column.defaults), "missing_defaults": column.missing_defaults}
    # JSON has no NaN.
    return {
        "edges": list(column.edges),
        "levels": list(column.levels),
        "counts": list(column.counts),
        "missing": column.missing,
        "range": None if math.isnan(column.low) else [column.low, column.high],
        "outside": column.outside,
        **(outcomes if column.defaults else {}),
    }


def _column(found: Mapping[str, Any]) -> Column:
    low, high = found["range"] or (math.nan, math.nan)
    column = Column(
        edges=tuple(map(float, found["edges"])),
        levels=tuple(map(str, found["levels"])),
        counts=tuple(found["counts"]),
        missing=found["missing"],
        low=float(low),
        high=float(high),
        outside=found["outside"],
        defaults=tuple(found.get("defaults", ())),
        missing_defaults=found.get("missing_defaults", 0),
    )
    _check_counts(*column.counts, column.missing, column.outside)
    _check_counts(*column.defaults, column.missing_defaults)
    bins = len(column.levels) or len(column.edges) + 1
    if len(column.counts) != bins or len(column.defaults) not in (0, bins):
        raise ValueError(f"{found['name']} has not one count a bin")
    if sorted(set(column.edges)) != list(column.edges):
        raise ValueError(f"the bins of {found['name']} do not rise")
    return column
