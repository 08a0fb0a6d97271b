"""Many decisions at a time: those of the window, in the order of time, on both databases."""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, event, text

from scoring.store import ModelEvent, Outcome, Override, ShadowScore, Store
from tests.helpers.databases import prediction

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_window_holds_its_beginning_and_not_its_end(store: Store) -> None:
    made = [prediction(at=NOON + i * HOUR, pd=i / 10) for i in (3, 1, 0, 2)]
    store.decisions.record(made)
    found = store.windows.headlines(NOON + HOUR, NOON + 3 * HOUR)
    expected = sorted((one for one in made if 0.1 <= one.pd <= 0.2), key=lambda one: one.at)
    assert [one.decode() for one in found.ids] == [one.id for one in expected]
    assert found.pds.tolist() == [0.1, 0.2]
    assert found.milliseconds.tolist() == [one.milliseconds for one in expected]
    assert [one.decode() for one in found.decisions] == [one.decision for one in expected]


def test_an_empty_window_has_columns_all_the_same(store: Store) -> None:
    found = store.windows.headlines(NOON, NOON + HOUR)
    assert found.ids.size == found.pds.size == 0
    assert found.of_model("a" * 64).ids.size == 0


def test_more_decisions_than_are_fetched_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.store.windows._FETCHED", 7)
    made = [prediction(at=NOON + i * HOUR, pd=i / 100) for i in range(30)]
    store.decisions.record(made)
    found = store.windows.headlines(NOON, NOON + 100 * HOUR)
    assert np.array_equal(found.pds, np.arange(30) / 100)


def test_models_are_told_apart(store: Store) -> None:
    digests = ["a" * 64, "b" * 64]
    store.decisions.record([prediction(at=NOON, model_digest=digests[i % 2]) for i in range(5)])
    found = store.windows.headlines(NOON, NOON + HOUR)
    assert [found.of_model(digest).ids.size for digest in digests] == [3, 2]


def test_details_and_rows_are_those_of_the_decisions_asked_for(store: Store) -> None:
    made = [prediction(at=NOON, rows=b"x" if i else None, features=bytes([i])) for i in range(4)]
    store.decisions.record(made)
    wanted = [one.id for one in made[:3]]
    found = {one.id: one for some in store.windows.details(wanted) for one in some}
    assert found.keys() == set(wanted)
    for one in made[:3]:
        assert found[one.id].features == one.features
        assert found[one.id].reasons == one.reasons
        assert found[one.id].model_version == one.model_version
    assert store.windows.rows(wanted).keys() == set(wanted[1:])


def test_decisions_are_settled_when_their_outcome_is_observed(store: Store) -> None:
    made = [prediction(at=NOON + i * HOUR, pd=i / 10, decision="accept") for i in range(4)]
    store.decisions.record(made)
    store.outcomes.record(
        [
            Outcome(one.applicant, one.id, i == 2, NOON + timedelta(days=100 + i), NOON, "k")
            for i, one in enumerate(made[:3])
        ]
    )
    store.outcomes.override(Override(made[1].id, "refuse", "Zoë", "knows more", NOON, "k"))
    start, end = NOON + timedelta(days=101), NOON + timedelta(days=103)
    digest = made[0].model_digest
    found = store.windows.settled(digest, start, end)
    # Whom an officer refused got no loan: an outcome says nothing.
    assert found.at.tolist() == [made[2].at.replace(tzinfo=None)]
    assert found.pds.tolist() == [0.2]
    assert found.refused.tolist() == [False]
    assert found.defaulted.tolist() == [True]
    assert len(store.windows.settled(digest, None, end)) == 2
    assert len(store.windows.settled("0" * 64, None, end)) == 0


def test_the_last_decision_on_an_applicant_is_labelled_when_its_outcome_is_observed(
    store: Store,
) -> None:
    made = [
        prediction(at=NOON + i * HOUR, applicant=str(i % 3), decision="accept") for i in range(5)
    ]
    store.decisions.record([*made, prediction(at=NOON, applicant="9", decision="accept")])
    store.outcomes.record(
        [
            Outcome(one.applicant, one.id, i == 4, NOON + timedelta(days=100 + i), NOON, "k")
            for i, one in enumerate(made)
        ]
    )
    found = store.windows.labelled(NOON + timedelta(days=110))
    assert [one.id for one in found] == [made[i].id for i in (2, 3, 4)]
    assert [one.defaulted for one in found] == [False, False, True]
    assert [one.at for one in found] == [made[i].at for i in (2, 3, 4)]
    # The day itself is not over, and what was not known by then is not used.
    assert [one.id for one in store.windows.labelled(NOON + timedelta(days=102))] == [
        made[0].id, made[1].id,
    ]  # fmt: skip


