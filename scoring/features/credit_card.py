"""Monthly balances of credit cards with the same lender (credit_card_balance)."""

from __future__ import annotations

from scoring.data.tables import TABLES
from scoring.features.engine.aggregates import count, each, flag, ratio
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import col, when
from scoring.features.engine.rows import RowsT

PREFIX = "card"

_MONTH = col("MONTHS_BALANCE")
_LIMIT = col("AMT_CREDIT_LIMIT_ACTUAL")
_BALANCE = col("AMT_BALANCE")

FILTERS = {
    "6m": _MONTH >= -6,
    "12m": _MONTH >= -12,
    "last3": col("RANK") < 3,
}

MEASURES = (
    ratio("BALANCE_TO_LIMIT", _BALANCE, _LIMIT),
    ratio("ATM_TO_LIMIT", col("AMT_DRAWINGS_ATM_CURRENT"), _LIMIT),
    ratio("PAID_TO_MINIMUM", col("AMT_PAYMENT_CURRENT"), col("AMT_INST_MIN_REGULARITY")),
    ratio("PAID_TO_BALANCE", col("AMT_PAYMENT_TOTAL_CURRENT"), _BALANCE),
    flag("IS_LATE_TOLERATED", col("SK_DPD_DEF") > 0),
    flag("IS_OVER_LIMIT", _BALANCE > _LIMIT),
    flag("IS_USED", col("AMT_DRAWINGS_CURRENT") > 0),
    count("LATE_MONTH", when(col("SK_DPD") > 0).then(_MONTH)),
)

AGGREGATES = (
    *each("MONTHS_BALANCE", "all", "count"),
    *each("AMT_BALANCE", "last3", "mean"),
    *each("AMT_CREDIT_LIMIT_ACTUAL", "all", "mean"),
    *each("CNT_DRAWINGS_ATM_CURRENT SK_DPD", "12m", "mean"),
    *each("BALANCE_TO_LIMIT", "all last3", "mean"),
    *each("ATM_TO_LIMIT", "12m", "max"),
    *each("PAID_TO_MINIMUM PAID_TO_BALANCE", "all", "mean"),
    *each("IS_LATE_TOLERATED IS_OVER_LIMIT", "all", "mean"),
    *each("IS_USED", "6m", "mean"),
    *each("LATE_MONTH", "all", "max"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES, TABLES["credit_card_balance"])


def features(credit_card_balance: RowsT) -> RowsT:
    """Aggregate the cards' months to one row an applicant."""
    rows = credit_card_balance.newest_first(["MONTHS_BALANCE", "SK_ID_PREV"])
    return rows.aggregated(_AGGREGATION)
