"""gunicorn's worker: slow clients hold nobody up, and everybody else is answered as by gunicorn."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from api.decisions import example
from scoring.store import Store
from tests.helpers import serving

pytestmark = pytest.mark.system

PROBLEM = "application/problem+json"
BODY = json.dumps(example.REQUEST).encode()
# A request's deadline is 10 s; three times that on a machine that is busy.
GENEROUS = 30.0


class Running(NamedTuple):
    """A server of two workers that asks for keys, and a key."""

    url: str
    address: tuple[str, int]
    key: str

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=GENEROUS)

    def head(self, path: str = "/predict", *lines: str, key: bool = True) -> bytes:
        sent = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        sent += [f"X-API-Key: {self.key}"] if key else []
        return "\r\n".join([*sent, *lines, "", ""]).encode()


@pytest.fixture(scope="module")
def server(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("worker")
    store = Store(f"sqlite:///{folder / 'scoring.db'}")
    store.migrate()
    _, key = store.keys.add("a shop", frozenset({"score"}))
    store.close()
    environment = {"WEB_CONCURRENCY": "2", "REQUIRE_KEYS": "yes", "CONNECTIONS_PER_ADDRESS": "200"}
    with serving.running_api(small_model, folder / "log", environment) as url:
        host, port = url.removeprefix("http://").split(":")
        yield Running(url, (host, int(port)), key)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def answer(connection: socket.socket) -> Answer:
    response = HTTPResponse(connection)
    response.begin()
    return Answer(response.status, dict(response.getheaders()), response.read())


def is_closed(connection: socket.socket) -> bool:
    """Whether the server ends the connection without another answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def slow(server: Running, kind: int, found: list[tuple[float, int]], key: bool) -> None:
    """Send a request as slowly as can be, until it is answered; how long it took, and how."""
    length = f"Content-Length: {len(BODY)}"
    chunked = "Transfer-Encoding: chunked"
    first, rest = [
        (server.head("/predict", length, key=key), b""),
        (b"", server.head("/predict", length, key=key)),
        (server.head("/predict", length, key=key), BODY),
        (server.head("/predict", chunked, key=key), b"1\r\n \r\n" * 200),
    ][kind]
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(first)
        connection.settimeout(0.4)
        for place in range(int(GENEROUS / 0.4)):
            connection.sendall(rest[place : place + 1])
            try:
                status = int(connection.recv(4096).split()[1])
            except TimeoutError:
                continue
            found.append((time.monotonic() - began, status))
            return


def test_a_hundred_slow_clients_hold_nobody_up_and_are_parted_with(server: Running) -> None:
    found: list[tuple[float, int]] = []
    clients = [
        threading.Thread(target=slow, args=(server, number % 4, found, number % 3 > 0))
        for number in range(100)
    ]
    for client in clients:
        client.start()
    session = requests.Session()
    session.headers["X-API-Key"] = server.key
    for number in range(20):
        # New connections and kept ones, which the slow ones were before.
        asked = session if number % 2 else requests
        headers = {"X-API-Key": server.key}
        response = asked.post(f"{server.url}/predict", json=example.REQUEST, headers=headers,
                              timeout=GENEROUS)  # fmt: skip
        assert response.status_code == 200
    assert not found
    for client in clients:
        client.join(2 * GENEROUS)
    assert [status for _, status in found] == [408] * 100
    assert all(9 < seconds < GENEROUS for seconds, _ in found)


def test_who_does_not_read_answers_holds_nobody_up(server: Running) -> None:
    asked = b"GET /docs/swagger/js/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    connections = []
    for _ in range(60):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(server.address)
        connection.sendall(asked)
        connections.append(connection)
    for _ in range(5):
        assert requests.get(f"{server.url}/health", timeout=GENEROUS).status_code == 200
    # Whoever reads on in time gets all of it.
    connections[0].settimeout(GENEROUS)
    found = answer(connections[0])
    assert (found.status, len(found.body)) == (200, int(found.headers["Content-Length"]))
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("large", [False, True])
def test_who_has_no_key_is_refused_and_parted_with(server: Running, large: bool) -> None:
    length = 20_000_000 if large else 2
    head = server.head("/predict/batch", f"Content-Length: {length}", key=False)
    with server.connect() as connection:
        # Of a large body nothing is waited for: the key is checked first.
        connection.sendall(head if large else head + b"[]")
        found = answer(connection)
        assert (found.status, found.headers["Content-Type"]) == (401, PROBLEM)
        assert found.headers["Connection"] == "close"
        assert is_closed(connection)


