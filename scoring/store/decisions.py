"""Decisions: recorded many at a time, each once, and read back."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from operator import eq, ge, lt
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, insert, select, tuple_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from scoring.store.database import Repository
from scoring.store.engine import chosen, insert_once
from scoring.store.outcomes import latest_override, lock_decisions
from scoring.store.pseudonyms import ERASED
from scoring.store.records import Decided, Prediction, ShadowScore
from scoring.store.schema import overrides, predictions, reads, shadows

_COLUMNS = tuple(field.name for field in fields(Prediction) if field.name != "shadows")
# Rows and features are long: so many decisions are read at a time.
_PAGE = 200
# PostgreSQL fails over texts that hold a NUL.
_ID = re.compile(r"[0-9a-f-]{36}")
_ONCE = insert_once(predictions, ["caller", "idempotency_key"])
_ALWAYS = insert(predictions)
_SHADOWS = insert(shadows)
# Any number of our own: PostgreSQL's lock for those who spend the same budget.
_SPENDING = 5_202_612

_Key = tuple[str, str | None]


class Decisions(Repository):
    """The decisions on record, and who looked at them."""

    def record(self, new: Sequence[Prediction], room: float = math.inf) -> list[Prediction]:
        """Record decisions, all or none.

        Nobody else is drawn once the PDs of the applicants drawn in the month add up to more than
        `room`.

        Returns
        -------
        list of Prediction
            Those given, refused where they were drawn and there is no room; where a caller used an
            idempotency key before, the first one of it, and for a counter-offer where a loan is in
            force already, the decision on that: the new one is not recorded.
        """
        if not new:
            return []
        with self._database.writing() as connection:
            new = _within_budget(connection, new, room)
            taken = _taken(connection, new)
            free = [decision for decision in new if decision.id not in taken]
            keyed = [decision for decision in free if decision.idempotency_key is not None]
            plain = [_row(decision) for decision in free if decision.idempotency_key is None]
            if plain:
                connection.execute(_ALWAYS, plain)
            first = _record_once(connection, keyed) if keyed else {}
            kept = [taken.get(own.id) or first.get(_key(own), own) for own in new]
            scored = [
                {"prediction_id": decision.id, **asdict(shadow)}
                for decision, asked in zip(kept, new, strict=True)
                if decision is asked
                for shadow in decision.shadows
            ]
            if scored:
                connection.execute(_SHADOWS, scored)
        return kept

    def answered(self, caller: str, *keys: str) -> Prediction | None:
        """Return a decision that one of a caller's idempotency keys stands for, if there is one."""
        kept = map(self._database.pseudonyms.concealed, keys)
        own = predictions.c.caller == caller, predictions.c.idempotency_key.in_(list(kept))
        return next(iter(self._page(select(predictions).where(*own).limit(1))), None)

    def find(self, number: str) -> Prediction | None:
        """Return the decision of an id; None where it is not on record, or no id at all."""
        own = predictions.c.id == (number if _ID.fullmatch(number) else "")
        return next(iter(self._page(select(predictions).where(own))), None)

    def decided_on(self, numbers: Sequence[str]) -> dict[str, Decided]:
        """Return on whom, when and for whom it was decided, by those ids that are decisions."""
        wanted = select(predictions.c.id, *(predictions.c[name] for name in Decided._fields))
        ids = [number for number in numbers if _ID.fullmatch(number)]
        with self._database.reading() as connection:
            rows = chosen(connection, wanted, predictions.c.id, ids)
            return {number: Decided(*rest) for number, *rest in rows}

    def search(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        applicant: str | None = None,
        caller: str | None = None,
        counter_offer_to: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Prediction]:
        """Read decisions in the order of time, some at a time.

        Parameters
        ----------
        since, until
            From a time on, and before one.
        applicant, caller
            On whom, as `Pseudonyms.applicant` gives it, and who asked for them.
        counter_offer_to
            The decision in the place of whose loan theirs were offered.
        """
        column = predictions.c
        asked = (
            (ge, column.at, since),
            (lt, column.at, until),
            (eq, column.applicant, applicant),
            (eq, column.caller, caller),
            (eq, column.counter_offer_to, counter_offer_to),
        )
        where = [holds(own, value) for holds, own, value in asked if value is not None]
        query = select(predictions).where(*where)
        order = (column.at, column.id)
        query = query.order_by(*(one.desc() if newest_first else one for one in order))
        left, following = limit, query
        while left is None or left > 0:
            page = self._page(following.limit(_PAGE if left is None else min(left, _PAGE)))
            if not page:
                return
            yield from page
            following = query.where(_beyond(page[-1], newest_first=newest_first))
            left = None if left is None else left - len(page)

    def spent(self, at: datetime) -> float:
        """Return the summed PDs of the applicants drawn in the month of a time (UTC)."""
        with self._database.reading() as connection:
            return _spent(connection, at)

    def referred(
        self, *, since: datetime, caller: str | None = None, limit: int
    ) -> list[Prediction]:
        """Read the decisions that were left to an officer and still wait, oldest first.

        None waits any more that an officer took, or in whose place another loan is in force; nor do
        those that the same applicant had before such a one.

        Parameters
        ----------
        since : datetime
            From which time on.
        caller : str, optional
            Who asked for them.
        limit : int
            The most that are read.
        """
        column, later = predictions.c, predictions.alias("later").c
        after = exists().where(
            later.applicant == column.applicant,
            later.at > column.at,
            later.decision == "refer",
            _settled(later),
        )
        waits = ~_settled(column) & ~after
        where = [column.at >= since, column.decision == "refer", column.applicant != ERASED, waits]
        if caller is not None:
            where.append(column.caller == caller)
        return self._page(
            select(predictions).where(*where).order_by(column.at, column.id).limit(limit)
        )

    def note_read(self, caller: str, what: str, applicant: str, number: str | None = None) -> None:
        """Record that a caller looked, by an operation, at an applicant or another's decision."""
        row = {"caller": caller, "what": what, "applicant": applicant, "prediction_id": number}
        self._insert(insert(reads), [{"at": datetime.now(UTC), **row}])

    def _page(self, query: Select[Any]) -> list[Prediction]:
        with self._database.reading() as connection:
            return _read(connection, query)


