"""Connections to PostgreSQL that give up a server that says nothing."""

import math
from typing import Any, Self

import psycopg
from psycopg.abc import RV, PQGen

from scoring.store.deadlines import left

_SILENCE = "the server says nothing"


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when no answer comes by the deadline of the use.

    PostgreSQL's own timeouts stop with the server, whose kernel goes on acknowledging what is
    sent: only the client can tell. What was sent may still be done, a commit too.
    """

    @classmethod
    def connect(cls, *words: Any, **options: Any) -> Self:
        """Connect, if there is time left."""
        if left() <= 0.0:
            raise psycopg.OperationalError(_SILENCE)
        return super().connect(*words, **options)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer as long as there is time left."""
        if timeout is None and left() < math.inf:
            timeout = max(0.0, left())
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            if left() > 0.0:
                raise
            # A late answer would be taken for the next one's.
            self.pgconn.finish()
            raise psycopg.OperationalError(_SILENCE) from error
