"""Loans with other lenders, as reported by the credit bureau."""

from __future__ import annotations

import polars as pl

from scoring.features.aggregates import (
    Aggregate,
    Aggregation,
    Measure,
    amount,
    count,
    each,
    flag,
    quotient,
    ratio,
)
from scoring.tables import RowsT

PREFIX = "bureau"

_DEBT = pl.col("AMT_CREDIT_SUM_DEBT")
_CREDIT = pl.col("AMT_CREDIT_SUM")
_END = pl.col("DAYS_CREDIT_ENDDATE")

# Reported ends further away than this are place-holders (Kaggle's go to 42,000 days).
_PLAUSIBLE_DAYS = 20_000
_PLAUSIBLE_END = pl.when(_END.abs() < _PLAUSIBLE_DAYS).then(_END)

_TYPES = {
    "consumer": "Consumer credit",
    "card": "Credit card",
    "car": "Car loan",
    "mortgage": "Mortgage",
    "microloan": "Microloan",
}

FILTERS = {
    "active": pl.col("CREDIT_ACTIVE") == "Active",
    "closed": pl.col("CREDIT_ACTIVE") == "Closed",
    **{word: pl.col("CREDIT_TYPE") == value for word, value in _TYPES.items()},
    "active_consumer": (pl.col("CREDIT_ACTIVE") == "Active")
    & (pl.col("CREDIT_TYPE") == _TYPES["consumer"]),
    "active_card": (pl.col("CREDIT_ACTIVE") == "Active")
    & (pl.col("CREDIT_TYPE") == _TYPES["card"]),
    "6m": pl.col("DAYS_CREDIT") >= -183,
    "12m": pl.col("DAYS_CREDIT") >= -365,
    "24m": pl.col("DAYS_CREDIT") >= -730,
    "36m": pl.col("DAYS_CREDIT") >= -1095,
}

MEASURES: tuple[Measure, ...] = (
    count("DAYS_CREDIT"),
    count("CREDIT_DAY_OVERDUE"),
    count("DAYS_CREDIT_ENDDATE", _PLAUSIBLE_END),
    count(
        "DAYS_ENDDATE_FACT",
        pl.when(pl.col("DAYS_ENDDATE_FACT").abs() < _PLAUSIBLE_DAYS).then("DAYS_ENDDATE_FACT"),
    ),
    count("DAYS_CREDIT_UPDATE"),
    count("CNT_CREDIT_PROLONG"),
    count("TERM", _PLAUSIBLE_END - pl.col("DAYS_CREDIT")),
    count("DAYS_CLOSED_EARLY", _PLAUSIBLE_END - pl.col("DAYS_ENDDATE_FACT")),
    amount("AMT_CREDIT_MAX_OVERDUE"),
    amount("AMT_CREDIT_SUM"),
    amount("AMT_CREDIT_SUM_DEBT"),
    amount("AMT_CREDIT_SUM_LIMIT"),
    amount("AMT_CREDIT_SUM_OVERDUE"),
    amount("AMT_ANNUITY"),
    ratio("DEBT_TO_CREDIT", _DEBT, _CREDIT),
    ratio("ANNUITY_TO_CREDIT", pl.col("AMT_ANNUITY"), _CREDIT),
    ratio("OVERDUE_TO_CREDIT", pl.col("AMT_CREDIT_MAX_OVERDUE"), _CREDIT),
    flag("IS_ACTIVE", FILTERS["active"]),
    flag("EVER_OVERDUE", pl.col("AMT_CREDIT_MAX_OVERDUE") > 0),
    flag("HAS_FUTURE_END", _PLAUSIBLE_END > 0),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("DAYS_CREDIT", "all active", "count mean min max std range"),
    *each("DAYS_CREDIT", "closed consumer card", "count mean max"),
    *each("DAYS_CREDIT", "car mortgage microloan", "count max"),
    *each("DAYS_CREDIT", "6m 12m 24m 36m", "count"),
    *each("CREDIT_DAY_OVERDUE", "all active", "mean max"),
    *each("DAYS_CREDIT_ENDDATE", "all active closed", "mean min max"),
    *each("DAYS_CREDIT_ENDDATE", "active_consumer", "max"),
    *each("DAYS_ENDDATE_FACT", "all", "mean min max"),
    *each("DAYS_CREDIT_UPDATE", "all active", "mean min max"),
    *each("CNT_CREDIT_PROLONG", "all", "sum max"),
    *each("TERM", "all active closed", "mean max"),
    *each("TERM", "consumer", "mean"),
    *each("DAYS_CLOSED_EARLY", "closed", "mean min max"),
    *each("AMT_CREDIT_MAX_OVERDUE", "all active", "mean max sum"),
    *each("AMT_CREDIT_MAX_OVERDUE", "24m 12m", "max"),
    *each("AMT_CREDIT_SUM", "all active", "sum mean max std"),
    *each("AMT_CREDIT_SUM", "closed consumer card 12m 24m 36m", "sum max"),
    *each("AMT_CREDIT_SUM_DEBT", "all active", "sum mean max std"),
    *each("AMT_CREDIT_SUM_DEBT", "consumer card active_consumer active_card 12m 24m", "sum max"),
    *each("AMT_CREDIT_SUM_LIMIT", "all active_card", "sum max"),
    *each("AMT_CREDIT_SUM_OVERDUE", "all active", "sum max"),
    *each("AMT_ANNUITY", "all active", "sum mean max"),
    *each("DEBT_TO_CREDIT", "all active active_consumer active_card", "mean max"),
    *each("DEBT_TO_CREDIT", "all active", "std"),
    *each("ANNUITY_TO_CREDIT", "all active", "mean max"),
    *each("OVERDUE_TO_CREDIT", "all", "mean max"),
    *each("IS_ACTIVE", "all 12m 24m consumer card microloan", "mean sum"),
    *each("EVER_OVERDUE", "all active 24m", "mean"),
    *each("HAS_FUTURE_END", "all active", "mean"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


def features(bureau: RowsT) -> RowsT:
    """Aggregate the bureau's loans to one row an applicant."""
    result = _AGGREGATION.apply(bureau)
    debt, credit = f"{PREFIX}__AMT_CREDIT_SUM_DEBT", f"{PREFIX}__AMT_CREDIT_SUM"
    number = f"{PREFIX}__DAYS_CREDIT"
    return result.with_columns(
        quotient(
            f"{PREFIX}__DEBT_TO_CREDIT__all__total", f"{debt}__all__sum", f"{credit}__all__sum"
        ),
        quotient(
            f"{PREFIX}__DEBT_TO_CREDIT__active__total",
            f"{debt}__active__sum",
            f"{credit}__active__sum",
        ),
        quotient(
            f"{PREFIX}__OVERDUE_TO_DEBT__all__total",
            f"{PREFIX}__AMT_CREDIT_SUM_OVERDUE__all__sum",
            f"{debt}__all__sum",
        ),
        *(
            quotient(
                f"{PREFIX}__SHARE__{word}__total",
                f"{number}__{word}__count",
                f"{number}__all__count",
            )
            for word in ("consumer", "card", "microloan", "12m")
        ),
    )
