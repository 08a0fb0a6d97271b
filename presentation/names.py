"""Everything that slides may name: figures, lists for tables and bars, lines, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from presentation.charts import Line
from presentation.drawing import GREEN, GREY, ORANGE, Printed
from presentation.evidence import Evidence
from presentation.figures import Figures, MissingFigureError, Trained
from scoring.evaluation.business import cost_curve
from scoring.evaluation.fairness import FOUR_FIFTHS
from scoring.evaluation.metrics import SUSPECT_AUC, reliability
from scoring.monitoring.drift.verdict import ACCEPTANCE, PD_PSI, WEIGHTED_PSI
from scoring.monitoring.thresholds import Thresholds
from scoring.reports.card.fields import Ratio
from scoring.serving.costs import Costs

_MOST_FIELDS = 9
_MOST_DRIFTED = 5
_MOST_REASONS = 6
_MOST_DRIVERS = 10
_PARAMETERS = (
    "n_estimators", "learning_rate", "num_leaves", "max_depth", "colsample_bytree",
    "min_child_samples", "reg_lambda",
)  # fmt: skip
# PDs between which the curve of costs is drawn, and at how many points.
_CURVE = (0.02, 0.35, 150)


def names_of(figures: Figures, evidence: Evidence, page: Path, speaker: str) -> dict[str, Any]:
    """Gather what slides may name; attributes and items are named with it, as in {card.data}.

    Raises
    ------
    MissingFigureError
        If the picture of the page is missing.
    """
    if not page.is_file():
        raise MissingFigureError(f"{page} is not there: make screenshots makes it")
    return {
        **vars(figures),
        **_of_models(figures),
        **_of_decisions(figures),
        "speaker": speaker,
        "evidence": evidence,
        "request": _request(evidence),
        "answer": _answer(evidence),
        "moved": sorted(evidence.causes, key=_pull)[:_MOST_REASONS],
        "page": page,
        "most_drifted": _most_drifted(figures),
        "drift_alerts": {
            "weighted_psi": WEIGHTED_PSI[0], "pd_psi": PD_PSI[0], "acceptance": ACCEPTANCE[0],
        },
        "limits": Thresholds(),
        "suspect_auc": SUSPECT_AUC,
    }  # fmt: skip


def _of_models(figures: Figures) -> dict[str, Any]:
    card, parameters = figures.card, figures.card.method.parameters
    return {
        "chosen": next(item for item in figures.families if item.name == card.method.family),
        "best_family": min(figures.families, key=_cost),
        "best_remedy": min(figures.remedies, key=_cost),
        "search": _search(figures),
        "parameters": [(name, parameters[name]) for name in _PARAMETERS if name in parameters],
        "calibration": _calibration(figures),
        "tables": list(figures.rows.items()),
        "sources": sorted(card.features.by_table.items(), key=lambda item: -item[1]),
        "drivers": card.drivers[:_MOST_DRIVERS],
        "ratios": [(ratio, _verdict(ratio)) for ratio in card.fairness.ratios],
        "four_fifths": FOUR_FIFTHS,
    }


def _of_decisions(figures: Figures) -> dict[str, Any]:
    deciding, best = figures.card.deciding, figures.card.deciding.best_cutoff
    rate = figures.card.data.default_rate
    holdout = {item.name: item for item in figures.card.holdout}
    accept_everyone = deciding.false_negative * rate
    return {
        "holdout": holdout,
        "cost_ratio": deciding.false_negative / deciding.false_positive,
        "accept_everyone": accept_everyone,
        "refuse_everyone": deciding.false_positive * (1 - rate),
        "saving": 1 - holdout["business_cost"].value / accept_everyone,
        "cutoff_within": best.low <= deciding.cutoff <= best.high,
        "costs": _costs(figures),
    }


def _most_drifted(figures: Figures) -> list[Any]:
    """The most changed column of each table."""
    leading: dict[str, Any] = {}
    for item in figures.drift["columns"]:
        if item["level"] != "none":
            source, derived, _ = item["column"].partition("__")
            leading.setdefault(source if derived else "application", item)
    return list(leading.values())[:_MOST_DRIFTED]


def _verdict(ratio: Ratio) -> str:
    if ratio.ratio.low >= FOUR_FIFTHS:
        return "kept"
    return "broken" if ratio.ratio.value < FOUR_FIFTHS else "uncertain"


def _request(evidence: Evidence) -> Printed:
    some = dict(list(evidence.request["application"].items())[:_MOST_FIELDS])
    return Printed("POST /predict", _json({"application": {**some, "...": "..."}}))


def _answer(evidence: Evidence) -> Printed:
    """Without what takes lines and says little to an audience."""
    answer, reason = evidence.answer, evidence.answer["reasons"][0]
    french = {"fr": reason["texts"]["fr"]}
    short = {
        "id": answer["id"],
        "probability_of_default": round(answer["probability_of_default"], 4),
        "cutoff": round(answer["cutoff"], 4),
        "decision": answer["decision"],
        "reasons": [{"contribution": round(reason["contribution"], 3), "texts": french}, "..."],
        "model": {key: answer["model"][key] for key in ("name", "version", "role")},
    }
    return Printed("HTTP 200", _json(short))


def _search(figures: Figures) -> list[Line]:
    costs = [(int(trial.name), trial.figures["objective"]) for trial in figures.trials]
    best = min(cost for _, cost in costs)
    return [Line(costs, style="o-"), Line([(0, best), (len(costs) - 1, best)], ORANGE, "--")]


def _calibration(figures: Figures) -> list[Line]:
    table = reliability(figures.target.to_numpy(), figures.pds.to_numpy())
    points = list(zip(table["predicted"] * 100, table["observed"] * 100, strict=True))
    top = 108 * max(*table["predicted"], *table["observed"])
    return [Line(points, style="o-"), Line([(0, 0), (top, top)], GREY, "--")]


def _costs(figures: Figures) -> list[Line]:
    """The curve of costs along the cut-off in percent, and two cut-offs as upright lines."""
    deciding = figures.card.deciding
    costs = Costs(deciding.false_negative, deciding.false_positive)
    cutoffs, cost = cost_curve(figures.target.to_numpy(), figures.pds.to_numpy(), costs)
    first, last, most = _CURVE
    inside = np.flatnonzero((cutoffs >= first) & (cutoffs <= last))
    some = inside[np.linspace(0, inside.size - 1, min(inside.size, most)).astype(int)]
    low, high = cost[some].min(), cost[some].max()
    edge = 0.05 * (high - low)
    curve = Line(list(zip(100 * cutoffs[some], cost[some], strict=True)))
    upright = [
        Line([(100 * cutoff, low - edge), (100 * cutoff, high + edge)], color, "--")
        for cutoff, color in ((deciding.cutoff, ORANGE), (deciding.best_cutoff.value, GREEN))
    ]
    return [curve, *upright]


def _cost(model: Trained) -> float:
    return model.figures["business_cost"]


def _pull(contribution: Mapping[str, Any]) -> float:
    return -float(abs(contribution["contribution"]))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
