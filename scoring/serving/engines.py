"""Where work on the buckets of a dataset is done: in this process, or by Dask's workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from scoring.errors import ScoringError

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Dask begins workers as new processes, and gives a bucket up when four workers have died of it.
_SETTINGS = {
    # Of workers here, which share the cores. Dask sets as much for OpenMP and BLAS.
    "distributed.nanny.pre-spawn-environ.POLARS_MAX_THREADS": "1",
    # Dask has memory given back at once; to get it again takes an eighth of the time.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # A worker waits for its next bucket: one that is with it when it dies is taken for a cause.
    "distributed.scheduler.worker-saturation": 1.0,
}
_SECONDS = 30
_SHOWN_FAILURES = 3


class EngineError(ScoringError):
    """Workers that cannot be had."""


class BucketsError(ScoringError):
    """Some buckets failed, the others are done."""


def run(
    task: Callable[[int], T], buckets: Sequence[int], client: Client | None = None
) -> Iterator[tuple[int, T]]:
    """Do a task for each of some buckets, and give each with its result as it is done.

    The workers of a client do it, this process if there is none. A task whose worker dies is begun
    again elsewhere: it has to be one that may be done twice.

    Raises
    ------
    BucketsError
        If any failed, with their causes, after all others are done.
    """
    failures = []
    for bucket, result in _attempts(task, buckets, client):
        try:
            done = result()
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - it is told
            # The first line: Polars adds its plan.
            words = next(iter(str(error).splitlines()), "")
            failures.append(f"bucket {bucket}: {type(error).__name__}: {words}")
            logger.error(failures[-1])
        else:
            yield bucket, done
    if failures:
        shown = "; ".join(failures[:_SHOWN_FAILURES])
        raise BucketsError(f"{len(failures)} of {len(buckets)} buckets failed: {shown}")


def _attempts(
    task: Callable[[int], T], buckets: Sequence[int], client: Client | None
) -> Iterator[tuple[int, Callable[[], T]]]:
    """Each bucket with what gives its result or raises its error, in the order they are done."""
    if client is None:
        for bucket in buckets:
            yield bucket, partial(task, bucket)
        return
    from distributed import as_completed

    futures = client.map(task, buckets, pure=False)
    places = dict(zip((future.key for future in futures), buckets, strict=True))
    for future in as_completed(futures):
        yield places[future.key], future.result


@contextmanager
def workers(number: int | None = None, cluster: str | None = None) -> Iterator[Client | None]:
    """Connect to workers: new processes of one thread here, or a scheduler's; None if neither.

    Workers of a `cluster`, `tcp://HOST:8786`, see datasets, models and outputs under the same paths
    as this process, and run the same code.

    Raises
    ------
    EngineError
        If `distributed` is not installed, or no worker answers.
    """
    if number is None and cluster is None:
        yield None
        return
    if number is not None and cluster is not None:
        raise EngineError("give --workers or --cluster: workers of a cluster are started elsewhere")
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        mend = "pip install 'credit-scoring[cluster]', or leave --workers and --cluster out"
        raise EngineError(f"Dask's distributed is not installed: {mend}") from error
    # What a lost connection means is told with the buckets, without Dask's traceback.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    with dask.config.set(_SETTINGS), ExitStack() as opened:
        # No bound of memory: a worker that Dask ends for it would only begin again.
        where = cluster or opened.enter_context(
            LocalCluster(
                n_workers=number, threads_per_worker=1, processes=True, memory_limit=0,
                dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
            )
        )  # fmt: skip
        try:
            client = opened.enter_context(Client(where, timeout=_SECONDS))
            client.wait_for_workers(1, timeout=_SECONDS)
        except (OSError, ValueError) as error:
            raise EngineError(
                f"no scheduler with workers answers at {cluster}: start `dask scheduler` and "
                f"`dask worker {cluster} --nthreads 1`"
            ) from error
        yield client
