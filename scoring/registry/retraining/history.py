"""Recorded decisions with their outcomes, as Kaggle's tables: the rows that were decided on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import polars as pl

from scoring.data.requests import Row, Rows, frames_of, renumbered, rows_of
from scoring.data.tables import TABLES, empty_frame
from scoring.errors import ScoringError
from scoring.features.vectors import Layouts, VectorError, Vectors, from_bytes
from scoring.monitoring.replay import recomputed
from scoring.store import Detail, Labelled, Store

# Decisions whose rows are in memory as Python's values at once.
_CHUNK = 500


@dataclass(frozen=True)
class History:
    """Labelled decisions as tables.

    Attributes
    ----------
    decisions : tuple of Labelled
        Those whose rows are known, in the order of time.
    numbers : tuple of int
        Their SK_ID_CURR.
    frames : mapping of str to polars.DataFrame
        All seven tables; TARGET is the outcome.
    left_out : Counter of str
        Why others are not here, and how many.
    """

    decisions: tuple[Labelled, ...]
    numbers: tuple[int, ...]
    frames: Mapping[str, pl.DataFrame]
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def defaults(self) -> int:
        """How many of them defaulted."""
        return sum(one.defaulted for one in self.decisions)


@dataclass(frozen=True)
class Keys:
    """Where new keys begin, so that none is another's: beyond those of the data that are known."""

    bureau: int = 1
    previous: int = 1


def numbers_of(store: Store, decisions: Sequence[Labelled], known: Iterable[int]) -> dict[str, int]:
    """The SK_ID_CURR of applicants as decisions name them.

    A pseudonym is matched with the numbers that are known; others get a number that stands for
    them, kept in the store: the same every time, and nobody else's.

    Parameters
    ----------
    store : Store
        With the key of the pseudonyms, where there are some.
    decisions : sequence of Labelled
    known : iterable of int
        SK_ID_CURR of the original data.

    Raises
    ------
    ScoringError
        If there are pseudonyms and the store has not been given their key.
    """
    names = {one.applicant for one in decisions}
    pseudonyms = {name for name in names if not name.isdigit()}
    if pseudonyms and not store.pseudonymous:
        raise ScoringError(
            f"{len(pseudonyms):,} applicants in the store are pseudonyms: set PSEUDONYM_KEY as the "
            "API has it, so that those in the original data are recognised"
        )
    standing = store.stand_ins()
    # A number in the data that stands for somebody is nobody's own.
    own = {number for number in known if number not in standing.values()} if pseudonyms else set()
    matched = {store.applicant_key(number): number for number in own}
    plain = {name: int(name) for name in names - pseudonyms if int(name) not in standing.values()}
    found = {**plain, **{name: matched[name] for name in names & matched.keys()}}
    return found | store.stand_ins_for(names - found.keys(), own | set(plain.values()))


def history_of(
    store: Store, decisions: Sequence[Labelled], numbers: Mapping[str, int], keys: Keys
) -> History:
    """Read the rows of labelled decisions.

    Rows that came with a request are on record. For a decision by number they are those that the
    store keeps of the applicant, if the features computed from them are, bit for bit, those that
    the decision was taken on: rows of a later time would let the model see the future.

    Parameters
    ----------
    store : Store
        Where the decisions are.
    decisions : sequence of Labelled
        In the order of time.
    numbers : mapping of str to int
        As `numbers_of` gives them.
    keys : Keys
        The first new SK_ID_BUREAU and SK_ID_PREV.
    """
    renumber = _Renumbering(keys)
    left_out: Counter[str] = Counter()
    kept: list[Labelled] = []
    parts: list[dict[str, pl.DataFrame]] = []
    for start in range(0, len(decisions), _CHUNK):
        some = decisions[start : start + _CHUNK]
        found = _rows(store, some, numbers, left_out)
        if found:
            kept += [one for one in some if one.id in found]
            rows = [
                renumber(found[one.id], numbers[one.applicant], one.defaulted)
                for one in some
                if one.id in found
            ]
            parts.append(frames_of(rows))
    frames = {
        name: pl.concat([empty_frame(table), *(part[name] for part in parts if name in part)])
        for name, table in TABLES.items()
    }
    return History(tuple(kept), tuple(numbers[one.applicant] for one in kept), frames, left_out)


class _Renumbering:
    """Gives every applicant, credit and previous application a key of its own.

    Keys of one applicant keep their order, by which ties are broken.
    """

    def __init__(self, keys: Keys) -> None:
        self._next = {"SK_ID_BUREAU": count(keys.bureau), "SK_ID_PREV": count(keys.previous)}

    def __call__(self, rows: Rows, number: int, defaulted: bool) -> dict[str, list[Row]]:
        changed = renumbered(rows, self._next)
        for name, own in changed.items():
            if "SK_ID_CURR" in TABLES[name].schema:
                for row in own:
                    row["SK_ID_CURR"] = number
        changed["application"][0]["TARGET"] = int(defaulted)
        return changed


def _rows(
    store: Store,
    decisions: Sequence[Labelled],
    numbers: Mapping[str, int],
    left_out: Counter[str],
) -> dict[str, Rows]:
    """The rows of those decisions whose rows are known, by id."""
    sent = store.kept_rows([one.id for one in decisions if one.source == "rows"])
    found: dict[str, Rows] = {
        one.id: rows_of(sent[one.id], numbers[one.applicant]) for one in decisions if one.id in sent
    }
    by_number = [one for one in decisions if one.source != "rows"]
    found |= dict(_online(store, by_number, numbers, left_out))
    left_out["rows not kept with the decision"] += sum(
        one.source == "rows" and one.id not in sent for one in decisions
    )
    return found


def _online(
    store: Store,
    decisions: Sequence[Labelled],
    numbers: Mapping[str, int],
    left_out: Counter[str],
) -> Iterator[tuple[str, Rows]]:
    """The rows behind decisions by number, where they are those that were decided on."""
    applicants = store.known_as({one.applicant: numbers[one.applicant] for one in decisions})
    there = [one for one in decisions if numbers[one.applicant] in applicants]
    rows = [
        rows_of(applicants[numbers[one.applicant]].rows, numbers[one.applicant]) for one in there
    ]
    details = {own.id: own for some in store.details([one.id for one in there]) for own in some}
    same, layouts = 0, Layouts(store.layout)
    for one, own, vector in zip(there, rows, recomputed(rows), strict=True):
        if _is_recorded(details[one.id], vector, layouts):
            same += 1
            yield one.id, own
    left_out["applicant no longer known by number"] += len(decisions) - len(there)
    left_out["applicant's rows have changed since"] += len(there) - same


def _is_recorded(detail: Detail, vector: Vectors, layouts: Layouts) -> bool:
    try:
        made = layouts.of(detail.feature_set_version)
    except VectorError:
        return False
    recorded = from_bytes(detail.features, made)
    # What another layout does not tell cannot be compared.
    told = recorded.view(np.uint32) == vector.view(np.uint32)
    return bool((told | np.isnan(recorded) & bool(made.lacking)).all())
