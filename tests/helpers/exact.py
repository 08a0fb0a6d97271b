"""What the tests of exactness share: one applicant's rows, and comparison to the last bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import polars.selectors as cs

from scoring.features.engine.numpy_program import Array
from scoring.features.engine.numpy_rows import SmallRows

Rows = Mapping[str, pl.DataFrame]


def collected(frames: Mapping[str, pl.LazyFrame]) -> dict[str, pl.DataFrame]:
    return {name: rows.collect() for name, rows in frames.items()}


def own_rows(frames: Rows, applicant: int) -> dict[str, pl.DataFrame]:
    """The rows of one applicant in every table, as a request holds them."""
    own = {
        name: rows.filter(SK_ID_CURR=applicant)
        for name, rows in frames.items()
        if name != "bureau_balance"
    }
    months = frames["bureau_balance"]
    loans = own["bureau"]["SK_ID_BUREAU"]
    return {**own, "bureau_balance": months.filter(pl.col("SK_ID_BUREAU").is_in(loans.implode()))}


def shuffled(frames: Rows, seed: int) -> dict[str, pl.DataFrame]:
    return {
        name: rows.sample(fraction=1.0, shuffle=True, seed=seed) for name, rows in frames.items()
    }


def lazy(frames: Rows) -> dict[str, pl.LazyFrame]:
    return {name: rows.lazy() for name, rows in frames.items()}


def as_frame(rows: SmallRows, like: pl.DataFrame) -> pl.DataFrame:
    """Rows that numpy made, in the types and the order of columns that Polars gave them."""
    assert sorted(rows.names) == sorted(like.columns)
    return pl.DataFrame(
        [_as_series(name, rows.column(name)).cast(like.schema[name]) for name in like.columns]
    )


def _as_series(name: str, values: Array) -> pl.Series:
    if values.dtype == object:
        return pl.Series(name, values.tolist(), pl.String)
    return pl.Series(name, values, nan_to_null=True)


def differing(left: pl.DataFrame, right: pl.DataFrame) -> list[str]:
    """The columns that differ in name, type, null, or any bit of a value."""
    if left.schema != right.schema or left.height != right.height:
        return ["the schema or the number of rows"]
    floats = left.select(cs.float()).columns
    changed = [
        name
        for name in floats
        if left[name].is_null().to_list() != right[name].is_null().to_list()
        or _bytes(left[name]) != _bytes(right[name])
    ]
    others = [name for name in left.columns if name not in floats]
    return changed + [name for name in others if not left[name].equals(right[name])]


def _bytes(values: pl.Series) -> bytes:
    return np.ascontiguousarray(values.fill_null(0.0).to_numpy()).tobytes()
