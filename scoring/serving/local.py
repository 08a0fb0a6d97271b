"""Start the API and the Streamlit page side by side, and stop both together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from scoring.errors import ScoringError

# A first start imports everything from cold disks.
START_SECONDS = 120.0
STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1
_LAST_WORDS = 2000


class ServeError(ScoringError):
    """A server did not start, or ended by itself."""


@dataclass(frozen=True, slots=True)
class Server:
    """A process to start on a port, and the address that answers once it is up."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    ready: str


def servers(port: int, dashboard_port: int, model: Path, examples: Path) -> tuple[Server, ...]:
    """The API where HOST says, and the page that calls it on loopback."""
    api_url = f"http://{reached_at(os.environ.get('HOST', ''))}:{port}"
    page_url = f"http://127.0.0.1:{dashboard_port}"
    api = (sys.executable, "-m", "api")
    streamlit = (
        sys.executable, "-m", "streamlit", "run", "dashboard/app.py",
        "--server.address", "127.0.0.1", "--server.port", str(dashboard_port),
        "--server.headless", "true", "--browser.gatherUsageStats", "false",
    )  # fmt: skip
    return (
        Server("API", api, {"PORT": str(port), "MODEL_DIR": str(model)}, port, f"{api_url}/ready"),
        Server(
            "page",
            streamlit,
            {"API_URL": api_url, "EXAMPLES_DIR": str(examples)},
            dashboard_port,
            f"{page_url}/_stcore/health",
        ),
    )


def reached_at(host: str) -> str:
    """How this machine asks for a server that listens on an address."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host


def run(chosen: tuple[Server, ...], started: Callable[[], None], log: Path) -> None:
    """Start servers, and stop them all on Ctrl-C, on SIGTERM, or when one of them ends.

    `started` is called once, when every server answers. What they say is added to the file `log`.

    Raises
    ------
    ServeError
        If a port is taken, or a server does not answer in time or ends without being asked to; with
        its last words.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with _stop_requests() as stop, log.open("a+b") as words, _started(chosen, words) as processes:
        if _wait_until_ready(chosen, processes, stop):
            started()
        while not stop.wait(_POLL_SECONDS):
            _check_alive(chosen, processes)


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Have a server answer for as long as the block lasts, and say nothing.

    Raises
    ------
    ServeError
        If its port is taken, or it does not answer in time or ends by itself; with its last words.
    """
    with tempfile.TemporaryFile() as log, _started((server,), log) as processes:
        _wait_until_ready((server,), processes, threading.Event())
        yield


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    stop = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _started(chosen: tuple[Server, ...], log: IO[bytes]) -> Iterator[list[subprocess.Popen[bytes]]]:
    for server in chosen:
        _check_free(server)
    processes: list[subprocess.Popen[bytes]] = []
    begins = log.seek(0, os.SEEK_END)
    try:
        processes.extend(_start(server, log) for server in chosen)
        yield processes
    except ServeError as error:
        log.seek(begins)
        words = log.read().decode(errors="replace").strip()
        raise ServeError(f"{error}\n{words[-_LAST_WORDS:]}") from error
    finally:
        _stop(processes)


def _check_free(server: Server) -> None:
    """Somebody else's server on the port would answer in the place of ours."""
    host = urlsplit(server.ready).hostname or "127.0.0.1"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, server.port))
        except OSError as error:
            raise ServeError(
                f"port {server.port} of the {server.name} is taken ({error.strerror}): stop what "
                "uses it, or choose others with PORT and DASHBOARD_PORT"
            ) from error


def _start(server: Server, log: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches this process alone, which then stops
    # the servers in good order.
    environment = {**os.environ, **server.environment}
    return subprocess.Popen(
        server.command, env=environment, start_new_session=True, stdout=log, stderr=log
    )


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        # And those that it started: not all servers hand a signal on.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(
    chosen: tuple[Server, ...], processes: list[subprocess.Popen[bytes]], stop: threading.Event
) -> bool:
    deadline = time.monotonic() + START_SECONDS
    for server in chosen:
        while not _answers(server.ready):
            _check_alive(chosen, processes)
            if time.monotonic() > deadline:
                raise ServeError(f"the {server.name} does not answer at {server.ready}")
            if stop.wait(_POLL_SECONDS):
                return False
    return True


def _check_alive(chosen: tuple[Server, ...], processes: list[subprocess.Popen[bytes]]) -> None:
    for server, process in zip(chosen, processes, strict=True):
        if process.poll() is not None:
            raise ServeError(
                f"the {server.name} ended with status {process.returncode}; it said last:"
            )


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as response:  # noqa: S310 - loopback, ours
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
