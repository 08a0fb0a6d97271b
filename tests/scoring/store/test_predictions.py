"""Decisions in the store: recorded whole, once, and read back bit for bit."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.store import Override, Prediction, ShadowScore, Store, StoreError, new_id
from tests.helpers.databases import KEY, prediction
from tests.helpers.processes import recorded_by_key, run_at_once

# PostgreSQL keeps no NUL in texts, and neither database half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
# SQLite keeps no sign of zero.
NUMBERS = st.floats(allow_nan=False).map(lambda number: number + 0.0)
MOMENTS = st.datetimes(
    datetime(1, 1, 2), datetime(9999, 12, 30),
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)  # fmt: skip
DECISIONS = st.sampled_from(["accept", "refer", "refuse"])
SHADOWS = st.lists(
    st.builds(ShadowScore, DIGESTS, TEXTS.map(lambda text: text[:40]), NUMBERS, DECISIONS),
    max_size=3,
    unique_by=lambda one: one.model_digest,
).map(lambda some: tuple(sorted(some, key=lambda one: one.model_digest)))
PREDICTIONS = st.builds(
    Prediction,
    id=st.builds(new_id), at=MOMENTS, applicant=TEXTS, source=st.sampled_from(["rows", "id"]),
    rows=st.none() | st.binary(max_size=2000), rows_sha256=st.just("") | DIGESTS,
    features=st.binary(max_size=5000), feature_set_version=TEXTS.map(lambda text: text[:16]),
    model_name=TEXTS, model_version=TEXTS, model_digest=DIGESTS,
    role=st.sampled_from(["champion", "challenger"]), why=TEXTS,
    pd=NUMBERS, cutoff=NUMBERS, refer_low=NUMBERS, refer_high=NUMBERS,
    model_decision=DECISIONS, decision=DECISIONS, reasons=TEXTS, caller=TEXTS, request_id=TEXTS,
    idempotency_key=st.none() | st.builds(new_id), request_sha256=DIGESTS,
    milliseconds=NUMBERS, actor=st.none() | TEXTS, shadows=SHADOWS,
)  # fmt: skip


@given(new=st.lists(PREDICTIONS, max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_is_recorded_is_read_back_to_the_last_bit(
    lasting_store: Store, new: list[Prediction]
) -> None:
    kept = lasting_store.decisions.record(new)
    assert all(one is own for one, own in zip(kept, new, strict=True))
    for own in new:
        found = lasting_store.decisions.find(own.id)
        assert found == own
        assert found.at.tzinfo is UTC
        if own.idempotency_key is not None:
            assert lasting_store.decisions.answered(own.caller, own.idempotency_key) == own


def test_an_unknown_decision_is_none(store: Store) -> None:
    assert store.decisions.find(new_id()) is None
    for text in ("", "no id at all", "\x00", "\ud800", "0" * 36, "0" * 5000):
        assert store.decisions.find(text) is None
        assert store.decisions.decided_on([text]) == {}
    assert store.decisions.answered("loopback", "key") is None
    assert store.decisions.decided_on([]) == {}
    assert store.decisions.record([]) == []
    assert list(store.decisions.search()) == []


@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["ann", "bob"]), st.none() | st.sampled_from(["k1", "k2", "k3"])
            ),
            max_size=6,
        ),
        max_size=5,
    )
)
@settings(max_examples=40, deadline=None)
def test_the_first_decision_of_a_callers_key_stands(
    lasting_store: Store, batches: list[list[tuple[str, str | None]]]
) -> None:
    # Keys of this example alone: the store has those of the examples before.
    own = uuid.uuid4().hex
    first: dict[tuple[str, str], Prediction] = {}
    for batch in batches:
        new = [
            prediction(caller=caller, idempotency_key=key and f"{own}-{key}")
            for caller, key in batch
        ]
        expected = [
            one
            if one.idempotency_key is None
            else first.setdefault((one.caller, one.idempotency_key), one)
            for one in new
        ]
        assert lasting_store.decisions.record(new) == expected
        for one, stands in zip(new, expected, strict=True):
            assert (lasting_store.decisions.find(one.id) is None) == (one.id != stands.id)


def test_shadow_scores_of_a_repeat_are_not_recorded(store: Store) -> None:
    along = (ShadowScore("b" * 64, "4", 0.25, "accept"),)
    first, second = (prediction(idempotency_key="k", shadows=along) for _ in range(2))
    store.decisions.record([first])
    assert store.decisions.record([second, prediction()])[0] == first
    assert store.decisions.answered("loopback", "k") == first
    assert store.decisions.find(second.id) is None


def test_a_batch_is_recorded_whole_or_not_at_all(store: Store) -> None:
    good, keyed = prediction(), prediction(idempotency_key="k")
    along = (ShadowScore("b" * 64, "4", 0.25, "accept"),) * 2
    for bad in (prediction(pd=None), prediction(id=good.id), prediction(shadows=along)):
        with pytest.raises(StoreError):
            store.decisions.record([good, keyed, bad])
        assert store.decisions.find(good.id) is None
        assert store.decisions.answered("loopback", "k") is None
    assert store.decisions.record([good, keyed]) == [good, keyed]


def test_one_of_many_keys_is_found(store: Store) -> None:
    one = prediction(caller="a", idempotency_key="batch\t999")
    store.decisions.record([one, prediction(caller="b", idempotency_key="batch\t3")])
    keys = [f"batch\t{index}" for index in range(1_000)]
    assert store.decisions.answered("a", *keys) == one
    assert store.decisions.answered("a", *keys[:999]) is None
    assert store.decisions.answered("c", *keys) is None


def test_processes_that_race_for_keys_are_told_the_same(database_url: str) -> None:
    store = Store(database_url)
    store.migrate()
    keys = [f"key-{number}" for number in range(900)]
    there = [keys[start : start + 150] for start in range(0, 900, 150)]
    # In another order, in which they would wait for each other for ever.
    back = [batch[::-1] for batch in there]
    told = run_at_once(recorded_by_key, [(database_url, there), (database_url, back)])
    assert told[0] == told[1]
    recorded = {one.idempotency_key: one.id for one in store.decisions.search()}
    assert recorded == told[0]
    assert sum(1 for _ in store.decisions.search()) == len(keys)
    store.close()


def many(store: Store) -> list[Prediction]:
    """More decisions than are read at once, several of them at the same time."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = [
        prediction(at=start + timedelta(minutes=number // 7), applicant=str(number % 3))
        for number in range(450)
    ]
    store.decisions.record(made)
    return sorted(made, key=lambda one: (one.at, one.id))


def test_decisions_are_read_in_the_order_of_time(lasting_store: Store) -> None:
    made = many(lasting_store)
    start, minute = made[0].at, timedelta(minutes=1)
    until = start + timedelta(days=30)
    whole = list(lasting_store.decisions.search(since=start, until=until))
    assert whole == made
    newest = lasting_store.decisions.search(since=start, until=until, newest_first=True)
    assert list(newest) == made[::-1]
    for low, high in ((0, 5), (3, 40), (63, 64), (10, 10)):
        some = lasting_store.decisions.search(
            since=start + low * minute, until=start + high * minute
        )
        assert list(some) == [
            one for one in made if start + low * minute <= one.at < start + high * minute
        ]
    for limit in (0, 1, 199, 200, 201, 449):
        some = lasting_store.decisions.search(since=start, until=until, limit=limit)
        assert list(some) == made[:limit]
    own = lasting_store.decisions.search(applicant="2", since=start, until=until, newest_first=True)
    assert list(own) == [one for one in made[::-1] if one.applicant == "2"]


def test_reading_goes_on_while_others_record(store: Store) -> None:
    made = many(store)
    reading = store.decisions.search()
    seen = [next(reading)]
    later = prediction()
    store.decisions.record([later, prediction(at=made[0].at - timedelta(days=1))])
    assert [*seen, *reading] == [*made, later]


def test_on_whom_when_and_for_whom_it_was_decided(store: Store) -> None:
    made = [prediction(applicant=str(number)) for number in range(450)]
    store.decisions.record(made)
    numbers = [*(one.id for one in made), "nobody"]
    found = store.decisions.decided_on(numbers)
    assert {number: one.applicant for number, one in found.items()} == {
        one.id: one.applicant for one in made
    }
    found = store.decisions.decided_on(numbers)
    assert found == {one.id: (one.applicant, one.at, one.caller) for one in made}


def test_who_takes_another_loan_waits_for_no_officer(store: Store) -> None:
    first, second, third = (prediction(decision="refer", caller="queue") for _ in range(3))
    store.decisions.record([first, second, third])
    offers = [("accept", first), ("refuse", second)]
    store.decisions.record(
        [prediction(decision=made, counter_offer_to=origin.id) for made, origin in offers]
    )
    waiting = store.decisions.referred(since=first.at, caller="queue", limit=9)
    assert {one.id for one in waiting} == {second.id, third.id}


def test_what_an_officer_decided_last_brings_nothing_older_back(store: Store) -> None:
    def waiting() -> set[str]:
        return {one.id for one in store.decisions.referred(since=at, caller="again", limit=99)}

    older, newer, newest, other = (
        prediction(decision="refer", caller="again", applicant=name)
        for name in ("7", "7", "7", "8")
    )
    at = older.at
    store.decisions.record([older, newer, newest, other])
    assert waiting() == {older.id, newer.id, newest.id, other.id}
    store.outcomes.override(Override(newer.id, "refuse", "Ann", "seen", at, "branch"))
    assert waiting() == {newest.id, other.id}
    offered = prediction(decision="accept", counter_offer_to=newest.id, applicant="7")
    store.decisions.record([offered])
    assert waiting() == {other.id}
    # A loan that an officer refused is in nobody's place.
    store.outcomes.override(Override(offered.id, "refuse", "Ann", "seen", at, "branch"))
    assert waiting() == {newest.id, other.id}


def test_times_are_in_utc_whatever_the_servers_zone(postgres_url: str) -> None:
    store = Store(postgres_url)
    store.migrate()
    store.close()
    made = prediction(at=datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC))
    zoned = Store(f"{postgres_url}&options=-ctimezone%3DAmerica/New_York")
    zoned.decisions.record([made])
    found = zoned.decisions.find(made.id)
    assert found is not None
    assert found == made
    assert found.at.isoformat() == "2026-07-01T12:00:00.123456+00:00"
    assert list(zoned.decisions.search(since=made.at, until=made.at + timedelta(seconds=1))) == [
        made
    ]
    zoned.close()


