"""What is kept no longer than it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, select, union

from scoring.store.errors import StoreError
from scoring.store.schema import (
    alerts,
    applicants,
    archives,
    events,
    outcome_history,
    outcomes,
    overrides,
    policies,
    predictions,
    reads,
    reports,
    shadows,
)

# Logs of automatic decisions are kept for half a year at least (Regulation (EU) 2024/1689,
# Article 26(6)).
LEAST = timedelta(days=183)
# Between two pieces those who record decisions get their turn.
PAUSE_SECONDS = 0.05

PIECE = 500
_WEEK = timedelta(days=7)
_HANGING_ON = (shadows, overrides, outcome_history, outcomes)


def limit(older_than: timedelta, now: datetime) -> datetime:
    """The time before which everything goes.

    Raises
    ------
    StoreError
        If it has to be kept for longer.
    """
    if older_than < LEAST:
        days = older_than / timedelta(days=1)
        raise StoreError(f"decisions are kept for {LEAST.days} days at least, not {days:g}")
    return now - older_than


def check_clock(connection: Connection, clock: datetime, before: datetime) -> None:
    """See that records bear the clock out: to one that jumps forward everything looks old.

    Where something was recorded between one and two weeks ago, the clock has not jumped lately by
    more than that.

    Raises
    ------
    StoreError
        If decisions would be deleted, and nothing was.
    """
    oldest = connection.execute(select(func.min(predictions.c.at))).scalar()
    if oldest is None or oldest >= before:
        return
    since, until = clock - 2 * _WEEK, clock - _WEEK
    for column in (predictions.c.at, events.c.at):
        seen = select(column).where(column >= since, column <= until).limit(1)
        if connection.execute(seen).first() is not None:
            return
    raise StoreError(
        f"nothing was recorded between {since:%Y-%m-%d} and {until:%Y-%m-%d}, so the clock, which "
        f"says {clock:%Y-%m-%d %H:%M}, may have jumped, and young decisions would be deleted: look "
        "at it, and say what time it is with --now if nobody has asked then"
    )


def purge_rest(connection: Connection, before: datetime) -> dict[str, int]:
    """Delete events, looks at records, closed alerts, reports and policies that are over.

    How many of each is returned, by table.

    Of each role the model that was loaded last stays on record: it may still serve.
    """
    in_force = select(func.max(policies.c.number)).scalar_subquery()
    old = {
        events: and_(events.c.at < before, events.c.number.not_in(_loaded_last(events.c.number))),
        alerts: alerts.c.closed_at < before,
        reads: reads.c.at < before,
        reports: reports.c.at < before,
        policies: and_(policies.c.at < before, policies.c.number < in_force),
    }
    return {
        table.name: connection.execute(delete(table).where(where)).rowcount
        for table, where in old.items()
    }


def _loaded_last(column: ColumnElement[Any]) -> Select[Any]:
    last = select(func.max(events.c.number)).where(events.c.kind == "loaded").group_by(
        events.c.role
    )  # fmt: skip
    return select(column).where(events.c.number.in_(last))


def purge_archives(connection: Connection, before: datetime) -> dict[str, int]:
    """Delete models that were archived before a time, and that no decision names any more."""
    named = union(
        select(predictions.c.model_digest),
        select(shadows.c.model_digest),
        _loaded_last(events.c.model_digest).where(events.c.model_digest.is_not(None)),
    )
    old = and_(archives.c.archived_at < before, archives.c.digest.not_in(named))
    return {archives.name: connection.execute(delete(archives).where(old)).rowcount}


def old_applicants(connection: Connection, before: datetime) -> Sequence[str]:
    """Those who were materialised before a time, and on whom no decision is on record."""
    decided = select(predictions.c.id).where(predictions.c.applicant == applicants.c.applicant)
    old = and_(applicants.c.materialized_at < before, ~decided.exists())
    return connection.execute(select(applicants.c.applicant).where(old)).scalars().all()


def purge_applicants(
    connection: Connection, names: Sequence[str], before: datetime
) -> dict[str, int]:
    """Delete some applicants, unless they were materialised again."""
    old = and_(applicants.c.applicant.in_(names), applicants.c.materialized_at < before)
    return {applicants.name: connection.execute(delete(applicants).where(old)).rowcount}


def purge_predictions(connection: Connection, before: datetime) -> dict[str, int]:
    """Delete some decisions of before a time with all that hangs on them.

    Returns
    -------
    dict of str to int
        How many rows were deleted, by table; no predictions once there are no more.
    """
    oldest = select(predictions.c.id).where(predictions.c.at < before).order_by(predictions.c.at)
    some = predictions.c.id.in_(connection.execute(oldest.limit(PIECE)).scalars().all())
    # Locked, so that nobody overrides one of them meanwhile; in the order of all who lock them.
    locked = select(predictions.c.id).where(some).order_by(predictions.c.id).with_for_update()
    old = connection.execute(locked).scalars().all()
    counts = {}
    for table in _HANGING_ON:
        gone = connection.execute(delete(table).where(table.c.prediction_id.in_(old)))
        counts[table.name] = gone.rowcount
    gone = connection.execute(delete(predictions).where(predictions.c.id.in_(old)))
    return {**counts, predictions.name: gone.rowcount}
