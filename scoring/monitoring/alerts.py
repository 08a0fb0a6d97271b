"""Alerts on their way: kept in the store, sent once, closed when all is quiet again.

They are sent to the log, to a webhook that takes Slack's JSON, and as e-mail by SMTP.
"""

from __future__ import annotations

import json
import logging
import os
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

from scoring.errors import ScoringError
from scoring.monitoring.rules import SERVICE_RULES, Assessment
from scoring.store import Alert, AlertRecord, Reminders, Store

logger = logging.getLogger(__name__)

QUIET, ALARM = 0, 3
WEBHOOK, SMTP, SENDER, RECIPIENTS = "ALERT_WEBHOOK", "ALERT_SMTP", "ALERT_FROM", "ALERT_TO"

_SECONDS = 10.0
# Slack takes 50 blocks of 3,000 characters.
_MOST_BLOCKS = 45
_MOST_CHARACTERS = 2_900
_PORTS = {"smtp": 25, "smtps": 465}


class SenderError(ScoringError):
    """Alerts cannot be sent: a setting is wrong, or the other side does not take them."""


@dataclass(frozen=True, slots=True)
class LogSender:
    """Writes alerts to the log."""

    name: str = "log"

    def send(self, news: Sequence[AlertRecord]) -> None:
        """Log a line each: warnings as such, critical ones as errors."""
        for record in news:
            level = logging.ERROR if record.alert.severity == "critical" else logging.WARNING
            logger.log(level, "%s", _line(record))


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Posts alerts as the JSON that Slack's incoming webhooks take.

    The address is a secret, since whoever knows it may post: it is in no message.
    """

    url: str = field(repr=False)
    timeout: float = _SECONDS
    name: str = "webhook"

    def send(self, news: Sequence[AlertRecord]) -> None:
        """Post one message for all; SenderError if the answer is none, or not a success."""
        request = urllib.request.Request(  # noqa: S310 - senders_of checks the scheme
            self.url,
            data=json.dumps(slack_message(news)).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            error.close()
            raise SenderError(f"the webhook answered with status {error.code}") from error
        except OSError as error:
            raise SenderError(f"the webhook cannot be reached: {error}") from error


@dataclass(frozen=True, slots=True)
class EmailSender:
    """Sends alerts as an e-mail by SMTP.

    With `tls` the connection begins with TLS, otherwise STARTTLS is used where it is offered. A
    login is made over TLS only.
    """

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    timeout: float = _SECONDS
    name: str = "e-mail"

    def send(self, news: Sequence[AlertRecord]) -> None:
        """Send one e-mail for all; SenderError if the server cannot be reached, or refuses."""
        message = EmailMessage()
        message["From"], message["To"] = self.sender, ", ".join(self.recipients)
        message["Subject"] = headline(news)
        message.set_content("\n\n".join(_paragraph(record) for record in news) + "\n")
        try:
            with self._server() as server:
                self._log_in(server)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise SenderError(f"the mail server {self.host} does not take it: {error}") from error

    def _server(self) -> smtplib.SMTP:
        if self.tls:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout)

    def _log_in(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if not self.tls and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        elif not self.tls and self.user:
            raise SenderError(
                f"the mail server {self.host} offers no TLS, and a password is not sent without: "
                f"use smtps:// in {SMTP}"
            )
        if self.user:
            server.login(self.user, self.password)


Sender = LogSender | WebhookSender | EmailSender


def headline(news: Sequence[AlertRecord]) -> str:
    """Say how many alerts there are, of which severity."""
    critical = sum(record.alert.severity == "critical" for record in news)
    counts = ((critical, "critical alert"), (len(news) - critical, "warning"))
    counted = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n]
    versions = sorted({record.alert.model_version for record in news if record.alert.model_version})
    of_models = f", model version {', '.join(versions)}" if versions else ""
    return f"Credit scoring{of_models}: {' and '.join(counted)}"


def slack_message(news: Sequence[AlertRecord]) -> dict[str, object]:
    """Build what a webhook is sent: a text for notifications, and a block an alert."""
    blocks = [_block(f"*{record.alert.severity}*: {_escaped(_words(record))}") for record in news]
    if len(blocks) > _MOST_BLOCKS:
        rest = f"and {len(blocks) - _MOST_BLOCKS} more: GET /alerts tells them all"
        blocks = [*blocks[:_MOST_BLOCKS], _block(rest)]
    head = _escaped(headline(news))
    return {"text": head, "blocks": [_block(f"*{head}*"), *blocks]}


def senders_of(environment: Mapping[str, str] = os.environ) -> list[Sender]:
    """Make the senders that environment variables name, beside the log.

    `ALERT_WEBHOOK` is an address; `ALERT_SMTP` has the form `smtp://[USER:PASSWORD@]HOST[:PORT]`,
    or `smtps://`, with `ALERT_FROM` and, with commas between, `ALERT_TO`. One that cannot be used
    is a SenderError.
    """
    senders: list[Sender] = [LogSender()]
    if address := environment.get(WEBHOOK):
        parts = _split(address, WEBHOOK)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SenderError(f"{WEBHOOK} has the form https://HOST/PATH")
        senders.append(WebhookSender(address))
    if address := environment.get(SMTP):
        senders.append(_email(_split(address, SMTP), environment))
    return senders


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


def _email(parts: SplitResult, environment: Mapping[str, str]) -> EmailSender:
    if parts.scheme not in _PORTS or not parts.hostname:
        raise SenderError(f"{SMTP} has the form smtp://[USER:PASSWORD@]HOST[:PORT], or smtps://")
    recipients = tuple(filter(None, map(str.strip, environment.get(RECIPIENTS, "").split(","))))
    sender = environment.get(SENDER, "").strip()
    for name, value in ((SENDER, sender), (RECIPIENTS, recipients)):
        if not value:
            raise SenderError(f"{SMTP} needs {name}: an address, such as risk@example.org")
    return EmailSender(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        sender=sender,
        recipients=recipients,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "smtps",
    )


def _split(address: str, name: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        # Only looking at a port shows that it is none.
        _ = parts.port
    except ValueError as error:
        # The address may hold a password.
        raise SenderError(f"{name} is no address") from error
    return parts


def _line(record: AlertRecord) -> str:
    return f"{record.alert.severity} {record.alert.rule}: {_words(record)}"


def _words(record: AlertRecord) -> str:
    alert = record.alert
    lasting = f" Since {record.first_at:%Y-%m-%d %H:%M} UTC." if record.times > 1 else ""
    return f"{alert.message}{lasting} {alert.advice}"


def _paragraph(record: AlertRecord) -> str:
    alert: Alert = record.alert
    of_model = f"Model version {alert.model_version}" if alert.model_version else "Service"
    return (
        f"{alert.severity.upper()} {alert.rule}\n{_words(record)}\n"
        f"{of_model}, decisions from {alert.since:%Y-%m-%d %H:%M} "
        f"to {alert.until:%Y-%m-%d %H:%M} UTC; {alert.figure:.4g} against {alert.threshold:.4g}."
    )


def _block(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_MOST_CHARACTERS]}}


def _escaped(text: str) -> str:
    """Slack's own three characters as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
