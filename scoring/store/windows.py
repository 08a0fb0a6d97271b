"""Many recorded decisions at a time, as columns: what monitoring looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, func, select

from scoring.store.outcomes import given, latest_override
from scoring.store.pseudonyms import ERASED
from scoring.store.schema import events, outcomes, predictions

_FETCHED = 20_000
_CHUNK = 500

Texts = npt.NDArray[np.bytes_]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Headlines:
    """The decisions of a window, in the order of time, a column each.

    Attributes
    ----------
    ids, digests, decisions : numpy.ndarray of bytes of shape (decisions,)
        The decision's id, the model that answered, what it answered.
    pds, milliseconds : numpy.ndarray of shape (decisions,)
        The probability of default; from the request's arrival to the end of scoring.
    """

    ids: Texts
    digests: Texts
    decisions: Texts
    pds: Floats
    milliseconds: Floats

    def of_model(self, digest: str) -> Headlines:
        """Those of one model."""
        own = self.digests == digest.encode()
        if own.all():
            return self
        return Headlines(
            self.ids[own], self.digests[own], self.decisions[own], self.pds[own],
            self.milliseconds[own],
        )  # fmt: skip


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

    Attributes
    ----------
    at : numpy.ndarray of datetime64 of shape (decisions,)
        When they were taken, in UTC.
    pds : numpy.ndarray of shape (decisions,)
        The probability of default.
    refused, defaulted : numpy.ndarray of bool of shape (decisions,)
        What was decided, and what happened.
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
    def joined(cls, parts: Sequence[Settled]) -> Self:
        """Those of all parts, in their order."""
        names = ("at", "pds", "refused", "defaulted")
        # Without any, the columns have their types all the same.
        columns = ([getattr(part, name) for part in (cls.of(()), *parts)] for name in names)
        return cls(*map(np.concatenate, columns))


def headlines(connection: Connection, since: datetime, until: datetime) -> Headlines:
    """The decisions from `since` on and before `until`; an index holds all that is read."""
    columns = (
        predictions.c.id, predictions.c.model_digest, predictions.c.decision, predictions.c.pd,
        predictions.c.milliseconds,
    )  # fmt: skip
    query = select(*columns).where(predictions.c.at >= since, predictions.c.at < until)
    kinds = ("S36", "S64", "S8", "f8", "f8")
    parts: list[list[npt.NDArray[np.generic]]] = [[np.empty(0, kind)] for kind in kinds]
    found = connection.execution_options(yield_per=_FETCHED).execute(
        query.order_by(predictions.c.at, predictions.c.id)
    )
    for rows in found.partitions():
        for part, kind, values in zip(parts, kinds, zip(*rows, strict=True), strict=True):
            part.append(np.array(values, dtype=kind))
    ids, digests, decisions, pds, milliseconds = (np.concatenate(part) for part in parts)
    return Headlines(ids, digests, decisions, pds, milliseconds)


def details(connection: Connection, numbers: Sequence[str]) -> Iterator[list[Detail]]:
    """What some decisions were taken on, some at a time, in no order; not of those erased."""
    columns = (
        predictions.c.id, predictions.c.features, predictions.c.feature_set_version,
        predictions.c.model_version, predictions.c.reasons, predictions.c.misunderstood,
    )  # fmt: skip
    for some in _chunks(numbers):
        kept = predictions.c.applicant != ERASED
        query = select(*columns).where(predictions.c.id.in_(some), kept)
        yield [Detail(*row) for row in connection.execute(query)]


def kept_rows(connection: Connection, numbers: Sequence[str]) -> dict[str, bytes]:
    """The rows kept with some decisions, by id; those without are left out."""
    found: dict[str, bytes] = {}
    for some in _chunks(numbers):
        query = select(predictions.c.id, predictions.c.rows).where(
            predictions.c.id.in_(some), predictions.c.rows.is_not(None)
        )
        found |= {row.id: row.rows for row in connection.execute(query)}
    return found


def settled(
    connection: Connection, digest: str, since: datetime | None, until: datetime
) -> Settled:
    """A model's loans whose outcome was observed from `since` on and before `until`."""
    # As an expression: by the index of this column SQLite would look each decision up where its
    # rows and features lie, instead of reading along the index that has all that is asked for.
    observed = func.coalesce(outcomes.c.observed_at, outcomes.c.recorded_at)
    query = (
        select(
            predictions.c.at,
            predictions.c.pd,
            func.coalesce(latest_override(), predictions.c.decision),
            outcomes.c.defaulted,
        )
        .join(predictions, predictions.c.id == outcomes.c.prediction_id)
        .where(predictions.c.model_digest == digest, observed < until, given())
    )
    if since is not None:
        query = query.where(observed >= since)
    found = connection.execution_options(yield_per=_FETCHED).execute(
        query.order_by(predictions.c.at, predictions.c.id)
    )
    return Settled.joined([Settled.of(rows) for rows in found.partitions()])


def decided(connection: Connection, digest: str, until: datetime) -> dict[date, int]:
    """How often a model has decided before `until`, by the first day of the month in UTC."""
    own = predictions.c.model_digest == digest
    first = connection.execute(
        select(predictions.c.at).where(own).order_by(predictions.c.at).limit(1)
    ).scalar()
    counts: dict[date, int] = {}
    if first is None:
        return counts
    start = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while start < until:
        # From a first day, 31 days later is in the next month.
        end = (start + timedelta(days=31)).replace(day=1)
        inside = predictions.c.at >= start, predictions.c.at < min(end, until)
        query = select(func.count()).select_from(predictions).where(own, *inside)
        if number := connection.execute(query).scalar_one():
            counts[start.date()] = number
        start = end
    return counts


def events_between(connection: Connection, since: datetime, until: datetime) -> dict[str, int]:
    """How often each kind of event was noted."""
    query = (
        select(events.c.kind, func.count())
        .where(events.c.at >= since, events.c.at < until)
        .group_by(events.c.kind)
    )
    return {kind: count for kind, count in connection.execute(query)}  # noqa: C416 - rows, not pairs


def _chunks(numbers: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(numbers), _CHUNK):
        yield numbers[start : start + _CHUNK]
