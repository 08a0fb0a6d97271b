"""A Scorer that carries everything a Scorer can carry."""

from __future__ import annotations

import numpy as np
import polars as pl
from exact import collected
from lightgbm import LGBMClassifier

from scoring.business import Costs
from scoring.dataset import Dataset
from scoring.features import PROTECTED
from scoring.learned import LEARNERS, cross_fit_all
from scoring.scorer import Calibration, Feature, Scorer, encode


def scorer_with_learned_features(sample: Dataset, features: pl.DataFrame) -> Scorer:
    """A small model of the sample applicants, every learnt feature among its columns.

    Parameters
    ----------
    sample : Dataset
        The sample applicants.
    features : polars.DataFrame
        Their features, training applicants first.
    """
    rows = collected(sample.frames("train"))
    target = rows["application"]["TARGET"].to_numpy().astype(np.int8)
    known = features.head(target.size)
    learned, frame = cross_fit_all(tuple(LEARNERS.values()), rows, known, target, 2, seed=0)
    columns = tuple(
        Feature.of(name, dtype)
        for name, dtype in frame.schema.items()
        if name not in PROTECTED | {"SK_ID_CURR"}
    )
    model = LGBMClassifier(
        n_estimators=80, num_leaves=8, colsample_bytree=0.1, random_state=1, n_jobs=1, verbosity=-1
    )
    model.fit(encode(frame, columns), target, feature_name=[column.name for column in columns])
    return Scorer(
        name="carrier",
        version="7",
        features=columns,
        calibration=Calibration(0.8, -0.2),
        cutoff=Costs().cutoff,
        costs=Costs(),
        text=model.booster_.model_to_string(),
        learned=learned,
        refer_band=(0.06, 0.12),
        texts={
            column.name: {"en": f"about {column.name}", "fr": f"à propos de {column.name}"}
            for column in columns
        },
    )
