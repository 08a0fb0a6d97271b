"""What monitoring found: alerts, kept while they last and sent once, and the newest reports."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from scoring.store.database import Repository
from scoring.store.engine import one_writer, replacing
from scoring.store.records import Alert, AlertRecord, Report
from scoring.store.schema import alerts, reports

_GRAVITY = {None: 0, "warning": 1, "critical": 2}
_REPLACING = replacing(reports)
_FIELDS = tuple(Alert.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Reminders:
    """How often the same alert is sent: when it lasts, or comes back soon after it was closed."""

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
        found
            At most one alert of a rule and a model.
        judged
            Of every model looked at, by digest, the rules that had enough to judge. Open alerts
            of these rules that are not found are closed; so are those of all other models, if any
            model was looked at. What is about none has the empty digest.

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
            rows = connection.execute(query).mappings().all()
            latest = {(row["model_digest"], row["rule"]): row for row in rows}
            kept = [
                _kept(connection, alert, latest.get(_key(alert)), at, reminders) for alert in found
            ]
            _close(connection, latest.values(), {_key(alert) for alert in found}, judged, at)
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
        return [_record(dict(row._mapping)) for row in self._rows(query.limit(limit))]


class Reports(Repository):
    """The newest report of each kind."""

    def keep(self, report: Report) -> None:
        """Keep a report in the place of the last one of its kind."""
        values, page = zlib.compress(report.values), zlib.compress(report.page)
        row = {"kind": report.kind, "at": report.at, "values": values, "page": page}
        self._insert(_REPLACING, [row])

    def find(self, kind: str) -> Report | None:
        """Return the newest report of a kind, None if there never was one."""
        for _, at, values, page in self._rows(select(reports).where(reports.c.kind == kind)):
            return Report(kind, at, zlib.decompress(values), zlib.decompress(page))
        return None


def _key(alert: Alert) -> tuple[str, str]:
    return alert.model_digest, alert.rule


def _kept(
    connection: Connection, alert: Alert, last: RowMapping | None, at: datetime, often: Reminders
) -> dict[str, Any]:
    """The row of an alert, whether it goes on or is new."""
    values = {**asdict(alert), "subjects": list(alert.subjects), "last_at": at, "closed_at": None}
    closed = last["closed_at"] if last else None
    if last is None or (closed is not None and at - closed > often.reopen_within):
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
