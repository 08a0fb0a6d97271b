"""Rows of a dataset in buckets: consecutive applicants (SK_ID_CURR) with all their rows.

Every table is in the order of its applicants, so that its buckets one after the other are the same
rows in the same order however many there are.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

if TYPE_CHECKING:
    from hashlib import _Hash

# As many applicants as one bucket holds: their rows fit into 1 GB with all features.
APPLICANTS = 25_000
_APPLICANT = "SK_ID_CURR"
# Rows that are kept in memory, of one table, before the disk is used.
_HELD_BYTES = 64 * 1024**2
_LENGTH_BYTES = 8

Places = npt.NDArray[np.intp]
# Says of rows in which bucket each is, from 0.
Placing = Callable[[pl.DataFrame], Places]


def buckets_for(applicants: int) -> int:
    """How many buckets so many applicants are best kept in: 1 up to `APPLICANTS`."""
    return max(1, -(-applicants // APPLICANTS))


def first_applicants(applicants: pl.Series, buckets: int) -> list[int]:
    """The SK_ID_CURR with which each bucket but the first begins, for buckets of equal size.

    Of fewer applicants than buckets some buckets are empty.
    """
    numbers = applicants.sort()
    return [int(numbers[len(numbers) * place // buckets]) for place in range(1, buckets)]


def by_applicant(firsts: Sequence[int]) -> Placing:
    """Place rows by the SK_ID_CURR with which buckets begin; those of nobody known come first."""

    def placed(rows: pl.DataFrame) -> Places:
        return np.searchsorted(firsts, rows[_APPLICANT].fill_null(0).to_numpy(), side="right")

    return placed


class Spill:
    """Rows on their way into buckets, on the disk where they are many, in the order they came in.

    Parameters
    ----------
    folder : Path
        Made where the disk is needed; nobody else may write there.
    buckets : int
        How many buckets there are.
    placing : callable, optional
        The bucket of each row; all rows are in one if it is not given.
    """

    def __init__(self, folder: Path, buckets: int = 1, placing: Placing | None = None) -> None:
        self._folder, self._placing = folder, placing
        self._held: list[list[pl.DataFrame]] = [[] for _ in range(buckets)]
        self._bytes = self.height = 0
        self._empty = pl.DataFrame()

    def add(self, rows: pl.DataFrame) -> None:
        """Put more rows into their buckets."""
        self.height += rows.height
        self._empty = rows.clear()
        self._bytes += int(rows.estimated_size())
        if len(self._held) == 1 or self._placing is None:
            self._held[0].append(rows)
        else:
            places = pl.Series("bucket", self._placing(rows), pl.UInt32)
            parts = rows.with_columns(places).partition_by(
                "bucket", as_dict=True, include_key=False
            )
            for (bucket,), part in parts.items():
                self._held[bucket].append(part)
        if self._bytes > _HELD_BYTES:
            self._write()

    def pieces(self) -> Iterator[pl.DataFrame]:
        """All rows, some at a time, by bucket; they are forgotten here."""
        for bucket in range(len(self._held)):
            yield from self._take(bucket)

    def buckets(self) -> Iterator[pl.DataFrame]:
        """The rows of one bucket after the other; they are forgotten here."""
        for bucket in range(len(self._held)):
            yield pl.concat([self._empty, *self._take(bucket)])

    def _take(self, bucket: int) -> Iterator[pl.DataFrame]:
        if self._path(bucket).exists():
            with self._path(bucket).open("rb") as file:
                while length := file.read(_LENGTH_BYTES):
                    yield pl.read_ipc_stream(file.read(int.from_bytes(length, "big")))
            self._path(bucket).unlink()
        held, self._held[bucket] = self._held[bucket], []
        yield from held

    def _write(self) -> None:
        self._folder.mkdir(exist_ok=True)
        for bucket, parts in enumerate(self._held):
            if not parts:
                continue
            piece = io.BytesIO()
            pl.concat(parts).write_ipc_stream(piece, compression="lz4")
            # Closed every time: more buckets than a process may have open files.
            with self._path(bucket).open("ab") as file:
                file.write(piece.tell().to_bytes(_LENGTH_BYTES, "big"))
                file.write(piece.getbuffer())
            parts.clear()
        self._bytes = 0

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket}.pieces"


class TableDigest:
    """The SHA-256 of a table's rows, however they are cut into pieces."""

    def __init__(self) -> None:
        # What is told of the columns, each in a stream of its own that has no joints.
        self._streams: dict[str, _Hash] = {}
        self._rows = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take in the next rows."""
        self._rows += rows.height
        for column in rows:
            for kind, content in _content(column):
                name = f"{column.name} {column.dtype} {kind}"
                self._streams.setdefault(name, hashlib.sha256()).update(content)

    def hexdigest(self) -> str:
        """The digest of what was taken in so far."""
        lines = [f"{name} {stream.hexdigest()}\n" for name, stream in self._streams.items()]
        return hashlib.sha256("".join([*lines, f"{self._rows}\n"]).encode()).hexdigest()


def _content(column: pl.Series) -> Iterator[tuple[str, bytes | memoryview]]:
    """A column as bytes: which values are known, how long texts are, and what the values are."""
    yield "known", column.is_not_null().cast(pl.UInt8).to_numpy().data
    if column.dtype == pl.String:
        texts = column.fill_null("")
        yield "lengths", texts.str.len_bytes().to_numpy().data
        yield "values", texts.str.join("").item().encode()
    else:
        yield "values", np.ascontiguousarray(column.fill_null(0).to_numpy()).data
