"""Monthly balances of credit cards with the same lender (credit_card_balance)."""

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

PREFIX = "card"

_MONTH = pl.col("MONTHS_BALANCE")
_LIMIT = pl.col("AMT_CREDIT_LIMIT_ACTUAL")
_BALANCE = pl.col("AMT_BALANCE")

FILTERS = {
    "3m": _MONTH >= -3,
    "6m": _MONTH >= -6,
    "12m": _MONTH >= -12,
    "last": pl.col("RANK") == 0,
    "last3": pl.col("RANK") < 3,
}

MEASURES: tuple[Measure, ...] = (
    count("MONTHS_BALANCE"),
    amount("AMT_BALANCE"),
    amount("AMT_CREDIT_LIMIT_ACTUAL"),
    amount("AMT_DRAWINGS_ATM_CURRENT"),
    amount("AMT_DRAWINGS_CURRENT"),
    amount("AMT_DRAWINGS_POS_CURRENT"),
    amount("AMT_INST_MIN_REGULARITY"),
    amount("AMT_PAYMENT_CURRENT"),
    amount("AMT_PAYMENT_TOTAL_CURRENT"),
    amount("AMT_TOTAL_RECEIVABLE"),
    count("CNT_DRAWINGS_ATM_CURRENT"),
    count("CNT_DRAWINGS_CURRENT"),
    count("CNT_DRAWINGS_POS_CURRENT"),
    count("CNT_INSTALMENT_MATURE_CUM"),
    count("SK_DPD"),
    count("SK_DPD_DEF"),
    ratio("BALANCE_TO_LIMIT", _BALANCE, _LIMIT),
    ratio("DRAWINGS_TO_LIMIT", pl.col("AMT_DRAWINGS_CURRENT"), _LIMIT),
    ratio("ATM_TO_LIMIT", pl.col("AMT_DRAWINGS_ATM_CURRENT"), _LIMIT),
    ratio("PAID_TO_MINIMUM", pl.col("AMT_PAYMENT_CURRENT"), pl.col("AMT_INST_MIN_REGULARITY")),
    ratio("PAID_TO_BALANCE", pl.col("AMT_PAYMENT_TOTAL_CURRENT"), _BALANCE),
    flag("IS_LATE", pl.col("SK_DPD") > 0),
    flag("IS_LATE_TOLERATED", pl.col("SK_DPD_DEF") > 0),
    flag("IS_OVER_LIMIT", _BALANCE > _LIMIT),
    flag("IS_USED", pl.col("AMT_DRAWINGS_CURRENT") > 0),
    flag("HAS_BALANCE", _BALANCE > 0),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("MONTHS_BALANCE", "all 12m", "count"),
    *each("MONTHS_BALANCE", "all", "min"),
    *each("AMT_BALANCE", "all 6m 12m", "mean max"),
    *each("AMT_BALANCE", "last last3", "mean"),
    *each("AMT_BALANCE", "all", "std"),
    *each("AMT_CREDIT_LIMIT_ACTUAL", "all", "mean min max"),
    *each("AMT_CREDIT_LIMIT_ACTUAL", "last", "mean"),
    *each("AMT_DRAWINGS_ATM_CURRENT AMT_DRAWINGS_CURRENT", "all 3m 12m", "mean max"),
    *each("AMT_DRAWINGS_POS_CURRENT", "all 12m", "mean"),
    *each("AMT_INST_MIN_REGULARITY", "all 12m", "mean max"),
    *each("AMT_PAYMENT_CURRENT", "all 12m", "mean min max"),
    *each("AMT_PAYMENT_TOTAL_CURRENT", "all 12m", "mean sum"),
    *each("AMT_TOTAL_RECEIVABLE", "all last3", "mean max"),
    *each("CNT_DRAWINGS_ATM_CURRENT", "all 3m 6m 12m", "mean max"),
    *each("CNT_DRAWINGS_CURRENT", "all 3m 12m", "mean max"),
    *each("CNT_DRAWINGS_POS_CURRENT", "all 12m", "mean"),
    *each("CNT_INSTALMENT_MATURE_CUM", "all", "max"),
    *each("SK_DPD SK_DPD_DEF", "all 12m", "mean max"),
    *each("BALANCE_TO_LIMIT", "all 3m 6m 12m last last3", "mean"),
    *each("BALANCE_TO_LIMIT", "all 12m", "max"),
    *each("BALANCE_TO_LIMIT", "all", "std min"),
    *each("DRAWINGS_TO_LIMIT ATM_TO_LIMIT", "all 3m 12m", "mean max"),
    *each("PAID_TO_MINIMUM", "all 12m", "mean min"),
    *each("PAID_TO_BALANCE", "all 12m", "mean"),
    *each("IS_LATE IS_LATE_TOLERATED", "all 12m", "mean sum"),
    *each("IS_OVER_LIMIT IS_USED HAS_BALANCE", "all 6m 12m", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


def features(credit_card_balance: RowsT) -> RowsT:
    """Aggregate the cards' months to one row an applicant."""
    rows = newest_first(credit_card_balance, "SK_ID_CURR", ["MONTHS_BALANCE", "SK_ID_PREV"])
    result = _AGGREGATION.apply(rows)
    return result.with_columns(
        quotient(
            f"{PREFIX}__BALANCE_TREND__3m__total",
            f"{PREFIX}__AMT_BALANCE__last3__mean",
            f"{PREFIX}__AMT_BALANCE__12m__mean",
        )
    )
