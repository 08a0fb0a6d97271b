"""A dataset: the Kaggle tables as a folder of typed Parquet, made from whatever files there are.

The folder holds `application_train.parquet`, usually `application_test.parquet` (no TARGET), a
file for each history table that is known, `not_understood.parquet` if values were taken for missing
that nobody understood, and `dataset.json` with their rows and digests. Where there are many
applicants each table is a folder instead, with a file for each bucket (`scoring.data.buckets`):
`bureau/0000.parquet` and so on. bureau_balance has SK_ID_CURR there, null where nobody knows.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Required, TypedDict, cast

import polars as pl

from scoring.data.buckets import Spill, TableDigest, buckets_for
from scoring.data.checks import (
    DatasetError,
    check_key,
    conform,
    is_recoded,
    packed_key,
    refusal,
    tell_empty,
    tell_unknown,
    without_unknown,
)
from scoring.data.sources import SourceFile, find_files, read, read_pieces
from scoring.data.tables import (
    APPLICATION,
    BUREAU_BALANCE,
    HISTORY,
    HOME_CREDIT,
    TABLES,
    Table,
    empty_frame,
)
from scoring.data.values import Misunderstood, misunderstood
from scoring.files import sha256_of, staged_folder

logger = logging.getLogger(__name__)

Population = Literal["train", "test"]
# Called with a table's name before it is read, and again with its rows once it is written.
Progress = Callable[[str, int | None], None]

FORMAT = 2
# One file a table, SK_ID_CURR not in bureau_balance, and the digest is that of the files.
_OLDER_FORMAT = 1
MANIFEST = "dataset.json"
# What was taken for missing because nobody knows what it says; there is none if there is nothing.
UNKNOWN = "not_understood"
_UNKNOWN_SCHEMA = {"SK_ID_CURR": pl.Int32(), "pointer": pl.String(), "value": pl.String()}
POPULATIONS: tuple[Population, ...] = ("train", "test")
# Keys of large tables are looked through in so many parts at least.
_KEY_BUCKETS = 16


class FileEntry(TypedDict):
    """What the manifest says of one Parquet file."""

    rows: int
    sha256: str


class TableEntry(TypedDict):
    """What the manifest says of a table, whichever number of files it has."""

    rows: int
    digest: str


class RawFile(TypedDict):
    """A file as it was given, before anything was made of it; a zip is one file."""

    name: str
    bytes: int
    sha256: str


class Origin(TypedDict, total=False):
    """Where the rows come from, as far as it is known; the digest of a dataset is without it.

    Attributes
    ----------
    raw : list of RawFile
        What was ingested.
    made : dict of str to int
        What sample applicants were drawn by.
    """

    raw: list[RawFile]
    made: dict[str, int]


class Manifest(Origin):
    """The contents of dataset.json."""

    format: Required[int]
    source: Required[str]
    files: Required[dict[str, FileEntry]]
    buckets: int
    tables: dict[str, TableEntry]


def _application(population: Population) -> Table:
    """The application table as its train or test file has it."""
    columns = tuple(
        replace(column, required=column.required or column.name == "TARGET")
        for column in APPLICATION.columns
        if population == "train" or column.name != "TARGET"
    )
    return replace(APPLICATION, columns=columns)


# Every file of a dataset by its name without ending. The order is that of ingestion.
FILES: Mapping[str, Table] = {
    **{f"application_{population}": _application(population) for population in POPULATIONS},
    **{table.name: table for table in HISTORY},
}

# By which column the rows of each file belong to an applicant or a loan.
LINKS = {name: table.link for name, table in FILES.items()} | {UNKNOWN: APPLICATION.link}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of typed tables.

    Attributes
    ----------
    folder : Path
        Where the Parquet files are.
    manifest : Manifest
        What dataset.json says of them.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Open a folder that `ingest` or the sample applicants' maker wrote.

        Raises
        ------
        DatasetError
            If the folder is no dataset, one of another format, or lacks a file.
        """
        mend = "Make it with `python -m scoring ingest` or `python -m scoring sample`"
        try:
            manifest: Manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            version, files = manifest["format"], manifest["files"]
        except FileNotFoundError as error:
            raise DatasetError(f"{folder} is no dataset: no {MANIFEST}", mend=mend) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{folder / MANIFEST} is damaged: {error}", mend=mend) from error
        if version not in (FORMAT, _OLDER_FORMAT):
            raise DatasetError(f"{folder} has format {version}, not {FORMAT}", mend=mend)
        for name in files:
            if not (folder / name).is_file():
                raise DatasetError(f"{folder / name} is gone", mend=mend)
        return cls(folder, manifest)

    @property
    def digest(self) -> str:
        """SHA-256 over the names and digests of the tables: equal digests, equal rows.

        It does not depend on the number of buckets. In a dataset of format 1 it is over the files.
        """
        if self.manifest["format"] == _OLDER_FORMAT:
            digests = {name: file["sha256"] for name, file in self.manifest["files"].items()}
        else:
            digests = {name: table["digest"] for name, table in self.manifest["tables"].items()}
        lines = (f"{name} {digest}\n" for name, digest in digests.items())
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return self.manifest.get("buckets", 1)

    @property
    def populations(self) -> tuple[Population, ...]:
        """Which of "train" and "test" there are."""
        return tuple(part for part in POPULATIONS if self.has(f"application_{part}"))

    def rows(self, name: str) -> int:
        """The number of rows of a table, by its files' name; 0 where there is none."""
        return table_rows(self.manifest)[name]

    def applicants(self, *populations: Population) -> int:
        """How many applicants some populations have; all there are by default."""
        return sum(self.rows(f"application_{part}") for part in populations or self.populations)

    def has(self, name: str) -> bool:
        """Whether there is a table, by its files' name."""
        return bool(self._files(name))

    def scan(self, name: str, bucket: int | None = None) -> pl.LazyFrame:
        """The rows of a table with Kaggle's columns, of one bucket or of all."""
        files = self._files(name)
        chosen = files if bucket is None else files[bucket : bucket + 1]
        rows = pl.scan_parquet([self.folder / file for file in chosen], glob=False)
        return rows.select(*FILES[name].schema) if name in FILES else rows

    def frames(
        self, *populations: Population, bucket: int | None = None
    ) -> dict[str, pl.LazyFrame]:
        """The tables by name, as `build_features` takes them.

        Parameters
        ----------
        *populations : {"train", "test"}
            Whose applications; all there are by default. Histories are never filtered.
        bucket : int, optional
            Of which bucket, counted from 0; all by default.

        Returns
        -------
        dict of LazyFrame
            All seven tables with the types of `scoring.data.tables`; TARGET is null for "test"; a
            history table that is not there is empty, and a warning says so. Applications of several
            buckets are sorted by SK_ID_CURR, each population by itself.
        """
        chosen = populations or self.populations
        applications = [self._applications(part, bucket) for part in chosen]
        frames = {APPLICATION.name: pl.concat(applications)}
        for table in HISTORY:
            if self.has(table.name):
                frames[table.name] = self.scan(table.name, bucket)
            else:
                if not bucket:
                    _warn_missing(table.name, str(self.folder))
                frames[table.name] = empty_frame(table).lazy()
        return frames

    def misunderstood(self) -> dict[int, tuple[Misunderstood, ...]]:
        """What was not understood of each applicant of whom anything was not, by SK_ID_CURR."""
        if not self.has(UNKNOWN):
            return {}
        values: dict[int, tuple[Misunderstood, ...]] = {}
        for applicant, pointer, value in self.scan(UNKNOWN).collect().iter_rows():
            _, table, *_, column = pointer.split("/")
            told = misunderstood(pointer, TABLES[table][column], value)
            values[applicant] = (*values.get(applicant, ()), told)
        return values

    def _applications(self, population: Population, bucket: int | None) -> pl.LazyFrame:
        name = f"application_{population}"
        if not self.has(name):
            raise DatasetError(
                f"{self.folder} holds no {name}", mend=f"Ingest a source that has {name}"
            )
        frame = self.scan(name, bucket)
        if bucket is None and self.buckets > 1:
            frame = frame.sort(APPLICATION.link)
        if population == "test":
            target = APPLICATION["TARGET"]
            frame = frame.with_columns(pl.lit(None, target.dtype).alias(target.name))
        return frame.select(column.name for column in APPLICATION.columns)

    def _files(self, name: str) -> list[str]:
        """The files of a table, one a bucket."""
        return sorted(file for file in self.manifest["files"] if table_of(file) == name)


