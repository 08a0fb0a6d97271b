"""A dataset: the Kaggle tables as a folder of typed Parquet, made from whatever files there are.

The folder holds `application_train.parquet`, usually `application_test.parquet` (no TARGET), a
file for each history table that is known, `not_understood.parquet` if values were taken for missing
that nobody understood, and `dataset.json` with their rows and digests. Where there are many
applicants a table is a folder with a file for each bucket (`scoring.data.buckets`):
`bureau/0000.parquet` and so on. Rows are in the order of SK_ID_CURR, which bureau_balance has here
too: null, and first, where nobody knows whose a loan is.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Required, TypedDict

import polars as pl

from scoring.data.buckets import (
    Spill,
    TableDigest,
    buckets_for,
    by_applicant,
    first_applicants,
)
from scoring.data.checks import DatasetError, packed_key
from scoring.data.tables import APPLICATION, BUREAU_BALANCE, HISTORY, TABLES, Table, empty_frame
from scoring.data.values import Misunderstood, misunderstood
from scoring.files import sha256_of, staged_folder

logger = logging.getLogger(__name__)

Population = Literal["train", "test"]

FORMAT = 2
# One file a table, SK_ID_CURR not in bureau_balance, and the digest is that of the files.
_OLDER_FORMAT = 1
MANIFEST = "dataset.json"
# What was taken for missing because nobody knows what it says; there is none if there is nothing.
UNKNOWN = "not_understood"
UNKNOWN_SCHEMA = {"SK_ID_CURR": pl.Int32(), "pointer": pl.String(), "value": pl.String()}
POPULATIONS: tuple[Population, ...] = ("train", "test")


class FileEntry(TypedDict):
    """What the manifest says of one Parquet file."""

    rows: int
    sha256: str


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
    # The digest of each table's rows, in whichever files they are.
    tables: dict[str, str]


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
            digests = {name: entry["sha256"] for name, entry in self.manifest["files"].items()}
        else:
            digests = self.manifest["tables"]
        lines = (f"{name} {digest}\n" for name, digest in digests.items())
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    @property
    def populations(self) -> tuple[Population, ...]:
        """Which of "train" and "test" there are."""
        return tuple(part for part in POPULATIONS if self.has(f"application_{part}"))

    @property
    def buckets(self) -> int:
        """In how many files each table is."""
        return len(self._paths("application_train"))

    @property
    def applicants(self) -> int:
        """The number of applicants of all populations."""
        return sum(self.rows(f"application_{population}") for population in self.populations)

    def rows(self, name: str) -> int:
        """The number of rows of a table, by its name without ending; 0 where there is none."""
        return table_rows(self.manifest).get(name, 0)

    def has(self, name: str) -> bool:
        """Whether there is a table, by its name without ending."""
        return name in table_rows(self.manifest)

    def frames(
        self, *populations: Population, bucket: int | None = None
    ) -> dict[str, pl.LazyFrame]:
        """The tables by name, as `build_features` takes them.

        Parameters
        ----------
        *populations : {"train", "test"}
            Whose applications; all there are by default. Histories are never filtered.
        bucket : int, optional
            Whose rows alone are given, counted from 0; those of all buckets by default.

        Returns
        -------
        dict of LazyFrame
            All seven tables with the types of `scoring.data.tables`, by rising SK_ID_CURR; TARGET
            is null for "test"; a history table that is not there is empty, and a warning says so.
        """
        parts = [self._applications(part, bucket) for part in populations or self.populations]
        # Each is in order.
        whole = parts[0] if len(parts) == 1 else pl.concat(parts).sort("SK_ID_CURR")
        frames = {APPLICATION.name: whole}
        for table in HISTORY:
            if self.has(table.name):
                frames[table.name] = self.scan(table.name, bucket).select(table.schema.names())
            else:
                warn_missing(table.name, str(self.folder))
                frames[table.name] = empty_frame(table).lazy()
        return frames

    def scan(self, name: str, bucket: int | None = None) -> pl.LazyFrame:
        """The rows of a table that there is, or of one bucket of it, as they are written."""
        paths = self._paths(name)
        return pl.scan_parquet(paths if bucket is None else paths[bucket], glob=False)

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
        if population == "test":
            target = APPLICATION["TARGET"]
            frame = frame.with_columns(pl.lit(None, target.dtype).alias(target.name))
        return frame.select(column.name for column in APPLICATION.columns)

    def _paths(self, name: str) -> list[Path]:
        return [self.folder / file for file in self.manifest["files"] if table_of(file) == name]


def table_of(file: str) -> str:
    """The table that a file of a manifest is of, or is a bucket of."""
    return Path(file).parts[0].removesuffix(".parquet")


def table_rows(manifest: Manifest) -> dict[str, int]:
    """The number of rows of each table of a manifest."""
    rows: Counter[str] = Counter()
    for file, entry in manifest["files"].items():
        rows[table_of(file)] += entry["rows"]
    return dict(rows)


class DatasetWriter:
    """A dataset's files and what its manifest says of them, table after table.

    Parameters
    ----------
    folder : Path
        Where to write.
    buckets : int
        How many files a table has.
    """

    def __init__(self, folder: Path, buckets: int = 1) -> None:
        self._folder, self.buckets = folder, buckets
        self._files: dict[str, FileEntry] = {}
        self._digests: dict[str, TableDigest] = {}

    def write(self, name: str, frames: Iterable[pl.DataFrame]) -> int:
        """Write a table's buckets, whose rows are typed and sorted; how many rows they have."""
        return sum(self._write_bucket(name, bucket, rows) for bucket, rows in enumerate(frames))

    def _write_bucket(self, name: str, bucket: int, rows: pl.DataFrame) -> int:
        """Write the next bucket of a table, and return how many rows it has."""
        single = self.buckets == 1 or name == UNKNOWN
        file = f"{name}.parquet" if single else f"{name}/{bucket:04d}.parquet"
        path = self._folder / file
        path.parent.mkdir(exist_ok=True)
        write_rows(rows, path)
        self._digests.setdefault(name, TableDigest()).add(rows)
        self._files[file] = {"rows": rows.height, "sha256": sha256_of(path)}
        return rows.height

    def close(self, source: str, origin: Origin | None = None) -> Manifest:
        """Write dataset.json.

        Parameters
        ----------
        source : str
            What the rows are: "home-credit" or "synthetic".
        origin : Origin, optional
            Where they come from.
        """
        # In the order of `FILES`, whichever was written first.
        order = [*FILES, UNKNOWN]
        files = sorted(self._files.items(), key=lambda file: order.index(table_of(file[0])))
        tables = {name: self._digests[name].hexdigest() for name in order if name in self._digests}
        manifest: Manifest = {
            "format": FORMAT, "source": source, "files": dict(files), "tables": tables,
            **(origin or {}),
        }  # fmt: skip
        (self._folder / MANIFEST).write_text(manifest_text(manifest), "utf-8")
        return manifest


