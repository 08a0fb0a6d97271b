"""How many models held-out applicants were looked at with: for their figures, and by gates.

Whoever looks at the same applicants again and again ends with what is good on these (Dwork et al.,
"The reusable holdout: Preserving validity in adaptive data analysis", Science 2015). So every look
is counted, for each applicant: hold-outs overlap, and what is added to one has not been seen. With
the same model the same applicants tell nothing new: a training that is repeated does not count.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_FILE = "holdout_uses.db"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS uses (applicant INTEGER, model INTEGER, "
    "PRIMARY KEY (applicant, model)) WITHOUT ROWID"
)
_COUNT = "SELECT applicant, count(*) FROM uses WHERE model <> ? GROUP BY applicant"
_REMOVE = "DELETE FROM uses WHERE applicant = ?"


class HoldoutUses:
    """The uses of held-out applicants (SK_ID_CURR), kept in a registry's folder."""

    def __init__(self, registry: Path) -> None:
        self._file = registry / _FILE

    def look(self, applicants: Iterable[int], model: str) -> int:
        """Count a look at some applicants with a model, known by its digest.

        Returns with how many others the most used of them were looked at before.
        """
        numbers, before = list(applicants), self.times(model)
        with self._opened() as database:
            looks = [(number, _key(model)) for number in numbers]
            database.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?)", looks)
        return max(before.get(number, 0) for number in numbers)

    def times(self, without: str = "") -> dict[int, int]:
        """Return with how many models each applicant was looked at, one model left out."""
        with self._opened() as database:
            return dict(database.execute(_COUNT, (_key(without),)))

    def forget(self, applicants: Iterable[int]) -> None:
        """Keep nothing about some applicants."""
        with self._opened() as database:
            database.executemany(_REMOVE, [(number,) for number in applicants])

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        # Who is held out is nobody else's to read.
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch(mode=0o600)
        with closing(sqlite3.connect(self._file)) as database, database:
            # What is removed is overwritten.
            database.execute("PRAGMA secure_delete = ON")
            database.execute(_TABLE)
            yield database


def _key(model: str) -> int:
    """A digest as a number that fits: there may be a million looks."""
    return int.from_bytes(hashlib.sha256(model.encode()).digest()[:8], signed=True)
