"""Headers that keep browsers from doing what nobody meant."""

import re
from collections.abc import Collection
from functools import partial

from flask import Flask, Response, request

_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_POLICY = "Content-Security-Policy"
# Answers are read by programs: a browser that shows one has nothing to load for it.
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# The documentation's page has inline scripts and styles, all of them our own.
_DOCUMENTATION = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'"
)
# A page to read or print has its styles and pictures in itself, and no script.
_REPORT = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_DOCUMENTATION_PATH = "/docs/"
_PAGE = re.compile("/monitoring/report|/predictions/[^/]+/notice")
# What pages of other origins that are named may send and read; never with a browser's cookies.
_SHARED = {
    "Access-Control-Allow-Methods": "GET, POST, PUT",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, "
    "X-API-Key, X-Request-ID",
    "Access-Control-Expose-Headers": "ETag, Retry-After, X-Request-ID",
    "Access-Control-Max-Age": "600",
}
_YEAR = 365 * 24 * 3600


def init_app(app: Flask, origins: Collection[str] = ()) -> None:
    """Send the headers with every answer; let browsers give it to pages of some other origins."""
    app.after_request(_add)
    if origins:
        app.after_request(partial(_share, origins))


def _add(response: Response) -> Response:
    headers = response.headers
    for name, value in _ALWAYS:
        headers.add(name, value)
    headers.add(_POLICY, _policy(request.path))
    # The files of the documentation's page say themselves how long they keep.
    headers.setdefault("Cache-Control", "no-store")
    # A proxy that ends HTTPS has to be named for that.
    if request.is_secure:
        headers.add("Strict-Transport-Security", f"max-age={_YEAR}")
    return response


def _share(origins: Collection[str], response: Response) -> Response:
    response.vary.add("Origin")
    if request.origin in origins:
        response.headers.update({"Access-Control-Allow-Origin": request.origin, **_SHARED})
    return response


def _policy(path: str) -> str:
    if path.startswith(_DOCUMENTATION_PATH):
        return _DOCUMENTATION
    return _REPORT if _PAGE.fullmatch(path) else _NOTHING
