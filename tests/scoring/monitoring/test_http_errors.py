"""Answers that failed are counted by the service itself, and told from one look to the next."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests
from typer.testing import CliRunner

from scoring.__main__ import app as command_line
from scoring.monitoring.monitor import COUNTED, CounterError, counted, since_last

FIGURES = """# HELP scoring_requests_total Answers sent
# TYPE scoring_requests_total counter
scoring_requests_total{method="POST",route="/predict",status="200"} 900.0
scoring_requests_total{method="POST",route="/predict",status="500"} 3.0
scoring_requests_total{method="POST",route="/predict/batch",status="503"} 4.0
scoring_requests_total{method="POST",route="/predict",status="422"} 50.0
scoring_requests_created{method="POST",route="/predict",status="500"} 1.7e+09
"""


class _Figures(BaseHTTPRequestHandler):
    """Answers figures to whoever has the key."""

    def do_GET(self) -> None:
        known = self.headers.get("Authorization") == "Bearer cs_key"
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(FIGURES.encode() if self.path == "/metrics" else b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Figures)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_failures_of_the_service_are_counted(address: str) -> None:
    assert counted(f"{address}/metrics", "cs_key") == 7


def test_the_service_itself_is_understood(api_url: str) -> None:
    assert requests.get(f"{api_url}/health", timeout=10).ok
    assert counted(f"{api_url}/metrics", os.environ.get("MONITOR_API_KEY")) == 0


@pytest.mark.parametrize(
    ("path", "key", "told"),
    [("/metrics", None, "401.*MONITOR_API_KEY"), ("/other", "cs_key", "not the scoring service")],
)
def test_another_answer_is_told(address: str, path: str, key: str | None, told: str) -> None:
    with pytest.raises(CounterError, match=told):
        counted(f"{address}{path}", key)


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(CounterError, match="--metrics takes http"):
        counted("file:///etc/hostname")
    with pytest.raises(CounterError, match="does not tell"):
        counted("http://127.0.0.1:1/metrics")


def test_only_what_came_since_the_last_report_counts(tmp_path: Path) -> None:
    report = tmp_path / "monitoring.json"
    assert since_last(7, report) == 7
    report.write_text(json.dumps({COUNTED: 5}))
    assert since_last(7, report) == 2
    # The service has started anew.
    assert since_last(3, report) == 3
    report.write_text(json.dumps({COUNTED: None}))
    assert since_last(7, report) == 7


def test_the_command_tells_each_failure_once(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_API_KEY", "cs_key")
    out = tmp_path / "reports"
    arguments = [
        "monitor", "--database", f"sqlite:///{tmp_path / 'scoring.db'}", "--out", str(out),
        "--metrics", f"{address}/metrics",
    ]  # fmt: skip
    told = []
    for _ in range(2):
        CliRunner().invoke(command_line, arguments)
        told.append(json.loads((out / "monitoring.json").read_text())["service"]["errors"])
    assert told == [7, 0]
