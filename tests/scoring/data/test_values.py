"""One table of values, and every door that they come in by: all read them alike."""

from __future__ import annotations

import copy
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from flask.testing import FlaskClient

from api.http.openapi import Application
from scoring.data.checks import DatasetError
from scoring.data.dataset import FILES, Dataset
from scoring.data.ingest import ingest
from scoring.data.requests import rows_of
from scoring.data.tables import HISTORY, TABLES, empty_frame
from scoring.data.values import MISSING_WORDS, misunderstood
from scoring.modelling.fit import with_explanations
from scoring.serving.batch import score
from scoring.serving.materialize import materialize
from scoring.serving.scorer import Scorer
from tests.helpers import serving


class Case(NamedTuple):
    """A value as a file has it and as JSON has it, and what it means."""

    table: str
    column: str
    text: str
    sent: object
    meant: object


MEANT = [
    Case("application", "FLAG_OWN_CAR", "  Y ", "  Y ", "Y"),
    Case("application", "FLAG_OWN_CAR", "Y\u00a0", "Y\u00a0", "Y"),
    Case("application", "NAME_HOUSING_TYPE", "nan", "nan", None),
    Case("application", "OCCUPATION_TYPE", "#N/A", "#N/A", None),
    Case("application", "AMT_ANNUITY", " n/a ", " n/a ", None),
    Case("application", "DAYS_EMPLOYED", "365243.0", 365243.0, 365243),
    Case("application", "EXT_SOURCE_3", "5e-1", 5e-1, 0.5),
    Case("application", "FLAG_PHONE", "1.0", 1.0, 1),
    Case("bureau", "AMT_CREDIT_SUM", "NULL", "NULL", None),
    Case("bureau", "CREDIT_TYPE", " Credit card", " Credit card", "Credit card"),
    Case("bureau_balance", "STATUS", "0", 0, "0"),
    Case("bureau_balance", "STATUS", "1.0", 1.0, "1"),
    Case("bureau_balance", "STATUS", "5.00", "5.00", "5"),
    *(Case("application", "EXT_SOURCE_1", word, word, None) for word in sorted(MISSING_WORDS)),
]
# What is known of it is the nearest of the column's own values.
UNKNOWN = [
    Case("application", "FLAG_OWN_CAR", "1", 1, None),
    Case("application", "FLAG_OWN_CAR", "y", "y", "Y"),
    Case("application", "NAME_EDUCATION_TYPE", "Higher educatoin", "Higher educatoin",
         "Higher education"),
    Case("application", "ORGANIZATION_TYPE", "x" * 500, "x" * 500, None),
    Case("bureau", "CREDIT_TYPE", "credit_card", "credit_card", "Credit card"),
    Case("bureau_balance", "STATUS", "0.5", 0.5, None),
    Case("previous_application", "NAME_CONTRACT_STATUS", "Aproved", "Aproved", "Approved"),
]  # fmt: skip
REFUSED = [
    Case("application", "AMT_CREDIT", "1e999", 1e10 + 1, "1 to 10000000000"),
    Case("application", "AMT_CREDIT", "0", 0.0, "1 to 10000000000"),
    Case("application", "AMT_INCOME_TOTAL", "0", 0.0, "1 to 10000000000"),
    Case("application", "AMT_CREDIT", "n/a", "n/a", "AMT_CREDIT"),
    Case("application", "AMT_CREDIT", "12abc", "12abc", "12abc"),
    Case("application", "NAME_CONTRACT_TYPE", "Cash", "Cash", "Cash loans"),
    Case("application", "NAME_CONTRACT_TYPE", " NA ", " NA ", "NAME_CONTRACT_TYPE"),
    Case("application", "DAYS_EMPLOYED", "365242", 365242, "365243"),
    Case("application", "CNT_CHILDREN", "1.5", 1.5, "whole number"),
    Case("bureau", "DAYS_CREDIT", "365243", 365243, "-60000 to 0"),
    Case("bureau_balance", "MONTHS_BALANCE", "1", 1, "-1200 to 0"),
]


def named(case: Case) -> str:
    return f"{case.column} {case.text[:20]!r}"


