"""A dataset: the Kaggle tables as a folder of typed Parquet, made from whatever files there are.

The folder holds `application_train.parquet`, usually `application_test.parquet` (no TARGET), a
file for each history table that is known, `not_understood.parquet` if values were taken for missing
that nobody understood, and `dataset.json` with their rows and digests.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Required, TypedDict, cast

import polars as pl

from scoring.data.checks import (
    DatasetError,
    check_key,
    conform,
    packed_key,
    refusal,
    without_unknown,
)
from scoring.data.sources import SourceFile, find_files, read
from scoring.data.tables import APPLICATION, HISTORY, HOME_CREDIT, TABLES, Table, empty_frame
from scoring.data.values import Misunderstood, misunderstood
from scoring.files import sha256_of, staged_folder

logger = logging.getLogger(__name__)

Population = Literal["train", "test"]
# Called with a table's name before it is read, and again with its rows once it is written.
Progress = Callable[[str, int | None], None]

FORMAT = 1
MANIFEST = "dataset.json"
# What was taken for missing because nobody knows what it says; there is none if there is nothing.
UNKNOWN = "not_understood"
_UNKNOWN_SCHEMA = {"SK_ID_CURR": pl.Int32(), "pointer": pl.String(), "value": pl.String()}
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
        if version != FORMAT:
            raise DatasetError(f"{folder} has format {version}, not {FORMAT}", mend=mend)
        for name in files:
            if not (folder / name).is_file():
                raise DatasetError(f"{folder / name} is gone", mend=mend)
        return cls(folder, manifest)

    @property
    def digest(self) -> str:
        """SHA-256 over the names and digests of the files: equal digests, equal rows."""
        lines = (f"{name} {entry['sha256']}\n" for name, entry in self.manifest["files"].items())
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    @property
    def populations(self) -> tuple[Population, ...]:
        """Which of "train" and "test" there are."""
        return tuple(part for part in POPULATIONS if self._has(f"application_{part}"))

    def rows(self, name: str) -> int:
        """The number of rows of a file, by its name without ending; 0 where there is none."""
        entry = self.manifest["files"].get(f"{name}.parquet")
        return entry["rows"] if entry else 0

    def frames(self, *populations: Population) -> dict[str, pl.LazyFrame]:
        """The tables by name, as `build_features` takes them.

        Parameters
        ----------
        *populations : {"train", "test"}
            Whose applications; all there are by default. Histories are never filtered.

        Returns
        -------
        dict of LazyFrame
            All seven tables with the types of `scoring.data.tables`; TARGET is null for "test"; a
            history table that is not there is empty, and a warning says so.
        """
        chosen = populations or self.populations
        frames = {APPLICATION.name: pl.concat([self._applications(part) for part in chosen])}
        for table in HISTORY:
            if self._has(table.name):
                frames[table.name] = self._scan(table.name)
            else:
                _warn_missing(table.name, str(self.folder))
                frames[table.name] = empty_frame(table).lazy()
        return frames

    def misunderstood(self) -> dict[int, tuple[Misunderstood, ...]]:
        """What was not understood of each applicant of whom anything was not, by SK_ID_CURR."""
        if not self._has(UNKNOWN):
            return {}
        values: dict[int, tuple[Misunderstood, ...]] = {}
        for applicant, pointer, value in self._scan(UNKNOWN).collect().iter_rows():
            _, table, *_, column = pointer.split("/")
            told = misunderstood(pointer, TABLES[table][column], value)
            values[applicant] = (*values.get(applicant, ()), told)
        return values

    def _applications(self, population: Population) -> pl.LazyFrame:
        name = f"application_{population}"
        if not self._has(name):
            raise DatasetError(
                f"{self.folder} holds no {name}", mend=f"Ingest a source that has {name}"
            )
        frame = self._scan(name)
        if population == "test":
            target = APPLICATION["TARGET"]
            frame = frame.with_columns(pl.lit(None, target.dtype).alias(target.name))
        return frame.select(column.name for column in APPLICATION.columns)

    def _has(self, name: str) -> bool:
        return f"{name}.parquet" in self.manifest["files"]

    def _scan(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.folder / f"{name}.parquet", glob=False)


def write_table(frame: pl.DataFrame, folder: Path, name: str) -> None:
    """Write one file of a dataset: rows with the types of `FILES[name]`, already sorted."""
    frame.write_parquet(folder / f"{name}.parquet", compression="lz4")


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
    for name in (*FILES, UNKNOWN):
        path = folder / f"{name}.parquet"
        if path.is_file():
            rows = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
            files[path.name] = {"rows": rows, "sha256": sha256_of(path)}
    manifest: Manifest = {"format": FORMAT, "source": source, "files": files, **(origin or {})}
    (folder / MANIFEST).write_text(manifest_text(manifest), "utf-8")
    return manifest


def write_dataset(
    tables: Mapping[str, pl.DataFrame | pl.LazyFrame], out: Path, source: str
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
    """
    with staged_folder(out, kind="dataset") as staged:
        for name, frame in tables.items():
            write_table(_sorted(frame.lazy().collect(), FILES[name]), staged, name)
        write_manifest(staged, source)
    return Dataset.open(out)


