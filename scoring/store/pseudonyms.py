"""Applicants' numbers, and what they could be found out from, as keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from typing import Any

from sqlalchemy import Connection, func, select, update

from scoring.requests import Rows, body_of, nameless, rows_of
from scoring.store.errors import StoreError
from scoring.store.schema import Row, applicants, outcomes, predictions

# What stands in the place of an applicant who was erased.
ERASED = "erased"
_PREFIX = "p-"
# A key that can be guessed gives all numbers away, for they are few: as hexadecimal digits 128 bits
# take 32 characters. Of a word that is repeated, the same three letters come again and again.
_SHORTEST, _FEWEST_TRIPLES = 32, 24
# Loans of different applicants are given numbers that are apart, within 31 bits.
_FIRST_LOANS = 2_000_000_000
_DIGITS = re.compile(r"\d{1,10}")
_PIECE = 200
_COMPRESSION = 1
_UNREADABLE = (zlib.error, ValueError, KeyError, TypeError, AttributeError)


class Pseudonyms:
    """How numbers are kept: under a key as hashes, without one as they are.

    Parameters
    ----------
    key : str or None
        At least 32 characters that nobody can guess.

    Raises
    ------
    StoreError
        If it can be guessed.
    """

    def __init__(self, key: str | None) -> None:
        if key is not None and (
            len(key) < _SHORTEST
            or len({key[place : place + 3] for place in range(len(key) - 2)}) < _FEWEST_TRIPLES
        ):
            raise StoreError(
                f"PSEUDONYM_KEY can be guessed: it takes {_SHORTEST} characters or more, drawn at "
                'random. Make one with `python -c "import secrets; print(secrets.token_hex(32))"`'
            )
        self._key = None if key is None else key.encode()

    @property
    def hide(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def applicant(self, number: int) -> str:
        """What an applicant is known by."""
        return f"{_PREFIX}{self._hash(str(number))}" if self.hide else str(number)

    def concealed(self, text: str) -> str:
        """A caller's own text, or a digest that numbers could be tried against."""
        return self._hash(f"text {text}") if self.hide else text

    def rows(self, rows: Rows, number: int) -> Rows:
        """An applicant's rows as they are kept: features of both are the same."""
        if not self.hide:
            return rows
        return nameless(rows, 1 + int(self._hash(str(number))[:8], 16) % _FIRST_LOANS)

    def body(self, stored: bytes, number: int) -> bytes:
        """The same of rows that are compressed."""
        if not (self.hide and stored):
            return stored
        return zlib.compress(body_of(self.rows(rows_of(stored, number), number)), _COMPRESSION)

    def text(self, text: str, applicant: str) -> str:
        """What somebody wrote about an applicant, whose number is replaced wherever it stands."""
        if not self.hide:
            return text
        return _DIGITS.sub(
            lambda found: applicant if self.applicant(int(found[0])) == applicant else found[0],
            text,
        )

    def _hash(self, text: str) -> str:
        return hmac.digest(self._key or b"", text.encode(), hashlib.sha256).hex()


def kept_plainly(connection: Connection) -> int:
    """How many decisions and applicants are known by their numbers."""
    return sum(
        connection.execute(
            select(func.count()).select_from(table).where(_plain(table))
        ).scalar_one()
        for table in (predictions, applicants)
    )


def kept_hidden(connection: Connection) -> bool:
    """Whether any decision is known by a pseudonym."""
    hidden = predictions.c.applicant.startswith(_PREFIX, autoescape=True)
    return connection.execute(select(predictions.c.id).where(hidden).limit(1)).first() is not None


def convert(connection: Connection, pseudonyms: Pseudonyms) -> int:
    """Put some decisions and applicants that are known by number under pseudonyms; how many."""
    done = 0
    query = select(predictions).where(_plain(predictions)).limit(_PIECE)
    for row in connection.execute(query.with_for_update()).mappings().all():
        values, done = _converted(dict(row), pseudonyms), done + 1
        own = predictions.c.id == row["id"]
        connection.execute(update(predictions).where(own).values(values))
        told = outcomes.c.prediction_id == row["id"]
        connection.execute(update(outcomes).where(told).values(applicant=values["applicant"]))
    query = select(applicants.c.applicant, applicants.c.rows).where(_plain(applicants))
    for name, rows in connection.execute(query.limit(_PIECE).with_for_update()).all():
        values, done = {"applicant": pseudonyms.applicant(int(name))}, done + 1
        own = applicants.c.applicant == name
        changed = update(applicants).where(own)
        connection.execute(changed.values(values | {"rows": pseudonyms.body(rows, int(name))}))
    return done


def _plain(table: Any) -> Any:
    # Digits stand before letters in every order of texts, and an index finds them.
    return (table.c.applicant >= "0") & (table.c.applicant < "a")


def _converted(row: Row, pseudonyms: Pseudonyms) -> Row:
    number = int(row["applicant"])
    values: Row = {"applicant": pseudonyms.applicant(number)}
    for name in ("request_id", "idempotency_key", "request_sha256"):
        if row[name]:
            values[name] = pseudonyms.concealed(row[name])
    if row["rows"] is not None:
        try:
            values["rows"] = pseudonyms.body(row["rows"], number)
            body = zlib.decompress(values["rows"])
            values["rows_sha256"] = hashlib.sha256(body).hexdigest()
        except _UNREADABLE:
            # Damaged ones cannot be computed from, and may still hold the number.
            values["rows"] = None
    return values
