"""What was decided: told again, explained, overridden, and compared with what happened."""

from __future__ import annotations

import copy
import json
import math
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.decisions import example
from api.decisions.answers import Reason
from scoring.features.causes import cause_of
from scoring.features.wording import describe
from scoring.features.wording.reasons import cause_text
from scoring.serving.scorer import Scorer
from scoring.store import Override
from scoring.store.outcomes import Outcomes
from tests.helpers import serving

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
        "propensity": 1.0,
        "exploration": None,
        "final_decision": answer["decision"],
        "overrides": [],
        "outcome": None,
        "counter_offers": [],
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
    client: FlaskClient, answer: dict[str, Any], accepted: str, language: str
) -> None:
    response = client.get(
        f"/predictions/{answer['id']}/explanation", headers={"Accept-Language": accepted}
    )
    told = response.json
    assert response.headers["Content-Language"] == told["language"] == language
    total = told["base"] + sum(one["contribution"] for one in told["causes"])
    pd = answer["probability_of_default"]
    assert total == pytest.approx(told["logit"], abs=1e-9)
    assert told["logit"] == pytest.approx(math.log(pd / (1 - pd)), abs=1e-9)
    assert told["probability_of_default"] == pd
    for cause in told["causes"]:
        names = [one["feature"] for one in cause["features"]]
        assert cause["text"] == cause_text(cause["cause"], language, names)
        added = [one["contribution"] for one in cause["features"]]
        assert cause["contribution"] == pytest.approx(sum(added))
        assert added == sorted(added, key=lambda size: -abs(size))
        for one in cause["features"]:
            assert one["text"] == describe(one["feature"], language)
            assert cause_of(one["feature"]) == cause["cause"]
    sizes = {cause["cause"]: cause["contribution"] for cause in told["causes"]}
    for reason in answer["reasons"]:
        assert sizes[reason["cause"]] == reason["contribution"]


def test_a_decision_of_an_earlier_model_is_explained_with_that_model(
    client: FlaskClient, answer: dict[str, Any], folder: Path, scorer: Scorer
) -> None:
    before = client.get(f"/predictions/{answer['id']}/explanation").json
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    try:
        from dataclasses import replace

        replace(scorer, version="77", cutoff=0.5, refer_band=(0.5, 0.5)).save(folder)
        client.application.extensions["service"].models.refresh()
        assert client.get("/ready").json["model"]["version"] == "77"
        assert client.get(f"/predictions/{answer['id']}/explanation").json == before
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)
        client.application.extensions["service"].models.refresh()


