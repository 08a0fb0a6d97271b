"""What was due and what was paid on earlier loans (installments_payments)."""

from __future__ import annotations

from scoring.data.tables import TABLES
from scoring.features.engine.aggregates import amount, count, each, flag, quotient
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Formulas, col
from scoring.features.engine.rows import RowsT

PREFIX = "installments"

_DUE = col("DAYS_INSTALMENT")
# Days are negative: paid on day -90 what was due on day -100 is ten days late.
_DAYS_LATE = col("DAYS_ENTRY_PAYMENT") - _DUE
_SHORT = col("AMT_INSTALMENT") - col("AMT_PAYMENT")

FILTERS = {
    **{f"{days}d": -days <= _DUE for days in (180, 365)},
    "lastloan": col("SK_ID_PREV") == col("LAST_LOAN"),
}

MEASURES = (
    count("DAYS_LATE", _DAYS_LATE.clip(0)),
    count("DAYS_EARLY", (-_DAYS_LATE).clip(0)),
    amount("AMT_SHORT", _SHORT.clip(0.0)),
    flag("IS_LATE", _DAYS_LATE > 0),
    flag("IS_LATE_WEEK", _DAYS_LATE > 7),
    flag("IS_SHORT", _SHORT > 0.005),
)

AGGREGATES = (
    *each("DAYS_INSTALMENT", "all", "count"),
    *each("DAYS_ENTRY_PAYMENT", "all", "mean"),
    *each("AMT_INSTALMENT", "all", "max"),
    *each("AMT_PAYMENT", "all", "sum"),
    *each("DAYS_LATE", "lastloan 365d", "mean"),
    *each("DAYS_EARLY", "all", "mean"),
    *each("AMT_SHORT", "180d", "mean"),
    *each("IS_LATE IS_SHORT IS_LATE_WEEK", "all", "mean"),
)

# Only an operand of another formula, no feature.
PASSING = (*each("AMT_INSTALMENT", "all", "sum"),)

_AGGREGATION = Aggregation(
    PREFIX, MEASURES, FILTERS, (*AGGREGATES, *PASSING), TABLES["installments_payments"]
)


_TOTALS = Formulas(
    {
        f"{PREFIX}__PAID_TO_DUE__all__total": quotient(
            f"{PREFIX}__AMT_PAYMENT__all__sum", f"{PREFIX}__AMT_INSTALMENT__all__sum"
        )
    }
)


def features(installments: RowsT) -> RowsT:
    """Aggregate instalments to one row an applicant."""
    rows = installments.newest_first(["DAYS_INSTALMENT", "SK_ID_PREV", "NUM_INSTALMENT_NUMBER"])
    with_last_loan = rows.with_newest("LAST_LOAN", "SK_ID_PREV")
    return with_last_loan.aggregated(_AGGREGATION).with_columns(_TOTALS)
