"""Where the Kaggle tables come from: CSV files, plain or compressed, Kaggle's one big zip,
Parquet files, or Kaggle itself.
"""

from __future__ import annotations

import csv
import gzip
import io
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import polars as pl

from scoring.conform import DatasetError
from scoring.tables import Table

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

logger = logging.getLogger(__name__)

COMPETITION = "home-credit-default-risk"
# The order of preference where a folder holds a table more than once.
ENDINGS = (".csv", ".csv.gz", ".csv.zip", ".parquet")

_GET_AGAIN = "Download or export it again"
_SAVE_AS_UTF8 = "Save the file as UTF-8"
# What is read of one table, as text and as values: Kaggle's largest has 0.7 GB and
# 110 million values, its widest 122 columns.
MOST_BYTES = 2 * 1024**3
MOST_VALUES = 150_000_000
MOST_COLUMNS = 500
MOST_HEADER_BYTES = 64 * 1024
# How often its own size a packed file may unpack to; Kaggle's tables shrink to a seventh at most.
MOST_RATIO = 30
RATIO_FROM_BYTES = 64 * 1024**2
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
    ending : str
        One of `ENDINGS`.
    load : callable
        Gives the file's bytes.
    """

    where: str
    ending: str
    load: Callable[[], bytes]


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


def find_files(source: Path, names: Iterable[str]) -> Mapping[str, SourceFile]:
    """Find the tables' files in a folder or in Kaggle's zip; other files are ignored.

    Parameters
    ----------
    source : Path
        A folder, or a zip with CSV files in it.
    names : iterable of str
        File names without their ending.

    Raises
    ------
    DatasetError
        If `source` does not exist or is neither.
    """
    names = tuple(names)
    if source.is_dir():
        found = _in_folder(source, names)
        archive = source / f"{COMPETITION}.zip"
        return found if found or not archive.is_file() else _in_zip(archive, names)
    if not source.exists():
        raise DatasetError(
            f"{source} does not exist", mend="Name a folder of Kaggle's files, or Kaggle's zip"
        )
    if source.suffix.lower() != ".zip":
        raise DatasetError(
            f"{source} is neither a folder nor a zip",
            mend="Name the folder that holds the files instead",
        )
    return _in_zip(source, names)


def read(file: SourceFile, table: Table) -> pl.DataFrame:
    """Read one table's rows, loosely typed, for `conform` to check.

    Raises
    ------
    DatasetError
        If the file is empty, damaged, cut short or not UTF-8.
    """
    try:
        data = _unpack(file)
        if not data:
            raise DatasetError("the file is empty (0 bytes)", mend=_GET_AGAIN)
        frame = _read_parquet(data) if file.ending == ".parquet" else _read_csv(data, table, file)
        if not frame.height:
            mend = f"{_GET_AGAIN}; a history table that does not exist can be left out"
            raise DatasetError("the table is empty: no data row", mend=mend)
    except DatasetError as error:
        raise DatasetError(
            error.problem, mend=error.mend, where=file.where, table=table.name,
            column=error.column, row=error.row,
        ) from error.__cause__  # fmt: skip
    return frame


def _in_folder(folder: Path, names: tuple[str, ...]) -> dict[str, SourceFile]:
    found = {}
    for name in names:
        paths = [path for ending in ENDINGS if (path := folder / f"{name}{ending}").is_file()]
        if not paths:
            continue
        first = paths[0]
        if len(paths) > 1:
            others = ", ".join(path.name for path in paths[1:])
            logger.warning("table %s is there more than once: %s read, %s ignored",
                           name, first.name, others)  # fmt: skip
        found[name] = SourceFile(first.name, first.name.removeprefix(name), partial(_whole, first))
    return found


def _in_zip(archive: Path, names: tuple[str, ...]) -> dict[str, SourceFile]:
    try:
        with archive.open("rb") as file, _zip(file) as opened:
            members = {PurePosixPath(member).name: member for member in opened.namelist()
                       if not member.startswith("__MACOSX/")}  # fmt: skip
    except _DAMAGED as error:
        raise _damaged(error, archive.name) from error

    def member(filename: str) -> Callable[[], bytes]:
        def load() -> bytes:
            with archive.open("rb") as file, _zip(file) as opened:
                return _member(opened, members[filename])

        return load

    wanted = [(name, ending) for name in names for ending in reversed(ENDINGS)]
    return {
        name: SourceFile(f"{archive.name}/{name}{ending}", ending, member(name + ending))
        for name, ending in wanted
        if name + ending in members
    }


def _unpack(file: SourceFile) -> bytes:
    try:
        data = file.load()
        if not data or file.ending in (".csv", ".parquet"):
            return data
        if file.ending == ".csv.zip":
            return _only_member(data)
        return _bounded(gzip.GzipFile(fileobj=io.BytesIO(data)), len(data))
    except _DAMAGED as error:
        raise _damaged(error) from error
    except RuntimeError as error:
        # How zipfile says that a member is encrypted.
        raise DatasetError(f"{error}", mend="Unpack it by hand first") from error


def _only_member(data: bytes) -> bytes:
    with _zip(io.BytesIO(data)) as opened:
        members = [name for name in opened.namelist()
                   if name.endswith(".csv") and not name.startswith("__MACOSX/")]  # fmt: skip
        if len(members) != 1:
            raise DatasetError(
                f"the zip holds {len(members)} CSV files, not one",
                mend="Zip the table's file alone",
            )
        return _member(opened, members[0])


def _whole(path: Path) -> bytes:
    with path.open("rb") as opened:
        return _bounded(opened, MOST_BYTES)


def _zip(file: IO[bytes]) -> zipfile.ZipFile:
    """Open a zip, unless the list of what is in it is a flood itself."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - _END_OF_ZIP_BYTES))
    _, mark, end = file.read().rpartition(b"PK\5\6")
    if mark:
        size = int.from_bytes(end[8:12], "little")
        _check_most(size, MOST_DIRECTORY_BYTES, "bytes of names of files")
    return zipfile.ZipFile(file)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as opened:
        return _bounded(opened, archive.getinfo(name).compress_size)


