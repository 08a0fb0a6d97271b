"""Many recorded decisions at a time, as columns: what monitoring looks at."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Result, ScalarSelect, Select, case, func, not_, select

from scoring.store.database import Repository
from scoring.store.deadlines import LONG_SECONDS
from scoring.store.engine import chosen, chunks
from scoring.store.outcomes import granted, latest_override
from scoring.store.pseudonyms import ERASED
from scoring.store.records import Labelled
from scoring.store.schema import outcomes, predictions, shadows

_FETCHED = 20_000
# What monitoring reads of every decision, and as what.
_HEADLINES = {
    "id": "S36",
    "model_digest": "S64",
    "decision": "S8",
    "pd": "f8",
    "milliseconds": "f8",
}
_LABELLED = ("id", "at", "applicant", "source", "pd", "caller")

Texts = npt.NDArray[np.bytes_]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Headlines:
    """The decisions of a window, in the order of time, a column each.

    The texts are bytes; milliseconds are those of `Prediction`.
    """

    ids: Texts
    digests: Texts
    decisions: Texts
    pds: Floats
    milliseconds: Floats

    def of_model(self, digest: str) -> Self:
        """Those of one model."""
        own = self.digests == digest.encode()
        if own.all():
            return self
        return type(self)(*(getattr(self, column.name)[own] for column in fields(self)))


class Detail(NamedTuple):
    """What a decision was taken on, the reasons that were told, and what was not understood."""

    id: str
    features: bytes
    feature_set_version: str
    model_version: str
    reasons: str
    misunderstood: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """Decisions and what came of them, a column each; the last override counts as the decision.

    When they were taken, in UTC; the PD; whether they were refusals, and defaulted.
    """

    at: Times
    pds: Floats
    refused: Flags
    defaulted: Flags

    def __len__(self) -> int:
        return self.pds.size

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Self:
        """From a time aware of its zone, a PD, a decision and an outcome each."""
        moments, pds, decisions, defaulted = zip(*rows, strict=True) if rows else ((),) * 4
        return cls(
            np.array([at.timestamp() * 1e6 for at in moments]).astype("M8[us]"),
            np.array(pds, np.float64),
            np.array([decision == "refuse" for decision in decisions], np.bool_),
            np.array(defaulted, np.bool_),
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Those of all parts, in their order."""
        names = ("at", "pds", "refused", "defaulted")
        # Without any, the columns have their types all the same.
        columns = ([getattr(part, name) for part in (cls.of(()), *parts)] for name in names)
        return cls(*map(np.concatenate, columns))


@dataclass(frozen=True, slots=True)
class Chances:
    """Applicants of a time with exploration, by the first decision on each, a column each.

    They are in the order of time. The texts are bytes, `exploration` is empty for None, `at` in
    UTC. `chance` is how likely the policy was to give the loan: 0 where it never would, NaN where
    an officer decided. `known` are the outcomes of loans that the policy gave and no officer took
    back; `loans` are the decisions that these were told of, and the first ones of all others.
    """

    ids: Texts
    at: Times
    pds: Floats
    chance: Floats
    exploration: Texts
    known: Flags
    defaulted: Flags
    loans: Texts

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> Self:
        """From an id, time, PD, chance, exploration, an outcome or None, and a loan each."""
        ids, moments, pds, chance, why, bad, loans = zip(*rows, strict=True) if rows else ((),) * 7
        return cls(
            np.array(ids, "S36"),
            np.array([at.timestamp() * 1e6 for at in moments]).astype("M8[us]"),
            np.array(pds, np.float64),
            np.array(chance, np.float64),
            np.array([each or "" for each in why], "S12"),
            np.array([each is not None for each in bad], np.bool_),
            np.array(bad, np.bool_),
            np.array(loans, "S36"),
        )


