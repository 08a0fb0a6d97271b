"""Where the Kaggle tables come from: CSV files, plain or compressed, Kaggle's one big zip,
Parquet files, or Kaggle itself.
"""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import polars as pl

from scoring.data.checks import DatasetError
from scoring.data.delimited import (
    MOST_COLUMNS,
    MOST_HEADER_BYTES,
    Note,
    check_most,
    known_columns,
    read_csv,
)
from scoring.data.tables import Table

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

logger = logging.getLogger(__name__)

COMPETITION = "home-credit-default-risk"
# The order of preference where a folder holds a table more than once.
ENDINGS = (".csv", ".csv.gz", ".csv.zip", ".parquet")

# What copies are called: "x (1).csv", "x - Copy.csv", "x copy 2.csv", "Copie de x.csv".
_COPY = r" ?\([0-9]+\)| (?:- )?cop(?:y|ie)(?: [0-9]+)?"
_FILE_NAME = re.compile(
    rf"(cop(?:y|ie) (?:of|de) )?(?P<table>[^. ()]+)({_COPY}|\.(?:csv|tsv|txt|parquet|gz|zip))*",
    re.IGNORECASE,
)
_TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".csv.zip")
_GET_AGAIN = "Download or export it again"
# What is read of one table, as text and as values: Kaggle's largest has 0.7 GB and
# 110 million values, its widest 122 columns.
MOST_BYTES = 2 * 1024**3
MOST_VALUES = 150_000_000
# How often its own size a packed file may unpack to; Kaggle's tables shrink to a seventh at most.
MOST_RATIO = 30
RATIO_FROM_BYTES = 64 * 1024**2
# How much of a file is read at once, as text or as values.
PIECE_BYTES = 64 * 1024**2
PIECE_VALUES = 16_000_000
_MOST_LINE_BYTES = 1024**2
# Values of Parquet for each byte of its file, where there are very many.
_VALUES_PER_BYTE = 16
# The list of what is in a zip; a thousand names need no more.
MOST_DIRECTORY_BYTES = 1024**2
_PIECE = 1024**2
_END_OF_ZIP_BYTES = 22 + 65_535
_BROKEN_PARQUET = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
# Rows as they were read, and what was mended in them.
_Piece = tuple[pl.DataFrame, list[Note]]
_DAMAGED = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One table's file, not yet read.

    Attributes
    ----------
    where : str
        The name to show: the file's, or `archive.zip/member.csv`.
    name : str
        The table's, as Kaggle calls its file without the ending.
    load : callable
        Gives the file's bytes.
    paths : tuple of Path
        The file where it lies in no archive, or those of a dataset's buckets.
    """

    where: str
    name: str
    load: Callable[[], bytes]
    paths: tuple[Path, ...] = ()


def download_competition() -> Path:
    """Download the competition's files with the Kaggle credentials of the environment.

    Raises
    ------
    DatasetError
        If there are no credentials, or Kaggle does not answer with the files.
    """
    import kagglehub
    from kagglehub.exceptions import UnauthenticatedError

    try:
        return Path(kagglehub.competition_download(COMPETITION))
    except UnauthenticatedError as error:
        raise DatasetError(
            "Kaggle needs to know who downloads, and no credentials were found",
            mend="Set KAGGLE_API_TOKEN (or KAGGLE_USERNAME and KAGGLE_KEY) from "
            "https://www.kaggle.com/settings, and accept the rules at "
            f"https://www.kaggle.com/competitions/{COMPETITION}/rules",
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"the download from Kaggle failed: {error}") from error


def find_files(
    source: Path, names: Iterable[str], along: tuple[str, ...] = ()
) -> Mapping[str, SourceFile]:
    """Find the tables' files in a folder, in its zips or in one zip; other files are ignored.

    Files are named without their ending. Those of `along` are taken where they are beside the
    others, and not looked for.

    Raises
    ------
    DatasetError
        If `source` does not exist or is neither.
    """
    names = tuple(names)
    if source.is_dir():
        return _in_folder(source, names, along)
    if not source.exists():
        raise DatasetError(
            f"{source} does not exist", mend="Name a folder of Kaggle's files, or Kaggle's zip"
        )
    if source.suffix.lower() != ".zip":
        raise DatasetError(
            f"{source} is neither a folder nor a zip",
            mend="Name the folder that holds the files instead",
        )
    return _in_zip(source, names + along)


def read_pieces(file: SourceFile, table: Table) -> Iterator[pl.DataFrame]:
    """Read one table's rows some at a time, loosely typed, for `conform` to check.

    The log tells what was mended.

    Raises
    ------
    DatasetError
        If the file is empty, damaged, cut short or no table.
    """
    rows, details = 0, set()
    try:
        for source in _unpacked_sources(file):
            for frame, notes in _pieces(source, table, file.where):
                for detail in (note.detail for note in notes if note.detail not in details):
                    logger.warning("table %s (%s): %s", table.name, file.where, detail)
                    details.add(detail)
                if frame.height:
                    yield frame
                    rows += frame.height
        _check_rows(rows)
    except DatasetError as error:
        raise error.after(rows, file.where, table.name) from error.__cause__


def _unpacked_sources(file: SourceFile) -> Iterator[Path | bytes]:
    """What holds a table's rows, one after the other: files as they lie, or what was packed."""
    for path in file.paths:
        with path.open("rb") as opened:
            begins = opened.read(2)
        # Of a file that is packed, or empty, the bytes are looked at.
        packed = begins in (b"", b"PK", b"\x1f\x8b")
        yield _unpacked(file, MOST_BYTES) if packed else path
    if not file.paths:
        yield _unpacked(file, MOST_BYTES)


