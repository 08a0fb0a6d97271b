"""Applicants whom the service can decide on by number, with their features."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, select

from scoring.store.engine import replacing
from scoring.store.records import OnlineApplicant
from scoring.store.schema import applicants

_CHUNK = 500
_COLUMNS = tuple(column.name for column in applicants.columns if not column.primary_key)
_ASKED = applicants.c.applicant.in_(bindparam("names", expanding=True))
_WITH_ROWS = select(applicants).where(_ASKED)
_WITHOUT_ROWS = select(*(c for c in applicants.columns if c.name != "rows")).where(_ASKED)
_REPLACING = replacing(applicants)


def put(connection: Connection, new: Mapping[str, OnlineApplicant]) -> None:
    """Keep applicants by what they are known by; those known by the same are replaced."""
    # Two who replaced the same ones in different orders would wait for each other for ever.
    rows = [
        {"applicant": name, **{column: getattr(new[name], column) for column in _COLUMNS}}
        for name in sorted(new)
    ]
    if rows:
        connection.execute(_REPLACING[connection.dialect.name], rows)


def find(
    connection: Connection, wanted: Mapping[str, int], rows: bool
) -> dict[int, OnlineApplicant]:
    """Those that are known of some applicants, who are wanted by what they are known by.

    Rows are by far the most to read.
    """
    query = _WITH_ROWS if rows else _WITHOUT_ROWS
    names = list(wanted)
    found: dict[int, OnlineApplicant] = {}
    for start in range(0, len(names), _CHUNK):
        some = {"names": names[start : start + _CHUNK]}
        for row in connection.execute(query, some).mappings():
            number = wanted[row["applicant"]]
            found[number] = OnlineApplicant(**{"rows": b"", **row, "applicant": number})
    return found
