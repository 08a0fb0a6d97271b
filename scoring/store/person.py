"""All that is on record about one person: told, and erased."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from scoring.store.pseudonyms import ERASED
from scoring.store.schema import (
    Row,
    applicants,
    outcome_history,
    outcomes,
    overrides,
    predictions,
    shadows,
    stand_ins,
)

_HANGING_ON = (shadows, overrides, outcomes, outcome_history)
# What remains of a decision says when it was taken, by which model, and what it was.
_EMPTIED = {
    "applicant": ERASED, "rows": None, "rows_sha256": "", "features": b"", "reasons": "[]",
    "request_id": "", "idempotency_key": None, "request_sha256": "",
}  # fmt: skip


def on_record(connection: Connection, names: Sequence[str]) -> dict[str, list[Row]]:
    """The rows about an applicant by table, as they are kept."""
    own = select(predictions.c.id).where(predictions.c.applicant.in_(names))
    queries = {
        table.name: select(table).where(table.c.applicant.in_(names))
        for table in (applicants, predictions)
    } | {table.name: select(table).where(table.c.prediction_id.in_(own)) for table in _HANGING_ON}
    return {
        name: [dict(row) for row in connection.execute(query).mappings()]
        for name, query in queries.items()
    }


def erase(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Delete what is known of an applicant, and empty the decisions on them; how many rows."""
    own = predictions.c.applicant.in_(names)
    decisions = select(predictions.c.id).where(own)
    changes = (
        delete(applicants).where(applicants.c.applicant.in_(names)),
        delete(stand_ins).where(stand_ins.c.applicant.in_(names)),
        update(overrides)
        .where(overrides.c.prediction_id.in_(decisions))
        .values(actor=ERASED, motive=ERASED),
        update(outcomes).where(outcomes.c.prediction_id.in_(decisions)).values(applicant=ERASED),
        update(predictions).where(own).values(_EMPTIED),
    )
    return {change.table.name: connection.execute(change).rowcount for change in changes}
