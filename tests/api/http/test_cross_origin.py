"""Pages of other origins: none may ask from a browser, but for those that are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.decisions import example
from tests.helpers import serving

BANK = "https://bank.example"
CROSS = "Access-Control-Allow-Origin"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,idempotency-key,x-api-key",
}


@pytest.fixture(scope="module", params=[frozenset(), frozenset({BANK, "http://localhost:3000"})])
def client(
    small_model: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[FlaskClient]:
    settings = serving.settings(
        small_model, tmp_path_factory.mktemp("origins"), cors_origins=request.param
    )
    with serving.running_app(settings) as app:
        app.config["named"] = request.param
        yield app.test_client()


@pytest.mark.parametrize(
    "origin",
    [BANK, "http://localhost:3000", "null", "https://bank.example.evil", "http://bank.example",
     "https://BANK.example/", "https://bank.example:8443", None],
)  # fmt: skip
def test_only_pages_of_named_origins_may_read_answers(
    client: FlaskClient, origin: str | None
) -> None:
    named = client.application.config["named"]
    headers = {"Origin": origin} if origin else {}
    answers = {
        200: client.post("/predict", json=example.REQUEST, headers=headers),
        422: client.post("/predict", json={"x": 1}, headers=headers),
        415: client.post("/predict", data="x", headers=headers),
        404: client.get("/nothing", headers=headers),
        405: client.get("/predict", headers=headers),
        401: client.get("/model", headers={**headers, "X-API-Key": "cs_wrong"}),
        421: client.get("/health", headers={**headers, "Host": "evil.example"}),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers.getlist(CROSS) == ([origin] if origin in named else [])
        assert ("origin" in map(str.lower, answer.vary)) == bool(named)
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/outcomes", "/policy"])
def test_a_preflight_is_answered_without_a_key(client: FlaskClient, path: str) -> None:
    named = client.application.config["named"]
    for origin in (BANK, "https://evil.example"):
        answer = client.options(path, headers={"Origin": origin, **PREFLIGHT})
        assert answer.status_code == 200
        told = {name for name in answer.headers.keys() if name.startswith("Access-Control-")}  # noqa: SIM118
        if origin not in named:
            assert told == set()
            continue
        assert answer.headers[CROSS] == origin
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert set(PREFLIGHT["Access-Control-Request-Headers"].split(",")) <= set(allowed)
        assert {"POST", "PUT"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
        assert "Access-Control-Allow-Credentials" not in told


def test_answers_in_a_language_vary_by_both(client: FlaskClient) -> None:
    answer = client.get("/model/features", headers={"Accept-Language": "fr", "Origin": BANK})
    named = client.application.config["named"]
    assert {one.lower() for one in answer.vary} == {"accept-language"} | (
        {"origin"} if named else set()
    )
