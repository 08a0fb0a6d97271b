"""`make bench-scale`: what each step costs as the number of applicants grows."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from scoring.data.dataset import FILES, Dataset, table_of
from scoring.files import code_digest, write_file
from scoring.serving.engines import workers
from scoring.serving.parts import Job, write

_TITLE = "# Scale"
# The largest size at which workers and pandas are measured, and how often workers are.
_COMPARED = 200_000
_ROUNDS = 3
_ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1")
# Features that pandas computes too: of which table, and what they are called after its prefix.
_TEN = {
    ("bureau", "bureau"): (
        "DAYS_CREDIT__all__count", "DAYS_CREDIT__all__mean", "DAYS_CREDIT__all__min",
        "DAYS_ENDDATE_FACT__all__max", "AMT_CREDIT_SUM__all__max",
    ),
    ("installments_payments", "installments"): (
        "DAYS_INSTALMENT__all__count", "DAYS_ENTRY_PAYMENT__all__mean",
        "AMT_INSTALMENT__all__max", "AMT_PAYMENT__all__sum",
    ),
    ("previous_application", "previous"): ("DAYS_DECISION__all__max",),
}  # fmt: skip

# Of a command with all its processes: seconds, processor seconds, GB of the largest process, and
# the seconds that it measured itself, if it did.
Cost = dict[str, float]

app = typer.Typer()


class Bench:
    """Costs of commands by name: what a run has measured is kept for the next one."""

    def __init__(self, kept: Path, minutes: float) -> None:
        self._kept, self._end = kept, time.monotonic() + minutes * 60
        before = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        self.costs: dict[str, Cost] = before["costs"] if before.get("code") == code_digest() else {}

    def measure(
        self, name: str, *command: object, likely: float = 0.0, one_thread: bool = False
    ) -> None:
        """Run a module's command unless its cost is known; TimeoutError if no time is left."""
        if name in self.costs:
            return
        if time.monotonic() + likely > self._end:
            raise TimeoutError
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(_ONE_THREAD if one_thread else {})},
        )  # fmt: skip
        with process:
            printed = process.stdout.read() if process.stdout else ""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise typer.Exit(1)
        self.costs[name] = {
            "seconds": time.monotonic() - began,
            "processor": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss / 2**20,
            "timed": float(printed) if "timed" in command else 0.0,
        }
        kept = {"code": code_digest(), "costs": self.costs}
        write_file(self._kept, json.dumps(kept, indent=1))


@app.command()
def run(
    sizes: Annotated[list[int], typer.Argument(help="Numbers of applicants.")],
    model: Annotated[Path, typer.Option(help="A Scorer.")] = Path("mlruns/champion"),
    folder: Annotated[Path, typer.Option(help="For data and measurements.")] = Path("data/scale"),
    out: Annotated[Path, typer.Option(help="The report.")] = Path("reports/scale.md"),
    minutes: Annotated[float, typer.Option(help="Nothing is begun that would take longer.")] = 25,
) -> None:
    """Measure what has not been measured yet, and write the report of all that was."""
    folder.mkdir(parents=True, exist_ok=True)
    bench, sizes = Bench(folder / "measurements.json", minutes), sorted(sizes)
    compared = max((size for size in sizes if size <= _COMPARED), default=sizes[0])
    try:
        for before, size in zip((0, *sizes), sizes, strict=False):
            _grow(bench, size, before, folder, model)
        _compare(bench, compared, folder / f"{compared}")
    except TimeoutError:
        typer.echo("no time is left: run it again for the rest", err=True)
    write_file(out, "\n\n".join(_report(bench.costs, sizes, compared)) + "\n", _TITLE.encode())
    typer.echo(out.read_text("utf-8"))


def _grow(bench: Bench, size: int, before: int, folder: Path, model: Path) -> None:
    """Measure every step at a size, if what it took at the size before lets it end in time."""
    tables, raw, scores = folder / f"{size}", folder / "csv", folder / "scores.parquet"
    applicants = ("--applicants", size, "--test-applicants", 0)
    for step, command in {
        "sample": ("scoring", "sample", *applicants, "--out", tables),
        "csv": ("bench.scale", "csv", tables, raw),
        "ingest": ("scoring", "ingest", raw, "--out", folder / "ingested"),
        "features": ("scoring", "features", tables, "--out", tables.with_suffix(".parquet")),
        "predict": ("scoring", "predict", tables, "--model", model, "--out", scores),
    }.items():
        like = bench.costs.get(f"{step} {before}")
        likely = like["seconds"] * size / before if like else 0.0
        bench.measure(f"{step} {size}", *command, likely=likely)
    shutil.rmtree(raw, ignore_errors=True)


