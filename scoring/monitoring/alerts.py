"""Alerts on their way: kept in the store, sent once, closed when all is quiet again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from scoring.monitoring.rules import SERVICE_RULES, Assessment
from scoring.monitoring.senders import Sender, SenderError
from scoring.store import Alert, AlertRecord, Reminders, Store

logger = logging.getLogger(__name__)

QUIET, ALARM = 0, 3


@dataclass(frozen=True, slots=True)
class Notice:
    """Alerts of one look that had to be told, and the senders that failed with the reason.

    If a sender failed the alerts are told again after the next look.
    """

    news: tuple[AlertRecord, ...]
    failures: tuple[str, ...]


def notify(
    store: Store,
    assessments: Sequence[Assessment],
    senders: Iterable[Sender],
    at: datetime,
    reminders: Reminders | None = None,
) -> Notice:
    """Keep the alerts of one look, and send those that are news.

    News are alerts that are new, have become graver, are about further features, or have lasted
    for long since they were told. A sender that fails does not keep the others from theirs.

    There is an assessment for each model that answers: alerts of any other model are closed, unless
    there was no decision at all. The service's own alerts, which each of them may have, are told
    once.

    Raises
    ------
    StoreError
        If the store cannot be used.
    """
    alerts = {
        (alert.model_digest, alert.rule): alert for own in assessments for alert in own.alerts
    }
    judged = {own.model_digest: own.judged - SERVICE_RULES for own in assessments}
    news = store.alerts.update(list(alerts.values()), {**judged, "": SERVICE_RULES}, at, reminders)
    if not news:
        return Notice((), ())
    failures = []
    for sender in senders:
        try:
            sender.send(news)
        except SenderError as error:
            logger.error("alerts were not sent by %s: %s", sender.name, error)
            failures.append(f"{sender.name}: {error}")
    if not failures:
        store.alerts.mark_sent([record.number for record in news], at)
    return Notice(tuple(news), tuple(failures))


def exit_code(alerts: Iterable[Alert]) -> int:
    """Return the status that a command ends with: 3 if an alert is critical, 0 else."""
    return ALARM if any(alert.severity == "critical" for alert in alerts) else QUIET
