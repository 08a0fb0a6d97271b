"""Applicants whom the service can decide on by number, with their features."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from scoring.store.engine import replacing
from scoring.store.records import OnlineApplicant
from scoring.store.schema import applicants

_CHUNK = 500
# PostgreSQL fails over numbers that its column could not hold.
_LARGEST = 2**31 - 1
_COLUMNS = tuple(column.name for column in applicants.columns)
_ASKED = applicants.c.applicant.in_(bindparam("numbers", expanding=True))
_WITH_ROWS = select(applicants).where(_ASKED)
_WITHOUT_ROWS = select(*(c for c in applicants.columns if c.name != "rows")).where(_ASKED)
_REPLACING = replacing(applicants)


def put(connection: Connection, new: Sequence[OnlineApplicant]) -> None:
    """Keep applicants; those known by the same number are replaced."""
    if not new:
        return
    # Two who replaced the same ones in different orders would wait for each other for ever.
    ordered = sorted(new, key=lambda one: one.applicant)
    rows = [{name: getattr(one, name) for name in _COLUMNS} for one in ordered]
    connection.execute(_REPLACING[connection.dialect.name], rows)


def find(connection: Connection, numbers: Sequence[int], rows: bool) -> dict[int, OnlineApplicant]:
    """Those applicants of some numbers that are known; rows are by far the most to read."""
    query = _WITH_ROWS if rows else _WITHOUT_ROWS
    possible = [number for number in numbers if abs(number) <= _LARGEST]
    found: dict[int, OnlineApplicant] = {}
    for start in range(0, len(possible), _CHUNK):
        some = {"numbers": possible[start : start + _CHUNK]}
        for row in connection.execute(query, some).mappings():
            found[row["applicant"]] = OnlineApplicant(**{"rows": b"", **row})
    return found
