"""Reviews: received once, assigned, decided by one person, counted, purged with their decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scoring.store import Override, Review, ReviewCounts, Store, StoreChangedError, new_id
from tests.helpers.databases import KEY, prediction
from tests.helpers.processes import review_decided, run_at_once

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DONE = {"actor": "C. Martin", "motive": "The contract is permanent.", "decided_by": "k-1"}


def contested(store: Store, days: float = 0, **changes: object) -> Review:
    """A decision on record that an applicant contests so many days after noon."""
    made = prediction(**changes)
    store.decisions.record([made])
    at = NOW + days * DAY
    return store.reviews.receive(
        Review(new_id(), made.id, at, at + 30 * DAY, "I have a new job.", "k-1")
    )


def decided(review: Review, decision: str = "refuse", days: float = 1) -> Review:
    overturned = decision == "accept"
    return replace(
        review, decision=decision, overturned=overturned, decided_at=NOW + days * DAY, **DONE
    )


def override(review: Review) -> Override:
    return Override(review.prediction_id, "accept", "C. Martin", "So it is.", NOW, "k-1")


def test_a_decision_has_one_open_review_at_a_time(store: Store) -> None:
    first = contested(store)
    again = replace(first, id=new_id(), words="And I said so before.")
    assert store.reviews.receive(again) == first
    store.reviews.decide(decided(first), None, seen=0)
    second = store.reviews.receive(again)
    assert (second, store.reviews.of(first.prediction_id)) == (again, [decided(first), again])


def test_it_is_found_by_its_id_alone(store: Store) -> None:
    review = contested(store)
    assert store.reviews.find(review.id) == review
    assert [store.reviews.find(number) for number in (new_id(), "x", "\0")] == [None] * 3


def test_who_assigns_has_seen_who_was_assigned(store: Store) -> None:
    review = contested(store)
    first = store.reviews.assign(review, "C. Martin")
    assert (first.assignee, store.reviews.find(review.id)) == ("C. Martin", first)
    with pytest.raises(StoreChangedError):
        store.reviews.assign(review, "J. Dupont")
    assert store.reviews.assign(first, "J. Dupont").assignee == "J. Dupont"
    store.reviews.decide(decided(review), None, seen=0)
    with pytest.raises(StoreChangedError):
        store.reviews.assign(replace(first, assignee="J. Dupont"), "C. Martin")


def test_what_overrides_is_recorded_with_the_review_or_not_at_all(store: Store) -> None:
    review = contested(store)
    with pytest.raises(StoreChangedError):
        store.reviews.decide(decided(review, "accept"), override(review), seen=1)
    assert store.reviews.find(review.id) == review
    done = store.reviews.decide(decided(review, "accept"), override(review), seen=0)
    assert done == decided(review, "accept")
    with pytest.raises(StoreChangedError):
        store.reviews.decide(decided(review, "accept"), override(review), seen=1)
    assert store.outcomes.overrides(review.prediction_id) == [override(review)]


def test_of_persons_who_decide_at_once_one_does(database_url: str) -> None:
    store = Store(database_url)
    store.migrate()
    review = contested(store)
    calls = [
        (database_url, decided(replace(review, assignee=f"officer {number}"), "accept"))
        for number in range(4)
    ]
    assert sorted(run_at_once(review_decided, calls)) == [False, False, False, True]
    assert len(store.outcomes.overrides(review.prediction_id)) == 1
    store.close()


def test_those_that_are_due_first_are_listed_first_page_by_page(store: Store) -> None:
    late, early, other = contested(store, 2), contested(store), contested(store, 1, caller="k-9")
    done = store.reviews.decide(decided(contested(store, 3)), None, seen=0)
    search, now = store.reviews.search, NOW + 31 * DAY
    assert search("all", now, limit=9) == [early, other, late, done]
    assert search("open", now, limit=2) == [early, other]
    assert search("open", now, limit=2, after=other) == [late]
    assert search("overdue", now, limit=9) == [early]
    assert search("decided", now, limit=9) == [done]
    assert search("all", now, limit=9, caller="k-9") == [other]


def test_those_due_at_the_same_time_are_on_one_page_each(store: Store) -> None:
    made = sorted((contested(store) for _ in range(3)), key=lambda review: review.id)
    assert store.reviews.search("all", NOW, limit=9, after=made[0]) == made[1:]


def test_a_window_counts_its_own_and_what_is_open_at_its_end(store: Store) -> None:
    assert store.reviews.count(NOW - DAY, NOW) == ReviewCounts()
    contested(store, -40)
    for days, decision in ((-3, "refuse"), (-2, "accept"), (-1, "refuse"), (-1, "refuse")):
        store.reviews.decide(decided(contested(store, days), decision, days / 2), None, seen=0)
    contested(store, 1)
    week = store.reviews.count(NOW - 7 * DAY, NOW)
    assert week == ReviewCounts(received=4, decided=4, overturned_share=0.25, open=1, overdue=1)
    # As it was at the end of the window, whatever was decided since.
    before = store.reviews.count(NOW - 41 * DAY, NOW - 2 * DAY + DAY / 8)
    assert before == ReviewCounts(received=3, decided=0, open=3, overdue=1)


def test_a_number_is_not_kept_in_words_under_a_key(database_url: str) -> None:
    store = Store(database_url, KEY)
    store.migrate()
    made = prediction(applicant=store.pseudonyms.applicant(100_002))
    store.decisions.record([made])
    words = "Applicant 100002 earns 100003."
    review = store.reviews.receive(Review(new_id(), made.id, NOW, NOW, words, "k-1"))
    review = store.reviews.assign(review, "for 100002")
    done = replace(decided(review), actor="100002", motive="100002 has paid.")
    kept = store.reviews.decide(done, None, seen=0)
    texts = [kept.words, kept.assignee, kept.actor, kept.motive]
    assert not any("100002" in str(text) for text in texts)
    assert kept.words == f"Applicant {made.applicant} earns 100003."
    store.close()


def test_reviews_go_with_their_decision_but_not_while_somebody_waits(store: Store) -> None:
    old = {"at": NOW - 400 * DAY}
    waiting, done = contested(store, -300, **old), contested(store, -300, **old)
    store.reviews.decide(decided(done, days=-290), None, seen=0)
    purged = store.retention.purge(200 * DAY, NOW)
    assert (purged["predictions"], purged["reviews"]) == (1, 1)
    assert store.reviews.search("all", NOW, limit=9) == [waiting]
    store.reviews.decide(decided(waiting), None, seen=0)
    assert store.retention.purge(200 * DAY, NOW)["reviews"] == 1


def test_of_a_person_who_is_erased_remains_that_it_was_reviewed(store: Store) -> None:
    done, waiting, other = (contested(store, applicant=name) for name in ("7", "7", "8"))
    store.reviews.decide(decided(store.reviews.assign(done, "J. Dupont")), None, seen=0)
    assert len(store.privacy.on_record(7)["reviews"]) == 2
    counts = store.privacy.erase(7)
    assert (counts["open_reviews"], counts["reviews"]) == (1, 1)
    assert store.reviews.find(waiting.id) is None
    kept = store.reviews.find(done.id)
    assert kept is not None
    assert {kept.words, kept.assignee, kept.actor, kept.motive} == {"erased"}
    assert (kept.decision, kept.due_at, kept.overturned) == ("refuse", done.due_at, False)
    assert store.reviews.find(other.id) == other
