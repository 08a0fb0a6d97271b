"""In which bucket of a dataset rows are, how they get there, and digests that do not depend on it.

All rows of an applicant, of every table, are in one bucket. Applicants are spread over `CELLS` by a
hash of their number; a bucket is some consecutive cells, so that a dataset can have any number.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

if TYPE_CHECKING:
    from hashlib import _Hash

# Never changed: digests of datasets are made cell by cell.
CELLS = 1024
# As many applicants as one bucket holds: 25,000 with their rows fit into 1 GB with all features.
APPLICANTS = 25_000
SEED = 20_181
# Rows that are held until there are enough for a write; those of eight tables at a time.
_HELD_BYTES = 32 * 1024**2
_LENGTH_BYTES = 8
# SK_ID_PREV only where rows of a key alone are spread, to find those that are there twice.
_OWNERS = ("SK_ID_CURR", "SK_ID_BUREAU", "SK_ID_PREV")


def hashes(numbers: pl.Series) -> npt.NDArray[np.uint64]:
    """A pseudo-random number for each applicant, the same wherever the applicant stands.

    The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014).
    """
    state = numbers.to_numpy().astype(np.uint64) + np.uint64(SEED * 2**32)
    state = (state + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def buckets_for(applicants: int) -> int:
    """How many buckets so many applicants are best kept in; 1 up to `APPLICANTS`."""
    return min(CELLS, max(1, -(-applicants // APPLICANTS)))


def cells(rows: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """The cell of each row: of its applicant, else of its loan if nobody knows whose that is."""
    names = [name for name in _OWNERS if name in rows.columns]
    owner = rows.select(pl.coalesce(*names, 0).alias("owner"))["owner"]
    return hashes(owner) % np.uint64(CELLS)


class Spill:
    """Rows on their way into buckets, on the disk where they are many, in the order they came in.

    Parameters
    ----------
    folder : Path
        Where to put them meanwhile; nobody else may write there.
    buckets : int
        How many buckets.
    """

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder, self.buckets = folder, buckets
        self.height = 0
        self._held: list[pl.DataFrame] = []
        self._bytes = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Put more rows into their buckets."""
        self._held.append(rows)
        self.height += rows.height
        self._bytes += int(rows.estimated_size())
        if self._bytes > _HELD_BYTES:
            self._flush()

    def bucket(self, number: int) -> pl.DataFrame:
        """All rows of a bucket; they are forgotten here."""
        if self._held and (self.buckets > 1 or self._path(0).exists()):
            self._flush()
        pieces = [*self.pieces(number), *self._held]
        self._path(number).unlink(missing_ok=True)
        self._held = []
        return pl.concat(pieces) if pieces else pl.DataFrame()

    def pieces(self, number: int) -> Iterator[pl.DataFrame]:
        """The rows of a bucket that are on the disk, piece by piece."""
        if self._path(number).exists():
            with self._path(number).open("rb") as file:
                while length := file.read(_LENGTH_BYTES):
                    yield pl.read_ipc_stream(file.read(int.from_bytes(length, "big")))

    def spread(self, folder: Path, buckets: int) -> Spill:
        """The same rows, which are in one bucket, in another number of buckets."""
        if buckets == self.buckets:
            return self
        other = Spill(folder, buckets)
        for piece in (*self.pieces(0), *self._held):
            other.add(piece)
        self._path(0).unlink(missing_ok=True)
        return other

    def clear(self) -> None:
        """Forget all rows."""
        self._held = []
        for number in range(self.buckets):
            self._path(number).unlink(missing_ok=True)

    def _flush(self) -> None:
        rows = pl.concat(self._held)
        self._held, self._bytes = [], 0
        self._folder.mkdir(exist_ok=True)
        if self.buckets == 1:
            self._append(0, rows)
            return
        places = (cells(rows) * np.uint64(self.buckets) // np.uint64(CELLS)).astype(np.uint16)
        order = np.argsort(places, kind="stable")
        ends = np.cumsum(np.bincount(places, minlength=self.buckets))
        rows = rows[order]
        for number, end in enumerate(ends):
            start = ends[number - 1] if number else 0
            if start < end or not self._path(number).exists():
                self._append(number, rows[int(start) : int(end)])

    def _append(self, number: int, rows: pl.DataFrame) -> None:
        piece = io.BytesIO()
        rows.write_ipc_stream(piece, compression="lz4")
        # Closed every time: more buckets than a process may have open files.
        with self._path(number).open("ab") as file:
            file.write(piece.tell().to_bytes(_LENGTH_BYTES, "big"))
            file.write(piece.getbuffer())

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:04d}"


class TableDigest:
    """The SHA-256 of a table's rows, the same in however many buckets they are given."""

    def __init__(self) -> None:
        # What is told of the columns, each in a stream of its own that has no joints.
        self._streams: dict[str, _Hash] = {}
        self.rows = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take in the rows of the next bucket, in their order."""
        self.rows += rows.height
        ordered = rows[np.argsort(cells(rows).astype(np.uint16), kind="stable")]
        for column in ordered:
            for kind, content in _content(column):
                name = f"{column.name} {column.dtype} {kind}"
                self._streams.setdefault(name, hashlib.sha256()).update(content)

    def hexdigest(self) -> str:
        """The digest of what was taken in so far."""
        lines = [f"{name} {stream.hexdigest()}\n" for name, stream in self._streams.items()]
        return hashlib.sha256("".join([*lines, f"{self.rows}\n"]).encode()).hexdigest()


def _content(column: pl.Series) -> Iterator[tuple[str, bytes | memoryview]]:
    """A column as bytes: which values are known, how long texts are, and what the values are."""
    yield "known", column.is_not_null().cast(pl.UInt8).to_numpy().data
    if column.dtype == pl.String:
        texts = column.fill_null("")
        yield "lengths", texts.str.len_bytes().to_numpy().data
        yield "values", texts.str.join("").item().encode()
    else:
        yield "values", np.ascontiguousarray(column.fill_null(0).to_numpy()).data
