"""Who may ask what: API keys with scopes."""

import hashlib
import re
import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar, cast

from flask import Flask, current_app, g, request

from api.http import limits
from api.http.problems import ProblemError
from api.settings import Settings, is_loopback
from scoring.store import SCOPES, ApiKey, Scope, Store

P = ParamSpec("P")
T = TypeVar("T")

# So long a key that was verified is trusted: a revocation takes effect within that time.
TRUST_SECONDS = 5.0
_MOST_TRUSTED = 1_000
_LONGEST_KEY = 200
# A web page may have its own name resolved to this machine, but not send another name for it.
_LOCAL_HOST = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_FORWARDED = (
    "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP",
)  # fmt: skip


# Somebody on the same machine, without a key.
_LOOPBACK = ApiKey("loopback", "loopback", frozenset(SCOPES), datetime.min)


class Gate:
    """Verifies keys, and remembers for some seconds those that were right."""

    def __init__(self, store: Store, *, require_keys: bool) -> None:
        self._store = store
        self._require_keys = require_keys
        self._trusted: dict[str, tuple[float, ApiKey]] = {}
        self._lock = Lock()

    def client(self) -> ApiKey:
        """Tell who makes the current request.

        Raises ProblemError 401 without a valid key where one is needed, 429 if that happens too
        often, and StoreError if a key cannot be looked up.
        """
        text = _sent_key()
        if text is None:
            if self._require_keys or not _is_local():
                raise _unauthorized("Send an API key: Authorization: Bearer cs_..., or X-API-Key.")
            return _LOOPBACK
        key = self._verified(text)
        if key is None:
            raise _unauthorized("This API key is not valid: it may be mistyped, or revoked.")
        return key

    def _verified(self, text: str) -> ApiKey | None:
        # The key itself does not stay in memory.
        digest = hashlib.sha256(text.encode()).hexdigest()
        until, known = self._trusted.get(digest, (0.0, None))
        if known is not None and until > time.monotonic():
            return known
        key = self._store.keys.verify(text)
        with self._lock:
            self._trusted.pop(digest, None)
            if key is not None:
                if len(self._trusted) >= _MOST_TRUSTED:
                    self._trusted.clear()
                self._trusted[digest] = (time.monotonic() + TRUST_SECONDS, key)
        return key


def init_app(app: Flask, settings: Settings, store: Store) -> None:
    """Prepare the verification of keys; without any, answer only who asks for this machine."""
    app.extensions["gate"] = Gate(store, require_keys=settings.require_keys)
    if not settings.require_keys:
        app.before_request(_refuse_other_hosts)


def scope(*names: Scope) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a view be called only by those who have one of some scopes, and only so often.

    A scope stands for itself: an `admin` key does not score unless it has that scope as well.
    """

    def guard(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            client = current_client()
            limits.spend(client.id)
            if client.scopes.isdisjoint(names):
                wanted = " or ".join(map(repr, names))
                raise ProblemError(403, f"This API key has no scope {wanted}.")
            return view(*args, **kwargs)

        return guarded

    return guard


def current_client() -> ApiKey:
    """Tell who makes the current request; ProblemError 401 without a valid key."""
    if "client" not in g:
        g.client = cast("Gate", current_app.extensions["gate"]).client()
    return cast("ApiKey", g.client)


def _is_local() -> bool:
    """Tell whether a process of this machine asks at an address that no other machine reaches.

    gunicorn takes both addresses from the sockets; a unix socket has none.
    """
    sockets = (request.environ.get(name, "") for name in ("SERVER_NAME", "REMOTE_ADDR"))
    return all(map(is_loopback, sockets)) and not any(map(request.environ.get, _FORWARDED))


def _refuse_other_hosts() -> None:
    host = request.environ.get("HTTP_HOST", "localhost")
    if _is_local() and not _LOCAL_HOST.fullmatch(host):
        raise ProblemError(
            421,
            "Without REQUIRE_KEYS=yes only localhost, 127.0.0.1 and [::1] are answered as Host "
            "on loopback.",
        )


def sees_all() -> bool:
    """Tell whether the current client sees what others decided, and applicants' rows."""
    return "read" in current_client().scopes


def may_see(caller: str) -> bool:
    """Tell whether the current client sees what a caller decided."""
    return caller == current_client().id or sees_all()


def _sent_key() -> str | None:
    header = request.headers.get("Authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        if kind.lower() != "bearer":
            raise _unauthorized("Send the API key as Authorization: Bearer cs_...")
        return text.strip()[:_LONGEST_KEY]
    text = request.headers.get("X-API-Key", "").strip()
    return text[:_LONGEST_KEY] or None


def _unauthorized(detail: str) -> ProblemError:
    # Who tries keys is counted too, apart from those who have one.
    limits.spend(f"address {request.remote_addr}")
    return ProblemError(401, detail, headers={"WWW-Authenticate": "Bearer"})
