"""Decisions whose outcome is known: what a new model can learn from."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from scoring.store.pseudonyms import ERASED
from scoring.store.schema import outcomes, predictions

_FETCHED = 20_000


class Labelled(NamedTuple):
    """A decision whose outcome is known.

    Attributes
    ----------
    id : str
        Of the decision.
    at : datetime
        When it was taken.
    applicant : str
        As `Store.applicant_key` gives it.
    source : str
        "rows" if the applicant's rows came with the request, else "id".
    defaulted : bool
        What happened.
    """

    id: str
    at: datetime
    applicant: str
    source: str
    defaulted: bool


def labelled(connection: Connection, until: datetime) -> list[Labelled]:
    """The last decision on each applicant whose outcome was observed before `until`, by time."""
    query = (
        select(
            predictions.c.id,
            predictions.c.at,
            predictions.c.applicant,
            predictions.c.source,
            outcomes.c.defaulted,
        )
        .join(predictions, predictions.c.id == outcomes.c.prediction_id)
        .where(outcomes.c.observed_at < until, predictions.c.applicant != ERASED)
        .order_by(predictions.c.at, predictions.c.id)
    )
    streamed = connection.execution_options(yield_per=_FETCHED).execute(query)
    last = {row.applicant: Labelled(*row) for row in streamed}
    return sorted(last.values(), key=lambda one: (one.at, one.id))
