"""A dataset of sample applicants, written chunk by chunk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from scoring.data.buckets import Spill, buckets_for, by_applicant, first_applicants
from scoring.data.dataset import (
    FILES,
    POPULATIONS,
    Dataset,
    DatasetWriter,
    Population,
    with_owner,
)
from scoring.data.synthetic.chunks import CHUNK, HISTORIES, ChunkMaker, applicants_of
from scoring.errors import ScoringError
from scoring.files import staged_folder

SOURCE = "synthetic"
# Identifiers are 32-bit; the loans of this many applicants still fit.
MOST_APPLICANTS = 10_000_000
MOST_SEED = 2**32 - 1
# Chunks that share a trip between processes.
BATCH = 5
MOST_PROCESSES = 2

# Called with the applicants written so far.
Progress = Callable[[int], None]


class SampleError(ScoringError):
    """A sample that cannot be made."""


# Applicants from the start of consecutive chunks: a chunk's population, number, and how many.
_Task = list[tuple[Population, int, int]]


def write_sample(
    out: Path,
    applicants: int,
    *,
    test_applicants: int | None = None,
    seed: int = 0,
    buckets: int | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Write a dataset of invented applicants.

    Parameters
    ----------
    out : Path
        The dataset's folder; replaced if it holds a dataset.
    applicants : int
        Training applicants. The first n of a larger sample are those of a sample of n.
    test_applicants : int, optional
        Applicants without TARGET; a quarter of the training ones by default.
    seed : int
        Equal seeds give equal values.
    buckets : int, optional
        In how many buckets to write each table; by the number of applicants if it is not given.
    processes : int, optional
        At most two by default: four more chunks are in memory for each.
    progress : callable, optional
        Told how many applicants are written.

    Raises
    ------
    SampleError
        If a number is out of range.
    FilesError
        If `out` holds something else.
    """
    tests = applicants // 4 if test_applicants is None else test_applicants
    _check(applicants, tests, seed)
    tasks = list(_tasks({"train": applicants, "test": tests}))
    workers = min(processes or MOST_PROCESSES, os.cpu_count() or 1, len(tasks))
    number = buckets or buckets_for(applicants + tests)
    placing = by_applicant(first_applicants(_numbers(tasks), number))
    names = [name for name in FILES if tests or name != "application_test"]
    with staged_folder(out, kind="dataset") as staged:
        spills = {name: Spill(staged.with_name(name), number, placing) for name in names}
        done = 0
        for task, tables in zip(tasks, _drawn(tasks, seed, workers), strict=True):
            for name, rows in tables.items():
                spills[name].add(cast("pl.DataFrame", pl.from_arrow(rows)))
            done += sum(rows for _, _, rows in task)
            if progress:
                progress(done)
        writer = DatasetWriter(staged, number)
        for name, spill in spills.items():
            writer.write(name, spill.buckets())
        writer.close(
            SOURCE, {"made": {"applicants": applicants, "test_applicants": tests, "seed": seed}}
        )
    return Dataset.open(out)


def _numbers(tasks: list[_Task]) -> pl.Series:
    """SK_ID_CURR of everybody."""
    parts = [applicants_of(who, chunk)[:rows] for task in tasks for who, chunk, rows in task]
    return pl.Series(np.concatenate(parts))


def _check(applicants: int, tests: int, seed: int) -> None:
    for name, value, least, most in (
        ("applicants", applicants, 1, MOST_APPLICANTS),
        ("test applicants", tests, 0, MOST_APPLICANTS),
        ("seed", seed, 0, MOST_SEED),
    ):
        if not least <= value <= most:
            raise SampleError(f"{name} is {value}: give a number from {least} to {most}")


def _tasks(wanted: dict[Population, int]) -> Iterator[_Task]:
    """Chunks in the order of their identifiers: train and test in turn, `BATCH` at a time."""
    parts = [
        (population, chunk, min(CHUNK, wanted[population] - chunk * CHUNK))
        for chunk in range(-(-max(wanted.values()) // CHUNK))
        for population in POPULATIONS
        if wanted[population] > chunk * CHUNK
    ]
    for start in range(0, len(parts), BATCH):
        yield parts[start : start + BATCH]


def _drawn(tasks: list[_Task], seed: int, workers: int) -> Iterator[dict[str, pa.Table]]:
    """The tables of each task, in order, with no more drawn ahead than the workers need."""
    if workers <= 1:
        yield from (_draw(task, seed) for task in tasks)
        return
    # Polars' threads do not survive a fork.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[dict[str, pa.Table]]] = deque()
        for task in tasks:
            waiting.append(pool.submit(_draw, task, seed))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@cache
def _maker() -> ChunkMaker:
    return ChunkMaker()


def _draw(task: _Task, seed: int) -> dict[str, pa.Table]:
    """The files' new rows by file name without ending, as Arrow tables."""
    pieces: dict[str, list[pl.DataFrame]] = {name: [] for name in FILES}
    for population, chunk, rows in task:
        frames = _head(_maker().draw(population, chunk, seed), rows)
        balance, bureau = frames["bureau_balance"].lazy(), frames["bureau"].lazy()
        frames["bureau_balance"] = with_owner(balance, bureau).collect()
        application = frames["application"]
        if population == "test":
            application = application.drop("TARGET")
        pieces[f"application_{population}"].append(application)
        for name in HISTORIES:
            pieces[name].append(frames[name])
    return {name: pl.concat(frames).to_arrow() for name, frames in pieces.items() if frames}


def _head(frames: dict[str, pl.DataFrame], applicants: int) -> dict[str, pl.DataFrame]:
    """The first applicants of a chunk with their rows."""
    if applicants == CHUNK:
        return frames
    application = frames["application"].head(applicants)
    last = application["SK_ID_CURR"].item(-1)
    kept = {
        name: frame.filter(pl.col("SK_ID_CURR") <= last)
        for name, frame in frames.items()
        if "SK_ID_CURR" in frame.columns
    }
    loans = kept["bureau"]["SK_ID_BUREAU"].max()
    balance = frames["bureau_balance"].filter(pl.col("SK_ID_BUREAU") <= (loans or 0))
    return {**kept, "application": application, "bureau_balance": balance}
