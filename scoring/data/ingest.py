"""Make a dataset of the Kaggle tables, from whatever files there are.

Files are read, checked and put into buckets piece by piece: memory does not grow with them.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl

from scoring.data.buckets import Placing, Spill, buckets_for, by_applicant, first_applicants
from scoring.data.checks import (
    DatasetError,
    check_key,
    conform,
    refusal,
    warn_empty,
    warn_unknown,
    without_unknown,
)
from scoring.data.dataset import (
    FILES,
    MANIFEST,
    UNKNOWN,
    UNKNOWN_SCHEMA,
    Dataset,
    DatasetWriter,
    Manifest,
    Origin,
    RawFile,
    in_order,
    warn_missing,
)
from scoring.data.sources import SourceFile, find_files, read_pieces
from scoring.data.tables import APPLICATION, BUREAU_BALANCE, HISTORY, HOME_CREDIT, Table
from scoring.files import sha256_of, staged_folder

logger = logging.getLogger(__name__)

# Called with a table's name before it is read, and again with its rows once they are checked.
Progress = Callable[[str, int | None], None]

_APPLICANT, _LOAN = APPLICATION.link, BUREAU_BALANCE.link
_TRAIN, _TEST = "application_train", "application_test"


def ingest(
    source: Path, out: Path, *, buckets: int | None = None, progress: Progress | None = None
) -> Dataset:
    """Read the Kaggle tables from a folder or a zip, check them and write a dataset.

    Parameters
    ----------
    source : Path
        A folder of `.csv`, `.csv.gz`, `.csv.zip`, `.parquet` files or zips, a zip of them, or a
        dataset.
    out : Path
        The dataset's folder, replaced only once everything is read and found good.
    buckets : int, optional
        In how many buckets to write each table; by the number of applicants if it is not given.
    progress : callable, optional
        Told of each table before it is read (rows None) and after it is checked.

    Raises
    ------
    DatasetError
        With table, column, row and mend, for the first thing that is wrong.
    """
    files = dict(find_files(source, FILES, along=(UNKNOWN,)))
    unknown_before = files.pop(UNKNOWN, None)
    if _TRAIN not in files:
        raise DatasetError(
            f"{source} holds no application_train file",
            mend="Name the folder or zip that has application_train.csv (or .csv.gz, .csv.zip, "
            ".parquet) at its top",
        )
    _check_apart(source, out)
    with staged_folder(out, kind="dataset") as staged:
        reading = _Reading(source, files, staged, progress or _silent)
        reading.applications(buckets)
        for table in HISTORY:
            reading.history(table)
        before = [] if unknown_before is None else [_read_unknown(unknown_before)]
        if unknown := before + reading.unknown:
            reading.writer.write(UNKNOWN, [pl.concat(unknown)])
        reading.writer.close(*_source_of(source, files.values()))
    return Dataset.open(out)


def _silent(_name: str, _rows: int | None) -> None:
    pass


class _Reading:
    """The tables on their way into a dataset, and what later ones need to know of earlier ones."""

    def __init__(
        self, source: Path, files: Mapping[str, SourceFile], staged: Path, progress: Progress
    ) -> None:
        self._source, self._files, self._progress = source, files, progress
        self._staged = staged
        self.writer = DatasetWriter(staged)
        self.unknown: list[pl.DataFrame] = []
        self._placing: Placing | None = None
        self._applicants = pl.DataFrame(schema={_APPLICANT: pl.Int32})
        self._loans = pl.DataFrame(schema={_LOAN: pl.Int32, _APPLICANT: pl.Int32})

    def applications(self, buckets: int | None) -> None:
        """Read both populations, and write them: how many there are is only known then."""
        parts: dict[str, tuple[Spill, _Rows]] = {}
        for name in (_TRAIN, _TEST):
            if name in self._files:
                parts |= self._populations(name)
            elif name not in parts:
                warn_missing(name, str(self._source))
        numbers = self._applicants[_APPLICANT]
        self.writer = DatasetWriter(self._staged, buckets or buckets_for(len(numbers)))
        self._placing = by_applicant(first_applicants(numbers, self.writer.buckets))
        for name, (spill, rows) in parts.items():
            placed = self._spill(f"{name} placed")
            for piece in spill.pieces():
                placed.add(piece)
            self._write(name, placed, rows)

    def history(self, table: Table) -> None:
        """Read a history table and write it, if there is one."""
        if table.name not in self._files:
            warn_missing(table.name, str(self._source))
            return
        self._progress(table.name, None)
        rows, loans = _Rows(self._files[table.name], table), []
        spill, keys = self._spill(table.name), self._keys(table)
        parents = _Parents(table, self._loans if table.link == _LOAN else self._applicants)
        for piece in rows:
            spill.add(parents.with_owner(piece))
            if table.key:
                keys.add(piece.select("row", *table.key))
            if table.name == "bureau":
                loans.append(piece.select(_LOAN, _APPLICANT))
        if table.key:
            _check_keys(keys, table, rows.where)
        parents.judge(rows.where)
        if loans:
            self._loans = pl.concat(loans)
        self._write(table.name, spill, rows)

    def _populations(self, name: str) -> dict[str, tuple[Spill, _Rows]]:
        """Read a file of applications, in which there may be both populations."""
        self._progress(name, None)
        rows = _Rows(self._files[name], APPLICATION if name == _TRAIN else FILES[name])
        parts = {part: self._spill(part) for part in (_TRAIN, _TEST)}
        numbers, untold = [], []
        for piece in rows:
            numbers.append(piece.select("row", _APPLICANT))
            if name == _TEST:
                parts[_TEST].add(piece)
                continue
            without = piece["TARGET"].is_null()
            untold.append(piece.filter(without)["row"])
            parts[_TRAIN].add(piece.filter(~without))
            parts[_TEST].add(piece.filter(without).drop("TARGET"))
        known = pl.concat(numbers)
        check_key(known, rows.table, where=rows.where)
        if untold:
            self._check_told(rows, pl.concat(untold))
        self._check_new(known, rows.where)
        self._applicants = pl.concat([self._applicants, known.select(_APPLICANT)])
        return {part: (spill, rows) for part, spill in parts.items() if spill.height}

    def _check_told(self, rows: _Rows, untold: pl.Series) -> None:
        """See that outcomes are only missing where those applications have no file of their own."""
        if untold.is_empty():
            return
        if len(untold) == rows.height or _TEST in self._files:
            problem = f"a value is required, and {len(untold)} of {rows.height} rows have none"
            mend = "Fill it in; rows without it may stay where there is no application_test file"
            raise refusal(APPLICATION, rows.where, "TARGET", problem, mend, untold[0])
        warning = "table application (%s): %d of %d rows have no TARGET: taken for application_test"
        logger.warning(warning, rows.where, len(untold), rows.height)

    def _check_new(self, known: pl.DataFrame, where: str) -> None:
        twice = known.filter(pl.col(_APPLICANT).is_in(self._applicants[_APPLICANT].implode()))
        if twice.height:
            number, row = twice[_APPLICANT][0], twice["row"][0]
            problem = f"duplicate key: {_APPLICANT} {number} is in application_train too"
            mend = "Remove the row from one of the two files"
            raise refusal(APPLICATION, where, _APPLICANT, problem, mend, row)

    def _spill(self, name: str) -> Spill:
        # Beside the dataset, which holds nothing else.
        return Spill(self._staged.with_name(name), self.writer.buckets, self._placing)

    def _keys(self, table: Table) -> Spill:
        """Where to keep the keys of a table, equal ones together."""
        number = self.writer.buckets
        return Spill(
            self._staged.with_name(f"{table.name} keys"), number,
            lambda rows: rows[table.key[0]].to_numpy() % number,
        )  # fmt: skip

    def _write(self, name: str, spill: Spill, rows: _Rows) -> None:
        def ordered() -> Iterator[pl.DataFrame]:
            for part in spill.buckets():
                sorted_part = in_order(part, FILES[name])
                if rows.unknown.height:
                    self.unknown.append(_pointed(rows.unknown, sorted_part, FILES[name]))
                yield sorted_part.drop("row")

        self._progress(name, self.writer.write(name, ordered()))


class _Rows:
    """The checked rows of a file, some at a time, with their `row` in it, from 0.

    What was not known in them is `unknown` once all of them are read.
    """

    def __init__(self, file: SourceFile, table: Table) -> None:
        self._file, self.table, self.where = file, table, file.where
        self.height = 0
        self.unknown = pl.DataFrame()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        table, where = self.table, self.where
        unknown: list[pl.DataFrame] = []
        filled: set[str] = set()
        for piece in read_pieces(self._file, table):
            try:
                rows, odd = without_unknown(conform(piece, table, where=where), table, where=where)
            except DatasetError as error:
                raise error.after(self.height) from error.__cause__
            unknown.append(odd.with_columns(pl.col("row") + self.height))
            filled.update(column.name for column in rows if column.null_count() < rows.height)
            yield rows.with_row_index("row", offset=self.height)
            self.height += rows.height
        self.unknown = pl.concat(unknown)
        warn_empty(filled, self.height, table, where)
        warn_unknown(self.unknown, table, where)


class _Parents:
    """What the rows of a history table belong to: applicants, or loans of bureau.

    Parameters
    ----------
    table : Table
        The history table.
    known : DataFrame
        SK_ID_CURR of all parents, and SK_ID_BUREAU of loans, as the table's link says.
    """

    def __init__(self, table: Table, known: pl.DataFrame) -> None:
        self._table = table
        known = known.sort(table.link)
        self._numbers = known[table.link].to_numpy()
        self._owners = known[_APPLICANT]
        self._rows = self._orphans = 0
        self._least, self._most = np.inf, -np.inf

    def with_owner(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Look for the parents of rows, and give the rows with the SK_ID_CURR that they are of."""
        links = rows[self._table.link].to_numpy()
        self._rows += rows.height
        self._least = min(self._least, links.min())
        self._most = max(self._most, links.max())
        # Of no parent at all the first place is looked at in an array of one.
        numbers = self._numbers if len(self._numbers) else np.zeros(1, links.dtype)
        places = np.searchsorted(numbers, links).clip(max=len(numbers) - 1)
        has_parent = pl.Series(numbers[places] == links)
        self._orphans += rows.height - int(has_parent.sum())
        if self._table.link == _APPLICANT:
            return rows
        gathered = pl.Series(places.astype(np.uint32)).zip_with(
            has_parent, pl.repeat(None, rows.height, dtype=pl.UInt32, eager=True)
        )
        return rows.with_columns(self._owners.gather(gathered).alias(_APPLICANT))

    def judge(self, where: str) -> None:
        """Refuse a table of which no row belongs to anything that was read; count the orphans."""
        link, orphans = self._table.link, self._orphans
        if orphans == self._rows and len(self._numbers) and self._are_apart():
            problem = f"none of its {orphans} rows belongs to a {link} that was read"
            mend = "See that its numbers are those of the other files, or leave it out"
            raise refusal(self._table, where, link, problem, mend)
        if orphans:
            logger.info(
                "table %s (%s): %d of %d rows belong to no %s that was read; kept",
                self._table.name, where, orphans, self._rows, link,
            )  # fmt: skip

    def _are_apart(self) -> bool:
        """Whether all numbers of the rows are below, or above, all of the parents'."""
        return bool(self._most < self._numbers[0] or self._least > self._numbers[-1])


