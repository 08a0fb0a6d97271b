"""Datasets in any number of buckets: the same rows, the same digest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from scoring.data import buckets as module
from scoring.data import sources
from scoring.data.buckets import (
    APPLICANTS,
    Spill,
    TableDigest,
    buckets_for,
    by_applicant,
    first_applicants,
)
from scoring.data.checks import DatasetError
from scoring.data.dataset import FILES, Dataset, write_dataset
from scoring.data.ingest import ingest
from scoring.data.sources import find_files, read_pieces
from scoring.data.synthetic import write_sample
from scoring.data.tables import TABLES
from scoring.data.versions import DataVersions
from scoring.files import sha256_of
from tests.helpers.exact import collected
from tests.helpers.invented import invent_all, write_folder

NUMBERS = (1, 3, 8)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kaggle's files, with a loan that nobody knows and a word that nobody understands."""
    tables = invent_all()
    balance, bureau = tables["bureau_balance"], tables["bureau"]
    stranger = balance.head(1).with_columns(SK_ID_BUREAU=pl.lit(7, pl.Int32))
    tables["bureau_balance"] = pl.concat([balance, stranger])
    odd = bureau["SK_ID_CURR"].is_in([100_003, 100_008])
    told = pl.when(odd).then(pl.lit("Space travel")).otherwise("CREDIT_TYPE")
    tables["bureau"] = bureau.with_columns(CREDIT_TYPE=told)
    return write_folder(tmp_path_factory.mktemp("buckets") / "kaggle", tables)


@pytest.fixture(scope="module")
def datasets(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Dataset]:
    folder = tmp_path_factory.mktemp("ingested")
    return {number: ingest(source, folder / f"{number}", buckets=number) for number in NUMBERS}


def test_the_digest_does_not_depend_on_the_number_of_buckets(datasets: dict[int, Dataset]) -> None:
    assert len({dataset.digest for dataset in datasets.values()}) == 1
    assert [dataset.buckets for dataset in datasets.values()] == list(NUMBERS)
    tables = [dataset.manifest["tables"] for dataset in datasets.values()]
    assert tables[0] == tables[1] == tables[2]
    assert datasets[8].rows("bureau_balance") == 13


def test_a_changed_value_changes_the_digest_in_buckets_too(
    datasets: dict[int, Dataset], source: Path, tmp_path: Path
) -> None:
    text = (source / "bureau.csv").read_text().replace("Space travel", "Space", 1)
    changed = tmp_path / "raw"
    changed.mkdir()
    for path in source.iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    (changed / "bureau.csv").write_text(text)
    # What nobody understands is missing in the table, and told beside it.
    first, again = datasets[3], ingest(changed, tmp_path / "again", buckets=3)
    assert again.manifest["tables"]["bureau"] == first.manifest["tables"]["bureau"]
    assert again.digest != first.digest


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_buckets_hold_the_rows_of_one_file(datasets: dict[int, Dataset], number: int) -> None:
    whole, parted = datasets[1], datasets[number]
    assert parted.misunderstood() == whole.misunderstood()
    for name in FILES:
        assert parted.rows(name) == whole.rows(name)
        expected = whole.scan(name).collect()
        assert_frame_equal(parted.scan(name).collect(), expected, check_exact=True)
    applications = [one.frames()["application"].collect() for one in (whole, parted)]
    assert_frame_equal(*applications, check_exact=True)


def test_an_applicants_rows_are_all_in_one_bucket(datasets: dict[int, Dataset]) -> None:
    dataset = datasets[8]
    owners = dataset.frames()["bureau"].select("SK_ID_BUREAU", "SK_ID_CURR").collect()
    last = 0
    for bucket in range(8):
        numbers: set[int] = set()
        for name, frame in collected(dataset.frames(bucket=bucket)).items():
            assert frame.columns == list(TABLES[name].schema)
            own = frame.join(owners, "SK_ID_BUREAU") if name == "bureau_balance" else frame
            numbers.update(own["SK_ID_CURR"])
        assert min(numbers) > last
        last = max(numbers)


