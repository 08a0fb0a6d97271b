"""How often one caller may ask."""

from __future__ import annotations

import math
import time
from typing import cast

from flask import Flask, current_app
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from api.problems import ProblemError
from api.settings import Settings, SettingsError


class Limiter:
    """Counts what callers ask for, each worker its share of the limit.

    Raises
    ------
    SettingsError
        If the limit cannot be understood.
    """

    def __init__(self, limit: str, workers: int) -> None:
        self._limit = limit
        self._item = _share(limit, workers)
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())

    def spend(self, caller: str) -> None:
        """Count one request of a caller.

        Raises
        ------
        ProblemError
            429 if it is one too many.
        """
        if not self._window.hit(self._item, caller):
            reset = self._window.get_window_stats(self._item, caller).reset_time
            seconds = max(1, math.ceil(reset - time.time()))
            raise ProblemError(
                429,
                f"Too many requests: at most {self._limit}. Try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )


def init_app(app: Flask, settings: Settings) -> None:
    """Prepare the counting; `api.access` counts where it lets callers in."""
    app.extensions["limiter"] = Limiter(settings.rate_limit, settings.workers)


def spend(caller: str) -> None:
    """Count one request of a caller of the current app."""
    cast("Limiter", current_app.extensions["limiter"]).spend(caller)


def _share(text: str, workers: int) -> RateLimitItem:
    try:
        item = parse(text)
    except ValueError as error:
        raise SettingsError(f"RATE_LIMIT must be like 600/minute, not {text!r}") from error
    return type(item)(max(1, item.amount // workers), item.multiples, item.namespace)
