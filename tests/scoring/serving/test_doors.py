"""At which of a server's addresses no key is needed: those that only this machine reaches."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from scoring.serving.local import Server, reached_at, running
from tests.helpers import serving

PROBLEM = "application/problem+json"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - on a free port, for some seconds
GUNICORN = (sys.executable, "-m", "gunicorn", "--config", "api/gunicorn.conf.py")


class Doors(dict[str, int]):
    """The ports of one server, by address, and the path of its unix socket."""

    unix: str


@pytest.fixture(scope="module")
def doors(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """A server that was told on the command line where to listen, whatever HOST says."""
    folder = tmp_path_factory.mktemp("doors")
    found = Doors((host, serving.free_port()) for host in ("127.0.0.1", EVERYWHERE, "::1"))
    found.unix = str(folder / "socket")
    binds = [f"[{host}]:{port}" for host, port in found.items() if ":" in host]
    binds += [f"{host}:{port}" for host, port in found.items() if ":" not in host]
    command = [*GUNICORN, *(f"--bind={bind}" for bind in (*binds, f"unix:{found.unix}"))]
    environment = {
        "MODEL_DIR": str(small_model),
        "CHALLENGER_DIR": str(folder / "none"),
        "DATABASE_URL": f"sqlite:///{folder / 'scoring.db'}",
        "HOST": "127.0.0.1",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
    }
    ready = f"http://127.0.0.1:{found['127.0.0.1']}/ready"
    with running(Server("API", tuple(command), environment, found["127.0.0.1"], ready)):
        yield found


def ask(doors: Doors, door: str, path: str = "/model", **headers: str) -> tuple[int, str]:
    """The status and the type of an answer at one of the addresses."""
    reached = {EVERYWHERE: "127.0.0.1", "unix": "localhost"}.get(door, door)
    connection = HTTPConnection(reached, doors.get(door, 1), timeout=30)
    if door == "unix":
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(doors.unix)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, str(response.headers["Content-Type"])


@pytest.mark.parametrize(
    ("door", "status"), [("127.0.0.1", 200), ("::1", 200), (EVERYWHERE, 401), ("unix", 401)]
)
def test_without_a_key_only_loopback_sockets_answer(doors: Doors, door: str, status: int) -> None:
    assert ask(doors, door)[0] == status
    # What everybody may know is told at every address.
    assert ask(doors, door, "/health")[0] == 200
    # The names of sockets cannot be sent.
    assert ask(doors, door, Server_Name="127.0.0.1", Remote_Addr="127.0.0.1")[0] == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("LOCALHOST:80", 200), ("127.0.0.1:9", 200), ("127.1.2.3", 200),
     ("[::1]:8000", 200), ("scoring.example", 421), ("127.0.0.1.scoring.example", 421),
     ("localhost.scoring.example", 421), ("x@localhost", 421), ("", 421), (EVERYWHERE, 421)],
)  # fmt: skip
def test_without_keys_only_loopback_hosts_are_answered(
    doors: Doors, host: str, status: int
) -> None:
    for path in ("/model", "/ready", "/docs/openapi.json", "/nothing")[: 4 if status > 400 else 3]:
        found, kind = ask(doors, "127.0.0.1", path, Host=host)
        assert found == status
        assert kind == (PROBLEM if status > 400 else "application/json")


@pytest.mark.parametrize(
    "header",
    [{"X_Forwarded_For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Via": "1.1 proxy"}],
)
def test_what_came_through_a_proxy_needs_a_key(doors: Doors, header: dict[str, str]) -> None:
    assert ask(doors, "127.0.0.1", **header)[0] == 401


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "SERVER_NAME"])
def test_no_header_moves_paths_or_sockets(doors: Doors, name: str) -> None:
    # From an address that FORWARDED_ALLOW_IPS names, even.
    sent = f"GET /model HTTP/1.1\r\nHost: localhost\r\n{name}: /model\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", doors["127.0.0.1"]), timeout=30) as connection:
        connection.sendall(sent.encode())
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_only_a_proxy_that_is_named_says_that_https_was_spoken(doors: Doors) -> None:
    for door, expected in (("127.0.0.1", True), ("::1", False)):
        connection = HTTPConnection(door, doors[door], timeout=30)
        connection.request("GET", "/health", headers={"X-Forwarded-Proto": "https"})
        headers = connection.getresponse().headers
        connection.close()
        assert ("Strict-Transport-Security" in headers) == expected


@pytest.mark.parametrize(
    ("host", "reached"),
    [("", "127.0.0.1"), (EVERYWHERE, "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"),
     ("localhost", "localhost"), ("192.0.2.7", "192.0.2.7")],
)  # fmt: skip
def test_a_server_is_reached_where_it_listens(host: str, reached: str) -> None:
    assert reached_at(host) == reached


def test_host_may_be_an_address_of_ipv6(small_model: Path, tmp_path: Path) -> None:
    port = serving.free_port()
    environment = {
        "HOST": "::1",
        "PORT": str(port),
        "MODEL_DIR": str(small_model),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'scoring.db'}",
    }
    with running(Server("API", GUNICORN, environment, port, f"http://[::1]:{port}/ready")):
        connection = HTTPConnection("::1", port, timeout=30)
        connection.request("GET", "/model")
        assert json.load(connection.getresponse())["champion"]["role"] == "champion"
        connection.close()