def _bounded(opened: IO[bytes] | gzip.GzipFile, packed: int) -> bytes:
    """Read a file that is `packed` bytes long on the disk, and no more than it may hold."""
    most = min(MOST_BYTES, max(RATIO_FROM_BYTES, packed * MOST_RATIO))
    data = io.BytesIO()
    while piece := opened.read(_PIECE):
        data.write(piece)
        _check_most(data.tell(), most, "bytes")
    return data.getvalue()


def _check_most(number: int, most: int, of_what: str) -> None:
    if number > most:
        raise DatasetError(
            f"the file holds more than {most:,} {of_what}: none of Kaggle's is like that",
            mend="Look at what it is before you read it",
        )


def _damaged(error: Exception, where: str = "") -> DatasetError:
    return DatasetError(f"the file is cut short or damaged ({error})", mend=_GET_AGAIN, where=where)


def _read_parquet(data: bytes) -> pl.DataFrame:
    # Where the API runs it is not installed, nor is anything ingested.
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    try:
        _check_parquet(read_metadata(io.BytesIO(data)))
        frame = pl.read_parquet(io.BytesIO(data))
    except (*_BROKEN_PARQUET, ArrowException) as error:
        # Polars panics on some damaged pages.
        raise _damaged(error) from error
    # NaN is how pandas and Spark write a missing number; in text it would be a mistake.
    return frame.fill_nan(None)


def _check_parquet(metadata: FileMetaData) -> None:
    """See that a Parquet file is no larger unpacked than other files may be."""
    _check_most(metadata.num_columns, MOST_COLUMNS, "columns")
    groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
    _check_most(sum(group.total_byte_size for group in groups), MOST_BYTES, "bytes")
    _check_most(metadata.num_rows * metadata.num_columns, MOST_VALUES, "values")


