"""The service, its data and what it recorded: materialize, replay, monitor, serve, bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import applicants_shown, messages, show, stages, workers_shown
from scoring.cli.options import (
    CHAMPION,
    DATABASE,
    MOMENT,
    REPORTS,
    ClusterOption,
    DatabaseOption,
    DatasetArgument,
    ModelOption,
    WorkersOption,
    moment,
    span,
    writable,
)
from scoring.cli.store import opened
from scoring.serving.caution import LEAST_KNOWN

if TYPE_CHECKING:
    from scoring.monitoring.findings import Findings
    from scoring.monitoring.replay import Report
    from scoring.store import Alert, Store


def materialize(
    dataset: DatasetArgument,
    database: DatabaseOption = DATABASE,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Put a dataset's applicants into the store: the API then takes them by SK_ID_CURR alone.

    Features are computed and rows are kept, of training and test applicants. Run it again when
    the dataset or the features have changed; it may be interrupted, and run while the API serves.
    """
    from scoring.data.dataset import Dataset
    from scoring.serving.materialize import materialize as put_all

    with opened(database) as store:
        tables = Dataset.open(dataset)
        total = tables.applicants
        with workers_shown(workers, cluster) as client, applicants_shown() as move:
            count = put_all(tables, store, lambda done: move(done, total), client)
        typer.echo(f"{count:,} applicants of dataset {tables.digest[:12]} in {store.url}")


def replay(
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"From when on: {MOMENT}; UTC if no zone is said."),
    ] = None,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Pass though some could not be computed: models not kept, older features.",
        ),
    ] = False,
    least_known: Annotated[
        float, typer.Option(min=0.0, max=1.0, envvar="LEAST_KNOWN", help="The service's setting.")
    ] = LEAST_KNOWN,
    database: DatabaseOption = DATABASE,
) -> None:
    """Compute recorded decisions again and tell every difference; status 1 if there is any.

    Features from the recorded rows; probability, decision and reasons from the recorded features
    with the model that answered: all must be the same to the last bit.
    """
    from scoring.monitoring.replay import replay as replay_all

    with opened(database) as store:
        start = None if since is None else moment("--since", since)
        with stages() as show_progress:
            report = replay_all(
                store, start, lambda done: show_progress("decisions", done, None), least_known
            )
    _show(report)
    if report.differing or (report.incomplete and not allow_missing):
        raise typer.Exit(1)


def monitor(
    window: Annotated[
        str, typer.Option(metavar="SPAN", help="How long a time: 12h, 7d, 4w.")
    ] = "7d",
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Its end, such as 2026-11-23; now by default."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The folder of the reports.", callback=writable)
    ] = REPORTS,
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
    _show_findings(findings, alerts)
    typer.echo(f"written: {out / 'monitoring.html'} and {out / 'monitoring.json'}")
    raise typer.Exit(exit_code(alerts))


def _look(
    store: Store, since: datetime, until: datetime, out: Path, metrics: str | None
) -> tuple[list[Findings], list[Alert]]:
    from scoring.language import LANGUAGES
    from scoring.monitoring import page
    from scoring.monitoring.alerts import notify, senders_of
    from scoring.monitoring.monitor import COUNTED, counted, look, since_last
    from scoring.monitoring.rules import assess
    from scoring.monitoring.thresholds import Thresholds
    from scoring.reports.overview import publish
    from scoring.store import Report

    # What is wrong with settings is told before anything is done.
    thresholds, senders = Thresholds.from_settings(), senders_of()
    number = None if metrics is None else counted(metrics, os.environ.get("MONITOR_API_KEY"))
    errors = None if number is None else since_last(number, out / "monitoring.json")
    findings = look(store, since, until, errors=errors)
    assessments = [assess(own, thresholds) for own in findings]
    alerts = [alert for own in assessments for alert in own.alerts]
    values = json.dumps(page.values(findings, alerts) | {COUNTED: number}, indent=1)
    now = datetime.now(UTC)
    publish(out, {"monitoring.json": values, "monitoring.html": page.html(findings, alerts)})
    for language in LANGUAGES:
        kind = "monitoring" if language == "en" else f"monitoring_{language}"
        html = page.html(findings, alerts, language).encode()
        store.reports.keep(Report(kind, now, values.encode(), html))
    notify(store, assessments, senders, now)
    return findings, alerts


def _show_findings(findings: Sequence[Findings], alerts: Sequence[Alert]) -> None:
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


def serve(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="The API's.")] = 8000,
    dashboard_port: Annotated[
        int, typer.Option(envvar="DASHBOARD_PORT", min=1, max=65535, help="The page's port.")
    ] = 8501,
    model: ModelOption = CHAMPION,
    requests: Annotated[
        Path, typer.Option(help="The folder of request bodies that the page offers.")
    ] = Path("data/examples"),
    log: Annotated[Path, typer.Option(help="The file that both write to.")] = Path(
        "data/serve.log"
    ),
) -> None:
    """Start the API and the Streamlit page; Ctrl-C or SIGTERM stops both."""
    from scoring.serving.local import run, servers

    chosen = servers(port, dashboard_port, model, requests)

    def tell() -> None:
        url = chosen[0].ready.removesuffix("/ready")
        example = next(iter(sorted(requests.glob("*.json"))), requests / "APPLICANT.json")
        typer.echo(f"\n  API    {url}   (documentation: {url}/docs)")
        typer.echo(f"  page   http://127.0.0.1:{dashboard_port}")
        typer.echo(f"  log    {log}")
        typer.echo(
            "  keys   where the API asks for them, each officer's own:\n    python -m scoring "
            "keys add NAME --scope score --scope read --scope outcome\n"
        )
        typer.echo(
            f"  curl -X POST {url}/predict \\\n    -H 'Content-Type: application/json' \\\n"
            f"    -d @{example}\n\n  Ctrl-C stops both.\n"
        )

    with messages():
        _catch_up(model)
        run(chosen, tell, log)


def bundle(
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a bundle.")],
    model: ModelOption = CHAMPION,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Take a model of sample applicants too.")
    ] = False,
) -> None:
    """Gather what a platform runs: API, model, locked requirements, Procfile."""
    from scoring.serving.bundle import bundle as gather

    with messages():
        _catch_up(model)
        scorer = gather(model, out, demonstration=demonstration)
    typer.echo(f"{scorer.name} version {scorer.version} and the API in {out}")


def _catch_up(model: Path) -> None:
    """Export the champion again where the registry beside it names another one than is there."""
    from scoring.registry.promotions import is_behind

    if is_behind(model):
        from scoring.registry import approval
        from scoring.registry.mlflow_registry import Registry

        approval.settle(Registry(model.parent), model)


def _show(report: Report) -> None:
    erased = f", {report.erased:,} erased" if report.erased else ""
    typer.echo(
        f"{report.decisions:,} decisions: {report.equal:,} the same to the last bit, "
        f"{report.differing:,} different, {report.incomplete:,} not to be computed{erased}"
    )
    if report.missing:
        show(("lacking", "decisions"), ((what, f"{n:,}") for what, n in report.missing.items()))
    if report.kinds:
        show(("what differs", "times"), ((what, f"{n:,}") for what, n in report.kinds.items()))
        for decision, what, recorded, computed in report.differences:
            # Numbers are to the last digit, and in a table of 80 columns would be cut.
            typer.echo(f"{decision} {what}: recorded {recorded}, computed {computed}")
    if len(report.differences) < report.kinds.total():
        typer.echo(f"{report.kinds.total() - len(report.differences):,} more differences")
