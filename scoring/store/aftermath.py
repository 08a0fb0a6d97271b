"""What came after decisions: outcomes, overrides, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
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
)

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
