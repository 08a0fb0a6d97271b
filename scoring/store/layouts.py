"""What stands where in stored features, kept once by its digest."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from scoring.store.schema import layouts

# Several workers keep the same layout at the same time.
_ONCE = {
    "sqlite": sqlite.insert(layouts).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(layouts).on_conflict_do_nothing(),
}


def keep(connection: Connection, digest: str, content: str) -> None:
    """Keep a layout, once."""
    connection.execute(_ONCE[connection.dialect.name], [{"digest": digest, "content": content}])


def content_of(connection: Connection, digest: str) -> str | None:
    """What is kept of a layout; None if nothing is."""
    return connection.execute(select(layouts.c.content).where(layouts.c.digest == digest)).scalar()