def test_nothing_is_learnt_of_refused_applicants_unless_an_officer_accepted_them(
    store: Store,
) -> None:
    """By number: refused; accepted, referred on, refused by officers; while all is referred."""
    made = [prediction(at=NOON, applicant=str(i), decision="refuse") for i in range(4)]
    made.append(prediction(at=NOON, applicant="4", decision="refer", model_decision="refuse"))
    made += [prediction(at=NOON, applicant=str(i), decision="refer") for i in (5, 6)]
    store.decisions.record(made)
    for number, words in {1: ("refuse", "accept"), 2: ("refer",), 3: ("accept", "refuse"),
                          6: ("refuse",)}.items():  # fmt: skip
        for word in words:
            store.outcomes.override(Override(made[number].id, word, "Zoë", "knows more", NOON, "k"))
    store.outcomes.record(
        [Outcome(one.applicant, one.id, False, NOON + HOUR, NOON, "k") for one in made]
    )
    later = NOON + 2 * HOUR
    assert {one.applicant for one in store.windows.labelled(later)} == {"1", "5"}
    assert store.windows.labelled_refusals(later) == 5
    assert store.windows.labelled_refusals(NOON) == 0
    assert len(store.windows.settled(made[0].model_digest, None, later)) == 2


def test_decisions_are_counted_by_month_and_model(store: Store) -> None:
    times = [
        datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC),
    ]  # fmt: skip
    store.decisions.record([prediction(at=at, model_digest="a" * 64) for at in times])
    store.decisions.record([prediction(at=times[0], model_digest="b" * 64)])
    found = store.windows.decided_by_month("a" * 64, times[-1] + HOUR)
    assert found == {date(2025, 12, 1): 1, date(2026, 1, 1): 2, date(2026, 3, 1): 1}
    assert sum(store.windows.decided_by_month("a" * 64, times[-1]).values()) == 3
    assert store.windows.decided_by_month("c" * 64, times[-1]) == {}


def test_events_are_counted_by_kind(store: Store) -> None:
    for kind, hours in (("loaded", 0), ("refused", 1), ("refused", 2), ("loaded", 9)):
        store.models.add_event(ModelEvent(NOON + hours * HOUR, kind, None, None, None, "", "w"))
    assert store.models.count_events(NOON, NOON + 5 * HOUR) == {"loaded": 1, "refused": 2}


