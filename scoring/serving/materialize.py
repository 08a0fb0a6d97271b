"""A dataset's applicants in the store, so that the service decides on them by number alone."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl

from scoring.data.dataset import Dataset
from scoring.data.tables import APPLICATION, BUREAU_BALANCE, HISTORY
from scoring.data.values import Misunderstood, misunderstood_json
from scoring.features import build_features
from scoring.features.vectors import layout, pack, to_bytes
from scoring.serving.batch import parted, row_batches
from scoring.serving.engines import run
from scoring.store import OnlineApplicant, Store

if TYPE_CHECKING:
    from distributed import Client

# Applicants whose features are computed at once, and those whose rows are written out and sent to
# the store at once: rows take much more room as JSON, and a transaction keeps others waiting.
_BATCH = 2_500
_CHUNK = 200
# The service unpacks them while somebody waits, and more effort saves a sixth of the room.
_COMPRESSION = 1

_APPLICANT = "SK_ID_CURR"


def materialize(
    dataset: Dataset,
    store: Store,
    progress: Callable[[int], None] | None = None,
    client: Client | None = None,
) -> int:
    """Put every applicant of a dataset into the store, training and test, and return how many.

    Applicants of the same number are replaced, others stay. An interrupted run leaves whole
    applicants behind; run again, it does all of them again. `progress` is called with the number of
    applicants that are done. The workers of a client, if there is one, take a bucket each; they
    need PSEUDONYM_KEY in their environment where this process has it.

    Raises
    ------
    BucketsError
        If a worker's bucket fails, after all others are done.
    """
    done, at = 0, datetime.now(UTC)
    if client is None:
        numbers = _put(dataset, store, at)
    else:
        task = partial(_put_bucket, dataset.folder.resolve(), store.address, at)
        numbers = (number for _, number in run(task, range(dataset.buckets), client))
    for number in numbers:
        done += number
        if progress:
            progress(done)
    return done


def _put_bucket(folder: Path, address: str, at: datetime, bucket: int) -> int:
    """Put the applicants of a bucket into the store: the task of a worker."""
    with closing(Store(address, os.environ.get("PSEUDONYM_KEY") or None)) as store:
        return sum(_put(Dataset.open(folder), store, at, bucket))


def _put(dataset: Dataset, store: Store, at: datetime, bucket: int | None = None) -> Iterator[int]:
    """Put the applicants of a bucket, or of all, into the store; how many, as they are put."""
    unknown = dataset.misunderstood()
    for rows in row_batches(dataset, size=_BATCH, bucket=bucket):
        for applicants in online_applicants(rows, dataset.digest, at, unknown):
            store.applicants.put(applicants)
            yield len(applicants)


def online_applicants(
    rows: Mapping[str, pl.DataFrame],
    digest: str,
    at: datetime,
    unknown: Mapping[int, Sequence[Misunderstood]] = MappingProxyType({}),
) -> Iterator[list[OnlineApplicant]]:
    """Make applicants as the store keeps them, some at a time.

    `rows` are all seven tables, as `row_batches` gives them, `digest` is of their dataset;
    `unknown` is what was not understood of applicants, by SK_ID_CURR.
    """
    vectors = iter(pack(build_features(rows)))
    for part in parted({name: frame.lazy() for name, frame in rows.items()}, _CHUNK):
        yield [
            OnlineApplicant(
                applicant=number,
                feature_set_version=layout().digest,
                features=to_bytes(next(vectors)),
                rows=zlib.compress(body, _COMPRESSION),
                dataset=digest,
                materialized_at=at,
                misunderstood=misunderstood_json(unknown.get(number, ())),
            )
            for number, body in request_bodies(part)
        ]


def request_bodies(rows: Mapping[str, pl.DataFrame]) -> Iterator[tuple[int, bytes]]:
    """Write bodies for /predict as `example_requests` makes them, of all applicants at once.

    Yields
    ------
    number, body : int and bytes
        SK_ID_CURR, in the order of "application", and the applicant's rows as JSON.
    """
    application = rows[APPLICATION.name].drop("TARGET")
    written = application.select(_APPLICANT, _json(APPLICATION.name))
    for table in HISTORY:
        lists = _linked(rows, table.name).group_by(_APPLICANT, maintain_order=True)
        written = written.join(
            lists.agg(pl.col(table.name).str.join(",")),
            on=_APPLICANT, how="left", maintain_order="left",
        )  # fmt: skip
    histories = [
        pl.format(',"{}":[{}]', pl.lit(table.name), pl.col(table.name).fill_null(""))
        for table in HISTORY
    ]
    head = pl.concat_str(pl.lit(f'{{"{APPLICATION.name}":'), pl.col(APPLICATION.name))
    bodies = written.select(_APPLICANT, pl.concat_str(head, *histories, pl.lit("}")))
    for number, body in bodies.iter_rows():
        yield number, body.encode()


def _json(name: str) -> pl.Expr:
    """Each row as a JSON object."""
    return pl.struct(pl.all()).struct.json_encode().alias(name)


def _linked(rows: Mapping[str, pl.DataFrame], name: str) -> pl.DataFrame:
    """The rows of a history table as JSON, with the applicants they belong to."""
    if name != BUREAU_BALANCE.name:
        return rows[name].select(_APPLICANT, _json(name))
    loans = rows["bureau"].select(_APPLICANT, BUREAU_BALANCE.link)
    written = rows[name].select(BUREAU_BALANCE.link, _json(name))
    return written.join(loans, on=BUREAU_BALANCE.link, maintain_order="left")
