"""The API and the page started together, and stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from scoring.serving.local import ServeError, Server, run, running
from tests.helpers import serving


@pytest.fixture
def command(small_model: Path, tmp_path: Path) -> list[str]:
    return [
        sys.executable, "-m", "scoring", "serve", "--model", str(small_model),
        "--port", str(serving.free_port()), "--dashboard-port", str(serving.free_port()),
        "--requests", str(tmp_path), "--log", str(tmp_path / "serve.log"),
    ]  # fmt: skip


@pytest.fixture
def server(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, cwd=serving.ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield process
        process.kill()


def until_told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if "stops both" in line:
            break
    return told


@pytest.mark.parametrize("request_to_stop", [signal.SIGINT, signal.SIGTERM])
def test_both_answer_and_both_stop(
    server: subprocess.Popen[str], command: list[str], request_to_stop: signal.Signals
) -> None:
    told = until_told(server)
    log = Path(command[-1])
    assert str(log) in told
    assert all(len(line) <= 80 or str(log.parent) in line for line in told.splitlines())
    addresses = [f"http://127.0.0.1:{command[command.index(option) + 1]}"
                 for option in ("--port", "--dashboard-port")]  # fmt: skip
    for address in addresses:
        assert address in told
        assert requests.get(address + ("/ready" if address in told.split("curl")[1] else ""),
                            timeout=10).status_code == 200  # fmt: skip
    server.send_signal(request_to_stop)
    assert server.wait(timeout=30) == 0
    # What the servers say is in the log, and nothing of it on the screen.
    assert "gunicorn" in log.read_text()
    assert server.stdout is not None
    assert server.stdout.read().strip() == ""
    for address in addresses:
        with pytest.raises(requests.ConnectionError):
            requests.get(address, timeout=10)


def test_a_port_that_is_taken_ends_both_with_a_message(
    api_url: str, small_model: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "scoring", "serve", "--model", str(small_model),
        "--port", api_url.rsplit(":", 1)[1], "--dashboard-port", str(serving.free_port()),
        "--requests", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=serving.ROOT, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1
    assert "of the API is taken" in done.stderr
    assert "PORT" in done.stderr


def test_a_server_that_ends_before_it_answers_is_told_with_its_last_words() -> None:
    script = "print('no model here'); raise SystemExit(3)"
    short = Server("short", (sys.executable, "-c", script), {}, serving.free_port(), "x://")
    with (
        pytest.raises(ServeError, match=r"ended with status 3(.|\n)*no model here"),
        running(short),
    ):
        raise AssertionError("it never answered")


def test_a_server_that_ends_stops_the_other(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))"
    sleeper = Server(
        "sleeper",
        (sys.executable, "-c", f"{script}; time.sleep(60)"),
        {},
        serving.free_port(),
        "x://",
    )
    short = Server(
        "short", (sys.executable, "-c", "raise SystemExit(3)"), {}, serving.free_port(), "x://"
    )
    with pytest.raises(ServeError, match="the short ended with status 3"):
        run((sleeper, short), threading.Event().set, tmp_path / "serve.log")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
