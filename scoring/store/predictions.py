"""Decisions: recorded many at a time, each once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Insert, RowMapping, Select, and_, insert, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from scoring.store.records import Decided, Prediction, ShadowScore
from scoring.store.schema import Row, predictions, reads, shadows

_COLUMNS = tuple(field.name for field in fields(Prediction) if field.name != "shadows")
_CHUNK = 200
# PostgreSQL fails over texts that hold a NUL.
_ID = re.compile(r"[0-9a-f-]{36}")
_KEY = ["caller", "idempotency_key"]
_ONCE: Mapping[str, Insert] = {
    "sqlite": sqlite.insert(predictions).on_conflict_do_nothing(index_elements=_KEY),
    "postgresql": postgresql.insert(predictions).on_conflict_do_nothing(index_elements=_KEY),
}
_ALWAYS = insert(predictions)
_SHADOWS = insert(shadows)

_Key = tuple[str, str | None]


def record(connection: Connection, new: Sequence[Prediction]) -> list[Prediction]:
    """Insert predictions; for a key that was used before, the first one stands instead."""
    keyed = [one for one in new if one.idempotency_key is not None]
    plain = [one for one in new if one.idempotency_key is None]
    if plain:
        connection.execute(_ALWAYS, [_row(one) for one in plain])
    first = _record_once(connection, keyed) if keyed else {}
    kept = [first.get(_key(one), one) for one in new]
    scored = [
        _shadow_row(one, shadow)
        for one, own in zip(kept, new, strict=True)
        if one is own
        for shadow in one.shadows
    ]
    if scored:
        connection.execute(_SHADOWS, scored)
    return kept


def _record_once(connection: Connection, keyed: Sequence[Prediction]) -> Mapping[_Key, Prediction]:
    """Insert those whose key is new; what stands for each key that was not, by key."""
    by_key: dict[_Key, Prediction] = {}
    for one in keyed:
        by_key.setdefault(_key(one), one)
    # Two that insert the same keys in different orders would wait for each other for ever.
    ordered = [by_key[key] for key in sorted(by_key, key=str)]
    inserted = connection.execute(
        _ONCE[connection.dialect.name],
        [_row(one) for one in ordered],
        execution_options={"preserve_rowcount": True},
    ).rowcount
    if inserted < len(ordered):
        pairs = tuple_(predictions.c.caller, predictions.c.idempotency_key).in_(list(by_key))
        for found in _read(connection, select(predictions).where(pairs)):
            # What was inserted stays the caller's own object.
            if found.id != by_key[_key(found)].id:
                by_key[_key(found)] = found
    return by_key


def _key(one: Prediction) -> _Key:
    return one.caller, one.idempotency_key


def answered(connection: Connection, caller: str, keys: Sequence[str]) -> Prediction | None:
    """A prediction that one of a caller's idempotency keys stands for."""
    where = and_(predictions.c.caller == caller, predictions.c.idempotency_key.in_(keys))
    return next(iter(_read(connection, select(predictions).where(where).limit(1))), None)


def find(connection: Connection, number: str) -> Prediction | None:
    """The prediction of an id; whatever else is sent as one is nobody's."""
    if not _ID.fullmatch(number):
        return None
    return next(
        iter(_read(connection, select(predictions).where(predictions.c.id == number))), None
    )


def decided_on(connection: Connection, numbers: Sequence[str]) -> dict[str, Decided]:
    """On whom, when and for whom some predictions were made, by their ids."""
    wanted = select(predictions.c.id, *(predictions.c[name] for name in Decided._fields))
    ids = [number for number in numbers if _ID.fullmatch(number)]
    found: dict[str, Decided] = {}
    for start in range(0, len(ids), _CHUNK):
        some = wanted.where(predictions.c.id.in_(ids[start : start + _CHUNK]))
        found |= {number: Decided(*rest) for number, *rest in connection.execute(some)}
    return found


def chunk(
    connection: Connection,
    since: datetime | None,
    until: datetime | None,
    applicant: str | None,
    caller: str | None,
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
    if caller is not None:
        query = query.where(predictions.c.caller == caller)
    order = (predictions.c.at, predictions.c.id)
    query = query.order_by(*(column.desc() if newest_first else column for column in order))
    return _read(connection, query.limit(min(limit, _CHUNK)))


def note_read(
    connection: Connection, caller: str, what: str, applicant: str, number: str | None
) -> None:
    """Record who looked, by which operation, at an applicant, and at which prediction."""
    row = {"caller": caller, "what": what, "applicant": applicant, "prediction_id": number}
    connection.execute(insert(reads), [{"at": datetime.now(UTC), **row}])


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


def _shadow_row(prediction: Prediction, shadow: ShadowScore) -> Row:
    return {
        "prediction_id": prediction.id,
        "model_digest": shadow.model_digest,
        "model_version": shadow.model_version,
        "pd": shadow.pd,
        "decision": shadow.decision,
    }


def _prediction(row: RowMapping, along: tuple[ShadowScore, ...]) -> Prediction:
    return Prediction(**{name: row[name] for name in _COLUMNS}, shadows=along)
