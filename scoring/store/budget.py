"""What a month of exploration has spent, and who may still be accepted by chance."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import Connection, case, func, select

from scoring.store.engine import chosen
from scoring.store.pseudonyms import ERASED
from scoring.store.records import Prediction
from scoring.store.schema import predictions

# Any number of our own: PostgreSQL's lock for those who spend the same budget.
_SPENDING = 5_202_612


def within_budget(
    connection: Connection, new: Sequence[Prediction], room: float
) -> Sequence[Prediction]:
    """Refuse those in the explored band once the month has no room; whoever is drawn waits.

    Whether there is room does not depend on the applicant: all in the band are equally likely.
    Those who had a chance in this month keep what came of it under the same policy and model, with
    any PD up to that one.
    """
    band = [decision for decision in new if decision.exploration is not None]
    if not band:
        return new
    if any(decision.exploration == "drawn" for decision in band):
        _one_spender(connection)
    month = _Month.of(connection, band)
    return [
        decision
        if decision.exploration is None or month.has_room(decision, room)
        else replace(decision, decision="refuse", propensity=1.0, exploration="budget spent")
        for decision in new
    ]


def spent(connection: Connection, at: datetime) -> float:
    """Return the sum of the PDs of those drawn since the month of a time began, in UTC.

    An applicant gets one loan, and counts once, by the highest PD. Of those who were erased nobody
    knows who is the same.
    """
    column = predictions.c
    who = case((column.applicant == ERASED, column.id), else_=column.applicant)
    drawn = column.exploration == "drawn", column.at >= _month(at)
    dearest = select(func.max(column.pd).label("pd")).where(*drawn).group_by(who).subquery()
    return connection.execute(select(func.sum(dearest.c.pd))).scalar() or 0.0


@dataclass
class _Month:
    """What is spent, and the highest PDs of some applicants: of the drawn, and by chance."""

    spent: float
    drawn: defaultdict[str, float]
    chances: defaultdict[tuple[object, ...], float]

    @classmethod
    def of(cls, connection: Connection, band: Sequence[Prediction]) -> Self:
        """The month of the first of some decisions, as far as it matters to them."""
        column, at = predictions.c, min(decision.at for decision in band)
        chance = column.applicant, column.policy, column.model_digest, column.exploration
        query = (
            select(func.max(column.pd), *chance)
            .where(column.at >= _month(at), column.exploration.in_(["drawn", "not drawn"]))
            .group_by(*chance)
        )
        month = cls(spent(connection, at), defaultdict(float), defaultdict(float))
        names = sorted({decision.applicant for decision in band})
        for pd, *known in chosen(connection, query, column.applicant, names):
            month.chances[tuple(known)] = pd
            if known[-1] == "drawn":
                month.drawn[known[0]] = max(pd, month.drawn[known[0]])
        return month

    def has_room(self, new: Prediction, room: float) -> bool:
        """Whether somebody has a chance, who then counts as spent if drawn."""
        chance = new.applicant, new.policy, new.model_digest, new.exploration
        if self.spent > room and new.pd > self.chances[chance]:
            return False
        self.chances[chance] = max(new.pd, self.chances[chance])
        if new.exploration == "drawn":
            before = self.drawn[new.applicant]
            self.drawn[new.applicant] = max(new.pd, before)
            self.spent += self.drawn[new.applicant] - before
        return True


def _month(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _one_spender(connection: Connection) -> None:
    """Let nobody else spend until the transaction ends; SQLite has one writer as it is."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SPENDING})")
