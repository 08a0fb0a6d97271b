"""Commands for the service's data: materialize, replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import show, stages
from scoring.cli.options import DATABASE, MOMENT, DatabaseOption, DatasetArgument, moment
from scoring.cli.store import opened

if TYPE_CHECKING:
    from scoring.monitoring.replay import Report


def materialize(dataset: DatasetArgument, database: DatabaseOption = DATABASE) -> None:
    """Put a dataset's applicants into the store: the API then takes them by SK_ID_CURR alone.

    Features are computed and rows are kept, of training and test applicants. Run it again when
    the dataset or the features have changed; it may be interrupted, and run while the API serves.
    """
    from scoring.data.dataset import Dataset
    from scoring.serving.materialize import materialize as put_all

    with opened(database) as store:
        tables = Dataset.open(dataset)
        total = sum(tables.rows(f"application_{part}") for part in tables.populations)
        with stages() as report:
            count = put_all(tables, store, lambda done: report("applicants", done, total))
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
            report = replay_all(store, start, lambda done: show_progress("decisions", done, None))
    _show(report)
    if report.differing or (report.incomplete and not allow_missing):
        raise typer.Exit(1)


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
        show(("decision", "what", "recorded", "computed"), report.differences)
    if len(report.differences) < report.kinds.total():
        typer.echo(f"{report.kinds.total() - len(report.differences):,} more differences")
