"""Monthly balances of point-of-sale and cash loans with the same lender (POS_CASH_balance)."""

from __future__ import annotations

import polars as pl

from scoring.features.aggregates import (
    Aggregate,
    Aggregation,
    Measure,
    count,
    each,
    flag,
    newest_first,
    ratio,
)
from scoring.tables import RowsT

PREFIX = "pos_cash"

_MONTH = pl.col("MONTHS_BALANCE")
_STATUS = pl.col("NAME_CONTRACT_STATUS")
_LATE = pl.col("SK_DPD") > 0
_LATE_TOLERATED = pl.col("SK_DPD_DEF") > 0

FILTERS = {
    "6m": _MONTH >= -6,
    "12m": _MONTH >= -12,
    "24m": _MONTH >= -24,
    "last": pl.col("RANK") == 0,
    "last6": pl.col("RANK") < 6,
}

MEASURES: tuple[Measure, ...] = (
    count("MONTHS_BALANCE"),
    count("CNT_INSTALMENT"),
    count("CNT_INSTALMENT_FUTURE"),
    count("SK_DPD"),
    ratio("FUTURE_TO_TOTAL", pl.col("CNT_INSTALMENT_FUTURE"), pl.col("CNT_INSTALMENT")),
    flag("IS_LATE", _LATE),
    flag("IS_LATE_TOLERATED", _LATE_TOLERATED),
    flag("IS_COMPLETED", _STATUS == "Completed"),
    flag("IS_ACTIVE", _STATUS == "Active"),
    count("LATE_MONTH", pl.when(_LATE).then(_MONTH)),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("MONTHS_BALANCE", "all 12m", "count"),
    *each("CNT_INSTALMENT CNT_INSTALMENT_FUTURE", "all", "min"),
    *each("CNT_INSTALMENT", "12m last", "mean"),
    *each("SK_DPD", "12m", "mean"),
    *each("FUTURE_TO_TOTAL", "all 12m", "mean"),
    *each("IS_LATE", "all 6m last6", "mean"),
    *each("IS_LATE_TOLERATED", "24m", "mean"),
    *each("IS_COMPLETED", "12m", "mean"),
    *each("IS_ACTIVE", "12m", "sum"),
    *each("LATE_MONTH", "all", "max"),
)


def loans(rows: RowsT) -> RowsT:
    """Summarise each loan: how long it was planned, how long it ran, how late it ever was."""
    late = (pl.col("SK_DPD") > 0).cast(pl.Int64)
    completed = (_STATUS == "Completed").cast(pl.Int64)
    return (
        rows.with_columns(LATE=late, COMPLETED=completed)
        .group_by("SK_ID_CURR", "SK_ID_PREV")
        .agg(
            MONTHS=pl.col("MONTHS_BALANCE").count(),
            NEWEST_MONTH=pl.col("MONTHS_BALANCE").max(),
            PLANNED=pl.col("CNT_INSTALMENT").max(),
            REMAINING=pl.col("CNT_INSTALMENT_FUTURE").min(),
            LATE_MONTHS=pl.col("LATE").sum(),
            COMPLETED=pl.col("COMPLETED").max(),
        )
    )


_LOAN_MEASURES: tuple[Measure, ...] = (
    count("LOAN_MONTHS", pl.col("MONTHS")),
    count("LOAN_LATE_MONTHS", pl.col("LATE_MONTHS")),
    ratio("LOAN_REMAINING_TO_PLANNED", pl.col("REMAINING"), pl.col("PLANNED")),
    flag("LOAN_COMPLETED", pl.col("COMPLETED") > 0),
)

_LOAN_AGGREGATES: tuple[Aggregate, ...] = (
    *each("LOAN_MONTHS", "all", "count mean"),
    *each("LOAN_REMAINING_TO_PLANNED", "last", "mean"),
    *each("LOAN_LATE_MONTHS", "last3", "sum"),
    *each("LOAN_COMPLETED", "all", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)
_LOAN_AGGREGATION = Aggregation(
    PREFIX,
    _LOAN_MEASURES,
    {"last": pl.col("RANK") == 0, "last3": pl.col("RANK") < 3},
    _LOAN_AGGREGATES,
)


def features(pos_cash: RowsT) -> RowsT:
    """Aggregate the monthly rows, and the loans they belong to, to one row an applicant."""
    rows = newest_first(pos_cash, "SK_ID_CURR", ["MONTHS_BALANCE", "SK_ID_PREV"])
    months = _AGGREGATION.apply(rows)
    newest = newest_first(loans(pos_cash), "SK_ID_CURR", ["NEWEST_MONTH", "SK_ID_PREV"])
    by_loan = _LOAN_AGGREGATION.apply(newest)
    return months.join(by_loan, on="SK_ID_CURR", how="left")
