"""Watching the model from the command line: monitor."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import messages, show
from scoring.cli.service import moment
from scoring.cli.store import DATABASE, DatabaseOption, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoring.monitoring.findings import Findings
    from scoring.store import Alert, Store

_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def monitor(
    window: Annotated[
        str, typer.Option(metavar="SPAN", help="How long a time: 12h, 7d, 4w.")
    ] = "7d",
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Its end, such as 2026-11-23; now by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of the reports.")] = Path("reports"),
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
        end = datetime.now(UTC) if until is None else moment(until, "--until")
        start = end - _span(window)
    with opened(database) as store:
        found, alerts = _looked(store, start, end, out, metrics)
    _tell(found, alerts)
    typer.echo(f"written: {out / 'monitoring.html'} and {out / 'monitoring.json'}")
    raise typer.Exit(exit_code(alerts))


def register(app: typer.Typer) -> None:
    """Give an app these commands."""
    app.command()(monitor)


def _looked(
    store: Store, since: datetime, until: datetime, out: Path, metrics: str | None
) -> tuple[list[Findings], list[Alert]]:
    import json

    from scoring.files import staged_file
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
    found = look(store, since, until, errors=errors)
    assessments = [assess(one, thresholds) for one in found]
    alerts = [alert for one in assessments for alert in one.alerts]
    values = json.dumps(page.values(found, alerts) | {COUNTED: number}, indent=1)
    html, now = page.html(found, alerts), datetime.now(UTC)
    for name, text in (("monitoring.html", html), ("monitoring.json", values)):
        with staged_file(out / name) as staged:
            staged.write_text(text, encoding="utf-8")
    store.keep_report(Report("monitoring", now, values.encode(), html.encode()))
    notify(store, assessments, senders, now)
    return found, alerts


def _tell(found: Sequence[Findings], alerts: Sequence[Alert]) -> None:
    for one in found:
        drift = one.comparison
        told = f"; PSI {drift.weighted_psi:.3f}, weighted by importance" if drift else ""
        typer.echo(f"version {one.model_version}: {one.applicants:,} decisions{told}")
    if alerts:
        show(
            ("severity", "rule", "model", "what was found"),
            ((one.severity, one.rule, one.model_version, one.message) for one in alerts),
        )
    else:
        typer.echo("no alerts")


def _span(text: str) -> timedelta:
    from scoring.errors import ScoringError

    found = _SPAN.fullmatch(text)
    if found is None:
        raise ScoringError(f"--window takes a time such as 12h, 7d or 4w, not {text!r}")
    return int(found[1]) * _UNITS[found[2]]
