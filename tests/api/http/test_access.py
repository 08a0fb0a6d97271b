"""API keys: who may ask what, and what is answered to everybody else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from api import Settings
from api.http import access, limits, logs, problems
from scoring.store import SCOPES, ApiKey, Scope, Store

PROBLEM = "application/problem+json"


def app_of(store: Store, **changes: object) -> Flask:
    settings = Settings(**{"require_keys": True, **changes})  # type: ignore[arg-type]
    app = Flask(__name__)
    logs.init_app(app, settings)
    problems.init_app(app)
    access.init_app(app, settings, store)
    limits.init_app(app, settings)
    for name in SCOPES:

        @access.scope(name)
        def view() -> dict[str, str]:
            return {"id": g.client.id, "name": g.client.name}

        app.add_url_rule(f"/{name}", name, view)
    app.add_url_rule("/free", "free", lambda: "free")
    return app


@dataclass
class Keys:
    store: Store

    def add(self, *scopes: Scope) -> tuple[ApiKey, str]:
        return self.store.keys.add("the branch in Lille", frozenset(scopes))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def keys(store: Store) -> Keys:
    return Keys(store)


@pytest.fixture
def client(store: Store) -> FlaskClient:
    return app_of(store).test_client()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_lets_in_by_either_header(client: FlaskClient, keys: Keys, header: str) -> None:
    key, text = keys.add("score")
    sent = bearer(text) if header == "Authorization" else {header: text}
    answer = client.get("/score", headers=sent)
    assert answer.status_code == 200
    assert answer.json == {"id": key.id, "name": "the branch in Lille"}


def other_secret(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


@pytest.mark.parametrize(
    "sent",
    [{}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"Authorization": "Bearer"}, bearer(""),
     bearer("cs_"), bearer("é" * 59), bearer("x" * 5_000), {"X-API-Key": "nonsense"},
     {"X-API-Key": "cs_000000000000_" + "A" * 43}],
)  # fmt: skip
def test_without_a_valid_key_nobody_is_let_in(client: FlaskClient, sent: dict[str, str]) -> None:
    answer = client.get("/score", headers=sent)
    assert (answer.status_code, answer.content_type) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_with_another_secret_is_not_valid(client: FlaskClient, keys: Keys) -> None:
    _, text = keys.add("score")
    assert client.get("/score", headers=bearer(other_secret(text))).status_code == 401
    assert client.get("/score", headers=bearer(text)).status_code == 200
    # The right one being remembered helps nobody else.
    assert client.get("/score", headers=bearer(other_secret(text))).status_code == 401


@pytest.mark.parametrize("own", SCOPES)
def test_a_key_does_what_its_scope_says_and_nothing_else(
    client: FlaskClient, keys: Keys, own: Scope
) -> None:
    _, text = keys.add(own)
    for asked in SCOPES:
        answer = client.get(f"/{asked}", headers=bearer(text))
        assert answer.status_code == (200 if asked == own else 403)
        assert answer.content_type == ("application/json" if asked == own else PROBLEM)


def test_a_key_may_have_several_scopes(client: FlaskClient, keys: Keys) -> None:
    _, text = keys.add("score", "admin")
    statuses = [client.get(f"/{asked}", headers=bearer(text)).status_code for asked in SCOPES]
    assert statuses == [200, 403, 200, 403]


def test_a_revoked_key_is_refused_once_it_is_trusted_no_longer(
    client: FlaskClient, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, text = keys.add("score")
    assert client.get("/score", headers=bearer(text)).status_code == 200
    keys.store.keys.revoke(key.id)
    later = access.time.monotonic() + access.TRUST_SECONDS
    monkeypatch.setattr("api.http.access.time.monotonic", lambda: later)
    assert client.get("/score", headers=bearer(text)).status_code == 401


def test_a_key_revoked_before_it_was_ever_used_is_refused(client: FlaskClient, keys: Keys) -> None:
    key, text = keys.add("score")
    keys.store.keys.revoke(key.id)
    assert client.get("/score", headers=bearer(text)).status_code == 401


def test_on_loopback_no_key_is_needed_and_one_that_is_sent_is_checked(
    store: Store, keys: Keys
) -> None:
    client = app_of(store, require_keys=False).test_client()
    for asked in SCOPES:
        assert client.get(f"/{asked}").json == {"id": "loopback", "name": "loopback"}
    assert client.get("/score", headers=bearer("cs_wrong")).status_code == 401
    key, text = keys.add("score")
    assert client.get("/score", headers=bearer(text)).json["id"] == key.id
    assert client.get("/admin", headers=bearer(text)).status_code == 403


def test_callers_are_limited_by_key(store: Store, keys: Keys) -> None:
    client = app_of(store, rate_limit="3/hour").test_client()
    (_, one), (_, other) = keys.add("score"), keys.add("score")
    statuses = [client.get("/score", headers=bearer(one)).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = client.get("/score", headers=bearer(one))
    assert refused.content_type == PROBLEM
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/score", headers=bearer(other)).status_code == 200
    assert client.get("/free").status_code == 200


def test_who_tries_keys_is_limited_and_who_has_one_is_not(store: Store, keys: Keys) -> None:
    client = app_of(store, rate_limit="3/hour").test_client()
    _, text = keys.add("score")
    statuses = [client.get("/score", headers=bearer("cs_guess")).status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert client.get("/score", headers=bearer(text)).status_code == 200


def test_requests_that_a_scope_forbids_count(store: Store, keys: Keys) -> None:
    client = app_of(store, rate_limit="2/hour").test_client()
    _, text = keys.add("outcome")
    statuses = [client.get("/score", headers=bearer(text)).status_code for _ in range(3)]
    assert statuses == [403, 403, 429]


def test_keys_are_neither_logged_nor_told(
    client: FlaskClient, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, text = keys.add("score")
    wrong = other_secret(text)
    answers = [
        client.get("/score", headers=bearer(text)),
        client.get("/score", headers=bearer(wrong)),
        client.get("/admin", headers={"X-API-Key": text}),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 403]
    secret = text.split("_", 2)[-1][:20]
    told = " ".join(logs.JsonFormatter().format(record) for record in caplog.records)
    assert "answered" in told
    assert secret not in told
    assert all(secret not in answer.text for answer in answers)
