"""Files as programs and spreadsheets save them, read alike by ingestion and by the API."""

from __future__ import annotations

import gzip
import io
import itertools
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from scoring.data import sources
from scoring.data.checks import DatasetError, conform
from scoring.data.dataset import FILES, Dataset
from scoring.data.ingest import ingest
from scoring.data.sources import SourceFile, find_files, read_pieces
from scoring.data.tables import Table
from tests.helpers import serving
from tests.helpers.invented import invent, invent_all, write_folder

TRAIN = "application_train"
BUREAU = FILES["bureau"]


def read(file: SourceFile, table: Table) -> pl.DataFrame:
    return pl.concat(read_pieces(file, table))


def text_of(frame: pl.DataFrame, **how: Any) -> str:
    """As pandas writes it."""
    return str(frame.to_pandas().to_csv(**{"index": False, **how}))


def zipped(data: bytes, name: str = "export.csv") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._export.csv", b"\0")
        archive.writestr(name, data)
    return buffer.getvalue()


def with_truths(frame: pl.DataFrame, true: str, false: str) -> pl.DataFrame:
    flags = [name for name in frame.columns if name.startswith(("FLAG_DOC", "TARGET"))]
    told = {0: false, 1: true}
    return frame.with_columns(
        pl.col(flags).replace_strict(told, return_dtype=pl.String, default=None)
    )


# What the file holds, made anew from the rows.
LAYOUTS: dict[str, Callable[[pl.DataFrame], bytes]] = {
    "semicolons": lambda frame: text_of(frame, sep=";").encode(),
    "tabs": lambda frame: text_of(frame, sep="\t").encode(),
    "bars": lambda frame: text_of(frame, sep="|").encode(),
    "decimal commas": lambda frame: text_of(frame, sep=";", decimal=",").encode(),
    "decimal commas and tabs": lambda frame: text_of(frame, sep="\t", decimal=",").encode(),
    "all quoted": lambda frame: text_of(frame, quoting=1).encode(),
    "quoted decimal commas": lambda frame: text_of(frame, sep=";", decimal=",", quoting=1).encode(),
    "Excel in French": lambda frame: (
        "\ufeff" + text_of(with_truths(frame, "VRAI", "FAUX"), sep=";", decimal=",")
    ).replace("\n", "\r\n").encode(),
    "Excel's Unicode text": lambda frame: text_of(frame, sep="\t").encode("utf-16"),
    "cp1252": lambda frame: text_of(with_note(frame, "prêt à 5 €")).encode("cp1252"),
    "an index column": lambda frame: text_of(frame, index=True).encode(),
    "an index column read and written": lambda frame: text_of(
        frame.with_columns(pl.Series("Unnamed: 0", range(frame.height)))
    ).encode(),
    "SK_ID_CURR as the index": lambda frame: str(
        frame.to_pandas().set_index("SK_ID_CURR").to_csv()
    ).encode(),
    "columns of Excel without a name": lambda frame: "".join(
        f"{line};;;\n" for line in text_of(frame, sep=";").splitlines()
    ).encode(),
    "lower case": lambda frame: text_of(frame.rename(str.lower)).encode(),
    "spaces": lambda frame: text_of(frame.rename(lambda name: f" {name}\u00a0")).encode(),
    "words": lambda frame: text_of(
        frame.rename(lambda name: name.replace("_", " ").title())
    ).encode(),
    "True and False": lambda frame: text_of(with_truths(frame, "True", "False")).encode(),
    "a zip called .csv": lambda frame: zipped(text_of(frame).encode()),
    "a gzip called .csv": lambda frame: gzip.compress(text_of(frame).encode()),
    "a gzip in a zip": lambda frame: zipped(gzip.compress(text_of(frame).encode()), "a.csv.gz"),
}  # fmt: skip


