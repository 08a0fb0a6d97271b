"""Files and folders that commands write: whole or not at all, and never over what is not ours.

A folder that we wrote lists its files: a dataset and a model in the manifest that they have anyway,
every other kind in `LIST`. Only a folder in which that list explains everything is replaced or
removed; where somebody has changed a listed file since, the old folder is put aside.
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
# How a file has to begin to be replaced by one of the same ending.
_BEGINS = {
    ".html": b"<", ".ipynb": b"{", ".json": b"{", ".md": b"# ", ".png": b"\x89PNG",
    ".pptx": b"PK\x03\x04",
}  # fmt: skip
PACKAGE = Path(__file__).parent
# What the code consists of: modules, the tables and words beside them, and the statistics that
# sample applicants are drawn from.
_CODE = (".py", ".json", ".toml")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


class FilesError(ScoringError):
    """A file or folder is not ours to replace."""


@contextmanager
def staged_folder(out: Path, *, kind: Kind) -> Iterator[Path]:
    """Write a folder whole or not at all: yields an empty one that takes the place of `out`.

    It raises FilesError as `check_folder` does.
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
        _put_in_place(staged, out, kind)


def write_file(out: Path, content: str | bytes, begins: bytes | None = None) -> None:
    """Write a file whole or not at all, unless `check_file` refuses it."""
    with staged_file(out, begins) as staged:
        staged.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def staged_file(out: Path, begins: bytes | None = None) -> Iterator[Path]:
    """Write a file whole or not at all: yields a name to write to, which becomes `out`.

    It raises FilesError as `check_file` does.
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
        _put_aside(own / "gone", out, kind)


def check_folder(out: Path, kind: Kind) -> None:
    """See that a folder may be made or replaced.

    Raises
    ------
    FilesError
        If it is there, and neither empty nor one of this kind that we wrote, with nothing else in
        it; or a link, a repository, a mount point, or what holds the working folder, the home
        folder, this code or its interpreter.
    """
    if reason := _held_back(out) or _not_ours(out, kind):
        raise FilesError(
            f"{out} is not replaced: {reason}. Name another folder, or remove it yourself"
        )


def check_file(out: Path, begins: bytes | None = None) -> None:
    """See that a file may be made, or replaced: one that begins so, or as its ending stands for.

    Raises
    ------
    FilesError
        If it is a folder, a link, a device, a file of another kind, or would lie in a repository's
        own folder or in one that we wrote whole.
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


def code_digest(package: Path = PACKAGE) -> str:
    """Compute the SHA-256 over the names and digests of a package's .py, .json and .toml files."""
    paths = sorted(path for path in package.rglob("*") if path.suffix in _CODE and path.is_file())
    lines = (
        f"{path.relative_to(package).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in paths
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def clear_leftovers(out: Path) -> None:
    """Remove what killed processes left beside `out`, or put it back where it is all there is."""
    if not out.parent.is_dir():
        return
    ours = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{16}}\.partial")
    for left in [path for path in out.parent.iterdir() if ours.fullmatch(path.name)]:
        held = None if left.is_symlink() else _hold(left)
        if held is not None:
            _discard(left, out)
            os.close(held)


def _other_kind(out: Path, begins: bytes | None) -> str | None:
    if not out.is_file():
        return "it is no plain file"
    if begins is None:
        return f"nothing that ends with {out.suffix!r} is written here"
    with out.open("rb") as opened:
        return None if opened.read(len(begins)) in (begins, b"") else "it holds something else"


def _place(out: Path) -> str | None:
    """Why nothing may be written to a place, whatever is there."""
    if out.is_symlink():
        return "it is a link"
    above = out.resolve().parents
    if ".git" in [folder.name for folder in above]:
        return "git keeps its own there"
    ours = ((folder, kind) for folder in above for kind in get_args(Kind) if _listed(folder, kind))
    return next(
        (f"it lies in {folder}, a {kind} that is written whole" for folder, kind in ours), None
    )


def _held_back(out: Path) -> str | None:
    """Why a folder is not replaced, whatever is in it."""
    real, reason = out.resolve(), _place(out)
    if reason or not real.exists():
        return reason
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
    listed = _listed(out, kind) or {}
    folders = {above.as_posix() for name in listed for above in Path(name).parents}
    for place, inner, files in os.walk(out):
        for name in (*inner, *files):
            path = Path(place) / name
            known = folders if name in inner and not path.is_symlink() else listed
            if path.relative_to(out).as_posix() not in known:
                return f"it holds {path.relative_to(out)}, which was not made by this command"
    return None


def _listed(folder: Path, kind: str) -> dict[str, str] | None:
    """The SHA-256 of the files that a folder of ours says it has; None if it is no such folder.

    That of the list itself is empty.
    """
    name = _LISTS.get(kind, LIST)
    files = {name: ""}
    try:
        content = json.loads((folder / name).read_bytes())
        ours = content.get("kind", kind) == kind and isinstance(content["format"], int)
        for path, entry in content["files"].items():
            files[path] = entry["sha256"] if isinstance(entry, dict) else entry
            ours = ours and bool(_SHA256.fullmatch(files[path]))
        return files if ours else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


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
    # Somebody may take it for a leftover before it is held.
    while held is None:
        own = out.with_name(f".{out.name}.{secrets.token_hex(8)}.partial")
        own.mkdir()
        held = _hold(own)
    try:
        yield own
    finally:
        _discard(own, out)
        os.close(held)


def _discard(own: Path, out: Path) -> None:
    if (own / "old").exists() and not out.exists():
        (own / "old").rename(out)
    shutil.rmtree(own, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for as long as the block lasts; FilesError if another command holds it."""
    handle = _hold(folder)
    if handle is None:
        raise FilesError(f"another command is at work in {folder}: wait until it has ended")
    try:
        yield
    finally:
        os.close(handle)


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


def _put_in_place(staged: Path, out: Path, kind: Kind) -> None:
    if not out.exists():
        staged.rename(out)
    elif _exchange(staged, out):
        # Somebody may have put a file into it since it was looked at.
        if reason := _not_ours(staged, kind):
            _exchange(staged, out)
            raise FilesError(f"{out} is not replaced: {reason}")
        _put_aside(staged, out, kind)
    else:
        check_folder(out, kind)
        old = staged.with_name("old")
        out.rename(old)
        staged.rename(out)
        _put_aside(old, out, kind)
    _sync_one(out.parent)


def _put_aside(old: Path, out: Path, kind: Kind) -> None:
    """Keep a folder whose files are not as we wrote them: damaged, or somebody's own by now."""
    for name, digest in (_listed(old, kind) or {}).items():
        path = old / name
        if digest and path.is_file() and sha256_of(path) != digest:
            aside = out.with_name(f"{out.name}.{secrets.token_hex(4)}.changed")
            old.rename(aside)
            logger.warning("%s had been changed since it was written: it is now %s", out, aside)
            return


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places, so that neither is ever missing; False where nobody can."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    places = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    if rename is None or rename(*places, ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return rename is not None
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _sync(folder: Path) -> None:
    """Have the disk keep everything in a folder, before a name leads to it."""
    for place, _, files in os.walk(folder):
        for name in (*files, "."):
            _sync_one(Path(place) / name)


def _sync_one(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