class Windows(Repository):
    """Decisions of a window of time, for monitoring and retraining."""

    def headlines(self, since: datetime, until: datetime) -> Headlines:
        """Return the decisions from a time on and before another, as columns.

        An index holds all that is read.
        """
        query = select(*(predictions.c[name] for name in _HEADLINES)).where(
            predictions.c.at >= since, predictions.c.at < until
        )
        # Without any, the columns have their types all the same.
        parts = {name: [np.empty(0, kind)] for name, kind in _HEADLINES.items()}
        with self._database.reading(LONG_SECONDS) as connection:
            for rows in _in_order(connection, query).partitions():
                for (name, kind), values in zip(
                    _HEADLINES.items(), zip(*rows, strict=True), strict=True
                ):
                    parts[name].append(np.array(values, dtype=kind))
        return Headlines(*map(np.concatenate, parts.values()))

    def details(self, numbers: Sequence[str]) -> Iterator[list[Detail]]:
        """Read what some decisions were taken on, some at a time, in no order.

        Those of erased applicants are left out.
        """
        columns = (predictions.c[name] for name in Detail._fields)
        query = select(*columns).where(predictions.c.applicant != ERASED)
        with self._database.reading(LONG_SECONDS) as connection:
            for some in chunks(numbers):
                rows = connection.execute(query.where(predictions.c.id.in_(some)))
                yield [Detail(*row) for row in rows]

    def rows(self, numbers: Sequence[str]) -> dict[str, bytes]:
        """Return the rows kept with some decisions, by id; those without are left out."""
        kept = predictions.c.rows.is_not(None)
        query = select(predictions.c.id, predictions.c.rows).where(kept)
        with self._database.reading(LONG_SECONDS) as connection:
            rows = chosen(connection, query, predictions.c.id, numbers)
            return {row.id: row.rows for row in rows}

    def labelled(self, until: datetime) -> list[Labelled]:
        """Return each applicant's last loan whose outcome was observed before a time, by time.

        Who was drawn only on asking again stands for nobody else: others were drawn at first.
        """
        columns = (predictions.c[name] for name in _LABELLED)
        drawn = predictions.c.exploration == "drawn"
        first = predictions.alias("first").c
        at_first = (
            select(case((first.exploration == "drawn", first.propensity), else_=1.0))
            .where(first.applicant == predictions.c.applicant, first.policy.is_not(None))
            .where(first.at >= _begun()).order_by(first.at, first.id).limit(1).scalar_subquery()
        )  # fmt: skip
        # Where it is not known under which policy, the decision says for itself.
        chance = case((drawn, func.coalesce(at_first, predictions.c.propensity)), else_=1.0)
        query = (
            select(*columns, outcomes.c.defaulted, outcomes.c.caller, chance)
            .join(outcomes, predictions.c.id == outcomes.c.prediction_id)
            .where(outcomes.c.observed_at < until, granted(), predictions.c.applicant != ERASED)
        )
        with self._database.reading(LONG_SECONDS) as connection:
            last = {row.applicant: Labelled._make(row) for row in _in_order(connection, query)}
        return sorted(last.values(), key=lambda labelled: (labelled.at, labelled.id))

    def labelled_refusals(self, until: datetime) -> int:
        """Count the outcomes of applicants who got no loan, so that nobody learns from them."""
        query = (
            select(func.count())
            .select_from(outcomes)
            .join(predictions, predictions.c.id == outcomes.c.prediction_id)
            .where(outcomes.c.observed_at < until, not_(granted()))
        )
        ((count,),) = self._rows(query)
        return int(count)

    def settled(self, digest: str, since: datetime | None, until: datetime) -> Settled:
        """Return a model's loans whose outcome was observed from a time on and before another.

        Those that it refused and exploration accepted are none: nothing was promised of them.
        """
        # As an expression: by the index of this column SQLite would look each decision up where
        # its rows and features lie, instead of reading along the index that has all that is asked.
        observed = func.coalesce(outcomes.c.observed_at, outcomes.c.recorded_at)
        query = (
            select(
                predictions.c.at,
                predictions.c.pd,
                func.coalesce(latest_override(), predictions.c.decision),
                outcomes.c.defaulted,
            )
            .join(predictions, predictions.c.id == outcomes.c.prediction_id)
            .where(predictions.c.model_digest == digest, observed < until, granted())
            .where(predictions.c.exploration.is_distinct_from("drawn"))
        )
        if since is not None:
            query = query.where(observed >= since)
        with self._database.reading(LONG_SECONDS) as connection:
            parts = _in_order(connection, query).partitions()
            return Settled.joined([Settled.of(rows) for rows in parts])

    def chances(
        self, since: datetime | None, until: datetime, now: datetime, digest: str | None = None
    ) -> Chances:
        """Return those on whom a model, or any, decided first from a time on and before another.

        Times without exploration are left out; outcomes observed before `now` are known. Only the
        first decision counts: whether there is another depends on what it said.
        """
        column = predictions.c
        where = [column.at >= _begun(), column.at < until, column.policy.is_not(None)]
        where += [column.model_digest == digest] if digest else []
        chance = case(
            (column.decision == "refer", None),
            (column.exploration == "drawn", column.propensity),
            (column.exploration == "not drawn", 1.0 - column.propensity),
            (column.decision == "accept", 1.0),
            else_=0.0,
        )
        stood = granted() & (column.decision == "accept") & (outcomes.c.observed_at < now)
        query = (
            select(column.applicant, column.decision, column.id, column.at, column.pd, chance,
                   column.exploration, case((stood, outcomes.c.defaulted)))
            .outerjoin(outcomes, column.id == outcomes.c.prediction_id)
            .where(*where)
        )  # fmt: skip
        with self._database.reading(LONG_SECONDS) as connection:
            firsts = _firsts(_in_order(connection, query))
        return Chances.of([first for first in firsts if not since or first[1] >= since])

    def shadowed(self, numbers: Sequence[str]) -> dict[str, dict[bytes, bool]]:
        """Return whether a model that was scored along would have refused, by version and id."""
        number, refused = shadows.c.prediction_id, defaultdict[str, dict[bytes, bool]](dict)
        query = select(shadows.c.model_version, number, shadows.c.decision)
        with self._database.reading(LONG_SECONDS) as connection:
            for version, own, decision in chosen(connection, query, number, numbers):
                refused[version][own.encode()] = decision == "refuse"
        return refused

    def decided_by_month(self, digest: str, until: datetime) -> dict[date, int]:
        """Count a model's decisions before a time, by the first day of the month in UTC."""
        own = predictions.c.model_digest == digest
        oldest = select(predictions.c.at).where(own).order_by(predictions.c.at).limit(1)
        counts: dict[date, int] = {}
        with self._database.reading(LONG_SECONDS) as connection:
            first = connection.execute(oldest).scalar()
            while first is not None and first < until:
                start = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
                # From a first day, 31 days later is in the next month.
                end = (start + timedelta(days=31)).replace(day=1)
                inside = predictions.c.at >= start, predictions.c.at < min(end, until)
                query = select(func.count()).select_from(predictions).where(own, *inside)
                if number := connection.execute(query).scalar_one():
                    counts[start.date()] = number
                first = end
        return counts


def _begun() -> ScalarSelect[datetime]:
    """When somebody was explored first, by an index that holds the explored alone."""
    explored = predictions.alias("explored").c
    return select(func.min(explored.at)).where(explored.exploration.is_not(None)).scalar_subquery()


def _firsts(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Return the first of each applicant's decisions, which are in the order of time.

    If the first gave a loan, its outcome is the last that is known of any of them. Those who were
    erased cannot be told apart: each counts.
    """
    firsts: dict[str, tuple[str, list[Any]]] = {}
    for applicant, decision, number, *rest, defaulted in rows:
        own = number if applicant == ERASED else applicant
        at_first, first = firsts.setdefault(own, (decision, [number, *rest, defaulted, number]))
        if at_first == "accept" and defaulted is not None:
            first[-2:] = defaulted, number
    return [first for _, first in firsts.values()]


def _in_order(connection: Connection, query: Select[Any]) -> Result[Any]:
    """Read decisions as they were taken, some at a time."""
    ordered = query.order_by(predictions.c.at, predictions.c.id)
    return connection.execution_options(yield_per=_FETCHED).execute(ordered)