def with_note(frame: pl.DataFrame, note: str) -> pl.DataFrame:
    return frame.with_columns(pl.lit(note).alias("Libellé"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """Of a service without a model: a file is read all the same."""
    folder = tmp_path_factory.mktemp("reading")
    with serving.running_app(serving.settings(folder / "none", folder)) as app:
        yield app.test_client()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("plain")
    return ingest(write_folder(folder / "raw", invent_all()), folder / "dataset")


def asked(client: FlaskClient, data: bytes, kind: str = "text/csv") -> dict[str, Any]:
    answer = client.post("/applications/read?name=f.csv", data=data, content_type=kind)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return dict(answer.get_json())


def refused(client: FlaskClient, data: bytes) -> str:
    answer = client.post("/applications/read?name=f.csv", data=data, content_type="text/csv")
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    detail = str(answer.get_json(force=True)["detail"])
    assert detail.count("\n") == 0
    assert len(detail) < 300
    return detail


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_is_read_as_the_plain_file(
    layout: str, plain: Dataset, client: FlaskClient, tmp_path: Path
) -> None:
    raw = write_folder(tmp_path / "raw", invent_all())
    for name in (TRAIN, "application_test", "bureau"):
        frame = invent(name)
        (raw / f"{name}.csv").write_bytes(LAYOUTS[layout](frame))
    assert ingest(raw, tmp_path / "dataset").digest == plain.digest
    frame = invent(TRAIN)
    expected = frame.drop("TARGET").to_dicts()
    found = asked(client, LAYOUTS[layout](frame), "application/octet-stream")["rows"]
    assert found == [
        {name: value for name, value in row.items() if value is not None} for row in expected
    ]
    kinds = {(name, type(value)) for row in found for name, value in row.items()}
    assert ("SK_ID_CURR", int) in kinds
    assert ("AMT_CREDIT", float) in kinds


# What the file is called, and how it is packed for that.
NAMES: dict[str, Callable[[bytes], bytes]] = {
    "application_train.CSV": bytes,
    "Application_Train.csv": bytes,
    "application_train (1).csv": bytes,
    "application_train(1).csv": bytes,
    "application_train - Copy.csv": bytes,
    "application_train - Copy (2).csv": bytes,
    "application_train - Copie.csv": bytes,
    "application_train copy.csv": bytes,
    "application_train copie 2.csv": bytes,
    "Copy of application_train.csv": bytes,
    "application_train.csv.csv": bytes,
    "application_train.txt": bytes,
    "application_train": bytes,
    "application_train.csv.gz": bytes,
    "application_train.csv.zip": bytes,
    "application_train.parquet": bytes,
    "application_train.CSV.GZ": gzip.compress,
    "application_train (1).csv.gz": gzip.compress,
    "application_train.csv (1).zip": zipped,
    "application_train.zip": zipped,
    "application_train.csv": zipped,
    "data.zip": lambda data: zipped(data, "export/Application_train (3).CSV"),
    "tables.ZIP": lambda data: zipped(gzip.compress(data), "application_train.csv.gz"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_known_by_the_table_that_its_name_begins_with(
    name: str, plain: Dataset, tmp_path: Path
) -> None:
    raw = write_folder(tmp_path / "raw", invent_all())
    data = (raw / f"{TRAIN}.csv").read_bytes()
    (raw / f"{TRAIN}.csv").unlink()
    (raw / name).write_bytes(NAMES[name](data))
    dataset = ingest(raw, tmp_path / "dataset")
    assert dataset.digest == plain.digest
    assert name in {file["name"] for file in dataset.manifest["raw"]}


@pytest.mark.parametrize(
    "name",
    ["application_training.csv", "my_application_train.csv", "application_train_old.csv",
     "._application_train.csv", "application_train.csv.bak", "application_train.xlsx"],
)  # fmt: skip
def test_another_name_is_another_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text_of(invent(TRAIN)).encode())
    assert TRAIN not in find_files(tmp_path, FILES)


def test_kaggles_own_name_is_read_before_copies(
    tmp_path: Path, plain: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    raw = write_folder(tmp_path / "raw", invent_all())
    (raw / "Bureau (1).csv").write_text("not read")
    (raw / "all.zip").write_bytes(zipped(b"not read", "bureau.csv"))
    assert ingest(raw, tmp_path / "dataset").digest == plain.digest
    assert "there more than once: bureau.csv read, Bureau (1).csv ignored" in caplog.text


def test_a_zip_of_several_tables_under_the_name_of_one_holds_that_one(
    tmp_path: Path, plain: Dataset
) -> None:
    raw = write_folder(tmp_path / "raw", invent_all())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(raw.iterdir()):
            archive.writestr(path.name, path.read_bytes())
            path.unlink()
    (raw / "bureau.zip").write_bytes(buffer.getvalue())
    assert ingest(raw, tmp_path / "dataset").digest == plain.digest


# Parquet


def parquet(raw: Path, name: str, **columns: pl.Expr) -> None:
    (raw / f"{name}.csv").unlink()
    invent(name).with_columns(**columns).write_parquet(raw / f"{name}.parquet")


def test_parquet_with_an_index_lower_case_and_booleans_is_read(
    plain: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = write_folder(tmp_path / "raw", invent_all())
    parquet(raw, TRAIN, TARGET=pl.col("TARGET").cast(pl.Boolean))
    for name in ("application_test", "bureau"):
        (raw / f"{name}.csv").unlink()
    indexed = invent("application_test").to_pandas().set_index("SK_ID_CURR")
    indexed.to_parquet(raw / "application_test.parquet")
    shuffled = invent("bureau").rename(str.lower).to_pandas().sample(frac=1, random_state=1)
    shuffled.to_parquet(raw / "bureau.csv")
    dataset = ingest(raw, tmp_path / "dataset")
    assert dataset.digest == plain.digest
    assert "17 columns read under Kaggle's names, the first as SK_ID_CURR" in caplog.text
    assert "unknown columns dropped: __index_level_0__" in caplog.text


# Train and test in one file


def both(missing: str) -> str:
    test = invent("application_test").with_columns(TARGET=pl.lit(None, pl.Int8))
    train = invent(TRAIN)
    frame = pl.concat([train, test.select(train.columns)]).sample(fraction=1, shuffle=True, seed=1)
    return text_of(frame.with_columns(pl.col("TARGET").cast(pl.String).fill_null(missing)))


def test_applications_without_an_outcome_are_those_to_predict(
    plain: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = write_folder(tmp_path / "raw", invent_all())
    (raw / "application_test.csv").unlink()
    (raw / f"{TRAIN}.csv").write_text(both(""))
    told: list[tuple[str, int | None]] = []
    dataset = ingest(raw, tmp_path / "dataset", progress=lambda *what: told.append(what))
    assert dataset.digest == plain.digest
    assert "12 of 24 rows have no TARGET: taken for application_test" in caplog.text
    assert "missing from" not in caplog.text
    assert (TRAIN, 12) in told
    assert ("application_test", 12) in told


@pytest.mark.parametrize("alone", [True, False])
def test_applications_without_an_outcome_are_refused_beside_a_test_file_or_alone(
    alone: bool, tmp_path: Path
) -> None:
    raw = write_folder(tmp_path / "raw", invent_all())
    (raw / f"{TRAIN}.csv").write_text(both(""))
    if alone:
        (raw / "application_test.csv").rename(raw / f"{TRAIN}.csv")
        frame = pl.read_csv(raw / f"{TRAIN}.csv").with_columns(TARGET=pl.lit(None, pl.String))
        frame.write_csv(raw / f"{TRAIN}.csv")
    with pytest.raises(DatasetError, match=r"12 of (12|24) rows have none") as caught:
        ingest(raw, tmp_path / "dataset")
    assert caught.value.column == "TARGET"
    assert not (tmp_path / "dataset").exists()


# Whole files that are none


NONE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "0 bytes"),
    "a header alone": (b"SK_ID_CURR,AMT_CREDIT\n", "no data row"),
    "another table": (b"a;b;c\n1;2;3\n", "none of the table's columns: 'a;b;c'"),
    "no header": (b"100002,1,Cash loans\n100003,0,Cash loans\n", "none of the table's columns"),
    "a page": (b"<!DOCTYPE html>\n<html>", "none of the table's columns: '<!DOCTYPE html>'"),
    "a workbook": (zipped(b"", "xl/workbook.xml"), "Excel workbook"),
    "another file in zips": (zipped(zipped(b"x", "a.csv"), "b.txt"), "none of the table's"),
    "a zip of none": (zipped(b"x", "a.pdf"), "holds 0 CSV files"),
    "a damaged zip": (zipped(b"SK_ID_CURR\n1\n")[:-9], "cut short or damaged"),
    "a damaged gzip": (gzip.compress(b"SK_ID_CURR\n1\n")[:-9], "cut short or damaged"),
    "Parquet": (b"PAR1\0\0", "NUL bytes, as UTF-16, Parquet"),
    "UTF-16 without a mark": ("SK_ID_CURR\n1\n".encode("utf-16-le"), "NUL bytes"),
    "a column twice": (b"SK_ID_CURR,sk_id_curr\n1,2\n", "names a column twice: SK_ID_CURR"),
    "a short line": (b"SK_ID_CURR,AMT_CREDIT\n1,2\n3\n", "data row 2 (the first is 1)"),
    "many rows": (b"SK_ID_CURR\n" + b"1\n" * 5_001, "More than 5,000 rows"),
    "no number": (b"AMT_CREDIT\n1\n", "no column SK_ID_CURR"),
}  # fmt: skip


@pytest.mark.parametrize("what", NONE)
def test_a_file_that_is_none_is_refused_as_a_whole(what: str, client: FlaskClient) -> None:
    data, told = NONE[what]
    assert told in refused(client, data)


@pytest.mark.parametrize("rows", [3_000_000, 40_000_000], ids=["values", "bytes"])
def test_a_packed_flood_is_refused(rows: int, client: FlaskClient) -> None:
    data = gzip.compress(b"SK_ID_CURR\n" + b"1\n" * rows, 1)
    assert "More than 5,000 rows" in refused(client, data)


def test_other_types_and_larger_bodies_are_not_taken(tmp_path: Path) -> None:
    limits = serving.settings(tmp_path / "none", tmp_path, batch_body_limit=20, body_limit=10)
    with serving.running_app(limits) as app:
        client = app.test_client()
        address = "/applications/read"
        for kind in ("application/json", "multipart/form-data", None):
            assert client.post(address, data=b"{}", content_type=kind).status_code == 415
        kind = "text/csv; charset=windows-1252"
        assert client.post(address, data=b"SK_ID_CURR\n1\n", content_type=kind).status_code == 200
        answer = client.post(address, data=b"SK_ID_CURR\n1\n" * 2, content_type=kind)
        assert answer.status_code == 413
        assert "larger than 20 bytes" in answer.get_json(force=True)["detail"]


# Rows are judged alone


def test_what_is_missing_or_no_number_spoils_its_own_cell(client: FlaskClient) -> None:
    lines = [
        "SK_ID_CURR;AMT_CREDIT;CNT_CHILDREN;NAME_CONTRACT_TYPE;FLAG_MOBIL;NOTE;TARGET",
        "1;1,5;2,0;Cash loans;True;x;1", "2;n/a;2,5;NULL;1;x;0", "3;#N/A;NaN;;;x;",
        "4;twelve;inf;<NA>;yes;x;", "5;1.5;1e3;None;false;x;1",
        *(f"{number};{number},5;0;Cash loans;1;x;0" for number in range(6, 30)),
    ]  # fmt: skip
    answer = asked(client, "\n".join(lines).encode())
    point = "1.5 (a point, where others have a decimal comma)"
    assert answer["rows"][:5] == [
        {"SK_ID_CURR": 1, "AMT_CREDIT": 1.5, "CNT_CHILDREN": 2,
         "NAME_CONTRACT_TYPE": "Cash loans", "FLAG_MOBIL": 1},
        {"SK_ID_CURR": 2, "CNT_CHILDREN": 2.5, "FLAG_MOBIL": 1},
        {"SK_ID_CURR": 3},
        {"SK_ID_CURR": 4, "AMT_CREDIT": "twelve", "CNT_CHILDREN": "inf", "FLAG_MOBIL": "yes"},
        {"SK_ID_CURR": 5, "AMT_CREDIT": point, "CNT_CHILDREN": 1000, "FLAG_MOBIL": 0},
    ]  # fmt: skip
    notes = {note["kind"]: note["columns"] for note in answer["notes"]}
    assert {"AMT_INCOME_TOTAL", "EXT_SOURCE_1"} < set(notes.pop("missing_columns"))
    assert notes == {
        "decimal_commas": ["AMT_CREDIT", "CNT_CHILDREN"],
        "dropped_columns": ["NOTE", "TARGET"],
    }


def test_commas_among_decimal_points_are_no_decimals(client: FlaskClient) -> None:
    """They may be marks between thousands."""
    data = b"SK_ID_CURR;AMT_CREDIT;EXT_SOURCE_1\n1;406,597;0.25\n2;1,5;\n3;2;\n4;24,700;\n"
    amounts = [row["AMT_CREDIT"] for row in asked(client, data)["rows"]]
    assert amounts == ["406,597", "1,5", 2.0, "24,700"]
    frame = invent("bureau").with_columns(AMT_CREDIT_SUM=pl.lit("24,700"))
    file = SourceFile("b", "bureau", text_of(frame, sep=";").encode)
    found = read(file, BUREAU)
    with pytest.raises(
        DatasetError, match="most of its values cannot be: '24,700' is not a number"
    ):
        conform(found, BUREAU, where="b")


def test_notes_tell_what_was_made_of_a_file(client: FlaskClient) -> None:
    notes = asked(client, "\nsk_id_curr;é\n1;x\n".lstrip().encode("cp1252"))["notes"]
    assert notes == [
        {"kind": "encoding", "columns": [], "detail": "not UTF-8: read as Windows-1252"},
        {"kind": "dropped_columns", "columns": ["é"], "detail": "unknown columns dropped: é"},
        {"kind": "renamed_columns", "columns": ["SK_ID_CURR"],
         "detail": "1 columns read under Kaggle's names, the first as SK_ID_CURR"},
    ]  # fmt: skip


# All at once


@settings(max_examples=60, deadline=None)
@given(
    separator=st.sampled_from(",;\t|"), decimal=st.sampled_from(".,"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    ends=st.sampled_from(["\n", "\r\n"]), index=st.booleans(), quoting=st.sampled_from([0, 1, 2]),
    spelling=st.sampled_from([str, str.lower, str.title, lambda name: f"  {name} "]),
    packing=st.lists(st.sampled_from([gzip.compress, zipped]), max_size=2),
    seed=st.integers(0, 50),
)  # fmt: skip
def test_any_layout_gives_the_same_rows(
    separator: str, decimal: str, encoding: str, ends: str, index: bool, quoting: int,
    spelling: Callable[[str], str], packing: list[Callable[[bytes], bytes]], seed: int,
) -> None:  # fmt: skip
    frame = invent("bureau", seed=seed)
    decimal = "." if separator == "," else decimal
    data = text_of(
        with_note(frame, "prêt; à, 5 €").rename(spelling), sep=separator, decimal=decimal,
        lineterminator=ends, index=index, quoting=quoting,
    ).encode(encoding)  # fmt: skip
    for pack in packing:
        data = pack(data)
    again = read(SourceFile("bureau.csv", "bureau", lambda: data), BUREAU)
    assert_frame_equal(conform(again, BUREAU, where="bureau"), frame)


def test_real_rows_are_read_alike_in_any_layout(home_credit_folder: Path) -> None:
    table = FILES[TRAIN]
    file = find_files(home_credit_folder, [TRAIN])[TRAIN]
    expected = read(file, table).head(400)
    frame = pl.read_csv(file.load(), infer_schema=False).head(400)
    for separator, upper in itertools.product(";\t", (True, False)):
        named = frame if upper else frame.rename(str.lower)
        commas = named.with_columns(
            pl.col(pl.String).str.replace(r"^(-?[0-9]+)\.([0-9]+)$", "${1},${2}")
        )
        data = commas.write_csv(separator=separator).encode("utf-16")
        found = read(SourceFile("x", TRAIN, lambda data=data: data), table)
        assert_frame_equal(
            conform(found, table, where="x"), conform(expected, table, where="x"), check_exact=True
        )


def test_the_bounds_of_a_file_in_memory_are_those_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_VALUES", 50)
    data = text_of(invent("bureau"), sep=";").encode()
    with pytest.raises(DatasetError, match="more than 50 values"):
        read(SourceFile("x", "bureau", lambda: data), BUREAU)
