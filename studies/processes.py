"""Work that several processes share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import starmap
from multiprocessing import get_context
from typing import Any, TypeVar

Result = TypeVar("Result")
# Called with what is done, how far it is and how far it goes.
Progress = Callable[[str, int, int | None], None]


def in_processes(
    function: Callable[..., Result], arguments: Iterable[tuple[Any, ...]], processes: int
) -> Iterator[Result]:
    """Yield what a function makes of each tuple of arguments, in their order.

    With one process the work is done here; with more the function has to be picklable.
    """
    if processes == 1:
        yield from starmap(function, arguments)
        return
    # A process each for a core: threads of their own would wait for those of the others.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, "1")
    # Forked children would inherit the locks of Polars' threads.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(function, *zip(*arguments, strict=True))
