"""Asking for decisions: by rows, by number, in batches, and again."""

from __future__ import annotations

import copy
import json
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from api.decisions import example
from api.decisions.explanation import explain
from api.http.problems import ProblemError
from api.service import Service
from scoring.data.dataset import Dataset
from scoring.data.requests import body_of, frames_of
from scoring.features import build_features
from scoring.features.vectors import Layout, from_bytes, layout, pack, to_bytes
from scoring.serving.scorer import Scorer
from scoring.store import OnlineApplicant, Store, StoreUnavailableError
from tests.helpers import serving
from tests.helpers.databases import KEY
from tests.helpers.waiting import eventually

PROBLEM = "application/problem+json"
LINES = "application/x-ndjson"


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = serving.settings(small_model, tmp_path_factory.mktemp("store"), batch_limit=50)
    with serving.running_app(settings) as app:
        yield app.test_client()


def service(client: FlaskClient) -> Service:
    found: Service = client.application.extensions["service"]
    return found


@pytest.fixture
def body() -> dict[str, Any]:
    return copy.deepcopy(example.REQUEST)


def known(client: FlaskClient, body: dict[str, Any], version: str = layout().digest) -> int:
    """Let the store know the applicant of a body; its number."""
    rows = service(client).reader.read(copy.deepcopy(body)).rows
    number: int = body["application"]["SK_ID_CURR"]
    vector = pack(build_features(frames_of([rows])))[0]
    packed = zlib.compress(body_of(rows))
    service(client).store.applicants.put(
        [OnlineApplicant(number, version, to_bytes(vector), packed, "d" * 64, datetime.now(UTC))]
    )
    return number


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what is new each time."""
    return {name: value for name, value in answer.items() if name not in ("id", "at")}


def ask(client: FlaskClient, body: object, key: str | None = None) -> Any:
    return client.post("/predict", json=body, headers={"Idempotency-Key": key} if key else {})


def test_a_known_applicant_is_decided_on_as_its_rows_are(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    number = known(client, body)
    by_rows, by_id = ask(client, body).json, ask(client, {"SK_ID_CURR": number}).json
    assert [answer.pop("history") for answer in (by_rows, by_id)] == ["sent", "stored"]
    assert comparable(by_rows) == comparable(by_id)
    stored = [service(client).store.decisions.find(answer["id"]) for answer in (by_rows, by_id)]
    assert [one and one.source for one in stored] == ["rows", "id"]
    assert len({one.features for one in stored if one is not None}) == 1


def test_an_unknown_applicant_is_not_decided_on(client: FlaskClient) -> None:
    response = ask(client, {"SK_ID_CURR": 123456})
    assert (response.status_code, response.content_type) == (404, PROBLEM)
    assert "123456" in json.loads(response.data)["detail"]


def test_features_in_another_layout_are_computed_anew_from_the_stored_rows(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    body["application"]["SK_ID_CURR"] = 900002
    usual = ask(client, {"SK_ID_CURR": known(client, body)}).json
    stale = ask(client, {"SK_ID_CURR": known(client, body, version="old")})
    assert stale.status_code == 200
    for name in ("probability_of_default", "decision", "reasons"):
        assert stale.json[name] == usual[name]
    store = service(client).store
    (newest, before) = store.decisions.search(applicant=store.pseudonyms.applicant(900002))
    assert newest.feature_set_version == before.feature_set_version == layout().digest
    assert from_bytes(newest.features).tobytes() == from_bytes(before.features).tobytes()


def test_stale_features_without_their_rows_are_refused_and_not_scored(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    body["application"]["SK_ID_CURR"] = 900003
    store, number = service(client).store, known(client, body, version="old")
    store.applicants.put([replace(store.applicants.find(number), rows=b"none")])
    response = ask(client, {"SK_ID_CURR": number})
    assert response.status_code == 409
    assert "damaged" in json.loads(response.data)["detail"]
    assert list(store.decisions.search(applicant=store.pseudonyms.applicant(number))) == []


def test_a_decision_is_explained_after_another_feature_came(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    answer = ask(client, body).json
    usual = client.get(f"/predictions/{answer['id']}/explanation").json
    store, own = service(client).store, layout()
    recorded = store.decisions.find(answer["id"])
    assert Layout.read(store.models.layout(recorded.feature_set_version)) == own
    turned = Layout(own.names[::-1], own.levels, {**own.definitions, "of old": "0"})
    store.models.keep_layout(turned.digest, turned.text)
    assert store.models.layout(turned.digest) == turned.text
    moved = from_bytes(to_bytes(from_bytes(recorded.features)[::-1]), turned)
    assert moved.tobytes() == from_bytes(recorded.features).tobytes()
    models, language = service(client).archived, "en"
    scorer = models.get(recorded.model_digest)
    old = replace(
        recorded,
        feature_set_version=turned.digest,
        features=to_bytes(from_bytes(recorded.features)[::-1]),
    )
    explained = explain(old, scorer, models.layouts, language)
    assert explained["causes"] == usual["causes"]
    # One that the model reads was computed otherwise.
    name = scorer.features[0].name
    changed = replace(turned, definitions={**own.definitions, name: "0"})
    store.models.keep_layout(changed.digest, changed.text)
    with pytest.raises(ProblemError, match=name):
        explain(replace(old, feature_set_version=changed.digest), scorer, models.layouts, language)
    with pytest.raises(ProblemError, match="not kept"):
        explain(replace(old, feature_set_version="3"), scorer, models.layouts, language)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"SK_ID_CURR": "100002"}, "/SK_ID_CURR"),
        ({"SK_ID_CURR": -1}, "/SK_ID_CURR"),
        ({"SK_ID_CURR": 2**31}, "/SK_ID_CURR"),
        ({"SK_ID_CURR": 1.5}, "/SK_ID_CURR"),
        ({"SK_ID_CURR": 1, "bureau": []}, "/bureau"),
        ({"SK_ID_CUR": 1}, "/SK_ID_CUR"),
    ],
)
def test_a_wrong_number_is_named(client: FlaskClient, wrong: object, pointer: str) -> None:
    response = ask(client, wrong)
    assert response.status_code == 422
    assert pointer in {error["pointer"] for error in json.loads(response.data)["errors"]}


def test_the_decision_is_on_record_with_all_it_takes(
    client: FlaskClient, body: dict[str, Any], small_model: Path
) -> None:
    answer = ask(client, body).json
    stored = service(client).store.decisions.find(answer["id"])
    assert stored is not None
    assert (stored.pd, stored.decision) == (answer["probability_of_default"], answer["decision"])
    assert json.loads(stored.reasons) == answer["reasons"]
    assert stored.rows is not None
    kept = orjson.loads(zlib.decompress(stored.rows))
    assert kept["application"]["AMT_CREDIT"] == body["application"]["AMT_CREDIT"]
    assert stored.milliseconds > 0
    folder = service(client).store.models.restore(stored.model_digest, small_model.parent / "again")
    assert folder is not None
    assert Scorer.load(folder).version == answer["model"]["version"]


def test_a_repeated_request_gets_the_first_answer(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    store = service(client).store
    before = len(list(store.decisions.search()))
    first, again = ask(client, body, "one").json, ask(client, body, "one").json
    assert first == again
    assert len(list(store.decisions.search())) == before + 1
    assert ask(client, body, "two").json["id"] != first["id"]


def test_a_key_is_not_used_for_two_requests(client: FlaskClient, body: dict[str, Any]) -> None:
    assert ask(client, body, "three").status_code == 200
    body["application"]["AMT_CREDIT"] += 1000
    response = ask(client, body, "three")
    assert response.status_code == 422
    assert "Idempotency-Key" in json.loads(response.data)["detail"]


@pytest.mark.parametrize("key", ["é", "x" * 201, " ", "a\tb"])
def test_a_key_that_cannot_be_one_is_refused(
    client: FlaskClient, body: dict[str, Any], key: str
) -> None:
    headers = {"Idempotency-Key": key.encode("utf-8").decode("latin-1")}
    response = client.post("/predict", json=body, headers=headers)
    assert response.status_code == 400


def batch(sample: Dataset) -> list[dict[str, Any]]:
    return [serving.request_of(sample, number) for number in serving.applicants(sample, 6)]


def test_a_batch_is_answered_in_order_and_one_wrong_spoils_nothing(
    client: FlaskClient, sample: Dataset
) -> None:
    bodies: list[Any] = batch(sample)
    expected = [comparable(ask(client, one).json) for one in bodies]
    wrong = copy.deepcopy(bodies[2])
    wrong["application"]["AMT_CREDIT"] = "much"
    sent = [*bodies[:2], wrong, {"SK_ID_CURR": 99}, 5, *bodies[2:]]
    response = client.post("/predict/batch", json=sent)
    assert response.status_code == 200
    results = response.json["results"]
    assert [item["index"] for item in results] == list(range(len(sent)))
    problems = {item["index"]: item["problem"]["status"] for item in results if "problem" in item}
    assert problems == {2: 422, 3: 404, 4: 422}
    assert results[2]["problem"]["errors"][0]["pointer"] == "/application/AMT_CREDIT"
    found = [comparable(item["prediction"]) for item in results if "prediction" in item]
    assert found == expected


def test_a_batch_of_the_same_applicant_is_not_mixed_up(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    other = copy.deepcopy(body)
    other["application"]["EXT_SOURCE_2"] = 0.05
    other["bureau"] = []
    del other["bureau_balance"]
    alone = [comparable(ask(client, one).json) for one in (body, other)]
    assert alone[0]["probability_of_default"] != alone[1]["probability_of_default"]
    results = client.post("/predict/batch", json=[body, other, body, other]).json["results"]
    assert [comparable(item["prediction"]) for item in results] == alone * 2


def test_lines_are_answered_as_lines(client: FlaskClient, body: dict[str, Any]) -> None:
    lines = b"\n".join([orjson.dumps(body), b"{", b"", orjson.dumps({"SK_ID_CURR": 99})]) + b"\n"
    response = client.post("/predict/batch", data=lines, content_type=LINES)
    assert (response.status_code, response.mimetype) == (200, LINES)
    items = [json.loads(line) for line in response.data.splitlines()]
    assert [item["index"] for item in items] == [0, 1, 2]
    assert "prediction" in items[0]
    assert [item["problem"]["status"] for item in items[1:]] == [400, 404]


@pytest.mark.parametrize(
    ("sent", "status"), [([{}] * 51, 422), ({"a": 1}, 422), ("text", 422), ([], 200)]
)
def test_what_is_no_batch_is_refused(client: FlaskClient, sent: object, status: int) -> None:
    response = client.post("/predict/batch", json=sent)
    assert response.status_code == status
    if status == 200:
        assert response.json == {"results": []}


def test_a_batch_sent_again_gets_the_first_answers(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    other = copy.deepcopy(body)
    other["application"]["AMT_CREDIT"] += 4500
    headers = {"Idempotency-Key": "batch"}
    sent = [body, {"SK_ID_CURR": 98}, other]
    first = client.post("/predict/batch", json=sent, headers=headers).json
    assert client.post("/predict/batch", json=sent, headers=headers).json == first
    swapped = client.post("/predict/batch", json=sent[::-1], headers=headers)
    assert (swapped.status_code, swapped.content_type) == (422, PROBLEM)


def test_a_key_may_have_spaces(client: FlaskClient, body: dict[str, Any]) -> None:
    key = "application 4711, first try"
    assert ask(client, body, key).json == ask(client, body, key).json
    # A batch's applicants have keys of their own, which nobody can send.
    batch = client.post("/predict/batch", json=[body], headers={"Idempotency-Key": "application"})
    assert batch.status_code == 200
    assert ask(client, body, "application 0").json["id"] not in batch.text


@pytest.mark.parametrize("kind", ["array", "lines"])
def test_a_batchs_key_is_not_used_for_another_batch(
    client: FlaskClient, body: dict[str, Any], kind: str
) -> None:
    def send(*bodies: object) -> Any:
        lines = b"\n".join(orjson.dumps(one) for one in bodies)
        data, mime = (lines, LINES) if kind == "lines" else (orjson.dumps(bodies), None)
        headers = {"Idempotency-Key": f"a batch of {kind}"}
        return client.post(
            "/predict/batch", data=data, content_type=mime or "application/json", headers=headers
        )

    store = service(client).store
    # Only the last is decided on, which another batch has no place for.
    first = send({"SK_ID_CURR": 97}, {}, body)
    recorded = len(list(store.decisions.search()))
    for other in ([body], [body, body], [{}, {}, body], [body] * 40, []):
        refused = send(*other)
        assert (refused.status_code, refused.content_type) == (422, PROBLEM)
        assert "Idempotency-Key" in json.loads(refused.data)["detail"]
    assert len(list(store.decisions.search())) == recorded
    assert send({"SK_ID_CURR": 97}, {}, body).data == first.data


def test_a_batch_that_was_interrupted_goes_on_where_it_stopped(
    client: FlaskClient, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions, store = service(client).decisions, service(client).store
    before = len(list(store.decisions.search()))
    with monkeypatch.context() as context:
        chunks = iter([decisions.decide])

        def decide(_: Any, requests: Any) -> Any:
            decided = next(chunks, None)
            if decided is None:
                raise StoreUnavailableError("gone")
            return decided(requests)

        context.setattr("api.decisions.service.DecisionService.decide", decide)
        headers = {"Idempotency-Key": "interrupted"}
        sent = [body] * 40
        assert client.post("/predict/batch", json=sent, headers=headers).status_code == 503
    kept = {one.id for one in store.decisions.search()}
    assert len(kept) == before + 32
    answers = client.post("/predict/batch", json=sent, headers=headers).json["results"]
    told = {item["prediction"]["id"] for item in answers}
    assert len(told) == 40
    assert len(told & kept) == 32
    assert len(list(store.decisions.search())) == before + 40


def damaged_category(packed: bytes) -> bytes:
    vector = from_bytes(packed).copy()
    vector[layout().names.index(next(iter(layout().levels)))] = 999.0
    return to_bytes(vector)


DAMAGES = {
    "features cut short": lambda one: {"features": one.features[:-9]},
    "no such category": lambda one: {"features": damaged_category(one.features)},
    "rows cut short": lambda one: {"rows": one.rows[:-9]},
    "no rows": lambda _: {"rows": zlib.compress(b"{}")},
    "rows of no table": lambda _: {"rows": zlib.compress(b'{"application": {}, "other": []}')},
    "a text for a number": lambda one: {
        "rows": zlib.compress(
            zlib.decompress(one.rows).replace(b'"AMT_CREDIT":', b'"AMT_CREDIT":"much","x":')
        ),
    },
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_applicant_spoils_no_batch(
    client: FlaskClient, body: dict[str, Any], damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    body["application"]["SK_ID_CURR"] = 900_555
    number = known(client, body)
    store = service(client).store
    found = store.applicants.find(number)
    assert found is not None
    changed = DAMAGES[damage](found)
    store.applicants.put([replace(found, **changed)])
    # Rows are read where an application comes without its history.
    asked = {"application": body["application"]} if "rows" in changed else {"SK_ID_CURR": number}
    results = client.post("/predict/batch", json=[asked, body, asked]).json["results"]
    assert [item.get("problem", {}).get("status") for item in results] == [409, None, 409]
    assert "damaged" in results[0]["problem"]["detail"]
    assert ask(client, asked).status_code == 409
    assert "what is stored of an applicant is damaged" in caplog.text
    assert str(number) not in caplog.text


def test_a_body_larger_than_one_applicants_may_be_a_batch(
    small_model: Path, body: dict[str, Any], tmp_path: Path
) -> None:
    size = len(json.dumps(body)) + 10
    settings = serving.settings(
        small_model, tmp_path, body_limit=size, batch_body_limit=2 * size + 10
    )
    with serving.running_app(settings) as app:
        client = app.test_client()
        assert client.post("/predict/batch", json=[body, body]).status_code == 200
        assert client.post("/predict/batch", json=[body, body, body]).status_code == 413


def test_with_pseudonyms_no_number_is_kept(
    small_model: Path, body: dict[str, Any], tmp_path: Path
) -> None:
    body["application"]["SK_ID_CURR"] = 987654
    settings = serving.settings(small_model, tmp_path, pseudonym_key=KEY)
    with serving.running_app(settings) as app:
        client = app.test_client()
        answer = ask(client, body).json
        assert answer["applicant"] == 987654
        stored = service(client).store.decisions.find(answer["id"])
        assert stored is not None
        assert stored.rows is not None
        assert b"987654" not in zlib.decompress(stored.rows)
        told = client.get(f"/predictions/{answer['id']}").json
        assert told["applicant"].startswith("p-")
        decisions = client.get("/applicants/987654/predictions").json["decisions"]
        assert [one["id"] for one in decisions] == [answer["id"]]
    for path in tmp_path.glob("scoring.db*"):
        assert b"987654" not in path.read_bytes()


def test_readiness_is_looked_at_now_and_then_by_one_at_a_time(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    hangs, wrong = threading.Event(), threading.Event()

    def check(_: Store) -> None:
        looked.append(time.monotonic())
        if hangs.is_set():
            assert wrong.wait(30)
        if wrong.is_set():
            raise StoreUnavailableError("gone")

    def ready() -> int:
        return client.application.test_client().get("/ready").status_code

    def remember(seconds: float) -> None:
        monkeypatch.setattr("api.service._SECONDS", seconds)

    monkeypatch.setattr("scoring.store.Store.check", check)
    remember(3_600.0)
    assert {ready() for _ in range(20)} == {200}
    assert len(looked) <= 1
    # While one hangs with it nobody else waits, and what was found is too old in the end.
    looked.clear()
    hangs.set()
    remember(0.0)
    monkeypatch.setattr("api.service._STALE_SECONDS", 0.5)
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(ready)
        eventually(lambda: looked != [])
        eventually(lambda: ready() == 503)
        assert not one.done()
        wrong.set()
        assert one.result(60) == 503
    # What is wrong is remembered as well.
    remember(3_600.0)
    looked.clear()
    assert {ready() for _ in range(20)} == {503}
    assert looked == []
    remember(0.0)
    hangs.clear()
    wrong.clear()
    assert ready() == 200


def test_a_store_that_is_away_gives_no_decision(
    small_model: Path, body: dict[str, Any], tmp_path: Path
) -> None:
    with serving.running_app(serving.settings(small_model, tmp_path / "store")) as app:
        client = app.test_client()
        assert ask(client, body).status_code == 200
        file = tmp_path / "store" / "scoring.db"
        service(client).store.close()
        for path in file.parent.glob("scoring.db*"):
            path.rename(path.with_name(f"away-{path.name}"))
        file.mkdir()
        for response in (
            ask(client, body),
            ask(client, {"SK_ID_CURR": 1}),
            ask(client, body, "key"),
            client.post("/predict/batch", json=[body]),
            client.get("/ready"),
            client.get("/predictions/x"),
            client.get("/applicants/1"),
        ):
            assert (response.status_code, response.content_type) == (503, PROBLEM), response.text
            assert "Retry-After" in response.headers
            assert str(tmp_path) not in response.text
        file.rmdir()
        for path in file.parent.glob("away-*"):
            path.rename(path.with_name(path.name.removeprefix("away-")))
        assert ask(client, body).status_code == 200


def test_the_store_is_named_by_its_address() -> None:
    assert Store("postgres://u:secret@h/d").url == "postgresql+psycopg://u:***@h/d"
