"""Provenance of models: the code, the machine, the people, and the model before it.

None of it can stand inside the model: the same data, seed and code give the same model file,
whoever trains it, wherever and whenever. The registry keeps it with the version.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Self, cast

from scoring.data.dataset import MANIFEST, Manifest, manifest_text
from scoring.files import PACKAGE, code_digest
from scoring.registry.mlflow_registry import Registry
from scoring.registry.promotions import RegistryError, now

ENVIRONMENT_FILE = "environment.txt"
_TAG = "provenance."
_TAGGED = ("code_sha256", "commit", "dirty", "parent", "python", "platform", "by", "at")
_GIT_SECONDS = 30


@dataclass(frozen=True)
class Provenance:
    """Code, environment, person and parent of a registered version.

    `commit` and `dirty` (whether the code was other than the commit's) are None where the code is
    in no repository; `parent` is the version that was the champion, None where there was none.
    `packages` holds the version of every installed distribution; `at` is ISO 8601, UTC.
    """

    code_sha256: str
    commit: str | None
    dirty: bool | None
    parent: str | None
    python: str
    platform: str
    packages: Mapping[str, str]
    by: str
    at: str

    @property
    def tags(self) -> dict[str, str]:
        """All but the packages, as tags of a version; empty where something is None."""
        values = {name: getattr(self, name) for name in _TAGGED}
        values["dirty"] = None if self.dirty is None else json.dumps(self.dirty)
        return {f"{_TAG}{name}": value or "" for name, value in values.items()}

    @property
    def environment(self) -> str:
        """Python, platform and packages, as pip reads what is to be installed."""
        comments = [f"# Python {self.python}", f"# {self.platform}"]
        pinned = (f"{name}=={version}" for name, version in self.packages.items())
        return "\n".join([*comments, *pinned]) + "\n"

    @classmethod
    def read(cls, tags: Mapping[str, str], environment: str) -> Self | None:
        """Read `tags` and `environment` back; None where a version has no such tags."""
        known = {name: tags[key] or None for name in _TAGGED if (key := f"{_TAG}{name}") in tags}
        if not known:
            return None
        lines = (line for line in environment.splitlines() if not line.startswith("#"))
        values: dict[str, Any] = known | {"packages": dict(line.split("==", 1) for line in lines)}
        return cls(**values | {"dirty": known["dirty"] and json.loads(known["dirty"])})


def provenance_of(parent: str | None) -> Provenance:
    """Record what a model is made by that is registered now, by the code as it was loaded."""
    commit, dirty = commit_of()
    return Provenance(
        code_sha256=_CODE_AT_START,
        commit=commit,
        dirty=dirty,
        parent=parent,
        python=platform.python_version(),
        platform=platform.platform(),
        packages=_packages(),
        by=_user(),
        at=now(),
    )


# A file that is edited while a model is being trained has had no part in it.
_CODE_AT_START = code_digest()


def commit_of(package: Path = PACKAGE) -> tuple[str | None, bool | None]:
    """Return a package's git commit, and whether its files are other than the commit's.

    Both are None where it belongs to none, or where git is not installed.
    """
    # An installed package may lie inside of a repository that does not know of it.
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None, None
    commit = _git(package, "rev-parse", "--verify", "HEAD")
    changes = _git(package, "status", "--porcelain", "--untracked-files=all", "--", ".")
    if commit is None or changes is None:
        return None, None
    return commit.strip(), bool(changes.strip())


def keep(
    registry: Registry, version: str, name: str, made_by: Provenance, manifest: Manifest
) -> None:
    """Keep with a version what its tags have no room for: packages, and the data's manifest."""
    texts = {ENVIRONMENT_FILE: made_by.environment, MANIFEST: manifest_text(manifest)}
    registry.attach(version, texts, name)


def kept(registry: Registry, version: str) -> Provenance | None:
    """Return what a registered version was made by, None where that was not recorded."""
    return Provenance.read(
        registry.tags(version), registry.attached(version, ENVIRONMENT_FILE) or ""
    )


def kept_manifest(registry: Registry, version: str) -> Manifest | None:
    """Return the manifest of the data that a version learnt from, None where not recorded.

    Raises
    ------
    RegistryError
        If what is kept is damaged.
    """
    text = registry.attached(version, MANIFEST)
    try:
        return None if text is None else cast("Manifest", json.loads(text))
    except ValueError as error:
        raise RegistryError(
            f"{MANIFEST} of version {version} in {registry.folder} is damaged: {error}"
        ) from error


@cache
def _packages() -> Mapping[str, str]:
    # Once a process: to read what a few hundred packages say takes half a second.
    # Of two of a name the first one on the path is imported; what pip left broken has no name.
    versions = {
        item.name.lower(): item.version for item in reversed([*distributions()]) if item.name
    }
    return dict(sorted(versions.items()))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Containers may run under a number that has no name.
        return f"uid {os.getuid()}"


def _git(folder: Path, *words: str) -> str | None:
    """Return git's answer, None where it cannot give one."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
