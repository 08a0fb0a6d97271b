"""Loans with other lenders, as reported by the credit bureau."""

from __future__ import annotations

from scoring.data.tables import TABLES
from scoring.features.engine.aggregates import amount, count, each, flag, quotient, ratio
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
    "car": "Car loan",
    "mortgage": "Mortgage",
    "microloan": "Microloan",
}

FILTERS = {
    "active": col("CREDIT_ACTIVE") == "Active",
    **{word: col("CREDIT_TYPE") == value for word, value in _TYPES.items()},
    "12m": col("DAYS_CREDIT") >= -365,
    "last": col("RANK") == 0,
}

MEASURES = (
    count("DAYS_CREDIT_ENDDATE", _PLAUSIBLE_END),
    count(
        "DAYS_ENDDATE_FACT",
        when(col("DAYS_ENDDATE_FACT").abs() < _PLAUSIBLE_DAYS).then(col("DAYS_ENDDATE_FACT")),
    ),
    count("TERM", _PLAUSIBLE_END - col("DAYS_CREDIT")),
    # What has been paid back, or can still be drawn.
    amount("CREDIT_MINUS_DEBT", _CREDIT - _DEBT),
    # What is still owed, spread over the months until the end, one month at least.
    amount("DEBT_PER_MONTH", _DEBT * _MONTH / _PLAUSIBLE_END.clip(_MONTH)),
    ratio("DEBT_TO_CREDIT", _DEBT, _CREDIT),
    flag("IS_ACTIVE", FILTERS["active"]),
    flag("EVER_OVERDUE", col("AMT_CREDIT_MAX_OVERDUE") > 0),
)

AGGREGATES = (
    *each("DAYS_CREDIT", "all", "count mean min"),
    *each("DAYS_CREDIT", "active", "max"),
    *each("DAYS_CREDIT", "car mortgage microloan 12m", "count"),
    *each("CREDIT_DAY_OVERDUE", "all", "mean"),
    *each("DAYS_CREDIT_ENDDATE", "active", "mean"),
    *each("DAYS_ENDDATE_FACT", "all", "max"),
    *each("DAYS_CREDIT_UPDATE", "all", "mean"),
    *each("CNT_CREDIT_PROLONG", "all", "max"),
    *each("TERM", "consumer", "mean"),
    *each("AMT_CREDIT_MAX_OVERDUE", "all", "max"),
    *each("AMT_CREDIT_SUM", "all", "max"),
    *each("AMT_CREDIT_SUM_DEBT", "all", "sum"),
    *each("AMT_CREDIT_SUM_LIMIT", "all", "max"),
    *each("AMT_ANNUITY", "active", "mean"),
    *each("CREDIT_MINUS_DEBT", "active", "mean"),
    *each("DEBT_PER_MONTH", "active", "sum"),
    *each("DEBT_TO_CREDIT", "all", "mean max"),
    *each("DEBT_TO_CREDIT", "last", "mean"),
    *each("IS_ACTIVE EVER_OVERDUE", "all", "mean"),
)

# Only operands of other formulas, no features.
PASSING = (
    *each("DAYS_CREDIT", "all", "max"),
    *each("AMT_CREDIT_SUM AMT_CREDIT_SUM_DEBT", "active", "sum"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, (*AGGREGATES, *PASSING), TABLES["bureau"])

_NUMBER = f"{PREFIX}__DAYS_CREDIT"


def _gap() -> Formula:
    """Mean number of days from one loan to the next: a short one is a hunger for credit."""
    first, last = col(f"{_NUMBER}__all__min"), col(f"{_NUMBER}__all__max")
    return over(last - first, col(f"{_NUMBER}__all__count") - 1.0)


_TOTALS = Formulas(
    {
        f"{PREFIX}__DEBT_TO_CREDIT__active__total": quotient(
            f"{PREFIX}__AMT_CREDIT_SUM_DEBT__active__sum", f"{PREFIX}__AMT_CREDIT_SUM__active__sum"
        ),
        f"{PREFIX}__SHARE__12m__total": quotient(
            f"{_NUMBER}__12m__count", f"{_NUMBER}__all__count"
        ),
        f"{PREFIX}__DAYS_BETWEEN__all__mean": _gap(),
    }
)


def features(bureau: RowsT) -> RowsT:
    """Aggregate the bureau's loans to one row an applicant."""
    rows = bureau.newest_first(["DAYS_CREDIT", "SK_ID_BUREAU"])
    return rows.aggregated(_AGGREGATION).with_columns(_TOTALS)
