"""How often one caller may ask."""

import math
import re
import time
from collections import OrderedDict, deque
from threading import Lock
from typing import cast

from flask import Flask, current_app

from api.http.problems import ProblemError
from api.settings import Settings, SettingsError

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_FORM = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(_SECONDS)})")
# Callers without a key are told apart by address, of which one machine may have very many.
_MOST_CALLERS = 10_000


class Limiter:
    """Counts what callers ask for in a moving window, each worker its share of the limit.

    The times of a caller's requests are kept for as long as they count. The `limits` package would
    start a thread for nearly every request to let go of them, which costs more than all else that
    is done around a request.

    Raises SettingsError if the limit, which the variable `name` sets, is not like "600/minute".
    """

    def __init__(self, limit: str, workers: int, name: str = "RATE_LIMIT") -> None:
        form = _FORM.fullmatch(limit)
        if form is None:
            raise SettingsError(
                f"{name} must be like 600/minute, per {', '.join(_SECONDS)}, not {limit!r}"
            )
        self._window = _SECONDS[form[2]]
        self._most = max(1, int(form[1]) // workers)
        self._limit = limit
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def spend(self, caller: str) -> None:
        """Count one request of a caller; refuse one too many, uncounted (ProblemError 429)."""
        with self._lock:
            now = time.monotonic()
            times = self._of(caller)
            while times and times[0] <= now - self._window:
                times.popleft()
            if len(times) < self._most:
                times.append(now)
                return
            seconds = math.ceil(times[0] + self._window - now)
        raise ProblemError(
            429,
            f"Too many requests: at most {self._limit}. Try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )

    def _of(self, caller: str) -> deque[float]:
        times = self._times.get(caller)
        if times is None:
            times = self._times[caller] = deque()
            if len(self._times) > _MOST_CALLERS:
                self._times.popitem(last=False)
        else:
            self._times.move_to_end(caller)
        return times


def init_app(app: Flask, settings: Settings) -> None:
    """Prepare the counting; `api.http.access` counts where it lets callers in."""
    app.extensions["limiter"] = Limiter(settings.rate_limit, settings.workers)
    app.extensions["what_if_limiter"] = Limiter(
        settings.what_if_limit, settings.workers, "WHAT_IF_LIMIT"
    )


def spend(caller: str, limiter: str = "limiter") -> None:
    """Count one request of a caller of the current app, as `Limiter.spend` does."""
    cast("Limiter", current_app.extensions[limiter]).spend(caller)
