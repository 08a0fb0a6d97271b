"""Where models come from: folders that are exported to, or an MLflow server's aliases."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import tempfile
import time
import urllib.parse
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import islice
from pathlib import Path
from threading import Timer
from typing import Literal, NamedTuple, TypeVar

from scoring.errors import ScoringError
from scoring.files import FilesError, staged_file
from scoring.serving.model_files import (
    LARGEST_MODEL,
    MANIFEST_FILE,
    ScorerError,
    check_manifest,
    held,
    read_file,
    read_files,
)
from scoring.serving.strict_json import read_json

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
_SHA256, _VERSION = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9]{1,18}")
_MARKUP = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL)
_LONGEST_DETAIL = 160
_MENDS = {
    401: "give MODEL_REGISTRY as http://USER:PASSWORD@HOST",
    403: "let it answer this host (mlflow server --allowed-hosts HOST:PORT) or this user",
    404: "MODEL_REGISTRY must be the address of an MLflow server",
    500: "its own log tells more; it is asked again at the next look",
}
# Plain names inside a folder: nothing outside it can be meant.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,4}")
# For a server to answer, however it drips; and for a whole model to arrive, which is less than a
# worker may take for anything.
_SILENCE_SECONDS = 5.0
_MODEL_SECONDS = 25.0
_LARGEST, _LARGEST_ANSWER = LARGEST_MODEL, 1024 * 1024
_MOST_FILES = 200
_PIECE = 64 * 1024
# What a worker that was killed was downloading is nobody's after that time.
_STAGED, _ABANDONED_SECONDS = ".download-", 3600.0
# Downloaded models that are kept: the two in service, and what a rollback would ask for.
_KEPT = 4


class SourceError(ScoringError):
    """A model cannot be had at the moment; it may be at the next look."""


class FoundModel(NamedTuple):
    """A model that a source has.

    Its digest is the SHA-256 of its manifest, empty where there are files and no manifest. Its
    state changes whenever something of it does, for what was broken may have been mended: for a
    registry it is the version.
    """

    digest: str
    state: str


class FolderSource:
    """Folders that `python -m scoring export` writes, one an alias."""

    def __init__(self, folders: Mapping[Alias, Path]) -> None:
        self._folders = folders
        self._last: dict[Alias, FoundModel] = {}

    def find(self, alias: Alias) -> FoundModel | None:
        """Find the model that has an alias, None if none has it.

        The manifest is read only if a file's state has changed. Raises SourceError if nobody can
        tell at the moment.
        """
        folder = self._folders[alias]
        looks = _LOOKS if alias in self._last else 1
        try:
            with _readable(folder):
                return _patiently(lambda: self._look(alias, folder), looks)
        except _MissingError:
            self._last.pop(alias, None)
            return None

    def _look(self, alias: Alias, folder: Path) -> FoundModel:
        with held(folder) as handle:
            state = _state(handle)
            last = self._last.get(alias)
            if last is not None and last.state == state:
                return last
            digest = _digest(handle)
        model = self._last[alias] = FoundModel(digest, state)
        return model

    def remembered(self, alias: Alias) -> FoundModel | None:
        """Find the model that an alias had last, for when nobody can tell: a folder always can."""
        del alias
        return None

    @contextmanager
    def fetched(self, alias: Alias, model: FoundModel) -> Iterator[Path]:
        """Give a folder with a model that was found, unchanged until the context ends.

        It is a copy, since an export may replace the folder meanwhile. Raises SourceError if the
        model cannot be had now, or is another one now, and ScorerError if it is not what it was.
        """
        folder = self._folders[alias]
        with tempfile.TemporaryDirectory() as own:
            copy = Path(own) / "model"
            try:
                with _readable(folder):
                    digest = _patiently(lambda: _copy(folder, copy), _LOOKS)
                if digest != model.digest:
                    raise SourceError(f"{folder} was replaced or removed while it was read")
                yield copy
            except _MissingError as error:
                raise SourceError(f"{folder} was replaced or removed while it was read") from error
            except ScorerError as error:
                # Nobody finds the copy that it names.
                detail = str(error).removeprefix(f"{copy}: ")
                raise ScorerError(f"{folder}: {detail}") from error


class RegistrySource:
    """An MLflow server, asked over HTTP.

    Parameters
    ----------
    uri
        Its address, with `user:password@` before the host where it asks for them. Nothing else
        is ever fetched: neither what a model's description names nor where a redirection leads.
    name
        The registered model.
    cache
        A folder where models are kept by digest, shared by the workers.

    Raises
    ------
    SourceError
        If the address is not one of HTTP.
    """

    def __init__(self, uri: str, name: str, cache: Path) -> None:
        try:
            parts = urllib.parse.urlsplit(uri)
            port = parts.port
        except ValueError as error:
            raise SourceError(f"MODEL_REGISTRY is no http:// address: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceError("MODEL_REGISTRY must be an http:// or https:// address")
        host = parts.netloc.rpartition("@")[2]
        self._path = parts.path.rstrip("/")
        self._uri = urllib.parse.urlunsplit((parts.scheme, host, self._path, "", ""))
        self._secure = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = parts.hostname, port or (443 if self._secure else 80)
        self._headers = _credentials(parts.username, parts.password)
        self._name = name
        self._cache = cache

    def find(self, alias: Alias) -> FoundModel | None:
        """As `FolderSource.find`: what the registry noted of the version's manifest."""
        query = urllib.parse.urlencode({"name": self._name, "alias": alias})
        path = f"{_API}/registered-models/alias?{query}"
        try:
            answer = self._bytes(path, time.monotonic() + _SILENCE_SECONDS, _LARGEST_ANSWER)
        except _MissingError:
            return None
        try:
            version = read_json(answer)["model_version"]
            tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
            model = FoundModel(str(tags.get("manifest_sha256")), str(version["version"]))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise SourceError(f"{self._uri}{path} is not what MLflow answers") from error
        if not _VERSION.fullmatch(model.state):
            raise SourceError(f"{self._uri}{path} is not what MLflow answers")
        if not _SHA256.fullmatch(model.digest):
            raise SourceError(
                f"version {model.state} of {self._name} was registered without manifest_sha256: "
                "train the model again"
            )
        return model

    def remembered(self, alias: Alias) -> FoundModel | None:
        """Find the model that an alias had last, if it is still in the cache."""
        try:
            with held(self._cache) as handle:
                digest, state = read_json(read_file(f"{alias}.json", handle)).values()
            # It becomes the name of a folder.
            sound = _SHA256.fullmatch(digest) and _VERSION.fullmatch(state)
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return FoundModel(digest, state) if sound and self._has(digest) else None

    @contextmanager
    def fetched(self, alias: Alias, model: FoundModel) -> Iterator[Path]:
        """As `FolderSource.fetched`: from the cache, downloaded if it is not whole there."""
        folder = self._cache / model.digest
        with _readable(self._cache):
            self._cache.mkdir(parents=True, exist_ok=True)
            with self._locked():
                whole = self._has(model.digest)
            if not whole:
                self._replace(folder, model)
            with self._locked():
                os.utime(folder)
                self._forget_others(folder)
        yield folder
        # Only a start without the registry needs the note.
        with suppress(OSError, FilesError), staged_file(self._cache / f"{alias}.json") as note:
            note.write_text(json.dumps(model._asdict()), encoding="utf-8")

    def _has(self, digest: str) -> bool:
        """Tell whether the very model is in the cache, and whole."""
        try:
            check_manifest(self._cache / digest)
            with held(self._cache / digest) as handle:
                return _digest(handle) == digest
        except (ScorerError, OSError):
            return False

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one worker at a time change the cache; it is never held while a server is asked."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW
        handle = os.open(self._cache / ".lock", flags, 0o600)
        try:
            until = time.monotonic() + _SILENCE_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(_PAUSE_SECONDS)
            yield
        finally:
            os.close(handle)

    def _replace(self, folder: Path, model: FoundModel) -> None:
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=_STAGED) as own:
            staged = Path(own) / "model"
            self._download(model, staged)
            check_manifest(staged)
            with self._locked():
                # Another worker may have been quicker.
                if not self._has(model.digest):
                    _remove(folder)
                    staged.rename(folder)

    def _download(self, model: FoundModel, folder: Path) -> None:
        until = time.monotonic() + _MODEL_SECONDS
        description = self._file(model, _DESCRIPTION, until, _LARGEST_ANSWER)
        inside = _DATA.search(description.decode(errors="replace"))
        if inside is None or not _PLAIN.fullmatch(inside[1]):
            raise ScorerError(f"version {model.state} of {self._name} is no Scorer")
        manifest = self._file(model, f"{inside[1]}/{MANIFEST_FILE}", until, _LARGEST_ANSWER)
        if hashlib.sha256(manifest).hexdigest() != model.digest:
            raise ScorerError(
                f"the files of {self._name} version {model.state} are not those that were "
                f"registered ({MANIFEST_FILE} differs): train the model again"
            )
        folder.mkdir()
        (folder / MANIFEST_FILE).write_bytes(manifest)
        left = _LARGEST
        for name in _names(manifest):
            content = self._file(model, f"{inside[1]}/{name}", until, _LARGEST)
            left -= len(content)
            if left < 0:
                raise ScorerError(f"the model is larger than {_LARGEST:,} bytes")
            (folder / name).write_bytes(content)

    def _forget_others(self, folder: Path) -> None:
        """Remove models that nobody has fetched for the longest time."""
        folders = (path.parent for path in self._cache.glob(f"*/{MANIFEST_FILE}"))
        models = [path for path in folders if _SHA256.fullmatch(path.name)]
        models.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for old in models[_KEPT:]:
            if old != folder:
                _remove(old)
        for left in self._cache.glob(f"{_STAGED}*"):
            # Its worker may be done with it at any moment, and remove it without the lock.
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    _remove(left)

    def _file(self, model: FoundModel, path: str, until: float, largest: int) -> bytes:
        query = urllib.parse.urlencode({"name": self._name, "version": model.state, "path": path})
        return self._bytes(f"{_FILES}?{query}", until, largest)

    def _bytes(self, path: str, until: float, largest: int) -> bytes:
        address = f"{self._uri}{path}"
        try:
            with self._asked(f"{self._path}{path}", until) as response:
                body = _read(response, address, until, largest)
        except (OSError, HTTPException) as error:
            late = "timed out: " if time.monotonic() >= until else ""
            raise SourceError(f"{address}: {late}{error} (is the server up?)") from error
        if response.status != 200:
            kind = _MissingError if _is_missing(response.status, body) else SourceError
            detail = _refusal(response.status, response.reason, body)
            raise kind(f"{address}: HTTP {response.status} {detail}")
        return body

    @contextmanager
    def _asked(self, path: str, until: float) -> Iterator[HTTPResponse]:
        """Ask the address itself for something; redirections are not followed.

        A server that drips never lets a single wait run out: the connection is cut in the end.
        """
        patience = min(max(until - time.monotonic(), 0.001), _SILENCE_SECONDS)
        with socket.create_connection(self._address, patience) as plain, plain.dup() as other:
            cut = Timer(max(until - time.monotonic(), 0.0), _cut, [other])
            cut.daemon = True
            cut.start()
            connection = HTTPConnection(*self._address)
            try:
                connection.sock = (
                    self._secure.wrap_socket(plain, server_hostname=self._address[0])
                    if self._secure
                    else plain
                )
                connection.request("GET", path, headers=self._headers)
                yield connection.getresponse()
            finally:
                cut.cancel()
                connection.close()


