"""GET /alerts: what monitoring has found, for those who administer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from scoring.language import text
from scoring.store import Alert, Store
from tests.helpers import serving

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
FOUND = Alert(
    rule="missingness",
    severity="critical",
    model_version="3",
    model_digest="a" * 64,
    since=NOON - timedelta(days=7),
    until=NOON,
    figure=0.6,
    threshold=0.5,
    message="Missing shares have moved: EXT_SOURCE_3 (changed by 60.0%).",
    advice="Ask the source of these columns.",
    subjects=("EXT_SOURCE_3",),
)


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = serving.settings(small_model, tmp_path_factory.mktemp("store"), require_keys=True)
    with serving.running_app(settings) as app:
        store = app.extensions["service"].store
        store.alerts.update([replace(FOUND, rule="auc")], {"a" * 64: {"auc"}}, NOON)
        later = NOON + timedelta(days=1)
        (news,) = store.alerts.update([FOUND], {"a" * 64: {"auc", "missingness"}}, later)
        store.alerts.mark_sent([news.number], later)
        yield app.test_client()


def key(client: FlaskClient, scope: str) -> dict[str, str]:
    store: Store = client.application.extensions["service"].store
    return {"X-API-Key": store.keys.add("on-call", [scope])[1]}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_open_alerts_are_told_with_all_that_is_known(client: FlaskClient, language: str) -> None:
    headers = {**key(client, "admin"), "Accept-Language": language}
    answer = client.get("/alerts", headers=headers)
    assert answer.headers["Content-Language"] == language
    assert answer.status_code == 200
    (told,) = answer.json["alerts"]
    number = told.pop("number")
    assert isinstance(number, int)
    assert told == {
        "rule": "missingness",
        "severity": "critical",
        "message": FOUND.message,
        "title": text(language, "monitoring.rules.missingness"),
        "advice": text(language, "monitoring.advice.missingness"),
        "figure": 0.6,
        "threshold": 0.5,
        "subjects": ["EXT_SOURCE_3"],
        "model_version": "3",
        "model_digest": "a" * 64,
        "since": "2026-04-24T12:00:00+00:00",
        "until": "2026-05-01T12:00:00+00:00",
        "first_at": "2026-05-02T12:00:00+00:00",
        "last_at": "2026-05-02T12:00:00+00:00",
        "times": 1,
        "told_at": "2026-05-02T12:00:00+00:00",
        "closed_at": None,
    }


@pytest.mark.parametrize(
    ("language", "message"),
    [
        (
            "en",
            "Missing shares have moved: Score from external source 3 (missing more often, by 60.0 "
            "points) and 2 more.",
        ),
        (
            "fr",
            "La part de valeurs manquantes a changé\xa0: Note de la source externe n° 3 "
            "(manque plus souvent, de 60,0 points) et 2 de plus.",
        ),
    ],
)
def test_what_was_found_is_told_in_the_language_of_the_answer(
    client: FlaskClient, language: str, message: str
) -> None:
    store: Store = client.application.extensions["service"].store
    facts = {"changes": {"EXT_SOURCE_3": 0.6}, "more": 2}
    store.alerts.update([replace(FOUND, facts=facts)], {"a" * 64: {"missingness"}}, NOON)
    headers = {**key(client, "admin"), "Accept-Language": language}
    (told,) = client.get("/alerts", headers=headers).json["alerts"]
    assert told["message"].replace(" :", "\xa0:") == message
    store.alerts.update([FOUND], {"a" * 64: {"missingness"}}, NOON + timedelta(days=1))
    assert client.get("/alerts", headers=headers).json["alerts"][0]["message"] == FOUND.message


def test_closed_alerts_are_told_on_demand(client: FlaskClient) -> None:
    told = client.get("/alerts?state=all", headers=key(client, "admin")).json["alerts"]
    assert [(one["rule"], one["closed_at"] is None) for one in told] == [
        ("missingness", True),
        ("auc", False),
    ]
    first = client.get("/alerts?state=all&limit=1", headers=key(client, "admin")).json["alerts"]
    assert first == told[:1]


@pytest.mark.parametrize("query", ["state=closed", "limit=0", "limit=x", "limit=1001"])
def test_a_wrong_parameter_is_named(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/alerts?{query}", headers=key(client, "admin"))
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert query.partition("=")[0] in answer.json["errors"][0]["pointer"]


@pytest.mark.parametrize("scope", ["score", "outcome"])
def test_only_those_who_administer_are_told(client: FlaskClient, scope: str) -> None:
    assert client.get("/alerts", headers=key(client, scope)).status_code == 403
    assert client.get("/alerts").status_code == 401


def test_the_document_describes_it(client: FlaskClient) -> None:
    document = client.get("/docs/openapi.json").json
    operation = document["paths"]["/alerts"]["get"]
    assert {one["name"] for one in operation["parameters"]} == {"state", "limit", "Accept-Language"}
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Alerts"}
