"""What came after decisions: outcomes, overrides, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, ScalarSelect, case, func, insert, select

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


def realised(
    connection: Connection, since: datetime, false_negative: float
) -> dict[str, tuple[CostSummary, RefusalSummary]]:
    """What the loans of each model turned out to cost, and whom it refused, by its digest.

    Of an applicant's decisions by one model for one caller the last counts, or the last with an
    outcome. Refusals of each caller weigh as much as the known outcomes of its loans, whatever the
    number of its requests: whoever only asks moves nothing.
    """
    own = (predictions.c.model_digest, predictions.c.caller, predictions.c.applicant)
    newest = (outcomes.c.prediction_id.is_(None), predictions.c.at.desc(), predictions.c.id.desc())
    place = func.row_number().over(partition_by=own, order_by=newest).label("place")
    columns = (*own, predictions.c.pd, given().label("given"), outcomes.c.defaulted, place)
    all_of = select(*columns).outerjoin(outcomes, outcomes.c.prediction_id == predictions.c.id)
    last = all_of.where(predictions.c.at >= since).subquery()
    lost = case((last.c.given, 0.0), else_=1.0 - last.c.pd)
    known = case((last.c.given, last.c.defaulted))
    sums = (
        func.count(),
        func.sum(case((last.c.given, 0), else_=1)),
        func.sum(lost),
        func.sum(lost * lost),
        func.count(known),
        func.sum(case((known, 1), else_=0)),
    )
    query = select(last.c.model_digest, *sums).where(last.c.place == 1)
    callers: dict[str, list[Sequence[float]]] = {}
    for digest, *row in connection.execute(query.group_by(last.c.model_digest, last.c.caller)):
        callers.setdefault(digest, []).append(row)
    return {digest: _together(rows, false_negative) for digest, rows in callers.items()}


def _together(
    callers: Sequence[Sequence[float]], cost: float
) -> tuple[CostSummary, RefusalSummary]:
    """A row a caller; while no outcome is known, each request counts alike."""
    known, defaults = (int(sum(row[i] for row in callers)) for i in (4, 5))
    heard = [row for row in callers if row[4] or not known]
    decided = int(sum(row[0] for row in heard))
    weights = [row[4] / known * decided / row[0] if known else 1.0 for row in heard]
    sums = (
        sum(weight * row[i] for weight, row in zip(weights, heard, strict=True)) for i in (1, 2, 3)
    )
    costs = CostSummary(known, defaults * cost, defaults * cost * cost)
    return costs, RefusalSummary(decided, *sums)


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
