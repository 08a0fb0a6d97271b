"""The features of applicants as plain vectors of 32-bit floats, the form in which they are kept.

Every feature is a Float32 or the code of a category, so nothing is lost on the way.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.data.tables import TABLES, empty_frame
from scoring.errors import ScoringError
from scoring.features import are_few, build_features, features_of_few

Vectors = npt.NDArray[np.float32]

_STORED = np.dtype("<f4")
# Kept by the hundred thousand and packed while somebody waits: the quickest level is enough.
_COMPRESSION = 1


class VectorError(ScoringError):
    """Stored features are damaged, or not those of this code."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What stands where in a vector.

    Attributes
    ----------
    names : tuple of str
        The columns of `build_features` in their order, SK_ID_CURR left out.
    levels : mapping of str to tuple of str
        The categories of those columns that have some, in the order of their codes.
    """

    names: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]


@cache
def layout() -> Layout:
    """The layout of this version of the features."""
    schema = build_features({name: empty_frame(table) for name, table in TABLES.items()}).schema
    names = tuple(name for name in schema if name != "SK_ID_CURR")
    enums = {name: schema[name] for name in names}
    return Layout(
        names,
        {name: tuple(kind.categories) for name, kind in enums.items() if isinstance(kind, pl.Enum)},
    )


def pack(features: pl.DataFrame) -> Vectors:
    """Features as vectors, of shape (applicants, columns): category codes, NaN for null."""
    names, levels = layout().names, layout().levels
    codes = [pl.col(name).to_physical().cast(pl.Float32) for name in levels]
    # Two calls for all columns, since each costs more than one applicant's values.
    numbers = features.select(names).with_columns(codes)
    return numbers.to_numpy().astype(np.float32, copy=False)


def compute(frames: Mapping[str, pl.DataFrame]) -> Vectors:
    """What `pack` gives of `build_features`, without a frame between for few applicants."""
    return (
        features_of_few(frames).vectors(_codes())
        if are_few(frames)
        else pack(build_features(frames))
    )


@cache
def _codes() -> Mapping[str, Mapping[str, int]]:
    return {
        name: {text: code for code, text in enumerate(levels)}
        for name, levels in layout().levels.items()
    }


def to_bytes(vector: Vectors) -> bytes:
    """One applicant's vector, compressed."""
    return zlib.compress(vector.astype(_STORED, copy=False).tobytes(), _COMPRESSION)


def from_bytes(stored: bytes) -> Vectors:
    """The vector that `to_bytes` compressed.

    Raises
    ------
    VectorError
        If it is damaged, or was made for another list of features.
    """
    try:
        vector = np.frombuffer(zlib.decompress(stored), dtype=_STORED)
    except (zlib.error, ValueError) as error:
        raise VectorError(f"stored features cannot be read: {error}") from error
    if vector.size != len(layout().names):
        raise VectorError(
            f"{vector.size} features are stored and this code has {len(layout().names)}: "
            "run `python -m scoring materialize` again"
        )
    if not _has_known_categories(vector):
        raise VectorError("stored features have categories that there are not")
    return vector.astype(np.float32, copy=False)


def _has_known_categories(vector: Vectors) -> bool:
    places, numbers = _categories()
    codes = vector[places]
    # Damaged ones may be infinite, which numpy would warn of.
    with np.errstate(invalid="ignore"):
        known = (codes >= 0) & (codes < numbers) & (codes % 1 == 0)
    return bool(np.all(known | np.isnan(codes)))


@cache
def _categories() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where in a vector categories stand, and how many values each has."""
    names, levels = layout().names, layout().levels
    places = [names.index(name) for name in levels]
    return np.array(places, np.intp), np.array([len(own) for own in levels.values()], np.intp)
