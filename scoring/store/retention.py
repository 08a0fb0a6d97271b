"""What is kept no longer than it has to be."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from scoring.store.errors import StoreError
from scoring.store.schema import (
    events,
    outcome_history,
    outcomes,
    overrides,
    predictions,
    reads,
    shadows,
)

# Logs of automatic decisions are kept for half a year at least (Regulation (EU) 2024/1689,
# Article 26(6)).
LEAST = timedelta(days=183)
# Between two pieces those who record decisions get their turn.
PAUSE_SECONDS = 0.05

_PIECE = 500
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


def purge_events(connection: Connection, before: datetime) -> dict[str, int]:
    """Delete events, and who looked at what, of before a time; how many, by table."""
    return {
        table.name: connection.execute(delete(table).where(table.c.at < before)).rowcount
        for table in (events, reads)
    }


def purge_predictions(connection: Connection, before: datetime) -> dict[str, int]:
    """Delete some decisions of before a time with all that hangs on them.

    Returns
    -------
    dict of str to int
        How many rows were deleted, by table; no predictions once there are no more.
    """
    oldest = select(predictions.c.id).where(predictions.c.at < before).order_by(predictions.c.at)
    some = predictions.c.id.in_(connection.execute(oldest.limit(_PIECE)).scalars().all())
    # Locked, so that nobody overrides one of them meanwhile; in the order of all who lock them.
    locked = select(predictions.c.id).where(some).order_by(predictions.c.id).with_for_update()
    old = connection.execute(locked).scalars().all()
    counts = {}
    for table in _HANGING_ON:
        gone = connection.execute(delete(table).where(table.c.prediction_id.in_(old)))
        counts[table.name] = gone.rowcount
    gone = connection.execute(delete(predictions).where(predictions.c.id.in_(old)))
    return {**counts, predictions.name: gone.rowcount}
