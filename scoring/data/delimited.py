"""Tables as text, in whatever layout programs and spreadsheets save them: any usual separator,
decimal mark and encoding, headers in any case, columns that are an index or of no use.
"""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import polars as pl

from scoring.data.checks import DatasetError
from scoring.data.tables import Table

logger = logging.getLogger(__name__)

MOST_COLUMNS = 500
MOST_HEADER_BYTES = 64 * 1024
_GET_AGAIN = "Download or export it again"
_SAVE_AS_UTF8 = "Save the file as UTF-8"
_NUMBER = r"^\s*[+-]?[0-9]*{}[0-9]+([eE][+-]?[0-9]+)?\s*$"
_COMMA, _POINT = _NUMBER.format(","), _NUMBER.format(r"\.")
# Among so many numbers with decimal commas one with a point is a slip; more of them may be numbers
# with commas between thousands.
_RARE = 20
# As programs write them in English and French.
_TRUTHS = {"true": "1", "false": "0", "vrai": "1", "faux": "0"}


class TooLargeError(DatasetError):
    """A file that holds more than is read."""


@dataclass(frozen=True, slots=True)
class Note:
    """What was made of a file; columns have Kaggle's names, or the file's where it dropped them."""

    kind: Literal[
        "dropped_columns", "missing_columns", "renamed_columns", "decimal_commas", "encoding"
    ]  # fmt: skip
    columns: tuple[str, ...]
    detail: str


def read_csv(
    data: bytes, table: Table, most_values: int, *, typed: bool = True
) -> tuple[pl.DataFrame, list[Note]]:
    """Read the columns that a table knows, under its names; DatasetError if there are none.

    Numbers are numbers if all of them are and it is `typed`, else everything is text. Text that is
    no number stays as it is, for others to judge it.
    """
    data, notes = _as_utf8(data)
    header, separator = _header(data, table)
    check_most(data.count(separator.encode()) + data.count(b"\n"), most_values, "values")
    if data.endswith((b"\n\n", b"\n\r\n")):
        data = data.rstrip(b"\r\n") + b"\n"
    kept, named = known_columns(header, table)
    # What is dropped may have any name, or that of another.
    names = [kept.get(place, f"{place} {name}") for place, name in enumerate(header)]
    numbers = [name for name in kept.values() if table[name].kind != "category"]
    frame = _parsed(data, names, numbers, separator) if typed else None
    if frame is None or not _is_rectangular(frame, data, separator):
        _check_lines(data, header, separator)
        frame = _parsed(data, names, (), separator)
        if frame is None:
            raise DatasetError("the file cannot be read", mend=_GET_AGAIN)
        frame, commas = _mended(frame.select(kept.values()), table, separator)
        notes += commas
    return frame.select(kept.values()), notes + named


def known_columns(names: Sequence[str], table: Table) -> tuple[dict[int, str], list[Note]]:
    """The table's names of a file's columns by their place, in whatever case those are written."""
    kept = _known(names, table)
    if not kept:
        raise DatasetError(
            f"the header names none of the table's columns: {', '.join(names)[:60]!r}",
            mend=f"Begin the file with Kaggle's own names: {table.columns[0].name}, ...",
        )
    twice = sorted({name for name in kept.values() if [*kept.values()].count(name) > 1})
    if twice:
        raise DatasetError(
            f"the header names a column twice: {', '.join(twice)}",
            mend="Remove one of the two",
            column=twice[0],
        )
    dropped = tuple(name.strip() for place, name in enumerate(names) if place not in kept)
    lacking = {column.name for column in table.columns}.difference(kept.values())
    for name in dropped:
        meant = get_close_matches(name.upper(), lacking, n=1, cutoff=0.9)
        if meant:
            raise DatasetError(
                f"column {name!r} is unknown; did you mean {meant[0]}?", mend="Rename or remove it"
            )
    renamed = tuple(name for place, name in kept.items() if names[place] != name)
    listed = ", ".join(name or "(without a name)" for name in dropped)
    notes = [Note("dropped_columns", dropped, f"unknown columns dropped: {listed}")] * bool(dropped)
    if renamed:
        detail = f"{len(renamed)} columns read under Kaggle's names, the first as {renamed[0]}"
        notes.append(Note("renamed_columns", renamed, detail))
    return kept, notes


def _known(names: Sequence[str], table: Table) -> dict[int, str]:
    known = {column.name.casefold(): column.name for column in table.columns}
    plain = ["_".join(filter(None, re.split(r"[\s._-]+", name))).casefold() for name in names]
    return {place: known[name] for place, name in enumerate(plain) if name in known}


