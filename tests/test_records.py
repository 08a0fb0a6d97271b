"""What was decided: told again, explained, overridden, and compared with what happened."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serving
from flask.testing import FlaskClient

from api import example
from scoring.scorer import Scorer

PROBLEM = "application/problem+json"
NOBODY = "01a2061a-5c77-7d65-9ff9-611f461c3a51"


@pytest.fixture(scope="module")
def folder(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(small_model, tmp_path_factory.mktemp("models") / "champion"))


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[FlaskClient]:
    with serving.running_app(serving.settings(folder, folder.parent / "store")) as app:
        yield app.test_client()


@pytest.fixture
def answer(client: FlaskClient) -> dict[str, Any]:
    found = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
    assert isinstance(found, dict)
    return found


def test_a_decision_is_told_as_it_was_answered(client: FlaskClient, answer: dict[str, Any]) -> None:
    told = client.get(f"/predictions/{answer['id']}").json
    assert told == {
        **answer,
        "final_decision": answer["decision"],
        "overrides": [],
        "outcome": None,
    }


@pytest.mark.parametrize("number", [NOBODY, "x", "%00", "a" * 500, "..%2f..", "%F0%9F%92%A9"])
@pytest.mark.parametrize("rest", ["", "/explanation"])
def test_there_is_no_decision_of_another_id(client: FlaskClient, number: str, rest: str) -> None:
    response = client.get(f"/predictions/{number}{rest}")
    assert (response.status_code, response.content_type) == (404, PROBLEM)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("fr", "fr"), ("fr-FR,en;q=0.5", "fr"), ("en-US", "en"), ("de", "en"),
     ("de, fr;q=0.3", "fr")],
)  # fmt: skip
def test_contributions_add_up_and_are_told_in_the_callers_language(
    client: FlaskClient, answer: dict[str, Any], folder: Path, accepted: str, language: str
) -> None:
    response = client.get(
        f"/predictions/{answer['id']}/explanation", headers={"Accept-Language": accepted}
    )
    told = response.json
    assert response.headers["Content-Language"] == told["language"] == language
    total = told["base"] + sum(one["contribution"] for one in told["contributions"])
    pd = answer["probability_of_default"]
    assert total == pytest.approx(told["logit"], abs=1e-9)
    assert told["logit"] == pytest.approx(math.log(pd / (1 - pd)), abs=1e-9)
    assert told["probability_of_default"] == pd
    texts = Scorer.load(folder).texts
    for one in told["contributions"]:
        assert one["text"] == texts.get(one["feature"], {}).get(language, one["feature"])
    raised = [one for one in told["contributions"] if one["contribution"] > 0]
    assert [one["feature"] for one in raised[:4]] == [
        reason["feature"] for reason in answer["reasons"]
    ]


def test_a_decision_of_an_earlier_model_is_explained_with_that_model(
    client: FlaskClient, answer: dict[str, Any], folder: Path, scorer: Scorer
) -> None:
    before = client.get(f"/predictions/{answer['id']}/explanation").json
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    try:
        from dataclasses import replace

        replace(scorer, version="77", cutoff=0.5, refer_band=(0.5, 0.5)).save(folder)
        client.application.extensions["service"].lineup.refresh()
        assert client.get("/ready").json["model"]["version"] == "77"
        assert client.get(f"/predictions/{answer['id']}/explanation").json == before
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)
        client.application.extensions["service"].lineup.refresh()


def test_an_override_stands_and_the_models_decision_stays(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    address = f"/predictions/{answer['id']}/override"
    first = {"decision": "refuse", "actor": "C. Martin", "motive": "Documents were forged."}
    second = {"decision": "accept", "actor": "J. Dupont", "motive": "They were not, see mail."}
    assert client.post(address, json=first).status_code == 201
    response = client.post(address, json=second)
    assert response.status_code == 201
    told = response.json
    assert told["decision"] == answer["decision"]
    assert told["final_decision"] == "accept"
    assert [{name: one[name] for name in first} for one in told["overrides"]] == [first, second]
    assert client.get(f"/predictions/{answer['id']}").json == told


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"decision": "refer"}, "/decision"),
        ({"motive": ""}, "/motive"),
        ({"motive": "a\0b"}, "/motive"),
        ({"actor": 5}, "/actor"),
        ({"actor": "x" * 201}, "/actor"),
        ({"why": "x"}, "/why"),
    ],
)
def test_an_override_needs_who_and_why(
    client: FlaskClient, answer: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    body = {"decision": "accept", "actor": "C. Martin", "motive": "Paid off.", **change}
    response = client.post(f"/predictions/{answer['id']}/override", json=body)
    problem = json.loads(response.data)
    if "\0" in str(change.get("motive", "")):
        assert response.status_code == 422
    assert response.status_code == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert client.get(f"/predictions/{answer['id']}").json["overrides"] == []


def test_a_misspelt_field_is_recognised(client: FlaskClient, answer: dict[str, Any]) -> None:
    body = {"decision": "accept", "actor": "C. Martin", "motiv": "Paid off."}
    response = client.post(f"/predictions/{answer['id']}/override", json=body)
    details = [error["detail"] for error in json.loads(response.data)["errors"]]
    assert any("did you mean motive?" in detail for detail in details)


def test_nothing_unknown_is_overridden(client: FlaskClient) -> None:
    body = {"decision": "accept", "actor": "C. Martin", "motive": "Paid off."}
    assert client.post(f"/predictions/{NOBODY}/override", json=body).status_code == 404


def outcome(number: str, **changes: Any) -> dict[str, Any]:
    observed = "2026-11-20T08:00:00+01:00"
    return {"prediction_id": number, "defaulted": False, "observed_at": observed, **changes}


def test_outcomes_are_recorded_repeated_and_corrected(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    other = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
    sent = {"outcomes": [outcome(answer["id"]), outcome(other["id"], defaulted=True)]}
    assert client.post("/outcomes", json=sent).json == {"recorded": 2, "unchanged": 0}
    assert client.post("/outcomes", json=sent).json == {"recorded": 0, "unchanged": 2}
    corrected = {"outcomes": [outcome(answer["id"], defaulted=True)]}
    assert client.post("/outcomes", json=corrected).json == {"recorded": 1, "unchanged": 0}
    told = client.get(f"/predictions/{answer['id']}").json["outcome"]
    assert told == {"defaulted": True, "observed_at": "2026-11-20T07:00:00+00:00"}


def test_one_unknown_decision_stops_all_outcomes(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    sent = {"outcomes": [outcome(answer["id"]), outcome(NOBODY)]}
    response = client.post("/outcomes", json=sent)
    assert response.status_code == 422
    errors = json.loads(response.data)["errors"]
    assert [error["pointer"] for error in errors] == ["/outcomes/1/prediction_id"]
    assert client.get(f"/predictions/{answer['id']}").json["outcome"] is None


@pytest.mark.parametrize(
    "changes",
    [{"observed_at": "2026-11-20T08:00:00"},
     {"observed_at": "0001-01-01T00:00:00+14:00"}, {"observed_at": "yesterday"}, {"defaulted": 1},
     {"observed_at": None}, {"prediction_id": ""}, {"extra": 1}],
)  # fmt: skip
def test_a_wrong_outcome_is_named(client: FlaskClient, changes: dict[str, Any]) -> None:
    response = client.post("/outcomes", json={"outcomes": [outcome(NOBODY, **changes)]})
    assert response.status_code == 422
    (name,) = changes
    pointers = [error["pointer"] for error in json.loads(response.data)["errors"]]
    assert pointers == [f"/outcomes/0/{name}"]


@pytest.mark.parametrize("outcomes", [[], [outcome(NOBODY)] * 1001])
def test_none_or_too_many_outcomes_are_refused(client: FlaskClient, outcomes: object) -> None:
    assert client.post("/outcomes", json={"outcomes": outcomes}).status_code == 422