def _check_keys(keys: Spill, table: Table, where: str) -> None:
    """Refuse the first row of a table whose key an earlier row has."""
    refusals = []
    for part in keys.buckets():
        try:
            check_key(part, table, where=where)
        except DatasetError as error:
            refusals.append(error)
    if refusals:
        raise min(refusals, key=lambda error: error.row or 0)


def _read_unknown(file: SourceFile) -> pl.DataFrame:
    """What was not understood when a dataset was made whose files are ingested again."""
    try:
        return pl.read_parquet(io.BytesIO(file.load())).match_to_schema(UNKNOWN_SCHEMA)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DatasetError(
            f"it is not what ingestion writes ({str(error).splitlines()[0]})",
            mend="Leave it out only if all of the files' values are understood",
            where=file.where,
        ) from error


def _pointed(unknown: pl.DataFrame, rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Whose rows hold what was not understood, and where: SK_ID_CURR, pointer and value."""
    # As the applicant's own rows are counted in the body of a request.
    index = pl.int_range(pl.len()).over(_APPLICANT).cast(pl.String)
    place = pl.lit("") if table.name == APPLICATION.name else "/" + index
    pointer = pl.concat_str(pl.lit(f"/{table.name}"), place.alias("place"))
    values = rows.select(_APPLICANT, "row", pointer.alias("pointer")).join(unknown, on="row")
    # Of rows that nobody knows whose they are nobody is told.
    return (
        values.drop_nulls(_APPLICANT)
        .select(
            _APPLICANT, pl.concat_str("pointer", pl.lit("/"), "column").alias("pointer"), "value"
        )
        .sort(_APPLICANT, "pointer")
    )


def _check_apart(source: Path, out: Path) -> None:
    """Replacing `out` must not remove what is being read."""
    if out.resolve() in source.resolve().parents:
        raise DatasetError(
            f"{source} lies inside {out}, which would be replaced", mend="Name another --out"
        )


def _source_of(source: Path, files: Iterable[SourceFile]) -> tuple[str, Origin]:
    """What the rows are, and the files that they were read from.

    Sample applicants ingested again stay sample applicants, and files that a manifest knows come
    from where it says.
    """
    raw = _raw_files(source, files)
    try:
        before: Manifest = json.loads((source / MANIFEST).read_text("utf-8"))
        kind = str(before["source"])
        digests = {name: entry["sha256"] for name, entry in before["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return HOME_CREDIT, {"raw": raw}
    same = all(digests.get(file["name"]) == file["sha256"] for file in raw)
    known = {key: value for key, value in before.items() if key in Origin.__annotations__}
    return kind, cast("Origin", known if same and known else {"raw": raw})


def _raw_files(source: Path, files: Iterable[SourceFile]) -> list[RawFile]:
    """Name, size and SHA-256 of the files that tables were read from, each once."""
    folder = source if source.is_dir() else source.parent
    # A table in an archive tells the archive's name first, one in buckets that of its folder.
    names = dict.fromkeys(file.where.split("/")[0] for file in files)
    given = [folder / name if source.is_dir() else source for name in names]
    paths = [path for own in given for path in (sorted(own.iterdir()) if own.is_dir() else [own])]
    return [
        {
            "name": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in paths
    ]
