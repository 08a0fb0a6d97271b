"""What a month of exploration may spend, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.store import Outcome, Override, Policy, Prediction, Store, new_id
from tests.helpers.databases import KEY, prediction

MAY = datetime(2026, 5, 31, 23, 30, tzinfo=UTC)
JUNE = MAY + timedelta(hours=1)
NUMBERS = count(100_003)


def drawn(at: datetime, **changes: Any) -> Prediction:
    """A draw of a new applicant."""
    usual: dict[str, Any] = {"decision": "accept", "propensity": 0.1, "exploration": "drawn"}
    usual["applicant"] = str(next(NUMBERS))
    return prediction(**{"at": at, "model_decision": "refuse", "pd": 0.25, **usual, **changes})


def not_drawn(at: datetime, **changes: Any) -> Prediction:
    usual = {"decision": "refuse", "propensity": 0.9, "exploration": "not drawn"}
    return drawn(at, **{**usual, **changes})


def test_a_month_spends_no_more_than_it_has(store: Store) -> None:
    batch = [drawn(MAY), not_drawn(MAY), drawn(MAY), drawn(MAY), not_drawn(MAY)]
    kept = store.decisions.record(batch, room=0.25)
    assert kept[:3] == batch[:3]
    for own, asked in zip(kept[3:], batch[3:], strict=True):
        assert (own.id, own.decision, own.propensity) == (asked.id, "refuse", 1.0)
        assert own.exploration == "budget spent"
        assert store.decisions.find(own.id) == own
    # Whoever is outside the band is decided on as ever.
    others = [prediction(at=MAY, decision="accept"), prediction(at=MAY)]
    assert store.decisions.record(others, room=0.25) == others
    (late,) = store.decisions.record([drawn(MAY)], room=0.25)
    assert late.exploration == "budget spent"
    following = [drawn(JUNE), drawn(JUNE)]
    assert store.decisions.record(following, room=0.25) == following


def again(own: Prediction, **changes: Any) -> Prediction:
    return replace(own, id=new_id(), **changes)


def test_an_applicant_who_asks_again_keeps_the_answer_and_costs_nothing_more(store: Store) -> None:
    """In the same batch, and after others have spent the rest of the month."""
    first, other, last = drawn(MAY), not_drawn(MAY), drawn(MAY)
    batch = [first, other, *(again(first) for _ in range(30)), again(other), last]
    assert store.decisions.record(batch, room=0.25) == batch
    assert store.decisions.spent(MAY) == 0.5
    later = [again(first, pd=0.2), again(other), again(last)]
    assert store.decisions.record(later, room=0.25) == later
    assert store.decisions.spent(MAY) == 0.5
    for new in (drawn(MAY), not_drawn(MAY)):
        assert store.decisions.record([new], room=0.25)[0].exploration == "budget spent"


@pytest.mark.parametrize(
    "changes",
    [{"pd": 0.26}, {"policy": 2}, {"model_digest": "b" * 64}, {"at": JUNE}],
    ids=["dearer", "policy", "model", "month"],
)
def test_the_answer_is_kept_for_the_same_loan_policy_model_and_month(
    store: Store, changes: dict[str, Any]
) -> None:
    """Drawn or not: else the drawn would stand for more than those like them."""
    made = [drawn(MAY, policy=1), not_drawn(MAY, policy=1)]
    store.decisions.record(made)
    anew = [again(own, **changes) for own in made]
    kept = store.decisions.record(anew, room=-1.0)
    assert {(own.decision, own.exploration) for own in kept} == {("refuse", "budget spent")}


def test_the_dearest_of_an_applicants_loans_is_what_is_spent(store: Store) -> None:
    own = drawn(MAY)
    store.decisions.record([own, again(own, pd=0.5, policy=2), again(own, pd=0.3)], room=9.0)
    assert store.decisions.spent(MAY) == 0.5


def test_what_the_erased_have_spent_stays_spent(store: Store) -> None:
    made = [drawn(MAY), drawn(MAY)]
    store.decisions.record(made)
    for own in made:
        store.privacy.erase(int(own.applicant))
    assert store.decisions.spent(MAY) == 0.5


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[tuple[Store, datetime]]]:
    """A store, and month after month in which nothing is spent yet."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('months') / 'scoring.db'}")
    store.migrate()
    yield ((store, MAY + timedelta(days=31 * number)) for number in count())
    store.close()


@settings(max_examples=50, deadline=None)
@given(asked=st.lists(st.tuples(st.integers(0, 6), st.floats(0.05, 0.3)), max_size=40))
def test_no_order_of_those_who_ask_overspends(
    months: Iterator[tuple[Store, datetime]], asked: list[tuple[int, float]]
) -> None:
    """A budget of 1 for PDs up to 0.3, whatever is asked for how often, some at a time."""
    store, at = next(months)
    new = [drawn(at, applicant=str(number), pd=pd) for number, pd in asked]
    kept = [
        own
        for place in range(0, len(new), 7)
        for own in store.decisions.record(new[place : place + 7], room=0.7)
    ]
    spent = store.decisions.spent(at)
    accepted = [own for own in kept if own.exploration == "drawn"]
    dearest = {own.applicant: own.pd for own in sorted(accepted, key=lambda own: own.pd)}
    assert spent == pytest.approx(sum(dearest.values()))
    assert spent <= 1.0 + 1e-9