ModelSource = FolderSource | RegistrySource


class _MissingError(SourceError):
    """There is nothing of that name."""


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = ":".join(urllib.parse.unquote(text) for text in (user, password or ""))
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _is_missing(status: int, body: bytes) -> bool:
    """Tell whether MLflow says that there is none; to it an unknown alias is a wrong parameter."""
    try:
        answer = read_json(body)
        if status == 404:
            return bool(answer["error_code"] == "RESOURCE_DOES_NOT_EXIST")
        return status == 400 and "alias" in answer["message"] and "not found" in answer["message"]
    except (ValueError, KeyError, TypeError):
        return False


def _refusal(status: int, reason: str, body: bytes) -> str:
    """Quote the first line of a refusal without its markup, and say what can be done about it."""
    text = body.decode(errors="replace")
    with suppress(ValueError, KeyError, TypeError):
        text = str(read_json(body)["message"])
    lines = (" ".join(line.split()) for line in _MARKUP.sub("", text).splitlines())
    first = next(filter(None, lines), reason)[:_LONGEST_DETAIL]
    mend = _MENDS.get(status, _MENDS[500] if status >= 500 else _MENDS[404])
    return f"({first}): {mend}"


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _remove(path: Path) -> None:
    """Remove whatever stands where a folder should."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _read(response: HTTPResponse, address: str, until: float, largest: int) -> bytes:
    """Read a whole answer; one that is cut short is an error, not a shorter answer."""
    body = bytearray()
    while piece := response.read1(_PIECE):
        body += piece
        if len(body) > largest:
            raise SourceError(f"{address} is larger than {largest:,} bytes")
    if time.monotonic() >= until:
        raise SourceError(f"{address} timed out: it arrives too slowly")
    length = response.headers.get("Content-Length", str(len(body)))
    if length != str(len(body)):
        raise SourceError(f"{address} was cut short: {len(body)} of {length} bytes")
    return bytes(body)


def _names(manifest: bytes) -> list[str]:
    """List the files that a manifest names; ScorerError if any is no plain file of a model."""
    try:
        names = [str(name) for name in read_json(manifest)["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ScorerError(f"no readable {MANIFEST_FILE}: {error}") from error
    if len(names) > _MOST_FILES:
        raise ScorerError(f"a model of {len(names)} files: {_MOST_FILES} are the most")
    for name in names:
        if "/" in name or not _PLAIN.fullmatch(name):
            raise ScorerError(f"{name!r} is no file of a model")
    return names


def _state(handle: int) -> str:
    """Describe the files of an open folder by what changes with them: cheaper than to read them."""
    files: list[tuple[object, ...]] = []
    with os.scandir(handle) as listing:
        for entry in islice(listing, _MOST_FILES):
            stat = entry.stat(follow_symlinks=False)
            files.append((entry.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    if not files:
        raise FileNotFoundError("the folder is empty")
    return repr((os.fstat(handle).st_ino, sorted(files)))


def _copy(folder: Path, copy: Path) -> str:
    """Copy a folder as it is at one moment, and tell its digest."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    with held(folder) as handle:
        for name, content in read_files(handle).items():
            (copy / name).write_bytes(content)
        return _digest(handle)


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


def _digest(handle: int) -> str:
    """Compute the digest of an open folder's manifest; empty where none can be read."""
    try:
        return hashlib.sha256(read_file(MANIFEST_FILE, handle)).hexdigest()
    except (ScorerError, FileNotFoundError):
        return ""
