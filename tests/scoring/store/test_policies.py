"""How models are used, what happened to them, and applicants known by number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from scoring.store import ModelEvent, OnlineApplicant, Policy, Store
from scoring.store.engine import connect, normalised

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def event(number: int) -> ModelEvent:
    return ModelEvent(
        NOON + timedelta(minutes=number), "loaded", "a" * 64, "3", "champion", "détail", "w-1"
    )


def test_the_default_policy_is_the_champion_alone(store: Store) -> None:
    assert store.models.policy() == Policy("champion", 0.1, refer_all=False)


def test_the_last_policy_holds_and_each_change_is_an_event(store: Store) -> None:
    split = Policy("split", 0.25)
    everything = Policy("bandit", 1 / 3, refer_all=True)
    store.models.set_policy(split, by="Zoë", why="a trial")
    assert store.models.policy() == split
    store.models.set_policy(everything, by="Ann", why="a flood")
    assert store.models.policy() == everything
    told = store.models.events()
    assert [one.kind for one in told] == ["policy", "policy"]
    assert all(part in told[0].detail for part in ("bandit", "Ann", "a flood", "referred"))
    assert all(part in told[1].detail for part in ("split", "0.25", "Zoë", "a trial"))
    assert told[1].at <= told[0].at


def test_the_secret_of_exploration_is_made_once_and_told_nobody(store: Store) -> None:
    store.models.set_policy(Policy("shadow"), by="Zoë", why="a trial")
    assert store.models.policy().explore_salt is None
    on = store.models.change_policy({"explore_share": 0.1}, "Zoë", "to learn")
    secret = on.explore_salt
    assert secret is not None
    assert len(secret) == 64
    changes = (
        {"explore_share": 0.2},
        {"explore_budget": 5.0},
        {"explore_share": 0.0},
        {"explore_share": 0.02},
    )
    for change in changes:
        assert store.models.change_policy(change, "Zoë", "more").explore_salt == secret
    store.models.set_policy(Policy(explore_share=0.3), by="Zoë", why="all anew")
    now = store.models.policy()
    assert now.explore_salt == secret
    assert secret not in f"{now} {now!r} {store.models.events()}"


def test_each_store_has_a_secret_of_its_own(store: Store, tmp_path: Path) -> None:
    other = Store(f"sqlite:///{tmp_path / 'other.db'}")
    other.migrate()
    change = {"explore_share": 0.1}, "Zoë", "to learn"
    made = {own.models.change_policy(*change).explore_salt for own in (store, other)}
    other.close()
    assert len(made) == 2


def test_an_exploration_from_before_there_were_secrets_has_one_from_the_next_change_on(
    store: Store, database_url: str
) -> None:
    before = store.models.change_policy({"explore_share": 0.1}, "Zoë", "to learn")
    engine = connect(normalised(database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE policies SET explore_salt = NULL"))
    engine.dispose()
    assert store.models.policy().explore_salt is None
    now = store.models.change_policy({"explore_share": 0.2}, "Zoë", "more")
    assert now.explore_salt is not None
    # What was drawn before can be drawn again.
    earlier = store.models.policy_of(before.number)
    assert earlier is not None
    assert earlier.explore_salt is None


def test_events_are_told_the_newest_first(store: Store) -> None:
    some = [event(number) for number in range(5)]
    refused = ModelEvent(NOON, "refused", None, None, None, "no manifest", "")
    for one in (*some, refused):
        store.models.add_event(one)
    assert store.models.events() == [refused, *some[::-1]]
    assert store.models.events(limit=2) == [refused, some[-1]]


def applicant(number: int, version: str = "2") -> OnlineApplicant:
    return OnlineApplicant(
        number, version, bytes([number % 256]) * 700, b"\x00rows\xff", "d" * 64, NOON
    )


def test_applicants_are_kept_and_replaced_by_number(store: Store) -> None:
    first = [applicant(100_000 + number) for number in range(1_200)]
    store.applicants.put(first)
    numbers = [one.applicant for one in first]
    assert store.applicants.of([*numbers, *numbers, 5]) == {one.applicant: one for one in first}
    assert store.applicants.find(100_007) == first[7]
    store.applicants.put([applicant(100_007, "3"), applicant(7)])
    assert store.applicants.find(100_007) == applicant(100_007, "3")
    assert store.applicants.find(100_008) == first[8]
    assert store.applicants.find(7) == applicant(7)
    store.applicants.put([])


def test_nobody_is_known_by_any_other_number(store: Store) -> None:
    assert store.applicants.of([]) == {}
    assert store.applicants.of([-1, 0, 2**31 - 1, 2**31, -(2**40), 2**200]) == {}
    assert store.applicants.find(1) is None
