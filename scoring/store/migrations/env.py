"""How Alembic reaches the database: through the connection that `migrate` holds."""

from typing import Any, Literal

from alembic import context

from scoring.store.schema import Moment, metadata


def plain(kind: str, value: Any, context_: Any) -> str | Literal[False]:
    """Write our own type as the database's: migrations do not change with the code."""
    del context_
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(value, Moment) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=plain,
)
with context.begin_transaction():
    context.run_migrations()
