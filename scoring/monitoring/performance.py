"""Performance: realised beside what was promised in training, and estimated before outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from scoring.evaluation.bootstrap import Interval, interval
from scoring.evaluation.business import decision_costs, realised_cost
from scoring.evaluation.intervals import auc_of_ranks, normal_interval, wilson
from scoring.evaluation.metrics import intervals
from scoring.modelling.examples import Mask
from scoring.monitoring.findings import Estimate, Performance
from scoring.serving.costs import Costs
from scoring.serving.scorer import Floats, Scorer
from scoring.store import Settled

_RESAMPLES = 200
# Figures of more would take minutes and tell the same, and the interval of an estimate would be
# narrower than the calibration's own error.
_MOST = 20_000
_FIGURES = ("auc", "ks", "brier", "ece")
# The same of a single month, of which there may be many.
_VINTAGE_RESAMPLES = 100
_VINTAGE_MOST = 10_000
_VINTAGE_FIGURES = ("auc", "brier")
_MEASURED = (
    "business_cost", "cost_low", "cost_high", "auc", "auc_low", "auc_high", "brier", "brier_low",
    "brier_high",
)  # fmt: skip
# A month with fewer outcomes of either kind has no resample worth an interval.
_LEAST_OF_EACH = 5
# Times that outcomes are drawn from the PDs for an estimate.
_DRAWS = 300


def performance(
    scorer: Scorer,
    lately: Settled,
    ever: Settled,
    seed: int = 0,
    decided: Mapping[date, int] | None = None,
) -> Performance | None:
    """Compute figures of the decisions whose outcome became known in a window.

    Only applicants who got a loan show an outcome. The few refused ones who have one after all
    are left out, and the figures are held against those promised for applicants who are not
    refused. They are those of all applicants only if refused ones have outcomes about as often
    as they are refused: where everybody got a loan while the model was being tried.

    `lately` are the model's decisions whose outcome was observed in the window, `ever` all whose
    outcome is known, and `decided` counts all its decisions by the first day of the month; those
    with an outcome if it is not given. Returns None while not both outcomes are among them.
    """
    promised = scorer.lineage.get("promised", {})
    everybody = _everybody(lately.refused, promised)
    counted = np.ones_like(lately.refused) if everybody else ~lately.refused
    defaulted, pds = lately.defaulted[counted], lately.pds[counted]
    if not 0 < defaulted.sum() < defaulted.size:
        return None
    return Performance(
        labelled=defaulted.size,
        defaults=int(defaulted.sum()),
        accepted_only=not everybody,
        figures={
            **_figures(scorer, defaulted, pds, seed),
            "business_cost": realised_cost(defaulted, lately.refused[counted], scorer.costs),
            "observed_to_expected": observed_to_expected(defaulted, pds),
        },
        promised=promised.get("all" if everybody else "not_refused", {}),
        by_vintage=by_vintage(scorer, ever, decided or {}, seed),
        costs=scorer.costs,
    )


def _everybody(refused: Mask, promised: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether refused applicants are among the labelled as if everybody had got a loan."""
    usual = promised.get("all", {}).get("refused", 0.0)
    return bool(refused.any() and refused.mean() >= usual / 2.0)


def _figures(scorer: Scorer, defaulted: Mask, pds: Floats, seed: int) -> dict[str, Interval]:
    if defaulted.size > _MOST:
        places = np.random.default_rng(seed).choice(defaulted.size, _MOST, replace=False)
        defaulted, pds = defaulted[places], pds[places]
    measured = intervals(defaulted, pds, scorer.cutoff, scorer.costs, _RESAMPLES, seed)
    return {name: measured[name] for name in _FIGURES}


def observed_to_expected(defaulted: Mask, pds: Floats) -> Interval:
    """Divide the number of defaults by the sum of PDs: 1 for calibrated ones.

    The interval is that of the number of defaults if each is as likely as its PD says.
    """
    expected = float(pds.sum())
    error = math.sqrt(float((pds * (1.0 - pds)).sum())) / expected
    return normal_interval(int(defaulted.sum()) / expected, error)


