"""The headers that every answer has."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.http import headers, problems


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = Flask(__name__)
    problems.init_app(app)
    headers.init_app(app)

    @app.get("/answer")
    def answer() -> str:
        return "answer"

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError

    @app.get("/docs/page")
    def page() -> str:
        return "page"

    @app.get("/kept")
    def kept() -> tuple[str, dict[str, str]]:
        return "kept", {"Cache-Control": "max-age=60"}

    return app.test_client()


@pytest.mark.parametrize("path", ["/answer", "/docs/page", "/nothing", "/broken"])
def test_every_answer_keeps_browsers_from_guessing_framing_and_keeping(
    client: FlaskClient, path: str
) -> None:
    found = client.get(path).headers
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["X-Frame-Options"] == "DENY"
    assert found["Referrer-Policy"] == "no-referrer"
    assert found["Cache-Control"] == "no-store"
    policy = found["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert policy.startswith("default-src 'none'")
    for name, _ in found:
        assert len(found.getlist(name)) == 1


def test_only_the_documentation_may_run_scripts_and_only_our_own(client: FlaskClient) -> None:
    assert "script-src" not in client.get("/answer").headers["Content-Security-Policy"]
    policy = client.get("/docs/page").headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-inline';" in policy
    assert "http" not in policy
    assert "*" not in policy


def test_what_may_be_kept_says_so_itself(client: FlaskClient) -> None:
    assert client.get("/kept").headers["Cache-Control"] == "max-age=60"


def test_nobody_says_by_a_header_that_they_came_by_https(client: FlaskClient) -> None:
    found = client.get("/answer", headers={"X-Forwarded-Proto": "https"}).headers
    assert "Strict-Transport-Security" not in found


def test_browsers_that_came_by_https_are_told_to_stay(client: FlaskClient) -> None:
    found = client.get("/answer", base_url="https://localhost").headers
    assert found["Strict-Transport-Security"] == "max-age=31536000"
