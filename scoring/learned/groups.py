"""What is known of applicants of the same kind: their default rate, their income and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.learned.base import (
    Labels,
    LearnedError,
    Rows,
    codes,
    columns_frame,
    finite,
    numbers,
    quotient,
    readable,
    write_json,
)
from scoring.model_files import read_json

T = TypeVar("T")
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Group = tuple[str, ...]
Medians = tuple[float | None, ...]

# Neither sex, age nor family status: what is learnt of a group would carry them into the model.
RATE_GROUPS: tuple[Group, ...] = (
    ("ORGANIZATION_TYPE",),
    ("OCCUPATION_TYPE",),
    ("NAME_INCOME_TYPE", "NAME_EDUCATION_TYPE"),
    ("OCCUPATION_TYPE", "NAME_EDUCATION_TYPE"),
    ("OCCUPATION_TYPE", "ORGANIZATION_TYPE"),
)
MEDIAN_GROUPS: tuple[Group, ...] = (
    ("NAME_EDUCATION_TYPE", "OCCUPATION_TYPE"),
    ("ORGANIZATION_TYPE",),
)
_INCOME = "AMT_INCOME_TOTAL"
_SCORES = ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3")

# A group of this size gets half of its own rate and half of everybody's. Among Home Credit's
# groups the rate varies by 2.5 points and single outcomes by 27: (0.27 / 0.025) squared.
_PRIOR_WEIGHT = 115.0
# Medians of fewer are those of everybody.
_FEWEST = 30

_FILE = "groups.json"


@dataclass(frozen=True, slots=True)
class Grouping:
    """Applicants grouped by one or two categories.

    Attributes
    ----------
    names : tuple of str
        The categories.
    levels : tuple of tuple of str
        Their values; missing and unknown ones are a level of their own after these.
    """

    names: Group
    levels: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, names: Group, features: pl.DataFrame) -> Grouping:
        """Group by columns of `build_features`."""
        return cls(names, tuple(_levels(features, name) for name in names))

    @property
    def label(self) -> str:
        """As features name it."""
        return "_AND_".join(self.names)

    @property
    def size(self) -> int:
        """Number of groups, empty ones included."""
        return int(np.prod([len(levels) + 1 for levels in self.levels]))

    def number(self, features: pl.DataFrame) -> Integers:
        """Each applicant's group, from 0."""
        result = np.zeros(features.height, dtype=np.int64)
        for name, levels in zip(self.names, self.levels, strict=True):
            result = result * (len(levels) + 1) + codes(features, name, levels)
        return result


def _levels(features: pl.DataFrame, name: str) -> tuple[str, ...]:
    dtype = features.schema[name]
    if not isinstance(dtype, pl.Enum):
        raise LearnedError(f"{name} must be a category (Enum), as build_features gives it")
    return tuple(dtype.categories)


def _grouping(saved: dict[str, list[list[str]]]) -> Grouping:
    names, levels = saved["names"], saved["levels"]
    return Grouping(tuple(str(name) for name in names), tuple(tuple(values) for values in levels))


def _saved(grouping: Grouping) -> dict[str, object]:
    return {"names": grouping.names, "levels": grouping.levels}


@dataclass(frozen=True)
class TargetMeans:
    """How much oftener, or less often, than everybody applicants of the same group default.

    Attributes
    ----------
    groupings : tuple of Grouping
        One feature each.
    rates : tuple of tuple of float
        The smoothed rate of each group less everybody's.
    """

    groupings: tuple[Grouping, ...]
    rates: tuple[tuple[float, ...], ...]
    name: ClassVar[str] = "target_means"

    @property
    def columns(self) -> tuple[str, ...]:
        """One a grouping."""
        return tuple(f"target_means__{grouping.label}" for grouping in self.groupings)

    def transform(self, rows: Rows, features: pl.DataFrame) -> pl.DataFrame:
        """Look up each applicant's groups."""
        del rows
        found = [
            table[grouping.number(features)]
            for grouping, table in zip(self.groupings, self._tables, strict=True)
        ]
        return columns_frame(self.columns, np.column_stack(found))

    @cached_property
    def _tables(self) -> list[Floats]:
        return [np.array(rates, dtype=np.float64) for rates in self.rates]

    def save(self, folder: Path) -> None:
        """Write the tables as JSON."""
        parts = zip(self.groupings, self.rates, strict=True)
        groups = [{**_saved(part), "rates": rates} for part, rates in parts]
        write_json(folder / _FILE, {"groups": groups})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with readable(folder):
            parts = read_json((folder / _FILE).read_bytes())["groups"]
            groupings = tuple(_grouping(part) for part in parts)
            rates = tuple(finite(_whole(part["rates"], _grouping(part).size)) for part in parts)
            return cls(groupings, rates)


