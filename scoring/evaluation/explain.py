"""Explanations of a model, over all applicants and for one.

Contributions are exact, in calibrated log-odds, as the Scorer gives them: they add up to the logit
of the PD. Gain and permutation answer other questions, and stand beside them: how much a feature
weighs in the fitted model, and what decisions would lose without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import roc_auc_score

from scoring.errors import ScoringError
from scoring.evaluation.business import business_cost
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


def permutation(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    groups: Sequence[str] | Mapping[str, Sequence[str]],
    repeats: int = 5,
    seed: int = 0,
) -> pl.DataFrame:
    """Measure what is lost when a feature's values are shuffled among the applicants.

    Breiman, "Random forests" (2001). Features that carry the same information hide each other's
    importance: shuffle them together as a group.

    Parameters
    ----------
    scorer, features, target
        The model, which decides at its own cut-off and costs, and applicants that it has not seen.
    groups : sequence of str, or mapping of str to sequence of str
        Features to shuffle one by one, or named groups of features to shuffle together.
    repeats, seed : int
        How often each is shuffled, in orders that are the same for all features.

    Returns
    -------
    polars.DataFrame
        feature; cost_increase, of the business cost an applicant; auc_drop; cost_std and auc_std,
        their standard deviations over the repeats. The largest increase of cost first.

    Raises
    ------
    ExplainError
        If a feature is not one of the model's.
    """
    named = groups if isinstance(groups, Mapping) else {name: (name,) for name in groups}
    columns = {name: [_place(scorer, member) for member in named[name]] for name in named}
    outcomes = np.asarray(target)

    def figures(matrix: Floats) -> Floats:
        pds = scorer.pds(matrix)
        cost = business_cost(outcomes, pds, scorer.cutoff, scorer.costs)
        return np.array([cost, -roc_auc_score(outcomes, pds)])

    matrix = encode(features, scorer.features)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(outcomes.size) for _ in range(repeats)]
    untouched = figures(matrix)
    rows = []
    for name, places in columns.items():
        losses = _shuffled(matrix, places, orders, figures) - untouched
        (cost, auc), (cost_std, auc_std) = losses.mean(axis=0), losses.std(axis=0)
        rows.append((name, cost, cost_std, auc, auc_std))
    schema = ["feature", "cost_increase", "cost_std", "auc_drop", "auc_std"]
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.sort("cost_increase", "feature", descending=[True, False])


def _shuffled(
    matrix: Floats, places: list[int], orders: list[Places], figures: Callable[[Floats], Floats]
) -> Floats:
    """Return the figures with some columns in each of the orders; the matrix stays as it is."""
    kept = matrix[:, places].copy()
    drawn = []
    for order in orders:
        matrix[:, places] = kept[order]
        drawn.append(figures(matrix))
    matrix[:, places] = kept
    return np.array(drawn)


def importances(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    top: int = 20,
    repeats: int = 5,
    seed: int = 0,
) -> pl.DataFrame:
    """Put all three measures of the features with the largest contributions side by side.

    Only of the `top` ones: shuffling all would take minutes and show mostly zeros.

    Returns
    -------
    polars.DataFrame
        feature, contribution (mean absolute, in log-odds), gain (share), cost_increase, auc_drop
        and their standard deviations; the largest contribution first.
    """
    leading = global_importance(scorer, features).head(top)
    lost = permutation(scorer, features, target, leading["feature"].to_list(), repeats, seed)
    return (
        leading.rename({"importance": "contribution"})
        .join(gain(scorer), on="feature", how="left", maintain_order="left")
        .join(lost, on="feature", how="left", maintain_order="left")
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


def dependence(scorer: Scorer, features: pl.DataFrame, feature: str) -> pl.DataFrame:
    """Collect what a feature adds to the log-odds of each applicant, with its value.

    Returns
    -------
    polars.DataFrame
        value (null where unknown) and contribution, a row an applicant.

    Raises
    ------
    ExplainError
        If the feature is not one of the model's.
    """
    contributions = scorer.explain(features).contributions[:, _place(scorer, feature)]
    return pl.DataFrame({"value": features[feature], "contribution": contributions})


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
        Step(cause.cause, cause.contribution, reasons.get(cause.cause)) for cause in causes[:top]
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


def _place(scorer: Scorer, feature: str) -> int:
    names = _names(scorer)
    if feature not in names:
        raise ExplainError(f"{feature!r} is not a feature of the model")
    return names.index(feature)
