"""The files of a model's directory, read as what they are until they are checked: anybody's.

Where a file should be there may be a pipe, a device, a link or ten gigabytes. None of it may stop,
fill or mislead whoever looks.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scoring.errors import ScoringError
from scoring.serving.families import file_names
from scoring.serving.strict_json import read_json

FORMAT = 5
SCORER_FILE = "scorer.json"
MANIFEST_FILE = "manifest.json"
PROFILE_FILE = "profile.json"

# The only names that a manifest may hold: nothing outside the folder can be meant.
_FILES = frozenset({SCORER_FILE, PROFILE_FILE}) | file_names()
# A model of 500 features and 600 trees takes a tenth of it.
LARGEST = {".json": 8 * 1024**2, ".txt": 16 * 1024**2}
LARGEST_MODEL = 100 * 1024**2
_MEND = "export the model again, or train one with this code"


class ScorerError(ScoringError):
    """A model directory cannot be used, or features do not fit the model."""


def read_files(held: int) -> dict[str, bytes]:
    """The files of a model by name, read from its open folder, none larger than it may be.

    Raises
    ------
    ScorerError
        If there is anything but plain files of a model's names, or too much of it.
    OSError
        If a file cannot be read, or went away meanwhile.
    """
    files: dict[str, bytes] = {}
    with os.scandir(held) as listing:
        for entry in listing:
            if entry.name not in {MANIFEST_FILE, *_FILES}:
                raise ScorerError(f"{entry.name!r} is no file of a model: {_MEND}")
            files[entry.name] = read_file(entry.name, held)
            if sum(map(len, files.values())) > LARGEST_MODEL:
                raise ScorerError(f"the model is larger than {LARGEST_MODEL:,} bytes")
    return files


def read_file(name: str, folder: int) -> bytes:
    """One file of an open folder, as `read_files` reads it."""
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise ScorerError(f"{name} is no plain file: {_MEND}")
    # Should it have been exchanged meanwhile: nobody waits for who would write into a pipe.
    handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=folder)
    largest = LARGEST[Path(name).suffix]
    with os.fdopen(handle, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ScorerError(f"{name} is larger than {largest:,} bytes, which no model needs")
    return content


def check_manifest(folder: Path) -> dict[str, bytes]:
    """Read every file of a model directory, and compare it with its manifest.

    Returns
    -------
    dict of str to bytes
        The files by name.

    Raises
    ------
    ScorerError
        Naming the first file that is missing, unknown to the manifest, changed, or no plain file
        of a size that a model may have.
    """
    try:
        with held(folder) as handle:
            files = read_files(handle)
    except OSError as error:
        raise ScorerError(f"{folder}: no readable {MANIFEST_FILE}: {error}") from error
    except ScorerError as error:
        raise ScorerError(f"{folder}: {error}") from error
    digests = _digests(folder, files.pop(MANIFEST_FILE, b""))
    strange = [name for name in digests if name not in _FILES]
    strange += [name for name in sorted(files) if name not in digests]
    if strange:
        raise ScorerError(f"{folder}: {strange[0]!r} is no file of a model: {_MEND}")
    for name in sorted({SCORER_FILE, *digests}):
        if name not in files:
            raise ScorerError(f"{folder}: {name} is missing: {_MEND}")
        if digests.get(name) != hashlib.sha256(files[name]).hexdigest():
            raise ScorerError(
                f"{folder}: {name} is not the file that was saved (its SHA-256 differs from the "
                f"manifest): {_MEND}"
            )
    return files


def _digests(folder: Path, manifest: bytes) -> dict[str, str]:
    """The digests that were saved, by file name."""
    try:
        content = read_json(manifest)
        written, digests = content["format"], dict(content["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise ScorerError(f"{folder}: no readable {MANIFEST_FILE}: {error}") from error
    if written != FORMAT:
        raise ScorerError(
            f"{folder}: format {written}, and this code reads format {FORMAT}: {_MEND}"
        )
    return digests


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Open a folder, to see it as it is at one moment.

    An open folder stays the same one when an export renames it, and its files are only removed
    after that: where the name still leads to the open folder at the end, nothing was missed.

    Raises
    ------
    FileNotFoundError
        If it was replaced meanwhile.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
        if not os.path.samestat(folder.stat(), os.fstat(handle)):
            raise FileNotFoundError(f"{folder} was replaced while it was read")
    finally:
        os.close(handle)
