"""Numbers that stand for pseudonyms in the data that models learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from sqlalchemy import Connection, insert, select, text

from scoring.store.schema import stand_ins

# Beyond Kaggle's, within 31 bits.
_FIRST, _NUMBERS = 1_000_000_000, 1_000_000_000


def assigned(connection: Connection) -> dict[str, int]:
    """Those that there are, by pseudonym."""
    return {row.applicant: row.number for row in connection.execute(select(stand_ins))}


def assign(
    connection: Connection, names: Collection[str], taken: Collection[int]
) -> dict[str, int]:
    """The numbers of some pseudonyms; those without get one that nobody has, and keep it.

    It is a hash, or the next number that is neither taken nor another's.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE stand_ins IN SHARE ROW EXCLUSIVE MODE"))
    known = assigned(connection)
    used, new = {*known.values(), *taken}, dict[str, int]()
    for name in sorted(set(names) - known.keys()):
        place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        while (number := _FIRST + place % _NUMBERS) in used:
            place += 1
        used.add(number)
        new[name] = number
    if new:
        rows = [{"applicant": name, "number": number} for name, number in new.items()]
        connection.execute(insert(stand_ins), rows)
    return {name: (known | new)[name] for name in names}
