"""Alerts sent to real servers, and settings that cannot be used."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scoring.monitoring.alerts import (
    EmailSender,
    LogSender,
    SenderError,
    WebhookSender,
    headline,
    senders_of,
    slack_message,
)
from scoring.store import Alert, AlertRecord
from tests.helpers import serving
from tests.helpers.receivers import mail_server, web_server

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALERT = Alert(
    rule="feature_drift",
    severity="warning",
    model_version="3",
    model_digest="a" * 64,
    since=NOON - timedelta(days=7),
    until=NOON,
    figure=0.31,
    threshold=0.2,
    message="Features have drifted: Âge <du> client & co (PSI 0.31).",
    advice="See who applies.",
    subjects=("Âge",),
)
WARNING = AlertRecord(1, ALERT, NOON, NOON, 1)
CRITICAL = AlertRecord(2, replace(ALERT, rule="skew", severity="critical"), NOON, NOON, 4)
BOTH = [CRITICAL, WARNING]


def test_the_headline_counts() -> None:
    assert headline(BOTH) == "Credit scoring, model version 3: 1 critical alert and 1 warning"
    assert headline([WARNING] * 3) == "Credit scoring, model version 3: 3 warnings"
    service = replace(WARNING, alert=replace(ALERT, rule="latency", model_version=""))
    assert headline([service]) == "Credit scoring: 1 warning"


def test_the_log_has_a_line_an_alert(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "scoring")
    LogSender().send(BOTH)
    assert [one.levelname for one in caplog.records] == ["ERROR", "WARNING"]
    assert "Âge" in caplog.messages[1]
    assert "See who applies." in caplog.messages[1]
    assert "Since 2026-05-01 12:00 UTC" in caplog.messages[0]
    assert "Since" not in caplog.messages[1]


def test_a_webhook_is_sent_what_slack_takes() -> None:
    with web_server() as hook:
        WebhookSender(hook.url).send(BOTH)
    (body,) = hook.bodies
    assert hook.types == ["application/json"]
    assert body["text"] == headline(BOTH)
    assert [one["type"] for one in body["blocks"]] == ["section"] * 3
    told = body["blocks"][2]["text"]
    assert told["type"] == "mrkdwn"
    assert "Âge &lt;du&gt; client &amp; co" in told["text"]
    assert "<" not in told["text"]


def test_slack_takes_fifty_blocks_of_three_thousand_characters() -> None:
    long = AlertRecord(1, replace(ALERT, message="&" * 9000), NOON, NOON, 1)
    blocks = slack_message([long] * 200)["blocks"]
    assert isinstance(blocks, list)
    assert len(blocks) <= 50
    assert all(len(one["text"]["text"]) <= 3000 for one in blocks)
    assert "155 more" in blocks[-1]["text"]["text"]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_webhook_that_refuses_is_told_without_its_address(status: int) -> None:
    with web_server(status) as hook, pytest.raises(SenderError, match=str(status)) as failure:
        WebhookSender(hook.url).send(BOTH)
    assert "secret" not in str(failure.value)
    assert "secret" not in repr(WebhookSender(hook.url))


def test_a_webhook_that_is_away_is_told() -> None:
    url = f"http://127.0.0.1:{serving.free_port()}/secret"
    with pytest.raises(SenderError, match="cannot be reached") as failure:
        WebhookSender(url).send(BOTH)
    assert "secret" not in str(failure.value)


def test_an_e_mail_reaches_everybody() -> None:
    with mail_server() as box:
        sender = EmailSender("127.0.0.1", box.port, "risk@example.org", ("a@b.org", "c@d.org"))
        sender.send(BOTH)
    assert box.envelopes == [("risk@example.org", ["a@b.org", "c@d.org"])]
    (message,) = box.messages
    assert message["Subject"] == headline(BOTH)
    assert message["To"] == "a@b.org, c@d.org"
    text = message.get_content()
    assert "CRITICAL skew" in text
    assert "Âge <du> client & co" in text
    assert "decisions from 2026-04-24 12:00 to 2026-05-01 12:00 UTC; 0.31 against 0.2" in text


def test_a_mail_server_that_refuses_or_is_away_is_told() -> None:
    with mail_server("554 no") as box:
        refused = EmailSender("127.0.0.1", box.port, "risk@example.org", ("a@b.org",))
        with pytest.raises(SenderError, match="554"):
            refused.send(BOTH)
    away = replace(refused, port=serving.free_port())
    with pytest.raises(SenderError, match="does not take it"):
        away.send(BOTH)


def test_a_password_is_not_sent_where_all_can_read_it() -> None:
    with mail_server() as box:
        sender = EmailSender(
            "127.0.0.1", box.port, "risk@example.org", ("a@b.org",), "me", "secret"
        )
        with pytest.raises(SenderError, match="offers no TLS"):
            sender.send(BOTH)
    assert box.envelopes == []
    assert "secret" not in repr(sender)


def test_without_settings_alerts_go_to_the_log_alone() -> None:
    assert senders_of({"ALERT_WEBHOOK": "", "PATH": "/bin"}) == [LogSender()]


def test_settings_name_where_alerts_go() -> None:
    found = senders_of(
        {
            "ALERT_WEBHOOK": "https://hooks.example.org/services/x",
            "ALERT_SMTP": "smtps://me%40b.org:p%3Aw@mail.example.org",
            "ALERT_FROM": "risk@example.org",
            "ALERT_TO": "a@b.org, c@d.org,",
        }
    )
    assert found == [
        LogSender(),
        WebhookSender("https://hooks.example.org/services/x"),
        EmailSender(
            "mail.example.org", 465, "risk@example.org", ("a@b.org", "c@d.org"), "me@b.org",
            "p:w", tls=True,
        ),
    ]  # fmt: skip
    plain = {"ALERT_SMTP": "smtp://mail:2525", "ALERT_FROM": "a@b.org", "ALERT_TO": "c@d.org"}
    assert senders_of(plain)[1] == EmailSender("mail", 2525, "a@b.org", ("c@d.org",))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"ALERT_WEBHOOK": "ftp://x/secret"}, "ALERT_WEBHOOK has the form"),
        ({"ALERT_WEBHOOK": "file:///etc/secret"}, "ALERT_WEBHOOK has the form"),
        ({"ALERT_WEBHOOK": "https://x:secret"}, "ALERT_WEBHOOK is no address"),
        ({"ALERT_SMTP": "mail.example.org"}, "ALERT_SMTP has the form"),
        ({"ALERT_SMTP": "smtp://u:secret@"}, "ALERT_SMTP has the form"),
        ({"ALERT_SMTP": "smtp://mail"}, "needs ALERT_FROM"),
        ({"ALERT_SMTP": "smtp://mail", "ALERT_FROM": "a@b.org", "ALERT_TO": ","}, "ALERT_TO"),
    ],
)
def test_settings_that_cannot_be_used_are_named(setting: dict[str, str], told: str) -> None:
    with pytest.raises(SenderError, match=told) as failure:
        senders_of(setting)
    assert "secret" not in str(failure.value)
