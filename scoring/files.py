"""Files and folders that commands write: whole or not at all, and never over what is not ours.

A folder that we wrote lists its files: a dataset and a model in the manifest that they have anyway,
every other kind in `LIST`. Only a folder in which that list explains everything is replaced or
removed; listed files may have been changed since, so that writing anew mends what is damaged.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, get_args

from scoring.errors import ScoringError

logger = logging.getLogger(__name__)

Kind = Literal["dataset", "model", "bundle", "deliverables", "examples"]

LIST = ".made-by-scoring"
_LISTS: dict[str, str] = {"dataset": "dataset.json", "model": "manifest.json"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
# What an existing file has to begin with to be replaced by one of this ending.
_BEGINS = {
    ".html": b"<",
    ".ipynb": b"{",
    ".json": b"{",
    ".md": b"# ",
    ".png": b"\x89PNG",
    ".pptx": b"PK\x03\x04",
}
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


class FilesError(ScoringError):
    """A file or folder is not ours to replace."""


@contextmanager
def staged_folder(out: Path, *, kind: Kind) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Parameters
    ----------
    out : Path
        The folder to make or replace.
    kind : str
        What it holds. An existing `out` is replaced if it is empty or a folder of this kind that
        we wrote, with no other file in it.

    Yields
    ------
    Path
        An empty folder. It takes the place of `out` when the block ends, and is removed when the
        block raises.

    Raises
    ------
    FilesError
        If `out` is anything else, a link, a repository, a mount point, or holds the working
        folder, the home folder, this code or its interpreter.
    """
    check_folder(out, kind)
    out = out.resolve()
    with _beside(out) as own:
        staged = own / "new"
        staged.mkdir()
        yield staged
        if kind not in _LISTS:
            _write_list(staged, kind)
        _sync(staged)
        check_folder(out, kind)
        _put_in_place(staged, out, kind)


@contextmanager
def staged_file(out: Path, begins: bytes | None = None) -> Iterator[Path]:
    """Write a file whole or not at all.

    Parameters
    ----------
    out : Path
        The file to make or replace.
    begins : bytes, optional
        As for `check_file`.

    Yields
    ------
    Path
        A file's name to write to. It takes the place of `out` when the block ends, and is removed
        when the block raises.

    Raises
    ------
    FilesError
        As `check_file`.
    """
    check_file(out, begins)
    with _beside(out) as own:
        staged = own / out.name
        yield staged
        _sync(own)
        check_file(out, begins)
        staged.replace(out)
        _sync_one(out.parent)


def remove_folder(out: Path, *, kind: Kind) -> None:
    """Remove a folder that we wrote, at once for whoever reads it; say so if it is not ours."""
    if not os.path.lexists(out):
        return
    if reason := _held_back(out) or _not_ours(out, kind):
        logger.warning("%s is not removed: %s", out, reason)
        return
    with _beside(out) as own:
        out.rename(own / "gone")


def check_folder(out: Path, kind: Kind) -> None:
    """Raise `FilesError` if a folder may not be made or replaced, as `staged_folder` says."""
    if reason := _held_back(out) or _not_ours(out, kind):
        raise FilesError(
            f"{out} is not replaced: {reason}. Name another folder, or remove it yourself"
        )


def check_file(out: Path, begins: bytes | None = None) -> None:
    """See that a file may be made or replaced.

    Parameters
    ----------
    out : Path
        The file.
    begins : bytes, optional
        What an existing file has to begin with; by default what its ending stands for.

    Raises
    ------
    FilesError
        If `out` is a folder, a link, a device, part of a repository's own folder or of one that
        we wrote whole, or a file of another kind.
    """
    reason = _place(out)
    if reason is None and out.is_dir():
        reason = "it is a folder"
    elif reason is None and out.exists():
        reason = _other_kind(out, _BEGINS.get(out.suffix) if begins is None else begins)
    if reason:
        raise FilesError(f"{out} is not replaced: {reason}. Name another file")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _other_kind(out: Path, begins: bytes | None) -> str | None:
    if not out.is_file():
        return "it is no plain file"
    if out.stat().st_size == 0:
        return None
    if begins is None:
        return f"nothing that ends with {out.suffix!r} is written here"
    with out.open("rb") as opened:
        return None if opened.read(len(begins)) == begins else "it holds something else"


