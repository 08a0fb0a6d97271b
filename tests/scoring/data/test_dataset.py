from __future__ import annotations

import gzip
import hashlib
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.data.checks import DatasetError, conform
from scoring.data.dataset import FILES, MANIFEST, Dataset, DatasetWriter, Population
from scoring.data.ingest import ingest
from scoring.data.sources import find_files, read_pieces
from scoring.data.tables import APPLICATION, HISTORY, TABLES, Column, Table, empty_frame
from scoring.data.values import is_missing
from scoring.files import FilesError, staged_folder
from tests.helpers.invented import invent, invent_all, write_csv, write_folder

TRAIN = FILES["application_train"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of all eight tables as Kaggle's CSV files."""
    return write_folder(tmp_path / "kaggle", invent_all())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "made" / "dataset"


def refused(source: Path, out: Path) -> DatasetError:
    """The error that `ingest` stops with, after seeing that it left nothing behind."""
    with pytest.raises(DatasetError) as caught:
        ingest(source, out)
    left = list(out.parent.iterdir()) if out.parent.exists() else []
    assert left == []
    return caught.value


def expected(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("SK_ID_CURR", *FILES[name].key, maintain_order=True)


def assert_ingested(dataset: Dataset, frames: dict[str, pl.DataFrame]) -> None:
    for name, frame in frames.items():
        written = pl.read_parquet(dataset.folder / f"{name}.parquet")
        if name == "bureau_balance":
            owners = frames["bureau"].select("SK_ID_BUREAU", "SK_ID_CURR")
            frame = frame.join(owners, on="SK_ID_BUREAU", how="left")
        assert_frame_equal(written, expected(name, frame), check_exact=True)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def set_field(path: Path, row: int, column: str, value: str) -> None:
    """Write `value`, as it is, into one field of a CSV; row 1 is the first below the header."""
    frame = pl.read_csv(path, infer_schema=False)
    frame[row - 1, column] = value
    frame.write_csv(path)


# What goes in comes out


def test_kaggle_csv_comes_out_typed_and_sorted(source: Path, out: Path) -> None:
    dataset = ingest(source, out)
    assert_ingested(dataset, invent_all())
    assert {path.name for path in out.iterdir()} == {
        "dataset.json", *(f"{name}.parquet" for name in FILES)
    }  # fmt: skip
    assert Dataset.open(out) == dataset


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_invented_rows_survive_kaggles_csv(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("round")
    frames = invent_all(seed)
    dataset = ingest(write_folder(folder / "kaggle", frames), folder / "dataset")
    assert_ingested(dataset, frames)


def _values(column: Column) -> st.SearchStrategy[object]:
    if column.kind == "category":
        # pandas cannot tell an empty text from a missing one, nor can a CSV file.
        texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"))
        unknown = texts.filter(lambda text: not is_missing(text))
        values: st.SearchStrategy[object] = st.sampled_from(column.categories) | unknown
    elif column.dtype.is_integer():
        low, high = column.minimum, column.maximum
        assert low is not None
        assert high is not None
        values = st.integers(int(low), int(high)) | st.sampled_from(column.sentinels or (int(low),))
    else:
        values = st.floats(column.minimum, column.maximum, allow_subnormal=False)
    return values if column.required else values | st.none()


@pytest.mark.parametrize(
    "table", [TABLES["bureau"], FILES["installments_payments"]], ids=["text", "numbers"]
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_value_survives_kaggles_csv(
    table: Table, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    row = st.fixed_dictionaries({column.name: _values(column) for column in table.columns})
    rows = data.draw(st.lists(row, min_size=1, max_size=5))
    frame = pl.DataFrame(rows, schema=table.schema)
    folder = tmp_path_factory.mktemp("values")
    frame.to_pandas().to_csv(folder / f"{table.name}.csv", index=False, na_rep="")
    file = find_files(folder, [table.name])[table.name]
    again = conform(pl.concat(read_pieces(file, table)), table, where=file.where)
    assert_frame_equal(again, frame, check_exact=True)


def _gzip(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def _zip(path: Path) -> None:
    with zipfile.ZipFile(f"{path}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    path.unlink()


def _parquet(path: Path) -> None:
    pl.read_csv(path, infer_schema_length=None).write_parquet(path.with_suffix(".parquet"))
    path.unlink()


@pytest.mark.parametrize("pack", [_gzip, _zip, _parquet])
def test_packed_files_read_as_plain_ones(
    pack: Callable[[Path], None], source: Path, out: Path
) -> None:
    plain = ingest(source, out)
    for path in source.iterdir():
        pack(path)
    assert ingest(source, out.with_name("packed")).digest == plain.digest


@pytest.mark.parametrize("folder", ["", "home-credit/"])
def test_kaggles_one_big_zip_reads_as_its_files(folder: str, source: Path, out: Path) -> None:
    plain = ingest(source, out)
    archive = out.parent / "home-credit-default-risk.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in source.iterdir():
            opened.write(path, folder + path.name)
        opened.writestr("__MACOSX/bureau.csv", b"\0")
        opened.writestr("sample_submission.csv", "SK_ID_CURR,TARGET\n")
    assert ingest(archive, out.with_name("zipped")).digest == plain.digest
    assert ingest(archive.parent, out.with_name("found")).digest == plain.digest


def test_a_dataset_ingested_again_stays_the_same(source: Path, out: Path) -> None:
    dataset = ingest(source, out)
    assert ingest(out, out.with_name("again")).manifest == dataset.manifest
    assert ingest(out, out).manifest == dataset.manifest


def test_sample_applicants_ingested_again_stay_sample_applicants(source: Path, out: Path) -> None:
    assert ingest(source, out).manifest["source"] == "home-credit"
    manifest = {**json.loads((out / MANIFEST).read_text()), "source": "synthetic"}
    (out / MANIFEST).write_text(json.dumps(manifest))
    assert ingest(out, out.with_name("again")).manifest["source"] == "synthetic"


def test_a_dataset_names_the_files_it_was_made_from(source: Path, out: Path) -> None:
    dataset = ingest(source, out)
    raw = {file["name"]: file for file in dataset.manifest["raw"]}
    assert raw.keys() == {f"{name}.csv" for name in FILES}
    for name, file in raw.items():
        content = (source / name).read_bytes()
        assert file["bytes"] == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    archive = out.with_name("kaggle.zip")
    with zipfile.ZipFile(archive, "w") as opened:
        for path in source.iterdir():
            opened.write(path, path.name)
    (whole,) = ingest(archive, out.with_name("zipped")).manifest["raw"]
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert whole == {"name": archive.name, "bytes": archive.stat().st_size, "sha256": digest}


def test_the_digest_is_of_the_rows_alone(source: Path, out: Path) -> None:
    first = ingest(source, out)
    digest = first.digest
    path = out / "dataset.json"
    manifest = json.loads(path.read_text())
    del manifest["raw"]
    path.write_text(json.dumps(manifest))
    assert Dataset.open(out).digest == digest
    text = (source / "bureau.csv").read_text()
    (source / "bureau.csv").write_text(text.replace("\n", "\r\n"))
    again = ingest(source, out.with_name("again"))
    assert again.digest == digest
    assert again.manifest["raw"] != first.manifest["raw"]


def test_only_the_files_that_a_manifest_knows_come_from_where_it_says(
    source: Path, out: Path
) -> None:
    first = ingest(source, out)
    assert ingest(out, out.with_name("same")).manifest["raw"] == first.manifest["raw"]
    path = out / "bureau.parquet"
    pl.read_parquet(path).head(3).write_parquet(path)
    raw = ingest(out, out.with_name("changed")).manifest["raw"]
    assert {file["name"] for file in raw} == {f"{name}.parquet" for name in FILES}


def test_loose_parquet_types_are_tightened(source: Path, out: Path) -> None:
    rows = invent("bureau")
    (source / "bureau.csv").unlink()
    loose = rows.with_columns(
        pl.col("DAYS_CREDIT").cast(pl.Float64),
        pl.col("DAYS_CREDIT_ENDDATE").cast(pl.String),
        pl.col("CREDIT_TYPE").cast(pl.Categorical),
        pl.col("CNT_CREDIT_PROLONG").cast(pl.Float64).fill_null(float("nan")),
        pl.col("SK_ID_BUREAU").cast(pl.UInt64),
        pl.col("AMT_CREDIT_SUM").cast(pl.Decimal(14, 3)),
    )
    loose.write_parquet(source / "bureau.parquet")
    assert_ingested(ingest(source, out), {"bureau": rows})


def test_single_precision_amounts_get_their_cents_back() -> None:
    table = FILES["installments_payments"]
    rows = invent(table.name).with_columns(AMT_PAYMENT=pl.lit(2962.53))
    loose = rows.with_columns(pl.col("AMT_PAYMENT").cast(pl.Float32))
    assert_frame_equal(conform(loose, table, where="here"), rows)


def test_other_files_and_column_order_do_not_matter(source: Path, out: Path) -> None:
    plain = ingest(source, out)
    (source / "HomeCredit_columns_description.csv").write_bytes("Pays\xe9".encode("latin-1"))
    (source / "sample_submission.csv").write_text("SK_ID_CURR,TARGET\n")
    (source / "README.md").write_text("hello")
    rows = invent("bureau")
    write_csv(rows.select(reversed(rows.columns)), source / "bureau.csv")
    assert ingest(source, out.with_name("other")).digest == plain.digest


@pytest.mark.parametrize(
    ("ending", "mark"), [("\r\n", ""), ("\n", "\ufeff")], ids=["windows", "byte order mark"]
)
def test_windows_files_read_as_others(ending: str, mark: str, source: Path, out: Path) -> None:
    plain = ingest(source, out)
    for path in source.iterdir():
        text = mark + path.read_text("utf-8").replace("\n", ending) + ending
        path.write_bytes(text.encode())
    assert ingest(source, out.with_name("windows")).digest == plain.digest


def test_sentinels_outside_the_range_are_kept(source: Path, out: Path) -> None:
    set_field(source / "application_train.csv", 1, "DAYS_EMPLOYED", "365243")
    frame = ingest(source, out).frames("train")["application"].collect()
    assert 365_243 in frame["DAYS_EMPLOYED"]


# Bad input


BAD_VALUES = [
    ("bureau", "AMT_CREDIT_SUM", "abc", "'abc' is not a number"),
    ("bureau", "AMT_CREDIT_SUM", "nano", "'nano' is not a number"),
    ("bureau", "DAYS_CREDIT", "NaN", "a value is required"),
    ("bureau", "AMT_CREDIT_SUM", "-inf", "-inf is not a finite number"),
    ("bureau", "AMT_CREDIT_SUM", "1e300", "is not in -10000000000 to 10000000000"),
    ("bureau", "AMT_CREDIT_SUM", "1,5", "'1,5' is not a number"),
    ("bureau", "DAYS_CREDIT", "1", "is not in -60000 to 0"),
    ("bureau", "DAYS_CREDIT", "365243", "is not in -60000 to 0"),
    ("bureau", "DAYS_CREDIT", "", "a value is required"),
    ("bureau", "SK_ID_CURR", "99999999999", "is not in 1 to 2147483647"),
    ("application_train", "AMT_CREDIT", "-1", "is not in 1 to 10000000000"),
    ("application_train", "CNT_CHILDREN", "2.5", "2.5 is not a whole number"),
    ("application_train", "DAYS_EMPLOYED", "365244", "is not in -60000 to 0 or 365243"),
    ("application_train", "TARGET", "2", "2.0 is neither 0 nor 1"),
    ("application_train", "TARGET", "0.5", "0.5 is neither 0 nor 1"),
    ("application_train", "TARGET", "", "a value is required"),
    ("application_train", "NAME_CONTRACT_TYPE", "", "a value is required"),
    ("application_test", "EXT_SOURCE_1", "1.01", "1.01 is not in 0 to 1"),
    ("bureau_balance", "MONTHS_BALANCE", "now", "'now' is not a number"),
]


@pytest.mark.parametrize("pack", [None, _gzip, _zip], ids=["csv", "gz", "zip"])
@pytest.mark.parametrize(("name", "column", "value", "problem"), BAD_VALUES)
def test_a_bad_value_is_named_with_its_place(
    name: str,
    column: str,
    value: str,
    problem: str,
    pack: Callable[[Path], None] | None,
    source: Path,
    out: Path,
) -> None:
    path = source / f"{name}.csv"
    set_field(path, 5, column, value)
    if pack:
        pack(path)
    error = refused(source, out)
    assert (error.table, error.column, error.row) == (FILES[name].name, column, 5)
    assert problem in error.problem
    assert name in str(error)
    assert f"column {column}, data row 5 (the first is 1)" in str(error)
    assert error.mend


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (float("inf"), "inf is not a finite number"),
        (-0.5, "-0.5 is not a whole number"),
        (1e9, "is not in -60000 to 0"),
        (None, "a value is required"),
    ],
)
def test_a_bad_value_in_parquet_is_named_too(
    value: float | None, problem: str, source: Path, out: Path
) -> None:
    (source / "bureau.csv").unlink()
    rows = invent("bureau").with_columns(pl.col("DAYS_CREDIT").cast(pl.Float64))
    rows[2, "DAYS_CREDIT"] = value
    rows.write_parquet(source / "bureau.parquet")
    error = refused(source, out)
    assert (error.where, error.column, error.row) == ("bureau.parquet", "DAYS_CREDIT", 3)
    assert problem in error.problem


def test_a_parquet_column_of_another_type_is_named(source: Path, out: Path) -> None:
    (source / "bureau.csv").unlink()
    rows = invent("bureau").with_columns(DAYS_CREDIT=pl.date(2026, 1, 1))
    rows.write_parquet(source / "bureau.parquet")
    error = refused(source, out)
    assert error.column == "DAYS_CREDIT"
    assert "Date" in error.problem


@pytest.mark.parametrize("write", [write_csv, pl.DataFrame.write_parquet], ids=["csv", "parquet"])
def test_missing_columns_are_named(
    write: Callable[[pl.DataFrame, Path], object], source: Path, out: Path
) -> None:
    (source / "bureau.csv").unlink()
    ending = "csv" if write is write_csv else "parquet"
    write(invent("bureau").drop("DAYS_CREDIT", "AMT_ANNUITY"), source / f"bureau.{ending}")
    error = refused(source, out)
    assert error.column == "DAYS_CREDIT"
    assert "missing columns DAYS_CREDIT, AMT_ANNUITY" in str(error)


def test_semicolons_are_read(source: Path, out: Path) -> None:
    rows = invent("bureau")
    rows.write_csv(source / "bureau.csv", separator=";")
    assert_ingested(ingest(source, out), {"bureau": rows})


def test_a_column_named_twice_is_refused(source: Path, out: Path) -> None:
    edit(source / "bureau.csv", "CREDIT_TYPE", "CREDIT_ACTIVE")
    assert "names a column twice: CREDIT_ACTIVE" in str(refused(source, out))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_unknown_columns_are_dropped_with_a_warning(
    ending: str, source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = invent("bureau")
    wider = rows.with_columns(pl.lit("a, b").alias("NOTE"), pl.Series("", range(rows.height)))
    (source / "bureau.csv").unlink()
    if ending == "csv":
        wider.write_csv(source / "bureau.csv")
    else:
        wider.write_parquet(source / "bureau.parquet")
    assert_ingested(ingest(source, out), {"bureau": rows})
    assert "unknown columns dropped: NOTE, (without a name)" in caplog.text


@pytest.mark.parametrize("name", [name for name, table in FILES.items() if table.key])
def test_a_duplicate_key_is_refused(name: str, source: Path, out: Path) -> None:
    rows = invent(name)
    write_csv(pl.concat([rows, rows[4:5]]), source / f"{name}.csv")
    error = refused(source, out)
    assert (error.table, error.row) == (FILES[name].name, rows.height + 1)
    assert error.column == " + ".join(FILES[name].key)
    assert "is already in data row 5" in error.problem


def test_an_applicant_in_train_and_test_is_refused(source: Path, out: Path) -> None:
    twice = str(invent("application_train")["SK_ID_CURR"][0])
    set_field(source / "application_test.csv", 3, "SK_ID_CURR", twice)
    error = refused(source, out)
    assert (error.where, error.column, error.row) == ("application_test.csv", "SK_ID_CURR", 3)
    assert "application_train too" in error.problem


@pytest.mark.parametrize("row", [3, 12], ids=["middle", "last line"])
def test_a_short_line_is_found(row: int, source: Path, out: Path) -> None:
    path = source / "bureau.csv"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    lines[row] = lines[row][: len(lines[row]) // 2] + ("" if row == 12 else "\n")
    path.write_text("".join(lines), "utf-8")
    error = refused(source, out)
    assert (error.table, error.row) == ("bureau", row)
    assert "fields, the header 17" in error.problem


def test_a_long_line_is_found(source: Path, out: Path) -> None:
    path = source / "bureau.csv"
    lines = path.read_text("utf-8").splitlines()
    lines[4] += ",1"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    error = refused(source, out)
    assert error.row == 4
    assert "18 fields, the header 17" in error.problem


def test_commas_inside_of_text_are_no_long_line(source: Path, out: Path) -> None:
    path = source / "bureau.csv"
    set_field(path, 2, "CREDIT_TYPE", 'Loan, with "collateral", large')
    (told,) = (one for own in ingest(source, out).misunderstood().values() for one in own)
    assert told.value == 'Loan, with "collateral", large'
    lines = path.read_text("utf-8").splitlines()
    lines[5] = lines[5].rpartition(",")[0]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert refused(source, out.with_name("a") / "b").row == 5


def test_an_open_quotation_mark_is_refused(source: Path, out: Path) -> None:
    path = source / "bureau_balance.csv"
    lines = path.read_text("utf-8").splitlines()
    lines[3] = lines[3][:-1] + '"C'
    path.write_text("\n".join(lines) + "\n", "utf-8")
    error = refused(source, out)
    assert error.table == "bureau_balance"
    assert error.row is not None
    assert error.row >= 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_last_line_without_end_is_worth_a_warning(
    encoding: str, source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = source / "bureau.csv"
    path.write_text(path.read_text("utf-8").rstrip("\n"), encoding)
    assert_ingested(ingest(source, out), {"bureau": invent("bureau")})
    assert "table bureau (bureau.csv): the last line has no end" in caplog.text


@pytest.mark.parametrize("pack", [_gzip, _zip, _parquet])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_archive_is_refused(
    share: float, pack: Callable[[Path], None], source: Path, out: Path
) -> None:
    path = source / "bureau.csv"
    pack(path)
    (packed,) = source.glob("bureau.*")
    data = packed.read_bytes()
    packed.write_bytes(data[: int(share * len(data))])
    error = refused(source, out)
    assert error.table == "bureau"
    assert ("cut short" in error.problem) if share else ("0 bytes" in error.problem)
    assert error.mend


def test_a_truncated_big_zip_is_refused(source: Path, out: Path, tmp_path: Path) -> None:
    archive = tmp_path / "home-credit-default-risk.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in source.iterdir():
            opened.write(path, path.name)
    archive.write_bytes(archive.read_bytes()[:-2000])
    assert "cut short" in str(refused(archive, out))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32"])
def test_another_unicode_encoding_is_named(encoding: str, source: Path, out: Path) -> None:
    path = source / "bureau.csv"
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    error = refused(source, out)
    assert error.table == "bureau"
    assert "UTF-16" in error.problem
    assert "UTF-8" in error.mend


@pytest.mark.parametrize("column", ["CREDIT_TYPE", "AMT_CREDIT_SUM"])
def test_latin_1_bytes_are_read_with_a_warning(
    column: str, source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = source / "bureau.csv"
    set_field(path, 6, column, "prêt")
    path.write_bytes(path.read_text("utf-8").encode("latin-1"))
    if column == "CREDIT_TYPE":
        ingest(source, out)
        assert "'prêt'" in caplog.text
    else:
        error = refused(source, out)
        assert (error.table, error.column, error.row) == ("bureau", column, 6)
        assert "'prêt' is not a number" in error.problem
    assert "bureau (bureau.csv): not UTF-8: read as Windows-1252" in caplog.text


@pytest.mark.parametrize("content", ["", "header"])
@pytest.mark.parametrize("name", ["application_train", "bureau_balance"])
def test_an_empty_table_is_refused(name: str, content: str, source: Path, out: Path) -> None:
    path = source / f"{name}.csv"
    path.write_text(path.read_text("utf-8").splitlines()[0] + "\n" if content else "")
    error = refused(source, out)
    assert error.table == FILES[name].name
    assert "empty" in error.problem


def test_an_empty_parquet_table_is_refused(source: Path, out: Path) -> None:
    (source / "bureau.csv").unlink()
    empty_frame(TABLES["bureau"]).write_parquet(source / "bureau.parquet")
    assert "no data row" in str(refused(source, out))


def test_an_unknown_category_is_missing_with_a_warning(
    source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = ingest(source, out.with_name("before")).frames()["bureau"].collect()
    for row in (2, 9):
        set_field(source / "bureau.csv", row, "CREDIT_TYPE", "Space travel")
    dataset = ingest(source, out)
    bureau = dataset.frames()["bureau"].collect()
    assert bureau["CREDIT_TYPE"].null_count() == before["CREDIT_TYPE"].null_count() + 2
    told = [one for own in dataset.misunderstood().values() for one in own]
    assert [(one.value, one.nearest) for one in told] == [("Space travel", None)] * 2
    assert "column CREDIT_TYPE: 2 rows hold 1 categories not seen before" in caplog.text
    assert "'Space travel'" in caplog.text


def test_rows_of_unknown_applicants_are_kept_and_counted(
    source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scoring")
    set_field(source / "bureau.csv", 2, "SK_ID_CURR", "999999")
    assert ingest(source, out).rows("bureau") == 12
    assert "table bureau (bureau.csv): 1 of 12 rows belong to no SK_ID_CURR" in caplog.text


# Missing files


def test_a_source_that_is_not_there_is_named(tmp_path: Path, out: Path) -> None:
    assert "nowhere does not exist" in str(refused(tmp_path / "nowhere", out))


def test_a_source_that_is_one_csv_is_refused(source: Path, out: Path) -> None:
    assert "neither a folder nor a zip" in str(refused(source / "bureau.csv", out))


def test_a_source_without_train_applications_is_refused(source: Path, out: Path) -> None:
    (source / "application_train.csv").unlink()
    assert "holds no application_train" in str(refused(source, out))


def test_a_missing_test_file_leaves_the_train_population(
    source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source / "application_test.csv").unlink()
    dataset = ingest(source, out)
    assert "application_test is missing" in caplog.text
    assert dataset.populations == ("train",)
    assert dataset.frames()["application"].collect().height == 12
    with pytest.raises(DatasetError, match="no application_test"):
        dataset.frames("test")


@pytest.mark.parametrize("table", HISTORY, ids=lambda table: table.name)
def test_a_missing_history_is_an_empty_frame_and_a_warning(
    table: Table, source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source / f"{table.name}.csv").unlink()
    dataset = ingest(source, out)
    warning = f"table {table.name} is missing from"
    assert caplog.text.count(warning) == 1
    assert "its features will be null" in caplog.text
    caplog.clear()
    frame = dataset.frames()[table.name].collect()
    assert frame.is_empty()
    assert frame.schema == table.schema
    assert caplog.text.count(warning) == 1


def test_a_table_that_is_there_twice_is_read_once(
    source: Path, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source / "bureau.csv.gz").write_bytes(b"not read")
    assert_ingested(ingest(source, out), {"bureau": invent("bureau")})
    assert "bureau.csv read, bureau.csv.gz ignored" in caplog.text


# Nothing half-written


def test_a_failed_rerun_leaves_the_old_dataset(source: Path, out: Path) -> None:
    before = ingest(source, out)
    set_field(source / "credit_card_balance.csv", 1, "SK_DPD", "late")
    with pytest.raises(DatasetError):
        ingest(source, out)
    assert Dataset.open(out) == before
    assert_ingested(before, invent_all())
    assert list(out.parent.iterdir()) == [out]


def test_a_good_rerun_replaces_the_old_dataset_whole(source: Path, out: Path) -> None:
    before = ingest(source, out)
    (source / "bureau.csv").unlink()
    after = ingest(source, out)
    assert after.digest != before.digest
    assert not (out / "bureau.parquet").exists()
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_of_other_things_is_never_replaced(source: Path) -> None:
    with pytest.raises(FilesError, match="is not replaced"):
        ingest(source, source)
    assert (source / "bureau.csv").is_file()


def test_a_dataset_that_holds_the_source_is_not_replaced(source: Path, out: Path) -> None:
    ingest(source, out)
    inner = write_folder(out / "raw", invent_all())
    with pytest.raises(DatasetError, match="lies inside"):
        ingest(inner, out)
    assert (inner / "bureau.csv").is_file()


def test_staging_leaves_nothing_when_interrupted(out: Path) -> None:
    def interrupted() -> None:
        with staged_folder(out, kind="dataset") as staged:
            (staged / "half").write_text("written")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(out.parent.iterdir()) == []


# The dataset


def test_frames_hold_all_seven_tables_typed(source: Path, out: Path) -> None:
    frames = ingest(source, out).frames()
    assert list(frames) == ["application", *(table.name for table in HISTORY)]
    applications = frames["application"].collect()
    assert applications.schema == APPLICATION.schema
    assert applications["TARGET"].null_count() == invent("application_test").height
    assert applications["SK_ID_CURR"].n_unique() == 24


@pytest.mark.parametrize("population", ["train", "test"])
def test_frames_hold_the_population_asked_for(
    population: Population, source: Path, out: Path
) -> None:
    applications = ingest(source, out).frames(population)["application"].collect()
    asked = invent(f"application_{population}")
    assert set(applications["SK_ID_CURR"]) == set(asked["SK_ID_CURR"])
    assert applications["TARGET"].is_null().all() == (population == "test")


def test_the_digest_follows_the_rows(source: Path, out: Path) -> None:
    first = ingest(source, out).digest
    assert ingest(source, out).digest == first
    set_field(source / "bureau.csv", 1, "AMT_CREDIT_SUM", "12.5")
    assert ingest(source, out).digest != first


def test_a_table_is_written_as_it_is(tmp_path: Path) -> None:
    rows = expected("bureau", invent("bureau"))
    writer = DatasetWriter(tmp_path)
    assert writer.write("bureau", [rows]) == rows.height
    manifest = writer.close("synthetic")
    assert manifest["source"] == "synthetic"
    assert manifest["files"]["bureau.parquet"]["rows"] == rows.height
    assert_frame_equal(pl.read_parquet(tmp_path / "bureau.parquet"), rows)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "no dataset.json"),
        ("{", "damaged"),
        ("[]", "damaged"),
        (json.dumps({"format": 99, "source": "x", "files": {}}), "format 99"),
        (json.dumps({"format": 1, "source": "x", "files": {"bureau.parquet": {}}}), "is gone"),
    ],
)
def test_a_folder_that_is_no_dataset_is_refused(
    content: str | None, problem: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(DatasetError, match=problem):
        Dataset.open(tmp_path)


# Rows from elsewhere


def test_what_conforms_once_conforms_again() -> None:
    for name, frame in invent_all(3).items():
        assert_frame_equal(conform(frame, FILES[name], where=name), frame)


# The command


def test_the_command_writes_a_dataset_and_says_what_is_in_it(source: Path, out: Path) -> None:
    (source / "bureau.csv").unlink()
    result = CliRunner().invoke(app, ["ingest", str(source), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "credit_card_balance" in result.stdout
    assert Dataset.open(out).digest[:12] in result.stdout
    assert "warning: table bureau is missing" in result.stderr


def test_the_command_says_what_is_wrong_and_writes_nothing(source: Path, out: Path) -> None:
    set_field(source / "application_train.csv", 4, "AMT_CREDIT", "abc")
    result = CliRunner().invoke(app, ["ingest", str(source), "--out", str(out)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert (
        "error: table application (application_train.csv), column AMT_CREDIT, data row 4 "
        "(the first is 1): 'abc' is not a number." in result.stderr
    )
    assert not out.exists()


def test_a_download_without_credentials_says_how_to_get_them(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KAGGLE_CONFIG_DIR", "KAGGLEHUB_CACHE", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    result = CliRunner().invoke(app, ["ingest", "kaggle", "--out", str(out)])
    assert result.exit_code == 1
    assert "error:" in result.stderr
    assert "Kaggle" in result.stderr
    assert not out.exists()


# Real rows


def test_the_real_folder_ingests(home_credit_folder: Path, out: Path) -> None:
    dataset = ingest(home_credit_folder, out)
    rows = {name: dataset.rows(name) for name in FILES}
    if (home_credit_folder / "README.md").is_file():
        assert rows == {
            "application_train": 5_000,
            "application_test": 5_000,
            "bureau": 49_227,
            "bureau_balance": 1_207_059,
            "previous_application": 49_100,
            "POS_CASH_balance": 287_697,
            "installments_payments": 8_674,
            "credit_card_balance": 113_392,
        }
    applications = dataset.frames("train")["application"].collect()
    assert applications.select(pl.col("TARGET").mean().is_between(0.05, 0.1)).item()
    for name in FILES:
        order = pl.scan_parquet(out / f"{name}.parquet").select(pl.col("SK_ID_CURR").diff().min())
        assert order.collect().item() >= 0
