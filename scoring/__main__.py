"""The command line: ``python -m scoring --help``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    name="scoring",
    help="Credit scoring on the Home Credit tables, from files to a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Keep commands named: Typer drops the name of an app's only command."""


def _show_log(console: Console) -> None:
    """Show what the library logs as plain lines on a console that progress bars share."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = f"{record.levelname.lower()}: {record.getMessage()}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    logging.getLogger("scoring").handlers = [Handler()]
    logging.getLogger("scoring").setLevel(logging.INFO)


@app.command()
def ingest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="A folder of Kaggle's files (.csv, .csv.gz, .csv.zip or .parquet), Kaggle's one "
            "big zip, or the word kaggle to download the competition.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a dataset.")],
) -> None:
    """Check the Kaggle tables and write them as typed Parquet.

    Bad input stops with table, column, row and what to do, and writes nothing.

    A history table may be missing, its features are then null; so may application_test.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from scoring.dataset import FILES, DatasetError
    from scoring.dataset import ingest as ingest_files
    from scoring.sources import download_competition

    console = Console(stderr=True)
    _show_log(console)
    columns = (TextColumn("{task.description:<30}"), BarColumn(), MofNCompleteColumn())
    try:
        folder = download_competition() if source == "kaggle" else Path(source)
        with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
            task = bar.add_task("looking for files", total=len(FILES))

            def report(name: str, rows: int | None) -> None:
                position = list(FILES).index(name)
                done = position if rows is None else position + 1
                bar.update(task, description=name, completed=done)

            dataset = ingest_files(folder, out, progress=report)
            bar.update(task, description="done", completed=len(FILES))
    except DatasetError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    for name in FILES:
        typer.echo(f"{name:<22} {dataset.rows(name):>12,} rows")
    typer.echo(f"dataset {dataset.digest[:12]} in {out}")


if __name__ == "__main__":
    app(prog_name="python -m scoring")
