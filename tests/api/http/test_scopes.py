"""What each scope opens: own decisions, all decisions, applicants' rows; and who looked at them."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import requests
from sqlalchemy import select

from api.decisions import example
from api.decisions.reader import ApplicantReader
from scoring.data.requests import frames_of
from scoring.features.vectors import compute, layout, to_bytes
from scoring.store import OnlineApplicant, Scope, Store
from scoring.store.schema import reads
from tests.helpers import serving
from tests.helpers.databases import KINDS, fresh_database

NUMBER = 900_001
NOBODY = "01a2061a-5c77-7d65-9ff9-611f461c3a51"
OVERRIDE = {"decision": "accept", "actor": "C. Martin", "motive": "Paid off."}


class Caller(NamedTuple):
    """Somebody with a key."""

    url: str
    id: str
    key: str

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        sent = {
            "X-API-Key": self.key,
            **{name.replace("_", "-"): headers[name] for name in headers},
        }
        return requests.request(method, f"{self.url}{path}", json=body, headers=sent, timeout=60)

    def decide(self, body: Any = example.REQUEST, **headers: str) -> dict[str, Any]:
        return dict(self.ask("POST", "/predict", copy.deepcopy(body), **headers).json())


class Keyed(NamedTuple):
    """A service that asks for keys, with two workers and a store of its own."""

    url: str
    store: Store

    def caller(self, *scopes: Scope) -> Caller:
        key, text = self.store.keys.add("branch", scopes)
        return Caller(self.url, key.id, text)

    def looks(self, caller: Caller) -> list[tuple[str, str, str | None]]:
        """What is on record of a caller's looks."""
        columns = (reads.c.what, reads.c.applicant, reads.c.prediction_id)
        query = select(*columns).where(reads.c.caller == caller.id).order_by(reads.c.number)
        with self.store.reading() as connection:
            return [tuple(row) for row in connection.execute(query)]