def table_of(file: str) -> str:
    """The table that a dataset's file is of, by the file's name in the folder."""
    return file.split("/")[0].removesuffix(".parquet")


def table_rows(manifest: Manifest) -> Counter[str]:
    """The rows of each table that a manifest tells of, whatever number of files it has."""
    rows: Counter[str] = Counter()
    for file, entry in manifest["files"].items():
        rows[table_of(file)] += entry["rows"]
    return rows


def write_table(
    rows: pl.DataFrame, folder: Path, name: str, bucket: int = 0, buckets: int = 1
) -> None:
    """Write one file of a dataset: a bucket's rows with the types of `FILES[name]`, sorted."""
    path = folder / (f"{name}.parquet" if buckets == 1 else f"{name}/{bucket:04d}.parquet")
    path.parent.mkdir(exist_ok=True)
    rows.write_parquet(path, compression="lz4")


def write_manifest(folder: Path, source: str, origin: Origin | None = None) -> Manifest:
    """Write dataset.json for the tables in a folder.

    Parameters
    ----------
    folder : Path
        Holds the Parquet files.
    source : str
        What the rows are: "home-credit" or "synthetic".
    origin : Origin, optional
        Where they come from.
    """
    files: dict[str, FileEntry] = {}
    tables: dict[str, TableEntry] = {}
    buckets = 1
    for name in (*FILES, UNKNOWN):
        own = sorted([*folder.glob(f"{name}.parquet"), *folder.glob(f"{name}/*.parquet")])
        digest = TableDigest()
        for path in own:
            rows = pl.read_parquet(path, glob=False)
            digest.add(rows)
            file = path.relative_to(folder).as_posix()
            files[file] = {"rows": rows.height, "sha256": sha256_of(path)}
        if own:
            tables[name] = {"rows": digest.rows, "digest": digest.hexdigest()}
            buckets = max(buckets, len(own))
    manifest: Manifest = {
        "format": FORMAT, "source": source, "buckets": buckets, "tables": tables, "files": files,
        **(origin or {}),
    }  # fmt: skip
    (folder / MANIFEST).write_text(manifest_text(manifest), "utf-8")
    return manifest


