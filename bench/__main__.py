"""`make bench`: what a decision costs, against a bare Flask echo measured in the same run.

Rounds of all servers take turns, so that a slow minute of the machine hits them alike; the
report has the medians of the rounds and their ratios.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated

import orjson
import polars as pl
import typer

from bench import page, servers
from bench.load import Load, at_rate, saturate, write_bodies
from bench.profile import stages
from scoring.data.dataset import Dataset
from scoring.files import check_file, staged_file
from scoring.serving.batch import example_requests
from scoring.serving.materialize import materialize
from scoring.store import Store

_TITLE = "# Benchmarks"
_CONNECTIONS = 16
_REDRAWN = 9
_MLFLOW = "models:/credit-scoring@champion"


@dataclass(frozen=True, slots=True)
class Bodies:
    """What is sent: by number, and with full histories."""

    by_id: list[bytes]
    with_rows: list[bytes]


def main(
    data: Annotated[Path, typer.Option(help="A dataset.")] = Path("data/tables"),
    model: Annotated[Path, typer.Option(help="A Scorer.")] = Path("mlruns/champion"),
    out: Annotated[Path, typer.Option(help="The report.")] = Path("reports/benchmarks.md"),
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 8.0,
    rounds: Annotated[int, typer.Option(help="How often each is measured.")] = 3,
    workers: Annotated[int, typer.Option(help="Processes of each server.")] = 1,
    peer: Annotated[bool, typer.Option(help="Measure mlflow models serve too.")] = True,
) -> None:
    """Measure the API against a bare echo, and write the report."""
    check_file(out, _TITLE.encode())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = f"sqlite:///{folder / 'bench.db'}"
        bodies = _prepare(data, database)
        figures = _measure(folder, model, database, bodies, seconds, rounds, workers)
        if peer:
            figures["mlflow"] = _peer(folder, data, seconds, workers)
        slow = _half_load(folder, model, database, bodies, figures, seconds, workers)
        with servers.api(folder, model, database, workers) as url:
            shown = page.interactions(url, orjson.loads(bodies.by_id[0])["SK_ID_CURR"], _REDRAWN)
        profiles = {
            "by id": stages(model, folder / "none", database, bodies.by_id),
            "from raw rows": stages(model, folder / "none", database, bodies.with_rows),
        }
    text = _report(figures, slow, bodies, workers) + _profiled(profiles) + page.table(shown)
    with staged_file(out, _TITLE.encode()) as staged:
        staged.write_text(text, encoding="utf-8")
    typer.echo(text)


def _prepare(data: Path, database: str) -> Bodies:
    """Known applicants, and the longer half of their histories as bodies."""
    dataset = Dataset.open(data)
    store = Store(database)
    store.migrate()
    materialize(dataset, store)
    store.close()
    ids = dataset.frames()["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"]
    chosen = ids.sample(400, seed=0).to_list()
    bodies = sorted((orjson.dumps(body) for body in example_requests(dataset, chosen)), key=len)
    longer = bodies[len(bodies) // 2 :]
    by_id = [orjson.dumps({"SK_ID_CURR": number}) for number in chosen]
    return Bodies(by_id, pl.Series(longer, dtype=pl.Binary).shuffle(seed=0).to_list())


def _measure(
    folder: Path,
    model: Path,
    database: str,
    bodies: Bodies,
    seconds: float,
    rounds: int,
    workers: int,
) -> dict[str, list[Load]]:
    by_id = write_bodies(bodies.by_id, folder / "id.txt")
    with_rows = write_bodies(bodies.with_rows, folder / "rows.txt")
    figures: dict[str, list[Load]] = {}
    for _ in range(rounds):
        for kind, path in (("id", by_id), ("rows", with_rows)):
            with servers.echo(folder, workers) as url:
                load = saturate(f"{url}/predict", path, seconds, _CONNECTIONS)
                figures.setdefault(f"echo {kind}", []).append(load)
            with servers.api(folder, model, database, workers) as url:
                saturate(f"{url}/predict", path, 1, _CONNECTIONS)
                load = saturate(f"{url}/predict", path, seconds, _CONNECTIONS)
                figures.setdefault(f"api {kind}", []).append(load)
    return figures


def _peer(folder: Path, data: Path, seconds: float, workers: int) -> list[Load]:
    """Mlflow models serve on features that were made before: no reasons, no record."""
    from scoring.features import build_features

    frames = Dataset.open(data).frames()
    few = frames["application"].head(50)
    features = build_features({**frames, "application": few}).collect().drop("SK_ID_CURR")
    bodies = [
        orjson.dumps({"dataframe_split": {"columns": features.columns, "data": [list(row)]}})
        for row in features.rows()
    ]
    path = write_bodies(bodies, folder / "peer.txt")
    with servers.mlflow(folder, _MLFLOW, workers) as url:
        return [saturate(f"{url}/invocations", path, seconds, _CONNECTIONS)]


def _half_load(
    folder: Path,
    model: Path,
    database: str,
    bodies: Bodies,
    figures: Mapping[str, Sequence[Load]],
    seconds: float,
    workers: int,
) -> dict[str, Load]:
    """Latencies at half of the rate that was reached."""
    with servers.api(folder, model, database, workers) as url:
        found = {}
        for kind, sent in (("id", bodies.by_id), ("rows", bodies.with_rows)):
            rate = _rate(figures[f"api {kind}"]) / 2
            at_rate(f"{url}/predict", sent, rate, 1)
            found[kind] = at_rate(f"{url}/predict", sent, rate, seconds)
        return found


def _rate(loads: Sequence[Load]) -> float:
    return median(load.rate for load in loads)


def _report(
    figures: Mapping[str, Sequence[Load]], slow: Mapping[str, Load], bodies: Bodies, workers: int
) -> str:
    size = int(median(len(body) for body in bodies.with_rows) / 1000)
    lines = [
        _TITLE,
        "",
        f"Made by `make bench` on {datetime.now(UTC):%d %B %Y}: {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}, {workers} worker(s), the load "
        f"(wrk, {_CONNECTIONS} connections) on the same machine. Medians of the rounds.",
        "",
        "Every answer has reasons and is committed to SQLite (WAL, synchronous=FULL) before it is "
        "sent. The echo is a Flask view that gives the body back, on the same gunicorn "
        "settings, but on gunicorn's own threads.",
        "",
        "| request | echo, answers/s | /predict, answers/s | share | asked for | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, words, asked in (
        ("id", "by id", "25%"),
        ("rows", f"from raw rows, {size} kB", "8%"),
    ):
        echo, own = figures[f"echo {kind}"], figures[f"api {kind}"]
        share = _rate(own) / _rate(echo)
        p50, p99 = (median(getattr(load, name) for load in own) for name in ("p50", "p99"))
        lines.append(
            f"| {words} | {_rate(echo):,.0f} | {_rate(own):,.0f} | {share:.1%} | {asked} "
            f"| {p50:.1f} | {p99:.1f} |"
        )
    lines += ["", "At half of that rate, arrivals at random (Poisson):", ""]
    lines += ["| request | answers/s | p50 ms | p99 ms | p99 / p50 | asked for |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    for kind, load in slow.items():
        lines.append(
            f"| {kind} | {load.rate:,.0f} | {load.p50:.1f} | {load.p99:.1f} "
            f"| {load.p99 / load.p50:.1f} | under 5 |"
        )
    if "mlflow" in figures:
        (load,) = figures["mlflow"]
        lines += [
            "",
            f"The same model behind `mlflow models serve`, from features made before, without "
            f"reasons or record: {load.rate:,.0f} answers/s, p50 {load.p50:.1f} ms, p99 "
            f"{load.p99:.1f} ms.",
        ]
    return "\n".join(lines) + "\n"


def _profiled(profiles: Mapping[str, Mapping[str, float]]) -> str:
    """A table of stages for each kind of request."""
    lines = [
        "",
        "Where the time of one request goes (cProfile, which slows pure Python down: the shares "
        "count):",
        "",
    ]
    for kind, found in profiles.items():
        total = sum(found.values())
        lines += [f"| {kind} | ms | share |", "|---|---|---|"]
        lines += [f"| {stage} | {ms:.2f} | {ms / total:.0%} |" for stage, ms in found.items()]
        lines += [""]
    return "\n".join(lines[:-1]) + "\n"


if __name__ == "__main__":
    typer.run(main)
