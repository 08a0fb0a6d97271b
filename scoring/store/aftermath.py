"""What came after decisions: outcomes, overrides, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, ScalarSelect, and_, case, func, insert, select

from scoring.store.engine import replacing
from scoring.store.records import CostSummary, Outcome, Override, RefusalSummary
from scoring.store.schema import outcome_history, outcomes, overrides, predictions

_CHUNK = 200
_REPLACING = replacing(outcomes)
_HISTORY = ("prediction_id", "defaulted", "observed_at", "recorded_at", "caller")


def record_outcomes(connection: Connection, new: Sequence[Outcome]) -> int:
    """Record outcomes; how many were new, or other than what was known.

    The one observed last counts, and of these the one recorded last; every other that was ever
    told is in the history.
    """
    numbers = sorted({one.prediction_id for one in new})
    _lock(connection, numbers)
    known = outcomes_of(connection, numbers)
    counts, history, told = dict(known), [], 0
    for one in new:
        before = counts.get(one.prediction_id)
        if before is None:
            counts[one.prediction_id] = one
        elif (before.defaulted, before.observed_at) != (one.defaulted, one.observed_at):
            both = sorted((before, one), key=lambda word: (word.observed_at, word.recorded_at))
            earlier, counts[one.prediction_id] = both
            history.append({name: getattr(earlier, name) for name in _HISTORY})
        else:
            continue
        told += 1
    changed = [counts[number] for number in numbers if counts[number] is not known.get(number)]
    if history:
        connection.execute(insert(outcome_history), history)
    if changed:
        connection.execute(_REPLACING[connection.dialect.name], list(map(asdict, changed)))
    return told


def _lock(connection: Connection, numbers: Sequence[str]) -> None:
    """Keep others from telling outcomes of the same predictions until the transaction ends.

    Whoever locks several does so in the order of their ids: nobody waits in a circle.
    """
    if connection.dialect.name != "postgresql":
        return
    query = select(predictions.c.id).order_by(predictions.c.id)
    for start in range(0, len(numbers), _CHUNK):
        some = predictions.c.id.in_(numbers[start : start + _CHUNK])
        # Those who refer to a prediction, as by overrides, are not kept waiting.
        connection.execute(query.where(some).with_for_update(key_share=True))


def outcomes_of(connection: Connection, numbers: Sequence[str]) -> dict[str, Outcome]:
    """The outcomes of those predictions that have one, by the predictions' ids."""
    found = {}
    for start in range(0, len(numbers), _CHUNK):
        some = outcomes.c.prediction_id.in_(numbers[start : start + _CHUNK])
        for row in connection.execute(select(outcomes).where(some)).mappings():
            found[row["prediction_id"]] = Outcome(**row)
    return found


def record_override(connection: Connection, one: Override, seen: int | None) -> bool:
    """Record an officer's own decision, unless there are others than the `seen` ones."""
    _lock(connection, [one.prediction_id])
    query = select(func.count()).where(overrides.c.prediction_id == one.prediction_id)
    if seen not in (None, connection.execute(query).scalar_one()):
        return False
    connection.execute(insert(overrides), [asdict(one)])
    return True


def overrides_of(connection: Connection, number: str) -> list[Override]:
    """The overrides of a prediction, the oldest first; the last one stands."""
    query = select(overrides).where(overrides.c.prediction_id == number)
    return [
        Override(row.prediction_id, row.decision, row.actor, row.motive, row.at, row.caller)
        for row in connection.execute(query.order_by(overrides.c.number))
    ]


def realised_costs(
    connection: Connection, since: datetime, false_negative: float, false_positive: float
) -> dict[str, CostSummary]:
    """What each model's answers turned out to cost, over the predictions with an outcome.

    The last override counts as the decision. One who was referred and has an outcome was
    given the loan.
    """
    final = func.coalesce(latest_override(), predictions.c.decision).label("final")
    query = (
        select(predictions.c.model_digest, final, outcomes.c.defaulted, func.count().label("n"))
        .join(outcomes, outcomes.c.prediction_id == predictions.c.id)
        .where(predictions.c.at >= since)
        .group_by(predictions.c.model_digest, final, outcomes.c.defaulted)
    )
    found: dict[str, CostSummary] = {}
    for digest, decision, defaulted, n in connection.execute(query):
        refused = decision == "refuse"
        cost = 0.0
        if defaulted and not refused:
            cost = false_negative
        elif refused and not defaulted:
            cost = false_positive
        before = found.get(digest, CostSummary(0, 0.0, 0.0))
        found[digest] = CostSummary(
            before.applicants + n,
            before.total + n * cost,
            before.total_of_squares + n * cost * cost,
        )
    return found


def refusals(connection: Connection, since: datetime) -> dict[str, RefusalSummary]:
    """Whom each model refused and nobody knows the outcome of, by the model's digest.

    The last override counts as the decision.
    """
    final = func.coalesce(latest_override(), predictions.c.decision)
    unknown = and_(final == "refuse", outcomes.c.prediction_id.is_(None))
    lost = case((unknown, 1.0 - predictions.c.pd), else_=0.0)
    query = (
        select(
            predictions.c.model_digest,
            func.count(),
            func.sum(case((unknown, 1), else_=0)),
            func.sum(lost),
            func.sum(lost * lost),
        )
        .outerjoin(outcomes, outcomes.c.prediction_id == predictions.c.id)
        .where(predictions.c.at >= since)
        .group_by(predictions.c.model_digest)
    )
    return {digest: RefusalSummary(*figures) for digest, *figures in connection.execute(query)}


def latest_override() -> ScalarSelect[str]:
    """What an officer decided last in the place of a prediction's decision, if one did."""
    return (
        select(overrides.c.decision)
        .where(overrides.c.prediction_id == predictions.c.id)
        .order_by(overrides.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
