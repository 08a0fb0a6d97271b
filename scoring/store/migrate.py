"""The store's tables brought up to this code's."""

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from scoring.store.errors import StoreError

# The newest revision in migrations/versions; known here so that a store that is up to date is
# told without loading Alembic.
HEAD = "0016"

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number of our own: PostgreSQL's lock for those who migrate at the same time.
_LOCK = 5_202_611


def revision(connection: Connection) -> str | None:
    """The revision of the tables, None where there are none."""
    try:
        with connection.begin_nested():
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DBAPIError as error:
        # OperationalError in SQLite, ProgrammingError in PostgreSQL.
        if "alembic_version" in str(error.orig):
            return None
        raise


def upgrade(connection: Connection) -> None:
    """Migrate to the newest revision, in the connection's transaction.

    Those who come at the same time wait for each other: SQLite has one writer, and PostgreSQL a
    lock. Raises StoreError if the tables are those of newer code.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        # A large table takes its time.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"the store's tables are not known to this code, whose newest revision is {HEAD}; run "
            f"the code that migrated them last, or newer code ({error})"
        ) from error
