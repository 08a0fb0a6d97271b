"""What came after decisions: outcomes, overrides, and what they turned out to cost."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from scoring.store import (
    CostSummary,
    Outcome,
    Override,
    Prediction,
    Store,
    StoreError,
    new_id,
)
from tests.helpers.databases import prediction
from tests.helpers.processes import run_at_once

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def outcome(prediction_id: str, *, defaulted: bool, days: int = 0) -> Outcome:
    return Outcome(
        applicant="100002",
        prediction_id=prediction_id,
        defaulted=defaulted,
        observed_at=NOON + timedelta(days=days),
        recorded_at=NOON + timedelta(days=30 + days),
        caller="loopback",
    )


def override(prediction_id: str, decision: str, motive: str = "knows the employer") -> Override:
    return Override(prediction_id, decision, "Zoë, officer", motive, NOON, "k-1")


def history(url: str) -> list[tuple[str, bool]]:
    """What was corrected, as an auditor finds it in the database."""
    found = make_url(url.replace("postgres://", "postgresql+psycopg://"))
    engine = create_engine(found)
    query = text("SELECT prediction_id, defaulted FROM outcome_history ORDER BY number")
    with engine.connect() as connection:
        rows = [(row[0], bool(row[1])) for row in connection.execute(query)]
    engine.dispose()
    return rows


def test_an_outcome_is_recorded_once_and_corrected_with_a_history(
    store: Store, database_url: str
) -> None:
    first, second = prediction(), prediction()
    store.decisions.record([first, second])
    good = outcome(first.id, defaulted=False)
    assert store.outcomes.find(first.id) is None
    assert store.outcomes.record([good]) == 1
    assert store.outcomes.record([replace(good, recorded_at=NOON, caller="other")]) == 0
    assert store.outcomes.find(first.id) == good
    assert history(database_url) == []
    bad = outcome(first.id, defaulted=True, days=1)
    assert store.outcomes.record([bad, outcome(second.id, defaulted=False)]) == 2
    assert store.outcomes.find(first.id) == bad
    assert history(database_url) == [(first.id, False)]
    # What was observed before does not count any more, whenever it is told.
    assert store.outcomes.record([replace(good, recorded_at=NOON + timedelta(days=99))]) == 1
    assert store.outcomes.find(first.id) == bad
    assert history(database_url) == [(first.id, False)] * 2


def test_of_outcomes_observed_at_once_the_last_recorded_counts(
    store: Store, database_url: str
) -> None:
    made = prediction()
    store.decisions.record([made])
    good = outcome(made.id, defaulted=False)
    bad, older = (replace(good, defaulted=True, recorded_at=at) for at in (NOON, NOON - DAY))
    # What counts already is no new word.
    assert store.outcomes.record([bad, good, good]) == 2
    assert store.outcomes.record([older]) == 1
    assert store.outcomes.find(made.id) == good
    assert history(database_url) == [(made.id, True)] * 2
    # The last word of one call counts.
    at_once = replace(good, defaulted=True), replace(good, caller="other")
    assert store.outcomes.record(at_once) == 2
    assert store.outcomes.find(made.id) == at_once[1]
    assert [word for _, word in history(database_url)] == [True, True, False, True]


def test_outcomes_are_recorded_all_or_none(store: Store) -> None:
    known = prediction()
    store.decisions.record([known])
    with pytest.raises(StoreError):
        store.outcomes.record(
            [outcome(known.id, defaulted=True), outcome(str(uuid.uuid4()), defaulted=True)]
        )
    assert store.outcomes.find(known.id) is None
    assert store.outcomes.record([]) == 0


def test_many_outcomes_at_once(store: Store) -> None:
    made = [prediction() for _ in range(450)]
    store.decisions.record(made)
    told = [outcome(one.id, defaulted=number % 2 == 0) for number, one in enumerate(made)]
    assert store.outcomes.record(told) == 450
    assert store.outcomes.record(told) == 0


def test_overrides_are_kept_in_their_order(store: Store) -> None:
    made = prediction()
    store.decisions.record([made])
    assert store.outcomes.overrides(made.id) == []
    told = [override(made.id, decision) for decision in ("accept", "refuse", "accept")]
    for one in told:
        store.outcomes.override(one)
    assert store.outcomes.overrides(made.id) == told
    # The model's decision stays on record.
    assert store.decisions.find(made.id) == made
    with pytest.raises(StoreError):
        store.outcomes.override(override(str(uuid.uuid4()), "accept"))


def decided_otherwise(url: str, number: str, decision: str) -> bool:
    found = Store(url)
    done = found.outcomes.override(override(number, decision), seen=0)
    found.close()
    return done


def test_of_officers_who_decide_at_once_the_first_is_recorded(
    store: Store, database_url: str
) -> None:
    made = prediction()
    store.decisions.record([made])
    sent = [(database_url, made.id, decision) for decision in ("accept", "refuse") * 3]
    done = run_at_once(decided_otherwise, sent)
    assert sorted(done) == [False] * 5 + [True]
    (kept,) = store.outcomes.overrides(made.id)
    assert kept.decision == sent[done.index(True)][2]
    assert store.outcomes.override(override(made.id, "accept"), seen=1)


class Case(NamedTuple):
    """One decision and all that came after it."""

    digest: str
    pd: float
    decision: str
    overrides: tuple[str, ...]
    defaulted: bool | None
    old: bool
    share: float

    @property
    def drawn(self) -> bool:
        """Whether exploration accepts whom the model refuses."""
        return self.decision == "refuse" and self.share > 0


DECISIONS = st.sampled_from(["accept", "refer", "refuse"])
CASES = st.lists(
    st.builds(
        Case,
        st.sampled_from("ab"),
        st.floats(0, 1),
        DECISIONS,
        st.lists(DECISIONS, max_size=2).map(tuple),
        st.none() | st.booleans(),
        st.booleans(),
        st.sampled_from([0.0, 0.02, 0.5]),
    ),
    max_size=12,
)


def decided(store: Store, cases: Sequence[Case], start: datetime) -> dict[str, str]:
    """Record cases from a time on, old ones before it; their models' digests by letter."""
    digests = {letter: uuid.uuid4().hex * 2 for letter in "ab"}
    for case in cases:
        made = prediction(
            at=start - timedelta(seconds=case.old),
            applicant=new_id(),
            model_digest=digests[case.digest],
            pd=case.pd,
            decision="accept" if case.drawn else case.decision,
            model_decision=case.decision,
            exploration="drawn" if case.drawn else None,
            propensity=case.share if case.drawn else 1.0,
        )
        store.decisions.record([made])
        for decision in case.overrides:
            store.outcomes.override(override(made.id, decision))
        if case.defaulted is not None:
            store.outcomes.record([outcome(made.id, defaulted=case.defaulted)])
    return digests