def test_an_override_stands_and_the_models_decision_stays(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    address = f"/predictions/{answer['id']}/override"
    first = {"decision": "refuse", "actor": "C. Martin", "motive": "Documents were forged."}
    second = {"decision": "accept", "actor": "J. Dupont", "motive": "They were not, see mail."}
    assert client.post(address, json=first).status_code == 201
    seen = client.get(f"/predictions/{answer['id']}").headers["ETag"]
    response = client.post(address, json=second, headers={"If-Match": seen})
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
        ({"motive": " "}, "/motive"),
        ({"motive": "\u00a0\u2003\t"}, "/motive"),
        ({"motive": " ... - "}, "/motive"),
        ({"motive": "ok"}, "/motive"),
        ({"motive": "\u200b" * 9}, "/motive"),
        ({"motive": "x" * 2001}, "/motive"),
        ({"actor": " "}, "/actor"),
        ({"actor": "--"}, "/actor"),
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


def overridden(client: FlaskClient, number: str, decision: str, **headers: str) -> Any:
    body = {"decision": decision, "actor": "C. Martin", "motive": f"To {decision} is right."}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/predictions/{number}/override", json=body, headers=names)


@pytest.mark.parametrize(
    ("path", "method"), [("/predictions/a/override", "POST"), ("/policy", "PUT")]
)
def test_who_and_why_need_no_large_body(client: FlaskClient, path: str, method: str) -> None:
    """It would be parsed whole, at many times its size, while others wait."""
    body = json.dumps({f"k{number}": "x" for number in range(10_000)})
    told = client.open(path, method=method, data=body, content_type="application/json")
    assert (told.status_code, told.content_type) == (413, "application/problem+json")


def test_an_override_is_overridden_by_those_who_have_seen_it(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    address = f"/predictions/{answer['id']}"
    before = client.get(address).headers["ETag"]
    assert overridden(client, answer["id"], "accept", If_Match='"other"').status_code == 412
    first = overridden(client, answer["id"], "accept", If_Match=before)
    assert first.status_code == 201
    # Sent again, since its answer was lost.
    again = overridden(client, answer["id"], "accept", If_Match=before)
    assert (again.status_code, again.data) == (201, first.data)
    for headers, status in (({"If_Match": before}, 412), ({}, 428), ({"If_Match": "x"}, 412)):
        refused = overridden(client, answer["id"], "refuse", **headers)
        assert (refused.status_code, refused.content_type) == (status, PROBLEM)
        assert "If-Match" in json.loads(refused.data)["detail"]
    assert client.get(address).data == first.data
    seen = first.headers["ETag"]
    assert client.get(address).headers["ETag"] == seen
    # What came after the look may change the officer's mind.
    client.post("/outcomes", json={"outcomes": [outcome(answer["id"])]})
    assert overridden(client, answer["id"], "refuse", If_Match=seen).status_code == 412
    seen = client.get(address).headers["ETag"]
    assert overridden(client, answer["id"], "refuse", If_Match=seen).status_code == 201


def test_overrides_are_bounded_and_so_is_what_is_told_of_them(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    store = client.application.extensions["service"].store
    motive, now = "x" * 2000, datetime.now(UTC)
    for number in range(19):
        who = f"officer {number}"
        store.outcomes.override(Override(answer["id"], "accept", who, motive, now, "k"))
    for decision, status in (("refuse", 201), ("accept", 409)):
        done = overridden(client, answer["id"], decision, If_Match="*")
        assert done.status_code == status
    assert "20 overrides" in json.loads(done.data)["detail"]
    # As they may be on record from before there was a bound.
    store.outcomes.override(Override(answer["id"], "refuse", "one more", motive, now, "k"))
    told = client.get(f"/predictions/{answer['id']}")
    overrides = told.json["overrides"]
    assert [overrides[0]["actor"], overrides[-1]["actor"]] == ["officer 1", "one more"]
    assert (len(overrides), told.json["final_decision"]) == (20, "refuse")
    assert len(told.data) < 50_000


def test_nothing_unknown_is_overridden(client: FlaskClient) -> None:
    body = {"decision": "accept", "actor": "C. Martin", "motive": "Paid off."}
    assert client.post(f"/predictions/{NOBODY}/override", json=body).status_code == 404


def outcome(number: str, **changes: Any) -> dict[str, Any]:
    observed = datetime.now(timezone(timedelta(hours=1))).isoformat()
    return {"prediction_id": number, "defaulted": False, "observed_at": observed, **changes}


def test_outcomes_are_recorded_repeated_and_corrected(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    other = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
    sent = {"outcomes": [outcome(answer["id"]), outcome(other["id"], defaulted=True)]}
    assert client.post("/outcomes", json=sent).json == {"recorded": 2, "unchanged": 0}
    assert client.post("/outcomes", json=sent).json == {"recorded": 0, "unchanged": 2}
    # The same, twice in one call.
    repeated = {"outcomes": sent["outcomes"][:1] * 2}
    assert client.post("/outcomes", json=repeated).json == {"recorded": 0, "unchanged": 2}
    corrected = outcome(answer["id"], defaulted=True)
    done = client.post("/outcomes", json={"outcomes": [corrected]})
    assert done.json == {"recorded": 1, "unchanged": 0}
    told = client.get(f"/predictions/{answer['id']}").json["outcome"]
    observed = datetime.fromisoformat(corrected["observed_at"]).astimezone(UTC)
    assert told == {"defaulted": True, "observed_at": observed.isoformat()}


def test_one_unknown_decision_stops_all_outcomes(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    sent = {"outcomes": [outcome(answer["id"]), outcome(NOBODY)]}
    response = client.post("/outcomes", json=sent)
    assert response.status_code == 422
    errors = json.loads(response.data)["errors"]
    assert [error["pointer"] for error in errors] == ["/outcomes/1/prediction_id"]
    assert client.get(f"/predictions/{answer['id']}").json["outcome"] is None


@pytest.mark.parametrize("days", [-1, 1, 365 * 7900])
def test_an_outcome_is_observed_between_the_decision_and_now(
    client: FlaskClient, answer: dict[str, Any], days: int
) -> None:
    decided = datetime.fromisoformat(answer["at"])
    sent = [
        outcome(answer["id"], observed_at=(decided + timedelta(days=days)).isoformat()),
        # Clocks differ by seconds, and some tell whole ones.
        outcome(answer["id"], observed_at=decided.isoformat(timespec="seconds")),
    ]
    refused = client.post("/outcomes", json={"outcomes": sent[:1]})
    assert refused.status_code == 422
    (error,) = json.loads(refused.data)["errors"]
    assert error["pointer"] == "/outcomes/0/observed_at"
    assert f"between the decision ({answer['at']}) and now" in error["detail"]
    assert client.get(f"/predictions/{answer['id']}").json["outcome"] is None
    assert client.post("/outcomes", json={"outcomes": sent[1:]}).json["recorded"] == 1


def test_what_counts_no_more_is_told(
    client: FlaskClient, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {"outcomes": [outcome(answer["id"], observed_at=answer["at"])]}
    assert client.post("/outcomes", json={"outcomes": [outcome(answer["id"])]}).json == {
        "recorded": 1, "unchanged": 0,
    }  # fmt: skip
    # However the store keeps the earlier observation, the later one counts.
    monkeypatch.setattr(Outcomes, "record", lambda _, new: len(new))
    told = client.post("/outcomes", json=sent).json
    assert told == {"recorded": 1, "unchanged": 0, "outdated": 1}


def test_one_call_does_not_contradict_itself(client: FlaskClient, answer: dict[str, Any]) -> None:
    sent = [outcome(answer["id"]), outcome(answer["id"], defaulted=True)]
    refused = client.post("/outcomes", json={"outcomes": sent})
    assert refused.status_code == 422
    pointers = [error["pointer"] for error in json.loads(refused.data)["errors"]]
    assert pointers == ["/outcomes/0", "/outcomes/1"]
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


def test_a_decision_of_before_causes_keeps_its_reasons_by_feature(
    client: FlaskClient, answer: dict[str, Any], folder: Path
) -> None:
    before = {"feature": "AMT_CREDIT", "value": 450000.0, "contribution": 0.1, "texts": {"en": "A"}}
    with sqlite3.connect(folder.parent / "store" / "scoring.db") as connection:
        connection.execute(
            "UPDATE predictions SET reasons = ? WHERE id = ?",
            (json.dumps([before]), answer["id"]),
        )
    told = client.get(f"/predictions/{answer['id']}").json
    assert told is not None
    # In a language that is newer than the record it says what the other one does.
    assert told["reasons"] == [before | {"texts": {"en": "A", "fr": "A"}}]
    (reason,) = (Reason.model_validate(one) for one in told["reasons"])
    assert (reason.cause, reason.usual) == (None, None)
