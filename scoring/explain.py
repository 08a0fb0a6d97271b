"""Which features a model leans on."""

from __future__ import annotations

import numpy as np
import polars as pl

from scoring.scorer import Scorer


def global_importance(scorer: Scorer, features: pl.DataFrame) -> pl.DataFrame:
    """Mean absolute contribution of each feature over some applicants.

    Parameters
    ----------
    scorer : Scorer
        The model.
    features : polars.DataFrame
        Rows that `build_features` made.

    Returns
    -------
    polars.DataFrame
        feature and importance (in log-odds), the most important first.
    """
    contributions = scorer.explain(features).contributions
    return pl.DataFrame(
        {
            "feature": [feature.name for feature in scorer.features],
            "importance": np.abs(contributions).mean(axis=0),
        }
    ).sort("importance", "feature", descending=[True, False])
