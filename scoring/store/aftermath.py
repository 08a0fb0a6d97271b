"""What came after decisions: outcomes, overrides, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, ScalarSelect, and_, case, func, insert, select, update

from scoring.store.records import CostSummary, Outcome, Override, RefusalSummary
from scoring.store.schema import outcome_history, outcomes, overrides, predictions

_CHUNK = 200


def record_outcomes(connection: Connection, new: Sequence[Outcome]) -> int:
    """Record outcomes; how many were new, or other than what was known.

    What a correction replaces is kept in the history.
    """
    # The last word on a prediction counts, also within one call.
    last = {one.prediction_id: one for one in new}
    known = outcomes_of(connection, list(last))
    added = [one for key, one in last.items() if key not in known]
    changed = [
        one
        for key, one in last.items()
        if key in known
        and (known[key].defaulted, known[key].observed_at) != (one.defaulted, one.observed_at)
    ]
    if added:
        connection.execute(insert(outcomes), [_row(one) for one in added])
    for one in changed:
        old = _row(known[one.prediction_id])
        del old["applicant"]
        connection.execute(insert(outcome_history), [old])
        where = outcomes.c.prediction_id == one.prediction_id
        connection.execute(update(outcomes).where(where).values(**_row(one)))
    return len(added) + len(changed)


def outcomes_of(connection: Connection, numbers: Sequence[str]) -> dict[str, Outcome]:
    """The outcomes of those predictions that have one, by the predictions' ids."""
    found = {}
    for start in range(0, len(numbers), _CHUNK):
        some = outcomes.c.prediction_id.in_(numbers[start : start + _CHUNK])
        for row in connection.execute(select(outcomes).where(some)).mappings():
            found[row["prediction_id"]] = Outcome(**row)
    return found


def _row(one: Outcome) -> dict[str, object]:
    return {
        "applicant": one.applicant,
        "prediction_id": one.prediction_id,
        "defaulted": one.defaulted,
        "observed_at": one.observed_at,
        "recorded_at": one.recorded_at,
        "caller": one.caller,
    }


def record_override(connection: Connection, one: Override, seen: int | None) -> bool:
    """Record an officer's own decision, unless there are others than the `seen` ones."""
    # On PostgreSQL those who decide at once wait here for each other; SQLite has one writer.
    own = select(predictions.c.id).where(predictions.c.id == one.prediction_id)
    connection.execute(own.with_for_update(key_share=True))
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
