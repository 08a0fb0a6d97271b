"""Earlier applications with the same lender: approved, refused, cancelled or unused."""

from __future__ import annotations

from scoring.data.tables import DAY_SENTINEL, TABLES
from scoring.features.engine.aggregates import amount, count, each, flag, ratio, without_sentinel
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import col, when
from scoring.features.engine.rows import RowsT

PREFIX = "previous"

_STATUS = col("NAME_CONTRACT_STATUS")
_CREDIT = col("AMT_CREDIT")
_APPROVED = _STATUS == "Approved"
_REFUSED = _STATUS == "Refused"
# An approved loan whose end lies at the sentinel is still being paid.
_RUNNING = _APPROVED & (col("DAYS_LAST_DUE") == DAY_SENTINEL)
_CHANNEL = col("CHANNEL_TYPE")
# The yearly rate of a loan of P repaid in n monthly instalments of A, by the constant-ratio
# formula 24 (nA - P) / (P (n + 1)) (Kellison, The Theory of Interest): closed, unlike the exact
# rate, and in the same order.
_INSTALMENTS = col("CNT_PAYMENT")
_INTEREST = when(_INSTALMENTS > 0).then(col("AMT_ANNUITY") * _INSTALMENTS - _CREDIT)
_LAST_DUE_PLANNED = without_sentinel("DAYS_LAST_DUE_1ST_VERSION", DAY_SENTINEL)

FILTERS = {
    "approved": _APPROVED,
    "refused": _REFUSED,
    "running": _RUNNING,
    "last": col("RANK") == 0,
    "last3": col("RANK") < 3,
    "24m": col("DAYS_DECISION") >= -730,
}

MEASURES = (
    count("DAYS_FIRST_DRAWING", without_sentinel("DAYS_FIRST_DRAWING", DAY_SENTINEL)),
    count("DAYS_LAST_DUE_1ST_VERSION", _LAST_DUE_PLANNED),
    count("DAYS_ENDED_EARLY", _LAST_DUE_PLANNED - without_sentinel("DAYS_LAST_DUE", DAY_SENTINEL)),
    ratio("APPLICATION_TO_CREDIT", col("AMT_APPLICATION"), _CREDIT),
    ratio("YEARLY_RATE", _INTEREST * 24.0, _CREDIT * (_INSTALMENTS + 1)),
    # What was asked for and not lent: the lender's caution.
    amount("AMT_CUT", col("AMT_APPLICATION") - _CREDIT),
    flag("IS_APPROVED", _APPROVED),
    flag("IS_REFUSED", _REFUSED),
    flag("IS_CANCELED", _STATUS == "Canceled"),
    flag("IS_INSURED", col("NFLAG_INSURED_ON_APPROVAL") == 1),
    flag("IS_WALK_IN", col("NAME_PRODUCT_TYPE") == "walk-in"),
    flag("IS_LOW_YIELD", col("NAME_YIELD_GROUP").is_in(["low_normal", "low_action"])),
    flag("IS_CASH_LOAN", col("NAME_CONTRACT_TYPE") == "Cash loans"),
    flag("AT_AGENT", _CHANNEL == "AP+ (Cash loan)"),
    flag("BY_PHONE", _CHANNEL == "Contact center"),
    flag("FOR_PHONE", col("NAME_GOODS_CATEGORY") == "Mobile"),
    flag("PAYS_AT_BANK", col("NAME_PAYMENT_TYPE") == "Cash through the bank"),
    flag("REJECTED_BY_SCORE", col("CODE_REJECT_REASON").is_in(["SCO", "SCOFR"])),
    flag("REJECTED_BY_HC", col("CODE_REJECT_REASON") == "HC"),
    flag("REJECTED_BY_LIMIT", col("CODE_REJECT_REASON") == "LIMIT"),
)

AGGREGATES = (
    *each("DAYS_DECISION", "all", "count max"),
    *each("DAYS_DECISION", "refused", "max"),
    *each("AMT_ANNUITY", "approved", "max"),
    *each("AMT_ANNUITY", "running", "sum"),
    *each("AMT_CREDIT", "approved", "mean"),
    *each("RATE_DOWN_PAYMENT", "all", "mean"),
    *each("CNT_PAYMENT", "all running", "mean"),
    *each("DAYS_FIRST_DRAWING", "all", "mean"),
    *each("DAYS_LAST_DUE_1ST_VERSION", "all", "max"),
    *each("DAYS_ENDED_EARLY APPLICATION_TO_CREDIT", "all", "mean"),
    *each("YEARLY_RATE", "all refused", "mean"),
    *each("AMT_CUT", "last", "mean"),
    *each("IS_APPROVED", "24m", "mean"),
    *each("IS_REFUSED", "all last3", "mean"),
    *each("IS_CANCELED IS_INSURED IS_WALK_IN IS_LOW_YIELD IS_CASH_LOAN", "all", "mean"),
    *each("AT_AGENT BY_PHONE FOR_PHONE PAYS_AT_BANK", "all", "mean"),
    *each("REJECTED_BY_SCORE REJECTED_BY_HC REJECTED_BY_LIMIT", "all", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES, TABLES["previous_application"])


def features(previous_application: RowsT) -> RowsT:
    """Aggregate earlier applications to one row an applicant."""
    rows = previous_application.newest_first(["DAYS_DECISION", "SK_ID_PREV"])
    return rows.aggregated(_AGGREGATION)
