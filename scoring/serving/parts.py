"""A dataset's features or scores, bucket by bucket: a run that is cut off goes on where it was.

Beside the output `OUT` a folder `OUT.parts` holds what is done so far: a Parquet file a bucket, and
`run.json`, which says what they are made of. It goes when the output is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import polars as pl

from scoring.data.dataset import Dataset, FileEntry
from scoring.errors import ScoringError
from scoring.files import check_file, code_digest, held, sha256_of, write_file
from scoring.serving.batch import PARQUET, feature_batches, score, write_parquet
from scoring.serving.engines import BucketsError, run
from scoring.serving.scorer import Scorer

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

# Called with the applicants that are done, and those that there are.
Progress = Callable[[int, int], None]

_RUN = "run.json"
# And what killed processes leave of their making.
_OURS = re.compile(r"\.?(run\.json|[0-9]{5}-[0-9a-f]{8}\.parquet)(\.[0-9a-f]{16}\.partial)?")
_code = lru_cache(maxsize=1)(code_digest)


@dataclass(frozen=True)
class Job:
    """What to compute of the applicants of a dataset: features, or scores if there is a model.

    Attributes
    ----------
    dataset : Path
        The dataset's folder.
    model : Path or None
        The directory of the model that scores.
    reasons : str or None
        In which language to tell the reasons of scores, if any.
    """

    dataset: Path
    model: Path | None = None
    reasons: str | None = None

    def made_of(self) -> dict[str, Any]:
        """What the rows depend on, wherever it lies, as it is now and here."""
        dataset = Dataset.open(self.dataset)
        return {
            "dataset": dataset.digest,
            "buckets": dataset.buckets,
            "model": self.model and _model_digest(self.model),
            "reasons": self.reasons,
            "code": _code(),
        }

    def rows(self, bucket: int) -> pl.DataFrame:
        """Compute the rows of a bucket, an applicant a row by rising SK_ID_CURR."""
        dataset = Dataset.open(self.dataset)
        if self.model is None:
            return pl.concat(feature_batches(dataset, bucket=bucket), rechunk=False)
        return score(dataset, loaded(self.model), bucket=bucket, reasons=self.reasons)


def write(
    job: Job,
    out: Path,
    client: Client | None = None,
    progress: Progress = lambda _done, _total: None,
) -> tuple[int, int]:
    """Compute all buckets of a job and write one Parquet file, whole or not at all.

    It is the same to the last byte for any number of buckets and of workers. Where a run was cut
    off, what it had finished of the same dataset with the same code and model is taken over.

    Returns
    -------
    rows, columns : int
        What was written, SK_ID_CURR included.

    Raises
    ------
    BucketsError
        If buckets failed, with their causes, after all others are done; `out` is as it was.
    FilesError
        If `out` is not to be replaced, or another command is writing it.
    """
    check_file(out, PARQUET)
    dataset = Dataset.open(job.dataset)
    if client is None and dataset.buckets == 1:
        progress(0, dataset.applicants)
        rows = job.rows(0)
        write_parquet(rows, out)
        return rows.shape
    folder = out.absolute().with_name(f"{out.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        parts = _finish(job, folder, client, progress)
        whole = pl.scan_parquet([folder / name for name in sorted(parts)], glob=False)
        write_parquet(whole, out)
        _clear(folder)
    with suppress(OSError):
        # Somebody else may have put something there.
        folder.rmdir()
    return _rows(parts), len(whole.collect_schema())


def _finish(
    job: Job, folder: Path, client: Client | None, progress: Progress
) -> dict[str, FileEntry]:
    """Compute the buckets whose parts are not there yet, and give the parts of all by name."""
    made_of, dataset = job.made_of(), Dataset.open(job.dataset)
    done = _taken_over(folder, made_of)
    total = dataset.applicants
    missing = [place for place in range(dataset.buckets) if _part(made_of, place) not in done]
    if done:
        logger.info("%d of %d buckets were finished before", len(done), dataset.buckets)
    progress(_rows(done), total)
    try:
        for bucket, entry in run(partial(_write_part, job, made_of, folder), missing, client):
            done[_part(made_of, bucket)] = entry
            _note(folder, made_of, done)
            progress(_rows(done), total)
    except BucketsError as error:
        kept = f"{len(done)} are kept in {folder}: run it again for the rest"
        raise BucketsError(f"{error}; the output is not written, {kept}") from error
    if _rows(done) != total:
        raise ScoringError(f"{_rows(done)} rows were computed of {total} applicants of {folder}")
    return done


def _write_part(job: Job, made_of: Mapping[str, Any], folder: Path, bucket: int) -> FileEntry:
    """Compute a bucket and put its file in place, whole or not at all: the task of a worker."""
    if job.made_of() != made_of:
        raise ScoringError(
            f"dataset, model or code of {os.uname().nodename} is not that of the command: "
            "install the same release, and see that folders are shared"
        )
    rows, path = job.rows(bucket), folder / _part(made_of, bucket)
    write_parquet(rows, path)
    return {"rows": rows.height, "sha256": sha256_of(path)}


def _part(made_of: Mapping[str, Any], bucket: int) -> str:
    """The name of a bucket's file: a worker of another run that is late takes no part here."""
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    return f"{bucket:05d}-{digest[:8]}.parquet"


def _rows(parts: Mapping[str, FileEntry]) -> int:
    return sum(part["rows"] for part in parts.values())


def _taken_over(folder: Path, made_of: Mapping[str, Any]) -> dict[str, FileEntry]:
    """The parts that are there and good; all else that runs left in the folder is removed."""
    done: dict[str, FileEntry] = {}
    # Whatever is wrong with what another run wrote down, its parts are computed anew.
    with suppress(FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        before = json.loads((folder / _RUN).read_text("utf-8"))
        if before["made_of"] == made_of:
            done = {
                name: entry for name, entry in before["parts"].items()
                if (folder / name).is_file() and sha256_of(folder / name) == entry["sha256"]
            }  # fmt: skip
    _clear(folder, but=done)
    _note(folder, made_of, done)
    return done


def _note(folder: Path, made_of: Mapping[str, Any], done: Mapping[str, FileEntry]) -> None:
    """Write down which buckets are finished, and of what they are made."""
    write_file(folder / _RUN, json.dumps({"made_of": made_of, "parts": done}, indent=1) + "\n")


def _clear(folder: Path, but: Container[str] = ()) -> None:
    """Remove what runs left in a folder; files of others stay."""
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in but:
            rmtree(path) if path.is_dir() else path.unlink()


def loaded(model: Path) -> Scorer:
    """The model of a directory, read once by each process for as long as it is the same."""
    return _scorer(model, _model_digest(model))


@lru_cache(maxsize=1)
def _scorer(model: Path, digest: str) -> Scorer:  # noqa: ARG001 - another digest, another model
    return Scorer.load(model)


def _model_digest(model: Path) -> str:
    """The SHA-256 of a model's manifest; empty where there is none, which reading it tells."""
    manifest = model / "manifest.json"
    return sha256_of(manifest) if manifest.is_file() else ""
