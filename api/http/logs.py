"""Logs as lines of JSON: one a request, nothing personal in any."""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from flask import Flask, Response, g, has_request_context, request

from api.settings import Settings

if TYPE_CHECKING:
    from scoring.store import Pseudonyms

logger = logging.getLogger("api.request")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Numbers of applicants have six digits, and amounts of money mostly have five or more.
# A port after its host and what is called one, a process or a version is nobody's: of five digits,
# they are left.
_LONG_NUMBER = re.compile(
    r"(?P<left>(?:(?://[\w-]*[a-z.][\w.-]*|\blocalhost|\b\d+(?:\.\d+){3}|\]):"
    r"|\b(?:port|pid|process|version)(?:=|:? ))\d{5}(?![\w@]|\.\d))"
    r"|(?<![\w.])\d{5,}(?:\.\d+)?(?!\w)",
    re.IGNORECASE,
)
# What records have of themselves, and what other formatters leave on them.
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
# What follows these words of gunicorn is the address, a header or a line that somebody sent.
_TELLS = ("Invalid request", "Error handling request")


class JsonFormatter(logging.Formatter):
    """Writes a record as a line of JSON.

    A record made while a request is answered has its `request_id`; what is given as `extra` are
    fields of the line, and a traceback is its field `exception`. Long numbers in words that are
    not gunicorn's own are masked, for an error's text may quote what was sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Make the line, without its end."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "event": _event(record),
        }
        if has_request_context() and "request_id" in g:
            line["request_id"] = g.request_id
        line |= {name: value for name, value in record.__dict__.items() if name not in _USUAL}
        if record.exc_info:
            line["exception"] = _masked(self.formatException(record.exc_info))
        try:
            return orjson.dumps(line, default=str).decode()
        except orjson.JSONEncodeError:
            # Names of files may hold what is no Unicode.
            return json.dumps(line, default=str)


def init_app(app: Flask, settings: Settings) -> None:
    """Give each request an id, and log each answer in one line."""
    logging.getLogger("api").setLevel(settings.log_level)
    # Gunicorn's first process, which formats lines too, must not load Polars.
    from scoring.store import Pseudonyms

    pseudonyms = Pseudonyms(settings.pseudonym_key)
    app.before_request(lambda: _begin(pseudonyms))
    app.after_request(_end)


def asked() -> tuple[str, str]:
    """Tell the method and route template of the current request.

    Never the path itself, which may hold an applicant's number; there are few of either.
    """
    method = request.method if request.method in _METHODS else "other"
    return method, request.url_rule.rule if request.url_rule else "unknown"


def _begin(pseudonyms: Pseudonyms) -> None:
    g.arrived = time.perf_counter()
    sent = request.headers.get("X-Request-ID", "")
    g.answered_id = sent if _ID.fullmatch(sent) else secrets.token_hex(8)
    # What callers write may name an applicant.
    g.request_id = pseudonyms.concealed(sent) if g.answered_id == sent else g.answered_id


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.answered_id
    method, route = asked()
    logger.info(
        "answered",
        extra={
            "method": method,
            "route": route,
            "status": response.status_code,
            "milliseconds": round((time.perf_counter() - g.arrived) * 1e3, 2),
            "caller": g.client.id if "client" in g else None,
        },
    )
    return response


def _event(record: logging.LogRecord) -> str:
    if not record.name.startswith("gunicorn"):
        return _masked(record.getMessage())
    for beginning in _TELLS:
        if str(record.msg).startswith(beginning):
            kind = sys.exc_info()[0]
            return f"{beginning}: {kind.__name__}" if kind else beginning
    return record.getMessage()


def _masked(text: str) -> str:
    return _LONG_NUMBER.sub(lambda number: number["left"] or "#", text)
