"""The newest report of its kind, kept so that a service without the file can show it."""

from __future__ import annotations

import zlib

from sqlalchemy import select

from scoring.store.database import Repository
from scoring.store.engine import replacing
from scoring.store.records import Report
from scoring.store.schema import reports

_REPLACING = replacing(reports)


class Reports(Repository):
    """The newest report of each kind."""

    def keep(self, report: Report) -> None:
        """Keep a report in the place of the last one of its kind."""
        values, page = zlib.compress(report.values), zlib.compress(report.page)
        row = {"kind": report.kind, "at": report.at, "values": values, "page": page}
        with self._database.writing() as connection:
            connection.execute(_REPLACING[connection.dialect.name], [row])

    def find(self, kind: str) -> Report | None:
        """Return the newest report of a kind, None if there never was one."""
        with self._database.reading() as connection:
            row = connection.execute(select(reports).where(reports.c.kind == kind)).first()
        if row is None:
            return None
        _, at, values, page = row
        return Report(kind, at, zlib.decompress(values), zlib.decompress(page))