def _compare(bench: Bench, size: int, tables: Path) -> None:
    """Measure features by this process and by workers in turns, and ten of them by pandas."""
    for place in range(_ROUNDS):
        for number in range(3):
            command = ("bench.scale", "timed", tables, number)
            bench.measure(f"{number} workers {size} {place}", *command, one_thread=True)
    features = tables.with_suffix(".parquet")
    bench.measure(f"pandas {size}", "bench.scale", "pandas", tables, features)


@app.command()
def csv(tables: Path, out: Path) -> None:
    """Write a dataset as Kaggle's files."""
    dataset = Dataset.open(tables)
    out.mkdir(exist_ok=True)
    for name in filter(dataset.has, FILES):
        rows = dataset.scan(name).select(FILES[name].schema.names())
        rows.sink_csv(out / f"{name}.csv")


@app.command()
def timed(tables: Path, number: int) -> None:
    """Print the seconds that features take so many workers that are up, or this process."""
    with workers(number or None) as client, TemporaryDirectory() as folder:
        if client:
            client.run(exec, "import scoring.serving.parts")
        began = time.monotonic()
        write(Job(tables.resolve()), Path(folder) / "features.parquet", client)
        typer.echo(time.monotonic() - began)


@app.command("pandas")
def by_pandas(tables: Path, features: Path) -> None:
    """Compute ten features with pandas, bucket by bucket, and see that they are the same."""
    files = Dataset.open(tables).manifest["files"]
    for (table, prefix), names in _TEN.items():
        columns = ["SK_ID_CURR", *{name.split("__")[0] for name in names}]
        buckets = []
        for file in (file for file in files if table_of(file) == table):
            groups = pd.read_parquet(tables / file, columns=columns).groupby("SK_ID_CURR")
            parts = (name.split("__") for name in names)
            buckets.append(pd.concat([groups[own[0]].agg(own[-1]) for own in parts], axis=1))
        kept = [f"{prefix}__{name}" for name in names]
        known = pd.read_parquet(features, columns=["SK_ID_CURR", *kept]).set_index("SK_ID_CURR")
        computed = pd.concat(buckets).reindex(known.index)
        # pandas' sum of nothing is 0.
        np.testing.assert_allclose(computed.fillna(0), known.fillna(0), rtol=1e-6)


def _report(costs: Mapping[str, Cost], sizes: Sequence[int], compared: int) -> Iterator[str]:
    yield _TITLE
    yield (
        f"Made by `make bench-scale` on {datetime.now(UTC):%d %B %Y}: {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}; sample applicants, `ingest` of "
        "their CSV. Of a command with all its processes: GB are of the largest, growth is of "
        "processor time per doubling."
    )
    for step in ("sample", "ingest", "features", "predict"):
        header = f"| {step} | seconds | processor seconds | GB | growth |\n|---|---|---|---|---|"
        yield "\n".join([header, *_rows(costs, step, sizes)])
    if f"pandas {compared}" in costs:
        yield _compared(costs, compared)


def _rows(costs: Mapping[str, Cost], step: str, sizes: Sequence[int]) -> Iterator[str]:
    for before, size in zip((0, *sizes), sizes, strict=False):
        cost, less = (costs.get(f"{step} {number}") for number in (size, before))
        if cost is None:
            continue
        growth = ""
        if less:
            ratio = cost["processor"] / less["processor"]
            growth = f"{ratio ** (1 / math.log2(size / before)):.2f}"
        figures = f"{cost['seconds']:.1f} | {cost['processor']:.1f} | {cost['peak']:.2f}"
        yield f"| {size:,} | {figures} | {growth} |"


def _compared(costs: Mapping[str, Cost], size: int) -> str:
    alone, single, two = (
        median(costs[f"{number} workers {size} {place}"]["timed"] for place in range(_ROUNDS))
        for number in range(3)
    )
    pandas, own = (costs[f"{name} {size}"]["processor"] for name in ("pandas", "features"))
    return (
        f"Features of {size:,} applicants with one thread a process, all of them up, median of "
        f"{_ROUNDS}: {alone:.1f} s in this process, {single:.1f} s by one worker "
        f"({single / alone - 1:+.1%} for scheduling), {two:.1f} s by two ({single / two:.2f} times "
        f"one).\n\npandas takes {pandas:.1f} s of processor time for ten of the features of these "
        f"applicants, bucket by bucket and with equal values, `features` {own:.1f} s for all."
    )


if __name__ == "__main__":
    app()
