"""What a comparison means, in words drawn from its figures: is there drift, where, so what?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Literal

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison, Limits
from scoring.features.wording import Language, describe
from scoring.monitoring.drift.study import HISTORIES, Study
from scoring.monitoring.thresholds import Thresholds
from scoring.reports.words import Words
from scoring.serving.profiles import PD

Effect = Literal["none", "inputs", "noticeable", "serious"]

# From where on drift matters, and from where on it is serious: as for alerts.
_LIMITS = Thresholds()
WEIGHTED_PSI, PD_PSI = astuple(_LIMITS.weighted_psi), astuple(_LIMITS.pd_psi)
ACCEPTANCE, AUC_LOSS = astuple(_LIMITS.decisions), astuple(_LIMITS.auc_loss)

# More sources than this are counted, not listed.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """How many columns differ between two populations, how many of them much, and what it does.

    The effect is on nothing, on inputs that hardly count, or on PDs and decisions.
    """

    drift: bool
    effect: Effect
    drifted: int
    large: int


def verdict(study: Study) -> DriftVerdict:
    """Whether there is drift, and what it does to PDs, decisions and ranking."""
    result, drifted = study.comparison, study.comparison.drifted
    sizes = [
        (result.weighted_psi, WEIGHTED_PSI),
        (_certain_psi(result.pd), PD_PSI),
        (_certain_change(result), ACCEPTANCE),
        (_certain_loss(*study.ranking), AUC_LOSS),
    ]
    effect: Effect = "none"
    if any(size >= limits[1] for size, limits in sizes):
        effect = "serious"
    elif any(size >= limits[0] for size, limits in sizes):
        effect = "noticeable"
    elif drifted.height:
        effect = "inputs"
    large = drifted.filter(pl.col("level") == "large").height
    return DriftVerdict(drifted.height > 0, effect, drifted.height, large)


def headline(study: Study, language: Language = "en") -> str:
    """Say in one line as Markdown whether there is drift that counts, with the leading figures."""
    words, judged = Words("drift", language), verdict(study)
    return words(
        "conclusion.headline",
        verdict=words(f"verdict.{judged.effect}"),
        n=judged.drifted,
        comparison=study.comparison,
        all=study.comparison.columns.height,
        pd_psi=study.comparison.pd["psi"],
    )


def conclusion(study: Study, language: Language = "en") -> str:
    """What a study means, as Markdown in a language."""
    words = Words("drift", language)
    result, judged = study.comparison, verdict(study)
    before, after = result.applicants
    return "\n\n".join(
        [
            words(
                "conclusion.drift",
                n=judged.drifted,
                all=result.columns.height,
                large=judged.large,
                before=before,
                after=after,
                control=study.control.drifted.height,
            ),
            *_places(study, words),
            words(
                "conclusion.matters",
                answer=words(f"effect.{judged.effect}", share=result.drifted["importance"].sum()),
                comparison=result,
                pd_psi=result.pd["psi"],
            ),
            _ranking(study, words),
            words("conclusion.advice", advice=words(f"what_to_do.{judged.effect}")),
        ]
    )


def _places(study: Study, words: Words) -> list[str]:
    """Say where the drift is: histories first, then the columns that changed most."""
    limits, drifted = study.limits, study.comparison.drifted
    if drifted.is_empty():
        points = 100 * limits.moderate_missing
        return [words("conclusion.nowhere", limits=limits, points=points)]
    columns, items = set(drifted["column"]), []
    for table, (before, after) in study.histories.items():
        sign = HISTORIES[table]
        if sign in columns and abs(after - before) >= limits.moderate_missing:
            items.append(words("conclusion.history", table=table, before=before, after=after))
    groups = _by_source(drifted)
    for rows in groups[:_NAMED]:
        more = words("conclusion.more", n=len(rows) - 1) if len(rows) > 1 else ""
        items.append(_change(rows[0], limits, words) + more)
    others = sum(map(len, groups[_NAMED:]))
    if others:
        items.append(words("conclusion.others", n=others))
    return [words("conclusion.where"), "\n".join(f"- {item}" for item in items)]


def _by_source(drifted: pl.DataFrame) -> list[list[dict[str, Any]]]:
    """The changed columns of each source, the most changed first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in drifted.to_dicts():
        groups.setdefault(_source(row["column"]), []).append(row)
    return list(groups.values())


def _source(column: str) -> str:
    """What a feature's name begins with; columns of the application stand there as they are."""
    if column == PD:
        return PD
    return column.split("__")[0] if "__" in column else "application"


def _change(row: Mapping[str, Any], limits: Limits, words: Words) -> str:
    changes = []
    if row["psi"] >= limits.moderate_psi:
        changes.append(words("conclusion.values", psi=row["psi"]))
    before, after = row["missing_reference"], row["missing_current"]
    if abs(after - before) >= limits.moderate_missing:
        changes.append(words("conclusion.missing", before=before, after=after))
    meaning = meaning_of(row["column"], words)
    return words("conclusion.changed", meaning=meaning, changes=", ".join(changes))


def meaning_of(column: str, words: Words) -> str:
    """Say what a column of a study means."""
    if column == PD:
        return words("conclusion.pd")
    return describe(column, words.language)


def _ranking(study: Study, words: Words) -> str:
    before, after = study.ranking
    if before is None or after is None:
        return words("conclusion.unknown")
    return words("conclusion.ranking", before=before, after=after)


def _certain_psi(row: Mapping[str, Any]) -> float:
    """A column's PSI, if it is told at all: what chance may do is no effect."""
    return float(row["psi"]) if row["level"] != "none" else 0.0


def _certain_change(result: Comparison) -> float:
    change = result.accepted
    return abs(change.change) if change.p_value < _LIMITS.significance else 0.0


def _certain_loss(before: Interval | None, after: Interval | None) -> float:
    """AUC lost, where the intervals do not touch."""
    if before is None or after is None or after.high >= before.low:
        return 0.0
    return before.value - after.value
