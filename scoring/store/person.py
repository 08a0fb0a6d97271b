"""All that is on record about one person: told, and erased."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Delete, Update, delete, select, update

from scoring.store.pseudonyms import ERASED
from scoring.store.schema import (
    Row,
    applicants,
    outcome_history,
    outcomes,
    overrides,
    predictions,
    reads,
    shadows,
    stand_ins,
)

_HANGING_ON = (shadows, overrides, outcomes, outcome_history)
# What remains of a decision says when it was taken, by which model, and what it was.
_EMPTIED = {
    "applicant": ERASED, "rows": None, "rows_sha256": "", "features": b"", "reasons": "[]",
    "request_id": "", "idempotency_key": None, "request_sha256": "", "misunderstood": None,
}  # fmt: skip


def on_record(connection: Connection, names: Sequence[str]) -> dict[str, list[Row]]:
    """The rows about an applicant by table, as they are kept."""
    own = select(predictions.c.id).where(predictions.c.applicant.in_(names))
    queries = {
        table.name: select(table).where(table.c.applicant.in_(names))
        for table in (applicants, predictions, reads)
    } | {table.name: select(table).where(table.c.prediction_id.in_(own)) for table in _HANGING_ON}
    return {
        name: [dict(row) for row in connection.execute(query).mappings()]
        for name, query in queries.items()
    }


def erase(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Delete what is known of an applicant, and empty the decisions on them; how many rows."""
    own = predictions.c.applicant.in_(names)
    decisions = select(predictions.c.id).where(own)
    of_them = overrides.c.prediction_id.in_(decisions), outcomes.c.prediction_id.in_(decisions)
    changes: dict[str, Delete | Update] = {
        "applicants": delete(applicants).where(applicants.c.applicant.in_(names)),
        "stand_ins": delete(stand_ins).where(stand_ins.c.applicant.in_(names)),
        "reads": update(reads).where(reads.c.applicant.in_(names)).values(applicant=ERASED),
        "overrides": update(overrides).where(of_them[0]).values(actor=ERASED, motive=ERASED),
        "outcomes": update(outcomes).where(of_them[1]).values(applicant=ERASED),
        "predictions": update(predictions).where(own).values(_EMPTIED),
    }
    return {name: connection.execute(change).rowcount for name, change in changes.items()}