def _place(out: Path) -> str | None:
    """Why nothing may be written to a place, whatever is there."""
    if out.is_symlink():
        return "it is a link"
    real = out.resolve()
    if ".git" in real.parts:
        return "git keeps its own there"
    for folder in real.parents:
        for kind in get_args(Kind):
            if _listed(folder, kind):
                return f"it lies in {folder}, a {kind} that is written whole"
    return None


def _held_back(out: Path) -> str | None:
    """Why a folder is not replaced whatever is in it."""
    if reason := _place(out):
        return reason
    real = out.resolve()
    if not real.exists():
        return None
    if not real.is_dir():
        return "it is no folder"
    own = (os.curdir, Path.home(), __file__, sys.prefix, sys.base_prefix)
    if any(Path(path).resolve().is_relative_to(real) for path in own):
        return "the working folder, your home folder, this code or its interpreter is in it"
    if (real / ".git").exists():
        return "it is a git repository"
    return "something is mounted there" if os.path.ismount(real) else None


def _not_ours(out: Path, kind: Kind) -> str | None:
    """What of a folder its list does not explain."""
    listed = _listed(out, kind)
    for place, folders, files in os.walk(out):
        inside = Path(place).relative_to(out)
        for name in (*folders, *files):
            path = (inside / name).as_posix()
            above = name in folders and not (Path(place) / name).is_symlink()
            if listed is None or not (
                any(one.startswith(f"{path}/") for one in listed) if above else path in listed
            ):
                return f"it holds {path}, which was not made by this command"
    return None


def _listed(folder: Path, kind: str) -> set[str] | None:
    """The files that a folder of ours says it has, None if it is none of that kind."""
    name = _LISTS.get(kind, LIST)
    try:
        told = json.loads((folder / name).read_bytes())
        digests = {
            path: entry["sha256"] if isinstance(entry, dict) else entry
            for path, entry in told["files"].items()
        }
        ours = told.get("kind", kind) == kind and isinstance(told["format"], int)
        ours = ours and all(_SHA256.fullmatch(digest) for digest in digests.values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return {name, *digests} if ours else None


def _write_list(folder: Path, kind: Kind) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}
    text = json.dumps({"format": 1, "kind": kind, "files": files}, indent=1, ensure_ascii=False)
    (folder / LIST).write_text(text + "\n", encoding="utf-8")


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder of our own beside `out`, held for as long as the block lasts, then removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(out)
    held = None
    while held is None:
        own = out.with_name(f".{out.name}.{secrets.token_hex(8)}.partial")
        own.mkdir()
        # None where somebody took it for a leftover, before it was held.
        held = _hold(own)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(held)


def _hold(own: Path) -> int | None:
    """Hold a folder until the handle is closed or this process ends; None if another holds it."""
    with suppress(FileNotFoundError):
        handle = os.open(own, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(FileNotFoundError, BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), own.stat()):
                return handle
        os.close(handle)
    return None


def clear_leftovers(out: Path) -> None:
    """Remove what killed processes left, after putting back what one had taken away."""
    if not out.parent.is_dir():
        return
    ours = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{16}}\.partial")
    for left in [path for path in out.parent.iterdir() if ours.fullmatch(path.name)]:
        held = None if left.is_symlink() else _hold(left)
        if held is not None:
            if (left / "old").exists() and not out.exists():
                (left / "old").rename(out)
            shutil.rmtree(left, ignore_errors=True)
            os.close(held)


def _put_in_place(staged: Path, out: Path, kind: Kind) -> None:
    if not out.exists():
        staged.rename(out)
    elif _exchange(staged, out):
        # Somebody may have put a file into it since it was looked at.
        if reason := _not_ours(staged, kind):
            _exchange(staged, out)
            raise FilesError(f"{out} is not replaced: {reason}")
    else:
        old = staged.with_name("old")
        out.rename(old)
        try:
            staged.rename(out)
        except OSError:
            old.rename(out)
            raise
    _sync_one(out.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places, so that neither is ever missing; False where nobody can."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    places = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    if rename(*places, ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _sync(folder: Path) -> None:
    """Have the disk keep everything in a folder, before a name leads to it."""
    for place, _, files in os.walk(folder):
        for name in files:
            _sync_one(Path(place) / name)
        _sync_one(Path(place))


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