def by_vintage(
    scorer: Scorer, ever: Settled, decided: Mapping[date, int], seed: int = 0
) -> pl.DataFrame:
    """Compute figures by month of decision, of all decisions whose outcome is known so far.

    A young month's outcomes are the early ones, and a refused applicant has none: `decided`
    says how many were decided on, so how many of them the figures leave out.

    Returns
    -------
    polars.DataFrame
        vintage (the month's first day), decided, labelled; default_rate with rate_low and
        rate_high (Wilson); expected (mean PD of the labelled); business_cost with cost_low and
        cost_high, auc and brier with _low and _high: null where fewer than five defaulted, or
        fewer than five did not.
    """
    columns = {"pd": ever.pds, "defaulted": ever.defaulted, "refused": ever.refused}
    table = pl.DataFrame({"vintage": ever.at, **columns}).with_columns(
        pl.col("vintage").dt.date().dt.month_start()
    )
    months = table.sort("vintage", maintain_order=True).partition_by("vintage", maintain_order=True)
    rows = [_vintage(month, scorer, decided, seed) for month in months]
    return pl.DataFrame(rows, infer_schema_length=None)


def _vintage(
    month: pl.DataFrame, scorer: Scorer, decided: Mapping[date, int], seed: int
) -> dict[str, Any]:
    first, defaulted = month["vintage"][0], month["defaulted"].to_numpy()
    low, high = wilson(defaulted.sum(), month.height)
    row = {
        "vintage": first,
        "decided": decided.get(first, month.height),
        "labelled": month.height,
        "default_rate": float(defaulted.mean()),
        "rate_low": float(low),
        "rate_high": float(high),
        "expected": float(month["pd"].to_numpy().mean()),
    }
    if min(defaulted.sum(), (~defaulted).sum()) < _LEAST_OF_EACH:
        return row | dict.fromkeys(_MEASURED)
    cost = realised_cost(defaulted, month["refused"].to_numpy(), scorer.costs)
    row |= {"business_cost": cost.value, "cost_low": cost.low, "cost_high": cost.high}
    return row | _ranking(month, scorer, seed)


def _ranking(month: pl.DataFrame, scorer: Scorer, seed: int) -> dict[str, float]:
    """Return a month's AUC and Brier score."""
    if month.height > _VINTAGE_MOST:
        month = month.sample(_VINTAGE_MOST, seed=seed)
    outcomes, pds = month["defaulted"].to_numpy(), month["pd"].to_numpy()
    figures = intervals(outcomes, pds, scorer.cutoff, scorer.costs, _VINTAGE_RESAMPLES, seed)
    return {
        key: value
        for name in _VINTAGE_FIGURES
        for key, value in figures[name].columns(name).items()
    }


def estimate(pds: Floats, refused: Mask, costs: Costs, seed: int = 0) -> Estimate | None:
    """Estimate AUC, cost and default rate of all applicants, refused ones too, from their PDs.

    Outcomes are drawn from the PDs, many times (confidence-based performance estimation; Guillory
    et al., "Predicting with confidence on unseen distributions", 2021, estimate accuracy alike).
    That holds as long as the PDs are calibrated: a change of the applicants is seen, a change of
    what makes them default is not.

    An interval is that of chance in the outcomes, for at most 20,000 applicants. Returns None with
    nobody.
    """
    if not pds.size:
        return None
    rng = np.random.default_rng(seed)
    if pds.size > _MOST:
        places = rng.choice(pds.size, _MOST, replace=False)
        pds, refused = pds[places], refused[places]
    ranks = stats.rankdata(pds)
    drawn = np.array([_drawn_figures(rng.random(pds.size) < pds, ranks, refused, costs)
                      for _ in range(_DRAWS)])  # fmt: skip
    return Estimate(*(_of_draws(values) for values in drawn.T))


def _drawn_figures(
    defaulted: Mask, ranks: Floats, refused: Mask, costs: Costs
) -> tuple[float, float, float]:
    cost = float(decision_costs(defaulted, refused, costs).mean())
    return auc_of_ranks(ranks, defaulted), cost, float(defaulted.mean())


def _of_draws(drawn: Floats) -> Interval:
    known = drawn[~np.isnan(drawn)]
    nothing = Interval(math.nan, math.nan, math.nan)
    return interval(float(known.mean()), known) if known.size else nothing
