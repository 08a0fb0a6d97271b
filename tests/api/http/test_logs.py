"""The logs: lines of JSON, one a request, nothing personal in any."""

from __future__ import annotations

import copy
import json
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from api import Settings
from api.decisions import example
from api.http import logs, problems
from tests.helpers import serving

APPLICANT = 987654


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    text = logs.JsonFormatter().format(record)
    assert "\n" not in text
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


class Lines(logging.Handler):
    """What a server would write, as it writes it: while the request is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(line_of(record))


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler.found
    logging.getLogger().removeHandler(handler)


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    app = Flask(__name__)
    logs.init_app(app, Settings())
    problems.init_app(app)

    @app.get("/applicants/<int:number>")
    def applicant(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/broken/<int:number>")
    def broken(number: int) -> str:
        raise RuntimeError(f"no row of {number} with AMT_CREDIT -450000.5, row {number}, {number}")

    return app.test_client()


def test_a_request_is_one_line(client: FlaskClient, lines: list[dict[str, Any]]) -> None:
    answer = client.get(f"/applicants/{APPLICANT}?name=Dupont", headers={"X-Forwarded-For": "x"})
    (line,) = lines
    assert line.pop("milliseconds") >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", line.pop("timestamp"))
    assert line.pop("process") > 0
    assert line == {
        "level": "info",
        "logger": "api.request",
        "event": "answered",
        "request_id": answer.headers["X-Request-ID"],
        "method": "GET",
        "route": "/applicants/<int:number>",
        "status": 200,
        "caller": None,
    }


@pytest.mark.parametrize("sent", ["a", "x" * 64, "4f0d3b0e-9d8a_1.2"])
def test_an_id_that_is_sent_is_kept(
    client: FlaskClient, lines: list[dict[str, Any]], sent: str
) -> None:
    answer = client.get("/applicants/1", headers={"X-Request-ID": sent})
    assert answer.headers["X-Request-ID"] == sent == lines[0]["request_id"]


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "é", '{"a": 1}', "a/b", "<script>"])
def test_an_id_that_is_none_is_replaced(
    client: FlaskClient, lines: list[dict[str, Any]], sent: str
) -> None:
    answer = client.get("/applicants/1", headers={"X-Request-ID": sent})
    made = answer.headers["X-Request-ID"]
    assert made == lines[0]["request_id"] != sent
    assert re.fullmatch(r"[0-9a-f]{16}", made)
    assert client.get("/applicants/1").headers["X-Request-ID"] != made


def test_what_is_nowhere_and_what_is_no_method_say_nothing(
    client: FlaskClient, lines: list[dict[str, Any]]
) -> None:
    client.get(f"/nobody/{APPLICANT}")
    client.open("/applicants/1", method=f"X{APPLICANT}")
    first, second = lines
    assert (first["route"], first["status"]) == ("unknown", 404)
    assert (second["method"], second["status"]) == ("other", 405)
    assert str(APPLICANT) not in json.dumps(lines)


def test_an_unforeseen_error_is_traced_in_the_log_alone_without_numbers(
    client: FlaskClient, lines: list[dict[str, Any]]
) -> None:
    answer = client.get(f"/broken/{APPLICANT}")
    assert answer.status_code == 500
    assert "RuntimeError" not in answer.text
    error, request = lines
    assert (error["level"], request["status"]) == ("error", 500)
    assert error["request_id"] == request["request_id"] == answer.headers["X-Request-ID"]
    assert "Traceback" in error["exception"]
    assert "in broken" in error["exception"]
    assert "RuntimeError: no row of # with AMT_CREDIT -#, row #, #" in error["exception"]
    told = json.dumps(lines)
    assert str(APPLICANT) not in told
    assert "450000" not in told


def record_of(
    message: str, name: str = "api.decisions.service", **extra: object
) -> logging.LogRecord:
    record = logging.makeLogRecord({"name": name, "msg": message, "levelname": "WARNING"})
    record.__dict__.update(extra)
    return record


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Key (applicant)=(100002) exists", "Key (applicant)=(#) exists"),
        ("/applicants/100002", "/applicants/#"),
        ("SK_ID_CURR: 100002, 1234 rows", "SK_ID_CURR: #, 1234 rows"),
        ("digest 1234567a, PD 0.123456", "digest 1234567a, PD 0.123456"),
        ('{"SK_ID_CURR":100002,"AMT_CREDIT":45000}', '{"SK_ID_CURR":#,"AMT_CREDIT":#}'),
        ("port 100002, version 987654.5", "port #, version #"),
        ("http://ana:12345@mlflow/x", "http://ana:#@mlflow/x"),
        ("//45000:45000 45000.5: 45000", "//#:# #: #"),
    ],
)  # fmt: skip
def test_long_numbers_are_masked(message: str, expected: str) -> None:
    assert line_of(record_of(message))["event"] == expected


@pytest.mark.parametrize(
    "message",
    [
        "http://127.0.0.1:55123/api/2.0/mlflow/registered-models/alias: HTTP 403 Forbidden",
        "https://mlflow.example.org:50443: timed out",
        'connection to server at "127.0.0.1", port 54321 failed',
        "HTTPConnectionPool(host='localhost', port=49152): refused",
        "localhost:49152, [::1]:49152, 10.0.0.7:49152 (pid 12345, process 23456)",
        "version 12345 of lightgbm 4.7.0 on 2026-11-28",
    ],
)  # fmt: skip
def test_ports_and_versions_are_nobodys_numbers(message: str) -> None:
    assert line_of(record_of(message))["event"] == message


def test_gunicorn_tells_its_port_and_its_processes() -> None:
    told = "Listening at: http://127.0.0.1:49152 (12345)"
    assert line_of(record_of(told, name="gunicorn.error"))["event"] == told


@settings(deadline=None)
@given(message=st.text(), value=st.text() | st.floats() | st.binary() | st.none())
def test_whatever_is_logged_is_one_line_of_json(message: str, value: object) -> None:
    line = line_of(record_of(message, value=value))
    assert "value" in line
    assert line["event"] is not None


def test_what_is_no_unicode_is_logged_too() -> None:
    assert line_of(record_of("no file \udcff"))["event"] == "no file \udcff"


def send_raw(url: str, text: bytes) -> bytes:
    found = urlsplit(url)
    with socket.create_connection((found.hostname, found.port), timeout=10) as connection:
        connection.sendall(text)
        return connection.recv(10_000)


@pytest.mark.system
def test_a_servers_whole_log_is_json_and_names_nobody(small_model: Path, tmp_path: Path) -> None:
    body = copy.deepcopy(example.REQUEST)
    body["application"]["SK_ID_CURR"] = APPLICANT
    wrong = copy.deepcopy(body)
    wrong["application"]["AMT_INCOME_TOTAL"] = "135135"
    log = tmp_path / "log"
    with serving.running_api(small_model, log, {"LOG_LEVEL": "DEBUG"}) as url:
        answered = requests.post(f"{url}/predict", json=body, timeout=30)
        assert answered.status_code == 200
        found = answered.json()["id"]
        refused = requests.post(f"{url}/predict?who={APPLICANT}", json=wrong, timeout=30)
        assert refused.status_code == 422
        for path in (f"applicants/{APPLICANT}", f"applicants/{APPLICANT}/predictions",
                     f"predictions/{found}", f"{APPLICANT}"):  # fmt: skip
            requests.get(f"{url}/{path}", timeout=30)
        assert b" 505 " in send_raw(url, b"GET /applicants/%d HTTP/9\r\n\r\n" % APPLICANT)
        assert b" 400 " in send_raw(url, b"GET / HTTP/1.1\r\nSK_ID %d\r\n\r\n" % APPLICANT)
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"gunicorn.error", "api.request", "api.models.manager"} <= {
        line["logger"] for line in lines
    }
    predict = [line["status"] for line in lines if line.get("route") == "/predict"]
    assert predict == [200, 422]
    assert [line["event"] for line in lines if "Invalid request" in line["event"]] == [
        "Invalid request: InvalidHTTPVersion",
        "Invalid request: InvalidHeader",
    ]
    personal = (str(APPLICANT), "135135", found, "SK_ID", "127.0.0.1 ")
    assert not [secret for secret in personal if secret in text]
    for value in body["application"].values():
        if isinstance(value, (int, float)) and abs(value) >= 1_000:
            assert f"{value:g}" not in text