def manifest_text(manifest: Manifest) -> str:
    """A manifest as dataset.json has it."""
    return json.dumps(manifest, indent=2) + "\n"


def ingest(source: Path, out: Path, *, progress: Progress | None = None) -> Dataset:
    """Read the Kaggle tables from a folder or a zip, check them and write a dataset.

    Parameters
    ----------
    source : Path
        A folder of `.csv`, `.csv.gz`, `.csv.zip`, `.parquet` files or zips, or a zip of them.
    out : Path
        The dataset's folder, replaced only once everything is read and found good.
    progress : callable, optional
        Told of each table before it is read (rows None) and after it is written.

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
        for name in FILES:
            if name in files:
                _ingest_table(name, files, staged, known, progress)
            elif not (staged / f"{name}.parquet").exists():
                _warn_missing(name, str(source))
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


def _ingest_table(
    name: str, files: Mapping[str, SourceFile], staged: Path, known: _Known,
    progress: Progress | None,
) -> None:  # fmt: skip
    if progress:
        progress(name, None)
    # One file may hold both populations' applications.
    table = APPLICATION if name == "application_train" else FILES[name]
    where = files[name].where
    frame = conform(read(files[name], table), table, where=where)
    frame, unknown = without_unknown(frame, table, where=where)
    check_key(frame, table, where=where)
    alone = "application_test" not in files
    parts = _populations(frame, where, alone) if table is APPLICATION else {name: frame}
    for part, rows in parts.items():
        _relate(rows, part, where, known)
        write_table(_sorted(rows, FILES[part]), staged, part)
        if progress:
            progress(part, rows.height)
    if unknown.height:
        known.unknown.append(_pointed(unknown, frame, table, known.bureau))


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


def _relate(frame: pl.DataFrame, name: str, where: str, known: _Known) -> None:
    if name.startswith("application_"):
        _check_new_applicants(frame["SK_ID_CURR"], where, known)
        known.applicants = known.applicants.append(frame["SK_ID_CURR"])
        return
    if name == "bureau":
        known.bureau = frame.select("SK_ID_BUREAU", "SK_ID_CURR")
    link = TABLES[name].link
    parents = known.applicants if link == "SK_ID_CURR" else known.bureau["SK_ID_BUREAU"]
    orphans = frame.height - frame[link].is_in(parents.implode()).sum()
    if orphans == frame.height and len(parents) and _are_apart(frame[link], parents):
        problem = f"none of its {orphans} rows belongs to a {link} that was read"
        mend = "See that its numbers are those of the other files, or leave it out"
        raise refusal(TABLES[name], where, link, problem, mend)
    if orphans:
        logger.info(
            "table %s (%s): %d of %d rows belong to no %s that was read; kept",
            name, where, orphans, frame.height, link,
        )  # fmt: skip


def _pointed(
    unknown: pl.DataFrame, frame: pl.DataFrame, table: Table, bureau: pl.DataFrame
) -> pl.DataFrame:
    """Whose rows hold what was not understood, and where: SK_ID_CURR, pointer and value."""
    places = _sorted(frame.with_row_index("row"), table)
    if table.link != "SK_ID_CURR":
        places = places.join(bureau, on=table.link, maintain_order="left")
    # As the applicant's own rows are counted in the body of a request.
    index = pl.int_range(pl.len()).over("SK_ID_CURR").cast(pl.String)
    place = pl.lit("") if table.name == APPLICATION.name else "/" + index
    pointer = pl.concat_str(pl.lit(f"/{table.name}"), place.alias("place"))
    values = places.select("SK_ID_CURR", "row", pointer.alias("pointer")).join(unknown, on="row")
    return values.select(
        "SK_ID_CURR", pl.concat_str("pointer", pl.lit("/"), "column").alias("pointer"), "value"
    ).sort("SK_ID_CURR", "pointer")


def _are_apart(numbers: pl.Series, others: pl.Series) -> bool:
    """Whether all of some numbers are below, or above, all of the others."""
    lowest, highest = (cast("int", end) for end in (numbers.min(), numbers.max()))
    return highest < cast("int", others.min()) or lowest > cast("int", others.max())


def _check_new_applicants(applicants: pl.Series, where: str, known: _Known) -> None:
    row = applicants.is_in(known.applicants.implode()).arg_max()
    if row is not None and applicants[row] in known.applicants:
        problem = f"duplicate key: SK_ID_CURR {applicants[row]} is in application_train too"
        mend = "Remove the row from one of the two files"
        raise refusal(APPLICATION, where, "SK_ID_CURR", problem, mend, row)


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
    paths = [source / name if source.is_dir() else source for name in names]
    return [
        {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in paths
    ]


def _warn_missing(name: str, where: str) -> None:
    consequence = (
        "there is no test population" if name == "application_test" else "its features will be null"
    )
    logger.warning("table %s is missing from %s: %s", name, where, consequence)
