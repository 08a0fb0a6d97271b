"""Decisions: recorded many at a time, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Insert, RowMapping, Select, and_, insert, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from scoring.store.records import Prediction, ShadowScore
from scoring.store.schema import Row, predictions, shadows

_COLUMNS = tuple(field.name for field in fields(Prediction) if field.name != "shadows")
_CHUNK = 200
_ONCE: Mapping[str, Insert] = {
    "sqlite": sqlite.insert(predictions).on_conflict_do_nothing(
        index_elements=["caller", "idempotency_key"]
    ),
    "postgresql": postgresql.insert(predictions).on_conflict_do_nothing(
        index_elements=["caller", "idempotency_key"]
    ),
}
_ALWAYS = insert(predictions)
_SHADOWS = insert(shadows)


def record(connection: Connection, new: Sequence[Prediction]) -> list[Prediction]:
    """Insert predictions; for a key that was used before, the first one stands instead."""
    keyed = [one for one in new if one.idempotency_key is not None]
    plain = [one for one in new if one.idempotency_key is None]
    if plain:
        connection.execute(_ALWAYS, [_row(one) for one in plain])
    first: dict[tuple[str, str | None], Prediction] = {}
    if keyed:
        connection.execute(_ONCE[connection.dialect.name], [_row(one) for one in keyed])
        first = _by_key(connection, keyed)
    made = {one.id: one for one in new}
    kept = [first.get((one.caller, one.idempotency_key), one) for one in new]
    # What was inserted is the caller's own object again.
    kept = [made.get(one.id, one) for one in kept]
    scored = [
        {"prediction_id": one.id, **_shadow_row(shadow)}
        for one in dict.fromkeys(kept)
        if one.id in made
        for shadow in one.shadows
    ]
    if scored:
        connection.execute(_SHADOWS, scored)
    return kept


def _by_key(
    connection: Connection, keyed: Sequence[Prediction]
) -> dict[tuple[str, str | None], Prediction]:
    pairs = [(one.caller, one.idempotency_key) for one in keyed]
    found = _read(
        connection,
        select(predictions).where(
            tuple_(predictions.c.caller, predictions.c.idempotency_key).in_(pairs)
        ),
    )
    return {(one.caller, one.idempotency_key): one for one in found}


def answered(connection: Connection, caller: str, key: str) -> Prediction | None:
    """The prediction that a caller's idempotency key stands for."""
    where = and_(predictions.c.caller == caller, predictions.c.idempotency_key == key)
    return next(iter(_read(connection, select(predictions).where(where))), None)


def find(connection: Connection, number: str) -> Prediction | None:
    """The prediction of an id."""
    return next(
        iter(_read(connection, select(predictions).where(predictions.c.id == number))), None
    )


def applicants_of(connection: Connection, numbers: Sequence[str]) -> dict[str, str]:
    """The applicants of some predictions, by the predictions' ids."""
    wanted = select(predictions.c.id, predictions.c.applicant)
    found: dict[str, str] = {}
    for start in range(0, len(numbers), _CHUNK):
        some = wanted.where(predictions.c.id.in_(numbers[start : start + _CHUNK]))
        found |= {row.id: row.applicant for row in connection.execute(some)}
    return found


def chunk(
    connection: Connection,
    since: datetime | None,
    until: datetime | None,
    applicant: str | None,
    after: Prediction | None,
    *,
    newest_first: bool,
    limit: int = _CHUNK,
) -> list[Prediction]:
    """The next predictions after one, in the order of time."""
    query = _after(select(predictions), after, newest_first=newest_first)
    if since is not None:
        query = query.where(predictions.c.at >= since)
    if until is not None:
        query = query.where(predictions.c.at < until)
    if applicant is not None:
        query = query.where(predictions.c.applicant == applicant)
    order = (predictions.c.at, predictions.c.id)
    query = query.order_by(*(column.desc() if newest_first else column for column in order))
    return _read(connection, query.limit(min(limit, _CHUNK)))


def _after(query: Select[Any], after: Prediction | None, *, newest_first: bool) -> Select[Any]:
    if after is None:
        return query
    at, number = predictions.c.at, predictions.c.id
    if newest_first:
        return query.where(or_(at < after.at, and_(at == after.at, number < after.id)))
    return query.where(or_(at > after.at, and_(at == after.at, number > after.id)))


def _read(connection: Connection, query: Select[Any]) -> list[Prediction]:
    rows = connection.execute(query).mappings().all()
    along = _shadows(connection, [row["id"] for row in rows])
    return [_prediction(row, along.get(row["id"], ())) for row in rows]


def _shadows(connection: Connection, numbers: Sequence[str]) -> dict[str, tuple[ShadowScore, ...]]:
    if not numbers:
        return {}
    query = select(shadows).where(shadows.c.prediction_id.in_(numbers))
    found: dict[str, tuple[ShadowScore, ...]] = {}
    for row in connection.execute(query.order_by(shadows.c.model_digest)):
        score = ShadowScore(row.model_digest, row.model_version, row.pd, row.decision)
        found[row.prediction_id] = (*found.get(row.prediction_id, ()), score)
    return found


def _row(prediction: Prediction) -> Row:
    return {name: getattr(prediction, name) for name in _COLUMNS}


def _shadow_row(shadow: ShadowScore) -> Row:
    return {
        "model_digest": shadow.model_digest,
        "model_version": shadow.model_version,
        "pd": shadow.pd,
        "decision": shadow.decision,
    }


def _prediction(row: RowMapping, along: tuple[ShadowScore, ...]) -> Prediction:
    return Prediction(**{name: row[name] for name in _COLUMNS}, shadows=along)
