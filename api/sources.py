"""Where models come from: folders that are exported to, or an MLflow server's aliases."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Protocol, TypeVar

from scoring.errors import ScoringError
from scoring.files import staged_file
from scoring.scorer import MANIFEST_FILE, ScorerError, check_manifest

Alias = Literal["champion", "challenger"]
T = TypeVar("T")

# An export replaces a folder in two steps; what falls between them is looked at again.
_LOOKS = 5
_PAUSE_SECONDS = 0.02

_API = "/api/2.0/mlflow"
_FILES = "/model-versions/get-artifact"
_DESCRIPTION = "MLmodel"
# Where a description says that our own files are inside the logged model.
_DATA = re.compile(r"^\s+data: (\S+)$", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Plain names inside a folder: nothing outside it can be meant.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,4}")
# For a server to say something; and for a whole model to arrive, however slowly it trickles.
_SILENCE_SECONDS = 5.0
_MODEL_SECONDS = 60.0
_LARGEST = 100 * 1024 * 1024
_MOST_FILES = 200
_PIECE = 64 * 1024
# Downloaded models that are kept: the two in service, and what a rollback would ask for.
_KEPT = 4


class SourceError(ScoringError):
    """A model cannot be had at the moment; it may be at the next look."""


class Found(NamedTuple):
    """A model that a source has.

    Attributes
    ----------
    digest : str
        SHA-256 of its manifest; empty where there are files and no manifest.
    state : str
        Changes whenever something of it does: what was broken may have been mended. For a
        registry it is the version.
    """

    digest: str
    state: str


class ModelSource(Protocol):
    """Where models come from."""

    def find(self, alias: Alias) -> Found | None:
        """Tell which model has an alias, None if none has it.

        Raises
        ------
        SourceError
            If nobody can tell at the moment.
        """

    def remembered(self, alias: Alias) -> Found | None:
        """The model that had an alias when it was fetched last, for when nobody can tell."""

    def fetched(self, alias: Alias, found: Found) -> AbstractContextManager[Path]:
        """A folder with a model that was found, there and unchanged until the context ends.

        Raises
        ------
        SourceError
            If it cannot be had now, or is another one now.
        ScorerError
            If it is not what was registered.
        """


class FolderSource:
    """Folders that `python -m scoring export` writes, one an alias.

    Parameters
    ----------
    folders : mapping of str to Path
        By alias.
    """

    def __init__(self, folders: Mapping[Alias, Path]) -> None:
        self._folders = folders
        self._last: dict[Alias, Found] = {}

    def find(self, alias: Alias) -> Found | None:
        """As `ModelSource.find`; the manifest is read only if a file's state has changed."""
        folder = self._folders[alias]
        looks = _LOOKS if alias in self._last else 1
        try:
            with _readable(folder):
                return _patiently(lambda: self._look(alias, folder), looks)
        except _MissingError:
            self._last.pop(alias, None)
            return None

    def _look(self, alias: Alias, folder: Path) -> Found:
        with _held(folder) as held:
            state = _state(held)
            last = self._last.get(alias)
            if last is not None and last.state == state:
                return last
            digest = _digest(held)
        found = self._last[alias] = Found(digest, state)
        return found

    def remembered(self, alias: Alias) -> Found | None:
        """None: a folder can always tell."""
        del alias
        return None

    @contextmanager
    def fetched(self, alias: Alias, found: Found) -> Iterator[Path]:
        """As `ModelSource.fetched`: a copy, since an export may replace the folder meanwhile."""
        folder = self._folders[alias]
        with tempfile.TemporaryDirectory() as own:
            copy = Path(own) / "model"
            try:
                with _readable(folder):
                    digest = _patiently(lambda: _copy(folder, copy), _LOOKS)
            except _MissingError as error:
                raise SourceError(f"{folder} was replaced or removed while it was read") from error
            if digest != found.digest:
                raise SourceError(f"{folder} was replaced or removed while it was read")
            try:
                yield copy
            except ScorerError as error:
                # Nobody finds the copy that it names.
                raise ScorerError(str(error).replace(str(copy), str(folder))) from error


