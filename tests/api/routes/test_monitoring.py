"""GET /monitoring: what the last look has found, for those who administer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from typer.testing import CliRunner

from scoring.__main__ import app as command_line
from scoring.store import Store
from tests.helpers import serving

PAGES = ("/monitoring", "/monitoring/report")


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = serving.settings(small_model, tmp_path_factory.mktemp("store"), require_keys=True)
    with serving.running_app(settings) as app:
        yield app.test_client()


def key(client: FlaskClient, scope: str) -> dict[str, str]:
    store: Store = client.application.extensions["service"].store
    return {"X-API-Key": store.keys.add("on-call", [scope])[1]}


@pytest.mark.parametrize("page", PAGES)
def test_only_those_who_administer_are_told(client: FlaskClient, page: str) -> None:
    assert client.get(page).status_code == 401
    assert client.get(page, headers=key(client, "score")).status_code == 403


def test_the_last_report_is_told_as_it_was_written(client: FlaskClient, tmp_path: Path) -> None:
    admin = key(client, "admin")
    for page in PAGES:
        never = client.get(page, headers=admin)
        assert never.status_code == 404
        assert "python -m scoring monitor" in never.json["detail"]
    url = client.application.extensions["service"].settings.database_url
    for window in ("1d", "7d"):
        command = ["monitor", "--window", window, "--database", url, "--out", str(tmp_path)]
        assert CliRunner().invoke(command_line, command).exit_code == 0
    told = client.get("/monitoring", headers=admin).json
    assert told.pop("at").endswith("+00:00")
    assert told == json.loads((tmp_path / "monitoring.json").read_text())
    whole = (tmp_path / "monitoring.html").read_text()
    titles = {"fr": "Surveillance\u00a0: décisions du", "en": "Monitoring: decisions"}
    for language, title in titles.items():
        page = client.get("/monitoring/report", headers={**admin, "Accept-Language": language})
        assert page.content_type == "text/html; charset=utf-8"
        assert page.headers["Content-Language"] == language
        assert f'<html lang="{language}">' in page.text
        assert f"<h1>{title}" in page.text
        assert page.text.partition("<h1>")[2].partition("</section>")[0] in whole
    policy = page.headers["Content-Security-Policy"]
    assert "script-src" not in policy
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy
