"""A trained model from raw rows to the PD: invariance, direction, minimum functionality.

After Ribeiro et al., "Beyond accuracy: behavioral testing of NLP models with CheckList" (2020).
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from scoring.data.dataset import Dataset
from scoring.features import build_features
from scoring.serving.scorer import Floats, Scorer

Rows = dict[str, pl.DataFrame]
EXTERNAL = ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3")


@pytest.fixture(scope="module")
def rows(sample: Dataset) -> Rows:
    return {name: frame.collect() for name, frame in sample.frames("test").items()}


def pds(scorer: Scorer, rows: Rows, *changes: pl.Expr) -> Floats:
    """PDs of the applicants after a change to their applications."""
    application = rows["application"].with_columns(changes)
    return scorer.predict(build_features({**rows, "application": application}))


@pytest.mark.parametrize(
    "change",
    [
        pl.when(pl.col("CODE_GENDER") == "F").then(pl.lit("M")).otherwise(pl.lit("F"))
        .alias("CODE_GENDER"),
        (pl.col("DAYS_BIRTH") + 3_650).alias("DAYS_BIRTH"),
        pl.lit("Widow").alias("NAME_FAMILY_STATUS"),
    ],
    ids=["sex", "age", "family status"],
)  # fmt: skip
def test_protected_attributes_move_no_pd(scorer: Scorer, rows: Rows, change: pl.Expr) -> None:
    assert pds(scorer, rows, change).tolist() == pds(scorer, rows).tolist()


def test_the_order_of_the_rows_moves_no_pd(scorer: Scorer, rows: Rows) -> None:
    shuffled = {
        name: frame.sample(fraction=1, shuffle=True, seed=5) for name, frame in rows.items()
    }
    features = build_features({**shuffled, "application": rows["application"]})
    assert scorer.predict(features).tolist() == pds(scorer, rows).tolist()


def test_better_external_scores_lower_the_pd(scorer: Scorer, rows: Rows) -> None:
    better = [(pl.col(name) + 0.2).clip(0.0, 1.0) for name in EXTERNAL]
    change = pds(scorer, rows, *better) - pds(scorer, rows)
    assert np.mean(change <= 0) > 0.95
    assert change.mean() < -0.005


def test_a_sound_applicant_has_a_lower_pd_than_a_doubtful_one(scorer: Scorer, rows: Rows) -> None:
    sound = pds(scorer, rows, *(pl.lit(0.8).alias(name) for name in EXTERNAL))
    doubtful = pds(scorer, rows, *(pl.lit(0.1).alias(name) for name in EXTERNAL))
    assert (sound < doubtful).all()


def test_an_applicant_without_any_history_or_score_gets_a_pd(scorer: Scorer, rows: Rows) -> None:
    bare = (
        rows["application"]
        .head(20)
        .with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in EXTERNAL)
    )
    answered = scorer.predict(build_features({"application": bare}))
    assert ((answered > 0) & (answered < 1)).all()
