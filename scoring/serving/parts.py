"""A dataset's features or scores, bucket by bucket: a run that is cut off goes on where it was.

Beside the output `OUT` a folder `OUT.parts` holds what is done so far: a Parquet file a bucket, and
`run.json`, which says what they were made of and with. It goes when the output is whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import polars as pl
from polars.io.plugins import register_io_source

from scoring.data.dataset import Dataset, FileEntry, Population
from scoring.errors import ScoringError
from scoring.files import FilesError, check_file, code_digest, held, sha256_of, staged_file
from scoring.language import catalogue
from scoring.serving.batch import PARQUET, feature_batches, score
from scoring.serving.engines import Engine, T
from scoring.serving.scorer import Scorer

logger = logging.getLogger(__name__)

# Called with the rows that are done, those that there are, and rows a second.
Progress = Callable[[int, int, float], None]

_APPLICANT = "SK_ID_CURR"
_RUN = "run.json"
_OURS = re.compile(r"run\.json(\.new)?|[0-9]{4}-[0-9a-f]{8}\.parquet(\.[0-9a-f]{16})?")
_SHOWN_FAILURES = 3
# Applicants that are put in order and written at once.
_TOGETHER = 100_000


class BucketsError(ScoringError):
    """Some buckets of a run failed; what was done is kept."""


@dataclass(frozen=True)
class Job:
    """What to compute of each bucket: features, or scores if there is a model.

    Attributes
    ----------
    dataset : Path
        The dataset's folder, as workers see it too.
    digest, buckets : str and int
        What it is.
    populations : tuple of {"train", "test"}
        Whose applications; all there are if it is empty.
    model : Path or None
        The directory of the model that scores.
    model_digest : str
        The SHA-256 of its manifest; empty without a model.
    reasons : str or None
        In which language to tell the reasons of scores, if any.
    code : str
        The SHA-256 of the code, which has to be that of the workers too.
    """

    dataset: Path
    digest: str
    buckets: int
    populations: tuple[Population, ...]
    model: Path | None
    model_digest: str
    reasons: str | None
    code: str

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        *populations: Population,
        model: Path | None = None,
        reasons: str | None = None,
    ) -> Job:
        """The job for a dataset as it is now."""
        if reasons is not None:
            # A language that there is not is told before the work.
            catalogue(reasons, "causes")
        return cls(
            dataset.folder.resolve(), dataset.digest, dataset.buckets, populations,
            model and model.resolve(), _model_digest(model) if model else "", reasons, _code(),
        )  # fmt: skip

    @property
    def made_of(self) -> dict[str, object]:
        """What the parts depend on, wherever it lies, as JSON has it."""
        known = {**asdict(self), "populations": list(self.populations)}
        return {name: value for name, value in known.items() if name not in ("dataset", "model")}

    def part(self, bucket: int) -> str:
        """The name of a bucket's file: a worker of another run that is late takes no part here."""
        made_of = hashlib.sha256(json.dumps(self.made_of).encode()).hexdigest()
        return f"{bucket:04d}-{made_of[:8]}.parquet"

    def rows(self, bucket: int) -> pl.DataFrame:
        """Compute a bucket; ScoringError if dataset, model or code are not the job's."""
        dataset = Dataset.open(self.dataset)
        model_digest = _model_digest(self.model) if self.model else ""
        if (dataset.digest, model_digest, _code()) != (self.digest, self.model_digest, self.code):
            raise ScoringError(
                f"dataset, model or code of {os.uname().nodename} is not that of the command: "
                "install the same release, and see that folders are shared"
            )
        if self.model is None:
            return pl.concat(feature_batches(dataset, *self.populations, bucket=bucket))
        return score(
            dataset, loaded(self.model), *self.populations, bucket=bucket, reasons=self.reasons
        )


