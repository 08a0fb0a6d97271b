"""API keys: shown once, stored as hashes, compared in constant time."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from scoring.free_text import readable
from scoring.store.database import Repository
from scoring.store.errors import StoreError
from scoring.store.records import SCOPES, ApiKey
from scoring.store.schema import api_keys

_FORM = re.compile(r"cs_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
# A secret has 256 random bits: a plain hash cannot be turned back by guessing.
_SECRET_BYTES = 32
# Compared with where there is no such key, so that it takes the same time.
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


class Keys(Repository):
    """The API keys of callers."""

    def add(self, name: str, scopes: Iterable[str]) -> tuple[ApiKey, str]:
        """Make an API key; its text is returned this once.

        Raises
        ------
        StoreError
            If a scope is not known, or none is given, or the name is no name.
        """
        key = ApiKey(secrets.token_hex(6), _name(name), _scopes(scopes), datetime.now(UTC))
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        row = {**asdict(key), "scopes": sorted(key.scopes), "secret_sha256": _digest(secret)}
        self._insert(insert(api_keys), [row])
        return key, f"cs_{key.id}_{secret}"

    def verify(self, text: str) -> ApiKey | None:
        """Return the API key that a text is; None if it is none, or revoked."""
        parts = _FORM.fullmatch(text)
        number, secret = parts.groups() if parts else ("", "")
        row = next(iter(self._rows(select(api_keys).where(api_keys.c.id == number))), None)
        expected = row.secret_sha256 if row else _NOBODY
        right = hmac.compare_digest(_digest(secret), expected)
        return _key(row) if row and right and row.revoked_at is None else None

    def revoke(self, number: str) -> ApiKey:
        """Take an API key out of use; one that is already stays so.

        Raises
        ------
        StoreError
            If there is no such key.
        """
        own = api_keys.c.id == number
        # Of two at once the first is kept.
        first = update(api_keys).where(own, api_keys.c.revoked_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(first.values(revoked_at=datetime.now(UTC)))
            row = connection.execute(select(api_keys).where(own)).first()
        if row is None:
            raise StoreError(
                f"no key {number!r}: `python -m scoring keys list` shows those there are"
            )
        return _key(row)

    def all(self) -> list[ApiKey]:
        """Return all API keys, the oldest first."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        return [_key(row) for row in self._rows(query)]


def _name(text: str) -> str:
    try:
        name = readable(text)
        if "\n" in name:
            raise ValueError("must be one line")
    except ValueError as error:
        raise StoreError(f"a key's name says whose it is: {error}, not {text!r}") from error
    return name


def _scopes(scopes: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        raise StoreError(f"scopes are {', '.join(SCOPES)}; not {', '.join(unknown) or 'none'}")
    return wanted


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(row.id, row.name, frozenset(row.scopes), row.created_at, row.revoked_at)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