@dataclass(frozen=True, slots=True)
class TargetMeansLearner:
    """Learns the default rates of groups, drawn towards everybody's where a group is small.

    The rate is (defaults + w p) / (n + w), p everybody's rate and w the weight of the prior
    (Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in
    classification and prediction problems", 2001, with lambda(n) = n / (n + w)). What is kept is
    its difference from p: p differs between folds, and is lowest for the fold with most defaults.
    """

    name: str = "target_means"
    uses_target: bool = True
    groups: tuple[Group, ...] = RATE_GROUPS

    def fit(self, rows: Rows, features: pl.DataFrame, target: Labels, seed: int) -> TargetMeans:
        """Count the defaults in each group; nothing in it is random."""
        del rows, seed
        groupings = tuple(Grouping.of(names, features) for names in self.groups)
        return TargetMeans(
            groupings,
            tuple(_rates(part.number(features), target, part.size) for part in groupings),
        )


def _rates(number: Integers, target: Labels, size: int) -> tuple[float, ...]:
    overall = target.mean()
    count = np.bincount(number, minlength=size)
    defaults = np.bincount(number[target == 1], minlength=size)
    smoothed = (defaults - count * overall) / (count + _PRIOR_WEIGHT)
    return tuple(smoothed.tolist())


@dataclass(frozen=True)
class GroupMedians:
    """Typical income and external scores of a group, and the applicant set against them.

    Attributes
    ----------
    groupings : tuple of Grouping
        By what applicants are grouped.
    medians : tuple of tuple of tuple of float
        Of each grouping and value ("AMT_INCOME_TOTAL", then the scores) the median of each
        group; None where nobody's value is known.
    """

    groupings: tuple[Grouping, ...]
    medians: tuple[tuple[Medians, ...], ...]
    name: ClassVar[str] = "group_medians"

    @property
    def columns(self) -> tuple[str, ...]:
        """Of each grouping: the median of each value, and the applicant's own against it."""
        against = (f"{_INCOME}_RATIO", *(f"{name}_DIFFERENCE" for name in _SCORES))
        return tuple(
            f"group_medians__{grouping.label}__{said}"
            for grouping in self.groupings
            for said in (*(f"{name}_MEDIAN" for name in (_INCOME, *_SCORES)), *against)
        )

    def transform(self, rows: Rows, features: pl.DataFrame) -> pl.DataFrame:
        """Look up each applicant's groups and compare."""
        del rows
        own = numbers(features, (_INCOME, *_SCORES))
        parts = []
        for grouping, table in zip(self.groupings, self._tables, strict=True):
            typical = table[grouping.number(features)]
            income = quotient(own[:, 0], typical[:, 0])
            parts += [typical, income[:, np.newaxis], own[:, 1:] - typical[:, 1:]]
        return columns_frame(self.columns, np.concatenate(parts, axis=1))

    @cached_property
    def _tables(self) -> list[Floats]:
        """Of each grouping, of shape (groups, values)."""
        return [np.array(medians, dtype=np.float64).T for medians in self.medians]

    def save(self, folder: Path) -> None:
        """Write the tables as JSON."""
        parts = zip(self.groupings, self.medians, strict=True)
        groups = [{**_saved(part), "medians": rows} for part, rows in parts]
        write_json(folder / _FILE, {"groups": groups})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with readable(folder):
            parts = read_json((folder / _FILE).read_bytes())["groups"]
            groupings = tuple(_grouping(part) for part in parts)
            medians = tuple(
                tuple(_whole(row, _grouping(part).size) for row in part["medians"])
                for part in parts
            )
            finite(one for table in medians for row in table for one in row if one is not None)
            return cls(groupings, medians)


@dataclass(frozen=True, slots=True)
class GroupMediansLearner:
    """Learns medians of income and external scores; labels are not looked at."""

    name: str = "group_medians"
    uses_target: bool = False
    groups: tuple[Group, ...] = MEDIAN_GROUPS

    def fit(self, rows: Rows, features: pl.DataFrame, target: Labels, seed: int) -> GroupMedians:
        """Compute the medians of the applicants of `features`; nothing in it is random."""
        del rows, target, seed
        values = numbers(features, (_INCOME, *_SCORES))
        groupings = tuple(Grouping.of(names, features) for names in self.groups)
        return GroupMedians(
            groupings,
            tuple(
                tuple(_medians(part.number(features), column, part.size) for column in values.T)
                for part in groupings
            ),
        )


def _medians(number: Integers, values: Floats, size: int) -> Medians:
    known = ~np.isnan(values)
    number, values = number[known], values[known]
    result = [float(np.median(values)) if values.size else None] * size
    order = np.argsort(number, kind="stable")
    present, starts = np.unique(number[order], return_index=True)
    for group, members in zip(present, np.split(order, starts[1:]), strict=False):
        if members.size >= _FEWEST:
            result[group] = float(np.median(values[members]))
    return tuple(result)


def _whole(values: Sequence[T], size: int) -> tuple[T, ...]:
    """The values of all groups, as saved."""
    if len(values) != size:
        raise ValueError(f"{len(values)} values for {size} groups")
    return tuple(values)
