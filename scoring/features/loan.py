"""Approved loans with the same lender, joined with what was repaid and what remains."""

from __future__ import annotations

import polars as pl

from scoring.features import pos_cash
from scoring.features.aggregates import (
    Aggregate,
    Aggregation,
    Measure,
    amount,
    count,
    each,
    flag,
    newest_first,
    ratio,
)
from scoring.tables import DAY_SENTINEL, RowsT

PREFIX = "loan"

_KEYS = ["SK_ID_CURR", "SK_ID_PREV"]
_CREDIT = pl.col("AMT_CREDIT")
_REMAINING_DEBT = pl.col("AMT_ANNUITY") * pl.col("REMAINING")

FILTERS = {
    # An approved loan whose end lies at the sentinel is still being paid.
    "running": pl.col("DAYS_LAST_DUE") == DAY_SENTINEL,
    "last": pl.col("RANK") == 0,
    "last3": pl.col("RANK") < 3,
}

MEASURES: tuple[Measure, ...] = (
    # By the last statement: instalments still to come, and what they add up to.
    count("REMAINING_PAYMENTS", pl.col("REMAINING")),
    amount("REMAINING_DEBT", _REMAINING_DEBT),
    ratio("REMAINING_TO_CREDIT", _REMAINING_DEBT, _CREDIT),
    # What instalments have brought in so far.
    ratio("PAID_TO_CREDIT", pl.col("PAID") * 0.001, _CREDIT),
    amount("CREDIT_MINUS_PAID", _CREDIT - pl.col("PAID") * 0.001),
    flag("EVER_LATE", pl.col("LATE_MONTHS") > 0),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("REMAINING_PAYMENTS REMAINING_DEBT CREDIT_MINUS_PAID", "running", "sum"),
    *each("REMAINING_TO_CREDIT", "last", "mean"),
    *each("PAID_TO_CREDIT", "running last last3", "mean"),
    *each("EVER_LATE", "running", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


def features(previous_application: RowsT, pos_cash_balance: RowsT, installments: RowsT) -> RowsT:
    """Aggregate approved loans, with their statements and payments, to one row an applicant."""
    approved = previous_application.filter(pl.col("NAME_CONTRACT_STATUS") == "Approved").select(
        *_KEYS, "DAYS_DECISION", "DAYS_LAST_DUE", "AMT_CREDIT", "AMT_ANNUITY"
    )
    statements = pos_cash.loans(pos_cash_balance).select(*_KEYS, "REMAINING", "LATE_MONTHS")
    joined = approved.join(statements, on=_KEYS, how="left").join(
        _paid(installments), on=_KEYS, how="left"
    )
    return _AGGREGATION.apply(newest_first(joined, "SK_ID_CURR", ["DAYS_DECISION", "SK_ID_PREV"]))


def _paid(installments: RowsT) -> RowsT:
    """What was paid on each loan, in thousandths."""
    paid = amount("AMT_PAYMENT").expression
    return installments.select(*_KEYS, PAID=paid).group_by(_KEYS).agg(pl.col("PAID").sum())
