"""The two populations of a drift study, with their PDs and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from scoring.data.dataset import Dataset
from scoring.errors import ScoringError
from scoring.serving.profiles import PD
from scoring.serving.scorer import Scorer

TARGET = "TARGET"

# Of each history table a feature that is there whenever the table says anything of the applicant:
# its missing values tell how many have no such history.
HISTORIES: Mapping[str, str] = MappingProxyType(
    {
        "bureau": "bureau__DAYS_CREDIT__all__count",
        "bureau_balance": "bureau_balance__MONTHS__active__count",
        "previous_application": "previous__DAYS_DECISION__all__count",
        "POS_CASH_balance": "pos_cash__MONTHS_BALANCE__all__count",
        "installments_payments": "installments__DAYS_INSTALMENT__all__count",
        "credit_card_balance": "card__MONTHS_BALANCE__all__count",
    }
)


class DriftError(ScoringError):
    """There is nothing to compare with."""


def populations(dataset: Dataset, features: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the features of the training applicants (reference) and the test ones (current).

    A dataset without test applicants is cut by SK_ID_CURR: the first half is the reference.

    Raises
    ------
    DriftError
        If a side has no applicant.
    """
    train = dataset.frames("train")["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"]
    if "test" in dataset.populations:
        known = pl.col("SK_ID_CURR").is_in(train.implode())
    else:
        known = pl.col("SK_ID_CURR") <= train.median()
    reference, current = features.filter(known), features.filter(~known)
    if reference.is_empty() or current.is_empty():
        raise DriftError(f"{dataset.folder}: too few applicants to compare two populations")
    return reference, current


def with_pd(features: pl.DataFrame, scorer: Scorer, unseen: pl.DataFrame) -> pl.DataFrame:
    """Add the PD as a column to compare like any other.

    What a model says of its own training rows is more extreme than what it says of others, and
    would look like drift: for those rows the PD comes from models that had not seen them. `unseen`
    has their SK_ID_CURR and probability_of_default, as `unseen_pds` gives them.
    """
    joined = features.join(unseen, on="SK_ID_CURR", how="left", maintain_order="left")
    own = pl.Series(scorer.predict(features))
    return joined.with_columns(pl.col(PD).fill_null(own))


def with_outcomes(features: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Add TARGET, null where the outcome is not known."""
    known = dataset.frames("train")["application"].select("SK_ID_CURR", TARGET).collect()
    return features.join(known, on="SK_ID_CURR", how="left", maintain_order="left")
