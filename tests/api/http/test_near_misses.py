"""Bodies that are nearly right get one sentence with the mend, at every door that takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.decisions import example
from api.http.near_misses import near_miss
from tests.helpers import serving

LINES = "application/x-ndjson"
APPLICATION: dict[str, Any] = example.REQUEST["application"]
BUREAU: list[dict[str, Any]] = example.REQUEST["bureau"]
ROWS = '{"application": {"SK_ID_CURR": 100002, ...}}'


def lower(row: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in row.items()}


# What is sent, where it is mended, and what the sentence says.
NEARLY: dict[str, tuple[Any, str, str]] = {
    "flat": (APPLICATION, "", ROWS),
    "flat, in lower case": (lower(APPLICATION), "", ROWS),
    "flat, with histories": ({**APPLICATION, "bureau": BUREAU}, "", ROWS),
    "flat, of one column": ({"AMT_CREDIT": 1.0}, "", ROWS),
    "lower case": ({"application": lower(APPLICATION)}, "/application/sk_id_curr", "SK_ID_CURR"),
    "one name in mixed case": (
        {"application": APPLICATION | {"Ext_Source_1": 0.5}},
        "/application/Ext_Source_1", 'write EXT_SOURCE_1, not "Ext_Source_1"',
    ),
    "spaces": (
        {"application": {f" {name} ": value for name, value in APPLICATION.items()}},
        "/application/ SK_ID_CURR ", "21 more names",
    ),
    "spaces for underscores": (
        {"application": APPLICATION, "bureau": [{"SK ID BUREAU": 1}]},
        "/bureau/0/SK ID BUREAU", "SK_ID_BUREAU",
    ),
    "a history in lower case": (
        {"application": APPLICATION, "bureau": [BUREAU[0], lower(BUREAU[1])]},
        "/bureau/1/sk_id_bureau", "SK_ID_BUREAU",
    ),
    "Bureau": ({"application": APPLICATION, "Bureau": BUREAU}, "/Bureau", "write bureau"),
    "pos_cash_balance": (
        {"application": APPLICATION, "pos_cash_balance": []},
        "/pos_cash_balance", "write POS_CASH_balance",
    ),
    "application_train": ({"application_train": APPLICATION}, "/application_train", "application"),
    "APPLICATION": ({"APPLICATION": APPLICATION}, "/APPLICATION", "write application"),
    "a column beside": (
        {"SK_ID_CURR": 1, **example.REQUEST}, "/SK_ID_CURR", 'belongs inside "application"',
    ),
    "client_id": ({"client_id": 100002}, "/client_id", '{"SK_ID_CURR": 100002}'),
    "id": ({"id": "100002"}, "/id", '{"SK_ID_CURR": 100002}'),
    "sk_id_curr": ({"sk_id_curr": 100002}, "/sk_id_curr", '{"SK_ID_CURR": 100002}'),
    "a number as text": ({"SK_ID_CURR": " 100002"}, "/SK_ID_CURR", '{"SK_ID_CURR": 100002}'),
    "data": ({"data": example.REQUEST}, "/data", ROWS),
    "data, flat": ({"data": APPLICATION}, "/data", ROWS),
    "a list of one": ({"application": [APPLICATION]}, "/application", "one object"),
    "applications": ({"applications": [APPLICATION]}, "/applications", "POST /predict/batch"),
    "an array": ([example.REQUEST], "", "POST /predict/batch"),
    "dataframe_split": (
        {"dataframe_split": {"columns": ["AMT_CREDIT"], "data": [[1.0]]}}, "/dataframe_split", ROWS,
    ),
    "dataframe_records": ({"dataframe_records": [APPLICATION]}, "/dataframe_records", ROWS),
    "instances": ({"signature_name": "x", "instances": [APPLICATION]}, "/instances", ROWS),
    "inputs": ({"inputs": [APPLICATION]}, "/inputs", ROWS),
    "JSON in a text": (json.dumps(example.REQUEST), "", "once, not twice"),
}  # fmt: skip
DAMAGES = {
    "a name too many": {"application": APPLICATION | {"AMT_CREDITS": 1}},
    "another table": {"application": APPLICATION, "bureaux": []},
    "a wrong value": {"application": APPLICATION | {"AMT_CREDIT": "much"}},
    "a column twice": {"application": APPLICATION | {"amt_credit": 1}},
    "too large a number": {"SK_ID_CURR": 2**31},
    "a number and rows": {"SK_ID_CURR": 1, "bureau": []},
    "nothing": {},
}


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with serving.running_app(serving.settings(small_model, tmp_path_factory.mktemp("s"))) as app:
        yield app.test_client()


@pytest.mark.parametrize("name", NEARLY)
def test_what_is_nearly_right_gets_one_sentence_at_every_door(
    client: FlaskClient, name: str
) -> None:
    body, pointer, words = NEARLY[name]
    batch = client.post("/predict/batch", json=[body, example.REQUEST]).json["results"]
    lines = "\n".join(json.dumps(one) for one in (body, example.REQUEST))
    items = client.post("/predict/batch", data=lines, content_type=LINES).text.splitlines()
    assert "prediction" in batch[1]
    assert "prediction" in json.loads(items[1])
    problems = [
        *(client.post(door, json=body).json for door in ("/predict", "/what-if")),
        batch[0]["problem"],
        json.loads(items[0])["problem"],
    ]
    for problem in problems:
        assert problem["status"] == 422
        (error,) = problem["errors"]
        assert error["pointer"] == pointer
        assert words in error["detail"]
        assert len(error["detail"]) < 200


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_wrong_otherwise_is_no_near_miss(name: str) -> None:
    assert near_miss(DAMAGES[name]) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (example.REQUEST, "POST /predict takes one"),
        ({"applications": [example.REQUEST]}, "list of applicants alone"),
        ({"dataframe_split": {}}, "list of applicants alone"),
        (json.dumps([example.REQUEST]), "once, not twice"),
    ],
)
def test_what_is_nearly_a_batch_gets_one_sentence(
    client: FlaskClient, body: object, words: str
) -> None:
    response = client.post("/predict/batch", json=body)
    assert response.status_code == 422
    (error,) = response.json["errors"]
    assert error["pointer"] == ""
    assert words in error["detail"]


def test_a_what_if_by_number_leads_to_the_rows(client: FlaskClient) -> None:
    (error,) = client.post("/what-if", json={"SK_ID_CURR": 100002}).json["errors"]
    assert error["pointer"] == "/application"
    assert "GET /applicants/100002" in error["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"application": {"y" * 1_000_000: 1}},
        {"y" * 1_000_000: {}},
        {f"{'y' * 200}{number}": 1 for number in range(10_000)},
        {"application": APPLICATION, "bureau": [{"y" * 1_000: 1}] * 5_000},
    ],
    ids=["a column", "a table", "many", "rows"],
)
def test_a_hostile_body_is_answered_in_few_words(client: FlaskClient, body: object) -> None:
    response = client.post("/predict", json=body)
    assert response.status_code == 422
    assert len(response.data) < 30_000


TOKENS = ("NaN", "Infinity", "-Infinity", "1e999")


@pytest.mark.parametrize("token", TOKENS)
def test_a_number_that_json_has_not_is_named(client: FlaskClient, token: str) -> None:
    rows: dict[str, Any] = {"application": APPLICATION | {"EXT_SOURCE_1": "?"}}
    rows["bureau"] = [BUREAU[0], BUREAU[1] | {"AMT_ANNUITY": "?"}]
    spoilt = json.dumps(rows).replace('"?"', token)
    for door in ("/predict", "/what-if"):
        response = client.post(door, data=spoilt, content_type="application/json")
        assert response.status_code == 400
        assert [error["pointer"] for error in response.json["errors"]] == [
            "/application/EXT_SOURCE_1",
            "/bureau/1/AMT_ANNUITY",
        ]
        assert all("send null" in error["detail"] for error in response.json["errors"])


@pytest.mark.parametrize("token", TOKENS)
def test_a_number_that_json_has_not_spoils_its_own_applicant_only(
    client: FlaskClient, token: str
) -> None:
    good = json.dumps(example.REQUEST)
    spoilt = good.replace("0.61", token)
    array = client.post(
        "/predict/batch", data=f"[{good},{spoilt},{good}]", content_type="application/json"
    )
    lines = client.post("/predict/batch", data=f"{good}\n{spoilt}\n{good}", content_type=LINES)
    for items in (array.json["results"], [json.loads(line) for line in lines.text.splitlines()]):
        assert ["prediction" in item for item in items] == [True, False, True]
        assert items[1]["problem"]["status"] == 400
        (error,) = items[1]["problem"]["errors"]
        assert error["pointer"] == "/application/EXT_SOURCE_2"
        assert "send null" in error["detail"]
