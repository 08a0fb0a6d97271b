"""Alerts from the rules' verdicts to the store and to those who should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scoring.monitoring.alerts import ALARM, QUIET, EmailSender, WebhookSender, exit_code, notify
from scoring.monitoring.rules import RULES, Assessment
from scoring.store import Alert, AlertRecord, Store
from tests.helpers import serving
from tests.helpers.receivers import mail_server, web_server

MONDAY = datetime(2026, 5, 4, 6, tzinfo=UTC)
DAY = timedelta(days=1)
WARNING = Alert(
    rule="pd_drift",
    severity="warning",
    model_version="3",
    model_digest="a" * 64,
    since=MONDAY - 7 * DAY,
    until=MONDAY,
    figure=0.15,
    threshold=0.1,
    message="The PDs have moved: PSI 0.150.",
    advice="See which features moved the PDs.",
)
CRITICAL = replace(WARNING, rule="skew", severity="critical")


@dataclass
class Pager:
    """A sender that remembers."""

    name: str = "pager"
    sent: list[list[str]] = field(default_factory=list)

    def send(self, news: Sequence[AlertRecord]) -> None:
        self.sent.append([one.alert.rule for one in news])


@pytest.fixture
def file_store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    return store


def assessed(*alerts: Alert) -> Assessment:
    return Assessment("a" * 64, alerts, RULES)


def test_news_are_sent_once_and_a_quiet_look_sends_nothing(file_store: Store) -> None:
    pager = Pager()
    looks = [[WARNING], [WARNING], [WARNING, CRITICAL], [], []]
    for day, found in enumerate(looks):
        notify(file_store, [assessed(*found)], [pager], MONDAY + day * DAY)
    assert pager.sent == [["pd_drift"], ["skew"]]
    assert file_store.alerts.latest(open_only=True) == []


def test_what_is_wrong_with_the_service_is_told_once_whatever_the_models(
    file_store: Store,
) -> None:
    slow = replace(WARNING, rule="latency", model_version="", model_digest="")
    pager = Pager()
    champion, challenger = assessed(WARNING, slow), Assessment("b" * 64, (slow,), RULES)
    notify(file_store, [champion, challenger], [pager], MONDAY)
    notify(file_store, [challenger], [pager], MONDAY + DAY)
    assert pager.sent == [["pd_drift", "latency"]]
    assert [one.alert.rule for one in file_store.alerts.latest(open_only=True)] == ["latency"]
    notify(file_store, [assessed()], [pager], MONDAY + 2 * DAY)
    assert file_store.alerts.latest(open_only=True) == []


def test_every_sender_gets_the_news(file_store: Store) -> None:
    with web_server() as hook, mail_server() as box:
        mail = EmailSender("127.0.0.1", box.port, "risk@example.org", ("a@b.org",))
        told = notify(file_store, [assessed(WARNING)], [WebhookSender(hook.url), mail], MONDAY)
    assert told.failures == ()
    assert [one.alert for one in told.news] == [WARNING]
    assert (len(hook.bodies), len(box.messages)) == (1, 1)
    (kept,) = file_store.alerts.latest()
    assert kept.told_at == MONDAY


def test_a_sender_that_fails_keeps_nobody_from_the_news_and_gets_them_later(
    file_store: Store,
) -> None:
    away = WebhookSender(f"http://127.0.0.1:{serving.free_port()}/hook")
    pager = Pager()
    told = notify(file_store, [assessed(WARNING)], [away, pager], MONDAY)
    assert [one.partition(":")[0] for one in told.failures] == ["webhook"]
    assert pager.sent == [["pd_drift"]]
    with web_server() as hook:
        told = notify(file_store, [assessed(WARNING)], [WebhookSender(hook.url)], MONDAY + DAY)
    assert told.failures == ()
    assert len(hook.bodies) == 1


def test_the_exit_code_is_for_critical_alerts() -> None:
    assert exit_code([]) == QUIET == 0
    assert exit_code([WARNING]) == QUIET
    assert exit_code([WARNING, CRITICAL]) == ALARM == 3