@pytest.fixture(scope="module")
def app(
    scorer: Scorer, sample_features: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Application]:
    """A service whose model says what it leans on."""
    folder = tmp_path_factory.mktemp("values")
    with_explanations(scorer, sample_features).save(folder / "champion")
    with serving.running_app(serving.settings(folder / "champion", folder)) as found:
        yield found


@pytest.fixture
def client(app: Application) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def body(sample: Dataset, scorer: Scorer) -> dict[str, Any]:
    """Somebody with rows of all tables that the cases change, whom the model accepts."""
    accepted = score(sample, scorer, "train").filter(decision="accept")["SK_ID_CURR"]
    for number in accepted.to_list():
        found: dict[str, Any] = serving.request_of(sample, number)
        if all(found[name] for name in ("bureau", "bureau_balance", "previous_application")):
            return found
    raise AssertionError("the sample has nobody like that")


def changed(body: dict[str, Any], case: Case, value: object) -> dict[str, Any]:
    other = copy.deepcopy(body)
    row = other["application"] if case.table == "application" else other[case.table][0]
    row[case.column] = value
    return other


def by_file(body: dict[str, Any], case: Case, folder: Path) -> Dataset:
    """The applicant ingested from CSV files that have the case's text."""
    source = folder / "files"
    source.mkdir(parents=True)
    for name, table in FILES.items():
        if name == "application_test":
            continue
        rows = [{**body["application"], "TARGET": 0}] if table.name == "application" else body[name]
        frame = pl.DataFrame(rows, schema=table.schema) if rows else empty_frame(table)
        frame = frame.cast(pl.String)
        if table.name == case.table:
            frame[0, case.column] = case.text
        if frame.height:
            frame.write_csv(source / f"{name}.csv")
    return ingest(source, folder / "dataset")


def value_of(rows: dict[str, Any], case: Case) -> object:
    return rows[case.table][0].get(case.column)


def stored_rows(app: Application, prediction_id: str) -> dict[str, Any]:
    found = app.extensions["service"].store.decisions.find(prediction_id)
    assert found is not None
    return rows_of(found.rows)


def answers(client: FlaskClient, sent: dict[str, Any]) -> list[dict[str, Any]]:
    """What both addresses make of an applicant."""
    alone = client.post("/predict", json=sent)
    batch = client.post("/predict/batch", json=[sent]).json["results"][0]
    assert (alone.status_code == 200) == ("prediction" in batch)
    return [alone.json, batch.get("prediction") or batch["problem"]]


def known(app: Application, dataset: Dataset) -> dict[str, Any]:
    """The answer by number, once the applicant is materialised."""
    store = app.extensions["service"].store
    materialize(dataset, store)
    number = dataset.frames()["application"].collect()["SK_ID_CURR"][0]
    return app.test_client().post("/predict", json={"SK_ID_CURR": number}).json


@pytest.mark.parametrize("case", MEANT, ids=named)
def test_what_is_understood_is_so_at_every_door(
    case: Case, body: dict[str, Any], client: FlaskClient, app: Application, tmp_path: Path
) -> None:
    dataset = by_file(body, case, tmp_path)
    frame = dataset.frames()[case.table].collect()
    if case.table != "bureau_balance":
        assert frame[case.column][0] == case.meant
    assert dataset.misunderstood() == {}
    sent = answers(client, changed(body, case, case.sent))
    for answer in sent:
        assert value_of(stored_rows(app, answer["id"]), case) == case.meant
    pds = {answer["probability_of_default"] for answer in (*sent, known(app, dataset))}
    assert len(pds) == 1
    assert [answer["warnings"] for answer in sent] == [[], []]


