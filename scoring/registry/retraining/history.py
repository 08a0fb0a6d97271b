"""Recorded decisions with their outcomes, as Kaggle's tables, and a dataset that they are added to.

The rows are those that were decided on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl

from scoring.data.dataset import FILES, Dataset, write_dataset
from scoring.data.requests import Row, Rows, frames_of, renumbered, rows_of
from scoring.data.tables import TABLES, empty_frame
from scoring.errors import ScoringError
from scoring.features.vectors import Layouts, VectorError, Vectors, from_bytes
from scoring.monitoring.replay import recomputed
from scoring.store import Detail, Labelled, Store

# Decisions whose rows are in memory as Python's values at once.
_CHUNK = 500
_APPLICANT, _LOAN = "SK_ID_CURR", "SK_ID_BUREAU"
_TRAIN = "application_train"


@dataclass(frozen=True)
class History:
    """Labelled decisions whose rows are known, in the order of time, as tables.

    `numbers` are their SK_ID_CURR; `frames` has all seven tables, where TARGET is the outcome, and
    `left_out` tells why others are not here, and how many.
    """

    decisions: tuple[Labelled, ...]
    numbers: tuple[int, ...]
    frames: Mapping[str, pl.DataFrame]
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def defaults(self) -> int:
        """How many of them defaulted."""
        return sum(decision.defaulted for decision in self.decisions)

    @property
    def weights(self) -> dict[int, float]:
        """For how many applicants each whom exploration has drawn stands, by SK_ID_CURR."""
        own = zip(self.numbers, self.decisions, strict=True)
        return {number: 1.0 / each.chance for number, each in own if each.chance < 1.0}


@dataclass(frozen=True)
class Keys:
    """The first keys that are free, beyond those of the data that are known."""

    bureau: int = 1
    previous: int = 1


def numbers_of(store: Store, decisions: Sequence[Labelled], known: Iterable[int]) -> dict[str, int]:
    """Return the SK_ID_CURR of applicants as decisions name them.

    A pseudonym is matched with the numbers of the original data, which are `known`; others get a
    number that stands for them, kept in the store: the same every time, and nobody else's.

    Raises
    ------
    ScoringError
        If there are pseudonyms and the store has not been given their key.
    """
    names = {decision.applicant for decision in decisions}
    pseudonyms = {name for name in names if not name.isdigit()}
    if pseudonyms and not store.pseudonyms.hide:
        raise ScoringError(
            f"{len(pseudonyms):,} applicants in the store are pseudonyms: set PSEUDONYM_KEY as the "
            "API has it, so that those in the original data are recognised"
        )
    standing = store.applicants.stand_ins()
    # A number in the data that stands for somebody is nobody's own.
    own = {number for number in known if number not in standing.values()} if pseudonyms else set()
    matched = {store.pseudonyms.applicant(number): number for number in own}
    plain = {name: int(name) for name in names - pseudonyms if int(name) not in standing.values()}
    numbers = {**plain, **{name: matched[name] for name in names & matched.keys()}}
    return numbers | store.applicants.assign_stand_ins(
        names - numbers.keys(), own | set(plain.values())
    )


def history_of(
    store: Store, decisions: Sequence[Labelled], numbers: Mapping[str, int], keys: Keys
) -> History:
    """Read the rows of labelled decisions, which are in the order of time.

    Rows that came with a request are on record. For a decision by number they are those that the
    store keeps of the applicant, if the features computed from them are, bit for bit, those that
    the decision was taken on: rows of a later time would let the model see the future.

    `numbers` are as `numbers_of` gives them, `keys` the first new SK_ID_BUREAU and SK_ID_PREV.
    """
    counters = {"SK_ID_BUREAU": count(keys.bureau), "SK_ID_PREV": count(keys.previous)}
    left_out: Counter[str] = Counter()
    kept: list[Labelled] = []
    parts: list[dict[str, pl.DataFrame]] = []
    for start in range(0, len(decisions), _CHUNK):
        some = decisions[start : start + _CHUNK]
        rows = _rows(store, some, numbers, left_out)
        known = [decision for decision in some if decision.id in rows]
        kept += known
        parts.append(
            frames_of(
                _renumbered(rows[own.id], numbers[own.applicant], own.defaulted, counters)
                for own in known
            )
        )
    frames = {
        name: pl.concat([empty_frame(table), *(part[name] for part in parts if name in part)])
        for name, table in TABLES.items()
    }
    return History(
        tuple(kept), tuple(numbers[decision.applicant] for decision in kept), frames, left_out
    )


def _renumbered(
    rows: Rows, number: int, defaulted: bool, counters: Mapping[str, Iterator[int]]
) -> dict[str, list[Row]]:
    """Rows with keys of their own; one applicant's keep their order, by which ties are broken."""
    changed = renumbered(rows, counters)
    for name, own in changed.items():
        if "SK_ID_CURR" in TABLES[name].schema:
            for row in own:
                row["SK_ID_CURR"] = number
    changed["application"][0]["TARGET"] = int(defaulted)
    return changed


