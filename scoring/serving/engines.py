"""Where work on the buckets of a dataset is done: in this process, or by Dask's workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import polars as pl

from scoring.errors import ScoringError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")

# Set before a worker's process begins: several workers of one thread each share the cores, and
# Polars and OpenMP read this when they are loaded.
_ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# How often a bucket may be on a worker that dies before it is taken for the cause.
_DEATHS = 3
_SECONDS = 30


class EngineError(ScoringError):
    """Workers that cannot be had."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a bucket: the task's result, or the error that it ended with."""

    bucket: int
    result: T | None = None
    error: BaseException | None = None


class Engine:
    """Does a task for some buckets: this one in this process, one after the other.

    Equal tasks give equal results, whichever engine does them.
    """

    @property
    def about(self) -> str:
        """Who does the work, and where to look on."""
        return "this process"

    def run(self, task: Callable[[int], T], buckets: Sequence[int]) -> Iterator[Outcome[T]]:
        """Do a task for each of some buckets; they come as they are done, in any order.

        A bucket that fails does not stop the others. Tasks may be begun again on another worker
        when theirs dies, so that they have to be such as may be done twice.
        """
        for bucket in buckets:
            try:
                outcome = Outcome(bucket, task(bucket))
            except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - it is told
                outcome = Outcome(bucket, error=error)
            yield outcome


class DaskWorkers(Engine):
    """The engine of `distributed`: a future for each bucket, on workers here or elsewhere."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def about(self) -> str:
        """Who does the work, and where to look on."""
        number = len(self._client.scheduler_info(n_workers=-1)["workers"])
        return f"{number} workers; dashboard: {self._client.dashboard_link}"

    def run(self, task: Callable[[int], T], buckets: Sequence[int]) -> Iterator[Outcome[T]]:
        """Do a task for each of some buckets on the workers."""
        from distributed import as_completed

        futures = self._client.map(task, buckets, pure=False)
        numbers = dict(zip((future.key for future in futures), buckets, strict=True))
        for future in as_completed(futures):
            error = future.exception()
            result = None if error else future.result()
            yield Outcome(numbers[future.key], result, error)
            # What is done need not be kept by the worker.
            future.release()


@contextmanager
def engine(workers: int | None = None, cluster: str | None = None) -> Iterator[Engine]:
    """Open an engine: this process, new processes on this machine, or a scheduler's workers.

    Parameters
    ----------
    workers : int, optional
        How many processes of one thread to start here; they end with the block.
    cluster : str, optional
        The scheduler of workers that are there already, `tcp://HOST:8786`. They see the dataset
        and the output under the same paths, and run the same code.

    Raises
    ------
    EngineError
        If `distributed` is not installed, or no worker answers.
    """
    if workers is None and cluster is None:
        yield Engine()
        return
    if workers is not None and cluster is not None:
        raise EngineError("give --workers or --cluster: workers of a cluster are started elsewhere")
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        mend = "pip install 'credit-scoring[cluster]', or leave --workers and --cluster out"
        raise EngineError(f"Dask's distributed is not installed: {mend}") from error
    settings = {
        "distributed.nanny.pre-spawn-environ": _ONE_THREAD,
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.scheduler.allowed-failures": _DEATHS,
    }
    with dask.config.set(settings):
        if cluster is None:
            # No bound of memory: a worker that Dask ends for it would only begin again.
            with (
                LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, memory_limit=0,
                    dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
                ) as local,
                Client(local) as client,
            ):  # fmt: skip
                yield DaskWorkers(client)
            return
        with _client_of(cluster) as client:
            yield DaskWorkers(client)


@contextmanager
def _client_of(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=_SECONDS)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"no scheduler answers at {address}: start one with `dask scheduler`"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_SECONDS)
        except TimeoutError as error:
            raise EngineError(
                f"the scheduler at {address} has no workers: start some with "
                f"`dask worker {address} --nthreads 1`"
            ) from error
        yield client
