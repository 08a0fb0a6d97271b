"""Everything that slides may name: figures, lists for tables and bars, lines, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from presentation.charts import Line
from presentation.drawing import GREEN, ORANGE, Printed
from presentation.evidence import Evidence
from presentation.figures import Figures, Trained, there
from scoring.data.tables import DAY_SENTINEL
from scoring.evaluation.business import cost_curve
from scoring.evaluation.fairness import FOUR_FIFTHS
from scoring.evaluation.metrics import SUSPECT_AUC, reliability
from scoring.monitoring.thresholds import Thresholds
from scoring.reports.card.fields import Ratio
from scoring.serving.costs import Costs

_MOST_CAUSES = 6
_MOST_DRIVERS = 8
# Four long ones would not be legible on the slide.
_MOST_REASONS = 2
# Between these the curve of costs is drawn.
_LEAST_CUTOFF, _HIGHEST_CUTOFF = 0.02, 0.35
# The interval of a family's cost minus that of the one chosen, where its run has measured it.
_DIFFERENCE = ("cost_difference_low", "cost_difference_high")


def names_of(figures: Figures, evidence: Evidence, page: Path, speaker: str) -> dict[str, Any]:
    """Gather what slides may name; attributes and items are named with it, as in {card.data}.

    Raises
    ------
    MissingFigureError
        If the picture of the page is missing.
    """
    return {
        **vars(figures),
        **_explored(figures.application),
        **_of_models(figures),
        **_of_decisions(figures),
        "speaker": speaker,
        "evidence": evidence,
        "answer": _answer(evidence.answer),
        "moved": sorted(evidence.causes, key=lambda item: -abs(item["contribution"]))[
            :_MOST_CAUSES
        ],
        "page": there(page, "make screenshots"),
        "histories": list(figures.drift["histories"].items()),
        "limits": Thresholds(),
        "suspect_auc": SUSPECT_AUC,
    }


def _explored(known: pl.DataFrame) -> dict[str, Any]:
    """Default rates along the external scores, and what is missing or stands for it."""
    score = pl.mean_horizontal("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3")
    scored = known.select("TARGET", risk=1 - score).drop_nulls()
    fifths = reliability(scored["TARGET"], scored["risk"], bins=5)
    return {
        "fifths": fifths.with_columns(score=1 - pl.col("predicted")).reverse().to_dicts(),
        "often_missing": sum(count > known.height / 2 for count in known.null_count().row(0)),
        "sentinels": (known["DAYS_EMPLOYED"] == DAY_SENTINEL).mean(),
    }


def _of_models(figures: Figures) -> dict[str, Any]:
    card = figures.card
    chosen = next(item for item in figures.families if item.name == card.method.family)
    trials = [(int(trial.name), trial.figures["objective"]) for trial in figures.trials]
    rivals = [
        (item.name, _cost(item) - _cost(chosen), *map(item.figures.get, _DIFFERENCE))
        for item in figures.families[1:]
        if item is not chosen
    ]
    others = (item for item in figures.families[1:] if item is not chosen)
    dearer = [item.figures.get(_DIFFERENCE[0], 0.0) for item in others]
    return {
        "chosen": chosen,
        "rivals": rivals,
        "paired": all(None not in rival for rival in rivals),
        # The least cost is told where it is the least beyond chance.
        "clearly": "cheapest" if all(least > 0 for least in dearer) else "tied",
        "kept_remedy": next(it for it in figures.remedies if it.name == card.method.resampling),
        "search": [Line(trials, style="o-")],
        "search_kept": "The best trial is chosen" in card.method.choice,
        "sources": sorted(card.features.by_table.items(), key=lambda item: -item[1]),
        "drivers": card.drivers[:_MOST_DRIVERS],
        "ratios": [(ratio, _verdict(ratio)) for ratio in card.fairness.ratios],
    }


def _of_decisions(figures: Figures) -> dict[str, Any]:
    deciding, best = figures.card.deciding, figures.card.deciding.best_cutoff
    holdout = {item.name: item for item in figures.card.holdout}
    # Of the same applicants as the figures of `holdout`.
    accept_all = deciding.false_negative * figures.target.filter(figures.held_out).to_numpy().mean()
    return {
        "holdout": holdout,
        "cost_ratio": deciding.false_negative / deciding.false_positive,
        "accept_all": accept_all,
        "saving": 1 - holdout["business_cost"].value / accept_all,
        "cutoff_within": best.low <= deciding.cutoff <= best.high,
        "costs": _costs(figures),
    }


def _verdict(ratio: Ratio) -> str:
    if ratio.ratio.low >= FOUR_FIFTHS:
        return "kept"
    return "broken" if ratio.ratio.value < FOUR_FIFTHS else "uncertain"


def _answer(answer: Mapping[str, Any]) -> Printed:
    """What the API says, without what says little to an audience."""
    shown = {key: answer[key] for key in ("id", "probability_of_default", "cutoff", "decision")}
    shown["reasons"] = [reason["texts"]["fr"] for reason in answer["reasons"][:_MOST_REASONS]]
    shown["model"] = answer["model"]["version"]
    printed = json.dumps(shown, indent=1, ensure_ascii=False)
    chosen = f"{{id, ..., reasons: .reasons[:{_MOST_REASONS}]}}"
    return Printed(f"curl $API_URL/predict --data @request.json | jq '{chosen}'", printed)


def _costs(figures: Figures) -> list[Line]:
    """The curve of costs along the cut-off, and two cut-offs as upright lines.

    It is of the applicants of whom the card has the best cut-off: those set aside.
    """
    deciding = figures.card.deciding
    costs = Costs(deciding.false_negative, deciding.false_positive)
    target, pds = (each.filter(figures.held_out) for each in (figures.target, figures.pds))
    curve = zip(*cost_curve(target.to_numpy(), pds.to_numpy(), costs), strict=True)
    points = [point for point in curve if _LEAST_CUTOFF <= point[0] <= _HIGHEST_CUTOFF]
    cost = [cost for _, cost in points]
    upright = [
        Line([(cutoff, min(cost)), (cutoff, max(cost))], color, "--")
        for cutoff, color in ((deciding.cutoff, ORANGE), (deciding.best_cutoff.value, GREEN))
    ]
    return [Line(points), *upright]


def _cost(model: Trained) -> float:
    return model.figures["business_cost"]
