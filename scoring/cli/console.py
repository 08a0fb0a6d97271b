"""Output of the command line: messages, errors in a line, tables, progress."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from distributed import Client
    from rich.console import Console

_MINUTE = 60.0
# What is longer is no word that people read, and may be broken.
_WORD = 16
_MEND = "try again when no other command is at work; if it stays, put a backup of mlruns in place"


def _show_log(console: Console) -> None:
    """Show what the library logs as plain lines on a console that progress bars share."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = f"{record.levelname.lower()}: {' '.join(record.getMessage().splitlines())}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    logging.getLogger("scoring").handlers = [Handler()]
    logging.getLogger("scoring").setLevel(logging.INFO)


@contextmanager
def messages() -> Iterator[Console]:
    """A console for messages; what a user can mend is told in a line and ends with status 1.

    So is what the system refuses (a folder that cannot be written, a disk that is full), and what
    MLflow does.
    """
    from rich.console import Console

    from scoring.errors import ScoringError

    console = Console(stderr=True)
    _show_log(console)
    try:
        yield console
    except (ScoringError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except _of_mlflow() as error:
        typer.echo(f"error: MLflow says {f'{error}'.splitlines()[0][:300]!r}: {_MEND}", err=True)
        raise typer.Exit(1) from error


def _of_mlflow() -> tuple[type[Exception], ...]:
    """Return MLflow's exception, if a command has loaded it: to import it takes seconds."""
    loaded = sys.modules.get("mlflow.exceptions")
    return () if loaded is None else (loaded.MlflowException,)


def show(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table that fits the screen, and 80 columns where there is none."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, told = Console(), [header, *rows]
    # Two blanks between columns, or one where only that leaves words whole.
    room, number = console.width - 1, len(header)
    fitting = ((own, _widths(told, room - own * number)) for own in (2, 1))
    blanks, widths = next((own for own in fitting if own[1]), (2, [None] * number))
    table = Table(box=SIMPLE_HEAD, padding=(0, blanks - 1, 0, 0), pad_edge=False)
    for name, width in zip(header, widths, strict=True):
        # A digest on two lines can be copied, one that is cut cannot.
        table.add_column(name, overflow="fold", width=width)
    for row in told[1:]:
        table.add_row(*map(escape, row))
    console.print(table)


def _widths(rows: Sequence[tuple[str, ...]], room: int) -> list[int]:
    """Share the room: words whole, then more for the column that needs most; none if too small."""
    columns = list(zip(*rows, strict=True))
    words = [[len(word) for text in column for word in text.split()] for column in columns]
    widths = [min(max(own, default=1), _WORD) for own in words]
    if (spare := room - sum(widths)) < 0:
        return []
    full = [max(map(len, column)) for column in columns]
    for _ in range(min(spare, sum(full) - sum(widths))):
        needs = [most - width for most, width in zip(full, widths, strict=True)]
        widths[needs.index(max(needs))] += 1
    return widths


@contextmanager
def workers_shown(number: int | None, cluster: str | None) -> Iterator[Client | None]:
    """Connect to the workers that --workers or --cluster ask for, and tell where they are seen."""
    from scoring.serving.engines import workers

    with workers(number, cluster) as client:
        if client is not None:
            typer.echo(f"the workers' dashboard: {client.dashboard_link}", err=True)
        yield client


@contextmanager
def applicants_shown(console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """Tell how many applicants are done, and how many a second; yields what is told."""
    began: list[tuple[float, int]] = []

    def move(done: int, total: int) -> None:
        if not began:
            began.append((time.monotonic(), done))
            report("applicants", done, total)
            return
        start, before = began[0]
        rate = (done - before) / (time.monotonic() - start)
        report(f"{rate:,.0f} applicants/s", done, total)

    with stages(console) as report:
        yield move


@contextmanager
def stages(console: Console | None = None) -> Iterator[Callable[[str, int, int | None], None]]:
    """Tell how far something is that takes long; yields what is told (total None: not known).

    On a terminal it is a bar, elsewhere a line a stage, and a line a minute.
    """
    from rich.console import Console

    screen = console or Console(stderr=True)
    with (_bar if screen.is_terminal else _lines)(screen) as report:
        yield report


@contextmanager
def costed(
    screen: Console, report: Callable[[str, int, int | None], None]
) -> Iterator[Callable[[str, int, int | None], None]]:
    """Print what each stage has cost when it is over; yields what is told in place of `report`.

    A line has the stage's seconds, those since the first stage began, and the most memory that
    the process has had until then, in gigabytes.
    """
    first = began = time.monotonic()
    current = ""

    def over() -> None:
        now = time.monotonic()
        screen.print(
            f"{current:<22}{now - began:8.1f} s of {now - first:8.1f} s, "
            f"at most {_most_memory():.2f} GB",
            highlight=False,
        )

    def told(stage: str, done: int, total: int | None) -> None:
        nonlocal began, current
        if stage != current:
            if current:
                over()
            began, current = time.monotonic(), stage
        report(stage, done, total)

    yield told
    over()


def _most_memory() -> float:
    """Return the most memory that this process has had so far, in gigabytes."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but on macOS bytes.
    return most / (1e9 if sys.platform == "darwin" else 1e6)


@contextmanager
def _bar(screen: Console) -> Iterator[Callable[[str, int, int | None], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=screen, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda stage, done, total: bar.update(
            task, description=stage, completed=done, total=total
        )


@contextmanager
def _lines(screen: Console) -> Iterator[Callable[[str, int, int | None], None]]:
    began, ended, state = time.monotonic(), threading.Event(), ["reading", ""]

    def tell() -> None:
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        screen.print(
            f"{minutes:3d}:{seconds:02d}  {state[0]:<22}{state[1]}".rstrip(), highlight=False
        )

    def report(stage: str, done: int, total: int | None) -> None:
        news = stage != state[0]
        counted = f"{done:,}" if total is None else f"{done:,} of {total:,}"
        state[:] = stage, counted if done else ""
        if news:
            tell()

    def every_minute() -> None:
        while not ended.wait(_MINUTE):
            tell()

    thread = threading.Thread(target=every_minute, daemon=True)
    thread.start()
    try:
        yield report
    finally:
        ended.set()
        thread.join()