@pytest.mark.parametrize("decision", ["drawn", "not drawn"])
def test_without_room_for_the_dearest_nobody_is_drawn(store: Store, decision: str) -> None:
    own = drawn(MAY) if decision == "drawn" else not_drawn(MAY)
    (kept,) = store.decisions.record([own], room=-0.01)
    assert (kept.decision, kept.propensity) == ("refuse", 1.0)


def test_what_was_refused_for_the_budget_stays_so_when_asked_again(store: Store) -> None:
    first, again = drawn(MAY, idempotency_key="k"), drawn(MAY, idempotency_key="k")
    (kept,) = store.decisions.record([first], room=-1.0)
    assert store.decisions.record([again], room=9.0) == [kept]


def test_an_override_is_told_apart_from_what_was_drawn(store: Store) -> None:
    """An officer accepts whom chance did not, and refuses whom it accepted."""
    made = [drawn(MAY, applicant="1"), not_drawn(MAY, applicant="1")]
    store.decisions.record(made)
    for own, word in zip(made, ("refuse", "accept"), strict=True):
        store.outcomes.override(Override(own.id, word, "A. Roy", "So.", JUNE, "k"))
    assert [store.decisions.find(own.id) for own in made] == made
    _, refusals = store.outcomes.realised(MAY, 10.0)[made[0].model_digest]
    assert (refusals.decided, refusals.explored) == (1, 0)


def test_the_policy_of_a_decision_that_was_explored_is_kept(store: Store) -> None:
    now = datetime.now(UTC)
    store.models.set_policy(Policy(explore_share=0.1), "ana", "a test")
    number = store.models.policy().number
    store.models.set_policy(Policy(), "ana", "a test")
    store.decisions.record([prediction(at=now, policy=number)])
    later = now + timedelta(days=200)
    store.decisions.record([prediction(at=later, policy=number)])
    store.retention.purge(timedelta(days=183), later)
    assert store.models.policy_of(number) == Policy(explore_share=0.1)
    # The decisions go first, and the policy with the purge after that.
    for _ in range(2):
        store.retention.purge(timedelta(days=183), later + timedelta(days=200))
    assert store.models.policy_of(number) is None
    assert store.models.policy() == Policy()


def test_the_policy_tells_what_is_explored() -> None:
    said = str(Policy(explore_share=0.02, explore_bound=0.3, explore_budget=40.0))
    assert "0.02 of the refused up to a PD of 0.3 explored within 40 a month" in said
    assert "explored" not in str(Policy(explore_bound=0.3))


def test_a_draw_by_number_is_not_repeated_under_a_pseudonym(store: Store) -> None:
    made = drawn(MAY, policy=1)
    store.decisions.record([made])
    hidden = Store(store.url, pseudonym_key=KEY)
    if store.embedded:
        assert hidden.privacy.pseudonymise() == 1
        (kept,) = hidden.decisions.search()
        assert (kept.policy, kept.exploration, kept.propensity) == (None, "drawn", 0.1)
    hidden.close()


def test_who_was_drawn_teaches_and_is_no_promise_kept_or_broken(store: Store) -> None:
    """A retraining learns from the loan; what was promised, was promised of those accepted."""
    made = [
        drawn(MAY, applicant="1"),
        prediction(at=MAY, applicant="2", decision="accept"),
        prediction(at=MAY, applicant="3", decision="refuse"),
    ]
    store.decisions.record(made)
    store.outcomes.record([Outcome(own.applicant, own.id, True, JUNE, JUNE, "k") for own in made])
    later = JUNE + timedelta(days=1)
    assert {own.applicant for own in store.windows.labelled(later)} == {"1", "2"}
    assert store.windows.labelled_refusals(later) == 1
    assert store.windows.settled(made[0].model_digest, None, later).pds.tolist() == [made[1].pd]


def test_who_was_not_drawn_at_first_stands_for_nobody_later(store: Store) -> None:
    """A larger share or another model draws anew; those drawn at first stand for all."""
    firsts = [
        drawn(MAY, applicant="1", policy=1),
        not_drawn(MAY, applicant="2", policy=1),
        prediction(at=MAY, applicant="3", decision="refuse", policy=1),
    ]
    again = [drawn(JUNE, applicant=str(i), propensity=0.5, policy=2) for i in range(1, 5)]
    store.decisions.record([*firsts, *again])
    store.outcomes.record([Outcome(own.applicant, own.id, True, JUNE, JUNE, "k") for own in again])
    loans = store.windows.labelled(JUNE + timedelta(days=1))
    assert {own.applicant: own.chance for own in loans} == {"1": 0.1, "2": 1, "3": 1, "4": 0.5}


def test_refusals_are_counted_that_chance_could_have_accepted(store: Store) -> None:
    """Under the policy in force: nobody for whom the month had no room, or above the bound."""
    before = prediction(at=datetime(2020, 1, 1, tzinfo=UTC), applicant="0", decision="refuse")
    store.models.set_policy(Policy(explore_share=0.1), "ana", "a test")
    now = datetime.now(UTC)
    store.decisions.record([before, prediction(at=now, applicant="1", decision="refuse")])
    store.decisions.record([drawn(now, applicant="2"), not_drawn(now, applicant="3")])
    store.decisions.record([drawn(now, applicant="4")], room=-0.1)
    _, found = store.outcomes.realised(before.at, 10.0)[before.model_digest]
    assert (found.refused, found.in_force, found.by_chance) == (5, 4, 2)
