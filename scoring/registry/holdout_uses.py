"""How often held-out applicants were looked at: by figures of trainings, and by gates.

Whoever looks at the same applicants again and again ends with what is good on these (Dwork et al.,
"The reusable holdout: Preserving validity in adaptive data analysis", Science 2015). So every look
is counted, for each applicant: hold-outs overlap, and what is added to one has not been seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_FILE = "holdout_uses.db"
_TABLE = "CREATE TABLE IF NOT EXISTS uses (applicant INTEGER PRIMARY KEY, times INTEGER NOT NULL)"
_ADD = "INSERT INTO uses VALUES (?, 1) ON CONFLICT (applicant) DO UPDATE SET times = times + 1"
_REMOVE = "DELETE FROM uses WHERE applicant = ?"


class HoldoutUses:
    """The uses of held-out applicants (SK_ID_CURR), kept in a registry's folder."""

    def __init__(self, registry: Path) -> None:
        self._file = registry / _FILE

    def look(self, applicants: Iterable[int]) -> int:
        """Count a look at some applicants; return how many there were at the most used of them."""
        numbers = set(applicants)
        with self._opened() as database:
            database.executemany(_ADD, [(number,) for number in numbers])
        times = self.times()
        return max(times[number] for number in numbers) - 1

    def times(self) -> dict[int, int]:
        """Return how often each applicant was looked at."""
        with self._opened() as database:
            return dict(database.execute("SELECT applicant, times FROM uses"))

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
