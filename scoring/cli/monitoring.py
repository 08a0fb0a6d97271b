"""Command for watching the model: monitor."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import messages, show
from scoring.cli.options import DATABASE, REPORTS, DatabaseOption, moment, span
from scoring.cli.store import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoring.monitoring.findings import Findings
    from scoring.store import Alert, Store


def monitor(
    window: Annotated[
        str, typer.Option(metavar="SPAN", help="How long a time: 12h, 7d, 4w.")
    ] = "7d",
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Its end, such as 2026-11-23; now by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of the reports.")] = REPORTS,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The API's /metrics, to count answers with status 5xx since the last report in "
            "the folder; MONITOR_API_KEY is its key.",
        ),
    ] = None,
    database: DatabaseOption = DATABASE,
) -> None:
    """Compare what the API recorded with what the model learnt from, and tell what is wrong.

    Writes monitoring.html and monitoring.json, keeps alerts in the store and sends them to the
    log and to what ALERT_WEBHOOK and ALERT_SMTP name. Status 3 if an alert is critical.
    """
    from scoring.monitoring.alerts import exit_code

    with messages():
        end = datetime.now(UTC) if until is None else moment("--until", until)
        start = end - span("--window", window, ("12h", "7d", "4w"))
    with opened(database) as store:
        findings, alerts = _look(store, start, end, out, metrics)
    _show(findings, alerts)
    typer.echo(f"written: {out / 'monitoring.html'} and {out / 'monitoring.json'}")
    raise typer.Exit(exit_code(alerts))


def _look(
    store: Store, since: datetime, until: datetime, out: Path, metrics: str | None
) -> tuple[list[Findings], list[Alert]]:
    import json

    from scoring.files import write_file
    from scoring.monitoring import page
    from scoring.monitoring.alerts import notify
    from scoring.monitoring.http_errors import COUNTED, counted, since_last
    from scoring.monitoring.monitor import look
    from scoring.monitoring.rules import assess
    from scoring.monitoring.senders import senders_of
    from scoring.monitoring.thresholds import Thresholds
    from scoring.store import Report

    # What is wrong with settings is told before anything is done.
    thresholds, senders = Thresholds.from_settings(), senders_of()
    number = None if metrics is None else counted(metrics, os.environ.get("MONITOR_API_KEY"))
    errors = None if number is None else since_last(number, out / "monitoring.json")
    findings = look(store, since, until, errors=errors)
    assessments = [assess(own, thresholds) for own in findings]
    alerts = [alert for own in assessments for alert in own.alerts]
    values = json.dumps(page.values(findings, alerts) | {COUNTED: number}, indent=1)
    html, now = page.html(findings, alerts), datetime.now(UTC)
    write_file(out / "monitoring.html", html)
    write_file(out / "monitoring.json", values)
    store.reports.keep(Report("monitoring", now, values.encode(), html.encode()))
    notify(store, assessments, senders, now)
    return findings, alerts


def _show(findings: Sequence[Findings], alerts: Sequence[Alert]) -> None:
    for own in findings:
        drift = own.comparison
        psi = f"; PSI {drift.weighted_psi:.3f}, weighted by importance" if drift else ""
        typer.echo(f"version {own.model_version}: {own.applicants:,} decisions{psi}")
    if alerts:
        show(
            ("severity", "rule", "model", "what was found"),
            ((a.severity, a.rule, a.model_version, a.message) for a in alerts),
        )
    else:
        typer.echo("no alerts")
