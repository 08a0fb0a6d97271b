"""Many threads, one call: results reach those who asked, and errors nobody else."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.decisions.batcher import Batcher


def test_results_come_in_the_order_of_the_items() -> None:
    doubled = Batcher[int, int](lambda items: [2 * item for item in items], most=4)
    assert doubled(range(11)) == [2 * item for item in range(11)]
    assert doubled([]) == []


def test_those_who_wait_are_served_together() -> None:
    first_runs, go_on = threading.Event(), threading.Event()
    calls: list[list[int]] = []

    def work(items: list[int]) -> list[int]:
        calls.append(items)
        first_runs.set()
        assert go_on.wait(10)
        return items

    batcher = Batcher[int, int](work, most=3)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(batcher, [0])
        assert first_runs.wait(10)
        others = [pool.submit(batcher, [number]) for number in range(1, 6)]
        while len(batcher._queue) < 5:
            time.sleep(0.01)
        go_on.set()
        assert [other.result(10) for other in others] == [[1], [2], [3], [4], [5]]
        assert first.result(10) == [0]
    assert [len(call) for call in calls] == [1, 3, 2]


def test_an_item_that_fails_does_not_spoil_the_others() -> None:
    def work(items: list[int]) -> list[float]:
        return [1 / item for item in items]

    batcher = Batcher[int, float](work, most=8)
    with ThreadPoolExecutor(4) as pool:
        asked = {number: pool.submit(batcher, [number]) for number in (1, 0, 2, 4)}
        assert asked[1].result(10) == [1.0]
        assert asked[4].result(10) == [0.25]
        with pytest.raises(ZeroDivisionError):
            asked[0].result(10)
    with pytest.raises(ZeroDivisionError):
        batcher([5, 0])


def test_no_result_is_mixed_up_under_load() -> None:
    batcher = Batcher[int, int](lambda items: [-item for item in items], most=5)

    def ask(start: int) -> bool:
        return all(
            batcher([number, number + 1]) == [-number, -number - 1]
            for number in range(start, start + 300)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(0, 8000, 1000)))
