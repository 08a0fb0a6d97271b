"""What came after decisions: outcomes, overrides, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Subquery,
    case,
    func,
    insert,
    select,
    update,
)

from scoring.store.records import CostSummary, Outcome, Override, RefusalSummary
from scoring.store.schema import outcome_history, outcomes, overrides, predictions

_CHUNK = 200


def record_outcomes(connection: Connection, new: Sequence[Outcome]) -> int:
    """Record outcomes; how many were new, or other than what was known.

    What a correction replaces is kept in the history.
    """
    # The last word on a prediction counts, also within one call.
    last = {one.prediction_id: one for one in new}
    known = _outcomes(connection, list(last))
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


def _outcomes(connection: Connection, numbers: Sequence[str]) -> dict[str, Outcome]:
    found = {}
    for start in range(0, len(numbers), _CHUNK):
        some = outcomes.c.prediction_id.in_(numbers[start : start + _CHUNK])
        for row in connection.execute(select(outcomes).where(some)).mappings():
            found[row["prediction_id"]] = Outcome(**row)
    return found


def outcome(connection: Connection, number: str) -> Outcome | None:
    """The outcome of a prediction, once it is known."""
    return _outcomes(connection, [number]).get(number)


def _row(one: Outcome) -> dict[str, object]:
    return {
        "applicant": one.applicant,
        "prediction_id": one.prediction_id,
        "defaulted": one.defaulted,
        "observed_at": one.observed_at,
        "recorded_at": one.recorded_at,
        "caller": one.caller,
    }


def record_override(connection: Connection, one: Override) -> None:
    """Record an officer's own decision."""
    connection.execute(
        insert(overrides),
        [
            {
                "prediction_id": one.prediction_id,
                "decision": one.decision,
                "actor": one.actor,
                "motive": one.motive,
                "at": one.at,
                "caller": one.caller,
            }
        ],
    )


def overrides_of(connection: Connection, number: str) -> list[Override]:
    """The overrides of a prediction, the oldest first; the last one stands."""
    query = select(overrides).where(overrides.c.prediction_id == number)
    return [
        Override(row.prediction_id, row.decision, row.actor, row.motive, row.at, row.caller)
        for row in connection.execute(query.order_by(overrides.c.number))
    ]


def realised_costs(
    connection: Connection, since: datetime, false_negative: float
) -> dict[str, CostSummary]:
    """What the loans that each model gave turned out to cost, where their outcome is known.

    An outcome of somebody who got no loan is no evidence.
    """
    counted = _once(since, known=True)
    query = select(counted.c.model_digest, counted.c.defaulted, func.count())
    query = query.where(counted.c.defaulted.is_not(None))
    costs: dict[str, CostSummary] = {}
    for digest, defaulted, n in connection.execute(
        query.group_by(counted.c.model_digest, counted.c.defaulted)
    ):
        cost = false_negative if defaulted else 0.0
        before = costs.get(digest, CostSummary(0, 0.0, 0.0))
        costs[digest] = CostSummary(
            before.applicants + n,
            before.total + n * cost,
            before.total_of_squares + n * cost * cost,
        )
    return costs


def refusals(connection: Connection, since: datetime) -> dict[str, RefusalSummary]:
    """Whom each model refused, by the model's digest.

    Each caller weighs as much as the known outcomes of the loans that it asked for, whatever the
    number of its requests: whoever only asks moves nothing.
    """
    counted = _once(since)
    lost = case((counted.c.given, 0.0), else_=1.0 - counted.c.pd)
    query = (
        select(
            counted.c.model_digest,
            func.count().label("decided"),
            func.sum(case((counted.c.given, 0), else_=1)).label("refused"),
            func.sum(lost).label("lost"),
            func.sum(lost * lost).label("lost_of_squares"),
            func.count(counted.c.defaulted).label("known"),
        )
        .group_by(counted.c.model_digest, counted.c.caller)
        .order_by(counted.c.model_digest)
    )
    by_model = groupby(connection.execute(query), attrgetter("model_digest"))
    return {digest: _weighed(list(rows)) for digest, rows in by_model}


def _weighed(callers: Sequence[Row[Any]]) -> RefusalSummary:
    """The refusals of all callers together; while no outcome is known, each request counts."""
    known = sum(one.known for one in callers)
    heard = [one for one in callers if one.known or not known]
    decided = sum(one.decided for one in heard)
    weights = [one.known / known * decided / one.decided if known else 1.0 for one in heard]
    sums = (
        sum(weight * getattr(one, name) for weight, one in zip(weights, heard, strict=True))
        for name in ("refused", "lost", "lost_of_squares")
    )
    return RefusalSummary(decided, *sums)


def _once(since: datetime, *, known: bool = False) -> Subquery:
    """What a model decided on an applicant for a caller, once, however often it was asked.

    The last decision counts, or the last one with an outcome where there is one. With
    `known` the others are not looked at.
    """
    own = (predictions.c.model_digest, predictions.c.caller, predictions.c.applicant)
    newest = (outcomes.c.prediction_id.is_(None), predictions.c.at.desc(), predictions.c.id.desc())
    numbered = (
        select(
            predictions.c.model_digest,
            predictions.c.caller,
            predictions.c.pd,
            given().label("given"),
            case((given(), outcomes.c.defaulted)).label("defaulted"),
            func.row_number().over(partition_by=own, order_by=newest).label("place"),
        )
        .join(outcomes, outcomes.c.prediction_id == predictions.c.id, isouter=not known)
        .where(predictions.c.at >= since)
        .subquery()
    )
    return select(numbered).where(numbered.c.place == 1).subquery()


def given() -> ColumnElement[bool]:
    """Whether an applicant got the loan, so that an outcome says something.

    The last override decides, else the model's own decision: one whom the model refused got it
    only where an officer accepted, and one who was referred and has an outcome did.
    """
    word = func.nullif(latest_override(), "refer")
    return func.coalesce(word, predictions.c.model_decision) != "refuse"


def latest_override() -> ScalarSelect[str]:
    """What an officer decided last in the place of a prediction's decision, if one did."""
    return (
        select(overrides.c.decision)
        .where(overrides.c.prediction_id == predictions.c.id)
        .order_by(overrides.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
