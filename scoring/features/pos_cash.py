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
    quotient,
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
    "newest": pl.col("NEWEST_MONTH") == _MONTH,
}

MEASURES: tuple[Measure, ...] = (
    count("MONTHS_BALANCE"),
    count("CNT_INSTALMENT"),
    count("CNT_INSTALMENT_FUTURE"),
    count("SK_DPD"),
    count("SK_DPD_DEF"),
    ratio("FUTURE_TO_TOTAL", pl.col("CNT_INSTALMENT_FUTURE"), pl.col("CNT_INSTALMENT")),
    flag("IS_LATE", _LATE),
    flag("IS_LATE_TOLERATED", _LATE_TOLERATED),
    flag("IS_COMPLETED", _STATUS == "Completed"),
    flag("IS_ACTIVE", _STATUS == "Active"),
    flag("IS_TROUBLED", _STATUS.is_in(["Demand", "Returned to the store", "Amortized debt"])),
    count("LATE_MONTH", pl.when(_LATE).then(_MONTH)),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("MONTHS_BALANCE", "all 12m", "count"),
    *each("MONTHS_BALANCE", "all", "min max"),
    *each("CNT_INSTALMENT", "all 12m", "mean min max"),
    *each("CNT_INSTALMENT", "last", "mean"),
    *each("CNT_INSTALMENT_FUTURE", "all 12m last6", "mean min max"),
    *each("CNT_INSTALMENT_FUTURE", "last newest", "sum"),
    *each("SK_DPD", "all 12m 24m", "mean max"),
    *each("SK_DPD_DEF", "all 6m 12m 24m", "mean max"),
    *each("FUTURE_TO_TOTAL", "all 12m last6 last newest", "mean"),
    *each("IS_LATE IS_LATE_TOLERATED", "all 6m 12m 24m last6", "mean"),
    *each("IS_LATE IS_LATE_TOLERATED", "all", "sum"),
    *each("IS_COMPLETED IS_ACTIVE", "all 12m", "mean sum"),
    *each("IS_ACTIVE IS_COMPLETED", "newest", "sum"),
    *each("IS_TROUBLED", "all", "sum"),
    *each("LATE_MONTH", "all", "max"),
)


def _loans(rows: RowsT) -> RowsT:
    """Summarise each loan: how long it was planned, how long it ran, how late it ever was."""
    return rows.group_by("SK_ID_CURR", "SK_ID_PREV").agg(
        MONTHS=pl.col("MONTHS_BALANCE").count(),
        NEWEST_MONTH=pl.col("MONTHS_BALANCE").max(),
        PLANNED=pl.col("CNT_INSTALMENT").max(),
        SHORTEST=pl.col("CNT_INSTALMENT").min(),
        REMAINING=pl.col("CNT_INSTALMENT_FUTURE").min(),
        WORST_DPD=pl.col("SK_DPD_DEF").max(),
    )


_LOAN_MEASURES: tuple[Measure, ...] = (
    count("LOAN_MONTHS", pl.col("MONTHS")),
    count("LOAN_REMAINING", pl.col("REMAINING")),
    count("LOAN_SHORTENED", pl.col("PLANNED") - pl.col("SHORTEST")),
    count("LOAN_WORST_DPD", pl.col("WORST_DPD")),
    flag("LOAN_EVER_LATE", pl.col("WORST_DPD") > 0),
)

_LOAN_AGGREGATES: tuple[Aggregate, ...] = (
    *each("LOAN_MONTHS", "all", "count mean max"),
    *each("LOAN_REMAINING", "all", "sum mean"),
    *each("LOAN_REMAINING", "last3", "mean"),
    *each("LOAN_SHORTENED", "all", "mean max"),
    *each("LOAN_WORST_DPD", "all last3", "mean max"),
    *each("LOAN_EVER_LATE", "all last3", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)
_LOAN_AGGREGATION = Aggregation(
    PREFIX, _LOAN_MEASURES, {"last3": pl.col("RANK") < 3}, _LOAN_AGGREGATES
)


def features(pos_cash: RowsT) -> RowsT:
    """Aggregate the monthly rows, and the loans they belong to, to one row an applicant."""
    rows = newest_first(pos_cash, "SK_ID_CURR", ["MONTHS_BALANCE", "SK_ID_PREV"])
    newest = pl.when(pl.col("RANK") == 0).then("MONTHS_BALANCE").forward_fill()
    months = _AGGREGATION.apply(rows.with_columns(NEWEST_MONTH=newest))
    loans = newest_first(_loans(pos_cash), "SK_ID_CURR", ["NEWEST_MONTH", "SK_ID_PREV"])
    by_loan = _LOAN_AGGREGATION.apply(loans)
    return months.join(by_loan, on="SK_ID_CURR", how="left").with_columns(
        quotient(
            f"{PREFIX}__COMPLETED_TO_LOANS__all__total",
            f"{PREFIX}__IS_COMPLETED__all__sum",
            f"{PREFIX}__LOAN_MONTHS__all__count",
        )
    )
