"""`make bench`: what a decision costs, against a bare Flask echo measured in the same run.

Rounds of all servers take turns, so that a slow minute of the machine hits them alike; the
report has the medians of the rounds and their ratios.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated

import orjson
import polars as pl
import typer

from bench import servers
from bench.load import Load, at_rate, saturate, write_bodies
from bench.page import interactions
from bench.profile import stages
from scoring.data.dataset import Dataset
from scoring.files import check_file, write_file
from scoring.reports.overview import refresh
from scoring.serving.batch import example_requests
from scoring.serving.materialize import materialize
from scoring.store import Store

_TITLE = "# Benchmarks"
_CONNECTIONS = 16
_WHO = ("echo", "api")
_REDRAWN = 9
_MLFLOW = "models:/credit-scoring@champion"
_HEADER = ("echo, answers/s", "/predict, answers/s", "share", "asked for", "p50 ms", "p99 ms")
_HALF = ("request", "answers/s", "p50 ms", "p99 ms", "p99 / p50", "asked for")
_ECHO = """Every answer has reasons and is committed to SQLite (WAL, synchronous=FULL) before it \
is sent. The echo is a Flask view that gives the body back, on the same gunicorn settings, but \
on gunicorn's own threads."""
_INTRO = """The page (Streamlit's AppTest: the whole script, its calls to the API, no browser; the \
first time includes imports):"""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmark: a model, and a database that knows the applicants.

    Bodies are what is sent: "id", by number, and "rows", with full histories; each measurement
    takes so many seconds, each server has so many workers.
    """

    folder: Path
    model: Path
    database: str
    bodies: Mapping[str, list[bytes]]
    seconds: float
    workers: int

    def saturated(self, rounds: int) -> dict[str, list[Load]]:
        """Measure echo and API in turns, each by number and from rows, as fast as they answer."""
        paths = {
            kind: write_bodies(bodies, self.folder / f"{kind}.txt")
            for kind, bodies in self.bodies.items()
        }
        loads: dict[str, list[Load]] = {f"{who} {kind}": [] for kind in paths for who in _WHO}
        for _ in range(rounds):
            for kind, path in paths.items():
                with servers.echo(self.workers) as url:
                    load = saturate(f"{url}/predict", path, self.seconds, _CONNECTIONS)
                    loads[f"echo {kind}"].append(load)
                with self._api() as url:
                    saturate(f"{url}/predict", path, 1, _CONNECTIONS)
                    load = saturate(f"{url}/predict", path, self.seconds, _CONNECTIONS)
                    loads[f"api {kind}"].append(load)
        return loads

    def peer(self, data: Path) -> Load:
        """Measure mlflow models serve on features made before: no reasons, no record."""
        from scoring.features import build_features

        frames = Dataset.open(data).frames()
        few = frames["application"].head(50)
        features = build_features({**frames, "application": few}).collect().drop("SK_ID_CURR")
        bodies = [
            orjson.dumps({"dataframe_split": {"columns": features.columns, "data": [list(row)]}})
            for row in features.rows()
        ]
        path = write_bodies(bodies, self.folder / "peer.txt")
        with servers.mlflow(_MLFLOW, self.workers) as url:
            return saturate(f"{url}/invocations", path, self.seconds, _CONNECTIONS)

    def at_half_load(self, loads: Mapping[str, Sequence[Load]]) -> dict[str, Load]:
        """Measure latencies at half of the rate that was reached."""
        with self._api() as url:
            slow = {}
            for kind, sent in self.bodies.items():
                rate = _rate(loads[f"api {kind}"]) / 2
                at_rate(f"{url}/predict", sent, rate, 1)
                slow[kind] = at_rate(f"{url}/predict", sent, rate, self.seconds)
            return slow

    def page(self) -> dict[str, tuple[float, float]]:
        """Measure the page's interactions."""
        applicant = orjson.loads(self.bodies["id"][0])["SK_ID_CURR"]
        with self._api() as url:
            return interactions(url, applicant, _REDRAWN)

    def stages(self, kind: str) -> dict[str, float]:
        """Profile a request's stages, in milliseconds."""
        return stages(self.model, self.folder / "none", self.database, self.bodies[kind])

    def _api(self) -> AbstractContextManager[str]:
        return servers.api(self.model, self.database, self.workers)


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
        database = f"sqlite:///{Path(name) / 'bench.db'}"
        bench = Bench(Path(name), model, database, _prepare(data, database), seconds, workers)
        loads = bench.saturated(rounds)
        sections = [
            _environment(bench),
            _ECHO,
            _saturated(bench, loads),
            *([_peer(bench.peer(data))] if peer else []),
            _half_load(bench.at_half_load(loads)),
            _profiled({"by id": bench.stages("id"), "from raw rows": bench.stages("rows")}),
            _page(bench.page()),
        ]
    text = "\n\n".join([_TITLE, *sections]) + "\n"
    write_file(out, text, _TITLE.encode())
    refresh(out.parent)
    typer.echo(text)


