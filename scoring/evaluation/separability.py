"""Two groups of applicants told apart by their features.

Asked twice: of training and test applicants (have the two drifted apart?), and of women and men
(do the features that stand in for sex stay in the model when sex itself is left out?).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from lightgbm import LGBMClassifier
from sklearn.model_selection import StratifiedKFold

from scoring.errors import ScoringError
from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.metrics import auc_interval

# Quick rather than sharp: enough to find what differs, not the best classifier there could be.
_PARAMETERS: dict[str, Any] = {
    "n_estimators": 150,
    "num_leaves": 8,
    "learning_rate": 0.1,
    "colsample_bytree": 0.1,
    "max_bin": 63,
    "deterministic": True,
    "force_col_wise": True,
    "n_jobs": 1,
    "verbosity": -1,
}


class SeparabilityError(ScoringError):
    """There are not two groups to tell apart."""


@dataclass(frozen=True, slots=True)
class Separability:
    """The AUC of a model that tells two groups apart, and the features it does so by.

    Attributes
    ----------
    auc : Interval
        Of predictions for applicants that the model has not seen; 0.5: not at all, 1: surely.
    rows, share : int and float
        Applicants of both groups, and the share of the second group among them.
    top : tuple of (str, float)
        Features and their share of the gain, mean over the folds, the greatest first.
    """

    auc: Interval
    rows: int
    share: float
    top: tuple[tuple[str, float], ...]

    def table(self) -> pl.DataFrame:
        """Return the top features as rows: feature, gain_share."""
        return pl.DataFrame(self.top, schema=["feature", "gain_share"], orient="row")


def separability(
    features: pl.DataFrame,
    second: npt.ArrayLike,
    folds: int = 3,
    seed: int = 0,
    top: int = 10,
    without: Sequence[str] = ("SK_ID_CURR",),
) -> Separability:
    """Cross-validate a LightGBM that predicts who belongs to the second of two groups.

    Raises
    ------
    SeparabilityError
        If one of the groups has fewer applicants than there are folds.
    """
    group = np.asarray(second, dtype=np.bool_)
    fewest = int(min(group.sum(), (~group).sum()))
    if fewest < folds:
        raise SeparabilityError(
            f"the smaller of the two groups has {fewest} applicants: telling them apart in "
            f"{folds} folds needs at least {folds}"
        )
    columns = [name for name in features.columns if name not in without]
    matrix = features.select(pl.col(columns).to_physical().cast(pl.Float32)).to_numpy()
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores, gains = np.empty(group.size), np.zeros(len(columns))
    for rows, out in splitter.split(matrix, group):
        model = LGBMClassifier(**_PARAMETERS, random_state=seed).fit(matrix[rows], group[rows])
        scores[out] = model.booster_.predict(matrix[out], num_threads=1)
        gains += model.booster_.feature_importance("gain")
    shares = gains / max(gains.sum(), 1e-12)
    first = sorted(range(len(columns)), key=lambda i: (-shares[i], columns[i]))[:top]
    return Separability(
        auc=auc_interval(group, scores, seed=seed),
        rows=group.size,
        share=float(group.mean()),
        top=tuple((columns[i], float(shares[i])) for i in first if shares[i] > 0),
    )
