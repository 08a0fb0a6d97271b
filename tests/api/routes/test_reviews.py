"""Reviews over HTTP: contested, listed, assigned, decided once, and a person's whole journey."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from typer.testing import CliRunner

from api.decisions import example
from scoring.__main__ import app as command_line
from scoring.monitoring.replay import replay
from scoring.serving.scorer import Scorer
from scoring.store import Store
from scoring.store.schema import reviews
from tests.helpers import serving
from tests.helpers.databases import KINDS, fresh_database

PROBLEM = "application/problem+json"
NOBODY = "01a2061a-5c77-7d65-9ff9-611f461c3a51"
RULING = {"decision": "refuse", "actor": "C. Martin", "motive": "Nothing is new."}
OTHER = {"accept": "refuse", "refuse": "accept", "refer": "accept"}


@pytest.fixture(scope="module", params=KINDS)
def client(
    request: pytest.FixtureRequest, small_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("store")
    with fresh_database(request.param, folder, request) as url:
        store = Store(url)
        store.migrate()
        store.close()
        found = serving.settings(small_model, folder, database_url=url, review_days=20)
        with serving.running_app(found) as app:
            yield app.test_client()


@pytest.fixture
def answer(client: FlaskClient) -> dict[str, Any]:
    made = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
    assert isinstance(made, dict)
    return made


@pytest.fixture
def review(client: FlaskClient, answer: dict[str, Any]) -> dict[str, Any]:
    response = contested(client, answer["id"])
    assert response.status_code == 201
    return dict(response.json)


def contested(client: FlaskClient, number: str, **changes: Any) -> Any:
    body = {"words": "I have a new job.", **changes}
    return client.post(f"/predictions/{number}/reviews", json=body)


def ruled(client: FlaskClient, number: str, **changes: Any) -> Any:
    headers = {"If-Match": changes.pop("if_match")} if "if_match" in changes else {}
    return client.post(f"/reviews/{number}/decision", json=RULING | changes, headers=headers)


def test_a_decision_is_contested_in_the_applicants_words(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    received = datetime.now(UTC)
    review = contested(client, answer["id"], received_at=received.isoformat()).json
    due = received + timedelta(days=20)
    assert review == {
        "state": "open", "id": review["id"], "prediction_id": answer["id"],
        "received_at": received.isoformat(), "due_at": due.isoformat(), "assignee": None,
        "decision": None, "overturned": None, "decided_at": None, "words": "I have a new job.",
        "actor": None, "motive": None,
    }  # fmt: skip
    assert client.get(f"/reviews/{review['id']}").json == review
    listed = client.get(f"/predictions/{answer['id']}/reviews").json
    facts = {name: review[name] for name in review if name not in ("words", "actor", "motive")}
    assert listed == {"reviews": [facts], "next": None}


def test_it_is_contested_once_at_a_time(client: FlaskClient, review: dict[str, Any]) -> None:
    again = contested(client, review["prediction_id"])
    assert (again.status_code, again.json) == (201, review)
    other = contested(client, review["prediction_id"], words="And a house.")
    assert (other.status_code, other.content_type) == (409, PROBLEM)
    assert ruled(client, review["id"]).status_code == 201
    later = contested(client, review["prediction_id"], words="And a house.")
    assert later.status_code == 201
    assert later.json["id"] != review["id"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"words": ""}, "/words"),
        ({"words": "x" * 5001}, "/words"),
        ({"words": "a\0b"}, "/words"),
        ({"words": "--"}, "/words"),
        ({"received_at": "2026-01-01"}, "/received_at"),
        ({"received_at": "2020-01-01T00:00:00Z"}, "/received_at"),
        ({"received_at": "2999-01-01T00:00:00Z"}, "/received_at"),
        ({"actor": "x"}, "/actor"),
    ],
)
def test_what_is_wrong_with_a_contest_is_named(
    client: FlaskClient, answer: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    response = contested(client, answer["id"], **change)
    assert response.status_code == 422
    assert [error["pointer"] for error in json.loads(response.data)["errors"]] == [pointer]
    assert client.get(f"/predictions/{answer['id']}/reviews").json["reviews"] == []


@pytest.mark.parametrize("number", [NOBODY, "x", "%00", "a" * 500])
def test_there_is_no_review_of_another_id(client: FlaskClient, number: str) -> None:
    for response in (
        client.get(f"/reviews/{number}"),
        client.put(f"/reviews/{number}/assignee", json={"assignee": "C. Martin"}),
        ruled(client, number),
        contested(client, number),
    ):
        assert (response.status_code, response.content_type) == (404, PROBLEM)


def test_it_is_assigned_as_it_was_seen(client: FlaskClient, review: dict[str, Any]) -> None:
    address = f"/reviews/{review['id']}"
    seen = client.get(address).headers["ETag"]
    for name in ("C. Martin", "J. Dupont"):
        given = client.put(f"{address}/assignee", json={"assignee": name})
        assert (given.status_code, given.json["assignee"]) == (200, name)
    stale = client.put(f"{address}/assignee", json={"assignee": "Zoë"}, headers={"If-Match": seen})
    assert (stale.status_code, stale.content_type) == (412, PROBLEM)
    assert ruled(client, review["id"]).status_code == 201
    late = client.put(f"{address}/assignee", json={"assignee": "Zoë"})
    assert late.status_code == 409
    assert client.get(address).json["assignee"] == "J. Dupont"


def test_what_is_kept_is_no_override_and_what_is_not_is_one(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    first, address = contested(client, answer["id"]).json, f"/predictions/{answer['id']}"
    kept = ruled(client, first["id"], decision=OTHER[OTHER[answer["decision"]]])
    assert (kept.status_code, kept.json["overturned"]) == (201, answer["decision"] == "refer")
    if answer["decision"] == "refer":
        return
    assert client.get(address).json["overrides"] == []
    second = contested(client, answer["id"], words="Look again.").json
    changed = OTHER[answer["decision"]]
    done = ruled(client, second["id"], decision=changed, motive="It is permanent.")
    assert (done.status_code, done.json["overturned"], done.json["state"]) == (
        201, True, "decided",
    )  # fmt: skip
    record = client.get(address).json
    assert (record["decision"], record["final_decision"]) == (answer["decision"], changed)
    (override,) = record["overrides"]
    assert (override["actor"], override["motive"]) == ("C. Martin", "It is permanent.")


def test_one_decides_and_the_other_is_told(client: FlaskClient, review: dict[str, Any]) -> None:
    # The same sent again, since its answer was lost, is recorded once.
    first, again = ruled(client, review["id"]), ruled(client, review["id"])
    assert (again.status_code, again.data) == (201, first.data)
    other = ruled(client, review["id"], actor="J. Dupont")
    assert (other.status_code, other.content_type) == (409, PROBLEM)
    assert client.get(f"/reviews/{review['id']}").data == first.data


def test_of_those_who_decide_at_once_one_does(client: FlaskClient, review: dict[str, Any]) -> None:
    def decided(number: int) -> int:
        own = client.application.test_client()
        return int(ruled(own, review["id"], actor=f"officer {number}").status_code)

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(decided, range(4)))
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {409, 428}
    (listed,) = client.get(f"/predictions/{review['prediction_id']}/reviews").json["reviews"]
    assert listed["state"] == "decided"


def test_an_override_meanwhile_has_to_have_been_seen(
    client: FlaskClient, review: dict[str, Any]
) -> None:
    address = f"/predictions/{review['prediction_id']}"
    before = client.get(address).headers["ETag"]
    body = {"decision": "accept", "actor": "J. Dupont", "motive": "I know the employer."}
    seen = client.post(f"{address}/override", json=body).headers["ETag"]
    assert ruled(client, review["id"]).status_code == 428
    assert ruled(client, review["id"], if_match=before).status_code == 412
    done = ruled(client, review["id"], if_match=seen)
    assert (done.status_code, done.json["overturned"]) == (201, True)
    assert client.get(address).json["final_decision"] == "refuse"


def test_officers_see_what_waits_page_by_page(client: FlaskClient) -> None:
    numbers = []
    for _ in range(3):
        made = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
        numbers.append(contested(client, made["id"]).json["id"])
    assert ruled(client, numbers[0]).status_code == 201
    pages, after = [], ""
    while after is not None:
        told = client.get(f"/reviews?limit=2{after and f'&after={after}'}").json
        pages += [one["id"] for one in told["reviews"]]
        after = told["next"]
    assert pages[-2:] == numbers[1:]
    assert len(set(pages)) == len(pages)
    assert numbers[0] in {one["id"] for one in client.get("/reviews?state=decided").json["reviews"]}
    assert client.get("/reviews?state=overdue").json == {"reviews": [], "next": None}
    for query, status in (("state=lost", 422), ("limit=0", 422), (f"after={NOBODY}", 404)):
        assert client.get(f"/reviews?{query}").status_code == status


def test_what_is_due_is_overdue(client: FlaskClient, answer: dict[str, Any]) -> None:
    store = client.application.extensions["service"].store
    number = contested(client, answer["id"]).json["id"]
    kept = store.reviews.find(number)
    with store.writing() as connection:
        early = kept.received_at - timedelta(days=1)
        connection.execute(update(reviews).where(reviews.c.id == number).values(due_at=early))
    (late,) = client.get("/reviews?state=overdue").json["reviews"]
    assert (late["id"], late["state"]) == (number, "overdue")


def test_a_key_without_read_sees_reviews_of_its_own_decisions(
    small_model: Path, tmp_path: Path
) -> None:
    with serving.running_app(serving.settings(small_model, tmp_path, require_keys=True)) as app:
        client, store = app.test_client(), app.extensions["service"].store
        own, other, reader = (
            {"X-API-Key": store.keys.add(name, scopes)[1]}
            for name, scopes in (
                ("a", ("score", "outcome")), ("b", ("score", "outcome")), ("c", ("read",)),
            )
        )  # fmt: skip
        made: Any = client.post("/predict", json=copy.deepcopy(example.REQUEST), headers=own).json
        address, words = f"/predictions/{made['id']}/reviews", {"words": "I can pay."}
        assert client.post(address, json=words, headers=other).status_code == 404
        assert client.post(address, json=words, headers=reader).status_code == 403
        review: Any = client.post(address, json=words, headers=own).json
        one = f"/reviews/{review['id']}"
        theirs, nobodys = (client.get(path, headers=other) for path in (one, f"/reviews/{NOBODY}"))
        assert (theirs.status_code, theirs.data) == (404, nobodys.data)
        assert client.post(f"{one}/decision", json=RULING, headers=other).status_code == 404
        counts = [
            len(client.get("/reviews", headers=who).json["reviews"]) for who in (own, other, reader)
        ]
        assert counts == [1, 0, 1]
        assert client.get(one, headers=own).status_code == 200
        assert client.get(one, headers=reader).json["words"] == "I can pay."
        notice = client.get(f"/predictions/{made['id']}/notice", headers=reader)
        assert notice.status_code == 200
        looks = store.privacy.on_record(made["applicant"])["reads"]
        assert [look["what"] for look in looks] == ["review", "notice"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_applicants_journey(
    kind: str, scorer: Scorer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Refused, told, contested, assigned, overturned, told again, exported and erased."""
    replace(scorer, cutoff=1e-6, refer_band=(1e-6, 1e-6)).save(tmp_path / "model" / "champion")
    with fresh_database(kind, tmp_path, request) as url:
        store = Store(url)
        store.migrate()
        found = serving.settings(tmp_path / "model" / "champion", tmp_path, database_url=url)
        with serving.running_app(found) as app:
            client = app.test_client()
            made: Any = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
            notice = f"/predictions/{made['id']}/notice"
            assert "has been refused" in client.get(notice).text
            review = contested(client, made["id"]).json
            (waiting,) = client.get("/reviews").json["reviews"]
            assert waiting["id"] == review["id"]
            client.put(f"/reviews/{review['id']}/assignee", json={"assignee": "C. Martin"})
            done = ruled(client, review["id"], decision="accept", motive="The job is permanent.")
            assert done.json["overturned"]
            text = client.get(notice).text
            assert "has been accepted" in text
            assert "Reason given by that person: The job is permanent." in text
            assert "a person changed the decision" in text
            words = ("person", str(made["applicant"]), "--database", url, "--mlruns", str(tmp_path))
            runner = CliRunner()
            told = json.loads(
                runner.invoke(command_line, [*words[:2], "export", *words[2:]]).stdout
            )
            (kept,) = told["reviews"]
            assert (kept["words"], kept["assignee"]) == ("I have a new job.", "C. Martin")
            erased = runner.invoke(command_line, [*words[:2], "erase", "--yes", *words[2:]])
            assert erased.exit_code == 0, erased.output
            assert client.get(notice).status_code == 410
            assert contested(client, made["id"]).status_code == 410
            left = client.get(f"/reviews/{review['id']}").json
        assert (left["words"], left["motive"], left["overturned"]) == ("erased", "erased", True)
        report = replay(store)
        assert (report.decisions, report.erased, report.differing) == (1, 1, 0)
        store.close()
