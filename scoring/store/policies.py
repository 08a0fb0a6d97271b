"""How models are used, and what happened to them: settings and events of a running service."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from scoring.store.records import ModelEvent, Policy
from scoring.store.schema import events, policies


def current(connection: Connection) -> Policy:
    """The policy that was set last; the default where none was."""
    query = select(policies).order_by(policies.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return Policy(row.strategy, row.challenger_share, row.refer_all) if row else Policy()


def change(connection: Connection, policy: Policy, by: str, why: str) -> None:
    """Set the policy; earlier ones stay on record."""
    now = datetime.now(UTC)
    row = {
        "at": now,
        "strategy": policy.strategy,
        "challenger_share": policy.challenger_share,
        "refer_all": policy.refer_all,
        "by": by,
        "why": why,
    }
    connection.execute(insert(policies), [row])
    everything = ", everything referred" if policy.refer_all else ""
    told = f"{policy.strategy}, challenger's share {policy.challenger_share:g}{everything}"
    add_event(connection, ModelEvent(now, "policy", None, None, None, f"{told} ({by}: {why})", ""))


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
