"""Measures of reasons: do they say enough, once, rightly, and the same of nearly the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.data.dataset import Dataset
from scoring.data.tables import TABLES, Column, Frames
from scoring.features import build_features
from scoring.features.causes import CAUSES, INDICES, PROTECTED_CAUSE, SAYS_AGE
from scoring.registry.holdout import held_out_rows
from scoring.serving.batch import row_batches
from scoring.serving.reasons import LEAST_SHARE, Reason, Scored
from scoring.serving.scorer import Scorer, encode

Rows = Frames[pl.DataFrame]
Flags = npt.NDArray[np.bool_]

# Of whom is looked whether a small change of a value changes a reason.
CHANGED = 500
# Names of columns, codes, and what has no value.
_NO_WORDS = re.compile(r"[_{}]|\bnan\b|\bnull\b|[A-Z]{3}")


class Measure(NamedTuple):
    """A share of what was looked at, and the least that is asked of it."""

    name: str
    share: float
    asked: float
    number: int

    @property
    def sentence(self) -> str:
        """The measure in a line."""
        verdict = "" if self.share >= self.asked else ": MISSED"
        return (
            f"{self.name}: {self.share:.2%} of {self.number:,} (asked: {self.asked:.0%}){verdict}"
        )


def unseen_rows(dataset: Dataset) -> list[Rows]:
    """Read the applicants of a dataset whom no model has learnt from, some at a time."""
    tests = row_batches(dataset, "test") if "test" in dataset.populations else ()
    return [*held_out_rows(dataset), *tests]


def measures(scorer: Scorer, parts: Sequence[Rows], changed: int = CHANGED) -> list[Measure]:
    """Measure the reasons of those whom a model refuses.

    Parameters
    ----------
    scorer : Scorer
        The model.
    parts : sequence of mapping of str to polars.DataFrame
        All seven tables of some applicants at a time, none of whom the model has seen.
    changed : int
        Of how many refused applicants values are changed.
    """
    refused = [_refused(scorer, rows) for rows in parts]
    features = pl.concat([build_features(rows) for rows in refused])
    scored = scorer.score_matrix(encode(features, scorer.features))
    reasons = scorer.reasons_of(scored)
    return [
        *_of_told(reasons),
        *_of_contributions(scorer, scored, reasons),
        _of_usual_values(scorer, scored, reasons),
        _of_repetition(scorer, features, reasons),
        _of_small_changes(scorer, refused, changed),
    ]


def _refused(scorer: Scorer, rows: Rows) -> Rows:
    features = build_features(rows)
    decisions = pl.Series(scorer.decide(scorer.predict(features)))
    return _only(rows, features.filter(decisions == "refuse").select("SK_ID_CURR"))


def _only(rows: Rows, applicants: pl.DataFrame) -> Rows:
    return {
        name: frame.join(applicants, on="SK_ID_CURR", how="semi", maintain_order="left")
        if "SK_ID_CURR" in frame.columns
        else frame
        for name, frame in rows.items()
    }


def _share(name: str, good: Flags | Sequence[bool], asked: float) -> Measure:
    return Measure(name, float(np.mean(good)) if len(good) else 1.0, asked, len(good))


def _of_told(reasons: Sequence[Sequence[Reason]]) -> Iterator[Measure]:
    causes = [[reason.cause for reason in own] for own in reasons]
    once = [len(own) == len(set(own)) > 0 for own in causes]
    yield _share("told at least one cause, and none twice", once, 1.0)
    told = [reason for own in reasons for reason in own]
    plain = [
        reason.feature not in INDICES
        and not any(_NO_WORDS.search(words) for words in reason.texts.values())
        for reason in told
    ]
    yield _share("sentences without index, name or code", plain, 1.0)
    lawful = [reason.value not in SAYS_AGE.get(reason.feature, ()) for reason in told]
    yield _share("sentences without a value that says age", lawful, 1.0)


def _of_contributions(
    scorer: Scorer, scored: Scored, reasons: Sequence[Sequence[Reason]]
) -> Iterator[Measure]:
    totals = scorer.causes.totals(scored)
    raised = totals.clip(0.0).sum(axis=1)
    told = np.array([sum(reason.contribution for reason in own) for own in reasons])
    yield _share("told at least 60% of what raised the PD", told >= 0.6 * raised, 0.99)
    totals[:, list(CAUSES).index(PROTECTED_CAUSE)] = 0.0
    principal = [
        bool(own) and int(np.count_nonzero(row > own[-1].contribution)) < len(own)
        for row, own in zip(totals, reasons, strict=True)
    ]
    yield _share("told no cause while a larger one is left out", principal, 0.95)
    least = [
        reason.contribution >= LEAST_SHARE * whole
        for own, whole in zip(reasons, raised, strict=True)
        for reason in own
    ]
    yield _share(f"reasons of at least {LEAST_SHARE:.0%} of it", least, 1.0)


def _of_usual_values(
    scorer: Scorer, scored: Scored, reasons: Sequence[Sequence[Reason]]
) -> Measure:
    """Put each reason's features to their usual values."""
    places = scorer.causes.places(scored.values)
    lower: list[bool] = []
    for place, cause in enumerate(CAUSES):
        rows = [row for row, own in enumerate(reasons) if cause in (one.cause for one in own)]
        if rows:
            usual = np.where(places[rows] == place, scorer.causes.usual_row, scored.values[rows])
            lower += (scorer.pds(usual) < scored.pds[rows]).tolist()
    return _share("reasons that lower the PD when put to the usual values", lower, 0.99)


