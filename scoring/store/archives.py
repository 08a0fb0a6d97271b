"""Models that answered, kept whole, so that their decisions can be computed again."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from scoring.files import staged_folder
from scoring.store.errors import StoreError
from scoring.store.schema import archives

_MANIFEST = "manifest.json"
# Plain names inside the folder: nothing outside it can be meant.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_LARGEST = 200 * 1024 * 1024
# Several workers keep the same model at the same time.
_ONCE = {
    "sqlite": sqlite.insert(archives).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(archives).on_conflict_do_nothing(),
}


def seen(connection: Connection, digest: str) -> bool:
    """Note that a model is in use; whether it is kept."""
    now = datetime.now(UTC)
    kept = update(archives).where(archives.c.digest == digest).values(archived_at=now)
    return connection.execute(kept).rowcount > 0


def keep(connection: Connection, digest: str, name: str, version: str, content: bytes) -> None:
    """Keep what `pack` made, once."""
    row = {
        "digest": digest,
        "name": name,
        "version": version,
        "archived_at": datetime.now(UTC),
        "content": content,
    }
    connection.execute(_ONCE[connection.dialect.name], [row])


def content_of(connection: Connection, digest: str) -> bytes | None:
    """What is kept of a model; None if nothing is."""
    query = select(archives.c.content).where(archives.c.digest == digest)
    return connection.execute(query).scalar()


def pack(folder: Path, digest: str) -> bytes:
    """A model's directory as a compressed archive, the same bytes for the same files.

    Raises
    ------
    StoreError
        If it is not the whole model whose manifest has that SHA-256.
    """
    try:
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
    except OSError as error:
        raise StoreError(f"{folder} cannot be kept: {error}") from error
    _check(files, digest, str(folder))
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)


def unpack(content: bytes, digest: str, into: Path) -> None:
    """Write an archive's files into a new folder, whole or not at all.

    Raises
    ------
    StoreError
        If it is damaged, holds anything but files with plain names, is not the model of the
        digest, or cannot be written.
    FilesError
        If the folder holds other things.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            files = _contents(tar)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise StoreError(f"the kept model {digest} cannot be read: {error}") from error
    _check(files, digest, "what is kept")
    try:
        with staged_folder(into, kind="model") as staged:
            for name, data in files.items():
                path = staged / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    except OSError as error:
        raise StoreError(f"the kept model {digest} cannot be written: {error}") from error


def _contents(tar: tarfile.TarFile) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = _LARGEST
    for member in tar:
        opened = tar.extractfile(member) if member.isfile() else None
        if opened is None or not _NAME.fullmatch(member.name):
            raise StoreError(f"a kept model holds {member.name!r}, which is no plain file")
        room -= member.size
        if room < 0:
            raise StoreError(f"a kept model holds more than {_LARGEST:,} bytes")
        files[member.name] = opened.read()
    return files


def _check(files: dict[str, bytes], digest: str, where: str) -> None:
    """See that files are a whole model: the manifest's digest is theirs too."""
    manifest = files.get(_MANIFEST, b"")
    if hashlib.sha256(manifest).hexdigest() != digest:
        raise StoreError(f"{where} is not the model whose manifest has the SHA-256 {digest}")
    try:
        digests = dict(json.loads(manifest)["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{where} is no model: its manifest cannot be read") from error
    for name, expected in digests.items():
        if hashlib.sha256(files.get(name, b"")).hexdigest() != expected:
            raise StoreError(f"{where} is not the whole model {digest}: {name} is another file")
