"""Monthly balances of point-of-sale and cash loans with the same lender (POS_CASH_balance)."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.data.tables import TABLES
from scoring.features.engine.aggregates import count, each, flag, ratio
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Formulas, col, when
from scoring.features.engine.rows import RowsT, Summary

PREFIX = "pos_cash"

_MONTH = col("MONTHS_BALANCE")
_LATE = col("SK_DPD") > 0
_LATE_TOLERATED = col("SK_DPD_DEF") > 0
_COMPLETED = col("NAME_CONTRACT_STATUS") == "Completed"

FILTERS = {
    "12m": _MONTH >= -12,
    "24m": _MONTH >= -24,
}

MEASURES = (
    ratio("FUTURE_TO_TOTAL", col("CNT_INSTALMENT_FUTURE"), col("CNT_INSTALMENT")),
    flag("IS_LATE", _LATE),
    flag("IS_LATE_TOLERATED", _LATE_TOLERATED),
    count("LATE_MONTH", when(_LATE).then(_MONTH)),
)

AGGREGATES = (
    *each("MONTHS_BALANCE", "all", "count"),
    *each("CNT_INSTALMENT", "all", "min"),
    *each("CNT_INSTALMENT SK_DPD", "12m", "mean"),
    *each("FUTURE_TO_TOTAL IS_LATE", "all", "mean"),
    *each("IS_LATE_TOLERATED", "24m", "mean"),
    *each("LATE_MONTH", "all", "max"),
)


_FLAGS = Formulas({"LATE": _LATE.whole(), "COMPLETED": _COMPLETED.whole()})
_SUMMARIES: Mapping[str, Summary] = {
    "NEWEST_MONTH": ("MONTHS_BALANCE", "max"),
    "PLANNED": ("CNT_INSTALMENT", "max"),
    "REMAINING": ("CNT_INSTALMENT_FUTURE", "min"),
    "LATE_MONTHS": ("LATE", "sum"),
    "COMPLETED": ("COMPLETED", "max"),
}


def loans(rows: RowsT) -> RowsT:
    """Summarise each loan: how long it was planned, what is left of it, how late it ever was."""
    return rows.with_columns(_FLAGS).summarised(["SK_ID_CURR", "SK_ID_PREV"], _SUMMARIES)


_LOAN_MEASURES = (
    count("LOAN_LATE_MONTHS", col("LATE_MONTHS")),
    ratio("LOAN_REMAINING_TO_PLANNED", col("REMAINING"), col("PLANNED")),
    flag("LOAN_COMPLETED", col("COMPLETED") > 0),
)

_LOAN_AGGREGATES = (
    *each("LOAN_REMAINING_TO_PLANNED", "last", "mean"),
    *each("LOAN_LATE_MONTHS", "last3", "sum"),
    *each("LOAN_COMPLETED", "all", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES, TABLES["POS_CASH_balance"])
_LOAN_AGGREGATION = Aggregation(
    PREFIX,
    _LOAN_MEASURES,
    {"last": col("RANK") == 0, "last3": col("RANK") < 3},
    _LOAN_AGGREGATES,
)


def features(pos_cash: RowsT) -> RowsT:
    """Aggregate the monthly rows, and the loans they belong to, to one row an applicant."""
    months = pos_cash.newest_first(["MONTHS_BALANCE", "SK_ID_PREV"]).aggregated(_AGGREGATION)
    newest = loans(pos_cash).newest_first(["NEWEST_MONTH", "SK_ID_PREV"])
    return months.joined(newest.aggregated(_LOAN_AGGREGATION), on=["SK_ID_CURR"])
