"""What is deleted once it is old, and that nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from scoring.store import (
    ModelEvent,
    Outcome,
    Override,
    Policy,
    Prediction,
    ShadowScore,
    Store,
    StoreError,
)
from tests.helpers.databases import prediction

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEPT = timedelta(days=200)


def lived(store: Store, at: datetime) -> Prediction:
    """A decision with everything that can hang on it."""
    along = (ShadowScore("b" * 64, "4", 0.25, "accept"), ShadowScore("c" * 64, "5", 0.5, "refuse"))
    made = prediction(at=at, shadows=along)
    store.decisions.record([made])
    for decision in ("accept", "refuse", "accept"):
        store.outcomes.override(Override(made.id, decision, "Zoë", "because", at, "loopback"))
    outcome = Outcome(made.applicant, made.id, True, at, at, "loopback")
    store.outcomes.record([outcome])
    store.outcomes.record([replace(outcome, defaulted=False)])
    store.models.add_event(ModelEvent(at, "loaded", None, None, None, "", ""))
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr("scoring.store.decisions.datetime", SimpleNamespace(now=lambda _: at))
        store.decisions.note_read("k-1", "prediction", made.applicant, made.id)
    return made


def test_what_is_old_goes_with_all_that_hangs_on_it(store: Store) -> None:
    old = lived(store, NOW - KEPT - timedelta(microseconds=1))
    young = lived(store, NOW - KEPT)
    assert store.retention.purge(KEPT, NOW) == {
        "events": 1, "reads": 1, "predictions": 1, "shadows": 2, "overrides": 3,
        "outcome_history": 1, "outcomes": 1, "reviews": 0, "alerts": 0, "reports": 0, "policies": 0,
        "applicants": 0, "archives": 0,
    }  # fmt: skip
    assert store.decisions.find(old.id) is None
    assert (store.outcomes.overrides(old.id), store.outcomes.find(old.id)) == ([], None)
    assert store.decisions.find(young.id) == young
    assert len(store.outcomes.overrides(young.id)) == 3
    assert store.outcomes.find(young.id) is not None
    assert len(store.models.events()) == 1
    assert set(store.retention.purge(KEPT, NOW).values()) == {0}


def test_more_than_one_piece_is_purged(store: Store) -> None:
    made = [prediction(at=NOW - KEPT + timedelta(seconds=number)) for number in range(-1201, 30)]
    store.decisions.record(made)
    assert store.retention.purge(KEPT, NOW)["predictions"] == 1201
    assert list(store.decisions.search()) == made[1201:]


def test_an_idempotency_key_is_free_again_once_its_decision_is_purged(store: Store) -> None:
    old = prediction(at=NOW - KEPT * 2, idempotency_key="k")
    store.decisions.record([old])
    store.retention.purge(KEPT, NOW)
    new = prediction(idempotency_key="k")
    assert store.decisions.record([new]) == [new]


def test_what_is_kept_for_good_stays(store: Store) -> None:
    store.models.set_policy(Policy("shadow"), "Zoë", "a trial")
    key, _ = store.keys.add("bank", {"score"})
    store.retention.purge(KEPT, datetime.now(UTC) + KEPT * 2)
    assert store.models.policy() == Policy("shadow")
    assert store.keys.all() == [key]


@pytest.mark.parametrize("days", [0, 1, 182, 182.999])
def test_the_law_has_decisions_kept_for_half_a_year(store: Store, days: float) -> None:
    made = lived(store, NOW - timedelta(days=1000))
    with pytest.raises(StoreError, match="183 days at least"):
        store.retention.purge(timedelta(days=days), NOW)
    assert store.decisions.find(made.id) == made
    assert store.retention.purge(timedelta(days=183), NOW)["predictions"] == 1


def test_purged_values_are_not_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "scoring.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    made = [prediction(at=NOW - KEPT * 2, reasons="an applicant's secret") for _ in range(50)]
    store.decisions.record(made)
    store.retention.purge(KEPT, NOW)
    # The last one who closes it writes the journal back.
    store.close()
    content = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"an applicant's secret" not in content
