"""Decisions whose outcome is known: what a new model can learn from."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, not_, select

from scoring.store.outcomes import given
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
    pd : float
        The probability of default that was answered.
    asked : str
        The caller that asked for the decision.
    defaulted : bool
        What happened.
    reported : str
        The caller that said so.
    """

    id: str
    at: datetime
    applicant: str
    source: str
    pd: float
    asked: str
    defaulted: bool
    reported: str


def labelled(connection: Connection, until: datetime) -> list[Labelled]:
    """The last loan of each applicant whose outcome was observed before `until`, by time."""
    query = (
        select(
            predictions.c.id,
            predictions.c.at,
            predictions.c.applicant,
            predictions.c.source,
            predictions.c.pd,
            predictions.c.caller,
            outcomes.c.defaulted,
            outcomes.c.caller,
        )
        .join(predictions, predictions.c.id == outcomes.c.prediction_id)
        .where(outcomes.c.observed_at < until, given(), predictions.c.applicant != ERASED)
        .order_by(predictions.c.at, predictions.c.id)
    )
    streamed = connection.execution_options(yield_per=_FETCHED).execute(query)
    last = {row.applicant: Labelled(*row) for row in streamed}
    return sorted(last.values(), key=lambda one: (one.at, one.id))


def refusals(connection: Connection, until: datetime) -> int:
    """How many outcomes observed before `until` are of applicants who got no loan."""
    query = (
        select(func.count())
        .select_from(outcomes)
        .join(predictions, predictions.c.id == outcomes.c.prediction_id)
        .where(outcomes.c.observed_at < until, not_(given()))
    )
    return connection.execute(query).scalar_one()
