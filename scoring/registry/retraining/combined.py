"""A dataset with labelled decisions added to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from scoring.data.dataset import FILES, Dataset, write_dataset
from scoring.registry.retraining.history import History, Keys

_APPLICANT, _LOAN = "SK_ID_CURR", "SK_ID_BUREAU"
_TRAIN = "application_train"


def applicants_of(dataset: Dataset) -> pl.Series:
    """Return SK_ID_CURR of every applicant, training and test."""
    return dataset.frames()["application"].select(_APPLICANT).collect()[_APPLICANT]


def new_keys(dataset: Dataset) -> Keys:
    """Return the first SK_ID_BUREAU and SK_ID_PREV that a dataset does not use."""
    frames = dataset.frames()
    return Keys(
        _beyond(frames, _LOAN, ("bureau", "bureau_balance")),
        _beyond(
            frames,
            "SK_ID_PREV",
            ("previous_application", "POS_CASH_balance", "installments_payments",
             "credit_card_balance"),
        ),
    )  # fmt: skip


def _beyond(frames: Mapping[str, pl.LazyFrame], key: str, names: tuple[str, ...]) -> int:
    highest = pl.collect_all([frames[name].select(pl.col(key).max()) for name in names])
    return 1 + max((part.item() or 0 for part in highest), default=0)


def combined(dataset: Dataset, history: History, out: Path) -> Dataset:
    """Write a dataset's applicants and those of labelled decisions as one dataset.

    An applicant who is in both is taken from the decision: it is the newer of the two.

    Parameters
    ----------
    dataset : Dataset
        The original data.
    history : History
        What happened since.
    out : Path
        The folder to write.
    """
    gone = pl.LazyFrame({_APPLICANT: history.numbers}, schema={_APPLICANT: pl.Int32})
    # Their loans, by whose keys alone bureau_balance tells applicants apart.
    loans = dataset.frames()["bureau"].join(gone, on=_APPLICANT, how="semi").select(_LOAN)
    tables: dict[str, pl.LazyFrame] = {}
    for name, table in FILES.items():
        parts = []
        if f"{name}.parquet" in dataset.manifest["files"]:
            own = pl.scan_parquet(dataset.folder / f"{name}.parquet", glob=False)
            taken = gone if _APPLICANT in table.schema else loans
            parts.append(own.join(taken, on=table.link, how="anti"))
        if name in (_TRAIN, *history.frames):
            new = history.frames["application" if name == _TRAIN else name].lazy()
            parts.append(new.select(column.name for column in table.columns))
        if parts:
            tables[name] = pl.concat(parts)
    return write_dataset(tables, out, dataset.manifest["source"])