@pytest.mark.parametrize("case", UNKNOWN, ids=named)
def test_what_is_not_understood_is_told_and_referred_at_every_door(
    case: Case, body: dict[str, Any], client: FlaskClient, app: Application,
    scorer: Scorer, tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    dataset = by_file(body, case, tmp_path)
    assert f"column {case.column}: 1 rows hold 1 categories not seen before" in caplog.text
    pointer = "/application/" if case.table == "application" else f"/{case.table}/0/"
    told = [*answers(client, changed(body, case, case.sent)), known(app, dataset)]
    for answer in told:
        (warning,) = answer["warnings"]
        assert warning["nearest"] == case.meant
        assert warning["value"].startswith(case.text[:40])
        assert len(warning["value"]) <= 43
        assert case.column in warning["detail"]
        assert answer["decision"] == ("refer" if answer["model_decision"] == "accept" else
                                      answer["model_decision"])  # fmt: skip
        if answer["decision"] == "refer":
            assert "not_understood" in answer["refer_reasons"]
        record = client.get(f"/predictions/{answer['id']}").json
        assert record["warnings"] == answer["warnings"]
    assert [answer["warnings"][0]["pointer"] for answer in told[:2]] == [pointer + case.column] * 2
    assert len({answer["probability_of_default"] for answer in told}) == 1
    (row,) = score(dataset, scorer).iter_rows(named=True)
    assert row["decision"] == told[0]["decision"]
    assert row["not_understood"] == told[2]["warnings"][0]["pointer"]
    without = client.post("/predict", json=changed(body, case, None)).json
    assert without["probability_of_default"] == told[0]["probability_of_default"]


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_what_cannot_be_is_refused_at_every_door(
    case: Case, body: dict[str, Any], client: FlaskClient, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError) as caught:
        by_file(body, case, tmp_path)
    assert (caught.value.table, caught.value.column, caught.value.row) == (
        case.table, case.column, 1,
    )  # fmt: skip
    for problem in answers(client, changed(body, case, case.sent)):
        assert problem["status"] == 422
        (error,) = problem["errors"]
        assert error["pointer"].endswith(f"/{case.column}")
        assert str(case.meant) in error["detail"]


@pytest.mark.parametrize("name", TABLES)
def test_a_recoded_column_is_refused_with_what_it_should_hold(
    name: str, sample: Dataset, tmp_path: Path
) -> None:
    """Whatever the column: numbers in the place of its values, as encoders leave behind."""
    for column in (column for column in TABLES[name].columns if column.kind == "category"):
        if column.categories[0].isdigit():
            continue
        own = name if name != "application" else "application_train"
        frame = pl.read_parquet(sample.folder / f"{own}.parquet").head(400)
        if frame[column.name].drop_nulls().len() < 20:
            continue
        codes = {known: str(place) for place, known in enumerate(column.categories)}
        coded = frame.with_columns(pl.col(column.name).replace(codes))
        source = tmp_path / column.name
        source.mkdir()
        if own != "application_train":
            sample_file = pl.read_parquet(sample.folder / "application_train.parquet")
            sample_file.write_csv(source / "application_train.csv")
        coded.write_csv(source / f"{own}.csv")
        with pytest.raises(DatasetError) as caught:
            ingest(source, tmp_path / "out")
        assert (caught.value.table, caught.value.column) == (name, column.name)
        assert "recoded" in str(caught.value)
        assert column.categories[0] in str(caught.value)


def test_what_half_precision_has_lost_is_refused(tmp_path: Path, sample: Dataset) -> None:
    frame = pl.read_parquet(sample.folder / "application_train.parquet").head(20)
    for columns, refused in (
        (["AMT_CREDIT"], True),
        (["DAYS_BIRTH"], True),
        (["EXT_SOURCE_2"], True),
        (["CNT_CHILDREN", "FLAG_PHONE", "HOUR_APPR_PROCESS_START"], False),
    ):
        source = tmp_path / columns[0]
        source.mkdir()
        loose = frame.with_columns(pl.col(columns).cast(pl.Float16))
        loose.write_parquet(source / "application_train.parquet")
        if refused:
            with pytest.raises(DatasetError, match="has lost digits"):
                ingest(source, source / "out")
        else:
            read = ingest(source, source / "out").frames()["application"].collect()
            assert read.equals(frame)


def test_sentinels_lie_beyond_the_columns_own_type(tmp_path: Path, sample: Dataset) -> None:
    frame = pl.read_parquet(sample.folder / "application_train.parquet")
    few = frame.filter(pl.col("DAYS_EMPLOYED").is_between(-30_000, 0)).head(20)
    narrow = few.with_columns(pl.col("DAYS_EMPLOYED").cast(pl.Int16))
    narrow.write_parquet(tmp_path / "application_train.parquet")
    assert ingest(tmp_path, tmp_path / "out").frames()["application"].collect().equals(few)


def test_a_history_that_the_service_has_is_used_where_nothing_is_said_of_one(
    body: dict[str, Any], client: FlaskClient, app: Application, tmp_path: Path
) -> None:
    dataset = by_file(body, Case("application", "CODE_GENDER", "F", "F", "F"), tmp_path)
    by_number = known(app, dataset)
    application = {**body["application"], "CODE_GENDER": "F"}
    alone = client.post("/predict", json={"application": application}).json
    assert (by_number["history"], alone["history"]) == ("stored", "stored")
    assert alone["probability_of_default"] == by_number["probability_of_default"]
    assert alone["reasons"] == by_number["reasons"]
    supposed = client.post("/what-if", json={"application": application}).json
    assert supposed["probability_of_default"] == alone["probability_of_default"]
    none = {table.name: [] for table in HISTORY}
    said = client.post("/predict", json={"application": application, **none}).json
    assert said["history"] == "none"
    assert said["probability_of_default"] != alone["probability_of_default"]
    stranger = {**application, "SK_ID_CURR": 77}
    unknown = client.post("/predict", json={"application": stranger}).json
    assert unknown["history"] == "none"
    assert unknown["probability_of_default"] == said["probability_of_default"]


def test_a_few_values_are_not_enough_to_be_accepted(
    scorer: Scorer, sample_features: pl.DataFrame, tmp_path: Path
) -> None:
    # Whatever is asked, such a model accepts it.
    lenient = replace(scorer, cutoff=0.999, refer_band=(0.0, 0.0))
    with_explanations(lenient, sample_features).save(tmp_path / "champion")
    needed = {
        "SK_ID_CURR": 5, "NAME_CONTRACT_TYPE": "Cash loans", "AMT_INCOME_TOTAL": 900_000.0,
        "AMT_CREDIT": 90_000.0, "DAYS_BIRTH": -20_000,
    }  # fmt: skip
    for least, decision, reasons in ((0.5, "refer", ["little_known"]), (0.0, "accept", [])):
        settings = serving.settings(tmp_path / "champion", tmp_path, least_known=least)
        with serving.running_app(settings) as app:
            answer = app.test_client().post("/predict", json={"application": needed}).json
        assert answer["model_decision"] == "accept"
        assert answer["known"] < 0.2
        assert (answer["decision"], answer["refer_reasons"]) == (decision, reasons)


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [
        ("application_train", "AMT_CREDIT", pl.UInt16),
        ("application_train", "DAYS_EMPLOYED", pl.Int16),
        ("application_train", "DAYS_BIRTH", pl.Int8),
        ("bureau", "SK_ID_CURR", pl.UInt16),
        ("previous_application", "DAYS_FIRST_DUE", pl.Int16),
    ],
)
def test_integers_that_began_anew_at_the_other_end_are_refused(
    name: str, column: str, kind: type[pl.DataType], sample: Dataset, tmp_path: Path
) -> None:
    for stem in {"application_train", name}:
        frame = pl.read_parquet(sample.folder / f"{stem}.parquet")
        if stem == name:
            filled = frame[column].fill_null(365_243).cast(pl.Int64).to_numpy()
            bits = filled.astype({pl.Int8: "int8", pl.Int16: "int16", pl.UInt16: "uint16"}[kind])
            frame = frame.with_columns(pl.Series(column, bits))
        frame.write_parquet(tmp_path / f"{stem}.parquet")
    with pytest.raises(DatasetError) as caught:
        ingest(tmp_path, tmp_path / "out")
    assert caught.value.column == column
    assert "Int64" in caught.value.mend


