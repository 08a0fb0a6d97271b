"""How often one caller may ask: the moving window, and each worker's share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.http.limits import Limiter
from api.http.problems import ProblemError
from api.settings import SettingsError


def allowed(limiter: Limiter, caller: str = "somebody") -> bool:
    try:
        limiter.spend(caller)
    except ProblemError as problem:
        return problem.status != 429
    return True


def test_so_many_are_allowed_and_no_more() -> None:
    limiter = Limiter("3/hour", workers=1)
    assert [allowed(limiter) for _ in range(5)] == [True, True, True, False, False]


def test_callers_are_counted_apart() -> None:
    limiter = Limiter("1/hour", workers=1)
    assert allowed(limiter, "a")
    assert not allowed(limiter, "a")
    assert allowed(limiter, "b")


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr("api.http.limits.time.monotonic", lambda: seconds)


def test_a_refusal_says_when_to_come_again_and_then_lets_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limiter = Limiter("2/minute", workers=1)
    for second in (0.0, 20.0):
        at(monkeypatch, second)
        assert allowed(limiter)
    at(monkeypatch, 30.5)
    with pytest.raises(ProblemError) as refusal:
        limiter.spend("somebody")
    assert refusal.value.headers == {"Retry-After": "30"}
    assert "2/minute" in refusal.value.detail
    at(monkeypatch, 59.9)
    assert not allowed(limiter)
    at(monkeypatch, 60.5)
    assert allowed(limiter)


@settings(deadline=None)
@given(
    gaps=st.lists(st.floats(0, 40), max_size=60),
    most=st.integers(1, 8),
)
def test_no_window_ever_holds_more_than_the_limit(gaps: list[float], most: int) -> None:
    limiter = Limiter(f"{most}/minute", workers=1)
    taken: list[float] = []
    now = 0.0
    with pytest.MonkeyPatch.context() as monkeypatch:
        for gap in gaps:
            now += gap
            at(monkeypatch, now)
            recent = [one for one in taken if one > now - 60]
            # It refuses only when the window is full, and always then.
            assert allowed(limiter) == (len(recent) < most)
            if len(recent) < most:
                taken.append(now)


@pytest.mark.parametrize(("workers", "share"), [(1, 10), (2, 5), (4, 2), (20, 1)])
def test_workers_share_the_limit(workers: int, share: int) -> None:
    limiter = Limiter("10/hour", workers)
    assert sum(allowed(limiter) for _ in range(12)) == share


def test_threads_at_once_are_counted_right() -> None:
    limiter = Limiter("100/hour", workers=1)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: allowed(limiter), range(400))) == 100


def test_very_many_callers_take_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.limits._MOST_CALLERS", 3)
    limiter = Limiter("1/hour", workers=1)
    assert all(allowed(limiter, f"address {number}") for number in range(10))
    # The last ones are known still, and the first is forgotten.
    assert [allowed(limiter, f"address {number}") for number in (9, 8, 7, 0)] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("text", ["", "600", "600/fortnight", "0/minute", "-1/minute", "a/minute"])
def test_a_limit_that_cannot_be_understood_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="RATE_LIMIT must be like 600/minute"):
        Limiter(text, workers=1)
