"""Applicants that no model has learnt from, scored by the models that are compared on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from scoring.data.dataset import Dataset
from scoring.data.tables import Frames
from scoring.evaluation.fairness import attributes
from scoring.features import build_features
from scoring.modelling.examples import HOLDOUT_RULE, is_held_out
from scoring.registry.gates import HeldOut, Margins
from scoring.registry.holdout_uses import HoldoutUses
from scoring.registry.promotions import RegistryError
from scoring.serving.batch import row_batches
from scoring.serving.scorer import Floats, Scorer


def score_parts(
    parts: Sequence[Frames[pl.DataFrame]], *scorers: Scorer
) -> tuple[HeldOut, list[Floats]]:
    """Score applicants with an outcome whom no model has learnt from.

    Each of `parts` has all seven tables of some of them. Returns their outcomes, sex and age, and
    the PDs of each model, of shape (applicants,).
    """
    applications = pl.concat(rows["application"] for rows in parts)
    target = applications["TARGET"].to_numpy().astype(np.int8)
    held_out = HeldOut(target, attributes(applications).select("sex", "age"), HOLDOUT_RULE)
    features = [build_features(rows) for rows in parts]
    return held_out, [np.concatenate([own.predict(rows) for rows in features]) for own in scorers]


def held_out_rows(dataset: Dataset) -> list[dict[str, pl.DataFrame]]:
    """Read the tables of the applicants that no model has learnt from, some at a time.

    Raises
    ------
    RegistryError
        If there are none.
    """
    parts = [part for rows in row_batches(dataset, "train") if (part := _of_held_out(rows))]
    if not parts:
        raise RegistryError("no applicant with an outcome is held out: the dataset is too small")
    return parts


def fresh_rows(
    parts: list[dict[str, pl.DataFrame]], uses: HoldoutUses, margins: Margins
) -> list[dict[str, pl.DataFrame]]:
    """Leave out the held-out applicants that were looked at too often.

    What is left are those whose outcomes came later. They are all returned as long as too few
    defaults are left to judge by.
    """
    times = uses.times()
    spent = pl.Series(
        [own for own, count in times.items() if count >= margins.uses], dtype=pl.Int32
    )
    left = []
    for rows in parts:
        known = rows["application"]
        fresh = known.filter(~known["SK_ID_CURR"].is_in(spent.implode()))
        if not fresh.is_empty():
            left.append(_of_applicants(rows, fresh))
    defaults = sum(int(rows["application"]["TARGET"].sum()) for rows in left)
    return left if defaults >= margins.enough_defaults else parts


def numbers_of(parts: Sequence[Frames[pl.DataFrame]]) -> list[int]:
    """Return SK_ID_CURR of the applicants of some tables."""
    return pl.concat(rows["application"] for rows in parts)["SK_ID_CURR"].to_list()


def _of_held_out(rows: Frames[pl.DataFrame]) -> dict[str, pl.DataFrame] | None:
    """Return the rows of the applicants that are held out and have an outcome, None without any."""
    known = rows["application"].drop_nulls("TARGET")
    application = known.filter(is_held_out(known["SK_ID_CURR"]))
    return None if application.is_empty() else _of_applicants(rows, application)


def _of_applicants(
    rows: Frames[pl.DataFrame], application: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Return the rows of some applicants, those of `application`."""
    chosen = application.select("SK_ID_CURR")
    histories = {
        name: frame.join(chosen, on="SK_ID_CURR", how="semi", maintain_order="left")
        if "SK_ID_CURR" in frame.columns
        else frame
        for name, frame in rows.items()
        if name != "application"
    }
    return {"application": application, **histories}
