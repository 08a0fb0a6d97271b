"""One definition of every feature: training, batch scoring and a single request call it alike."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import polars.selectors as cs

from scoring.data.tables import TABLES, Frames, empty_frame
from scoring.data.tables import RowsT as FrameT
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
)
from scoring.features.application import PROTECTED
from scoring.features.engine.numpy_rows import SmallRows
from scoring.features.engine.rows import PolarsRows, RowsT

__all__ = ["PROTECTED", "are_few", "build_features", "features_of_few"]

# Columns that only formulas over several of them need.
_PASSING = {
    item.feature(module.PREFIX)
    for module in (bureau, bureau_balance, installments)
    for item in module.PASSING
}

# The most rows of a table, as some hundred applicants have, for which numpy is surely quicker.
_FEW_ROWS = 20_000


def build_features(frames: Frames[FrameT]) -> FrameT:
    """Compute every feature of every applicant in the application table.

    The result of one applicant does not depend on who else is in the frames nor on the order of
    the rows: it is the same to the last bit for a single request and for a whole portfolio.

    Parameters
    ----------
    frames : mapping of str to polars.LazyFrame, or of str to polars.DataFrame
        "application" and any of the history tables, by Kaggle's names, typed as
        `scoring.data.tables` says. A history table that is left out counts as empty: its features
        are null. Lazy frames suit portfolios; data frames of few applicants are the quickest,
        since numpy computes them (`engine.formulas` says how both give the same bits).

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Lazy as the frames are. One row an applicant in the order of "application": SK_ID_CURR
        (Int32), numbers as Float32, categories as Enum.
    """
    if isinstance(frames["application"], pl.DataFrame) and are_few(frames):
        return features_of_few(frames).frame(application.CATEGORIES)
    return _by_polars(frames)


def are_few(frames: Mapping[str, pl.DataFrame]) -> bool:
    """Whether numpy computes the features of the rows sooner than Polars."""
    return max(rows.height for rows in frames.values()) <= _FEW_ROWS


def features_of_few(frames: Mapping[str, pl.DataFrame]) -> SmallRows:
    """What `build_features` makes a frame of, where rows `are_few`."""
    rows = {
        name: SmallRows.of(frames[name] if name in frames else empty_frame(table))
        for name, table in TABLES.items()
    }
    return _features(rows)


def _by_polars(frames: Frames[FrameT]) -> FrameT:
    kind = type(frames["application"])
    rows = {
        name: PolarsRows(frames[name] if name in frames else kind(schema=table.schema))
        for name, table in TABLES.items()
    }
    features = _features(rows).frame
    return features.with_columns((cs.numeric() - cs.by_name("SK_ID_CURR")).cast(pl.Float32))


def _features(rows: Mapping[str, RowsT]) -> RowsT:
    history = (
        bureau.features(rows["bureau"]),
        bureau_balance.features(rows["bureau"], rows["bureau_balance"]),
        previous_application.features(rows["previous_application"]),
        pos_cash.features(rows["POS_CASH_balance"]),
        installments.features(rows["installments_payments"]),
        credit_card.features(rows["credit_card_balance"]),
        loan.features(
            rows["previous_application"], rows["POS_CASH_balance"], rows["installments_payments"]
        ),
    )
    result = application.features(rows["application"])
    for aggregates in history:
        result = result.joined(aggregates, on=["SK_ID_CURR"])
    result = result.with_columns(combined.FORMULAS)
    return result.only([name for name in result.names if name not in _PASSING])
