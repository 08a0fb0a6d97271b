"""How gunicorn's workers wait for clients: none that is slow holds a thread up.

gunicorn's own threads read and write as slowly as a client does, so that a few clients stop all of
them. Here one loop keeps a connection until its request has come as a whole; a thread answers it
from memory, and the loop sends what the client does not take at once.
"""

import io
import re
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from threading import Semaphore
from typing import Any

import orjson
from gunicorn.http import errors, wsgi
from gunicorn.http.body import LengthReader
from gunicorn.http.message import Request, _ip_in_allow_list
from gunicorn.workers.gthread import ThreadWorker

from api.http.problems import MEDIA_TYPE, ProblemError
from api.settings import Settings

# A request and an answer have so long each, and longer by what has moved, at this rate.
_SECONDS = 10.0
_LEAST_RATE = 256 * 1024
# After the last answer a client is read from until it has seen that: bytes that nobody has read
# would have its system throw the answer away.
_LEAVING_SECONDS = 2.0
_MOST_UNREAD = 64 * 1024 * 1024
_LARGEST_HEAD = 64 * 1024
# Larger bodies are read by a thread, after the caller's key was checked, and few at a time.
_LARGEST_KEPT = 1024 * 1024
_MOST_KEPT = 64 * _LARGEST_KEPT
_PIECE = 64 * 1024
# gunicorn's parsers copy what is left of a piece for each kilobyte.
_PARSED_PIECE = 8 * 1024
_PATIENCE_SECONDS = 1.0
_SWEEP_SECONDS = 0.25
# Who is refused so has to connect anew, whatever is on its way still.
_PARTING = ("401", "403", "408", "413", "415", "429")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")

_IDLE, _ASKING, _BUSY, _ANSWERED, _LEAVING = range(5)

_STATUSES: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    # There was more than is waited for.
    errors.NoMoreData: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.InvalidHTTPVersion: HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
}