def _read_csv(data: bytes, table: Table, file: SourceFile) -> pl.DataFrame:
    _check_encoding(data)
    header = _header(data)
    _check_most(data.count(b",") + data.count(b"\n"), MOST_VALUES, "values")
    if data.endswith((b"\n\n", b"\n\r\n")):
        data = data.rstrip(b"\r\n") + b"\n"
    elif not data.endswith(b"\n"):
        logger.warning(
            "table %s (%s): the last line has no end; was the file cut short?",
            table.name, file.where,
        )  # fmt: skip
    typed = {
        name: pl.Float64 if name in table and table[name].kind != "category" else pl.String
        for name in header
    }
    try:
        frame = pl.read_csv(data, schema=typed)
        if _is_rectangular(frame, data):
            return frame
    except pl.exceptions.PolarsError as error:
        logger.debug("%s: looking for the row that stopped the fast reader: %s", file.where, error)
    return _read_as_text(data, header)


def _check_encoding(data: bytes) -> None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DatasetError("the file is UTF-16, not UTF-8", mend=_SAVE_AS_UTF8)
    nul = data.find(b"\0")
    if nul >= 0:
        raise DatasetError(
            "the file holds NUL bytes, as UTF-16 and damaged files do",
            mend=f"{_SAVE_AS_UTF8}, or download it again",
            row=data.count(b"\n", 0, nul) or None,
        )


def _header(data: bytes) -> list[str]:
    end = data.find(b"\n") + 1 or len(data)
    _check_most(end, MOST_HEADER_BYTES, "bytes in its first line")
    try:
        line = data[:end].decode("utf-8-sig")
        names = next(csv.reader([line]), [])
    except UnicodeDecodeError as error:
        raise DatasetError("the header is not UTF-8", mend=_SAVE_AS_UTF8) from error
    except csv.Error as error:
        raise DatasetError(
            f"the header cannot be read ({error})", mend="End the lines with a line feed"
        ) from error
    _check_most(len(names), MOST_COLUMNS, "columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(
            f"the header names a column twice: {', '.join(twice)}",
            mend="Remove one of the two",
            column=twice[0],
        )
    return names


def _is_rectangular(frame: pl.DataFrame, data: bytes) -> bool:
    """Whether every line has as many fields as the header.

    Polars fills a short line with nulls without a word. All lines are complete if and only if
    the file holds one comma less a row than columns, beside those inside of quoted text.
    """
    start = data.find(b"\n") + 1
    commas = data.count(b",", start)
    if b'"' in data[:start]:
        return False
    if data.find(b'"', start) >= 0:
        text = pl.col(pl.String).str.count_matches(",", literal=True).sum()
        commas -= frame.select(text).sum_horizontal().item()
    return commas == frame.height * (frame.width - 1)


def _read_as_text(data: bytes, header: list[str]) -> pl.DataFrame:
    """Read without types, for `conform` to find the culprit, after checking the lines' shape."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(data, error.start, header) from error
    _check_lines(data, header)
    try:
        return pl.read_csv(data, schema=dict.fromkeys(header, pl.String))
    except pl.exceptions.PolarsError as error:
        raise DatasetError(f"the file cannot be read: {error}", mend=_GET_AGAIN) from error


def _not_utf8(data: bytes, position: int, header: list[str]) -> DatasetError:
    start = data.rfind(b"\n", 0, position) + 1
    fields = next(csv.reader([data[start : position + 1].decode("latin-1")]))
    return DatasetError(
        f"byte {data[position]:#04x} is not UTF-8",
        mend=_SAVE_AS_UTF8,
        column=header[min(len(fields), len(header)) - 1],
        row=data.count(b"\n", 0, position),
    )


def _check_lines(data: bytes, header: list[str]) -> None:
    lines = csv.reader(
        io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""), strict=True
    )
    row = 0
    try:
        for row, fields in enumerate(lines):
            if len(fields) != len(header):
                raise DatasetError(
                    f"the line has {len(fields)} fields, the header {len(header)}: it is cut short "
                    "or its separators are wrong",
                    mend=f"{_GET_AGAIN}, or mend the line",
                    column=header[min(len(fields), len(header) - 1)],
                    row=row,
                )
    except csv.Error as error:
        raise DatasetError(
            f"the line cannot be read ({error})", mend="Close the quotation mark", row=row + 1
        ) from error