def check_most(number: int, most: int, of_what: str) -> None:
    """Raise TooLargeError for a file that holds more than anybody's does."""
    if number > most:
        raise TooLargeError(
            f"the file holds more than {most:,} {of_what}: none of Kaggle's is like that",
            mend="Look at what it is before you read it",
        )


def _as_utf8(data: bytes) -> tuple[bytes, list[Note]]:
    """The text in UTF-8."""
    notes = []
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
        notes.append(Note("encoding", (), "read as UTF-16"))
    nul = data.find(b"\0")
    if nul >= 0:
        raise DatasetError(
            "the file holds NUL bytes, as UTF-16, Parquet and damaged files do",
            mend=f"{_SAVE_AS_UTF8}, or download it again",
            row=data.count(b"\n", 0, nul) or None,
        )
    try:
        # Polars looks at it in the room of one copy; Python's text may take four times that.
        _ = data.isascii() or pl.Series([data]).cast(pl.String)
    except pl.exceptions.PolarsError:
        data = data.decode("cp1252", "replace").encode()
        notes.append(Note("encoding", (), "not UTF-8: read as Windows-1252"))
    return data, notes


def _header(data: bytes, table: Table) -> tuple[list[str], str]:
    """The first line's names, split by whatever gives the most names that the table knows."""
    end = data.find(b"\n") + 1 or len(data)
    check_most(end, MOST_HEADER_BYTES, "bytes in its first line")
    line = [data[:end].decode("utf-8-sig")]
    try:
        # The comma comes first: it is that of a file with a single column.
        split = [(next(csv.reader(line, delimiter=mark), []), mark) for mark in ",;\t|"]
    except csv.Error as error:
        raise DatasetError(
            f"the header cannot be read ({error})", mend="End the lines with a line feed"
        ) from error
    names, separator = max(split, key=lambda names: len(_known(names[0], table)))
    check_most(len(names), MOST_COLUMNS, "columns")
    return names, separator


def _parsed(
    data: bytes, names: list[str], numbers: Sequence[str], separator: str
) -> pl.DataFrame | None:
    schema = dict.fromkeys(names, pl.String) | dict.fromkeys(numbers, pl.Float64)
    try:
        return pl.read_csv(data, schema=schema, separator=separator, has_header=False, skip_lines=1)
    except pl.exceptions.PolarsError as error:
        logger.debug("looking for what stopped the fast reader: %s", error)
        return None


def _is_rectangular(frame: pl.DataFrame, data: bytes, separator: str) -> bool:
    """Whether every line has as many fields as the header.

    Polars fills a short line with nulls without a word. All lines are complete if and only if
    the file holds one separator less a row than columns, beside those inside of quoted text.
    """
    start = data.find(b"\n") + 1
    separators = data.count(separator.encode(), start)
    if b'"' in data[:start]:
        return False
    if data.find(b'"', start) >= 0:
        text = pl.col(pl.String).str.count_matches(separator, literal=True).sum()
        separators -= frame.select(text).sum_horizontal().item()
    return separators == frame.height * (frame.width - 1)


def _check_lines(data: bytes, header: list[str], separator: str) -> None:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    row = 0
    try:
        for row, fields in enumerate(csv.reader(text, strict=True, delimiter=separator)):
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


def _mended(frame: pl.DataFrame, table: Table, separator: str) -> tuple[pl.DataFrame, list[Note]]:
    """Flags and numbers as Kaggle writes them, where a file has True, False and decimal commas."""
    flags = pl.col([name for name in frame.columns if table[name].kind == "flag"])
    words = flags.str.strip_chars().str.to_lowercase()
    frame = frame.with_columns(words.replace_strict(_TRUTHS, default=flags))
    numbers = pl.col([name for name in frame.columns if table[name].kind != "category"])
    commas, points = (frame.select(numbers.str.contains(mark).sum()) for mark in (_COMMA, _POINT))
    columns = tuple(column.name for column in commas if column.item() and separator != ",")
    if not columns or points.sum_horizontal().item() * _RARE >= commas.sum_horizontal().item():
        return frame, []
    mended = (
        pl.when(numbers.str.contains(_POINT))
        .then(numbers + " (a point, where others have a decimal comma)")
        .when(numbers.str.contains(_COMMA))
        .then(numbers.str.replace(",", ".", literal=True))
        .otherwise(numbers)
    )
    detail = f"decimal commas read in {len(columns)} columns"
    return frame.with_columns(mended), [Note("decimal_commas", columns, detail)]
