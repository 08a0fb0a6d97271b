"""Real servers that alerts are sent to: one takes e-mails, one takes what is posted."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

with warnings.catch_warnings():
    # Python 3.12 has neither any more.
    warnings.simplefilter("ignore", DeprecationWarning)
    import asyncore
    import smtpd


@dataclass
class Mailbox:
    """What a mail server was sent, and where it listens."""

    port: int = 0
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)


@contextmanager
def mail_server(refusal: str | None = None) -> Iterator[Mailbox]:
    """A mail server on a free port; with a refusal it takes nothing."""
    box, sockets = Mailbox(), cast("dict[Any, Any]", {})

    class Server(smtpd.SMTPServer):
        def process_message(
            self, peer: Any, sender: str, recipients: list[str], data: bytes, **options: Any
        ) -> str | None:
            del peer, options
            box.envelopes.append((sender, recipients))
            parsed = email.message_from_bytes(data, policy=email.policy.default)
            box.messages.append(cast("EmailMessage", parsed))
            return refusal

    server = Server(("127.0.0.1", 0), None, map=sockets)
    box.port = server.socket.getsockname()[1]
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            asyncore.loop(timeout=0.02, map=sockets, count=1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield box
    finally:
        ended.set()
        thread.join()
        asyncore.close_all(sockets)


@dataclass
class Hook:
    """What a webhook was sent, and its address."""

    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)


@contextmanager
def web_server(status: int = 200) -> Iterator[Hook]:
    """A web server on a free port that answers every POST with a status."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            hook.bodies.append(json.loads(self.rfile.read(length)))
            hook.types.append(self.headers["Content-Type"])
            self.send_response(status)
            self.end_headers()

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/services/T0/B0/secret"
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def dripping(begin: bytes, pause: float = 0.05) -> Iterator[str]:
    """A server that accepts, and answers a byte at a time without an end."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(16) as pool:

        def drip(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.sendall(begin)
                while not done.wait(pause):
                    connection.sendall(b"x")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    pool.submit(drip, listening.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            done.set()
            listening.shutdown(socket.SHUT_RDWR)
