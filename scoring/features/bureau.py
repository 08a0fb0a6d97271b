"""Loans with other lenders, as reported by the credit bureau."""

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
from scoring.features.engine.formulas import Formula, Formulas, col, over, when
from scoring.features.engine.rows import RowsT

PREFIX = "bureau"

_DEBT = col("AMT_CREDIT_SUM_DEBT")
_CREDIT = col("AMT_CREDIT_SUM")
_END = col("DAYS_CREDIT_ENDDATE")

# Reported ends further away than this are place-holders (Kaggle's go to 42,000 days).
_PLAUSIBLE_DAYS = 20_000
_PLAUSIBLE_END = when(_END.abs() < _PLAUSIBLE_DAYS).then(_END)
_MONTH = 30.0

_TYPES = {
    "consumer": "Consumer credit",
    "card": "Credit card",
    "car": "Car loan",
    "mortgage": "Mortgage",
    "microloan": "Microloan",
}

FILTERS = {
    "active": col("CREDIT_ACTIVE") == "Active",
    "closed": col("CREDIT_ACTIVE") == "Closed",
    **{word: col("CREDIT_TYPE") == value for word, value in _TYPES.items()},
    "active_consumer": (col("CREDIT_ACTIVE") == "Active")
    & (col("CREDIT_TYPE") == _TYPES["consumer"]),
    "active_card": (col("CREDIT_ACTIVE") == "Active") & (col("CREDIT_TYPE") == _TYPES["card"]),
    "6m": col("DAYS_CREDIT") >= -183,
    "12m": col("DAYS_CREDIT") >= -365,
    "24m": col("DAYS_CREDIT") >= -730,
    "36m": col("DAYS_CREDIT") >= -1095,
    "last": col("RANK") == 0,
    "last3": col("RANK") < 3,
}

MEASURES: tuple[Measure, ...] = (
    count("DAYS_CREDIT"),
    count("CREDIT_DAY_OVERDUE"),
    count("DAYS_CREDIT_ENDDATE", _PLAUSIBLE_END),
    count(
        "DAYS_ENDDATE_FACT",
        when(col("DAYS_ENDDATE_FACT").abs() < _PLAUSIBLE_DAYS).then(col("DAYS_ENDDATE_FACT")),
    ),
    count("DAYS_CREDIT_UPDATE"),
    count("CNT_CREDIT_PROLONG"),
    count("TERM", _PLAUSIBLE_END - col("DAYS_CREDIT")),
    count("DAYS_CLOSED_EARLY", _PLAUSIBLE_END - col("DAYS_ENDDATE_FACT")),
    amount("AMT_CREDIT_MAX_OVERDUE"),
    amount("AMT_CREDIT_SUM"),
    amount("AMT_CREDIT_SUM_DEBT"),
    amount("AMT_CREDIT_SUM_LIMIT"),
    amount("AMT_ANNUITY"),
    # What has been paid back, or can still be drawn.
    amount("CREDIT_MINUS_DEBT", _CREDIT - _DEBT),
    # What is still owed, spread over the months until the end, one month at least.
    amount("DEBT_PER_MONTH", _DEBT * _MONTH / _PLAUSIBLE_END.clip(_MONTH)),
    ratio("DEBT_TO_CREDIT", _DEBT, _CREDIT),
    ratio("ANNUITY_TO_CREDIT", col("AMT_ANNUITY"), _CREDIT),
    flag("IS_ACTIVE", FILTERS["active"]),
    flag("EVER_OVERDUE", col("AMT_CREDIT_MAX_OVERDUE") > 0),
    flag("HAS_FUTURE_END", _PLAUSIBLE_END > 0),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("DAYS_CREDIT", "all", "count mean min range"),
    *each("DAYS_CREDIT", "active", "mean max std range"),
    *each("DAYS_CREDIT", "card", "count mean"),
    *each("DAYS_CREDIT", "car mortgage microloan", "count max"),
    *each("DAYS_CREDIT", "consumer 6m 12m", "count"),
    *each("CREDIT_DAY_OVERDUE", "all", "mean"),
    *each("DAYS_CREDIT_ENDDATE", "active", "mean"),
    *each("DAYS_CREDIT_ENDDATE", "active_consumer", "max"),
    *each("DAYS_ENDDATE_FACT", "all", "mean max"),
    *each("DAYS_CREDIT_UPDATE", "all active", "mean max"),
    *each("CNT_CREDIT_PROLONG", "all", "max"),
    *each("TERM", "closed consumer last", "mean"),
    *each("DAYS_CLOSED_EARLY", "closed", "min"),
    *each("AMT_CREDIT_MAX_OVERDUE", "all 12m last last3", "max"),
    *each("AMT_CREDIT_MAX_OVERDUE", "active", "mean"),
    *each("AMT_CREDIT_SUM", "all", "sum max std"),
    *each("AMT_CREDIT_SUM", "active", "sum std"),
    *each("AMT_CREDIT_SUM", "closed 6m", "sum"),
    *each("AMT_CREDIT_SUM", "card 12m 24m 36m", "max"),
    *each("AMT_CREDIT_SUM", "last", "mean"),
    *each("AMT_CREDIT_SUM_DEBT", "all active", "sum"),
    *each("AMT_CREDIT_SUM_DEBT", "card", "max"),
    *each("AMT_CREDIT_SUM_LIMIT", "all active_card", "max"),
    *each("AMT_ANNUITY", "all active", "mean"),
    *each("CREDIT_MINUS_DEBT", "active", "mean"),
    *each("DEBT_PER_MONTH", "active", "sum"),
    *each("DEBT_TO_CREDIT", "all", "mean max std"),
    *each("DEBT_TO_CREDIT", "active", "std"),
    *each("DEBT_TO_CREDIT", "active_consumer active_card 12m last", "mean"),
    *each("ANNUITY_TO_CREDIT", "active", "mean max"),
    *each("IS_ACTIVE", "all consumer microloan", "mean"),
    *each("IS_ACTIVE", "card 12m 24m", "mean sum"),
    *each("EVER_OVERDUE", "all 24m", "mean"),
    *each("HAS_FUTURE_END", "active", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


_DEBT_SUM, _CREDIT_SUM = f"{PREFIX}__AMT_CREDIT_SUM_DEBT", f"{PREFIX}__AMT_CREDIT_SUM"
_NUMBER = f"{PREFIX}__DAYS_CREDIT"


def _gap() -> Formula:
    """Mean number of days from one loan to the next: a short one is a hunger for credit."""
    return over(col(f"{_NUMBER}__all__range"), col(f"{_NUMBER}__all__count") - 1.0)


_TOTALS = Formulas(
    {
        f"{PREFIX}__DEBT_TO_CREDIT__{word}__total": quotient(
            f"{_DEBT_SUM}__{word}__sum", f"{_CREDIT_SUM}__{word}__sum"
        )
        for word in ("all", "active")
    }
    | {
        f"{PREFIX}__SHARE__{word}__total": quotient(
            f"{_NUMBER}__{word}__count", f"{_NUMBER}__all__count"
        )
        for word in ("consumer", "card", "12m")
    }
    | {f"{PREFIX}__DAYS_BETWEEN__all__mean": _gap()}
)


def features(bureau: RowsT) -> RowsT:
    """Aggregate the bureau's loans to one row an applicant."""
    rows = bureau.newest_first(["DAYS_CREDIT", "SK_ID_BUREAU"])
    return rows.aggregated(_AGGREGATION).with_columns(_TOTALS)
