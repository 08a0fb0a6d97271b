"""Applicants' numbers, and what they could be found out from, as keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from scoring.data.requests import Rows, body_of, nameless, rows_of
from scoring.store.errors import StoreError
from scoring.store.schema import Row, applicants, outcomes, predictions, pseudonym_keys, reads

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
# Several processes note the same key at once.
_ONCE = {
    "sqlite": sqlite.insert(pseudonym_keys).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(pseudonym_keys).on_conflict_do_nothing(),
}
_COMPRESSION = 1


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
        hidden = lambda one: applicant if self.applicant(int(one[0])) == applicant else one[0]  # noqa: E731
        return _DIGITS.sub(hidden, text) if self.hide else text

    def _hash(self, text: str) -> str:
        return hmac.digest(self._key or b"", text.encode(), hashlib.sha256).hex()


def check_key(connection: Connection, pseudonyms: Pseudonyms) -> None:
    """See that the key is the one of before, and note it where there was none.

    Raises
    ------
    StoreError
        If it is another: everybody would get a second pseudonym.
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
        connection.execute(select(func.count()).where(_plain(table))).scalar_one()
        for table in (predictions, applicants, reads)
    )
    told = (
        f"{plain:,} decisions and applicants on record from before PSEUDONYM_KEY was set have "
        "their numbers: `python -m scoring migrate --pseudonymise` hides them"
    )
    return told if plain else None


def convert(connection: Connection, pseudonyms: Pseudonyms) -> int:
    """Put some decisions and applicants that are known by number under pseudonyms; how many."""
    decisions = select(predictions).where(_plain(predictions)).limit(_PIECE).with_for_update()
    old = connection.execute(decisions).mappings().all()
    for row in old:
        values = _converted(dict(row), pseudonyms)
        # Whoever has sent the key again since has been answered under its pseudonym.
        again = (predictions.c.caller == row["caller"]) & (
            predictions.c.idempotency_key == values["idempotency_key"]
        )
        if connection.execute(select(predictions.c.id).where(again)).first() is not None:
            values["idempotency_key"] = None
        own, told = predictions.c.id == row["id"], outcomes.c.prediction_id == row["id"]
        connection.execute(update(predictions).where(own).values(values))
        connection.execute(update(outcomes).where(told).values(applicant=values["applicant"]))
    online = select(applicants.c.applicant, applicants.c.rows).where(_plain(applicants))
    known = connection.execute(online.limit(_PIECE).with_for_update()).all()
    for name, rows in known:
        new, own = pseudonyms.applicant(int(name)), applicants.c.applicant == name
        newer = select(applicants.c.applicant).where(applicants.c.applicant == new)
        if connection.execute(newer).first() is not None:
            connection.execute(delete(applicants).where(own))
        else:
            changed = {"applicant": new, "rows": pseudonyms.body(rows, int(name))}
            connection.execute(update(applicants).where(own).values(changed))
    looked_at = select(reads.c.applicant).where(_plain(reads)).distinct().limit(_PIECE)
    names = connection.execute(looked_at).scalars().all()
    for name in names:
        own = reads.c.applicant == name
        connection.execute(
            update(reads).where(own).values(applicant=pseudonyms.applicant(int(name)))
        )
    return len(old) + len(known) + len(names)


def _plain(table: Any) -> Any:
    # Digits stand before letters in every order of texts, and an index finds them.
    return (table.c.applicant >= "0") & (table.c.applicant < "a")


def _converted(row: Row, pseudonyms: Pseudonyms) -> Row:
    number = int(row["applicant"])
    values: Row = {"applicant": pseudonyms.applicant(number)}
    for name in ("request_id", "idempotency_key", "request_sha256"):
        values[name] = row[name] and pseudonyms.concealed(row[name])
    if row["rows"] is not None:
        values["rows"] = pseudonyms.body(row["rows"], number)
        values["rows_sha256"] = hashlib.sha256(zlib.decompress(values["rows"])).hexdigest()
    return values
