"""The features of applicants as plain vectors of 32-bit floats, the form in which they are kept.

Every feature is a Float32 or the code of a category, so nothing is lost on the way.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.data.tables import TABLES, empty_frame
from scoring.errors import ScoringError
from scoring.features import are_few, build_features, features_of_few
from scoring.features.definitions import definitions

Vectors = npt.NDArray[np.float32]

_STORED = np.dtype("<f4")
# Kept by the hundred thousand and packed while somebody waits: the quickest level is enough.
_COMPRESSION = 1


class VectorError(ScoringError):
    """Stored features are damaged, or not those of this code."""


@dataclass(frozen=True)
class Layout:
    """What stands where in a vector.

    Attributes
    ----------
    names : tuple of str
        The columns of `build_features` in their order, SK_ID_CURR left out.
    levels : mapping of str to tuple of str
        The categories of those columns that have some, in the order of their codes.
    definitions : mapping of str to str
        The digest of how each is computed.
    """

    names: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    definitions: Mapping[str, str]

    @cached_property
    def text(self) -> str:
        """The layout as JSON, to be kept beside the vectors."""
        levels = {name: list(own) for name, own in self.levels.items()}
        return json.dumps([list(self.names), levels, dict(self.definitions)], ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """What vectors are kept with, 16 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @classmethod
    def read(cls, text: str) -> Layout:
        """The layout that `text` says."""
        names, levels, defined = json.loads(text)
        return cls(tuple(names), {name: tuple(own) for name, own in levels.items()}, defined)

    @cached_property
    def lacking(self) -> frozenset[str]:
        """The features of this code that vectors of the layout do not tell."""
        return frozenset(
            name for name, own in definitions().items() if self.definitions.get(name) != own
        )

    @cached_property
    def categories(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Where in a vector categories stand, and how many values each has."""
        places = [self.names.index(name) for name in self.levels]
        counts = [len(own) for own in self.levels.values()]
        return np.array(places, np.intp), np.array(counts, np.intp)


class Layouts:
    """The layouts that stored vectors are in: this code's, and those that are kept of earlier ones.

    Parameters
    ----------
    kept : callable of (digest) to str or None
        The text of an earlier layout, as the store has it.
    """

    def __init__(self, kept: Callable[[str], str | None]) -> None:
        self._kept = kept
        self._known = {layout().digest: layout()}

    def of(self, digest: str) -> Layout:
        """The layout of a digest.

        Raises
        ------
        VectorError
            If it is not kept.
        """
        if digest not in self._known:
            text = self._kept(digest)
            if text is None:
                raise VectorError(f"features are stored in the layout {digest}, which is not kept")
            self._known[digest] = Layout.read(text)
        return self._known[digest]


@cache
def layout() -> Layout:
    """The layout of this code's vectors."""
    schema = build_features({name: empty_frame(table) for name, table in TABLES.items()}).schema
    names = tuple(name for name in schema if name != "SK_ID_CURR")
    enums = {name: schema[name] for name in names}
    return Layout(
        names,
        {name: tuple(kind.categories) for name, kind in enums.items() if isinstance(kind, pl.Enum)},
        definitions(),
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


def from_bytes(stored: bytes, made: Layout | None = None) -> Vectors:
    """The vector that `to_bytes` compressed, in this code's layout.

    Parameters
    ----------
    stored : bytes
        The compressed vector.
    made : Layout, optional
        What it was made in, this code's by default. What that does not tell is NaN.

    Raises
    ------
    VectorError
        If it is damaged, or was made for another list of features.
    """
    own = made or layout()
    try:
        vector = np.frombuffer(zlib.decompress(stored), dtype=_STORED)
    except (zlib.error, ValueError) as error:
        raise VectorError(f"stored features cannot be read: {error}") from error
    if vector.size != len(own.names):
        raise VectorError(
            f"{vector.size} features are stored and this layout has {len(own.names)}: "
            "run `python -m scoring materialize` again"
        )
    if not _has_known_categories(vector, own):
        raise VectorError("stored features have categories that there are not")
    vector = vector.astype(np.float32, copy=False)
    return vector if own.digest == layout().digest else _moved(vector, own)


def _has_known_categories(vector: Vectors, own: Layout) -> bool:
    places, numbers = own.categories
    codes = vector[places]
    # Damaged ones may be infinite, which numpy would warn of.
    with np.errstate(invalid="ignore"):
        known = (codes >= 0) & (codes < numbers) & (codes % 1 == 0)
    return bool(np.all(known | np.isnan(codes)))


def _moved(vector: Vectors, made: Layout) -> Vectors:
    """A vector of another layout in this code's, as far as features are still the same."""
    values = dict(zip(made.names, vector.tolist(), strict=True))
    for name, levels in layout().levels.items():
        code = values.get(name, math.nan)
        if not math.isnan(code) and name not in made.lacking:
            level = made.levels[name][int(code)]
            values[name] = levels.index(level) if level in levels else math.nan
    known = (math.nan if name in made.lacking else values[name] for name in layout().names)
    return np.array([*known], dtype=np.float32)
