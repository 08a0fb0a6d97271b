"""What a model has decided, counted on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scoring.store import ModelUsage, Outcome, ShadowScore, Store
from tests.helpers.databases import prediction

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWN, OTHER = "a" * 64, "b" * 64


def test_a_model_without_decisions_has_an_empty_life(store: Store) -> None:
    store.decisions.record([prediction(model_digest=OTHER)])
    assert store.models.usage(OWN) == ModelUsage(0, None, None, {}, settled=0, scored_along=0)


def test_decisions_are_counted_by_role_with_their_outcomes(store: Store) -> None:
    roles = ["challenger", "challenger", "champion", "champion", "champion"]
    own = [
        prediction(at=NOON + i * HOUR, role=role, model_digest=OWN) for i, role in enumerate(roles)
    ]
    score = ShadowScore(OWN, "3", 0.1, "accept")
    others = [
        prediction(at=NOON - HOUR, model_digest=OTHER, shadows=(score,)),
        prediction(at=NOON + 9 * HOUR, model_digest=OTHER),
    ]
    store.decisions.record([*own, *others])
    store.outcomes.record(
        [Outcome(one.applicant, one.id, False, NOON, NOON, "k") for one in (own[0], *others)]
    )
    by_role = {"challenger": 2, "champion": 3}
    last = NOON + 4 * HOUR
    assert store.models.usage(OWN) == ModelUsage(5, NOON, last, by_role, settled=1, scored_along=1)
    assert store.models.usage(OTHER).by_role == {"champion": 2}
    assert store.models.usage(OTHER).settled == 2