def test_loans_say_whose_they_are_in_the_files(datasets: dict[int, Dataset]) -> None:
    balance = pl.read_parquet(datasets[3].folder / "bureau_balance" / "*.parquet")
    known = balance.drop_nulls("SK_ID_CURR")
    assert balance.filter(pl.col("SK_ID_CURR").is_null())["SK_ID_BUREAU"].to_list() == [7]
    owners = datasets[3].scan("bureau").select("SK_ID_BUREAU", owner="SK_ID_CURR").collect()
    joined = known.join(owners, on="SK_ID_BUREAU")
    assert joined.height == 12
    assert joined["owner"].equals(joined["SK_ID_CURR"], check_names=False)


def test_sample_applicants_are_the_same_in_any_number_of_buckets(tmp_path: Path) -> None:
    made = [
        write_sample(tmp_path / f"{number}", 30, buckets=number, processes=1) for number in NUMBERS
    ]
    assert len({dataset.digest for dataset in made}) == 1
    ingested = ingest(made[0].folder, tmp_path / "again", buckets=5)
    assert ingested.digest == made[0].digest
    assert ingested.manifest["source"] == "synthetic"


def test_the_number_of_buckets_follows_the_applicants() -> None:
    numbers = [buckets_for(applicants) for applicants in (0, 25_000, 25_001, 356_255)]
    assert APPLICANTS == 25_000
    assert numbers == [1, 1, 2, 15]


@pytest.mark.parametrize("number", NUMBERS)
def test_rows_that_went_over_the_disk_are_those_that_did_not(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pl.DataFrame(
        {"SK_ID_CURR": range(500), "text": [None, "", "a", "é", "ab"] * 100, "row": range(500)},
        schema_overrides={"SK_ID_CURR": pl.Int32},
    )
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=3)
    placing = by_applicant(first_applicants(rows["SK_ID_CURR"], number))
    held = Spill(tmp_path / "held", number, placing)
    held.add(shuffled)
    monkeypatch.setattr(module, "_HELD_BYTES", 1000)
    spilled = Spill(tmp_path / "spilled", number, placing)
    for start in range(0, 500, 100):
        spilled.add(shuffled[start : start + 100])
    assert spilled.height == held.height == 500
    assert list(tmp_path.glob("spilled/*"))
    digest, pieces = TableDigest(), []
    for one, other in zip(held.buckets(), spilled.buckets(), strict=True):
        assert other.equals(one)
        pieces.append(one.sort("row"))
        digest.add(pieces[-1])
    assert pl.concat(pieces).equals(rows)
    assert not list(tmp_path.glob("*/*"))
    whole = TableDigest()
    whole.add(rows)
    assert digest.hexdigest() == whole.hexdigest()


def test_a_table_without_rows_has_its_columns_in_every_bucket(
    datasets: dict[int, Dataset], tmp_path: Path
) -> None:
    tables = {name: datasets[1].scan(name).collect() for name in FILES}
    tables["credit_card_balance"] = tables["credit_card_balance"].clear()
    tables["bureau_balance"] = tables["bureau_balance"].drop("SK_ID_CURR")
    written = write_dataset(tables, tmp_path / "dataset", "home-credit", buckets=3)
    assert written.rows("credit_card_balance") == 0
    empty = written.frames(bucket=2)["credit_card_balance"].collect()
    assert empty.schema == TABLES["credit_card_balance"].schema
    assert written.manifest["tables"]["bureau"] == datasets[3].manifest["tables"]["bureau"]


# Older datasets, and those that are kept


def older(dataset: Dataset, folder: Path) -> Dataset:
    """A dataset as format 1 had it."""
    folder.mkdir()
    files = {}
    for name in FILES:
        path = folder / f"{name}.parquet"
        dataset.scan(name).collect().write_parquet(path, compression="lz4")
        files[path.name] = {"rows": dataset.rows(name), "sha256": sha256_of(path)}
    manifest = {"format": 1, "source": "home-credit", "files": files}
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return Dataset.open(folder)


