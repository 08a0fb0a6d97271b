"""Approved loans with the same lender, joined with what was repaid and what remains."""

from __future__ import annotations

from scoring.data.tables import DAY_SENTINEL
from scoring.features import pos_cash
from scoring.features.engine.aggregates import amount, each, flag, ratio
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Formulas, col
from scoring.features.engine.rows import RowsT

PREFIX = "loan"

_KEYS = ["SK_ID_CURR", "SK_ID_PREV"]
_CREDIT = col("AMT_CREDIT")
_REMAINING_DEBT = col("AMT_ANNUITY") * col("REMAINING")

FILTERS = {
    # An approved loan whose end lies at the sentinel is still being paid.
    "running": col("DAYS_LAST_DUE") == DAY_SENTINEL,
    "last": col("RANK") == 0,
}

MEASURES = (
    # What the instalments still to come by the last statement add up to.
    amount("REMAINING_DEBT", _REMAINING_DEBT),
    ratio("REMAINING_TO_CREDIT", _REMAINING_DEBT, _CREDIT),
    # What instalments have brought in so far.
    ratio("PAID_TO_CREDIT", col("PAID") * 0.001, _CREDIT),
    flag("EVER_LATE", col("LATE_MONTHS") > 0),
)

AGGREGATES = (
    *each("REMAINING_DEBT", "running", "sum"),
    *each("REMAINING_TO_CREDIT PAID_TO_CREDIT", "last", "mean"),
    *each("EVER_LATE", "running", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


# What was paid, in thousandths.
_PAID = Formulas({"PAID": amount("AMT_PAYMENT").formula})


def features(previous_application: RowsT, pos_cash_balance: RowsT, installments: RowsT) -> RowsT:
    """Aggregate approved loans, with their statements and payments, to one row an applicant."""
    approved = previous_application.filter(col("NAME_CONTRACT_STATUS") == "Approved").only(
        [*_KEYS, "DAYS_DECISION", "DAYS_LAST_DUE", "AMT_CREDIT", "AMT_ANNUITY"]
    )
    statements = pos_cash.loans(pos_cash_balance).only([*_KEYS, "REMAINING", "LATE_MONTHS"])
    paid = installments.with_columns(_PAID).summarised(_KEYS, {"PAID": ("PAID", "sum")})
    loans = approved.joined(statements, on=_KEYS).joined(paid, on=_KEYS)
    return loans.newest_first(["DAYS_DECISION", "SK_ID_PREV"]).aggregated(_AGGREGATION)
