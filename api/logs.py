"""Logs as lines of JSON: one a request, nothing personal in any."""

from __future__ import annotations

import logging
import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request

from api.settings import Settings

logger = logging.getLogger("api.request")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def formatter() -> logging.Formatter:
    """Write what anybody logs as a line of JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.CallsiteParameterAdder(
            {structlog.processors.CallsiteParameter.PROCESS}
        ),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )


def init_app(app: Flask, settings: Settings) -> None:
    """Give each request an id, and log each answer in one line."""
    logging.getLogger("api").setLevel(settings.log_level)

    @app.before_request
    def begin() -> None:
        g.arrived = time.perf_counter()
        sent = request.headers.get("X-Request-ID", "")
        g.request_id = sent if _ID.fullmatch(sent) else secrets.token_hex(8)

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        logger.info(
            "answered",
            extra={
                "request_id": g.request_id,
                "method": request.method,
                # Never the path itself, which may hold an applicant's number.
                "route": request.url_rule.rule if request.url_rule else "unknown",
                "status": response.status_code,
                "milliseconds": round((time.perf_counter() - g.arrived) * 1e3, 2),
                "caller": g.client.id if "client" in g else None,
            },
        )
        return response
