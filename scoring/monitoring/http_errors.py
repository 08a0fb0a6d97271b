"""Answers with a status of 500 or more, which leave no decision: from the service's counters."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

from scoring.errors import ScoringError

# Where the number stands in a report that the next look reads.
COUNTED = "failed_answers_counted"

_SECONDS = 10.0
_COUNTER = re.compile(r'^scoring_requests_total\{[^}]*status="5\d\d"[^}]*\} (\S+)$', re.MULTILINE)


class CounterError(ScoringError):
    """The service's counters cannot be read."""


def counted(address: str, key: str | None = None) -> int:
    """Count the answers with a status of 500 or more, of all workers since the service started.

    The address is that of the service's figures for Prometheus, http://HOST:PORT/metrics, and the
    key an API key with the scope admin.

    Raises
    ------
    CounterError
        If there is no answer, or another one than these figures.
    """
    if not address.startswith(("http://", "https://")):
        raise CounterError(f"--metrics takes http://HOST:PORT/metrics, not {address!r}")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            text = answer.read().decode()
    except (urllib.error.URLError, OSError, UnicodeDecodeError) as error:
        raise CounterError(
            f"{address} does not tell the service's figures: {error}; is it running, and is "
            "MONITOR_API_KEY a key with the scope admin?"
        ) from error
    if "scoring_requests" not in text:
        raise CounterError(f"{address} is not the scoring service's /metrics")
    return round(sum(float(value) for value in _COUNTER.findall(text)))


def since_last(number: int, report: Path) -> int:
    """Return how many were counted since an earlier report in JSON; all without such a report.

    A smaller number than the last one is that of a service that started anew.
    """
    try:
        last = int(json.loads(report.read_text(encoding="utf-8"))[COUNTED])
    except (OSError, ValueError, KeyError, TypeError):
        return number
    return number - last if number >= last else number
