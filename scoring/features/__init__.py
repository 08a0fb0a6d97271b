"""One definition of every feature: training, batch scoring and a single request call it alike."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import polars.selectors as cs

from scoring.features import (
    application,
    bureau,
    bureau_balance,
    combined,
    credit_card,
    installments,
    loan,
    pos_cash,
    previous_application,
    warning_signs,
)
from scoring.features.application import PROTECTED
from scoring.tables import TABLES, Frames, RowsT, empty_frame

__all__ = ["FEATURE_SET_VERSION", "PROTECTED", "build_features"]

# Raised whenever a feature's definition, name or order changes: stored features of another
# version are not scored.
FEATURE_SET_VERSION = "2"


def build_features(frames: Frames[RowsT]) -> RowsT:
    """Compute every feature of every applicant in the application table.

    The result of one applicant does not depend on who else is in the frames nor on the order of
    the rows: it is the same to the last bit for a single request and for a whole portfolio.

    Parameters
    ----------
    frames : mapping of str to polars.LazyFrame, or of str to polars.DataFrame
        "application" and any of the history tables, by Kaggle's names, typed as
        `scoring.tables` says. A history table that is left out counts as empty: its features
        are null. Lazy frames suit portfolios, data frames suit a single applicant.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Lazy as the frames are. One row an applicant in the order of "application": SK_ID_CURR
        (Int32), numbers as Float32, categories as Enum.
    """
    rows = {name: _rows(frames, name) for name in TABLES}
    result = application.features(rows["application"])
    for aggregates in _history(rows):
        result = result.join(aggregates, on="SK_ID_CURR", how="left", maintain_order="left")
    result = (
        result.with_columns(combined.features())
        .with_columns(warning_signs.indices())
        .with_columns(warning_signs.with_scores())
    )
    return result.with_columns((cs.numeric() - cs.by_name("SK_ID_CURR")).cast(pl.Float32))


def _rows(frames: Frames[RowsT], name: str) -> RowsT:
    if name in frames:
        return frames[name]
    empty = empty_frame(TABLES[name])
    application_rows = frames["application"]
    return empty if isinstance(application_rows, pl.DataFrame) else empty.lazy()


def _history(rows: Mapping[str, RowsT]) -> tuple[RowsT, ...]:
    return (
        bureau.features(rows["bureau"]),
        bureau_balance.features(rows["bureau"], rows["bureau_balance"]),
        previous_application.features(rows["previous_application"]),
        pos_cash.features(rows["POS_CASH_balance"]),
        installments.features(rows["installments_payments"]),
        credit_card.features(rows["credit_card_balance"]),
        loan.features(
            rows["previous_application"],
            rows["POS_CASH_balance"],
            rows["installments_payments"],
        ),
    )
