"""What is done for the service from the command line: materialize, replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import show
from scoring.cli.store import DATABASE, DatabaseOption, opened

if TYPE_CHECKING:
    from scoring.monitoring.replay import Report

_EXAMPLE = "2026-11-23 or 2026-11-23T09:30:00+01:00"


def materialize(
    dataset: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder that ingest or sample wrote.")
    ],
    database: DatabaseOption = DATABASE,
) -> None:
    """Put a dataset's applicants into the store: the API then takes them by SK_ID_CURR alone.

    Features are computed and rows are kept, of training and test applicants. Run it again when
    the dataset or the features have changed; it may be interrupted, and run while the API serves.
    """
    from scoring.data.dataset import Dataset
    from scoring.serving.materialize import materialize as put_all

    with opened(database) as store:
        found = Dataset.open(dataset)
        total = sum(found.rows(f"application_{part}") for part in found.populations)
        with _counting("applicants", total) as progress:
            count = put_all(found, store, progress)
        typer.echo(f"{count:,} applicants of dataset {found.digest[:12]} in {store.url}")


def replay(
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"From when on: {_EXAMPLE}; UTC if no zone is said."),
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
        start = None if since is None else moment(since, "--since")
        with _counting("decisions") as progress:
            report = replay_all(store, start, progress)
    _tell(report)
    if report.differing or (report.incomplete and not allow_missing):
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Give an app these commands."""
    app.command()(materialize)
    app.command()(replay)


def moment(text: str, option: str) -> datetime:
    """A time that was given to an option; UTC if no zone is said.

    Raises
    ------
    ScoringError
        If it is none.
    """
    from scoring.errors import ScoringError

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ScoringError(f"{option} takes a time such as {_EXAMPLE}, not {text!r}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _tell(report: Report) -> None:
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


@contextmanager
def _counting(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar of how many are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(what, *columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