def _prepare(data: Path, database: str) -> dict[str, list[bytes]]:
    """Known applicants, and the longer half of their histories as bodies."""
    dataset = Dataset.open(data)
    store = Store(database)
    store.migrate()
    materialize(dataset, store)
    store.close()
    ids = dataset.frames()["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"]
    chosen = ids.sample(400, seed=0).to_list()
    bodies = sorted((orjson.dumps(body) for body in example_requests(dataset, chosen)), key=len)
    longer = pl.Series(bodies[len(bodies) // 2 :], dtype=pl.Binary).shuffle(seed=0).to_list()
    return {"id": [orjson.dumps({"SK_ID_CURR": number}) for number in chosen], "rows": longer}


def _rate(loads: Iterable[Load]) -> float:
    return median(load.rate for load in loads)


def _environment(bench: Bench) -> str:
    return (
        f"Made by `make bench` on {datetime.now(UTC):%d %B %Y}: {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}, {bench.workers} worker(s), "
        f"the load (wrk, {_CONNECTIONS} connections) on the same machine. Medians of the rounds."
    )


def _saturated(bench: Bench, loads: Mapping[str, Sequence[Load]]) -> str:
    size = int(median(len(body) for body in bench.bodies["rows"]) / 1000)
    kinds = (("id", "by id", "25%"), ("rows", f"from raw rows, {size} kB", "8%"))
    rows = []
    for kind, words, asked in kinds:
        echo, own = _rate(loads[f"echo {kind}"]), loads[f"api {kind}"]
        p50, p99 = (median(getattr(load, name) for load in own) for name in ("p50", "p99"))
        share = f"{_rate(own) / echo:.1%}"
        rows.append(
            (words, f"{echo:,.0f}", f"{_rate(own):,.0f}", share, asked, f"{p50:.1f}", f"{p99:.1f}")
        )
    return _table(("request", *_HEADER), rows)


def _half_load(slow: Mapping[str, Load]) -> str:
    rows = [
        (kind, f"{load.rate:,.0f}", f"{load.p50:.1f}", f"{load.p99:.1f}",
         f"{load.p99 / load.p50:.1f}", "under 5")
        for kind, load in slow.items()
    ]  # fmt: skip
    return "At half of that rate, arrivals at random (Poisson):\n\n" + _table(_HALF, rows)


def _peer(load: Load) -> str:
    return (
        "The same model behind `mlflow models serve`, from features made before, without reasons "
        f"or record: {load.rate:,.0f} answers/s, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms."
    )


def _profiled(profiles: Mapping[str, Mapping[str, float]]) -> str:
    """A table of stages for each kind of request."""
    tables = [
        _table(
            (kind, "ms", "share"),
            [(stage, f"{ms:.2f}", f"{ms / sum(own.values()):.0%}") for stage, ms in own.items()],
        )
        for kind, own in profiles.items()
    ]
    intro = "Where the time of one request goes (cProfile, which slows pure Python down: the "
    return "\n\n".join([f"{intro}shares count):", *tables])


def _page(times: Mapping[str, tuple[float, float]]) -> str:
    rows = [
        (name, f"{middle:.0f}", f"{longest:.0f}", "under 500")
        for name, (middle, longest) in times.items()
    ]
    return f"{_INTRO}\n\n{_table(('interaction', 'median ms', 'longest ms', 'asked for'), rows)}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    typer.run(main)
