"""How MLflow loads a registered model: `models:/credit-scoring@champion` as a pyfunc.

MLflow calls `_load_pyfunc` with the Scorer's directory; no pickle is involved.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl

from scoring.serving.scorer import Scorer


class PyfuncModel:
    """A Scorer behind MLflow's predict."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def predict(
        self, features: pd.DataFrame, params: dict[str, object] | None = None
    ) -> pd.DataFrame:
        """PD and decision of rows that `build_features` made, in the same order."""
        del params  # MLflow passes it; the Scorer has no inference parameters.
        pds = self.scorer.predict(pl.from_pandas(features))
        return pd.DataFrame(
            {"probability_of_default": pds, "decision": self.scorer.decide(pds)},
            index=features.index,
        )


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Scorer.load(Path(path)))
