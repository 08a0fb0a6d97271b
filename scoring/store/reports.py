"""The newest report of its kind, kept so that a service without the file can show it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from scoring.store.engine import replacing
from scoring.store.schema import reports

_REPLACING = replacing(reports)


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes
    ----------
    kind : str
        Which one: "monitoring".
    at : datetime
        When it was made.
    values : bytes
        Its figures, as JSON.
    page : bytes
        The same for people, as HTML.
    """

    kind: str
    at: datetime
    values: bytes
    page: bytes


def keep(connection: Connection, report: Report) -> None:
    """Put a report in the place of the last one of its kind."""
    row = {
        "kind": report.kind,
        "at": report.at,
        "values": zlib.compress(report.values),
        "page": zlib.compress(report.page),
    }
    connection.execute(_REPLACING[connection.dialect.name], [row])


def find(connection: Connection, kind: str) -> Report | None:
    """The newest report of a kind, None if there never was one."""
    row = connection.execute(select(reports).where(reports.c.kind == kind)).mappings().first()
    if row is None:
        return None
    values, page = zlib.decompress(row["values"]), zlib.decompress(row["page"])
    return Report(kind, row["at"], values, page)