def test_the_index_holds_all_that_a_window_reads(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/scoring.db"
    store = Store(url)
    store.migrate()
    store.close()
    engine = create_engine(url)
    query = (
        "EXPLAIN QUERY PLAN SELECT id, model_digest, decision, pd, milliseconds FROM predictions "
        "WHERE at >= '2026-01-01' AND at < '2026-02-01' ORDER BY at, id"
    )
    with engine.connect() as connection:
        plan = " ".join(row.detail for row in connection.execute(text(query)))
    engine.dispose()
    assert "COVERING INDEX ix_predictions_at" in plan
    assert "TEMP B-TREE" not in plan


def test_outcomes_are_read_along_that_index_too(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/scoring.db")
    store.migrate()
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        asked.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        store.windows.settled("0" * 64, NOON, NOON + HOUR)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        store.close()
    statement, given = asked[-1]
    with sqlite3.connect(tmp_path / "scoring.db") as database:
        plan = " ".join(
            row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", given)
        )
    assert "SCAN predictions USING COVERING INDEX ix_predictions_at" in plan
    assert "TEMP B-TREE" not in plan.split("CORRELATED")[0]


def test_without_exploration_nobody_had_another_chance_than_the_rule(store: Store) -> None:
    store.decisions.record([prediction(at=NOON, policy=3), prediction(at=NOON)])
    assert store.windows.chances(None, NOON + HOUR, NOON + HOUR).ids.size == 0


def test_what_models_scored_along_would_have_decided(store: Store) -> None:
    both = (ShadowScore("a" * 64, "1", 0.2, "refuse"), ShadowScore("b" * 64, "2", 0.05, "accept"))
    made = [prediction(at=NOON, shadows=own) for own in (both, both[1:], ())]
    store.decisions.record(made)
    first, second = (own.id.encode() for own in made[:2])
    found = store.windows.shadowed([own.id for own in made])
    assert found == {"1": {first: True}, "2": {first: False, second: False}}
    assert store.windows.shadowed([made[2].id]) == {}


def test_chances_and_the_outcomes_that_the_policy_has_brought(store: Store) -> None:
    """Not those of loans that an officer gave, nor of a time before there was exploration."""
    known: dict[str, dict[str, Any]] = {
        "before": {"decision": "accept", "policy": None},
        "drawn": {"decision": "accept", "exploration": "drawn", "propensity": 0.1},
        "accepted": {"decision": "accept"},
        "vetoed": {"decision": "accept", "exploration": "drawn", "propensity": 0.1},
        "not drawn": {"exploration": "not drawn", "propensity": 0.9},
        "given": {"exploration": "not drawn", "propensity": 0.9},
        "spent": {"exploration": "budget spent", "propensity": 1.0},
        "above": {"propensity": 1.0},
        "referred": {"decision": "refer"},
        "late": {"decision": "accept"},
        "other": {"decision": "accept", "model_digest": "b" * 64},
    }
    made = {
        name: prediction(**{"at": NOON + i * HOUR, "applicant": str(i), "policy": 3} | changes)
        for i, (name, changes) in enumerate(known.items(), 1)
    }
    made["drawn"] = replace(made["drawn"], model_decision="refuse")
    made["vetoed"] = replace(made["vetoed"], model_decision="refuse")
    store.decisions.record(list(made.values()))
    for name, word in (("vetoed", "refuse"), ("given", "accept"), ("referred", "accept")):
        store.outcomes.override(Override(made[name].id, word, "ana", "-", NOON, "loopback"))
    months = {"late": 900}
    store.outcomes.record([
        Outcome(own.applicant, own.id, name == "drawn",
                own.at + timedelta(days=months.get(name, 300)), NOON, "loopback")
        for name, own in made.items() if name not in ("spent", "above", "not drawn")
    ])  # fmt: skip
    found = store.windows.chances(None, NOON + 24 * HOUR, NOON + timedelta(days=400), "a" * 64)
    names = [name for name in made if name not in ("before", "other")]
    assert [one.decode() for one in found.ids] == [made[name].id for name in names]
    chance = dict(zip(names, found.chance.tolist(), strict=True))
    assert np.isnan(chance.pop("referred"))
    assert chance == pytest.approx({
        "drawn": 0.1, "accepted": 1.0, "vetoed": 0.1, "not drawn": 0.1, "given": 0.1, "spent": 0.0,
        "above": 0.0, "late": 1.0,
    })  # fmt: skip
    assert [names[i] for i in np.flatnonzero(found.known)] == ["drawn", "accepted"]
    assert [names[i] for i in np.flatnonzero(found.defaulted)] == ["drawn"]
    assert found.at[0] == np.datetime64(made["drawn"].at.replace(tzinfo=None), "us")
    assert found.loans.tolist() == found.ids.tolist()
    everything = store.windows.chances(NOON + 3 * HOUR, NOON + 24 * HOUR, NOON)
    assert everything.ids.size == 9
    assert not everything.known.any()


KINDS: dict[str, dict[str, Any]] = {
    "accepted": {"decision": "accept"},
    "drawn": {"decision": "accept", "exploration": "drawn", "propensity": 0.1},
    "not drawn": {"exploration": "not drawn", "propensity": 0.9},
    "above": {},
}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(KINDS)), st.integers(1, 4), st.none() | st.booleans(),
            st.integers(0, 3),
        ),
        max_size=8,
    )
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_who_asks_again_counts_once(
    lasting_store: Store, applicants: list[tuple[str, int, bool | None, int]]
) -> None:
    """Whoever it is and however often, and whichever of the loans the outcome was told of."""
    once, often = uuid.uuid4().hex * 2, uuid.uuid4().hex * 2
    lasting_store.decisions.record([prediction(at=NOON - HOUR, policy=3, **KINDS["drawn"])])
    until = NOON + 24 * HOUR
    for digest in (once, often):
        for number, (kind, times, defaulted, told) in enumerate(applicants):
            made = [
                prediction(at=NOON + time * HOUR + timedelta(minutes=number), policy=3,
                           applicant=f"{number}-{digest[:8]}", model_digest=digest, **KINDS[kind])
                for time in range(1 if digest == once else times)
            ]  # fmt: skip
            lasting_store.decisions.record(made)
            if made[0].decision == "accept" and defaulted is not None:
                loan = made[told % len(made)]
                lasting_store.outcomes.record(
                    [Outcome(loan.applicant, loan.id, defaulted, until, until, "k")]
                )
    later = until + HOUR
    found, counted = (
        lasting_store.windows.chances(None, until, later, digest) for digest in (once, often)
    )
    for name in ("at", "pds", "chance", "exploration", "known", "defaulted"):
        assert getattr(counted, name).tolist() == getattr(found, name).tolist()
    # They asked first before that time, so that their draw had been before it, too.
    after = lasting_store.windows.chances(NOON + HOUR, until, later, often)
    assert after.ids.size == 0


def test_the_erased_cannot_be_told_apart_and_each_counts(store: Store) -> None:
    made = [prediction(at=NOON, applicant=str(i), policy=3, **KINDS["drawn"]) for i in range(3)]
    store.decisions.record(made)
    for own in made[:2]:
        store.privacy.erase(int(own.applicant))
    assert store.windows.chances(None, NOON + HOUR, NOON).ids.size == 3
