"""What is kept no longer than it has to be."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, select, union

from scoring.store.database import Repository
from scoring.store.deadlines import LONG_SECONDS, PAUSE_SECONDS
from scoring.store.engine import chunks
from scoring.store.errors import StoreError
from scoring.store.schema import (
    HANGING_ON,
    alerts,
    applicants,
    archives,
    events,
    policies,
    predictions,
    reads,
    reports,
    reviews,
    shadows,
)

# Logs of automatic decisions are kept for half a year at least (Regulation (EU) 2024/1689,
# Article 26(6)).
LEAST = timedelta(days=183)

_PIECE = 500
_WEEK = timedelta(days=7)


class Retention(Repository):
    """What is deleted once it is old."""

    def purge(self, older_than: timedelta, now: datetime | None = None) -> dict[str, int]:
        """Delete what is of before a time: decisions and what hangs on them, applicants, models
        that no decision names, events, alerts, reports, and who set policies that are over.

        A decision stays while its applicant waits for a review. It is done in pieces, between
        which decisions are recorded; interrupted, it can be started again.

        Parameters
        ----------
        older_than
            How long everything is kept.
        now
            What time it is; by default what the clock says, if records bear it out.

        Returns
        -------
        dict
            How many rows were deleted, by table.

        Raises
        ------
        StoreError
            If the law has them kept for longer, or the clock may be wrong.
        """
        if older_than < LEAST:
            days = older_than / timedelta(days=1)
            raise StoreError(f"decisions are kept for {LEAST.days} days at least, not {days:g}")
        clock = now or datetime.now(UTC)
        before = clock - older_than
        if now is None:
            with self._database.reading() as connection:
                _check_clock(connection, clock, before)
        counts = Counter(self._delete(_old_notes(before)))
        counts.update(self._purge_decisions(before))
        counts.update(self._purge_applicants(before))
        counts.update(self._delete({archives: _unused(before)}))
        self._database.overwrite_deleted()
        return dict(counts)

    def _delete(self, old: dict[Table, ColumnElement[bool]]) -> dict[str, int]:
        with self._database.writing(LONG_SECONDS) as connection:
            return {
                table.name: connection.execute(delete(table).where(where)).rowcount
                for table, where in old.items()
            }

    def _purge_decisions(self, before: datetime) -> Counter[str]:
        counts = Counter[str]()
        while True:
            with self._database.writing(LONG_SECONDS) as connection:
                some = _purge_some_decisions(connection, before)
            counts.update(some)
            if not some["predictions"]:
                return counts
            time.sleep(PAUSE_SECONDS)

    def _purge_applicants(self, before: datetime) -> Counter[str]:
        """Delete those who were materialised before a time, and on whom no decision is left."""
        decided = select(predictions.c.id).where(predictions.c.applicant == applicants.c.applicant)
        old = applicants.c.materialized_at < before
        query = select(applicants.c.applicant).where(old, ~decided.exists())
        names = [row.applicant for row in self._rows(query, LONG_SECONDS)]
        counts = Counter({applicants.name: 0})
        for some in chunks(names):
            # They may have been materialised again meanwhile.
            counts.update(self._delete({applicants: and_(applicants.c.applicant.in_(some), old)}))
            time.sleep(PAUSE_SECONDS)
        return counts


def _check_clock(connection: Connection, clock: datetime, before: datetime) -> None:
    """See that records bear the clock out: to one that jumps forward everything looks old.

    Where something was recorded between one and two weeks ago, the clock has not jumped lately by
    more than that. Raises StoreError if decisions would be deleted, and nothing was.
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


def _old_notes(before: datetime) -> dict[Table, ColumnElement[bool]]:
    """Of events, looks at records, closed alerts, reports and policies those that are over.

    Of each role the model that was loaded last stays on record: it may still serve.
    """
    in_force = select(func.max(policies.c.number)).scalar_subquery()
    explored = select(predictions.c.policy).where(predictions.c.policy.is_not(None))
    return {
        events: and_(events.c.at < before, events.c.number.not_in(_loaded_last(events.c.number))),
        alerts: alerts.c.closed_at < before,
        reads: reads.c.at < before,
        reports: reports.c.at < before,
        policies: and_(
            policies.c.at < before,
            policies.c.number < in_force,
            policies.c.number.not_in(explored),
        ),
    }


def _loaded_last(column: ColumnElement[Any]) -> Select[Any]:
    last = select(func.max(events.c.number)).where(events.c.kind == "loaded").group_by(
        events.c.role
    )  # fmt: skip
    return select(column).where(events.c.number.in_(last))


def _unused(before: datetime) -> ColumnElement[bool]:
    """Whether a model was archived before a time, and no decision names it any more."""
    named = union(
        select(predictions.c.model_digest),
        select(shadows.c.model_digest),
        _loaded_last(events.c.model_digest).where(events.c.model_digest.is_not(None)),
    )
    return and_(archives.c.archived_at < before, archives.c.digest.not_in(named))


def _purge_some_decisions(connection: Connection, before: datetime) -> dict[str, int]:
    """Delete some decisions of before a time with all that hangs on them; rows by table."""
    contested = select(reviews.c.id).where(
        reviews.c.prediction_id == predictions.c.id, reviews.c.decided_at.is_(None)
    )
    old_enough = and_(predictions.c.at < before, ~contested.exists())
    oldest = select(predictions.c.id).where(old_enough).order_by(predictions.c.at)
    some = predictions.c.id.in_(connection.execute(oldest.limit(_PIECE)).scalars().all())
    # Locked, so that nobody overrides one of them meanwhile; in the order of all who lock them.
    locked = select(predictions.c.id).where(some).order_by(predictions.c.id).with_for_update()
    old = connection.execute(locked).scalars().all()
    counts = {}
    for table in HANGING_ON:
        gone = connection.execute(delete(table).where(table.c.prediction_id.in_(old)))
        counts[table.name] = gone.rowcount
    gone = connection.execute(delete(predictions).where(predictions.c.id.in_(old)))
    return {**counts, predictions.name: gone.rowcount}
