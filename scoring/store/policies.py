"""How models are used, and what happened to them: settings and events of a running service."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from scoring.store.engine import one_writer
from scoring.store.errors import StoreChangedError
from scoring.store.records import ModelEvent, Policy
from scoring.store.schema import events, policies


def current(connection: Connection) -> Policy:
    """The policy that was set last; the default where none was."""
    query = select(policies).order_by(policies.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return Policy()
    return Policy(row.strategy, row.challenger_share, row.refer_all, row.number)


def change(
    connection: Connection,
    changes: Mapping[str, Any],
    by: str,
    why: str,
    expected: Collection[int] | None,
) -> Policy:
    """Set some fields of the policy; the others stay as whoever set them last has left them."""
    one_writer(connection, policies)
    before = current(connection)
    if expected is not None and before.number not in expected:
        raise StoreChangedError(f"the policy was changed meanwhile: it is number {before.number}")
    policy, now = replace(before, **changes), datetime.now(UTC)
    row = {**asdict(policy), "at": now, "by": by, "why": why}
    del row["number"]
    number = connection.execute(insert(policies).returning(policies.c.number), [row]).scalar_one()
    everything = ", everything referred" if policy.refer_all else ""
    told = f"{policy.strategy}, challenger's share {policy.challenger_share:g}{everything}"
    add_event(connection, ModelEvent(now, "policy", None, None, None, f"{told} ({by}: {why})", ""))
    return replace(policy, number=number)


def add_event(connection: Connection, event: ModelEvent) -> None:
    """Record an event."""
    connection.execute(insert(events), [asdict(event)])


def latest_events(connection: Connection, limit: int) -> list[ModelEvent]:
    """The last events, the newest first."""
    query = select(events).order_by(events.c.number.desc()).limit(limit)
    return [
        ModelEvent(
            row.at, row.kind, row.model_digest, row.model_version, row.role, row.detail, row.worker
        )
        for row in connection.execute(query)
    ]
