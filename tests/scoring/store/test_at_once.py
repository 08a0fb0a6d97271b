"""Processes that change the same things at once: no word is lost, nobody waits in a ring."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from scoring.store import OnlineApplicant, Outcome, Report, Store
from tests.helpers.databases import prediction
from tests.helpers.processes import explored, kept, outcomes_told, policy_changed, run_at_once

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def migrated_url(database_url: str) -> str:
    store = Store(database_url)
    store.migrate()
    store.close()
    return database_url


def word(number: str, seconds: int) -> Outcome:
    """What is told of a decision: each time another thing, observed and recorded later."""
    at = NOON + timedelta(seconds=seconds)
    return Outcome("100002", number, seconds % 2 == 0, at, at + timedelta(days=1), "k-1")


def on_record(url: str, number: str) -> list[datetime]:
    """When all that was ever told of a decision was observed, the current word first."""
    engine = create_engine(make_url(url.replace("postgres://", "postgresql+psycopg://")))
    query = "SELECT observed_at FROM {} WHERE prediction_id = :number ORDER BY 1"
    with engine.connect() as connection:
        found = [
            datetime.fromisoformat(str(row[0])).replace(tzinfo=UTC)
            for table in ("outcomes", "outcome_history")
            for row in connection.execute(text(query.format(table)), {"number": number})
        ]
    engine.dispose()
    return found


def test_a_change_of_the_policy_undoes_no_other(migrated_url: str) -> None:
    shares = [{"challenger_share": step / 100} for step in range(1, 31)]
    strategies = [{"strategy": name} for name in ("split", "shadow", "bandit") * 5]
    work = [[{"refer_all": True}], shares, strategies]
    first, *others = run_at_once(policy_changed, [(migrated_url, some) for some in work])
    # Everything is referred from the moment on at which that was said.
    (pulled,) = first
    for told in (one for some in others for one in some):
        assert told.refer_all == (told.number > pulled.number)
    store = Store(migrated_url)
    last = store.models.policy()
    assert (last.strategy, last.challenger_share, last.refer_all) == ("bandit", 0.3, True)
    # One event a change, in one order: none was decided on the same state as another.
    numbers = [one.number for some in (first, *others) for one in some]
    assert len(set(numbers)) == len(store.models.events()) == 46
    assert last.number == max(numbers)
    store.close()


@pytest.mark.parametrize(("step", "accepted"), [(30, 40), (0, 160)], ids=["others", "the same"])
def test_processes_that_explore_at_once_do_not_overspend(
    migrated_url: str, step: int, accepted: int
) -> None:
    """A budget of 10 expected defaults, and drawn applicants with a PD of 0.25 each.

    Four processes have 30 of their own, or the same 60; who is accepted in one is so in all.
    """
    size = step or 60
    asked = [range(step * part, step * part + size) for part in range(4)]
    told = run_at_once(explored, [(migrated_url, own, 10.0 - 0.25) for own in asked])
    counts = Counter(chain.from_iterable(told))
    assert counts == {"drawn": accepted, "budget spent": 4 * size - accepted}
    store = Store(migrated_url)
    kept = list(store.decisions.search())
    assert len({one.applicant for one in kept if one.decision == "accept"}) == 40
    assert store.decisions.spent(datetime.now(UTC)) == 10.0
    spent = [one for one in kept if one.exploration == "budget spent"]
    assert {(one.decision, one.propensity) for one in spent} == {("refuse", 1.0)}
    store.close()


def test_no_word_on_an_outcome_is_lost(migrated_url: str) -> None:
    store = Store(migrated_url)
    made = prediction()
    store.decisions.record([made])
    words = [word(made.id, seconds) for seconds in range(64)]
    # Nobody knows an outcome yet: the first words come at the same time too.
    calls = [(migrated_url, [[one] for one in words[part::8]]) for part in range(8)]
    assert [sum(told) for told in run_at_once(outcomes_told, calls)] == [8] * 8
    assert store.outcomes.find(made.id) == words[-1]
    current, *history = on_record(migrated_url, made.id)
    assert [*history, current] == [one.observed_at for one in words]
    store.close()


def test_batches_of_outcomes_in_opposite_orders_are_all_recorded(migrated_url: str) -> None:
    store = Store(migrated_url)
    made = [prediction() for _ in range(120)]
    store.decisions.record(made)
    numbers = [one.id for one in made]
    calls = []
    for part in range(8):
        order = numbers[::-1] if part % 2 else numbers
        seconds = range(part, 32, 8)
        calls.append((migrated_url, [[word(one, at) for one in order] for at in seconds]))
    assert run_at_once(outcomes_told, calls) == [[120] * 4] * 8
    for number in (numbers[0], numbers[-1]):
        assert len(on_record(migrated_url, number)) == 32
        assert store.outcomes.find(number) == word(number, 31)
    store.close()


def test_what_is_replaced_can_be_replaced_at_once(migrated_url: str) -> None:
    report = Report("monitoring", NOON, b"{}", b"<p>")
    some = [
        OnlineApplicant(number, "2", bytes(700), b"rows", "d" * 64, NOON) for number in range(100)
    ]
    orders = (some, some[::-1], some[50:] + some[:50])
    assert all(run_at_once(kept, [(migrated_url, report, order, 10) for order in orders]))
    store = Store(migrated_url)
    assert store.reports.find("monitoring") == report
    assert store.applicants.find(99) == some[99]
    store.close()