def write_rows(rows: pl.DataFrame, path: Path) -> None:
    """Write one file of a dataset."""
    rows.write_parquet(path, compression="lz4")


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
    names = (f"application_{population}" for population in POPULATIONS)
    parts = [tables[name].lazy().select("SK_ID_CURR") for name in names if name in tables]
    numbers = pl.concat(parts).collect()["SK_ID_CURR"]
    number = buckets or buckets_for(len(numbers))
    placing = by_applicant(first_applicants(numbers, number))
    with staged_folder(out, kind="dataset") as staged:
        writer = DatasetWriter(staged, number)
        for name, frame in tables.items():
            rows = frame.lazy()
            if name == BUREAU_BALANCE.name:
                rows = with_owner(rows, tables.get("bureau", empty_frame(TABLES["bureau"])).lazy())
            spill = Spill(staged.with_name(name), number, placing)
            spill.add(rows.collect())
            writer.write(name, (in_order(part, FILES[name]) for part in spill.buckets()))
        writer.close(source)
    return Dataset.open(out)


def with_owner(balance: pl.LazyFrame, bureau: pl.LazyFrame) -> pl.LazyFrame:
    """Rows of bureau_balance with the SK_ID_CURR of the loan, null where it is not in bureau."""
    owners = bureau.select(BUREAU_BALANCE.link, "SK_ID_CURR")
    return balance.join(owners, on=BUREAU_BALANCE.link, how="left", maintain_order="left")


def in_order(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows by applicant, then key; rows alike in both stay in the order of their file."""
    if table.key:
        rows = rows.sort(packed_key([table[name] for name in table.key]))
    return rows.sort("SK_ID_CURR", maintain_order=True)


def manifest_text(manifest: Manifest) -> str:
    """A manifest as dataset.json has it."""
    return json.dumps(manifest, indent=2) + "\n"


def warn_missing(name: str, where: str) -> None:
    """Say in the log what follows from a table that is not there."""
    consequence = (
        "there is no test population" if name == "application_test" else "its features will be null"
    )
    logger.warning("table %s is missing from %s: %s", name, where, consequence)
