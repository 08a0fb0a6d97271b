"""What a model has done since it was put to work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from scoring.store.schema import outcomes, predictions, shadows


@dataclass(frozen=True, slots=True)
class Life:
    """The decisions of one model that are on record.

    Attributes
    ----------
    decided : int
        How many it took.
    first, last : datetime or None
        When the first and the last of them was; None without any.
    by_role : mapping of str to int
        How many as the champion and as the challenger.
    settled : int
        How many have an outcome.
    scored_along : int
        How many applicants it scored while another model answered.
    """

    decided: int
    first: datetime | None
    last: datetime | None
    by_role: Mapping[str, int]
    settled: int
    scored_along: int


def life_of(connection: Connection, digest: str) -> Life:
    """What the model of a digest has decided."""
    own = predictions.c.model_digest == digest
    moments = (func.min(predictions.c.at), func.max(predictions.c.at))
    query = select(predictions.c.role, func.count(), *moments).where(own)
    found = connection.execute(
        query.group_by(predictions.c.role).order_by(predictions.c.role)
    ).all()
    settled = (
        select(func.count())
        .select_from(outcomes)
        .join(predictions, predictions.c.id == outcomes.c.prediction_id)
        .where(own)
    )
    along = select(func.count()).select_from(shadows).where(shadows.c.model_digest == digest)
    return Life(
        decided=sum(count for _, count, _, _ in found),
        first=min((first for _, _, first, _ in found), default=None),
        last=max((last for _, _, _, last in found), default=None),
        by_role={role: count for role, count, _, _ in found},
        settled=connection.execute(settled).scalar_one(),
        scored_along=connection.execute(along).scalar_one(),
    )
