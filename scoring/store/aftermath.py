"""What came after decisions: outcomes, overrides, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, ScalarSelect, case, func, insert, select, update

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
