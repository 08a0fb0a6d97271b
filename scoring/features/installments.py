"""What was due and what was paid on earlier loans (installments_payments)."""

from __future__ import annotations

from scoring.features.engine.aggregates import (
    Aggregate,
    Measure,
    amount,
    count,
    each,
    flag,
    quotient,
    ratio,
)
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Formulas, col
from scoring.features.engine.rows import RowsT

PREFIX = "installments"

_DUE = col("DAYS_INSTALMENT")
# Days are negative: paid on day -90 what was due on day -100 is ten days late.
_DAYS_LATE = col("DAYS_ENTRY_PAYMENT") - _DUE
_SHORT = col("AMT_INSTALMENT") - col("AMT_PAYMENT")

FILTERS = {
    **{f"{days}d": -days <= _DUE for days in (60, 90, 180, 365, 730)},
    **{f"last{number}": col("RANK") < number for number in (2, 3, 5, 10, 12, 24, 60)},
    "lastloan": col("SK_ID_PREV") == col("LAST_LOAN"),
    "late": _DAYS_LATE > 0,
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
    ratio("PAID_TO_DUE", col("AMT_PAYMENT"), col("AMT_INSTALMENT")),
    flag("IS_LATE", _DAYS_LATE > 0),
    flag("IS_LATE_WEEK", _DAYS_LATE > 7),
    flag("IS_SHORT", _SHORT > 0.005),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("DAYS_INSTALMENT", "all 365d", "count"),
    *each("DAYS_ENTRY_PAYMENT", "all 365d", "mean"),
    *each("NUM_INSTALMENT_VERSION", "all", "mean std"),
    *each("NUM_INSTALMENT_NUMBER", "all", "mean"),
    *each("AMT_INSTALMENT", "all", "sum max"),
    *each("AMT_INSTALMENT", "365d", "mean std"),
    *each("AMT_PAYMENT", "all", "sum min std"),
    *each("DAYS_LATE", "60d 90d 180d 730d late lastloan", "mean"),
    *each("DAYS_LATE", "365d", "mean std"),
    *each("DAYS_LATE", "all", "std"),
    *each("DAYS_LATE", "last12 last24 last60", "slope"),
    *each("DAYS_EARLY", "all", "mean std"),
    *each("DAYS_EARLY", "90d 180d 365d 730d", "mean"),
    *each("DAYS_EARLY", "last12", "slope"),
    *each("AMT_SHORT", "180d", "mean"),
    *each("AMT_OVER", "all 365d", "mean"),
    *each("PAID_TO_DUE", "all", "std"),
    *each("PAID_TO_DUE", "90d", "mean"),
    *each("IS_LATE IS_SHORT", "all", "mean"),
    *each("IS_LATE", "last2 last3 last5", "mean"),
    *each("IS_LATE_WEEK", "all 365d 730d", "mean"),
)

# Slopes go along the numbers of the payments, from the past to the present.
_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES, along=-col("RANK"))


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