def test_an_older_dataset_is_read_and_ingested_into_a_new_one(
    datasets: dict[int, Dataset], tmp_path: Path
) -> None:
    old = older(datasets[1], tmp_path / "old")
    # Its digest stays what models know it by.
    assert old.digest != datasets[1].digest
    assert old.buckets == 1
    for name, rows in old.frames().items():
        assert_frame_equal(rows.collect(), datasets[1].frames()[name].collect())
    new = ingest(old.folder, tmp_path / "new", buckets=3)
    assert new.manifest["tables"].items() <= datasets[3].manifest["tables"].items()


def test_buckets_are_kept_restored_and_cleared_of_an_applicant(
    datasets: dict[int, Dataset], tmp_path: Path
) -> None:
    dataset, kept = datasets[3], DataVersions.beside(tmp_path)
    kept.keep(dataset)
    assert kept.restore(dataset.digest, tmp_path / "restored").manifest == dataset.manifest
    rows = kept.about([100_003])[dataset.digest]
    assert sorted(name.split("/")[0].removesuffix(".parquet") for name in rows) == sorted(
        {*FILES, "not_understood"} - {"application_test"}
    )
    assert kept.erase([100_003]) == [dataset.digest]
    assert kept.about([100_003]) == {}
    with kept.opened(dataset.digest) as left:
        for name in FILES:
            gone = name != "application_test"
            assert left.scan(name).collect().height == dataset.rows(name) - gone


# Large files, read piece by piece


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every file read in pieces of a few rows."""
    for name, value in {"PIECE_BYTES": 50, "PIECE_VALUES": 100}.items():
        monkeypatch.setattr(sources, name, value)


@pytest.mark.usefixtures("small")
def test_a_file_is_read_in_pieces(source: Path) -> None:
    files = find_files(source, FILES)
    assert all(len(list(read_pieces(file, FILES[name]))) > 2 for name, file in files.items())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("number", NUMBERS)
def test_files_read_piece_by_piece_make_the_same_dataset(
    number: int, source: Path, datasets: dict[int, Dataset], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    dataset = ingest(source, tmp_path / "dataset", buckets=number)
    assert dataset.manifest == datasets[number].manifest
    assert caplog.text.count("column CREDIT_TYPE: 2 rows hold 1 categories not seen") == 1
    # Its own buckets are files to read as well.
    again = ingest(dataset.folder, tmp_path / "again", buckets=4)
    assert again.digest == dataset.digest
    assert again.manifest["raw"] == dataset.manifest["raw"]


SPOILT = {
    "a value": ("bureau", "DAYS_CREDIT", 8, "late", "data row 8 .*'late' is not a number"),
    "a key": ("bureau", "SK_ID_BUREAU", 9, "100001", "data row 9 .*is already in data row"),
    "a key in two columns": ("POS_CASH_balance", "SK_ID_PREV", 7, "100001", "already in data row"),
    "an applicant": (
        "application_test",
        "SK_ID_CURR",
        5,
        "100001",
        "data row 5 .*application_train",
    ),
    "a link": (
        "bureau",
        "SK_ID_CURR",
        None,
        "900000",
        "none of its 12 rows belongs to a SK_ID_CURR",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_wrong_with_a_piece_is_told_as_of_the_whole(
    case: str, source: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    name, column, row, value, words = SPOILT[case]
    raw = shutil.copytree(source, tmp_path / "raw")
    frame = pl.read_csv(raw / f"{name}.csv", infer_schema=False)
    chosen = pl.lit(True) if row is None else pl.int_range(pl.len()) == row - 1
    frame = frame.with_columns(pl.when(chosen).then(pl.lit(value)).otherwise(column).alias(column))
    frame.write_csv(raw / f"{name}.csv")
    with pytest.raises(DatasetError, match=words) as at_once:
        ingest(raw, tmp_path / "out")
    request.getfixturevalue("small")
    with pytest.raises(DatasetError) as by_pieces:
        ingest(raw, tmp_path / "out", buckets=3)
    assert str(by_pieces.value) == str(at_once.value)
    assert by_pieces.value.row == at_once.value.row
    assert list(tmp_path.iterdir()) == [raw]