def _of_repetition(
    scorer: Scorer, features: pl.DataFrame, reasons: Sequence[Sequence[Reason]]
) -> Measure:
    same = [scorer.reasons(features[row])[0] == own for row, own in enumerate(reasons)]
    return _share("applicants who are told the same when scored again, alone", same, 1.0)


def _of_small_changes(scorer: Scorer, refused: Sequence[Rows], most: int) -> Measure:
    """Change one value of each applicant by a day or a unit of currency, column after column."""
    same: list[bool] = []
    for rows in refused:
        few = rows["application"].select("SK_ID_CURR").head(most)
        some, most = _only(rows, few), most - few.height
        before = _causes(scorer, some)
        for table, column in _days_and_amounts(some):
            moved, touched = _moved(some, table, column)
            after = _causes(scorer, moved)
            same += [before[number] == after[number] for number in touched]
    return _share("small changes of a value that change no reason", same, 0.99)


def _causes(scorer: Scorer, rows: Rows) -> dict[int, list[str]]:
    features = build_features(rows)
    told = scorer.causes.principal(scorer.score_matrix(encode(features, scorer.features)))
    return dict(zip(features["SK_ID_CURR"].to_list(), told, strict=True))


def _days_and_amounts(rows: Rows) -> Iterator[tuple[str, Column]]:
    for name, frame in rows.items():
        for column in TABLES[name].columns:
            counts = column.name.startswith("AMT_REQ")
            measured = column.name.startswith(("DAYS_", "AMT_")) and not counts
            if measured and "SK_ID_CURR" in frame.columns and frame.height:
                yield name, column


def _moved(rows: Rows, table: str, column: Column) -> tuple[Rows, list[int]]:
    """Rows with a value changed in the first row of each applicant who has it; and those."""
    frame, value = rows[table], pl.col(column.name)
    known = value.is_not_null() & ~value.is_in(list(column.sentinels or (None,)))
    first = known & (known.cum_sum().over("SK_ID_CURR") == 1)
    step = 1 if column.name.startswith("AMT_") else -1
    moved = pl.when(first).then(value + step).otherwise(value).cast(column.dtype)
    touched = frame.filter(first)["SK_ID_CURR"].to_list()
    return {**rows, table: frame.with_columns(moved.alias(column.name))}, touched
