"""Alerts: kept while they last, sent once, and closed when they are not found any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from scoring.store.database import Repository
from scoring.store.engine import one_writer
from scoring.store.records import Alert, AlertRecord
from scoring.store.schema import alerts

_GRAVITY = {None: 0, "warning": 1, "critical": 2}
_FIELDS = tuple(Alert.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Reminders:
    """How often the same alert is sent.

    Attributes
    ----------
    remind_after : timedelta
        An alert that lasts is sent again after so long.
    reopen_within : timedelta
        One that was closed no longer ago goes on when it is found again, and is not new.
    """

    remind_after: timedelta = timedelta(days=7)
    reopen_within: timedelta = timedelta(days=3)


class Alerts(Repository):
    """The alerts on record: one of a rule and a model while it lasts."""

    def update(
        self,
        found: Sequence[Alert],
        judged: Mapping[str, Collection[str]],
        at: datetime,
        reminders: Reminders | None = None,
    ) -> list[AlertRecord]:
        """Record what one look at all models has found, and close what it has not.

        Parameters
        ----------
        found : sequence of Alert
            At most one of a rule and a model.
        judged : mapping of str to collection of str
            Of every model looked at, by digest, the rules that had enough to judge. Open alerts
            of these rules that are not found are closed; so are those of all other models, if any
            model was looked at. What is about none has the empty digest.
        at : datetime
            When the look was.
        reminders : Reminders, optional
            How often the same alert is sent.

        Returns
        -------
        list of AlertRecord
            Those to be sent: new ones, graver ones, those about features that were not sent yet,
            and those that have lasted since they were sent. `mark_sent` records that they were.
        """
        reminders = reminders or Reminders()
        query = select(alerts).order_by(alerts.c.number)
        with self._database.writing() as connection:
            # Two looks at once would each find an alert new.
            one_writer(connection, alerts)
            latest = {
                (row["model_digest"], row["rule"]): row
                for row in connection.execute(query).mappings()
            }
            kept = [_kept(connection, one, latest.get(_key(one)), at, reminders) for one in found]
            _close(connection, latest.values(), {_key(one) for one in found}, judged, at)
        return [_record(row) for row in kept if _is_news(row, at, reminders)]

    def mark_sent(self, numbers: Collection[int], at: datetime) -> None:
        """Record that alerts were sent, so that they are not sent again."""
        query = select(alerts).where(alerts.c.number.in_(numbers))
        with self._database.writing() as connection:
            one_writer(connection, alerts)
            for row in connection.execute(query).mappings().all():
                subjects = list(dict.fromkeys([*row["told_subjects"], *row["subjects"]]))
                sent = {"told_at": at, "told_severity": row["severity"], "told_subjects": subjects}
                _update(connection, row["number"], sent)

    def latest(self, limit: int = 100, *, open_only: bool = False) -> list[AlertRecord]:
        """Return the alerts on record, the latest found first."""
        query = select(alerts).order_by(alerts.c.last_at.desc(), alerts.c.number.desc())
        if open_only:
            query = query.where(alerts.c.closed_at.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
        return [_record(dict(row)) for row in rows]


def _key(one: Alert) -> tuple[str, str]:
    return one.model_digest, one.rule


def _kept(
    connection: Connection, one: Alert, last: RowMapping | None, at: datetime, reminders: Reminders
) -> dict[str, Any]:
    """The row of an alert, whether it goes on or is new."""
    values = {**asdict(one), "subjects": list(one.subjects), "last_at": at, "closed_at": None}
    closed = last["closed_at"] if last else None
    if last is None or (closed is not None and at - closed > reminders.reopen_within):
        values |= {"first_at": at, "times": 1, "told_subjects": []}
        made = connection.execute(insert(alerts).returning(alerts.c.number), [values])
        return {**values, "number": made.scalar_one(), "told_at": None, "told_severity": None}
    values["times"] = last["times"] + 1
    _update(connection, last["number"], values)
    return {**last, **values}


def _close(
    connection: Connection,
    latest: Collection[RowMapping],
    found: Collection[tuple[str, str]],
    judged: Mapping[str, Collection[str]],
    at: datetime,
) -> None:
    answered = any(judged)
    for row in latest:
        digest, rule = key = (row["model_digest"], row["rule"])
        past = rule in judged[digest] if digest in judged else answered
        if past and key not in found and row["closed_at"] is None:
            _update(connection, row["number"], {"closed_at": at})


def _is_news(row: Mapping[str, Any], at: datetime, reminders: Reminders) -> bool:
    return (
        row["told_at"] is None
        or _GRAVITY[row["severity"]] > _GRAVITY[row["told_severity"]]
        or not set(row["subjects"]) <= set(row["told_subjects"])
        or at - row["told_at"] >= reminders.remind_after
    )


def _update(connection: Connection, number: int, values: Mapping[str, Any]) -> None:
    connection.execute(update(alerts).where(alerts.c.number == number).values(**values))


def _record(row: Mapping[str, Any]) -> AlertRecord:
    fields = {name: row[name] for name in _FIELDS}
    own = ("number", "first_at", "last_at", "times", "told_at", "closed_at")
    alert = Alert(**{**fields, "subjects": tuple(row["subjects"])})
    return AlertRecord(alert=alert, **{name: row[name] for name in own})
