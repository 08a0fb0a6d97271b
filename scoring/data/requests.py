"""The rows of a request, as frames: what a single request, a batch and a replay compute from."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import orjson
import polars as pl
from polars.exceptions import PolarsError

from scoring.data.tables import TABLES

Row = dict[str, Any]
# One applicant's rows by table name; a table without rows may be left out.
Rows = Mapping[str, Sequence[Row]]
# What reading rows raises that are not those of a checked request.
UNREADABLE = (
    zlib.error, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError,
    PolarsError,
)  # fmt: skip
LOAN_KEYS = ("SK_ID_BUREAU", "SK_ID_PREV")


def frames_of(applicants: Iterable[Rows]) -> dict[str, pl.DataFrame]:
    """The rows of some applicants together, typed as `scoring.data.tables` says.

    Parameters
    ----------
    applicants : iterable of mapping
        Checked rows: with Kaggle's column names, and SK_ID_CURR where their table has it. The
        keys of one applicant are none of another's (see `apart`).

    Returns
    -------
    dict of str to polars.DataFrame
        The tables that have rows; "application" in the order of the applicants.
    """
    together: dict[str, list[Row]] = {}
    for rows in applicants:
        for name, own in rows.items():
            together.setdefault(name, []).extend(own)
    return {
        name: pl.from_dicts(rows, schema=TABLES[name].schema)
        for name, rows in together.items()
        if rows
    }


def body_of(rows: Rows) -> bytes:
    """The rows as the JSON body of a request to /predict."""
    (application,) = rows["application"]
    return orjson.dumps({**rows, "application": application})


def rows_of(stored: bytes, stand_in: int = 1) -> dict[str, list[Row]]:
    """The rows of a body that was checked and kept compressed.

    Parameters
    ----------
    stored : bytes
        zlib of what `body_of` gave, possibly `nameless`.
    stand_in : int
        The number of an applicant whose own was not kept; no feature depends on it.
    """
    document = orjson.loads(zlib.decompress(stored))
    rows: dict[str, list[Row]] = {**document, "application": [document["application"]]}
    for name, own in rows.items():
        if "SK_ID_CURR" in TABLES[name].schema:
            for row in own:
                row.setdefault("SK_ID_CURR", stand_in)
    return rows


def renumbered(rows: Rows, numbers: Mapping[str, Iterable[int]]) -> dict[str, list[Row]]:
    """A copy of the rows with other keys of loans, in the order of the old ones.

    By their order ties are broken; no feature depends on them otherwise.

    Parameters
    ----------
    rows : mapping
        Of one applicant.
    numbers : mapping of str to iterable of int
        The new numbers by the name of the key, rising.
    """
    changed = {name: [dict(row) for row in own] for name, own in rows.items()}
    for key, free in numbers.items():
        holding = [row for name, own in changed.items() if key in TABLES[name].schema
                   for row in own]  # fmt: skip
        new = dict(zip(sorted({row[key] for row in holding}), free, strict=False))
        for row in holding:
            row[key] = new[row[key]]
    return changed


def nameless(rows: Rows, first_loan: int = 1) -> dict[str, list[Row]]:
    """The rows without what says who the applicant is: SK_ID_CURR, and the numbers of loans."""
    changed = renumbered(rows, {key: count(first_loan) for key in LOAN_KEYS})
    for own in changed.values():
        for row in own:
            row.pop("SK_ID_CURR", None)
    return changed


def apart(applicants: Sequence[Rows]) -> list[list[int]]:
    """Split applicants into groups that may share frames: no key occurs in two of a group.

    Rows with the same SK_ID_CURR, SK_ID_PREV or SK_ID_BUREAU are taken for one applicant's or
    one credit's. Two requests about the same person would be mixed up.

    Returns
    -------
    list of list of int
        Places in `applicants`; the first group has all that can be together.
    """
    groups: list[tuple[set[tuple[str, int]], list[int]]] = []
    for place, rows in enumerate(applicants):
        keys = _keys(rows)
        for taken, members in groups:
            if taken.isdisjoint(keys):
                taken |= keys
                members.append(place)
                break
        else:
            groups.append((keys, [place]))
    return [members for _, members in groups]


def _keys(rows: Rows) -> set[tuple[str, int]]:
    """The keys of an applicant's rows; previous applications and credits are told apart."""
    keys = {("SK_ID_CURR", row["SK_ID_CURR"]) for row in rows["application"]}
    for name, own in rows.items():
        for key in LOAN_KEYS:
            if key in TABLES[name].schema:
                keys |= {(key, row[key]) for row in own}
    return keys