@pytest.fixture(scope="module", params=KINDS)
def service(
    request: pytest.FixtureRequest, small_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed")
    with fresh_database(request.param, folder, request) as url:
        store = Store(url)
        store.migrate()
        store.applicants.put([known_applicant()])
        environment = {
            "DATABASE_URL": url, "REQUIRE_KEYS": "yes", "WEB_CONCURRENCY": "2",
            "WHAT_IF_LIMIT": "4/hour",
        }  # fmt: skip
        with serving.running_api(small_model, folder / "log", environment) as address:
            yield Keyed(address, store)
        store.close()


def known_applicant() -> OnlineApplicant:
    rows = ApplicantReader(row_limit=100).read(copy.deepcopy(example.REQUEST)).rows
    features = to_bytes(compute(frames_of([rows]))[0])
    packed, now = zlib.compress(orjson.dumps(example.REQUEST)), datetime.now(UTC)
    return OnlineApplicant(NUMBER, layout().digest, features, packed, "d" * 64, now)


def outcome(number: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"outcomes": [{"prediction_id": number, "defaulted": True, "observed_at": now}]}


def test_a_key_sees_its_own_decisions_and_what_is_not_its_own_is_not_there(
    service: Keyed,
) -> None:
    own, other = service.caller("score"), service.caller("score")
    made = own.decide()
    address, applicant = f"/predictions/{made['id']}", made["applicant"]
    assert own.ask("GET", address).json()["id"] == made["id"]
    assert own.ask("GET", f"{address}/explanation").status_code == 200
    listed = f"/applicants/{applicant}/predictions"
    assert made in own.ask("GET", listed).json()["decisions"]
    for rest in ("", "/explanation"):
        theirs, nobodys = (
            other.ask("GET", f"/predictions/{number}{rest}") for number in (made["id"], NOBODY)
        )
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content
    assert other.ask("GET", listed).json() == {"decisions": [], "own_only": True}
    assert service.looks(own) == service.looks(other) == []


def test_with_read_all_is_seen_and_every_look_is_recorded(service: Keyed) -> None:
    own, reader = service.caller("score"), service.caller("read")
    made = own.decide()
    address, applicant = f"/predictions/{made['id']}", str(made["applicant"])
    assert reader.ask("GET", address).json()["id"] == made["id"]
    assert reader.ask("GET", f"{address}/explanation").json() == (
        own.ask("GET", f"{address}/explanation").json()
    )
    listed = reader.ask("GET", f"/applicants/{applicant}/predictions").json()
    assert made in listed["decisions"]
    assert "own_only" not in listed
    assert reader.ask("GET", f"/applicants/{NUMBER}").json()["rows"] == example.REQUEST
    assert service.looks(reader) == [
        ("prediction", applicant, made["id"]),
        ("explanation", applicant, made["id"]),
        ("applicant_predictions", applicant, None),
        ("applicant", str(NUMBER), None),
    ]
    # It reads, and does nothing else.
    assert reader.ask("POST", "/predict", example.REQUEST).status_code == 403
    assert reader.ask("POST", f"{address}/override", OVERRIDE).status_code == 403
    assert reader.ask("POST", "/outcomes", outcome(made["id"])).status_code == 403


def features_of(explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for cause in explained["causes"] for one in cause["features"]]


def test_rows_are_told_to_those_who_may_read_by_no_other_way(service: Keyed) -> None:
    own, reader = service.caller("score", "outcome", "admin"), service.caller("read")
    assert own.ask("GET", f"/applicants/{NUMBER}").status_code == 403
    made = own.decide({"SK_ID_CURR": NUMBER})
    address = f"/predictions/{made['id']}/explanation"
    told, seen = own.ask("GET", address).json(), reader.ask("GET", address).json()
    assert all(one.keys().isdisjoint(("value", "value_text")) for one in features_of(told))
    # Nor are they in what is made of the application alone with the stored history.
    alone = {"application": {**example.REQUEST["application"], "SK_ID_CURR": NUMBER}}
    added = own.decide(alone)
    assert added["history"] == "stored"
    supposed = own.ask("POST", "/what-if", alone).json()
    again = own.ask("GET", f"/predictions/{added['id']}/explanation").json()
    for one in (*features_of(supposed), *features_of(again)):
        assert one.keys().isdisjoint(("value", "value_text"))
    assert any(one.pop("value") is not None for one in features_of(seen))
    for one in features_of(seen):
        one.pop("value", None)
        del one["value_text"]
    assert told == seen


def test_an_idempotency_key_of_another_gives_nothing_away(service: Keyed) -> None:
    own, other = service.caller("score"), service.caller("score")
    made, theirs = own.decide(Idempotency_Key="4711"), other.decide(Idempotency_Key="4711")
    assert made["id"] != theirs["id"]
    assert own.decide(Idempotency_Key="4711")["id"] == made["id"]


def test_without_read_only_own_decisions_are_overridden_and_labelled(service: Keyed) -> None:
    own, made = service.caller("score", "outcome"), service.caller("score").decide()
    officer, labeller = service.caller("outcome", "read"), service.caller("outcome")
    address = f"/predictions/{made['id']}/override"
    for caller in (own, labeller):
        assert caller.ask("POST", address, OVERRIDE).status_code == 404
        refused = caller.ask("POST", "/outcomes", outcome(made["id"]))
        assert refused.status_code == 422
        assert refused.json()["errors"] == [
            {"pointer": "/outcomes/0/prediction_id", "detail": "there is no decision of that id"}
        ]
    assert service.store.outcomes.overrides(made["id"]) == []
    assert service.store.outcomes.find(made["id"]) is None
    assert officer.ask("POST", address, OVERRIDE).status_code == 201
    assert officer.ask("POST", "/outcomes", outcome(made["id"])).status_code == 201
    mine = own.decide()
    address = f"/predictions/{mine['id']}/override"
    assert own.ask("POST", address, OVERRIDE).json()["final_decision"] == "accept"
    assert own.ask("POST", "/outcomes", outcome(mine["id"])).status_code == 201


@pytest.mark.parametrize("with_etag", [True, False])
def test_of_officers_who_decide_at_once_one_is_recorded_and_the_others_are_told(
    service: Keyed, with_etag: bool
) -> None:
    officer = service.caller("score", "outcome")
    made = officer.decide()
    address = f"/predictions/{made['id']}"
    etag = {"If_Match": officer.ask("GET", address).headers["ETag"]} if with_etag else {}

    def decide(place: int) -> requests.Response:
        body = {**OVERRIDE, "decision": ("accept", "refuse")[place % 2], "actor": f"A {place}"}
        return officer.ask("POST", f"{address}/override", body, **etag)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(decide, range(8)))
    refused = 412 if with_etag else 428
    assert sorted(one.status_code for one in done) == [201] + [refused] * 7
    (kept,) = service.store.outcomes.overrides(made["id"])
    (first,) = (one.json() for one in done if one.status_code == 201)
    assert first["final_decision"] == kept.decision
    told = next(one.json()["detail"] for one in done if one.status_code == refused)
    assert "decided otherwise" in told
    assert "If-Match" in told


def test_suppositions_have_a_limit_of_their_own(service: Keyed) -> None:
    caller = service.caller("score")
    answers = [caller.ask("POST", "/what-if", example.REQUEST) for _ in range(6)]
    refused = [one for one in answers if one.status_code == 429]
    # Each of the workers has a half of four.
    assert 2 <= len(refused) <= 4
    assert all(int(one.headers["Retry-After"]) > 3000 for one in refused)
    assert "4/hour" in json.loads(refused[0].content)["detail"]
    assert caller.decide()["id"]
    assert service.caller("score").ask("POST", "/what-if", example.REQUEST).status_code == 200
