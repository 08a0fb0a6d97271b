"""One look at what the service recorded: findings for every model that answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np

from scoring.errors import ScoringError
from scoring.evaluation.comparison import compare
from scoring.monitoring.findings import Findings, Performance, Quality, Service, Window
from scoring.monitoring.performance import estimate, performance
from scoring.monitoring.replay import kept_model
from scoring.monitoring.window import SAMPLE, profile, quality, sample
from scoring.serving.scorer import Scorer
from scoring.store import Headlines, Settled, Store


class MonitorError(ScoringError):
    """A window cannot be looked at."""


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


def _service(store: Store, lines: Headlines, since: datetime, until: datetime) -> Service:
    events = store.models.count_events(since, until)
    if not lines.ids.size:
        return Service(0, float("nan"), float("nan"), events)
    median, p99 = np.quantile(lines.milliseconds, [0.5, 0.99])
    return Service(lines.ids.size, float(median), float(p99), events)


def _findings(
    store: Store, own: Headlines, window: Window, service: Service, size: int, seed: int
) -> Findings:
    digest = own.digests[0].decode()
    scorer = kept_model(store, digest)
    if scorer is None:
        return Findings(window, "?", digest, own.ids.size, Quality(0), service)
    refused = own.decisions == b"refuse"
    some = sample(store, own, scorer, size, seed)
    reference = scorer.profile
    counted = profile(reference, own, some) if reference else None
    return Findings(
        window=window,
        model_version=scorer.version,
        model_digest=digest,
        applicants=own.ids.size,
        quality=quality(store, scorer, some, counted) if counted else Quality(len(some.ids)),
        service=service,
        comparison=compare(reference, counted) if reference and counted else None,
        performance=_performance(store, scorer, digest, window, seed),
        estimate=estimate(own.pds, refused, scorer.costs, seed),
    )


def _performance(
    store: Store, scorer: Scorer, digest: str, window: Window, seed: int
) -> Performance | None:
    lately = store.windows.settled(digest, window.since, window.until)
    ever = Settled.joined([store.windows.settled(digest, None, window.since), lately])
    return performance(
        scorer, lately, ever, seed, store.windows.decided_by_month(digest, window.until)
    )
