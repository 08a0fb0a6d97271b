"""Models that answered, kept whole, so that their decisions can be computed again."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, insert, select

from scoring.dataset import staged_folder
from scoring.store.errors import StoreError
from scoring.store.schema import archives

# Plain names inside the folder: nothing outside it can be meant.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_LARGEST = 200 * 1024 * 1024


def archive(connection: Connection, digest: str, name: str, version: str, folder: Path) -> None:
    """Keep a model's directory, once."""
    query = select(archives.c.digest).where(archives.c.digest == digest)
    if connection.execute(query).first() is None:
        row = {
            "digest": digest,
            "name": name,
            "version": version,
            "archived_at": datetime.now(UTC),
            "content": pack(folder),
        }
        connection.execute(insert(archives), [row])


def unpacked(connection: Connection, digest: str, into: Path) -> Path | None:
    """Write a kept directory out, whole or not at all; None if it is not kept."""
    query = select(archives.c.content).where(archives.c.digest == digest)
    found = connection.execute(query).first()
    if found is None:
        return None
    unpack(found.content, into)
    return into


def pack(folder: Path) -> bytes:
    """A directory as a compressed archive, the same bytes for the same files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            with path.open("rb") as content:
                tar.addfile(member, content)
    return gzip.compress(raw.getvalue(), mtime=0)


def unpack(content: bytes, into: Path) -> None:
    """Write an archive's files into a new folder.

    Raises
    ------
    StoreError
        If it is damaged, or holds anything but files with plain names.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            files = {member.name: _content(tar, member) for member in tar}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise StoreError(f"a kept model cannot be read: {error}") from error
    with staged_folder(into, marker="manifest.json") as staged:
        for name, data in files.items():
            path = staged / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = tar.extractfile(member) if member.isfile() else None
    if opened is None or not _NAME.fullmatch(member.name) or ".." in member.name.split("/"):
        raise StoreError(f"a kept model holds {member.name!r}, which is no plain file")
    if member.size > _LARGEST:
        raise StoreError(f"a kept model holds {member.size:,} bytes as {member.name!r}")
    return opened.read()
