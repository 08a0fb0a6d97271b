"""API keys: shown once, stored as hashes, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update

from scoring.free_text import readable
from scoring.store.errors import StoreError
from scoring.store.records import SCOPES, ApiKey
from scoring.store.schema import Row, api_keys

_FORM = re.compile(r"cs_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
# A secret has 256 random bits: a plain hash cannot be turned back by guessing.
_SECRET_BYTES = 32
# Compared with where there is no such key, so that it takes the same time.
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


def add(connection: Connection, name: str, scopes: Iterable[str]) -> tuple[ApiKey, str]:
    """Make a key; its text is told this once.

    Raises
    ------
    StoreError
        If a scope is not known, or none is given, or the name is no name.
    """
    try:
        name = readable(name)
        if "\n" in name:
            raise ValueError("must be one line")
    except ValueError as error:
        raise StoreError(f"a key's name says whose it is: {error}, not {name!r}") from error
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        raise StoreError(f"scopes are {', '.join(SCOPES)}; not {', '.join(unknown) or 'none'}")
    key = ApiKey(secrets.token_hex(6), name, wanted, datetime.now(UTC))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(wanted),
        "secret_sha256": _digest(secret),
        "created_at": key.created_at,
        "revoked_at": None,
    }
    connection.execute(insert(api_keys), [row])
    return key, f"cs_{key.id}_{secret}"


def verify(connection: Connection, text: str) -> ApiKey | None:
    """The key that a text is, unless it is revoked or unknown."""
    found = _FORM.fullmatch(text)
    number, secret = found.groups() if found else ("", "")
    row = connection.execute(select(api_keys).where(api_keys.c.id == number)).mappings().first()
    expected = row["secret_sha256"] if row else _NOBODY
    right = hmac.compare_digest(_digest(secret), expected)
    return _key(dict(row)) if row and right and row["revoked_at"] is None else None


def revoke(connection: Connection, number: str) -> ApiKey:
    """Take a key out of use; one that is already stays so.

    Raises
    ------
    StoreError
        If there is no such key.
    """
    where = api_keys.c.id == number
    found = connection.execute(select(api_keys).where(where)).mappings().first()
    if found is None:
        raise StoreError(f"no key {number!r}: `python -m scoring keys list` shows those there are")
    key = _key(dict(found))
    if key.revoked_at is None:
        now = datetime.now(UTC)
        # Of two at once the first is kept.
        first = update(api_keys).where(where, api_keys.c.revoked_at.is_(None))
        connection.execute(first.values(revoked_at=now))
        key = ApiKey(key.id, key.name, key.scopes, key.created_at, now)
    return key


def everyone(connection: Connection) -> list[ApiKey]:
    """All keys, the oldest first."""
    query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
    return [_key(dict(row)) for row in connection.execute(query).mappings()]


def _key(row: Row) -> ApiKey:
    return ApiKey(
        row["id"], row["name"], frozenset(row["scopes"]), row["created_at"], row["revoked_at"]
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
