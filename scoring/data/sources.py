"""Where the Kaggle tables come from: CSV files, plain or compressed, Kaggle's one big zip,
Parquet files, or Kaggle itself.
"""

from __future__ import annotations

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
from scoring.data.tables import BUREAU_BALANCE, Table

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
# Files that are read piece by piece, as text or as values, and how large a piece is.
PIECES_FROM_BYTES = 192 * 1024**2
PIECES_FROM_VALUES = 20_000_000
PIECE_BYTES = 64 * 1024**2
PIECE_VALUES = 8_000_000
# Parquet may hold more than others, but no flood of equal values.
_VALUES_PER_BYTE = 16
# The list of what is in a zip; a thousand names need no more.
MOST_DIRECTORY_BYTES = 1024**2
_PIECE = 1024**2
_END_OF_ZIP_BYTES = 22 + 65_535
_BROKEN_PARQUET = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
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
        The file where it lies unpacked on the disk, or those of a dataset's buckets.
    """

    where: str
    name: str
    load: Callable[[], bytes]
    paths: tuple[Path, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it may be read at once."""
        return len(self.paths) < 2 and sum(path.stat().st_size for path in self.paths) <= MOST_BYTES


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


def read(file: SourceFile, table: Table) -> pl.DataFrame:
    """Read one table's rows, loosely typed, for `conform` to check; the log tells what was mended.

    Raises
    ------
    DatasetError
        If the file is empty, damaged, cut short or no table.
    """
    frame, notes = read_noted(file, table, MOST_BYTES, MOST_VALUES)
    _tell(notes, file, table)
    return frame


def _tell(notes: Iterable[Note], file: SourceFile, table: Table) -> None:
    for note in notes:
        logger.warning("table %s (%s): %s", table.name, file.where, note.detail)


def read_pieces(file: SourceFile, table: Table) -> Iterator[pl.DataFrame] | None:
    """Read one table's rows as `read` does, piece by piece; None for what is better read at once.

    Raises
    ------
    DatasetError
        Of a piece, whose rows are counted anew: what is wrong with it may be nothing, or another
        thing, where the whole is seen.
    """
    if len(file.paths) > 1 or any(_is_long(path) for path in file.paths):
        return _told(file, table, _parquet_pieces(file.paths, table))
    begins = _begins(file.paths[0]) if file.paths else b"PK"
    if begins.startswith((b"PK", b"\x1f\x8b")):
        return _told(file, table, _packed_pieces(file, table))
    (path,) = file.paths
    if begins == b"PAR1" or path.stat().st_size < PIECES_FROM_BYTES:
        return None
    return _told(file, table, _plain_pieces(path, table))


def _told(
    file: SourceFile, table: Table, pieces: Iterable[tuple[pl.DataFrame, list[Note]]]
) -> Iterator[pl.DataFrame]:
    """The pieces of a file; the log has once what was mended, which is the same in all."""
    notes: list[Note] = []
    for frame, notes in pieces:
        if any(note.kind in ("encoding", "decimal_commas") for note in notes):
            raise DatasetError(notes[0].detail, where=file.where, table=table.name)
        yield frame
    _tell(notes, file, table)


def _plain_pieces(path: Path, table: Table) -> Iterator[tuple[pl.DataFrame, list[Note]]]:
    with path.open("rb") as opened:
        yield from _csv_pieces(opened, path.name, table)


def _packed_pieces(file: SourceFile, table: Table) -> Iterator[tuple[pl.DataFrame, list[Note]]]:
    """Of a packed file only the text is in memory at once, which is the least of it."""
    data = _unpacked(file, MOST_BYTES)
    if data.startswith(b"PAR1"):
        yield _read_parquet(data, table)
    else:
        yield from _csv_pieces(io.BytesIO(data), file.where, table)


def _csv_pieces(
    opened: IO[bytes], where: str, table: Table
) -> Iterator[tuple[pl.DataFrame, list[Note]]]:
    header, before, last = opened.readline(MOST_HEADER_BYTES), 0, b""
    while rows := opened.read(PIECE_BYTES) + opened.readline(PIECE_BYTES):
        try:
            frame, notes = read_csv(header + rows, table, MOST_VALUES)
        except DatasetError as error:
            raise _placed(error, where, table, before) from error.__cause__
        yield frame, notes
        before, last = before + frame.height, rows
    _tell_end(last, where, table)


