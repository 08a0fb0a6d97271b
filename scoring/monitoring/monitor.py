"""One look at what the service recorded and counted: findings for every model that answered."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from scoring.errors import ScoringError
from scoring.evaluation.comparison import compare
from scoring.monitoring.everybody import everybody
from scoring.monitoring.findings import Findings, Quality, Service, Window
from scoring.monitoring.performance import estimate, performance
from scoring.monitoring.replay import kept_model
from scoring.monitoring.window import SAMPLE, profile, quality, sample
from scoring.store import Headlines, Settled, Store

# Where the number stands in a report that the next look reads.
COUNTED = "failed_answers_counted"

_SECONDS = 10.0
_COUNTER = re.compile(r'^scoring_requests_total\{[^}]*status="5\d\d"[^}]*\} (\S+)$', re.MULTILINE)


class MonitorError(ScoringError):
    """A window cannot be looked at."""


class CounterError(ScoringError):
    """The service's counters cannot be read."""


def look(
    store: Store,
    since: datetime,
    until: datetime,
    size: int = SAMPLE,
    seed: int = 0,
    errors: int | None = None,
) -> list[Findings]:
    """Collect the figures on the decisions of a window, model by model.

    Parameters
    ----------
    since, until : datetime
        The window; aware of their zone.
    size, seed : int
        How many decisions of a model are looked at in every feature, at most; of their draw.
    errors : int, optional
        Answers with a status of 500 or more, which the store knows nothing of.

    Returns
    -------
    list of Findings
        Of each model that answered, the one with the most decisions first; of no model, version
        "none", if nobody was decided on.

    Raises
    ------
    MonitorError
        If the window is empty or turned round.
    StoreError
        If the store cannot be used.
    """
    if since >= until:
        raise MonitorError(f"the window ends at {until} before it begins at {since}")
    window, lines = Window(since, until), store.windows.headlines(since, until)
    service = replace(_service(store, lines, since, until), errors=errors)
    if not lines.ids.size:
        return [Findings(window, "none", "", 0, Quality(0), service)]
    digests, counts = np.unique(lines.digests, return_counts=True)
    return [
        _findings(store, lines.of_model(digests[place].decode()), window, service, size, seed)
        for place in np.argsort(-counts, kind="stable")
    ]


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


def _service(store: Store, lines: Headlines, since: datetime, until: datetime) -> Service:
    median, p99 = float("nan"), float("nan")
    if lines.ids.size:
        median, p99 = map(float, np.quantile(lines.milliseconds, [0.5, 0.99]))
    events, reviews = store.models.count_events(since, until), store.reviews.count(since, until)
    return Service(lines.ids.size, median, p99, events, reviews=reviews)


def _findings(
    store: Store, own: Headlines, window: Window, service: Service, size: int, seed: int
) -> Findings:
    digest = own.digests[0].decode()
    scorer = kept_model(store, digest)
    if scorer is None:
        return Findings(window, "?", digest, own.ids.size, Quality(0), service)
    # Whom the model refused and exploration accepted counts as refused: the model's mix is judged.
    drawn = (own.decisions == b"accept") & (own.pds > scorer.cutoff)
    own = replace(own, decisions=np.where(drawn, b"refuse", own.decisions))
    some = sample(store, own, scorer, size, seed)
    reference = scorer.profile
    counted = profile(reference, own, some) if reference else None
    lately = store.windows.settled(digest, window.since, window.until)
    ever = Settled.joined([store.windows.settled(digest, None, window.since), lately])
    decided = store.windows.decided_by_month(digest, window.until)
    chances = store.windows.chances(None, window.until, window.until, digest)
    along = store.windows.shadowed([number.decode() for number in chances.ids])
    return Findings(
        window=window,
        model_version=scorer.version,
        model_digest=digest,
        applicants=own.ids.size,
        quality=quality(store, scorer, some, counted) if counted else Quality(len(some.ids)),
        service=service,
        comparison=compare(reference, counted) if reference and counted else None,
        performance=performance(scorer, lately, ever, seed, decided),
        estimate=estimate(own.pds, own.decisions == b"refuse", scorer.costs, seed),
        everybody=everybody(chances, along, scorer.cutoff, scorer.costs),
    )