class RegistrySource:
    """An MLflow server, asked over HTTP.

    Parameters
    ----------
    uri : str
        Its address, with `user:password@` before the host where it asks for them. Nothing else
        is ever fetched: neither what a model's description names nor where a redirection leads.
    name : str
        The registered model.
    cache : Path
        A folder where models are kept by digest, shared by the workers.

    Raises
    ------
    SourceError
        If the address is not one of HTTP.
    """

    def __init__(self, uri: str, name: str, cache: Path) -> None:
        parts = urllib.parse.urlsplit(uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceError("MODEL_REGISTRY must be an http:// or https:// address")
        host = parts.netloc.rpartition("@")[2]
        self._uri = urllib.parse.urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._headers = _credentials(parts.username, parts.password)
        self._opener = urllib.request.build_opener(_NoRedirection())
        self._name = name
        self._cache = cache

    def find(self, alias: Alias) -> Found | None:
        """As `ModelSource.find`: what the registry noted of the version's manifest."""
        query = urllib.parse.urlencode({"name": self._name, "alias": alias})
        path = f"{_API}/registered-models/alias?{query}"
        try:
            answer = self._bytes(path, time.monotonic() + _SILENCE_SECONDS)
        except _MissingError:
            return None
        try:
            version = json.loads(answer)["model_version"]
            tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
            found = Found(str(tags.get("manifest_sha256")), str(version["version"]))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise SourceError(f"{self._uri}{path} is not what MLflow answers") from error
        if not _SHA256.fullmatch(found.digest):
            raise SourceError(
                f"version {found.state} of {self._name} was registered without manifest_sha256: "
                "train the model again"
            )
        return found

    def remembered(self, alias: Alias) -> Found | None:
        """As `ModelSource.remembered`, if it is still in the cache."""
        try:
            found = Found(**json.loads(self._note(alias).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if (self._cache / found.digest / MANIFEST_FILE).is_file() else None

    @contextmanager
    def fetched(self, alias: Alias, found: Found) -> Iterator[Path]:
        """As `ModelSource.fetched`: from the cache, downloaded if it is not whole there."""
        with _readable(self._cache):
            folder = self._cache / found.digest
            with self._locked():
                if not _is_whole(folder):
                    self._replace(folder, found)
                os.utime(folder)
                self._forget_others(folder)
        yield folder
        with _readable(self._cache), self._locked(), staged_file(self._note(alias)) as note:
            note.write_text(json.dumps(found._asdict()), encoding="utf-8")

    def _note(self, alias: Alias) -> Path:
        return self._cache / f"{alias}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One worker downloads; the others find what it has downloaded."""
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _replace(self, folder: Path, found: Found) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=".") as own:
            staged = Path(own) / "model"
            self._download(found, staged)
            check_manifest(staged)
            staged.rename(folder)

    def _download(self, found: Found, folder: Path) -> None:
        until = time.monotonic() + _MODEL_SECONDS
        inside = _DATA.search(self._file(found, _DESCRIPTION, until).decode(errors="replace"))
        if inside is None or not _PLAIN.fullmatch(inside[1]):
            raise ScorerError(f"version {found.state} of {self._name} is no Scorer")
        manifest = self._file(found, f"{inside[1]}/{MANIFEST_FILE}", until)
        if hashlib.sha256(manifest).hexdigest() != found.digest:
            raise ScorerError(
                f"the files of {self._name} version {found.state} are not those that were "
                f"registered ({MANIFEST_FILE} differs): train the model again"
            )
        folder.mkdir()
        (folder / MANIFEST_FILE).write_bytes(manifest)
        left = _LARGEST
        for name in _names(manifest):
            content = self._file(found, f"{inside[1]}/{name}", until)
            left -= len(content)
            if left < 0:
                raise ScorerError(f"the model is larger than {_LARGEST:,} bytes")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _forget_others(self, folder: Path) -> None:
        """Remove models that nobody has fetched for the longest time."""
        found = (path.parent for path in self._cache.glob(f"*/{MANIFEST_FILE}"))
        models = [path for path in found if _SHA256.fullmatch(path.name)]
        models.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for old in models[_KEPT:]:
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)

    def _file(self, found: Found, path: str, until: float) -> bytes:
        query = urllib.parse.urlencode({"name": self._name, "version": found.state, "path": path})
        return self._bytes(f"{_FILES}?{query}", until)

    def _bytes(self, path: str, until: float) -> bytes:
        address = f"{self._uri}{path}"
        request = urllib.request.Request(address, headers=self._headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_SILENCE_SECONDS) as response:
                return _read(response, address, until)
        except urllib.error.HTTPError as error:
            with error:
                kind = _MissingError if _is_missing(error) else SourceError
            raise kind(f"{address}: {error}") from error
        except (OSError, HTTPException) as error:
            raise SourceError(f"{address}: {error}") from error


class _MissingError(SourceError):
    """There is nothing of that name."""


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """Leaves an answer that leads elsewhere as the error that it is."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = ":".join(urllib.parse.unquote(text) for text in (user, password or ""))
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _is_missing(error: urllib.error.HTTPError) -> bool:
    """Whether MLflow says so; for an alias that nothing has it is a wrong parameter to it."""
    if error.code != 400:
        return error.code == 404
    try:
        told = json.loads(error.read(_PIECE))
        return "alias" in told["message"] and "not found" in told["message"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return False


def _read(response: Any, address: str, until: float) -> bytes:
    """A whole answer; one that is cut short is an error, not a shorter answer."""
    body = bytearray()
    while piece := response.read1(_PIECE):
        body += piece
        if len(body) > _LARGEST:
            raise SourceError(f"{address} is larger than {_LARGEST:,} bytes")
        if time.monotonic() > until:
            raise SourceError(f"{address} arrives too slowly")
    told = response.headers.get("Content-Length", str(len(body)))
    if told != str(len(body)):
        raise SourceError(f"{address} was cut short: {len(body)} of {told} bytes")
    return bytes(body)


def _names(manifest: bytes) -> list[str]:
    """The files that a manifest names.

    Raises
    ------
    ScorerError
        If it is none, or names anything but plain files of a model.
    """
    try:
        names = [str(name) for name in json.loads(manifest)["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ScorerError(f"no readable {MANIFEST_FILE}: {error}") from error
    if len(names) > _MOST_FILES:
        raise ScorerError(f"a model of {len(names)} files: {_MOST_FILES} are the most")
    for name in names:
        if not _PLAIN.fullmatch(name):
            raise ScorerError(f"{name!r} is no file of a model")
    return names


def _is_whole(folder: Path) -> bool:
    try:
        check_manifest(folder)
    except ScorerError:
        return False
    return True


@contextmanager
def _held(folder: Path) -> Iterator[int]:
    """Open a folder, to see it as it is at one moment.

    An open folder stays the same one when an export renames it, and its files are only removed
    after that: where the name still leads to the open folder at the end, nothing was missed.

    Raises
    ------
    FileNotFoundError
        If it was replaced meanwhile.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield held
        if not os.path.samestat(folder.stat(), os.fstat(held)):
            raise FileNotFoundError(f"{folder} was replaced while it was read")
    finally:
        os.close(held)


def _state(held: int) -> str:
    """What changes when a file of an open folder does: cheaper than to read it."""
    found: list[object] = [os.fstat(held).st_ino]
    for place, folders, names, inside in os.fwalk(".", dir_fd=held):
        folders.sort()
        for name in sorted(names):
            stat = os.stat(name, dir_fd=inside)
            found.append((place, name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    if len(found) == 1:
        raise FileNotFoundError("the folder is empty")
    return repr(found)


def _copy(folder: Path, copy: Path) -> str:
    """Copy a folder as it is at one moment, and tell its digest.

    Raises
    ------
    FileNotFoundError
        If it was replaced meanwhile.
    """
    shutil.rmtree(copy, ignore_errors=True)
    with _held(folder) as held:
        for place, _, names, inside in os.fwalk(".", dir_fd=held):
            (copy / place).mkdir()
            for name in names:
                with _opened(name, inside) as source, (copy / place / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
        return _digest(held)


def _opened(name: str, inside: int) -> IO[bytes]:
    return os.fdopen(os.open(name, os.O_RDONLY, dir_fd=inside), "rb")


def _patiently(look: Callable[[], T], looks: int) -> T:
    """Look again at what is not there, before believing it."""
    for _ in range(looks - 1):
        try:
            return look()
        except FileNotFoundError:
            time.sleep(_PAUSE_SECONDS)
    return look()


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Raise what the file system says as an error of the source."""
    try:
        yield
    except FileNotFoundError as error:
        raise _MissingError(f"{folder} cannot be read: {error}") from error
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error}") from error


def _digest(held: int) -> str:
    """The digest of an open folder's manifest; empty where it has none."""
    if MANIFEST_FILE not in os.listdir(held):
        return ""
    with _opened(MANIFEST_FILE, held) as manifest:
        return hashlib.sha256(manifest.read()).hexdigest()
