"""Applicants' numbers, and what they could be found out from, as keyed hashes."""

import hashlib
import hmac
import re
import zlib

from sqlalchemy import ColumnElement, Connection, Table, func, select

from scoring.data.requests import Rows, body_of, nameless, rows_of
from scoring.store.engine import insert_once
from scoring.store.errors import StoreError
from scoring.store.schema import applicants, predictions, pseudonym_keys, reads

# What stands in the place of an applicant who was erased.
ERASED = "erased"
_PREFIX = "p-"
# A key that can be guessed gives all numbers away, for they are few: as hexadecimal digits 128 bits
# take 32 characters. Of a word that is repeated, the same three letters come again and again.
_SHORTEST, _FEWEST_TRIPLES = 32, 24
# Loans of different applicants are given numbers that are apart, within 31 bits.
_FIRST_LOANS = 2_000_000_000
_DIGITS = re.compile(r"\d{1,10}")
# Several processes note the same key at once.
_ONCE = insert_once(pseudonym_keys)
_COMPRESSION = 1


class Pseudonyms:
    """How numbers are kept: under a key as hashes, without one as they are.

    Raises
    ------
    StoreError
        If the key can be guessed: it takes at least 32 characters, drawn at random.
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
        """The same of rows that are compressed; damaged ones may hold anything, and are dropped."""
        if not (self.hide and stored):
            return stored
        try:
            rows = self.rows(rows_of(stored, number), number)
        except (zlib.error, ValueError, KeyError, TypeError, AttributeError):
            return zlib.compress(b"")
        return zlib.compress(body_of(rows), _COMPRESSION)

    def text(self, text: str, applicant: str) -> str:
        """What somebody wrote about an applicant, whose number is replaced wherever it stands."""

        def hidden(number: re.Match[str]) -> str:
            return applicant if self.applicant(int(number[0])) == applicant else number[0]

        return _DIGITS.sub(hidden, text) if self.hide else text

    def _hash(self, text: str) -> str:
        return hmac.digest(self._key or b"", text.encode(), hashlib.sha256).hex()


def check_key(connection: Connection, pseudonyms: Pseudonyms) -> None:
    """See that the key is the one of before, and note it where there was none.

    Raises StoreError if it is another: everybody would get a second pseudonym.
    """
    fingerprint = pseudonyms.concealed("the key itself")
    known = connection.execute(select(pseudonym_keys.c.fingerprint)).scalars().all()
    if known and fingerprint not in known:
        raise StoreError(
            "PSEUDONYM_KEY is not the key that this store is kept under: set that one, or name "
            "another store"
        )
    if not known:
        connection.execute(_ONCE[connection.dialect.name], [{"fingerprint": fingerprint}])


def notice(connection: Connection, pseudonyms: Pseudonyms) -> str | None:
    """What to know where numbers on record are not kept as new ones would be."""
    if not pseudonyms.hide:
        # What is behind numbers and "erased" in the order of texts.
        hidden = select(predictions.c.id).where(predictions.c.applicant >= _PREFIX[0]).limit(1)
        if connection.execute(hidden).first() is None:
            return None
        return "applicants on record are pseudonyms, and PSEUDONYM_KEY is not set as it was then"
    plain = sum(
        connection.execute(select(func.count()).where(is_plain(table))).scalar_one()
        for table in (predictions, applicants, reads)
    )
    warning = (
        f"{plain:,} decisions and applicants on record from before PSEUDONYM_KEY was set have "
        "their numbers: `python -m scoring migrate --pseudonymise` hides them"
    )
    return warning if plain else None


def is_plain(table: Table) -> ColumnElement[bool]:
    """Whether a table's applicant is known by number."""
    # Digits stand before letters in every order of texts, and an index finds them.
    return (table.c.applicant >= "0") & (table.c.applicant < "a")