def _rows(
    store: Store, decisions: Sequence[Labelled], numbers: Mapping[str, int], left_out: Counter[str]
) -> dict[str, Rows]:
    """The rows of those decisions whose rows are known, by id."""
    with_rows = [own for own in decisions if own.source == "rows"]
    sent = store.windows.rows([own.id for own in with_rows])
    rows: dict[str, Rows] = {
        own.id: rows_of(sent[own.id], numbers[own.applicant]) for own in with_rows if own.id in sent
    }
    left_out["rows not kept with the decision"] += len(with_rows) - len(rows)
    by_number = [own for own in decisions if own.source != "rows"]
    return rows | _rows_by_number(store, by_number, numbers, left_out)


def _rows_by_number(
    store: Store, decisions: Sequence[Labelled], numbers: Mapping[str, int], left_out: Counter[str]
) -> dict[str, Rows]:
    """The rows behind decisions by number, where they are those that were decided on."""
    asked = {own.applicant: numbers[own.applicant] for own in decisions}
    applicants = store.applicants.known_as(asked)
    kept: dict[str, Rows] = {
        own.id: rows_of(applicants[number].rows, number)
        for own in decisions
        if (number := asked[own.applicant]) in applicants
    }
    details = {own.id: own for some in store.windows.details(list(kept)) for own in some}
    layouts, vectors = Layouts(store.models.layout), recomputed(list(kept.values()))
    same = {
        number: rows
        for (number, rows), vector in zip(kept.items(), vectors, strict=True)
        if _is_recorded(details[number], vector, layouts)
    }
    left_out["applicant no longer known by number"] += len(decisions) - len(kept)
    left_out["applicant's rows have changed since"] += len(kept) - len(same)
    return same


def _is_recorded(detail: Detail, vector: Vectors, layouts: Layouts) -> bool:
    try:
        made = layouts.of(detail.feature_set_version)
    except VectorError:
        return False
    recorded = from_bytes(detail.features, made)
    # What another layout does not tell cannot be compared.
    same = recorded.view(np.uint32) == vector.view(np.uint32)
    return bool((same | np.isnan(recorded) & bool(made.lacking)).all())


def applicants_of(dataset: Dataset) -> pl.Series:
    """Return SK_ID_CURR of every applicant, training and test."""
    return dataset.frames()["application"].select(_APPLICANT).collect()[_APPLICANT]


def new_keys(dataset: Dataset) -> Keys:
    """Return the first SK_ID_BUREAU and SK_ID_PREV that a dataset does not use."""
    return Keys(_beyond(dataset, _LOAN), _beyond(dataset, "SK_ID_PREV"))


def _beyond(dataset: Dataset, key: str) -> int:
    frames = dataset.frames()
    with_key = [frames[name] for name, table in TABLES.items() if key in table.schema]
    highest = pl.collect_all([frame.select(pl.col(key).max()) for frame in with_key])
    return 1 + max((part.item() or 0 for part in highest), default=0)


def combined(dataset: Dataset, history: History, out: Path) -> Dataset:
    """Write a dataset's applicants and those of labelled decisions as one dataset.

    An applicant who is in both is taken from the decision: it is the newer of the two.
    """
    gone = pl.LazyFrame({_APPLICANT: history.numbers}, schema={_APPLICANT: pl.Int32})
    # Their loans, by whose keys alone bureau_balance tells applicants apart.
    loans = dataset.frames()["bureau"].join(gone, on=_APPLICANT, how="semi").select(_LOAN)
    tables: dict[str, pl.LazyFrame] = {}
    for name, table in FILES.items():
        parts = []
        if dataset.has(name):
            own = dataset.scan(name).select(table.schema.names())
            taken = gone if _APPLICANT in table.schema else loans
            parts.append(own.join(taken, on=table.link, how="anti"))
        if name in (_TRAIN, *history.frames):
            new = history.frames["application" if name == _TRAIN else name].lazy()
            parts.append(new.select(column.name for column in table.columns))
        if parts:
            tables[name] = pl.concat(parts)
    return write_dataset(tables, out, dataset.manifest["source"])