@dataclass(frozen=True)
class _Writing:
    """The task of a worker: compute a bucket and put its file in place, whole or not at all."""

    job: Job
    folder: Path

    def __call__(self, bucket: int) -> FileEntry:
        rows = self.job.rows(bucket)
        # Statistics find the applicants of a range among several parts.
        several = self.job.buckets > 1
        path = self.folder / self.job.part(bucket)
        # Another worker may be at the same bucket, if this one was given up.
        staged = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        try:
            rows.write_parquet(
                staged, compression="lz4", statistics=several, row_group_size=_TOGETHER
            )
            entry: FileEntry = {"rows": rows.height, "sha256": sha256_of(staged)}
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)
        return entry


def write(
    job: Job, out: Path, engine: Engine | None = None, progress: Progress | None = None
) -> tuple[int, int]:
    """Compute all buckets of a job and write one Parquet file, whole or not at all.

    Its applicants are in the order of the dataset: it is the same to the last byte for any number
    of buckets and any engine. Where a run was cut off, what it had finished of the same dataset
    with the same code and model is taken over.

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
    folder = out.with_name(f"{out.name}.parts").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        _check_ours(folder)
        try:
            _finish(job, folder, engine or Engine(), progress)
            shape = _join(job, folder, out)
        except BucketsError:
            if not list(folder.glob("*.parquet")):
                _remove(folder)
            raise
        _remove(folder)
    return shape


def results(
    engine: Engine, task: Callable[[int], T], buckets: Sequence[int]
) -> Iterator[tuple[int, T]]:
    """Do a task for some buckets, and give each with its result as it is done.

    Raises
    ------
    BucketsError
        If any failed, with their causes, after all others are done.
    """
    failures = []
    for outcome in engine.run(task, buckets):
        if outcome.error is None:
            yield outcome.bucket, cast("T", outcome.result)
            continue
        # The first line: Polars adds the plan, and Dask whose worker it was.
        words = next(iter(f"{outcome.error}".splitlines()), "")
        failures.append(f"bucket {outcome.bucket}: {type(outcome.error).__name__}: {words}")
        logger.error(failures[-1])
    if failures:
        shown = "; ".join(failures[:_SHOWN_FAILURES])
        raise BucketsError(f"{len(failures)} of {len(buckets)} buckets failed: {shown}")


def _finish(job: Job, folder: Path, engine: Engine, progress: Progress | None) -> None:
    """Compute the buckets whose parts are not there yet."""
    done = _taken_over(job, folder)
    buckets = [bucket for bucket in range(job.buckets) if job.part(bucket) not in done]
    if len(buckets) < job.buckets:
        logger.info("%d of %d buckets were finished before", len(done), job.buckets)
    total = Dataset.open(job.dataset).applicants(*job.populations)
    began, before = time.monotonic(), sum(entry["rows"] for entry in done.values())
    try:
        for bucket, entry in results(engine, _Writing(job, folder), buckets):
            done[job.part(bucket)] = entry
            _note(job, folder, done)
            rows = sum(part["rows"] for part in done.values())
            rate = (rows - before) / (time.monotonic() - began)
            if job.buckets > 1:
                logger.info("bucket %d of %d: %d applicants/s", bucket, job.buckets, rate)
            if progress:
                progress(rows, total, rate)
    except BucketsError as error:
        kept = f"; {len(done)} are kept in {folder}: run it again for the rest" if done else ""
        raise BucketsError(f"{error}; the output is not written{kept}") from error


def _taken_over(job: Job, folder: Path) -> dict[str, FileEntry]:
    """The parts that are there and good; all else in the folder is removed."""
    done: dict[str, FileEntry] = {}
    try:
        run = json.loads((folder / _RUN).read_text("utf-8"))
        if run["made_of"] == job.made_of:
            done = {
                name: entry for name, entry in run["parts"].items()
                if (folder / name).is_file() and sha256_of(folder / name) == entry["sha256"]
            }  # fmt: skip
    except FileNotFoundError:
        pass
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        logger.warning("%s is damaged (%s): all buckets are computed anew", folder / _RUN, error)
    for path in folder.iterdir():
        if path.name not in done:
            path.unlink()
    _note(job, folder, done)
    return done


def _note(job: Job, folder: Path, done: Mapping[str, FileEntry]) -> None:
    """Write down which buckets are finished, and of what they were made."""
    staged = folder / f"{_RUN}.new"
    run = {"made_of": job.made_of, "parts": dict(done)}
    staged.write_text(json.dumps(run, indent=1) + "\n", "utf-8")
    staged.replace(folder / _RUN)


def _join(job: Job, folder: Path, out: Path) -> tuple[int, int]:
    """Write the parts as one file, some applicants at a time in the dataset's order."""
    paths = [folder / job.part(bucket) for bucket in range(job.buckets)]
    with staged_file(out, PARQUET) as staged:
        if job.buckets == 1:
            paths[0].replace(staged)
        else:
            _write_joined(pl.scan_parquet(paths, glob=False), job, staged)
    written = pl.scan_parquet(out, glob=False)
    return written.select(pl.len()).collect().item(), len(written.collect_schema())