def _pieces(source: Path | bytes, table: Table, where: str) -> Iterator[_Piece]:
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as opened:
        begins = opened.read(4)
        opened.seek(0)
        if begins == b"PAR1":
            yield from _parquet_pieces(source, table)
        elif begins[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            # Its lines do not end where bytes say so.
            data = _bounded(opened, MOST_BYTES, MOST_BYTES)
            yield read_csv(data, table, MOST_VALUES)
            _warn_cut(data, table, where)
        else:
            yield from _csv_pieces(opened, table, where)


def _csv_pieces(opened: IO[bytes], table: Table, where: str) -> Iterator[_Piece]:
    """Whole lines, as many as are read at once; where a text in quotes holds line ends, a cut
    between them is taken for a quotation that is not closed.
    """
    header = opened.readline(MOST_HEADER_BYTES + 1)
    lines = _lines(opened)
    while True:
        yield read_csv(header + lines, table, MOST_VALUES)
        following = _lines(opened)
        if not following:
            break
        lines = following
    _warn_cut(lines or header, table, where)


def _lines(opened: IO[bytes]) -> bytes:
    return opened.read(PIECE_BYTES) + opened.readline(_MOST_LINE_BYTES)


def _warn_cut(data: bytes, table: Table, where: str) -> None:
    if not data.rstrip(b"\0").endswith(b"\n"):
        warning = "table %s (%s): the last line has no end; was the file cut short?"
        logger.warning(warning, table.name, where)


def _check_rows(rows: int) -> None:
    if not rows:
        mend = f"{_GET_AGAIN}; a history table that does not exist can be left out"
        raise DatasetError("the table is empty: no data row", mend=mend)


def read_text(
    file: SourceFile, table: Table, most_bytes: int, most_values: int
) -> tuple[pl.DataFrame, list[Note]]:
    """Read a CSV file within other bounds, at once and all as text, and what was mended in it."""
    try:
        data = _unpacked(file, most_bytes)
        frame, notes = read_csv(data, table, most_values, typed=False)
        _check_rows(frame.height)
    except DatasetError as error:
        raise error.after(0, file.where, table.name) from error.__cause__
    return frame, notes


def _in_folder(
    folder: Path, names: tuple[str, ...], along: tuple[str, ...]
) -> dict[str, SourceFile]:
    """The tables' own files, and what else is in the folder's zips, whatever they are called."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    own = _of_tables({path.name: partial(_whole, path) for path in paths}, names + along)
    files = {name: replace(file, paths=(folder / file.where,)) for name, file in own.items()}
    for name in names:
        # A dataset in buckets has a folder of each table.
        parts = tuple(sorted((folder / name).glob("[0-9]*.parquet")))
        if parts and name not in files:
            files[name] = SourceFile(f"{name}/", name, partial(_whole, parts[0]), parts)
    for archive in (path for path in paths if path.suffix.lower() == ".zip"):
        missing = tuple(name for name in names if name not in files)
        files = {**(_in_zip(archive, missing + along) if missing else {}), **files}
    return files


def _in_zip(archive: Path, names: tuple[str, ...]) -> dict[str, SourceFile]:
    def load(member: str) -> bytes:
        with archive.open("rb") as file, _zip(file) as opened:
            return _member(opened, member, MOST_BYTES)

    try:
        with archive.open("rb") as file, _zip(file) as opened:
            members = {PurePosixPath(name).name: partial(load, name) for name in _names(opened)}
    except _DAMAGED as error:
        raise _damaged(error, archive.name) from error
    return _of_tables(members, names, f"{archive.name}/")


def _names(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist()
            if not (name.startswith("__MACOSX/") or name.endswith("/"))]  # fmt: skip


def _of_tables(
    files: Mapping[str, Callable[[], bytes]], names: tuple[str, ...], folder: str = ""
) -> dict[str, SourceFile]:
    """The files of some tables, each the one whose name is nearest to Kaggle's."""
    chosen = {}
    for name in names:
        best = [name + ending for ending in ENDINGS]
        own = [file for file in best if file in files]
        own += sorted(file for file in files if _is_of(file, name) and file not in best)
        if own:
            chosen[name] = SourceFile(f"{folder}{own[0]}", name, files[own[0]])
        if own[1:]:
            warning = "table %s is there more than once: %s read, %s ignored"
            logger.warning(warning, name, own[0], ", ".join(own[1:]))
    return chosen


def _is_of(path: str, name: str) -> bool:
    """Whether a file's name is a table's, in any case, or that of a copy."""
    fits = _FILE_NAME.fullmatch(PurePosixPath(path).name)
    return fits is not None and fits["table"].casefold() == name.casefold()


def _unpacked(file: SourceFile, most: int) -> bytes:
    """What is in a packed file, which may lie in another one."""
    try:
        data = file.load()
        packed = len(data)
        for _ in range(3):
            if data.startswith((b"PK\3\4", b"PK\5\6")):
                data = _only_member(data, file.name, most)
            elif data.startswith(b"\x1f\x8b"):
                data = _bounded(gzip.GzipFile(fileobj=io.BytesIO(data)), packed, most)
    except _DAMAGED as error:
        raise _damaged(error) from error
    except RuntimeError as error:
        # How zipfile says that a member is encrypted.
        raise DatasetError(f"{error}", mend="Unpack it by hand first") from error
    if not data:
        raise DatasetError("the file is empty (0 bytes)", mend=_GET_AGAIN)
    return data


def _only_member(data: bytes, table: str, most: int) -> bytes:
    with _zip(io.BytesIO(data)) as opened:
        if "xl/workbook.xml" in opened.namelist():
            raise DatasetError("this is an Excel workbook", mend="Save its sheet as CSV")
        tables = [name for name in _names(opened) if name.lower().endswith(_TABLE_ENDINGS)]
        members = [name for name in tables if _is_of(name, table)] or tables
        if len(members) != 1:
            raise DatasetError(
                f"the zip holds {len(members)} CSV files, not one",
                mend="Zip the table's file alone",
            )
        return _member(opened, members[0], most)


def _whole(path: Path) -> bytes:
    with path.open("rb") as opened:
        return _bounded(opened, MOST_BYTES, MOST_BYTES)


def _zip(file: IO[bytes]) -> zipfile.ZipFile:
    """Open a zip, unless the list of what is in it is a flood itself."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - _END_OF_ZIP_BYTES))
    _, mark, end = file.read().rpartition(b"PK\5\6")
    if mark:
        size = int.from_bytes(end[8:12], "little")
        check_most(size, MOST_DIRECTORY_BYTES, "bytes of names of files")
    return zipfile.ZipFile(file)


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    with archive.open(name) as opened:
        return _bounded(opened, archive.getinfo(name).compress_size, most)


def _bounded(opened: IO[bytes] | gzip.GzipFile, packed: int, most: int) -> bytes:
    """Read a file that is `packed` bytes long on the disk, and no more than it may hold."""
    most = min(most, max(RATIO_FROM_BYTES, packed * MOST_RATIO))
    data = io.BytesIO()
    while piece := opened.read(_PIECE):
        data.write(piece)
        check_most(data.tell(), most, "bytes")
    return data.getvalue()


def _damaged(error: Exception, where: str = "") -> DatasetError:
    return DatasetError(f"the file is cut short or damaged ({error})", mend=_GET_AGAIN, where=where)


def _parquet_pieces(source: Path | bytes, table: Table) -> Iterator[_Piece]:
    """Some row groups at a time: all of a group is read whatever is wanted of it."""
    # Where the API runs it is not installed, nor is anything ingested.
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        metadata = read_metadata(io.BytesIO(source) if isinstance(source, bytes) else source)
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        _check_parquet(metadata, size)
        for start, rows in _slices(metadata):
            frame = pl.scan_parquet(source, glob=False).slice(start, rows).collect()
            kept, notes = known_columns(frame.columns, table)
            columns = [frame.to_series(place).alias(name) for place, name in kept.items()]
            yield frame.select(columns), notes
    except (*_BROKEN_PARQUET, ArrowException) as error:
        # Polars panics on some damaged pages.
        raise _damaged(error) from error


def _check_parquet(metadata: FileMetaData, size: int) -> None:
    """See that a Parquet file, and each of its row groups, is no flood."""
    check_most(metadata.num_columns, MOST_COLUMNS, "columns")
    values = metadata.num_rows * metadata.num_columns
    # Larger files hold more, but not the same value over and over.
    check_most(values, max(MOST_VALUES, _VALUES_PER_BYTE * size), "values")
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        check_most(group.total_byte_size, MOST_BYTES, "bytes")
        check_most(group.num_rows * metadata.num_columns, MOST_VALUES, "values")


def _slices(metadata: FileMetaData) -> Iterator[tuple[int, int]]:
    """Consecutive row groups that are read at once: their first row, and how many rows."""
    start = rows = 0
    for place in range(metadata.num_row_groups):
        rows += metadata.row_group(place).num_rows
        if rows * metadata.num_columns >= PIECE_VALUES or place == metadata.num_row_groups - 1:
            yield start, rows
            start, rows = start + rows, 0
    if not metadata.num_row_groups:
        yield 0, 0
