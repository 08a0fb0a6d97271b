"""Work that costs little more for many than for one, done for all that wait at the same time."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    done: bool = False
    result: Result | None = None
    # Stands where the thread that works is made to end, as when the process stops.
    error: Exception | None = field(default_factory=lambda: InterruptedError("the work was ended"))


class Batcher(Generic[Item, Result]):
    """Calls a function for many threads at once, with `most` items at a time.

    Whoever gets the turn serves everybody who waits by then ("flat combining", Hendler, Incze,
    Shavit and Tzafrir, 2010): no thread of its own has to be started, stopped or watched, and a
    caller that is alone waits for nobody.
    """

    def __init__(self, work: Callable[[list[Item]], list[Result]], most: int) -> None:
        self._work = work
        self._most = most
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._turn = Lock()

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """Work on the items, and return their results in order.

        Raises what `work` raised for one of them; an item whose neighbour fails is worked on alone.
        """
        waiting = [_Waiting[Item, Result](item) for item in items]
        self._queue.extend(waiting)
        for entry in waiting:
            while not entry.done:
                with self._turn:
                    if not entry.done:
                        self._serve()
        for entry in waiting:
            if entry.error is not None:
                raise entry.error
        return [cast("Result", entry.result) for entry in waiting]

    def _serve(self) -> None:
        entries = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        try:
            self._work_on(entries)
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that asked
            if len(entries) == 1:
                entries[0].error = error
            else:
                self._work_one_by_one(entries)
        finally:
            for entry in entries:
                entry.done = True

    def _work_on(self, entries: list[_Waiting[Item, Result]]) -> None:
        results = self._work([entry.item for entry in entries])
        for entry, result in zip(entries, results, strict=True):
            entry.result, entry.error = result, None

    def _work_one_by_one(self, entries: list[_Waiting[Item, Result]]) -> None:
        for entry in entries:
            try:
                self._work_on([entry])
            except Exception as error:  # noqa: BLE001 - it is raised in the thread that asked
                entry.error = error
