"""Explanations of a model, over all applicants and for one.

Contributions are exact, in calibrated log-odds, as the Scorer gives them: they add up to the logit
of the PD. Gain answers another question, and stands beside them: how much a feature weighs in the
fitted model.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.errors import ScoringError
from scoring.serving.costs import Decision
from scoring.serving.scorer import Floats, Reason, Scorer, encode

Places = npt.NDArray[np.int64]


class ExplainError(ScoringError):
    """There is nothing to explain, or no such feature in the model."""


class Summary(NamedTuple):
    """Contributions of some applicants, for a beeswarm.

    Features are by mean absolute contribution, the largest first; both arrays are of shape
    (applicants, features): log-odds of default, and values (codes of categories, NaN if unknown).
    """

    features: tuple[str, ...]
    contributions: Floats
    values: Floats


class Step(NamedTuple):
    """One cause's part of a PD: what it adds to the log-odds, and how it is told if it is."""

    cause: str
    contribution: float
    reason: Reason | None
    features: tuple[str, ...]


class Local(NamedTuple):
    """One applicant's PD taken apart: base + steps + rest = logit, all in log-odds.

    The base is the calibrated mean score of the applicants that the model was trained on; `steps`
    are the strongest causes of either sign, the strongest first; `rest` is what the others, so
    many, add together.
    """

    base: float
    steps: tuple[Step, ...]
    rest: float
    others: int
    logit: float
    pd: float


def global_importance(scorer: Scorer, features: pl.DataFrame) -> pl.DataFrame:
    """Compute the mean absolute contribution of each feature over some applicants.

    Returns
    -------
    polars.DataFrame
        feature and importance (in log-odds), the most important first.
    """
    contributions = scorer.explain(features).contributions
    return pl.DataFrame(
        {"feature": _names(scorer), "importance": np.abs(contributions).mean(axis=0)}
    ).sort("importance", "feature", descending=[True, False])


def gain(scorer: Scorer) -> pl.DataFrame:
    """How much each feature weighs in the fitted model.

    Of trees it is what they gained in training by splitting on the feature; of a linear model, how
    far a standard deviation of the feature moves the score.

    Returns
    -------
    polars.DataFrame
        feature and gain, as a share of all (0 where a feature is never used), the largest first.
    """
    return pl.DataFrame({"feature": _names(scorer), "gain": scorer.model.gains()}).sort(
        "gain", "feature", descending=[True, False]
    )


def summary(scorer: Scorer, features: pl.DataFrame) -> Summary:
    """Collect contributions and values of all applicants and features, for a beeswarm."""
    contributions = scorer.explain(features).contributions
    order = np.argsort(-np.abs(contributions).mean(axis=0), kind="stable")
    names = _names(scorer)
    return Summary(
        tuple(names[i] for i in order),
        contributions[:, order],
        encode(features, scorer.features)[:, order],
    )


def local(scorer: Scorer, features: pl.DataFrame, top: int = 10) -> Local:
    """Take the PD of one applicant, the only row, apart, for a waterfall of the `top` causes.

    Raises
    ------
    ExplainError
        If there is not exactly one row.
    """
    if features.height != 1:
        raise ExplainError(f"one applicant can be explained at a time, not {features.height}")
    scored = scorer.score_matrix(encode(features, scorer.features))
    reasons = {reason.cause: reason for reason in scorer.reasons_of(scored)[0]}
    causes = scorer.causes.steps(scored)
    steps = tuple(
        Step(
            cause.cause,
            cause.contribution,
            reasons.get(cause.cause),
            tuple(step.feature for step in cause.steps),
        )
        for cause in causes[:top]
    )
    return Local(
        base=scored.base,
        steps=steps,
        rest=sum(cause.contribution for cause in causes[top:]),
        others=len(causes) - len(steps),
        logit=scored.base + float(scored.contributions.sum()),
        pd=float(scored.pds[0]),
    )


def exemplars(scorer: Scorer, features: pl.DataFrame) -> dict[Decision, int]:
    """Find one applicant for each decision that occurs: the one with the decision's median PD.

    Returns
    -------
    dict of decision to int
        Positions in `features`; a decision that nobody got is left out.
    """
    pds = scorer.predict(features)
    decisions = np.asarray(scorer.decide(pds))
    result: dict[Decision, int] = {}
    for decision in get_args(Decision):
        rows = np.flatnonzero(decisions == decision)
        if rows.size:
            away = np.abs(pds[rows] - np.median(pds[rows]))
            result[decision] = int(rows[np.argmin(away)])
    return result


def _names(scorer: Scorer) -> list[str]:
    return [feature.name for feature in scorer.features]
