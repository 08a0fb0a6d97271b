"""Datasets kept by what is in them: a model's exact training set can be named, checked, restored.

`objects/` holds every file once, named by its SHA-256; `versions/` says for each dataset, by its
digest, which files it has and what it was made from.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import polars as pl

from scoring.data.dataset import (
    LINKS,
    MANIFEST,
    Dataset,
    FileEntry,
    Manifest,
    manifest_text,
    table_of,
    write_rows,
)
from scoring.data.tables import APPLICATION, BUREAU_BALANCE
from scoring.errors import ScoringError
from scoring.files import sha256_of, staged_file, staged_folder

_FOLDER = "data"
_SHORTEST = 6


class DataVersionError(ScoringError):
    """A dataset that is not kept, or whose files are not what they were."""


@dataclass(frozen=True)
class Addition:
    """Labelled decisions that were added to a dataset.

    Attributes
    ----------
    parent : str
        The digest of the dataset that they were added to.
    decisions : int
        How many.
    since, until : str
        When the first and the last of them was taken (ISO 8601).
    """

    parent: str
    decisions: int
    since: str
    until: str


@dataclass(frozen=True)
class DataVersion:
    """A dataset that is kept.

    Attributes
    ----------
    digest : str
        As `Dataset.digest` gives it.
    kept_at : str
        When it was first kept (ISO 8601).
    manifest : Manifest
        Its files with their rows and SHA-256.
    made_from : Addition or None
        Where it comes from, if from another version.
    erased : int
        How many applicants' rows were taken out of it since: it is named by what it was.
    """

    digest: str
    kept_at: str
    manifest: Manifest
    made_from: Addition | None = None
    erased: int = 0


class DataVersions:
    """Datasets in a folder, which is made when the first of them is kept."""

    def __init__(self, folder: Path) -> None:
        self._objects, self._versions = folder / "objects", folder / "versions"

    @classmethod
    def beside(cls, models: Path) -> Self:
        """The datasets of the models in a registry's folder."""
        return cls(models / _FOLDER)

    def keep(self, dataset: Dataset, made_from: Addition | None = None) -> DataVersion:
        """Copy a dataset's files, those that are not there yet.

        Raises
        ------
        DataVersionError
            If a file is not the one that the dataset's manifest tells of.
        """
        # Applicants' rows are nobody else's to read.
        for folder in (self._objects, self._versions):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        if not (self._versions / f"{dataset.digest}.json").is_file():
            for name, file in dataset.manifest["files"].items():
                self._copy(dataset.folder / name, file["sha256"])
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._write(DataVersion(dataset.digest, now, dataset.manifest, made_from))
        return self.find(dataset.digest)

    def known(self) -> list[DataVersion]:
        """Every version, in the order in which they were kept."""
        versions = [self._read(path) for path in self._versions.glob("*.json")]
        return sorted(versions, key=lambda version: (version.kept_at, version.digest))

    def find(self, digest: str) -> DataVersion:
        """A version by its digest, or by as much of its beginning as no other has.

        Raises
        ------
        DataVersionError
            If there is none, or more than one.
        """
        if len(digest) < _SHORTEST:
            raise DataVersionError(
                f"{digest!r} is too short for a digest: give at least {_SHORTEST} characters"
            )
        kept = self._versions.glob("*.json")
        paths = [path for path in kept if path.stem.startswith(digest.lower())]
        if len(paths) != 1:
            raise DataVersionError(
                f"{len(paths) or 'no'} datasets with the digest {digest!r} are kept in "
                f"{self._versions.parent}: `python -m scoring data list` tells which there are"
            )
        return self._read(paths[0])

    def check(self, digest: str) -> DataVersion:
        """Read every file of a version anew.

        Raises
        ------
        DataVersionError
            If one is gone, or is not what was kept.
        """
        version = self.find(digest)
        for name, file in version.manifest["files"].items():
            kept = self._objects / file["sha256"]
            if not kept.is_file() or sha256_of(kept) != file["sha256"]:
                state = "not what was kept" if kept.is_file() else "gone"
                raise DataVersionError(
                    f"{name} of dataset {version.digest[:12]} is {state} ({kept}): keep the "
                    "dataset again from where it came from, after removing what is left of that "
                    "file"
                )
        return version

    def restore(self, digest: str, out: Path) -> Dataset:
        """Write a version out as a dataset's folder, whole or not at all.

        Raises
        ------
        DataVersionError
            If it is not kept, or damaged.
        """
        version = self.check(digest)
        with staged_folder(out, kind="dataset") as staged:
            for name, file in version.manifest["files"].items():
                (staged / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(self._objects / file["sha256"], staged / name)
            _write_manifest(staged, version)
        return Dataset.open(out)

    def about(self, numbers: Sequence[int]) -> dict[str, dict[str, pl.DataFrame]]:
        """The rows about some applicants (SK_ID_CURR), by a version's digest and a file's name."""
        known: dict[str, dict[str, pl.DataFrame]] = {}
        for version in self.known():
            files = version.manifest["files"]
            keys = {link: pl.Series(dtype=pl.Int32) for link in LINKS.values()}
            keys[APPLICATION.link] = pl.Series(numbers, dtype=pl.Int32)
            # The loans of bureau come before what hangs on them.
            for name in sorted(files, key=lambda file: [*LINKS].index(table_of(file))):
                link = LINKS[table_of(name)]
                own = pl.scan_parquet(self._objects / files[name]["sha256"], glob=False)
                rows = own.filter(pl.col(link).is_in(keys[link].implode())).collect()
                if table_of(name) == "bureau":
                    keys[BUREAU_BALANCE.link].append(rows[BUREAU_BALANCE.link])
                if rows.height:
                    known.setdefault(version.digest, {})[name] = rows
        return known

    def erase(self, numbers: Sequence[int]) -> list[str]:
        """Take the rows about an applicant out of every version; the digests of those changed."""
        known = self.about(numbers)
        for digest, tables in known.items():
            version = self.find(digest)
            files = dict(version.manifest["files"])
            for name, rows in tables.items():
                files[name] = self._without(files[name]["sha256"], name, rows)
            manifest: Manifest = {**version.manifest, "files": files}
            self._write(replace(version, manifest=manifest, erased=version.erased + 1))
            self._remove_unnamed(version.manifest)
        return list(known)

    def remove(self, digest: str) -> None:
        """Keep a version no longer, nor those of its files that no other names."""
        version = self.find(digest)
        (self._versions / f"{version.digest}.json").unlink()
        self._remove_unnamed(version.manifest)

    def _without(self, sha256: str, name: str, rows: pl.DataFrame) -> FileEntry:
        """Keep a file anew without some rows' applicant or loans."""
        link = LINKS[table_of(name)]
        left = pl.read_parquet(self._objects / sha256, glob=False).join(
            rows.select(link), on=link, how="anti", maintain_order="left"
        )
        with tempfile.TemporaryDirectory(dir=self._objects) as folder:
            written = Path(folder) / "rows"
            write_rows(left, written)
            new = sha256_of(written)
            written.replace(self._objects / new)
        return {"rows": left.height, "sha256": new}

    def _remove_unnamed(self, old: Manifest) -> None:
        manifests = [version.manifest for version in self.known()]
        named = {file["sha256"] for manifest in manifests for file in manifest["files"].values()}
        for file in old["files"].values():
            if file["sha256"] not in named:
                (self._objects / file["sha256"]).unlink(missing_ok=True)

    def _write(self, version: DataVersion) -> None:
        with staged_file(self._versions / f"{version.digest}.json") as staged:
            staged.write_text(json.dumps(asdict(version), indent=2) + "\n", "utf-8")

    @contextmanager
    def opened(self, digest: str) -> Iterator[Dataset]:
        """A version as a dataset to read from, without copying it.

        Raises
        ------
        DataVersionError
            If it is not kept, or damaged.
        """
        version = self.check(digest)
        with tempfile.TemporaryDirectory() as folder:
            for name, file in version.manifest["files"].items():
                (Path(folder) / name).parent.mkdir(exist_ok=True)
                (Path(folder) / name).symlink_to((self._objects / file["sha256"]).resolve())
            _write_manifest(Path(folder), version)
            yield Dataset.open(Path(folder))

    def _copy(self, source: Path, sha256: str) -> None:
        kept = self._objects / sha256
        if kept.is_file():
            return
        with staged_file(kept) as staged:
            shutil.copyfile(source, staged)
            if sha256_of(staged) != sha256:
                raise DataVersionError(
                    f"{source} is not the file that {MANIFEST} beside it tells of: make the "
                    "dataset again"
                )

    def _read(self, path: Path) -> DataVersion:
        try:
            version = json.loads(path.read_text("utf-8"))
            made_from = version.pop("made_from")
            return DataVersion(**version, made_from=made_from and Addition(**made_from))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataVersionError(
                f"{path} is damaged ({error}): remove it and keep the dataset again"
            ) from error


def _write_manifest(folder: Path, version: DataVersion) -> None:
    (folder / MANIFEST).write_text(manifest_text(version.manifest), "utf-8")
