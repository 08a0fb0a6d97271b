"""What is kept no longer than it has to be."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from scoring.store.errors import StoreError
from scoring.store.schema import (
    events,
    outcome_history,
    outcomes,
    overrides,
    predictions,
    shadows,
)

# Logs of automatic decisions are kept for half a year at least (Regulation (EU) 2024/1689,
# Article 26(6)).
LEAST = timedelta(days=183)


def purge(connection: Connection, older_than: timedelta, now: datetime) -> dict[str, int]:
    """Delete decisions, what came after them, and events, of before a time.

    Returns
    -------
    dict of str to int
        How many rows were deleted, by table.

    Raises
    ------
    StoreError
        If they have to be kept for longer.
    """
    if older_than < LEAST:
        raise StoreError(
            f"decisions are kept for {LEAST.days} days at least, not {older_than.days}"
        )
    limit = now - older_than
    old = select(predictions.c.id).where(predictions.c.at < limit)
    counts = {}
    for table in (shadows, overrides, outcome_history, outcomes):
        gone = table.c.prediction_id.in_(old)
        query = select(func.count()).select_from(table).where(gone)
        counts[table.name] = connection.execute(query).scalar_one()
        connection.execute(delete(table).where(gone))
    for table in (predictions, events):
        counts[table.name] = connection.execute(delete(table).where(table.c.at < limit)).rowcount
    return counts