class Connection:
    """A client's socket, what came from it and is unread, and what is to be sent to it.

    To gunicorn's parsers it is their `Unreader`, and to its responses a socket.
    """

    def __init__(self, sock: socket.socket, client: Any, server: Any, lane: Semaphore) -> None:
        self.sock, self.client, self.server = sock, client, server
        self.came, self.leaves = bytearray(), bytearray()
        self.watched = 0
        self._lane, self._in_lane = lane, False
        self.begin(_ASKING)

    def begin(self, state: int) -> None:
        """Wait for another request, which may have begun to come."""
        self.request: Any = None
        self.streams, self.keeps, self._waits, self._chunk_at = False, True, False, 0
        self.become(state)

    def become(self, state: int) -> None:
        """Change the state; its deadline counts from now."""
        self.state, self.since, self.moved = state, time.monotonic(), 0

    def seconds_left(self, idle: float = 0.0) -> float:
        """Compute how long the client may still take for what it does now."""
        given = {_IDLE: idle, _LEAVING: _LEAVING_SECONDS}.get(self.state, _SECONDS)
        return self.since + given + self.moved / _LEAST_RATE - time.monotonic()

    def is_whole(self, cfg: Any) -> bool:
        """Tell whether a thread can have the request: it is all there, or too large to be kept."""
        if self.request is None:
            if not self._has(b"\r\n\r\n", 0):
                return False
            self.request = Request(cfg, self, self.client)
            # gunicorn would ask for the body before the key was checked.
            self._waits = self.request._expected_100_continue
            self.request._expected_100_continue = False
        reader = self.request.body.reader
        if isinstance(reader, LengthReader):
            self.streams = reader.length > _LARGEST_KEPT
            whole = len(self.came) >= reader.length
        else:
            self.streams = len(self.came) > _LARGEST_KEPT
            whole = self._has_last_chunk()
        if not (whole or self.streams):
            self._invite()
        return whole or self.streams

    def take_body(self) -> None:
        """Take the body out of what came, of which the next request is left."""
        reader = self.request.body.reader
        if isinstance(reader, LengthReader) and not self.streams:
            self.request.body = io.BytesIO(self.came[: reader.length])
            del self.came[: reader.length]
        elif not self.streams:
            self.request.body = io.BytesIO(reader.read(_LARGEST_KEPT))

    def read(self) -> bytes:
        """Return the next bytes; wait for them only where the body is read as it comes."""
        piece = bytes(self.came[:_PARSED_PIECE])
        del self.came[:_PARSED_PIECE]
        return self._awaited() if self.streams and not piece else piece

    def unread(self, data: bytes) -> None:
        """Put bytes back."""
        self.came[:0] = data

    def sendall(self, data: bytes) -> None:
        """Keep bytes to be sent."""
        self.leaves += data

    def flush(self) -> None:
        """Send what the client's system takes without waiting."""
        with suppress(BlockingIOError):
            while self.leaves:
                sent = self.sock.send(self.leaves)
                self.moved += sent
                del self.leaves[:sent]

    def leave_lane(self) -> None:
        """Let others send large bodies."""
        if self._in_lane:
            self._lane.release()

    def _awaited(self) -> bytes:
        if not self._in_lane:
            self._in_lane = self._lane.acquire(blocking=False)
            if not self._in_lane:
                raise _crowded()
            self.become(_BUSY)
            self._invite()
        self.sock.settimeout(max(self.seconds_left(), 1e-3))
        try:
            data = self.sock.recv(_PARSED_PIECE)
        except TimeoutError:
            raise _slow() from None
        self.moved += len(data)
        return data

    def _invite(self) -> None:
        """Ask for the body where the client waits to be asked."""
        if self._waits:
            self._waits = False
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _has_last_chunk(self) -> bool:
        """Tell whether a body in chunks is there; gunicorn's reader says what is wrong with one."""
        while chunk := _CHUNK.match(self.came, self._chunk_at):
            length = int(chunk[1], 16)
            if length == 0:
                return self._has(b"\r\n\r\n", chunk.end() - 2)
            self._chunk_at = chunk.end() + length + 2
        return self._has(b"\r\n", self._chunk_at)

    def _has(self, end: bytes, place: int) -> bool:
        """Tell whether a line or head that begins somewhere has its end, or is longer than any."""
        furthest = place + _LARGEST_HEAD
        return self.came.find(end, place, furthest) >= 0 or len(self.came) > furthest


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads, which wait for no client."""

    def init_process(self) -> None:
        """Prepare, and run until told to stop."""
        self.connections: dict[Connection, None] = {}
        self._lane = Semaphore(max(1, self.cfg.threads // 4))
        self._per_address = Settings.from_environment().address_limit
        self._swept = 0.0
        super().init_process()

    def accept(self, listener: Any) -> None:
        """Take a new connection, if need be in the place of one that is slow."""
        try:
            sock, client = listener.accept()
        except OSError:
            # Another worker has it, it is gone again, or no more files may be opened.
            return
        sock.setblocking(False)
        connection = Connection(sock, client, listener.getsockname(), self._lane)
        self._displace(client)
        self.connections[connection] = None
        self.nr_conns = len(self.connections)
        self._watch(connection, selectors.EVENT_READ)

    def handle(self, conn: Connection) -> bool:
        """Answer a request, in a thread, and tell whether the connection may stay."""
        try:
            conn.take_body()
            keeps = self._answer(conn)
        except Exception as error:  # noqa: BLE001 - it is logged, and the client is told
            keeps = False
            conn.leaves[:] = self._failure(error)
        with suppress(OSError):
            conn.flush()
        return keeps

    def finish_request(self, conn: Connection, fs: Future[bool]) -> None:
        """Have the rest of an answer sent, and wait for the next request."""
        conn.leave_lane()
        conn.keeps = fs.result() and self.alive
        if not conn.leaves:
            self._go_on(conn)
            return
        if self._is_full():
            taking = [conn for conn in self.connections if conn.state == _ANSWERED]
            self._drop(min(taking, key=lambda conn: conn.since, default=conn))
        if conn in self.connections:
            conn.become(_ANSWERED)
            self._watch(conn, selectors.EVENT_WRITE)

    def murder_keepalived(self) -> None:
        """Part with all whose time is over."""
        if time.monotonic() < self._swept + _SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        for conn in list(self.connections):
            if conn.state != _BUSY and conn.seconds_left(self.cfg.keepalive) < 0:
                self._expire(conn)

    def _answer(self, conn: Connection) -> bool:
        response, environ = wsgi.create(conn.request, conn, conn.client, conn.server, self.cfg)
        environ["wsgi.multithread"] = True
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False

        def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
            if conn.streams or not self.alive or status.startswith(_PARTING):
                response.force_close()
            written: Callable[[bytes], None] = response.start_response(status, headers, exc_info)
            return written

        parts = self.wsgi(environ, start)
        try:
            for part in parts:
                response.write(part)
            response.close()
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return not response.should_close()

    def _failure(self, error: Exception) -> bytes:
        """Make the answer to what is no request, or to what nobody foresaw."""
        # An OSError is what gunicorn says of chunks that are none.
        its = isinstance(error, errors.ParseException | OSError)
        status = _STATUSES.get(type(error), HTTPStatus.BAD_REQUEST if its else 500)
        log = self.log.warning if its else self.log.exception
        log("Invalid request" if its else "Error handling request")
        return _answer_of(ProblemError(status, HTTPStatus(status).description or "No request."))

    def _ready(self, conn: Connection, _sock: socket.socket) -> None:
        """Do what a connection's state asks for, now that its socket is ready."""
        try:
            if conn.state == _BUSY:
                # The next request; it is read once this one is answered.
                self._watch(conn, 0)
            elif conn.state == _ANSWERED:
                conn.flush()
                if not conn.leaves:
                    self._go_on(conn)
            else:
                self._receive(conn)
        except BlockingIOError:
            return
        except OSError:
            self._drop(conn)

    def _receive(self, conn: Connection) -> None:
        data = conn.sock.recv(_PIECE)
        if not data or conn.moved > _MOST_UNREAD:
            self._drop(conn)
            return
        if conn.state == _IDLE:
            conn.become(_ASKING)
        conn.moved += len(data)
        if conn.state == _ASKING:
            conn.came += data
            if conn.moved > _PIECE and self._is_full():
                self._leave(conn, _crowded())
            else:
                self._advance(conn)

    def _advance(self, conn: Connection) -> None:
        try:
            if not conn.is_whole(self.cfg):
                return
        except Exception as error:  # noqa: BLE001 - it is logged, and the client is told
            conn.leaves[:] = self._failure(error)
            self._leave(conn)
            return
        if conn.streams:
            self._watch(conn, 0)
        conn.become(_BUSY)
        self.enqueue_req(conn)

    def _go_on(self, conn: Connection) -> None:
        if not conn.keeps:
            self._leave(conn)
            return
        conn.begin(_ASKING if conn.came else _IDLE)
        self._watch(conn, selectors.EVENT_READ)
        if conn.came:
            self._advance(conn)

    def _leave(self, conn: Connection, problem: ProblemError | None = None) -> None:
        """Send what can be sent, and close once the client has had time to read it."""
        if problem is not None:
            conn.leaves[:] = _answer_of(problem)
        try:
            conn.sock.setblocking(False)
            conn.flush()
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(conn)
            return
        conn.came.clear()
        conn.leaves.clear()
        conn.become(_LEAVING)
        self._watch(conn, selectors.EVENT_READ)

    def _drop(self, conn: Connection) -> None:
        self._watch(conn, 0)
        conn.sock.close()
        self.connections.pop(conn, None)
        self.nr_conns = len(self.connections)

    def _expire(self, conn: Connection) -> None:
        if conn.state == _ASKING and conn.moved:
            self._leave(conn, _slow())
        else:
            self._drop(conn)

    def _displace(self, client: Any) -> None:
        """Part with the slowest where an address, or all together, have too many."""
        crowd = [conn for conn in self.connections if conn.state != _BUSY]
        if len(self.connections) < self.worker_connections - 1:
            allowed, networks = self.cfg.forwarded_allow_ips, self.cfg.forwarded_allow_networks()
            # Proxies, and who comes by a unix socket, speak for many.
            if not client or _ip_in_allow_list(client[0], allowed, networks):
                return
            own = (conn for conn in crowd if conn.client[:1] == client[:1])
            crowd = [conn for conn in own if conn.state == _ASKING]
            if len(crowd) < self._per_address:
                return
        slowest = min(crowd, key=lambda conn: conn.since, default=None)
        if slowest and time.monotonic() > slowest.since + _PATIENCE_SECONDS:
            self._expire(slowest)

    def _is_full(self) -> bool:
        kept = sum(len(conn.came) + len(conn.leaves) for conn in self.connections)
        return kept > _MOST_KEPT

    def _watch(self, conn: Connection, events: int) -> None:
        if events and events != conn.watched:
            change = self.poller.modify if conn.watched else self.poller.register
            change(conn.sock, events, partial(self._ready, conn))
        elif conn.watched and not events:
            self.poller.unregister(conn.sock)
        conn.watched = events


def _crowded() -> ProblemError:
    headers = {"Retry-After": "1"}
    return ProblemError(503, "Too many large requests at once. Try again.", headers=headers)


def _slow() -> ProblemError:
    return ProblemError(408, f"The request did not come within {_SECONDS:.0f} s, or too slowly.")


def _answer_of(problem: ProblemError) -> bytes:
    """Make a whole answer to a client that has not come as far as the app."""
    body = orjson.dumps(problem.document())
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **problem.headers}
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