def write_dataset(
    tables: Mapping[str, pl.DataFrame | pl.LazyFrame],
    out: Path,
    source: str,
    buckets: int | None = None,
) -> Dataset:
    """Write tables that are typed and checked already as a dataset, whole or not at all.

    Parameters
    ----------
    tables : mapping of str to DataFrame or LazyFrame
        Rows in any order, by the names of `FILES`.
    out : Path
        The dataset's folder.
    source : str
        What the rows are: "home-credit" or "synthetic".
    buckets : int, optional
        In how many buckets to write each table; by the number of applicants if it is not given.
    """
    with staged_folder(out, kind="dataset") as staged:
        number = buckets or buckets_for(_applicants(tables))
        for name, frame in tables.items():
            rows = frame.lazy()
            if name == BUREAU_BALANCE.name:
                rows = with_owner(rows, tables["bureau"].lazy())
            spill = Spill(staged.with_name(name), number)
            spill.add(rows.collect())
            write_buckets(spill, staged, name, number)
        write_manifest(staged, source)
    return Dataset.open(out)


def _applicants(tables: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> int:
    frames = [frame for name, frame in tables.items() if name.startswith("application_")]
    counts = pl.collect_all([frame.lazy().select(pl.len()) for frame in frames])
    return sum(count.item() for count in counts)


def with_owner(balance: pl.LazyFrame, bureau: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of bureau_balance with SK_ID_CURR from those of bureau."""
    owners = bureau.select(BUREAU_BALANCE.link, APPLICATION.link)
    return balance.join(owners, on=BUREAU_BALANCE.link, how="left", maintain_order="left")


def write_buckets(spill: Spill, folder: Path, name: str, buckets: int) -> None:
    """Write all files of a table of a dataset, and forget its rows."""
    for bucket in range(buckets):
        write_table(_sorted(spill.bucket(bucket), FILES[name]), folder, name, bucket, buckets)


def manifest_text(manifest: Manifest) -> str:
    """A manifest as dataset.json has it."""
    return json.dumps(manifest, indent=2) + "\n"


def ingest(
    source: Path, out: Path, *, buckets: int | None = None, progress: Progress | None = None
) -> Dataset:
    """Read the Kaggle tables from a folder or a zip, check them and write a dataset.

    Parameters
    ----------
    source : Path
        A folder of `.csv`, `.csv.gz`, `.csv.zip`, `.parquet` files or zips, or a zip of them.
    out : Path
        The dataset's folder, replaced only once everything is read and found good.
    buckets : int, optional
        In how many buckets to write each table; by the number of applicants if it is not given.
    progress : callable, optional
        Told of each table before it is read (rows None) and after it is read and checked.

    Raises
    ------
    DatasetError
        With table, column, row and mend, for the first thing that is wrong.
    """
    files = dict(find_files(source, FILES, along=(UNKNOWN,)))
    unknown_before = files.pop(UNKNOWN, None)
    if "application_train" not in files:
        raise DatasetError(
            f"{source} holds no application_train file",
            mend="Name the folder or zip that has application_train.csv (or .csv.gz, .csv.zip, "
            ".parquet) at its top",
        )
    _check_apart(source, out)
    with staged_folder(out, kind="dataset") as staged:
        known = _Known([_read_unknown(unknown_before)] if unknown_before else [])
        checked: dict[str, _Checked] = {}
        for name in FILES:
            if name in files:
                checked |= _check_table(name, files, staged, known, progress)
            elif name not in checked:
                _warn_missing(name, str(source))
            # Only now is it known how many applicants there are.
            if not name.startswith("application_") or name == "application_test":
                known.buckets = buckets or buckets_for(len(known.applicants))
                for part, rows in checked.items():
                    _write_checked(rows, staged, part, known)
                checked = {}
        if known.unknown:
            write_table(pl.concat(known.unknown), staged, UNKNOWN)
        kind, origin = _source_of(source, files.values())
        write_manifest(staged, kind, origin)
    return Dataset.open(out)


class _Known:
    """The identifiers read so far, which later tables refer to, and what was not understood."""

    def __init__(self, unknown: list[pl.DataFrame]) -> None:
        self.applicants = pl.Series("SK_ID_CURR", [], pl.Int32)
        self.bureau = pl.DataFrame(schema={"SK_ID_BUREAU": pl.Int32, "SK_ID_CURR": pl.Int32})
        self.unknown = unknown
        # One until all applications are read.
        self.buckets = 1


@dataclass(frozen=True)
class _Checked:
    """Rows of a table that are found good, with their `row` in the file, and what is unknown."""

    rows: Spill
    unknown: pl.DataFrame


def _read_unknown(file: SourceFile) -> pl.DataFrame:
    """What was not understood when a dataset was made whose files are ingested again."""
    try:
        return pl.read_parquet(io.BytesIO(file.load())).match_to_schema(_UNKNOWN_SCHEMA)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DatasetError(
            f"it is not what ingestion writes ({str(error).splitlines()[0]})",
            mend="Leave it out only if all of the files' values are understood",
            where=file.where,
        ) from error


def _check_table(
    name: str, files: Mapping[str, SourceFile], staged: Path, known: _Known,
    progress: Progress | None,
) -> dict[str, _Checked]:  # fmt: skip
    if progress:
        progress(name, None)
    # One file may hold both populations' applications.
    table = APPLICATION if name == "application_train" else FILES[name]
    checked = _checked_pieces(name, files[name], table, staged, known)
    if checked is None:
        checked = _checked_whole(name, files, table, staged, known)
    if progress:
        for part in checked:
            progress(part, checked[part].rows.height)
    return checked


def _checked_whole(
    name: str, files: Mapping[str, SourceFile], table: Table, staged: Path, known: _Known
) -> dict[str, _Checked]:
    where = files[name].where
    frame = conform(read(files[name], table), table, where=where)
    frame, unknown = without_unknown(frame, table, where=where)
    tell_unknown(unknown, table, where)
    check_key(frame, table, where=where)
    alone = "application_test" not in files
    frame = frame.with_row_index("row")
    parts = _populations(frame, where, alone) if table is APPLICATION else {name: frame}
    checked = {}
    for part, rows in parts.items():
        relation = _Relation(part, where, known)
        spill = Spill(staged.with_name(part), known.buckets)
        spill.add(relation.add(rows))
        relation.settle(known)
        checked[part] = _Checked(spill, unknown)
    return checked


def _checked_pieces(
    name: str, file: SourceFile, table: Table, staged: Path, known: _Known
) -> dict[str, _Checked] | None:
    """A large table checked piece by piece; None if it has to be seen at once.

    That is so where a piece is refused: the whole is the judge, and its words are told.
    """
    pieces = read_pieces(file, table)
    if pieces is None:
        return None
    reading = _Reading(name, file.where, table, staged, known)
    try:
        for piece in pieces:
            reading.add(piece)
        return {name: reading.settle(known)}
    except DatasetError as error:
        if not file.fits:
            raise
        logger.debug("%s is read at once: %s", file.where, error)
        reading.forget()
        return None


class _Reading:
    """A table that is checked piece by piece, as `conform` and the others check it at once."""

    def __init__(self, name: str, where: str, table: Table, staged: Path, known: _Known) -> None:
        self._where, self._table = where, table
        self._relation = _Relation(name, where, known)
        self._rows = Spill(staged.with_name(name), known.buckets)
        self._keys = Spill(staged.with_name(f"keys of {name}"), max(known.buckets, _KEY_BUCKETS))
        self._unknown: list[pl.DataFrame] = []
        self._nulls: list[pl.DataFrame] = []

    def add(self, piece: pl.DataFrame) -> None:
        """Check and keep the next rows; DatasetError counts the file's rows."""
        before, table, where = self._rows.height, self._table, self._where
        try:
            rows = conform(piece, table, where=where, piece=True)
            rows, unknown = without_unknown(rows, table, where=where)
        except DatasetError as error:
            if error.row is None:
                raise
            row = error.row - 1 + before
            raise refusal(table, where, error.column, error.problem, error.mend, row) from error
        if table is APPLICATION and rows["TARGET"].null_count():
            raise refusal(table, where, "TARGET", "a value is required", "Fill it in")
        self._nulls.append(rows.null_count())
        self._unknown.append(unknown.with_columns(pl.col("row") + before))
        rows = rows.with_row_index("row", offset=before)
        if table.key:
            self._keys.add(rows.select("row", *table.key))
        self._rows.add(self._relation.add(rows))

    def settle(self, known: _Known) -> _Checked:
        """See that the whole is good, and tell what there is to tell of it."""
        table, where, rows = self._table, self._where, self._rows.height
        if not rows:
            raise refusal(table, where, "", "the table is empty: no data row", "")
        unknown, nulls = pl.concat(self._unknown), pl.concat(self._nulls)
        if is_recoded(unknown, nulls, rows):
            raise refusal(table, where, "", "most of a column's values are unknown", "")
        self._check_keys()
        tell_empty(nulls, rows, table, where)
        tell_unknown(unknown, table, where)
        self._relation.settle(known)
        return _Checked(self._rows, unknown)

    def forget(self) -> None:
        """Remove what is on the disk."""
        for spill in (self._rows, self._keys):
            spill.clear()

    def _check_keys(self) -> None:
        refusals = []
        for bucket in range(self._keys.buckets) if self._table.key else ():
            try:
                check_key(self._keys.bucket(bucket), self._table, where=self._where)
            except DatasetError as error:
                refusals.append(error)
        if refusals:
            raise min(refusals, key=lambda error: error.row or 0)


def _write_checked(checked: _Checked, staged: Path, name: str, known: _Known) -> None:
    buckets = known.buckets
    spill = checked.rows.spread(staged.with_name(f"{name} in buckets"), buckets)
    table, pointed = FILES[name], []
    for bucket in range(buckets):
        rows = _sorted(spill.bucket(bucket), table)
        if checked.unknown.height:
            pointed.append(_pointed(checked.unknown, rows, table))
        write_table(rows.drop("row"), staged, name, bucket, buckets)
    if pointed:
        known.unknown.append(pl.concat(pointed).sort("SK_ID_CURR", "pointer"))


def _populations(frame: pl.DataFrame, where: str, alone: bool) -> dict[str, pl.DataFrame]:
    """The applications with TARGET, and those without where they have no file of their own."""
    without = frame["TARGET"].is_null()
    number = without.sum()
    if not number:
        return {"application_train": frame}
    if number == frame.height or not alone:
        problem = f"a value is required, and {number} of {frame.height} rows have none"
        mend = "Fill it in; rows without it may stay where there is no application_test file"
        raise refusal(APPLICATION, where, "TARGET", problem, mend, without.arg_max())
    warning = "table application (%s): %d of %d rows have no TARGET: taken for application_test"
    logger.warning(warning, where, number, frame.height)
    test = frame.filter(without).drop("TARGET")
    return {"application_train": frame.filter(~without), "application_test": test}


class _Relation:
    """How the rows of a table, which may come in pieces, belong to those read before."""

    def __init__(self, name: str, where: str, known: _Known) -> None:
        self._name, self._where, self._known = name, where, known
        self._link = FILES[name].link
        loans = self._link == BUREAU_BALANCE.link
        self._parents = known.bureau[self._link] if loans else known.applicants
        # Of a table that others refer to, what they refer to.
        self._own: list[pl.DataFrame] = []
        self._rows = self._orphans = 0
        self._ends: list[pl.Series] = []

    def add(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Take in rows, and say of bureau_balance whose they are."""
        links = rows[self._link]
        if self._name.startswith("application_"):
            _check_new_applicants(rows, self._where, self._known)
            self._own.append(rows.select(self._link))
            return rows
        if self._name == "bureau":
            self._own.append(rows.select("SK_ID_BUREAU", "SK_ID_CURR"))
        self._orphans += int((~links.is_in(self._parents.implode())).sum())
        self._rows += rows.height
        self._ends.append(pl.Series([links.min(), links.max()]))
        if self._name == BUREAU_BALANCE.name:
            return with_owner(rows.lazy(), self._known.bureau.lazy()).collect()
        return rows

    def settle(self, known: _Known) -> None:
        """See that rows belong to something, and let later tables refer to them."""
        if self._name.startswith("application_"):
            known.applicants = pl.concat(
                [known.applicants, *(own["SK_ID_CURR"] for own in self._own)]
            )
            return
        if self._name == "bureau":
            known.bureau = pl.concat(self._own)
        orphans, link = self._orphans, self._link
        apart = orphans == self._rows and len(self._parents)
        if apart and _are_apart(pl.concat(self._ends), self._parents):
            problem = f"none of its {orphans} rows belongs to a {link} that was read"
            mend = "See that its numbers are those of the other files, or leave it out"
            raise refusal(TABLES[self._name], self._where, link, problem, mend)
        if orphans:
            logger.info(
                "table %s (%s): %d of %d rows belong to no %s that was read; kept",
                self._name, self._where, orphans, self._rows, link,
            )  # fmt: skip


def _pointed(unknown: pl.DataFrame, rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Whose rows hold what was not understood, and where: SK_ID_CURR, pointer and value."""
    # As the applicant's own rows are counted in the body of a request.
    index = pl.int_range(pl.len()).over("SK_ID_CURR").cast(pl.String)
    place = pl.lit("") if table.name == APPLICATION.name else "/" + index
    pointer = pl.concat_str(pl.lit(f"/{table.name}"), place.alias("place"))
    values = rows.select("SK_ID_CURR", "row", pointer.alias("pointer")).join(unknown, on="row")
    # Of rows that nobody knows whose they are nobody is told.
    return values.drop_nulls("SK_ID_CURR").select(
        "SK_ID_CURR", pl.concat_str("pointer", pl.lit("/"), "column").alias("pointer"), "value"
    )


def _are_apart(numbers: pl.Series, others: pl.Series) -> bool:
    """Whether all of some numbers are below, or above, all of the others."""
    lowest, highest = (cast("int", end) for end in (numbers.min(), numbers.max()))
    return highest < cast("int", others.min()) or lowest > cast("int", others.max())


def _check_new_applicants(rows: pl.DataFrame, where: str, known: _Known) -> None:
    twice = rows.filter(pl.col("SK_ID_CURR").is_in(known.applicants.implode()))
    if twice.height:
        problem = f"duplicate key: SK_ID_CURR {twice['SK_ID_CURR'][0]} is in application_train too"
        mend = "Remove the row from one of the two files"
        raise refusal(APPLICATION, where, "SK_ID_CURR", problem, mend, twice["row"][0])


def _sorted(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows by applicant, then key; rows alike in both stay in the order of their file."""
    if table.key and table.key[0] == table.link:
        return frame.sort(packed_key([table[name] for name in table.key]))
    return frame.sort(table.link, *table.key, maintain_order=True)


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
    # A table in an archive tells the archive's name first.
    names = dict.fromkeys(file.where.split("/")[0] for file in files)
    given = [source / name if source.is_dir() else source for name in names]
    paths = [path for own in given for path in (sorted(own.iterdir()) if own.is_dir() else (own,))]
    folder = source if source.is_dir() else source.parent
    return [
        {
            "name": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in paths
    ]


def _warn_missing(name: str, where: str) -> None:
    consequence = (
        "there is no test population" if name == "application_test" else "its features will be null"
    )
    logger.warning("table %s is missing from %s: %s", name, where, consequence)
