"""Work on a whole dataset: its features, its scores, and requests made of its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from scoring.data.dataset import Dataset, Population
from scoring.data.tables import APPLICATION, BUREAU_BALANCE, HISTORY
from scoring.data.values import Misunderstood, put_back
from scoring.features import build_features
from scoring.files import staged_file, staged_folder
from scoring.language import catalogue
from scoring.serving.caution import settle
from scoring.serving.reasons import REASONS, Scored
from scoring.serving.scorer import Scorer, encode

# Applicants whose features are computed at once: bounds the memory whatever the portfolio.
BATCH_SIZE = 25_000
# Rows of a file that are held in memory until they are written.
_ROW_GROUP = 100_000
# How a Parquet file begins, which a file has to do to be replaced by one.
PARQUET = b"PAR1"


def feature_batches(
    dataset: Dataset, *populations: Population, size: int = BATCH_SIZE, bucket: int | None = None
) -> Iterator[pl.DataFrame]:
    """Compute the features of a dataset, some applicants at a time.

    Parameters
    ----------
    dataset : Dataset
        Where the rows are.
    *populations : {"train", "test"}
        Whose applications; all there are by default.
    size : int
        The most applicants in a batch, which is never of two buckets.
    bucket : int, optional
        Of which bucket; of all, one after the other, by default.

    Returns
    -------
    iterator of polars.DataFrame
        Consecutive applicants of a bucket, as `build_features` gives them.
    """
    return map(build_features, row_batches(dataset, *populations, size=size, bucket=bucket))


def row_batches(
    dataset: Dataset, *populations: Population, size: int = BATCH_SIZE, bucket: int | None = None
) -> Iterator[dict[str, pl.DataFrame]]:
    """The rows of a dataset, some applicants at a time: what `build_features` takes.

    Parameters and order are those of `feature_batches`.
    """
    for number in range(dataset.buckets) if bucket is None else (bucket,):
        yield from parted(dataset.frames(*populations, bucket=number), size)


def parted(frames: dict[str, pl.LazyFrame], size: int) -> Iterator[dict[str, pl.DataFrame]]:
    """All rows of `size` consecutive applicants at a time."""
    ids = frames["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"]
    if len(ids) <= size:
        yield _read(frames)
        return
    for start in range(0, len(ids), size):
        yield _read(_only(frames, ids.slice(start, size)))


def _read(frames: dict[str, pl.LazyFrame]) -> dict[str, pl.DataFrame]:
    """Read first: features are then a third faster than in one lazy plan from the files."""
    return dict(zip(frames, pl.collect_all(frames.values()), strict=True))


def _only(frames: dict[str, pl.LazyFrame], ids: pl.Series) -> dict[str, pl.LazyFrame]:
    """The rows of some applicants, in every table."""
    chosen = pl.LazyFrame({"SK_ID_CURR": ids})
    first, last = ids.min(), ids.max()
    result = {}
    for name, rows in frames.items():
        if name == BUREAU_BALANCE.name:
            continue
        # The range is pushed down into the Parquet file's row groups, the join is exact.
        near = rows.filter(pl.col("SK_ID_CURR").is_between(first, last))
        result[name] = near.join(chosen, on="SK_ID_CURR", how="semi", maintain_order="left")
    loans = result["bureau"].select("SK_ID_BUREAU")
    balance = frames[BUREAU_BALANCE.name]
    result[BUREAU_BALANCE.name] = balance.join(loans, on="SK_ID_BUREAU", how="semi")
    return result


def write_parquet(rows: pl.DataFrame | pl.LazyFrame, out: Path) -> None:
    """Write a Parquet file, whole or not at all: the same bytes however the rows come in pieces."""
    with staged_file(out, PARQUET) as staged:
        rows.lazy().sink_parquet(
            staged, compression="lz4", statistics=False, row_group_size=_ROW_GROUP
        )


def score(
    dataset: Dataset,
    scorer: Scorer,
    *populations: Population,
    bucket: int | None = None,
    reasons: str | None = None,
) -> pl.DataFrame:
    """Score every applicant of a dataset, or of one of its buckets.

    `reasons` says in which language to tell them, if any.

    Returns
    -------
    polars.DataFrame
        SK_ID_CURR, probability_of_default, decision, the share that was known of what the model
        leans on (null where it does not say), where there was something that was not understood,
        and reason_1 and so on, the strongest first, null where there are fewer; a row an applicant.
    """
    if reasons is not None:
        # A language that there is not is told before the work.
        catalogue(reasons, "causes")
    unknown = dataset.misunderstood()
    return pl.concat(
        _scored(features, scorer, unknown, reasons)
        for features in feature_batches(dataset, *populations, bucket=bucket)
    )


def _scored(
    features: pl.DataFrame,
    scorer: Scorer,
    unknown: Mapping[int, tuple[Misunderstood, ...]],
    language: str | None,
) -> pl.DataFrame:
    matrix = encode(features, scorer.features)
    explained = None if language is None else scorer.score_matrix(matrix)
    pds = scorer.pds(matrix) if explained is None else explained.pds
    known = scorer.known(matrix)
    told = [
        " ".join(one.pointer for one in unknown.get(applicant, ()))
        for applicant in features["SK_ID_CURR"]
    ]
    decisions = [
        settle(decision, share, understood=not pointers)[0]
        for decision, share, pointers in zip(scorer.decide(pds), known, told, strict=True)
    ]
    scored = features.select(
        "SK_ID_CURR",
        probability_of_default=pl.Series(pds),
        decision=pl.Series(decisions, dtype=pl.String),
        known=pl.Series(known, dtype=pl.Float64),
        not_understood=pl.Series(told, dtype=pl.String),
    )
    if explained is None or language is None:
        return scored
    return scored.hstack(_reasons(explained, scorer, language))


def _reasons(explained: Scored, scorer: Scorer, language: str) -> pl.DataFrame:
    """The reasons of applicants in columns."""
    told = [
        [reason.text(language) for reason in own] + [None] * (REASONS - len(own))
        for own in scorer.reasons_of(explained)
    ]
    names = [f"reason_{place}" for place in range(1, REASONS + 1)]
    return pl.DataFrame(told, dict.fromkeys(names, pl.String), orient="row")


def example_requests(dataset: Dataset, ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Bodies for /predict: the rows of some applicants with Kaggle's names, TARGET left out.

    Yields
    ------
    dict
        "application" and the six history tables, in the order of the ids.
    """
    unknown = dataset.misunderstood()
    rows = {
        name: frame.collect()
        for name, frame in _only(dataset.frames(), pl.Series(ids, dtype=pl.Int32)).items()
    }
    for applicant in ids:
        own = {
            name: frame.filter(pl.col("SK_ID_CURR") == applicant)
            for name, frame in rows.items()
            if name != BUREAU_BALANCE.name
        }
        own[BUREAU_BALANCE.name] = rows[BUREAU_BALANCE.name].join(
            own["bureau"].select("SK_ID_BUREAU"), on="SK_ID_BUREAU", how="semi"
        )
        application = own[APPLICATION.name].drop("TARGET").to_dicts()[0]
        body = {
            APPLICATION.name: application,
            **{table.name: own[table.name].to_dicts() for table in HISTORY},
        }
        put_back(body, (one._asdict() for one in unknown.get(applicant, ())))
        yield body