def test_ids_grow_with_time_and_are_uuids_of_version_7() -> None:
    made = [uuid.UUID(new_id()) for _ in range(2000)]
    assert len(set(made)) == 2000
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    times = [one.int >> 80 for one in made]
    assert times == sorted(times)
    now = datetime.now(UTC).timestamp()
    assert abs(times[-1] / 1000 - now) < 60


def test_pseudonyms_hide_numbers(tmp_path: Path) -> None:
    path = tmp_path / "scoring.db"
    store = Store(f"sqlite:///{path}", pseudonym_key=KEY)
    other = Store(f"sqlite:///{path}", pseudonym_key=KEY[::-1])
    plain = Store(f"sqlite:///{path}")
    numbers = range(100_000, 100_500)
    pseudonyms = {store.pseudonyms.applicant(number) for number in numbers}
    assert len(pseudonyms) == len(numbers)
    assert pseudonyms == {store.pseudonyms.applicant(number) for number in numbers}
    assert not pseudonyms & {other.pseudonyms.applicant(number) for number in numbers}
    assert plain.pseudonyms.applicant(100_002) == "100002"
    assert (store.pseudonyms.hide, plain.pseudonyms.hide) == (True, False)
    store.migrate()
    key = store.pseudonyms.applicant(276_309)
    made = prediction(applicant=key)
    store.decisions.record([made])
    store.close()
    assert b"276309" not in path.read_bytes()
    assert next(Store(f"sqlite:///{path}").decisions.search(applicant=key)) == made


def test_a_record_of_another_object_is_the_same_record(store: Store) -> None:
    made = prediction(idempotency_key="k")
    store.decisions.record([made])
    assert store.decisions.record([replace(made, id=new_id(), pd=0.9)]) == [made]
