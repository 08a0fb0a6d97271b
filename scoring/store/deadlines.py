"""How long a database is waited for: each use has a deadline, and silence is not met twice."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from scoring.store.errors import StoreSilentError, StoreUnavailableError

# A use takes so long at most where somebody waits, and where a command reads or writes many rows.
# Platforms give up on a request after 30 seconds.
USUAL_SECONDS, LONG_SECONDS = 10.0, 600.0
# Between two pieces of a long command those who record decisions get their turn.
PAUSE_SECONDS = 0.05
_SILENT_SECONDS = 2.0

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


def left() -> float:
    """The seconds until the deadline of what this thread asks a database."""
    return _deadline.get() - time.monotonic()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set a deadline for what this thread asks a database in the block."""
    before = _deadline.get()
    _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.set(before)


class Breaker:
    """Lets one use at a time ask a database that is silent: in a row all would wait too long."""

    def __init__(self) -> None:
        self._lock = Lock()
        # 0 while it answers.
        self._silent_until = 0.0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise StoreUnavailableError while the database is silent, and see whether it is."""
        start, heard = time.monotonic(), True
        with self._lock:
            if start < self._silent_until:
                raise StoreUnavailableError("the store is silent; it is asked again in a moment")
            if self._silent_until:
                self._silent_until = start + USUAL_SECONDS + _SILENT_SECONDS
        try:
            yield
        except StoreSilentError:
            # Where a connection is refused at once, nobody has to be spared it.
            heard = not self._silent_until and time.monotonic() - start < USUAL_SECONDS / 2
            raise
        finally:
            self._silent_until = 0.0 if heard else time.monotonic() + _SILENT_SECONDS
