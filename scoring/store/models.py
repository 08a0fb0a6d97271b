"""Models that answered: kept whole, how they are used, and what happened to them."""

import gzip
import hashlib
import io
import json
import re
import secrets
import tarfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from scoring.files import staged_folder
from scoring.store.database import Repository
from scoring.store.deadlines import LONG_SECONDS
from scoring.store.engine import insert_once, one_writer
from scoring.store.errors import StoreChangedError, StoreError
from scoring.store.records import ModelEvent, ModelUsage, Policy
from scoring.store.schema import (
    archives,
    events,
    layouts,
    outcomes,
    policies,
    predictions,
    shadows,
)

_MANIFEST = "manifest.json"
# Plain names inside the folder: nothing outside it can be meant.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_LARGEST = 200 * 1024 * 1024
# Several workers keep the same model at the same time.
_ONCE = insert_once(archives)
_LAYOUT_ONCE = insert_once(layouts)
_POLICY = tuple(policies.c[name] for name in Policy.__dataclass_fields__)


class Models(Repository):
    """Archives of models, events, and the policy: who answers, and what is referred."""

    def archive(self, digest: str, name: str, version: str, folder: Path) -> None:
        """Keep a model's directory, once, by the SHA-256 of its manifest.

        Raises
        ------
        StoreError
            If the folder does not hold that very model.
        """
        now = datetime.now(UTC)
        in_use = update(archives).where(archives.c.digest == digest).values(archived_at=now)
        with self._database.writing() as connection:
            if connection.execute(in_use).rowcount:
                return
        row = {
            "digest": digest, "name": name, "version": version, "archived_at": now,
            "content": pack(folder, digest),
        }  # fmt: skip
        self._insert(_ONCE, [row])

    def restore(self, digest: str, into: Path) -> Path | None:
        """Write a kept model's directory out; None if it is not kept.

        Raises
        ------
        StoreError
            If what is kept is damaged, or cannot be written.
        """
        for (content,) in self._rows(select(archives.c.content).where(archives.c.digest == digest)):
            unpack(content, digest, into)
            return into
        return None

    def keep_layout(self, digest: str, content: str) -> None:
        """Keep what stands where in stored features, once, by its digest."""
        self._insert(_LAYOUT_ONCE, [{"digest": digest, "content": content}])

    def layout(self, digest: str) -> str | None:
        """Return what `keep_layout` was given; None if it is not kept."""
        rows = self._rows(select(layouts.c.content).where(layouts.c.digest == digest))
        return rows[0].content if rows else None

    def usage(self, digest: str) -> ModelUsage:
        """Return what the model of a digest has decided."""
        own = predictions.c.model_digest == digest
        moments = (func.min(predictions.c.at), func.max(predictions.c.at))
        roles = select(predictions.c.role, func.count(), *moments).where(own)
        settled = (
            select(func.count())
            .select_from(outcomes)
            .join(predictions, predictions.c.id == outcomes.c.prediction_id)
            .where(own)
        )
        along = select(func.count()).select_from(shadows).where(shadows.c.model_digest == digest)
        with self._database.reading(LONG_SECONDS) as connection:
            by_role = connection.execute(
                roles.group_by(predictions.c.role).order_by(predictions.c.role)
            ).all()
            return ModelUsage(
                decided=sum(count for _, count, _, _ in by_role),
                first=min((first for _, _, first, _ in by_role), default=None),
                last=max((last for _, _, _, last in by_role), default=None),
                by_role={role: count for role, count, _, _ in by_role},
                settled=connection.execute(settled).scalar_one(),
                scored_along=connection.execute(along).scalar_one(),
            )

    def add_event(self, event: ModelEvent) -> None:
        """Record what happened to a model or to the policy."""
        self._insert(insert(events), [asdict(event)])

    def events(self, limit: int = 100) -> list[ModelEvent]:
        """Return the last events, the newest first."""
        query = select(*(events.c[name] for name in ModelEvent.__dataclass_fields__))
        rows = self._rows(query.order_by(events.c.number.desc()).limit(limit))
        return [ModelEvent(*row) for row in rows]

    def count_events(self, since: datetime, until: datetime) -> dict[str, int]:
        """Return how often each kind of event was recorded from a time on and before another."""
        between = events.c.at >= since, events.c.at < until
        query = select(events.c.kind, func.count()).where(*between).group_by(events.c.kind)
        return {kind: int(count) for kind, count in self._rows(query)}

    def policy(self) -> Policy:
        """Return how models are used: what was set last, or the default."""
        with self._database.reading() as connection:
            return _policy(connection)

    def policy_of(self, number: int) -> Policy | None:
        """Return how models were used since a change of the policy; None if it is not kept."""
        rows = self._rows(select(*_POLICY).where(policies.c.number == number))
        return Policy(*rows[0]) if rows else None

    def set_policy(self, policy: Policy, by: str, why: str) -> None:
        """Set all of how models are used; who and why stays on record."""
        self.change_policy(asdict(policy), by, why)

    def change_policy(
        self,
        changes: Mapping[str, Any],
        by: str,
        why: str,
        expected: Collection[int] | None = None,
    ) -> Policy:
        """Change fields of the policy, and no others; return it as it is from then on.

        So stays the secret of exploration, made when that is first switched on, and who changed it
        and why is on record. Raises StoreChangedError if the policy has none of the numbers that
        are expected.
        """
        with self._database.writing() as connection:
            one_writer(connection, policies)
            before = _policy(connection)
            if expected is not None and before.number not in expected:
                raise StoreChangedError(
                    f"the policy was changed meanwhile: it is number {before.number}"
                )
            policy, now = replace(before, **changes), datetime.now(UTC)
            salt = policy.explore_salt or before.explore_salt
            made_now = secrets.token_hex(32) if policy.explore_share else None
            policy = replace(policy, explore_salt=salt or made_now)
            row = {**asdict(policy), "at": now, "by": by, "why": why}
            del row["number"]
            made = connection.execute(insert(policies).returning(policies.c.number), [row])
            event = ModelEvent(now, "policy", None, None, None, f"{policy} ({by}: {why})", "")
            connection.execute(insert(events), [asdict(event)])
            return replace(policy, number=made.scalar_one())


def _policy(connection: Connection) -> Policy:
    query = select(*_POLICY).order_by(policies.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return Policy() if row is None else Policy(*row)


def pack(folder: Path, digest: str) -> bytes:
    """A model's directory as a compressed archive, the same bytes for the same files.

    Raises StoreError if it is not the whole model whose manifest has that SHA-256.
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

    Raises StoreError if it is damaged, holds anything but files with plain names, is not the model
    of the digest, or cannot be written, and FilesError if the folder holds other things.
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
