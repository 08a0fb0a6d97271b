"""Reviews: applicants contest decisions, and persons decide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, or_, select, update

from scoring.store.database import Repository
from scoring.store.errors import StoreChangedError
from scoring.store.outcomes import add_override, count_overrides, lock_decisions, without_number
from scoring.store.records import Override, Review, ReviewCounts
from scoring.store.schema import predictions, reviews

ReviewState = Literal["open", "overdue", "decided", "all"]

# PostgreSQL fails over texts that hold a NUL.
_ID = re.compile(r"[0-9a-f-]{36}")
_COLUMNS = tuple(reviews.c[name] for name in Review.__dataclass_fields__)
_DECIDED = ("decision", "overturned", "actor", "motive", "decided_at", "decided_by")
_OPEN = reviews.c.decided_at.is_(None)


class Reviews(Repository):
    """The reviews on record."""

    def receive(self, new: Review) -> Review:
        """Record that a decision is contested.

        The applicant's number is not kept in its words.

        Returns
        -------
        Review
            The one that is open: an earlier one where the decision is under review already.
        """
        pseudonyms, own = self._database.pseudonyms, reviews.c.prediction_id == new.prediction_id
        with self._database.writing() as connection:
            lock_decisions(connection, [new.prediction_id])
            if (row := connection.execute(select(*_COLUMNS).where(own, _OPEN)).first()) is None:
                hidden = without_number(connection, new.prediction_id, pseudonyms)
                values = {**asdict(new), "words": hidden(new.words)}
                row = connection.execute(insert(reviews).returning(*_COLUMNS), [values]).one()
        return Review(*row)

    def find(self, number: str) -> Review | None:
        """Return the review of an id; None where it is not on record, or no id at all."""
        own = reviews.c.id == (number if _ID.fullmatch(number) else "")
        return next(iter(self._all(select(*_COLUMNS).where(own))), None)

    def of(self, prediction_id: str) -> list[Review]:
        """Return the reviews of a decision, the oldest first."""
        query = select(*_COLUMNS).where(reviews.c.prediction_id == prediction_id)
        return self._all(query.order_by(reviews.c.id))

    def search(
        self,
        state: ReviewState,
        now: datetime,
        *,
        limit: int,
        after: Review | None = None,
        caller: str | None = None,
    ) -> list[Review]:
        """Read reviews, those that are due first at the head.

        Parameters
        ----------
        state : str
            "open": not decided, "overdue": neither, and due before now; "decided" or "all".
        now : datetime
            What time it is.
        limit : int
            The most that are read.
        after : Review, optional
            The last one of those that were read before.
        caller : str, optional
            Who asked for the decisions under review.
        """
        column = reviews.c
        of_state: dict[str, ColumnElement[bool]] = {
            "open": _OPEN, "overdue": and_(_OPEN, column.due_at < now), "decided": ~_OPEN,
        }  # fmt: skip
        query = select(*_COLUMNS).order_by(column.due_at, column.id).limit(limit)
        if state in of_state:
            query = query.where(of_state[state])
        if after is not None:
            later = and_(column.due_at == after.due_at, column.id > after.id)
            query = query.where(or_(column.due_at > after.due_at, later))
        if caller is not None:
            own = select(predictions.c.id).where(predictions.c.caller == caller)
            query = query.where(column.prediction_id.in_(own))
        return self._all(query)

    def assign(self, seen: Review, assignee: str) -> Review:
        """Record who is to decide on a review.

        Raises
        ------
        StoreChangedError
            If it was assigned to somebody else than has been seen, or decided, meanwhile.
        """
        pseudonyms = self._database.pseudonyms
        same = reviews.c.assignee.is_not_distinct_from(seen.assignee)
        with self._database.writing() as connection:
            hidden = without_number(connection, seen.prediction_id, pseudonyms)
            return _changed(connection, seen.id, {"assignee": hidden(assignee)}, same)

    def decide(self, decided: Review, override: Override | None, seen: int) -> Review:
        """Record what a person decided on a review, and that it overrides the decision if it does.

        Parameters
        ----------
        decided : Review
            With the decision, who took it, why and when.
        override : Override, optional
            What stands in the place of the decision from then on.
        seen : int
            How many overrides of the decision the person has seen.

        Raises
        ------
        StoreChangedError
            If somebody else has decided on the review, or overridden the decision, meanwhile.
        """
        number, pseudonyms = decided.prediction_id, self._database.pseudonyms
        values = {name: getattr(decided, name) for name in _DECIDED}
        with self._database.writing() as connection:
            lock_decisions(connection, [number])
            if count_overrides(connection, number) != seen:
                raise StoreChangedError(f"the decision {number} was overridden meanwhile")
            hidden = without_number(connection, number, pseudonyms)
            values |= {name: hidden(values[name]) for name in ("actor", "motive")}
            review = _changed(connection, decided.id, values)
            if override is not None:
                add_override(connection, override, pseudonyms)
        return review

    def count(self, since: datetime, until: datetime) -> ReviewCounts:
        """Count the reviews of a window, and those open at its end."""
        column = reviews.c
        came = column.received_at < until
        done = and_(column.decided_at >= since, column.decided_at < until)
        left = and_(came, or_(_OPEN, column.decided_at >= until))
        wanted = (
            and_(came, column.received_at >= since),
            done,
            left,
            and_(left, column.due_at < until),
            and_(done, column.overturned),
        )
        query = select(*(func.count().filter(condition) for condition in wanted))
        with self._database.reading() as connection:
            counts: Sequence[int] = connection.execute(query).one()
        received, decided, waiting, overdue, overturned = counts
        share = overturned / decided if decided else None
        return ReviewCounts(received, decided, share, waiting, overdue)

    def _all(self, query: Select[Any]) -> list[Review]:
        with self._database.reading() as connection:
            return [Review(*row) for row in connection.execute(query)]


def _changed(
    connection: Connection, number: str, values: dict[str, Any], *conditions: ColumnElement[bool]
) -> Review:
    """Change a review that is open."""
    own = update(reviews).where(reviews.c.id == number, _OPEN, *conditions).values(values)
    row = connection.execute(own.returning(*_COLUMNS)).first()
    if row is None:
        raise StoreChangedError(f"the review {number} was changed meanwhile")
    return Review(*row)