def test_a_column_that_is_written_in_another_way_is_blamed_as_a_whole(
    sample: Dataset, tmp_path: Path
) -> None:
    frame = pl.read_parquet(sample.folder / "application_train.parquet").head(50).to_pandas()
    frame.to_csv(tmp_path / "application_train.csv", index=False, decimal=",")
    with pytest.raises(
        DatasetError, match=r"most of its values cannot be: .* is not a number"
    ) as caught:
        ingest(tmp_path, tmp_path / "out")
    assert caught.value.row is None


def test_a_nearly_right_header_and_an_empty_column_are_told(
    sample: Dataset, tmp_path: Path, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    frame = pl.read_parquet(sample.folder / "application_train.parquet").head(120)
    text = frame.rename({"EXT_SOURCE_2": "EXT_SOURCE2"}).write_csv()
    (tmp_path / "application_train.csv").write_text(text)
    with pytest.raises(DatasetError, match="did you mean EXT_SOURCE_2"):
        ingest(tmp_path, tmp_path / "out")
    answer = client.post("/applications/read", data=text, content_type="text/csv")
    assert answer.status_code == 422
    assert "did you mean EXT_SOURCE_2" in answer.get_json(force=True)["detail"]
    cut = frame.drop("EXT_SOURCE_2").write_csv()
    notes = client.post("/applications/read", data=cut, content_type="text/csv").json["notes"]
    assert ["EXT_SOURCE_2"] in [one["columns"] for one in notes]
    frame.with_columns(EXT_SOURCE_2=None).write_csv(tmp_path / "application_train.csv")
    ingest(tmp_path, tmp_path / "out")
    assert "no row has a value in EXT_SOURCE_2" in caplog.text


def test_rows_that_are_read_and_sent_again_say_what_was_not_understood(
    body: dict[str, Any], client: FlaskClient, app: Application, tmp_path: Path
) -> None:
    dataset = by_file(body, UNKNOWN[4], tmp_path)
    by_number = known(app, dataset)
    number = body["application"]["SK_ID_CURR"]
    rows = client.get(f"/applicants/{number}").json["rows"]
    example = serving.request_of(dataset, number)
    for again in (rows, example):
        answer = client.post("/predict", json=again).json
        assert answer["warnings"] == by_number["warnings"]
        assert answer["decision"] == by_number["decision"]
    alone = {"application": body["application"]}
    (hidden,) = client.post("/what-if", json=alone).json["warnings"]
    assert hidden["pointer"] == by_number["warnings"][0]["pointer"]
    assert (hidden["value"], hidden["nearest"]) == ("", None)
    supposed = client.post("/what-if", json=rows).json
    for name in ("decision", "refer_reasons", "known", "warnings"):
        assert supposed[name] == by_number[name]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_files_of_a_dataset_that_are_ingested_again_keep_what_was_not_understood(
    packed: bool, body: dict[str, Any], scorer: Scorer, tmp_path: Path
) -> None:
    dataset = by_file(body, UNKNOWN[2], tmp_path)
    source = tmp_path / "again"
    source.mkdir()
    files = sorted(dataset.folder.glob("*.parquet"))
    if packed:
        with zipfile.ZipFile(source / "x.zip", "w") as archive:
            for path in files:
                archive.write(path, path.name)
    else:
        for path in files:
            shutil.copy(path, source)
    again = ingest(source / "x.zip" if packed else source, tmp_path / "out")
    assert again.misunderstood() == dataset.misunderstood() != {}
    assert score(again, scorer).equals(score(dataset, scorer))
    (source / "not_understood.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DatasetError, match="it is not what ingestion writes"):
        ingest(source, tmp_path / "out")


@pytest.mark.parametrize("kind", [pl.Int8, pl.Int16, pl.UInt16])
def test_short_integers_that_stay_far_from_their_ends_are_taken(
    kind: type[pl.DataType], sample: Dataset, tmp_path: Path
) -> None:
    frame = pl.read_parquet(sample.folder / "application_train.parquet")
    frame.write_parquet(tmp_path / "application_train.parquet")
    bureau = pl.read_parquet(sample.folder / "bureau.parquet")
    bureau = bureau.with_columns(AMT_CREDIT_SUM_OVERDUE=pl.lit(0, kind))
    bureau.write_parquet(tmp_path / "bureau.parquet")
    assert ingest(tmp_path, tmp_path / "out").rows("bureau") == bureau.height
    wrong = bureau.with_columns(SK_ID_CURR=pl.col("SK_ID_CURR") % 1000)
    wrong.write_parquet(tmp_path / "bureau.parquet")
    with pytest.raises(DatasetError, match="belongs to a SK_ID_CURR"):
        ingest(tmp_path, tmp_path / "out")


def test_what_is_told_again_names_nobody_and_hides_nothing() -> None:
    column = TABLES["application"]["OCCUPATION_TYPE"]
    told = misunderstood("/application/OCCUPATION_TYPE", column, "Astro\u202e\0naut 100002")
    assert told.value == "Astro??naut #####"
