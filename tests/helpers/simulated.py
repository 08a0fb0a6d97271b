"""Applicants whose outcome depends on what is known, to try trainings with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples

QUICK = Candidate.of("trees", n_estimators=60, colsample_bytree=0.5)

# Names of real features, for which the Scorer has words.
NUMBERS = (
    "AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE", "AMT_INCOME_TOTAL", "DAYS_EMPLOYED",
    "DAYS_REGISTRATION", *(f"noise {i}" for i in range(24)),
)  # fmt: skip
COLOR, NOTHING = "OCCUPATION_TYPE", "OWN_CAR_AGE"


def simulated(rows: int, signal: float, seed: int = 0, columns: int = 6) -> Examples:
    """Applicants whose outcome depends on one number and one category, as far as `signal` says."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, columns)).astype(np.float32)
    color = rng.choice(["red", "green", "blue"], rows)
    risk = signal * (numbers[:, 0] + 1.5 * (color == "red")) - 1.0
    target = rng.random(rows) < 1 / (1 + np.exp(-risk))
    known = np.where(rng.random(numbers.shape) < 0.1, np.nan, numbers)
    frame = pl.DataFrame(
        {
            "SK_ID_CURR": np.arange(1, rows + 1, dtype=np.int32),
            **{
                name: pl.Series(known[:, i], nan_to_null=True)
                for i, name in enumerate(NUMBERS[:columns])
            },
            COLOR: pl.Series(color, dtype=pl.Enum(["blue", "green", "red", "never"])),
            NOTHING: pl.Series([None] * rows, dtype=pl.Float32),
        }
    )
    outcomes = pl.DataFrame({"SK_ID_CURR": frame["SK_ID_CURR"], "TARGET": target.astype(np.int8)})
    return Examples.of(frame, outcomes)


def with_target(examples: Examples, target: npt.NDArray[np.int8]) -> Examples:
    return replace(examples, target=target)
