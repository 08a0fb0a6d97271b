"""How hard it is to tell who defaults: the same figures of real and of sample applicants.

Models are those of the project's own families, cross-validated, so that nobody is scored by a model
that has seen them. The sample is drawn as large as the real applicants are many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from scoring.evaluation.bootstrap import Interval, interval, sums
from scoring.evaluation.metrics import auc_interval, intervals, paired_difference
from scoring.features import build_features
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.modelling.validation import Validation, cross_validate
from scoring.serving.costs import Costs

COSTS = Costs()
RESAMPLES = 1000


def difficulty(frames: Mapping[str, pl.DataFrame]) -> dict[str, Interval]:
    """Measure how hard the risk of applicants is, with bootstrap intervals of 95 %.

    Returns
    -------
    dict of str to Interval
        The AUC of the trees and of the linear model, and the linear one's minus the trees';
        intercept and slope of the trees' PDs before calibration (Cox, 1958; see `figures`); the
        share of what the trees explain that they explain by the external scores alone.
    """
    examples = Examples.of(
        build_features(frames), frames["application"].select("SK_ID_CURR", "TARGET")
    )
    scores = tuple(each for each in examples.features if each.name.startswith("EXT_SOURCE"))
    trees = _validated("trees", examples)
    linear = _validated("linear", examples)
    sources = _validated("trees", replace(examples, features=scores))
    target, cutoff = examples.target, COSTS.cutoff
    of_trees = intervals(target, trees.raw_pds, cutoff, COSTS, RESAMPLES)
    gap = paired_difference(target, linear.raw_pds, trees.raw_pds, cutoff, cutoff, COSTS, RESAMPLES)
    return {
        "AUC, trees": of_trees["auc"],
        "AUC, linear": auc_interval(target, linear.raw_pds, RESAMPLES),
        "AUC, linear minus trees": gap["auc"],
        "calibration slope": of_trees["calibration_slope"],
        "calibration intercept": of_trees["calibration_intercept"],
        "share of external scores": explained_share(sources, trees),
    }


def _validated(family: str, examples: Examples) -> Validation:
    return cross_validate(Candidate.of(family), examples, COSTS)


def explained_share(part: Validation, whole: Validation) -> Interval:
    """The pseudo R² of a model of some features over that of a model of all.

    R² is one minus the log-loss over that of the default rate (McFadden, "Conditional logit
    analysis of qualitative choice behavior", 1974), here of calibrated PDs out of fold.
    """
    rate = np.full(whole.target.size, whole.target.mean())
    losses = np.column_stack(
        [-np.log(np.where(whole.target == 1, pds, 1 - pds)) for pds in (rate, part.pds, whole.pds)]
    )
    drawn = _share(sums(losses, whole.target, RESAMPLES, seed=0))
    return interval(float(_share(losses.sum(axis=0))), drawn)


def _share(losses: np.ndarray) -> np.ndarray:
    without, part, whole = np.moveaxis(losses, -1, 0)
    return np.asarray((without - part) / (without - whole))


def compared(real: dict[str, Interval], drawn: dict[str, Interval]) -> pl.DataFrame:
    """A row a figure, real and drawn; they agree if the interval of their difference holds 0.

    That interval is made of the two (Zou and Donner, "Construction of confidence limits
    about effect measures: a general approach", 2008).
    """
    rows = []
    for name, ours in drawn.items():
        theirs = real[name]
        away = ours.value - theirs.value
        low = away - np.hypot(ours.value - ours.low, theirs.high - theirs.value)
        high = away + np.hypot(ours.high - ours.value, theirs.value - theirs.low)
        texts = [_text(theirs), _text(ours), _text(Interval(away, low, high))]
        rows.append((name, *texts, "yes" if low <= 0 <= high else "no"))
    return pl.DataFrame(rows, ["figure", "real", "sample", "difference", "agree"], orient="row")


def _text(own: Interval) -> str:
    return f"{own.value:.3f} ({own.low:.3f} to {own.high:.3f})"
