"""Applicants that no model has learnt from, scored by the models that are compared on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Self

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
from scoring.serving.families.base import Floats, Labels


class Unseen(NamedTuple):
    """Applicants that no model has learnt from: outcomes and groups, and their features."""

    held_out: HeldOut
    features: pl.DataFrame

    @classmethod
    def of(cls, features: pl.DataFrame, target: Labels) -> Self:
        """Take numbers, sex and age from the features."""
        groups, numbers = attributes(features).select("sex", "age"), tuple(features["SK_ID_CURR"])
        return cls(HeldOut(target, groups, HOLDOUT_RULE, applicants=numbers), features)


def unseen(parts: Sequence[Frames[pl.DataFrame]]) -> Unseen:
    """Compute features of applicants with an outcome; each part has all tables of some of them."""
    target = pl.concat(rows["application"]["TARGET"] for rows in parts)
    features = pl.concat(build_features(rows) for rows in parts)
    return Unseen.of(features, target.to_numpy().astype(np.int8))


def fresh(
    held_out: HeldOut, pds: Sequence[Floats], uses: HoldoutUses, model: str, margins: Margins
) -> tuple[HeldOut, list[Floats]]:
    """Leave out who was looked at too often, and count this look at the others, with a model.

    What is left has newer outcomes. Everybody is, where too few defaults would be to judge by.
    """
    times, target = uses.times(model), held_out.target
    seen = np.array([times.get(number, 0) for number in held_out.applicants])
    left = seen < margins.uses
    left |= bool(target[left].sum() < margins.enough_defaults)
    kept = held_out.part(left)
    return replace(kept, uses=uses.look(kept.applicants, model)), [own[left] for own in pds]


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


def _of_held_out(rows: Frames[pl.DataFrame]) -> dict[str, pl.DataFrame] | None:
    """Return the rows of the applicants that are held out and have an outcome, None without any."""
    known = rows["application"].drop_nulls("TARGET")
    application = known.filter(is_held_out(known["SK_ID_CURR"]))
    if application.is_empty():
        return None
    chosen = application.select("SK_ID_CURR")
    histories = {
        name: frame.join(chosen, on="SK_ID_CURR", how="semi", maintain_order="left")
        if "SK_ID_CURR" in frame.columns
        else frame
        for name, frame in rows.items()
        if name != "application"
    }
    return {"application": application, **histories}
