"""Other processes that use a store at the same time as a test, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scoring.store import (
    OnlineApplicant,
    Outcome,
    Override,
    Policy,
    Report,
    Review,
    ShadowScore,
    Store,
    StoreChangedError,
    StoreUnavailableError,
)
from tests.helpers.databases import prediction

# One process imports what takes long, and is forked for each of the others.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["scoring.store", "alembic.command", "psycopg", "pytest"])
_SECONDS = 120.0
_NOBODY = 65534


def run_at_once(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What a function gives in as many processes, all of which begin at the same time."""
    barrier = _CONTEXT.Barrier(len(arguments))
    pipes = [_CONTEXT.Pipe(duplex=False) for _ in arguments]
    running = [
        _CONTEXT.Process(target=_after, args=(barrier, end, work, given))
        for (_, end), given in zip(pipes, arguments, strict=True)
    ]
    for one, (_, end) in zip(running, pipes, strict=True):
        one.start()
        end.close()
    try:
        return [_received(start) for start, _ in pipes]
    finally:
        for one in running:
            one.join(_SECONDS)


def _after(barrier: Any, pipe: Connection, work: Callable[..., Any], given: Any) -> None:
    barrier.wait(_SECONDS)
    pipe.send(work(*given))


def _received(pipe: Connection) -> Any:
    assert pipe.poll(_SECONDS), "the other process says nothing"
    return pipe.recv()


def migrated(url: str) -> bool:
    found = Store(url)
    found.migrate()
    found.check()
    found.close()
    return True


def recorded_by_key(url: str, batches: Sequence[Sequence[str]]) -> dict[str, str]:
    """The ids that a process was told for idempotency keys, recorded batch by batch."""
    found = Store(url)
    told: dict[str, str] = {}
    for batch in batches:
        kept = found.decisions.record([prediction(idempotency_key=key) for key in batch])
        told |= {key: one.id for key, one in zip(batch, kept, strict=True)}
    found.close()
    return told


def explored(url: str, applicants: Sequence[int], room: float) -> list[str]:
    """What became of applicants whom a process had drawn, recorded one after the other."""
    found, drawn = Store(url), {"model_decision": "refuse", "exploration": "drawn"}
    told: list[str] = []
    for number in applicants:
        usual = {"applicant": str(number), "pd": 0.25, "propensity": 0.5}
        made = prediction(decision="accept", **usual, **drawn)
        (kept,) = found.decisions.record([made], room)
        told.append(str(kept.exploration))
    found.close()
    return told


def review_decided(url: str, review: Review) -> bool:
    """Whether this process was the one to decide on a review, by an override."""
    store = Store(url)
    number, at = review.prediction_id, review.received_at
    override = Override(number, "accept", "C. Martin", "So it is.", at, "k-1")
    try:
        store.reviews.decide(review, override, seen=0)
    except StoreChangedError:
        return False
    finally:
        store.close()
    return True


def policy_changed(url: str, changes: Sequence[dict[str, Any]]) -> list[Policy]:
    """What the policy was after each change of a process."""
    found = Store(url)
    told = [found.models.change_policy(change, "a process", "to try it") for change in changes]
    found.close()
    return told


def outcomes_told(url: str, calls: Sequence[Sequence[Outcome]]) -> list[int]:
    """How many outcomes were recorded by each call of a process."""
    found = Store(url)
    told = [found.outcomes.record(call) for call in calls]
    found.close()
    return told


def kept(url: str, report: Report, applicants: Sequence[OnlineApplicant], times: int) -> bool:
    """Whether a process could keep the same things again and again."""
    found = Store(url)
    for _ in range(times):
        found.reports.keep(report)
        found.applicants.put(applicants)
    found.close()
    return True


def recorded_by_threads(url: str, threads: int, times: int) -> list[str]:
    """The ids of what threads of one process recorded."""
    found = Store(url)

    def write(thread: int) -> list[str]:
        made = [prediction(request_id=f"{thread}-{number}") for number in range(times)]
        return [found.decisions.record([one])[0].id for one in made]

    with ThreadPoolExecutor(threads) as pool:
        told = [number for some in pool.map(write, range(threads)) for number in some]
    found.close()
    return told


def batch(size: int) -> list[Any]:
    """Decisions with two shadow scores each, known as one batch by their request."""
    along = tuple(ShadowScore(digest * 64, "4", 0.25, "accept") for digest in "bc")
    return [prediction(request_id=f"batch-{size}", shadows=along) for _ in range(size)]


def killed_while_writing(url: str, acknowledged: int) -> list[str]:
    """Ids that a process had recorded before it was killed, in the midst of the next ones."""
    start, end = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_write_for_ever, args=(url, end))
    process.start()
    end.close()
    told: list[str] = []
    while len(told) < acknowledged:
        told += _received(start)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(_SECONDS)
    # What was said before the end is in the pipe.
    while start.poll():
        try:
            told += start.recv()
        except (EOFError, OSError):
            break
    return told


def _write_for_ever(url: str, pipe: Connection) -> None:
    found = Store(url)
    while True:
        for size in (1, 16, 5):
            pipe.send([one.id for one in found.decisions.record(batch(size))])


def filled_disk(url: str) -> tuple[list[str], list[str]]:
    """Ids recorded until the disk was full, and what was said then; then once it had room."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    found = Store(url)
    told: list[str] = []
    errors: list[str] = []
    while len(errors) < 5:
        try:
            told += [one.id for one in found.decisions.record(batch(16))]
        except StoreUnavailableError as error:
            errors.append(str(error))
    # What is too little for decisions has room for some checks.
    while len(errors) < 6:
        try:
            found.check()
        except StoreUnavailableError as error:
            errors.append(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    found.check()
    told += [one.id for one in found.decisions.record(batch(16))]
    return told, errors


def refused_as_read_only(file: str) -> list[str]:
    """What is said to a process that may not write where the store is."""
    found = Store(f"sqlite:///{file}")
    errors: list[str] = []
    if os.geteuid() == 0:
        # Whatever is imported at the first use is out of reach afterwards.
        found.check()
        found.close()
        os.setuid(_NOBODY)
    assert not os.access(Path(file).parent, os.W_OK)
    for use in (found.migrate, found.check, lambda: found.decisions.record([prediction()])):
        try:
            use()
        except StoreUnavailableError as error:
            errors.append(str(error))
    return errors
