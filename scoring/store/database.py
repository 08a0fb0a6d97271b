"""One database: its address, its transactions, and the state of its tables."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Insert, Row, Select, text

from scoring.store.deadlines import USUAL_SECONDS, Breaker, within
from scoring.store.engine import connect, emptied_journal, make_folder, normalised, understood
from scoring.store.errors import StoreError, StoreUnavailableError
from scoring.store.migrate import HEAD, revision, upgrade
from scoring.store.pseudonyms import Pseudonyms, check_key, notice

logger = logging.getLogger(__name__)


class Database:
    """A database of SQLite or PostgreSQL; nothing is opened before it is needed.

    Parameters
    ----------
    url
        `sqlite:///FILE` or PostgreSQL's.
    pseudonym_key
        With it applicants' numbers, and what they could be found out from, are kept as keyed
        hashes only.

    Raises
    ------
    StoreError
        If it is no address of a database, or the key can be guessed.
    """

    def __init__(self, url: str, pseudonym_key: str | None = None) -> None:
        self._url = normalised(url)
        self._engine = connect(self._url)
        self._writer = self._engine.execution_options(write=True)
        self._breaker = Breaker()
        self.pseudonyms = Pseudonyms(pseudonym_key)
        self._key_checked = not self.pseudonyms.hide

    @property
    def url(self) -> str:
        """The address, its password hidden."""
        return self._url.render_as_string(hide_password=True)

    @property
    def address(self) -> str:
        """The address with its password, to be opened elsewhere and never shown."""
        return self._url.render_as_string(hide_password=False)

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of our own, with no server behind it."""
        return self._engine.dialect.name == "sqlite"

    @property
    def is_made(self) -> bool:
        """Whether there is a database to ask: a file of our own may not have been made yet."""
        return not self.embedded or Path(self._url.database or "").is_file()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def reading(self, seconds: float = USUAL_SECONDS) -> AbstractContextManager[Connection]:
        """Open a transaction that reads, and give it up after some seconds.

        Raises StoreUnavailableError if the database cannot be used at the moment, StoreError if its
        tables are not those of this code, or the key of pseudonyms is not theirs.
        """
        self._check_key()
        return self._transaction(seconds, write=False)

    def writing(self, seconds: float = USUAL_SECONDS) -> AbstractContextManager[Connection]:
        """Open a transaction that is committed at the end; as `reading` for the rest."""
        self._check_key()
        return self._transaction(seconds, write=True)

    @contextmanager
    def _transaction(self, seconds: float, *, write: bool) -> Iterator[Connection]:
        # Readers of SQLite wait for nobody.
        guard = nullcontext() if self.embedded and not write else self._breaker.guard()
        with guard, within(seconds), understood(self._url):
            opened = self._writer.begin() if write else self._engine.connect()
            with opened as connection:
                yield connection

    def _check_key(self) -> None:
        """See once that the key of pseudonyms is the one that the database knows."""
        if not self._key_checked:
            with self._transaction(USUAL_SECONDS, write=True) as connection:
                check_key(connection, self.pseudonyms)
            self._key_checked = True

    def migrate(self) -> None:
        """Bring the tables up to this code's; several processes may do so at once."""
        make_folder(self._url)
        with self._transaction(USUAL_SECONDS, write=False) as connection:
            current = revision(connection)
        if current != HEAD:
            with self._transaction(math.inf, write=True) as connection:
                upgrade(connection)
        with self.reading() as connection:
            warning = notice(connection, self.pseudonyms)
        if warning:
            logger.warning("%s", warning)

    def check(self) -> None:
        """See that decisions can be recorded.

        Raises
        ------
        StoreUnavailableError
            If the database is away or takes nothing.
        StoreError
            If it is not migrated.
        """
        with self._transaction(USUAL_SECONDS, write=True) as connection:
            current = revision(connection)
            if self.embedded:
                # It asks for the room of a page, which a full disk does not have.
                connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            elif connection.execute(text("SHOW transaction_read_only")).scalar() == "on":
                raise StoreUnavailableError(f"the store {self.url} is read-only")
        if current != HEAD:
            raise StoreError(
                f"the store {self.url} is at revision {current} and this code at {HEAD}: "
                "run `python -m scoring migrate`"
            )
        self._check_key()

    def overwrite_deleted(self) -> None:
        """Overwrite what was deleted, as far as it is in files of our own.

        Raises StoreUnavailableError if somebody reads for so long that the journal cannot be cut
        off.
        """
        with understood(self._url):
            if self.embedded and not emptied_journal(self._engine):
                raise StoreUnavailableError(
                    f"the journal of {self.url} is being read and still holds what was deleted: "
                    "run it again"
                )


class Repository:
    """Some tables of a database, and what is asked of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _rows(
        self, query: Select[Any], seconds: float = USUAL_SECONDS
    ) -> Sequence[Row[*tuple[Any, ...]]]:
        """All rows of a query, in a transaction of its own."""
        with self._database.reading(seconds) as connection:
            return connection.execute(query).all()

    def _insert(
        self,
        statement: Insert | Mapping[str, Insert],
        rows: Sequence[Mapping[str, Any]],
        seconds: float = USUAL_SECONDS,
    ) -> None:
        """Insert rows in a transaction of its own, by one statement or the database's own."""
        with self._database.writing(seconds) as connection:
            own = statement if isinstance(statement, Insert) else statement[connection.dialect.name]
            connection.execute(own, rows)
