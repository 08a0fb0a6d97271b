"""How decisions turned out, beside what was promised when the model was trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

import numpy as np
import numpy.typing as npt

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.business import realised_cost
from scoring.evaluation.intervals import normal_interval
from scoring.evaluation.metrics import intervals
from scoring.monitoring.cohorts import by_vintage
from scoring.monitoring.findings import Performance
from scoring.serving.scorer import Scorer
from scoring.store import Settled

Floats = npt.NDArray[np.float64]

_RESAMPLES = 200
# Figures of more would take minutes and tell the same.
_MOST = 20_000
_FIGURES = ("auc", "ks", "brier", "ece")


def performance(
    scorer: Scorer,
    lately: Settled,
    ever: Settled,
    seed: int = 0,
    decided: Mapping[date, int] | None = None,
) -> Performance | None:
    """Figures of the decisions whose outcome became known in a window.

    Only applicants who got a loan show an outcome. The few refused ones who have one after all
    are left out, and the figures are held against those promised for applicants who are not
    refused. They are those of all applicants only if refused ones have outcomes about as often
    as they are refused: where everybody got a loan while the model was being tried.

    Parameters
    ----------
    scorer : Scorer
        The model, with its promises in its lineage.
    lately : Settled
        Its decisions whose outcome was observed in the window.
    ever : Settled
        All of its decisions whose outcome is known.
    seed : int
        Of the intervals.
    decided : mapping of date to int, optional
        All decisions of the model, by the first day of the month; those with an outcome if it is
        not given.

    Returns
    -------
    Performance or None
        None while not both outcomes are among them.
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


def _everybody(refused: npt.NDArray[np.bool_], promised: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether refused applicants are among the labelled as if everybody had got a loan."""
    usual = promised.get("all", {}).get("refused", 0.0)
    return bool(refused.any() and refused.mean() >= usual / 2.0)


def _figures(
    scorer: Scorer, defaulted: npt.NDArray[np.bool_], pds: Floats, seed: int
) -> dict[str, Interval]:
    if defaulted.size > _MOST:
        places = np.random.default_rng(seed).choice(defaulted.size, _MOST, replace=False)
        defaulted, pds = defaulted[places], pds[places]
    found = intervals(defaulted, pds, scorer.cutoff, scorer.costs, _RESAMPLES, seed)
    return {name: found[name] for name in _FIGURES}


def observed_to_expected(defaulted: npt.NDArray[np.bool_], pds: Floats) -> Interval:
    """Defaults over the sum of PDs, 1 for calibrated ones.

    The interval is that of the number of defaults if each is as likely as its PD says.
    """
    expected = float(pds.sum())
    error = math.sqrt(float((pds * (1.0 - pds)).sum())) / expected
    return normal_interval(int(defaulted.sum()) / expected, error)
