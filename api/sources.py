"""Where models come from: folders that are exported to, or an MLflow server's aliases."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from scoring.dataset import staged_folder
from scoring.errors import ScoringError
from scoring.scorer import MANIFEST_FILE

Alias = Literal["champion", "challenger"]

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SECONDS = 10.0
_LARGEST = 100 * 1024 * 1024


class SourceError(ScoringError):
    """A model cannot be fetched."""


class Found(NamedTuple):
    """A model that a source has.

    Attributes
    ----------
    digest : str
        SHA-256 of its manifest.
    state : str
        Changes whenever a file of it does: what was broken may have been mended.
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

    def fetched(self, alias: Alias, digest: str) -> AbstractContextManager[Path]:
        """A folder with the model of that digest, there until the context ends.

        Raises
        ------
        SourceError
            If it cannot be had, or is another one.
        """


class FolderSource:
    """Folders that `python -m scoring export` writes, one an alias."""

    def __init__(self, folders: Mapping[Alias, Path]) -> None:
        self._folders = folders

    def find(self, alias: Alias) -> Found | None:
        """As `ModelSource.find`."""
        folder = self._folders[alias]
        try:
            digest = _digest((folder / MANIFEST_FILE).read_bytes())
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            state = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"{folder} cannot be read: {error}") from error
        return Found(digest, repr(state))

    @contextmanager
    def fetched(self, alias: Alias, digest: str) -> Iterator[Path]:
        """A copy: an export may put another model in the folder's place meanwhile."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "model"
            try:
                shutil.copytree(self._folders[alias], copy)
            except (OSError, shutil.Error) as error:
                raise SourceError(f"{self._folders[alias]} cannot be read: {error}") from error
            _check(copy, digest)
            yield copy


class RegistrySource:
    """An MLflow server, asked over HTTP.

    Parameters
    ----------
    uri : str
        Its address; nothing else is ever fetched.
    name : str
        The registered model.
    cache : Path
        A folder where models are kept by digest.

    Raises
    ------
    SourceError
        If the address is not one of HTTP.
    """

    def __init__(self, uri: str, name: str, cache: Path) -> None:
        if urllib.parse.urlsplit(uri).scheme not in ("http", "https"):
            raise SourceError(f"MODEL_REGISTRY must be an http:// or https:// address, not {uri!r}")
        self._uri = uri.rstrip("/")
        self._name = name
        self._cache = cache

    def find(self, alias: Alias) -> Found | None:
        """As `ModelSource.find`: what the registry noted of the version's manifest."""
        version = self._version(alias)
        if version is None:
            return None
        tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
        noted = tags.get("manifest_sha256")
        if not noted:
            raise SourceError(
                f"version {version['version']} of {self._name} was registered without "
                "manifest_sha256: train the model again"
            )
        return Found(str(noted), str(version["version"]))

    @contextmanager
    def fetched(self, alias: Alias, digest: str) -> Iterator[Path]:
        """The model from the cache, downloaded if it is not there yet."""
        folder = self._cache / digest
        if not (folder / MANIFEST_FILE).exists():
            version = self._version(alias)
            if version is None:
                raise SourceError(f"no version of {self._name} is {alias!r} any more")
            self._download(str(version["version"]), folder)
        _check(folder, digest)
        yield folder

    def _version(self, alias: Alias) -> dict[str, Any] | None:
        query = urllib.parse.urlencode({"name": self._name, "alias": alias})
        try:
            found = self._json(f"{_API}/registered-models/alias?{query}")
        except _MissingError:
            return None
        version: dict[str, Any] = found["model_version"]
        return version

    def _download(self, version: str, folder: Path) -> None:
        query = urllib.parse.urlencode({"name": self._name, "version": version})
        found = self._json(f"{_API}/model-versions/get-download-uri?{query}")
        scheme, _, root = str(found["artifact_uri"]).partition(":/")
        if scheme != "mlflow-artifacts":
            raise SourceError(
                f"version {version} is kept at {scheme}:, out of the server's reach: start it with "
                "--artifacts-destination and register the model through it"
            )
        files = list(self._files(root.lstrip("/")))
        data = next((name.removesuffix(MANIFEST_FILE) for name in files
                     if name.endswith(f"/{MANIFEST_FILE}")), None)  # fmt: skip
        if data is None:
            raise SourceError(f"version {version} of {self._name} is no Scorer")
        try:
            with staged_folder(folder, marker=MANIFEST_FILE) as staged:
                for name in (name for name in files if name.startswith(data)):
                    path = staged / name.removeprefix(data)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(self._bytes(f"{_ARTIFACTS}/{urllib.parse.quote(name)}"))
        except OSError as error:
            raise SourceError(f"{folder} cannot be written: {error}") from error

    def _files(self, root: str, depth: int = 6) -> Iterator[str]:
        """Every file below a folder of the server's artifacts."""
        query = urllib.parse.urlencode({"path": root})
        for item in self._json(f"{_ARTIFACTS}?{query}").get("files", ()):
            name = str(item["path"])
            if not _PLAIN.fullmatch(name):
                raise SourceError(f"{self._uri} lists a file {name!r}, which is no plain name")
            if not item["is_dir"]:
                yield f"{root}/{name}"
            elif depth:
                yield from self._files(f"{root}/{name}", depth - 1)

    def _json(self, path: str) -> dict[str, Any]:
        try:
            found = json.loads(self._bytes(path))
        except ValueError as error:
            raise SourceError(f"{self._uri}{path} is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise SourceError(f"{self._uri}{path} is not what MLflow answers")
        return found

    def _bytes(self, path: str) -> bytes:
        address = f"{self._uri}{path}"
        try:
            with urllib.request.urlopen(address, timeout=_SECONDS) as response:  # noqa: S310
                body: bytes = response.read(_LARGEST + 1)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise _MissingError(f"{address} is not there") from error
            raise SourceError(f"{address}: {error}") from error
        except OSError as error:
            raise SourceError(f"{address}: {error}") from error
        if len(body) > _LARGEST:
            raise SourceError(f"{address} is larger than {_LARGEST:,} bytes")
        return body


class _MissingError(SourceError):
    """There is nothing of that name."""


def _check(folder: Path, digest: str) -> None:
    try:
        found = _digest((folder / MANIFEST_FILE).read_bytes())
    except OSError as error:
        raise SourceError(f"{folder}: {error}") from error
    if found != digest:
        raise SourceError("the model was replaced while it was read")


def _digest(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()