def _write_joined(parts: pl.LazyFrame, job: Job, out: Path) -> None:
    numbers = _numbers(Dataset.open(job.dataset), job)

    def pieces(*_: object) -> Iterator[pl.DataFrame]:
        for start in range(0, len(numbers), _TOGETHER):
            some = numbers[start : start + _TOGETHER]
            near = parts.filter(pl.col(_APPLICANT).is_between(some.min(), some.max()))
            yield _ordered(near.collect(), some)

    joined = register_io_source(pieces, schema=parts.collect_schema(), is_pure=True)
    joined.sink_parquet(
        out, compression="lz4", statistics=False, row_group_size=_TOGETHER, engine="streaming"
    )


def _numbers(dataset: Dataset, job: Job) -> pl.Series:
    applications = dataset.frames(*job.populations)["application"]
    return applications.select(_APPLICANT).collect()[_APPLICANT]


def _ordered(rows: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    """The rows of some applicants in their order; ScoringError unless each has just one."""
    ordered = numbers.to_frame().join(rows, on=_APPLICANT, how="inner", maintain_order="left")
    if ordered.height != len(numbers):
        raise ScoringError(
            f"{ordered.height} rows were computed of {len(numbers)} applicants: the dataset has "
            "changed meanwhile, or two applicants have the same number"
        )
    return ordered


def features_of(
    dataset: Dataset, *populations: Population, engine: Engine | None = None
) -> pl.DataFrame:
    """Compute the features of a dataset in memory, a row an applicant in the dataset's order.

    Raises
    ------
    BucketsError
        If a bucket fails.
    """
    job = Job.of(dataset, *populations)
    rows = dict(results(engine or Engine(), job.rows, range(job.buckets)))
    whole = pl.concat(rows[bucket] for bucket in range(job.buckets))
    return _ordered(whole, _numbers(dataset, job)) if job.buckets > 1 else whole


def loaded(model: Path) -> Scorer:
    """The model of a directory, read once by each process for as long as it is the same."""
    return _scorer(model.resolve(), _model_digest(model))


@lru_cache(maxsize=1)
def _scorer(model: Path, digest: str) -> Scorer:  # noqa: ARG001 - another digest, another model
    return Scorer.load(model)


@lru_cache(maxsize=1)
def _code() -> str:
    return code_digest()


def _model_digest(model: Path) -> str:
    try:
        return sha256_of(model / "manifest.json")
    except FileNotFoundError:
        # Why it is no model is told where it is read.
        return ""


def _check_ours(folder: Path) -> None:
    for path in folder.iterdir():
        if not _OURS.fullmatch(path.name):
            raise FilesError(f"{path} was not made by this command: move it away")


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
