"""What was due and what was paid on earlier loans (installments_payments)."""

from __future__ import annotations

import polars as pl

from scoring.features.aggregates import (
    Aggregate,
    Aggregation,
    Measure,
    amount,
    count,
    each,
    flag,
    newest_first,
    quotient,
    ratio,
)
from scoring.tables import RowsT

PREFIX = "installments"

_DUE = pl.col("DAYS_INSTALMENT")
# Days are negative: paid on day -90 what was due on day -100 is ten days late.
_DAYS_LATE = pl.col("DAYS_ENTRY_PAYMENT") - _DUE
_SHORT = pl.col("AMT_INSTALMENT") - pl.col("AMT_PAYMENT")

FILTERS = {
    **{f"{days}d": -days <= _DUE for days in (60, 90, 180, 365, 730)},
    **{f"last{number}": pl.col("RANK") < number for number in (2, 3, 5, 10)},
    "late": _DAYS_LATE > 0,
    "card": pl.col("NUM_INSTALMENT_VERSION") == 0,
}

MEASURES: tuple[Measure, ...] = (
    count("DAYS_INSTALMENT"),
    count("DAYS_ENTRY_PAYMENT"),
    count("NUM_INSTALMENT_VERSION"),
    count("NUM_INSTALMENT_NUMBER"),
    amount("AMT_INSTALMENT"),
    amount("AMT_PAYMENT"),
    count("DAYS_LATE", _DAYS_LATE.clip(0)),
    count("DAYS_EARLY", (-_DAYS_LATE).clip(0)),
    amount("AMT_SHORT", _SHORT.clip(0.0)),
    amount("AMT_OVER", (-_SHORT).clip(0.0)),
    ratio("PAID_TO_DUE", pl.col("AMT_PAYMENT"), pl.col("AMT_INSTALMENT")),
    flag("IS_LATE", _DAYS_LATE > 0),
    flag("IS_LATE_WEEK", _DAYS_LATE > 7),
    flag("IS_LATE_MONTH", _DAYS_LATE > 30),
    flag("IS_SHORT", _SHORT > 0.005),
    flag("IS_UNPAID", pl.col("DAYS_ENTRY_PAYMENT").is_null()),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("DAYS_INSTALMENT", "all", "count min max"),
    *each("DAYS_INSTALMENT", "365d 90d late card", "count"),
    *each("DAYS_ENTRY_PAYMENT", "all 365d", "mean max"),
    *each("NUM_INSTALMENT_VERSION", "all", "mean max std"),
    *each("NUM_INSTALMENT_NUMBER", "all last5", "mean max"),
    *each("AMT_INSTALMENT", "all 365d", "sum mean max std"),
    *each("AMT_INSTALMENT", "last3 last10", "mean max"),
    *each("AMT_PAYMENT", "all 365d", "sum mean min max std"),
    *each("AMT_PAYMENT", "last3 last10", "mean min"),
    *each("DAYS_LATE", "all 60d 90d 180d 365d 730d", "mean max"),
    *each("DAYS_LATE", "last2 last3 last5 last10", "mean max"),
    *each("DAYS_LATE", "all 365d", "sum std"),
    *each("DAYS_LATE", "late", "mean"),
    *each("DAYS_EARLY", "all 90d 180d 365d 730d last3 last5 last10", "mean max"),
    *each("DAYS_EARLY", "all", "sum std"),
    *each("AMT_SHORT", "all 180d 365d 730d last5", "mean max"),
    *each("AMT_SHORT", "all 365d", "sum"),
    *each("AMT_OVER", "all 365d last5", "mean max"),
    *each("PAID_TO_DUE", "all 90d 180d 365d last3 last5", "mean min"),
    *each("PAID_TO_DUE", "all", "max std"),
    *each("IS_LATE", "all 60d 90d 180d 365d 730d last5 last10", "mean"),
    *each("IS_LATE_WEEK IS_LATE_MONTH", "all 365d 730d", "mean sum"),
    *each("IS_SHORT", "all 365d last5", "mean sum"),
    *each("IS_UNPAID", "all", "sum"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


def features(installments: RowsT) -> RowsT:
    """Aggregate instalments to one row an applicant."""
    order = ["DAYS_INSTALMENT", "SK_ID_PREV", "NUM_INSTALMENT_NUMBER"]
    rows = newest_first(installments, "SK_ID_CURR", order)
    result = _AGGREGATION.apply(rows)
    return result.with_columns(
        quotient(
            f"{PREFIX}__PAID_TO_DUE__{word}__total",
            f"{PREFIX}__AMT_PAYMENT__{word}__sum",
            f"{PREFIX}__AMT_INSTALMENT__{word}__sum",
        )
        for word in ("all", "365d")
    )
