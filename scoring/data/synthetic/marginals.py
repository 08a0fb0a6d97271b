"""Distributions by stratum: measured as aggregates of real rows, drawn by inversion.

A table is what the profile stores of one column: quantiles of at least 20 rows each, or
frequencies of values seen in at least 5 rows. Nothing finer is ever kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Json = dict[str, Any]
# By the name of a trait or summary, a standard normal value an applicant.
Latents = Mapping[str, FloatArray]

ROWS_PER_QUANTILE = 20
ROWS_PER_VALUE = 5
MOST_KNOTS = 201
MOST_KNOTS_OF_STRATUM = 101
# A column with more distinct values than this is described by quantiles.
MOST_VALUES = 160
# What a category that is known but too rare to be counted is given.
RARE_SHARE = 1e-5
# The stratum that stands for all rows. A stratum "a|b" that is unknown or was too small is
# looked up as "a", and that, if need be, as the whole.
WHOLE = ""


@dataclass(frozen=True)
class NumberTable:
    """Quantiles or frequencies of a number, by stratum.

    A stratum has values in rising order and, of frequencies, the cumulated share up to each.
    """

    strata: dict[str, tuple[FloatArray, FloatArray | None]]

    @classmethod
    def load(cls, stored: Json) -> NumberTable:
        """Read what `measure_numbers` stored."""
        strata: dict[str, tuple[FloatArray, FloatArray | None]] = {}
        for key, entry in stored["strata"].items():
            values = np.array(entry["at"], float)
            shares = entry.get("shares")
            strata[key] = values, None if shares is None else _cumulated(shares)
        return cls(strata)

    def draw(self, uniform: FloatArray, keys: pl.Series | None = None) -> FloatArray:
        """Values at ranks in (0, 1), in the stratum of each: higher ranks never give lower ones."""
        drawn = np.empty(len(uniform))
        for key, chosen in _by_stratum(keys, len(uniform)):
            values, cumulated = self.strata[_known(key, self.strata)]
            ranks = uniform[chosen]
            if cumulated is None:
                position = ranks * (len(values) - 1)
                drawn[chosen] = np.interp(position, np.arange(len(values)), values)
            else:
                drawn[chosen] = values[_locate(cumulated, ranks)]
        return drawn


@dataclass(frozen=True)
class CategoryTable:
    """Frequencies of categories, by stratum: the cumulated share of each label.

    Ranks run through the labels in their order; None is a missing value.
    """

    labels: list[str | None]
    strata: dict[str, FloatArray]

    @classmethod
    def load(cls, stored: Json) -> CategoryTable:
        """Read what `measure_categories` stored."""
        strata = {}
        for key, shares in stored["strata"].items():
            full = np.zeros(len(stored["labels"]))
            full[[int(index) for index in shares]] = list(shares.values())
            strata[key] = _cumulated(full)
        return cls(stored["labels"], strata)

    def codes(self, uniform: FloatArray, keys: pl.Series | None = None) -> IntArray:
        """Positions in `labels` at the given ranks, shape (n,)."""
        codes = np.empty(len(uniform), np.int64)
        for key, chosen in _by_stratum(keys, len(uniform)):
            cumulated = self.strata[_known(key, self.strata)]
            codes[chosen] = _locate(cumulated, uniform[chosen])
        return codes

    def shares(self, key: str) -> FloatArray:
        """The cumulated share of each label in a stratum, shape (labels,)."""
        return self.strata[_known(key, self.strata)]

    def draw(self, uniform: FloatArray, keys: pl.Series | None = None) -> pl.Series:
        """Labels at the given ranks, of length n."""
        return pl.Series(self.labels, dtype=pl.String).gather(self.codes(uniform, keys))

    def columns(
        self, names: Sequence[str], uniform: FloatArray, keys: pl.Series | None = None
    ) -> pl.DataFrame:
        """Draw labels that were joined by `joined` and part them into their columns again."""
        parts = [(label or "").split("|") for label in self.labels]
        lookup = pl.DataFrame(parts, schema=[(name, pl.String) for name in names], orient="row")
        codes = self.codes(uniform, keys)
        return lookup.select(pl.all().replace("", None).gather(codes))


Tables = tuple[dict[str, NumberTable], dict[str, CategoryTable]]


def load_tables(stored: Json) -> Tables:
    """The tables of numbers, and those of categories, in a part of the profile."""
    tables = {name: entry for name, entry in stored.items()
              if isinstance(entry, dict) and "strata" in entry}  # fmt: skip
    return (
        {name: NumberTable.load(entry) for name, entry in tables.items() if "labels" not in entry},
        {name: CategoryTable.load(entry) for name, entry in tables.items() if "labels" in entry},
    )


def in_grains(value: pl.Expr, grain: float | pl.Expr) -> pl.Expr:
    """An amount rounded to a multiple of a smallest one."""
    return ((value / grain).round(0) * grain).round(3)


def joined(*columns: str | pl.Expr) -> pl.Expr:
    """Several columns as one text; a null is an empty part."""
    parts = [pl.col(column) if isinstance(column, str) else column for column in columns]
    return pl.concat_str([part.cast(pl.String).fill_null("") for part in parts], separator="|")


def measure_numbers(values: pl.Series, keys: pl.Series | None = None) -> Json:
    """The aggregates from which a `NumberTable` is loaded; nulls and NaN are left out."""
    frame = _stratified(values.cast(pl.Float64), keys).filter(pl.col("value").is_finite())
    distinct = frame["value"].n_unique() <= MOST_VALUES
    strata = {WHOLE: _numbers(frame["value"].to_numpy(), distinct, MOST_KNOTS)}
    for key, group in _large_groups(frame, 10 * ROWS_PER_QUANTILE):
        strata[key] = _numbers(group["value"].to_numpy(), distinct, MOST_KNOTS_OF_STRATUM)
    return {"strata": strata}


def measure_categories(
    values: pl.Series,
    keys: pl.Series | None = None,
    order: Iterable[str | None] = (),
    known: Iterable[str] = (),
) -> Json:
    """The aggregates from which a `CategoryTable` is loaded; nulls are a category of their own.

    Labels that are not in `order` follow by frequency, and those that are `known` get `RARE_SHARE`
    when fewer than 5 rows have them.
    """
    frame = _stratified(values.cast(pl.String), keys)
    counted = _counts(frame)
    labels = [*order]
    labels += [label for label in counted if label not in labels]
    rare = [label for label in known if label not in counted]
    labels += [label for label in rare if label not in labels]
    strata = {WHOLE: _shares(counted, labels, rare)}
    for key, group in _large_groups(frame, ROWS_PER_QUANTILE):
        if counts := _counts(group):
            strata[key] = _shares(counts, labels, rare)
    return {"labels": labels, "strata": strata}


def _stratified(values: pl.Series, keys: pl.Series | None) -> pl.DataFrame:
    key = pl.lit(WHOLE).alias("key") if keys is None else keys.alias("key")
    return pl.DataFrame({"value": values}).with_columns(key)


def _large_groups(frame: pl.DataFrame, rows: int) -> Iterable[tuple[str, pl.DataFrame]]:
    """Strata of enough rows, and of the others what they are part of."""
    while frame.height:
        groups = frame.filter(pl.col("key") != WHOLE).partition_by(
            "key", as_dict=True, maintain_order=True
        )
        large = {str(key): group for (key,), group in groups.items() if group.height >= rows}
        yield from sorted(large.items(), key=lambda item: item[0])
        parent = pl.col("key").str.replace(r"\|?[^|]*$", "")
        small = [str(key) for (key,) in groups if key not in large]
        parents = pl.Series(small, dtype=pl.String).str.replace(r"\|?[^|]*$", "").unique()
        frame = frame.with_columns(key=parent).filter(pl.col("key").is_in(parents.implode()))


def _known(key: str, strata: Mapping[str, object]) -> str:
    while key not in strata:
        key = key.rpartition("|")[0]
    return key


def _numbers(values: FloatArray, distinct: bool, most_knots: int) -> Json:
    if distinct:
        return _pooled_frequencies(values)
    ordered = np.sort(values)
    knots = max(2, min(most_knots, len(ordered) // ROWS_PER_QUANTILE + 1))
    at = np.quantile(ordered, np.linspace(0, 1, knots))
    # The outermost values belong to single rows; their neighbourhood's mean belongs to none.
    at[0], at[-1] = ordered[:ROWS_PER_QUANTILE].mean(), ordered[-ROWS_PER_QUANTILE:].mean()
    return {"at": [_rounded(value) for value in at]}


def _pooled_frequencies(values: FloatArray) -> Json:
    """Frequencies, with the values of fewer than 5 rows counted as the nearest frequent one."""
    found, counts = np.unique(values, return_counts=True)
    kept = found[counts >= ROWS_PER_VALUE]
    if not len(kept):
        kept = np.array([np.median(values)])
    nearest = np.abs(found[:, None] - kept[None, :]).argmin(axis=1)
    pooled = np.bincount(nearest, weights=counts, minlength=len(kept))
    shares = pooled / pooled.sum()
    return {
        "at": [_rounded(value) for value in kept],
        "shares": [_rounded(share) for share in shares],
    }


def _counts(frame: pl.DataFrame) -> dict[str | None, int]:
    counted = frame["value"].value_counts(sort=True).sort("count", "value", descending=True)
    return {value: count for value, count in counted.iter_rows() if count >= ROWS_PER_VALUE}


def _shares(counted: dict[str | None, int], labels: list[str | None], rare: list[str]) -> Json:
    whole = sum(counted.values())
    shares = {str(labels.index(key)): _rounded(count / whole) for key, count in counted.items()}
    return shares | {str(labels.index(label)): RARE_SHARE for label in rare}


def _rounded(value: float) -> float:
    """Five significant digits, an integer where it is one (shorter in JSON)."""
    short = float(f"{value:.5g}")
    return int(short) if short.is_integer() else short


def _cumulated(shares: Sequence[float] | FloatArray) -> FloatArray:
    cumulated = np.cumsum(np.asarray(shares, float))
    normalised: FloatArray = cumulated / cumulated[-1]
    return normalised


def _locate(cumulated: FloatArray, ranks: FloatArray) -> IntArray:
    return np.minimum(np.searchsorted(cumulated, ranks, side="right"), len(cumulated) - 1)


def _by_stratum(keys: pl.Series | None, rows: int) -> Iterable[tuple[str, slice | IntArray]]:
    if keys is None:
        return [(WHOLE, slice(None))]
    groups = pl.DataFrame({"key": keys, "row": np.arange(rows)}).group_by("key").agg("row")
    return [(str(key), np.asarray(chosen, np.int64)) for key, chosen in groups.iter_rows()]
