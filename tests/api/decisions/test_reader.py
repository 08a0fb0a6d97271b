"""Request bodies: which are applicants, and what is said of those that are not."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.decisions import example
from api.decisions.reader import ApplicantReader, unused_number
from api.http.bodies import parse
from api.http.problems import ProblemError
from scoring.data.requests import frames_of
from scoring.data.tables import TABLES
from scoring.data.values import is_missing
from scoring.store import OnlineApplicant, Store
from tests.helpers.databases import prediction

READER = ApplicantReader(row_limit=100)
NUMBERS = [
    (table.name, column.name)
    for table in TABLES.values()
    for column in table.columns
    if column.kind != "category" and column.name != "TARGET"
]


@pytest.fixture
def body() -> dict[str, Any]:
    return copy.deepcopy(example.REQUEST)


def read_errors(body: object) -> dict[str, str]:
    """The refused fields of a body: detail by pointer."""
    with pytest.raises(ProblemError) as caught:
        READER.read(parse(orjson.dumps(body)))
    assert caught.value.status == 422
    return {error.pointer: error.detail for error in caught.value.errors}


def test_rows_become_frames_of_the_tables_types(body: dict[str, Any]) -> None:
    applicant = READER.read(parse(orjson.dumps(body)))
    frames = frames_of([applicant.rows])
    assert applicant.id == 900001
    assert set(frames) == {name for name, rows in body.items() if rows}
    for name, frame in frames.items():
        assert frame.schema == TABLES[name].schema
    bureau = frames["bureau"]
    assert bureau["SK_ID_CURR"].to_list() == [900001, 900001]
    assert bureau["AMT_CREDIT_SUM_DEBT"].to_list() == [61200.5, None]
    assert frames["application"]["DAYS_REGISTRATION"].item() == -3648


def test_histories_may_be_left_out_or_empty(body: dict[str, Any]) -> None:
    alone = READER.read({"application": body["application"]})
    empty = READER.read({name: [] for name in body} | {"application": body["application"]})
    assert list(frames_of([alone.rows])) == list(frames_of([empty.rows])) == ["application"]


def test_the_applicant_may_be_repeated_in_history_rows(body: dict[str, Any]) -> None:
    body["bureau"][0]["SK_ID_CURR"] = 900001
    body["bureau"][1]["SK_ID_CURR"] = None
    frames = frames_of([READER.read(parse(orjson.dumps(body))).rows])
    assert frames["bureau"]["SK_ID_CURR"].to_list() == [900001, 900001]


def test_a_row_of_somebody_else_is_refused(body: dict[str, Any]) -> None:
    body["bureau"][1]["SK_ID_CURR"] = 900002
    errors = read_errors(body)
    assert list(errors) == ["/bureau/1/SK_ID_CURR"]
    assert "900002" in errors["/bureau/1/SK_ID_CURR"]


def test_a_balance_without_its_credit_is_refused(body: dict[str, Any]) -> None:
    body["bureau_balance"][1]["SK_ID_BUREAU"] = 77
    assert list(read_errors(body)) == ["/bureau_balance/1/SK_ID_BUREAU"]


@pytest.mark.parametrize(
    ("table", "pointer"),
    [
        ("bureau", "/bureau/2/SK_ID_BUREAU"),
        ("bureau_balance", "/bureau_balance/2/MONTHS_BALANCE"),
        ("previous_application", "/previous_application/1/SK_ID_PREV"),
        ("POS_CASH_balance", "/POS_CASH_balance/1/MONTHS_BALANCE"),
    ],
)
def test_a_repeated_key_is_refused(body: dict[str, Any], table: str, pointer: str) -> None:
    body[table].append(body[table][0])
    errors = read_errors(body)
    assert list(errors) == [pointer]
    assert "row 0 has the same" in errors[pointer]


def test_a_payment_may_be_repeated(body: dict[str, Any]) -> None:
    body["installments_payments"] *= 2
    assert len(READER.read(parse(orjson.dumps(body))).rows["installments_payments"]) == 2


def test_unknown_fields_are_refused_with_the_nearest_name(body: dict[str, Any]) -> None:
    body["bureaux"] = []
    body["application"]["AMT_CREDITS"] = 1
    body["bureau"][1]["a/b~c"] = 1
    assert read_errors(body) == {
        "/bureaux": "unknown field; did you mean bureau?",
        "/application/AMT_CREDITS": "unknown field; did you mean AMT_CREDIT?",
        "/bureau/1/a~1b~0c": "unknown field",
    }


def test_target_is_not_taken(body: dict[str, Any]) -> None:
    body["application"]["TARGET"] = 1
    assert "what is asked" in read_errors(body)["/application/TARGET"]


@pytest.mark.parametrize("absent", ["left out", "null"])
def test_a_required_column_is_named(body: dict[str, Any], absent: str) -> None:
    if absent == "null":
        body["application"]["AMT_CREDIT"] = None
    else:
        del body["application"]["AMT_CREDIT"]
    assert read_errors(body) == {"/application/AMT_CREDIT": "AMT_CREDIT is required"}


@pytest.mark.parametrize("absent", ["left out", "null"])
def test_an_application_without_a_number_gets_one(body: dict[str, Any], absent: str) -> None:
    del body["application"]["SK_ID_CURR"]
    if absent == "null":
        body["application"]["SK_ID_CURR"] = None
    applicant = ApplicantReader(100, lambda: 1_234_567_890).read(body)
    assert applicant.id == 1_234_567_890
    (application,) = applicant.rows["application"]
    assert application["SK_ID_CURR"] == 1_234_567_890


def test_rows_with_a_number_need_an_application_with_one(body: dict[str, Any]) -> None:
    del body["application"]["SK_ID_CURR"]
    body["bureau"][0]["SK_ID_CURR"] = 100_002
    assert "100002" in read_errors(body)["/bureau/0/SK_ID_CURR"]


def test_an_invented_number_is_of_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    known, decided, free = 1_000_000_001, 1_000_000_002, 1_000_000_003
    drawn = iter([known, decided, free])
    monkeypatch.setattr("api.decisions.reader.random_number", lambda: next(drawn))
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    store.applicants.put([OnlineApplicant(known, "2", b"1", b"2", "d" * 64, noon)])
    store.decisions.record([prediction(applicant=store.pseudonyms.applicant(decided))])
    assert unused_number(store) == free


@pytest.mark.parametrize("wrong", [None, 3, "x", [], [1]])
def test_a_body_that_is_no_object_is_refused(wrong: object) -> None:
    assert list(read_errors(wrong)) == [""]


def test_the_shape_of_tables_is_checked(body: dict[str, Any]) -> None:
    body |= {"application": [], "bureau": {}, "bureau_balance": None, "POS_CASH_balance": [3]}
    assert set(read_errors(body)) == {
        "/application",
        "/bureau",
        "/bureau_balance",
        "/POS_CASH_balance/0",
    }
    assert list(read_errors({})) == ["/application"]


def test_too_many_rows_are_refused(body: dict[str, Any]) -> None:
    payments = body["installments_payments"]
    body["installments_payments"] = payments * 100
    READER.read(parse(orjson.dumps(body)))
    body["installments_payments"] = payments * 101
    assert "at most 100" in read_errors(body)["/installments_payments"]


def test_errors_are_bounded(body: dict[str, Any]) -> None:
    body["bureau"] = [{"AMT_ANNUITY": "x"}] * 90
    body["application"] |= {f"unknown {i}": 1 for i in range(10_000)}
    assert len(read_errors(body)) == 50


def test_a_very_long_name_is_not_repeated(body: dict[str, Any]) -> None:
    body["application"]["A" * 1_000_000] = 1
    errors = read_errors(body)
    assert list(errors) == ["/application"]
    assert len(errors["/application"]) < 200


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"nope", b'{"a":NaN}', b"[1e999]", b'\xef\xbb\xbf{"a":1}', b'{"a":"\xe9"}',
     b'{"a":1}\0', b'["\\ud800"]', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        parse(text)
    assert caught.value.status == 400


@given(
    place=st.sampled_from(NUMBERS),
    value=st.text(max_size=3).filter(lambda text: not is_missing(text))
    | st.booleans()
    | st.just([])
    | st.just({})
    | st.just(10**18),
)
def test_a_wrong_number_is_named_wherever_it_is(place: tuple[str, str], value: object) -> None:
    table, column = place
    row = (
        dict(example.REQUEST["application"])
        if table == "application"
        else {c.name: c.minimum for c in TABLES[table].columns if c.kind == "id"}
    )
    body = {"application": example.REQUEST["application"], table: row | {column: value}}
    pointer = f"/application/{column}"
    if table != "application":
        body[table] = [body[table]]
        pointer = f"/{table}/0/{column}"
    assert column in read_errors(body)[pointer]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*TABLES, *TABLES["bureau"].schema, "x"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        NAMES, JSON | st.lists(st.dictionaries(NAMES, JSON, max_size=3), max_size=3), max_size=4
    )
)
def test_any_json_is_read_or_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(ProblemError) as caught:
        READER.read(parse(orjson.dumps(body)))
    assert caught.value.status == 422
    assert caught.value.errors
