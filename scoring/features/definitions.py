"""What each feature is, as digests of how it behaves on a fixed set of probe applicants.

A feature's digest is that of its values, to the last bit, for applicants whom nobody is: it changes
when the formula does, and not when code is only moved or another feature comes or goes. A model
keeps the digests of the features that it reads, and is refused by name if one has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.data.tables import TABLES, Column, Table
from scoring.features import build_features

# Applicants, the most rows that one has in a history table, and the loans that they are of.
_APPLICANTS, _MOST_ROWS, _LOANS = 64, 15, 4
# Of payments features look at as many as sixty.
_MOST_PAYMENTS = 90
_LOAN_TABLES = ("previous_application", "bureau")

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


@cache
def definitions() -> Mapping[str, str]:
    """The digest of every feature by its name, 16 hexadecimal digits each."""
    features = build_features(probes())
    return {
        name: hashlib.sha256(_content(features[name])).hexdigest()[:16]
        for name in features.columns
        if name != "SK_ID_CURR"
    }


def probes() -> dict[str, pl.DataFrame]:
    """The rows of the probe applicants, the same on every machine and in every version."""
    return {name: _table(table) for name, table in TABLES.items()}


def _content(values: pl.Series) -> bytes:
    if isinstance(values.dtype, pl.Enum):
        return "\n".join("" if value is None else value for value in values).encode()
    # What is not known has the same bits everywhere.
    return values.fill_null(float("nan")).to_numpy().astype("<f4").tobytes()


def _table(table: Table) -> pl.DataFrame:
    owner = np.arange(_APPLICANTS)
    if table.name != "application":
        most = _MOST_PAYMENTS if table.name == "installments_payments" else _MOST_ROWS
        rows = _hashes(table.name, owner.size) % np.uint64(most + 1)
        owner = np.repeat(owner, rows.astype(np.intp))
    number = np.arange(owner.size) - np.searchsorted(owner, owner)
    of_loan = number if table.name in _LOAN_TABLES else number % _LOANS
    loan = owner * _MOST_ROWS + of_loan + 1
    ids = {"SK_ID_CURR": owner + 1, "SK_ID_PREV": loan, "SK_ID_BUREAU": loan}
    return pl.DataFrame(
        pl.Series(column.name, ids[column.name], dtype=column.dtype)
        if column.name in ids
        else _series(table, column, number)
        for column in table.columns
    )


def _series(table: Table, column: Column, number: npt.NDArray[np.intp]) -> pl.Series:
    """A column of hashes, brought to the range of the column; some are not known."""
    words = _hashes(f"{table.name}.{column.name}", number.size)
    unknown = pl.Series((words % 8 == 0) & (not column.required))
    share = (words >> np.uint64(11)).astype(np.float64) / 2.0**53
    if column.categories:
        codes = (share * share * len(column.categories)).astype(np.intp)
        values = [column.categories[code] for code in codes]
        return pl.Series(column.name, values, dtype=column.dtype).set(unknown, None)
    # Two years and more, no month twice.
    months = column.name == "MONTHS_BALANCE"
    numbers = -1.0 - 2.0 * number if months else _numbers(column, share, words)
    return pl.Series(column.name, numbers).cast(column.dtype).set(unknown, None)


def _numbers(column: Column, share: Floats, words: Words) -> Floats:
    low = -1e6 if column.minimum is None else column.minimum
    high = 1e6 if column.maximum is None else column.maximum
    if column.kind == "amount":
        # Doors may ask for a larger least amount without another definition of any feature.
        low = min(low, 0.0)
    if high - low > 10.0:
        # Multiplied, since a power has other last bits on other machines.
        share = share * share * share * share
    if low >= 0.0:
        numbers = low + (high - low) * share
    else:
        negative = (words & np.uint64(16) > 0) | (high <= 0.0)
        numbers = np.where(negative, low, high) * share
    if column.sentinels:
        numbers = np.where(words & np.uint64(32), float(column.sentinels[0]), numbers)
    return numbers if column.kind == "number" else np.round(numbers)


def _hashes(name: str, size: int) -> Words:
    """Pseudo-random 64-bit words by SplitMix64, from a name and the number of a row."""
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    step, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    state = np.array([(start + i * step) & mask for i in range(size)], dtype=np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