def _tell_end(data: bytes, where: str, table: Table) -> None:
    if not data.rstrip(b"\0").endswith(b"\n"):
        warning = "table %s (%s): the last line has no end; was the file cut short?"
        logger.warning(warning, table.name, where)


def _parquet_pieces(
    paths: Iterable[Path], table: Table
) -> Iterator[tuple[pl.DataFrame, list[Note]]]:
    for path in paths:
        try:
            scan = pl.scan_parquet(path, glob=False)
            size = max(1, PIECE_VALUES // len(scan.collect_schema()))
            for start in range(0, scan.select(pl.len()).collect().item(), size):
                yield _known(scan.slice(start, size).collect(), table)
        except _BROKEN_PARQUET as error:
            raise _damaged(error, path.name) from error


def _begins(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(4)


def _is_long(path: Path) -> bool:
    """Whether a file is Parquet with many values that are not the same over and over."""
    if _begins(path) != b"PAR1":
        return False
    try:
        scan = pl.scan_parquet(path, glob=False)
        columns = len(scan.collect_schema())
        values = columns * scan.select(pl.len()).collect().item()
    except _BROKEN_PARQUET:
        return False
    most = path.stat().st_size * _VALUES_PER_BYTE
    return columns <= MOST_COLUMNS and PIECES_FROM_VALUES <= values <= most


def read_noted(
    file: SourceFile, table: Table, most_bytes: int, most_values: int, *, typed: bool = True
) -> tuple[pl.DataFrame, list[Note]]:
    """Read the same within other bounds; if not `typed`, CSV files only, and all as text."""
    try:
        data = _unpacked(file, most_bytes)
        if typed and data.startswith(b"PAR1"):
            frame, notes = _read_parquet(data, table)
        else:
            if typed:
                _tell_end(data, file.where, table)
            frame, notes = read_csv(data, table, most_values, typed=typed)
        if not frame.height:
            mend = f"{_GET_AGAIN}; a history table that does not exist can be left out"
            raise DatasetError("the table is empty: no data row", mend=mend)
    except DatasetError as error:
        raise _placed(error, file.where, table) from error.__cause__
    return frame, notes


def _placed(error: DatasetError, where: str, table: Table, before: int = 0) -> DatasetError:
    """An error of a file, or of a piece of it that has rows before it."""
    return type(error)(
        error.problem, mend=error.mend, where=where, table=table.name, column=error.column,
        row=None if error.row is None else error.row + before,
    )  # fmt: skip


def _in_folder(
    folder: Path, names: tuple[str, ...], along: tuple[str, ...]
) -> dict[str, SourceFile]:
    """The tables' own files, and what else is in the folder's zips, whatever they are called."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    files = {
        name: replace(file, paths=(folder / file.where,))
        for name, file in _of_tables(
            {path.name: partial(_whole, path) for path in paths}, names + along
        ).items()
    }
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


def _read_parquet(data: bytes, table: Table) -> tuple[pl.DataFrame, list[Note]]:
    # Where the API runs it is not installed, nor is anything ingested.
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        _check_parquet(read_metadata(io.BytesIO(data)))
        frame = pl.read_parquet(io.BytesIO(data))
    except (*_BROKEN_PARQUET, ArrowException) as error:
        # Polars panics on some damaged pages.
        raise _damaged(error) from error
    return _known(frame, table)


def _known(frame: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, list[Note]]:
    if table is BUREAU_BALANCE:
        # Datasets say there whose loan it is, which is read from bureau.
        frame = frame.drop("SK_ID_CURR", strict=False)
    kept, notes = known_columns(frame.columns, table)
    columns = [frame.to_series(place).alias(name) for place, name in kept.items()]
    return frame.select(columns), notes


def _check_parquet(metadata: FileMetaData) -> None:
    """See that a Parquet file is no larger unpacked than other files may be."""
    check_most(metadata.num_columns, MOST_COLUMNS, "columns")
    groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
    check_most(sum(group.total_byte_size for group in groups), MOST_BYTES, "bytes")
    check_most(metadata.num_rows * metadata.num_columns, MOST_VALUES, "values")