def test_a_client_that_sends_all_before_it_reads_sees_why_it_is_refused(server: Running) -> None:
    sent = b"[" + b" " * 20_000_000 + b"]"
    headers = {"Content-Type": "application/json"}
    found = requests.post(f"{server.url}/predict/batch", sent, headers=headers, timeout=GENEROUS)
    assert found.status_code == 401


def test_a_large_batch_is_taken(server: Running) -> None:
    sent = b"[" + b" " * 20_000_000 + BODY + b"," + BODY + b"]"
    headers = {"Content-Type": "application/json", "X-API-Key": server.key}
    for data in (sent, iter([sent[:9_000_000], sent[9_000_000:]])):
        found = requests.post(
            f"{server.url}/predict/batch", data, headers=headers, timeout=2 * GENEROUS
        )
        assert found.status_code == 200
        assert [list(one) for one in found.json()["results"]] == [["index", "prediction"]] * 2


def test_few_large_bodies_are_read_at_a_time(server: Running) -> None:
    head = server.head("/predict/batch", "Content-Length: 20000000")
    connections = [server.connect() for _ in range(30)]
    for connection in connections:
        connection.sendall(head + b"[")
    refused = [answer(connection) for connection in connections[:1]]
    assert requests.get(f"{server.url}/health", timeout=GENEROUS).status_code == 200
    refused += [answer(connection) for connection in connections[1:]]
    statuses = [found.status for found in refused]
    # A quarter of the threads of each worker.
    assert sorted(set(statuses)) == [408, 503]
    assert statuses.count(408) <= 8
    assert all(found.headers["Content-Type"] == PROBLEM for found in refused)
    for connection in connections:
        connection.close()


def test_requests_are_answered_in_turn_however_they_come(server: Running) -> None:
    whole = server.head("/predict", f"Content-Length: {len(BODY)}") + BODY
    chunked = server.head("/predict", "Transfer-Encoding: chunked")
    chunked += (
        b"".join(
            b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:500], BODY[500:])
        )
        + b"0\r\nX-Trailer: 1\r\n\r\n"
    )
    health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connect() as connection:
        # Pipelined, split anywhere, and a byte at a time.
        stream = whole + chunked + health + whole
        for start, end in ((0, 60), (60, 5_000), (5_000, len(stream))):
            connection.sendall(stream[start:end])
            time.sleep(0.05)
        expected = [200, 200, 200, 200]
        pieces = [connection.makefile("rb")]
        statuses = [read_one(pieces[0]) for _ in expected]
        assert statuses == expected
        for byte in health:
            connection.sendall(bytes([byte]))
        assert read_one(pieces[0]) == 200


def read_one(stream: Any) -> int:
    """The status of the next answer of several that may have come at once."""
    status = int(stream.readline().split()[1])
    length = 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    stream.read(length)
    return status


def test_who_waits_to_be_asked_for_the_body_is_asked(server: Running) -> None:
    expects = (f"Content-Length: {len(BODY)}", "Expect: 100-continue")
    with server.connect() as connection:
        connection.sendall(server.head("/predict", *expects))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert answer(connection).status == 200
    # Whoever is refused is not asked first.
    with server.connect() as connection:
        large = ("Content-Length: 20000000", "Expect: 100-continue")
        connection.sendall(server.head("/predict/batch", *large, key=False))
        assert answer(connection).status == 401
    with server.connect() as connection:
        connection.sendall(server.head("/predict/batch", *large))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_http_1_0_is_answered_and_closed(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert answer(connection).status == 200
        assert is_closed(connection)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n\r\n", 400),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"a" * 99_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, 431),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: other\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nExpect: miracles\r\n\r\n", 417),
    ],
)  # fmt: skip
def test_what_is_no_request_is_answered_with_a_problem(
    server: Running, sent: bytes, status: int
) -> None:
    with server.connect() as connection:
        connection.sendall(sent)
        found = answer(connection)
        assert (found.status, found.headers["Content-Type"]) == (status, PROBLEM)
        assert found.headers["Connection"] == "close"
        assert json.loads(found.body)["status"] == status
        assert is_closed(connection)


def test_the_slowest_of_an_address_make_room(small_model: Path, tmp_path: Path) -> None:
    environment = {"CONNECTIONS_PER_ADDRESS": "3"}
    with serving.running_api(small_model, tmp_path / "log", environment) as url:
        host, port = url.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port)), timeout=5) for _ in range(3)]
        for connection in slow:
            connection.sendall(b"GET / HT")
        time.sleep(1.5)
        # Long before their deadline, and one for each that comes.
        assert requests.get(f"{url}/health", timeout=GENEROUS).status_code == 200
        assert answer(slow[0]).status == 408
        slow[1].sendall(b"TP/1.0\r\n\r\n")
        assert answer(slow[1]).status == 302
        for connection in slow:
            connection.close()