def _settled(decision: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[bool]:
    """Whether an officer decided in a decision's place, or another loan is in force there."""
    offered = predictions.alias("offered").c
    in_force = func.coalesce(latest_override(offered.id), offered.decision)
    accepted = exists().where(offered.counter_offer_to == decision.id, in_force == "accept")
    return exists().where(overrides.c.prediction_id == decision.id) | accepted


def _within_budget(
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
    at = min(decision.at for decision in band)
    spent, highest = _spent(connection, at), _highest(connection, band, at)
    decided = []
    for own in new:
        why = own.exploration
        chance = own.applicant, own.policy, own.model_digest, why
        if why is not None and spent > room and own.pd > highest[chance]:
            refused = replace(own, decision="refuse", propensity=1.0, exploration="budget spent")
            decided.append(refused)
            continue
        highest[chance] = max(own.pd, highest[chance])
        if why == "drawn":
            spent += max(own.pd - highest[own.applicant], 0.0)
            highest[own.applicant] = max(own.pd, highest[own.applicant])
        decided.append(own)
    return decided


def _one_spender(connection: Connection) -> None:
    """Let nobody else spend until the transaction ends; SQLite has one writer as it is."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SPENDING})")


def _spent(connection: Connection, at: datetime) -> float:
    """The summed PDs of those drawn since the month of a time began, in UTC.

    An applicant gets one loan, and counts once, by the highest PD; each decision on one who was
    erased counts as another applicant's.
    """
    column = predictions.c
    who = func.coalesce(func.nullif(column.applicant, ERASED), column.id)
    drawn = column.exploration == "drawn", column.at >= _month(at)
    highest = select(func.max(column.pd).label("pd")).where(*drawn).group_by(who).subquery()
    return connection.execute(select(func.sum(highest.c.pd))).scalar() or 0.0


def _highest(
    connection: Connection, band: Sequence[Prediction], at: datetime
) -> defaultdict[object, float]:
    """The highest PDs of the month by the chance that applicants had, and by applicant if drawn."""
    column = predictions.c
    chance = column.applicant, column.policy, column.model_digest, column.exploration
    had_one = column.exploration.in_(["drawn", "not drawn"]), column.at >= _month(at)
    query = select(func.max(column.pd), *chance).where(*had_one).group_by(*chance)
    highest: defaultdict[object, float] = defaultdict(float)
    for pd, *had in chosen(connection, query, column.applicant, [own.applicant for own in band]):
        highest[tuple(had)] = pd
        if had[-1] == "drawn":
            highest[had[0]] = max(pd, highest[had[0]])
    return highest


def _month(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _taken(connection: Connection, new: Sequence[Prediction]) -> Mapping[str, Prediction]:
    """Return the decision on the loan in force by the id of each counter-offer that has one.

    Two that come at the same time wait for each other. One sent again is no second one.
    """
    offers = [decision for decision in new if decision.counter_offer_to is not None]
    if not offers:
        return {}
    lock_decisions(connection, sorted({str(own.counter_offer_to) for own in offers}))
    in_force = func.coalesce(latest_override(), predictions.c.decision)
    taken: dict[str, Prediction] = {}
    loans: dict[str | None, Prediction] = {}
    for own in offers:
        number = own.counter_offer_to
        after = (predictions.c.id == number) | (predictions.c.counter_offer_to == number)
        query = select(predictions).where(after, in_force == "accept").limit(1)
        loan = loans.get(number) or next(iter(_read(connection, query)), None)
        if loan is None:
            if own.decision == "accept":
                loans[number] = own
        elif own.idempotency_key is None or _key(loan) != _key(own):
            taken[own.id] = loan
    return taken


def _record_once(connection: Connection, keyed: Sequence[Prediction]) -> Mapping[_Key, Prediction]:
    """Insert those whose key is new; what stands for each key that was not, by key."""
    by_key: dict[_Key, Prediction] = {}
    for decision in keyed:
        by_key.setdefault(_key(decision), decision)
    # Two that insert the same keys in different orders would wait for each other for ever.
    ordered = [by_key[key] for key in sorted(by_key, key=str)]
    inserted = connection.execute(
        _ONCE[connection.dialect.name],
        list(map(_row, ordered)),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    if inserted < len(ordered):
        pairs = tuple_(predictions.c.caller, predictions.c.idempotency_key).in_(list(by_key))
        for kept in _read(connection, select(predictions).where(pairs)):
            # What was inserted stays the caller's own object.
            if kept.id != by_key[_key(kept)].id:
                by_key[_key(kept)] = kept
    return by_key


def _key(decision: Prediction) -> _Key:
    return decision.caller, decision.idempotency_key


def _row(decision: Prediction) -> dict[str, Any]:
    return {name: getattr(decision, name) for name in _COLUMNS}


def _beyond(last: Prediction, *, newest_first: bool) -> ColumnElement[bool]:
    at, number = predictions.c.at, predictions.c.id
    if newest_first:
        return (at < last.at) | and_(at == last.at, number < last.id)
    return (at > last.at) | and_(at == last.at, number > last.id)


def _read(connection: Connection, query: Select[Any]) -> list[Prediction]:
    rows = connection.execute(query).mappings().all()
    along = _shadows(connection, [row["id"] for row in rows])
    return [
        Prediction(**{name: row[name] for name in _COLUMNS}, shadows=tuple(along[row["id"]]))
        for row in rows
    ]


def _shadows(connection: Connection, numbers: Sequence[str]) -> Mapping[str, list[ShadowScore]]:
    scores: dict[str, list[ShadowScore]] = defaultdict(list)
    if numbers:
        query = select(shadows).where(shadows.c.prediction_id.in_(numbers))
        for number, *score in connection.execute(query.order_by(shadows.c.model_digest)):
            scores[number].append(ShadowScore(*score))
    return scores