def write_examples(dataset: Dataset, out: Path, number: int) -> list[Path]:
    """Write request bodies for applicants from the shortest history to the longest.

    Returns
    -------
    list of Path
        One JSON file an applicant, named by SK_ID_CURR.
    """
    names = []
    with staged_folder(out, kind="examples") as staged:
        for body in example_requests(dataset, _varied(dataset, number)):
            names.append(f"{body['application']['SK_ID_CURR']}.json")
            text = json.dumps(body, indent=1) + "\n"
            (staged / names[-1]).write_text(text, encoding="utf-8")
    return [out / name for name in names]


def _varied(dataset: Dataset, number: int) -> list[int]:
    """Applicants spread evenly from no history row to the longest history."""
    newest: Population = dataset.populations[-1]
    frames = dataset.frames(newest)
    lengths = frames["application"].select("SK_ID_CURR", rows=pl.lit(0, dtype=pl.UInt32))
    linked = [table.name for table in HISTORY if table.link == "SK_ID_CURR"]
    counts = pl.concat(
        [lengths, *(frames[name].group_by("SK_ID_CURR").agg(rows=pl.len()) for name in linked)]
    )
    totals = counts.group_by("SK_ID_CURR").agg(pl.col("rows").sum())
    known = frames["application"].select("SK_ID_CURR").join(totals, on="SK_ID_CURR")
    ordered = known.sort("rows", "SK_ID_CURR").collect()["SK_ID_CURR"]
    count = min(number, len(ordered))
    places = [round(i * (len(ordered) - 1) / max(count - 1, 1)) for i in range(count)]
    return [int(ordered[place]) for place in dict.fromkeys(places)]