def lent(case: Case) -> bool:
    """Whether the loan was given: an officer who refers on leaves the model's word as it is."""
    last = case.overrides[-1] if case.overrides else "refer"
    word = "accept" if case.drawn else case.decision
    return (word if last == "refer" else last) != "refuse"


@given(cases=CASES)
@settings(max_examples=40, deadline=None)
def test_costs_and_refusals_are_those_counted_by_hand(
    lasting_store: Store, cases: list[Case]
) -> None:
    digests = decided(lasting_store, cases, NOON)
    realised = lasting_store.outcomes.realised(NOON, 10.0)
    for letter, digest in digests.items():
        own = [case for case in cases if case.digest == letter and not case.old]
        settled = [case for case in own if lent(case) and case.defaulted is not None]
        known = [10.0 * bool(case.defaulted) for case in settled if not case.drawn]
        explored = [(1 / case.share, not case.defaulted) for case in settled if case.drawn]
        refused = sum(case.drawn or not lent(case) for case in own)
        expected = CostSummary(len(known), sum(known), sum(one * one for one in known))
        assert (digest in realised) == bool(own)
        if own:
            costs, found = realised[digest]
            assert costs == expected
            assert (found.decided, found.refused) == (len(own), refused)
            assert found.explored == len(explored)
            assert math.isclose(found.weights, sum(w for w, _ in explored))
            assert math.isclose(found.good, sum(w for w, good in explored if good))
            assert math.isclose(found.weights_of_squares, sum(w * w for w, _ in explored))
            assert math.isclose(found.good_of_squares, sum(w * w for w, good in explored if good))


def test_an_applicant_counts_once_for_a_caller_and_a_model(store: Store) -> None:
    """Asked again and again, by whoever: the last decision, or the last with an outcome."""
    paid = prediction(at=NOON, applicant="1", caller="k", decision="accept")
    others = [
        prediction(at=NOON + timedelta(hours=i), applicant="1", caller="k", decision="refuse")
        for i in range(1, 5)
    ]
    asked = [
        prediction(at=NOON + timedelta(hours=i), applicant="2", caller="k", pd=0.2, decision=word)
        for i, word in enumerate(["accept", "refuse"])
    ]
    store.decisions.record([*others, paid, *asked])
    store.outcomes.record([outcome(paid.id, defaulted=True)])
    costs, found = store.outcomes.realised(NOON, 10.0)[paid.model_digest]
    assert costs == CostSummary(1, 10.0, 100.0)
    assert (found.decided, found.refused) == (2, 1)


def test_callers_weigh_as_much_as_the_outcomes_of_their_loans(store: Store) -> None:
    def decisions(caller: str, accepted: int, refused: int) -> list[Prediction]:
        words = ["accept"] * accepted + ["refuse"] * refused
        return [
            prediction(at=NOON, applicant=new_id(), caller=caller, pd=0.2, decision=word)
            for word in words
        ]

    branch, shop, stranger = decisions("a", 30, 10), decisions("b", 5, 15), decisions("c", 0, 500)
    store.decisions.record([*branch, *shop, *stranger])
    store.outcomes.record([outcome(one.id, defaulted=False) for one in (*branch[:9], *shop[:1])])
    _, found = store.outcomes.realised(NOON, 10.0)[branch[0].model_digest]
    assert found.decided == 60
    assert found.refused == pytest.approx(60 * (0.9 * 0.25 + 0.1 * 0.75))
