"""Earlier applications with the same lender: approved, refused, cancelled or unused."""

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
    fraction,
    newest_first,
    quotient,
    ratio,
    without_sentinel,
)
from scoring.tables import DAY_SENTINEL, PREVIOUS_APPLICATION, RowsT

PREFIX = "previous"

_STATUS = pl.col("NAME_CONTRACT_STATUS")
_CREDIT = pl.col("AMT_CREDIT")
_APPROVED = _STATUS == "Approved"
_REFUSED = _STATUS == "Refused"
# An approved loan whose end lies at the sentinel is still being paid.
_RUNNING = _APPROVED & (pl.col("DAYS_LAST_DUE") == DAY_SENTINEL)
_PORTFOLIO = pl.col("NAME_PORTFOLIO")
_YIELD = pl.col("NAME_YIELD_GROUP")
_LAST_DUE = without_sentinel("DAYS_LAST_DUE", DAY_SENTINEL)
_LAST_DUE_PLANNED = without_sentinel("DAYS_LAST_DUE_1ST_VERSION", DAY_SENTINEL)

# The categories of the latest application that are features of their own.
_LAST = ("PRODUCT_COMBINATION", "NAME_CONTRACT_STATUS", "NAME_YIELD_GROUP", "CODE_REJECT_REASON")


def _code(name: str) -> pl.Expr:
    levels = pl.Enum(PREVIOUS_APPLICATION[name].categories)
    return pl.col(name).cast(levels, strict=False).to_physical()


FILTERS = {
    "approved": _APPROVED,
    "refused": _REFUSED,
    "running": _RUNNING,
    "cash": _PORTFOLIO == "Cash",
    "pos": _PORTFOLIO == "POS",
    "cards": _PORTFOLIO == "Cards",
    "last": pl.col("RANK") == 0,
    "last3": pl.col("RANK") < 3,
    "last5": pl.col("RANK") < 5,
    "12m": pl.col("DAYS_DECISION") >= -365,
    "24m": pl.col("DAYS_DECISION") >= -730,
}

MEASURES: tuple[Measure, ...] = (
    count("DAYS_DECISION"),
    amount("AMT_ANNUITY"),
    amount("AMT_APPLICATION"),
    amount("AMT_CREDIT"),
    amount("AMT_DOWN_PAYMENT"),
    amount("AMT_GOODS_PRICE"),
    fraction("RATE_DOWN_PAYMENT", pl.col("RATE_DOWN_PAYMENT")),
    count("CNT_PAYMENT"),
    count("HOUR_APPR_PROCESS_START"),
    count("SELLERPLACE_AREA"),
    count("DAYS_FIRST_DRAWING", without_sentinel("DAYS_FIRST_DRAWING", DAY_SENTINEL)),
    count("DAYS_FIRST_DUE", without_sentinel("DAYS_FIRST_DUE", DAY_SENTINEL)),
    count("DAYS_LAST_DUE_1ST_VERSION", _LAST_DUE_PLANNED),
    count("DAYS_LAST_DUE", _LAST_DUE),
    count("DAYS_TERMINATION", without_sentinel("DAYS_TERMINATION", DAY_SENTINEL)),
    count("DAYS_ENDED_EARLY", _LAST_DUE_PLANNED - _LAST_DUE),
    ratio("APPLICATION_TO_CREDIT", pl.col("AMT_APPLICATION"), _CREDIT),
    ratio("CREDIT_TO_ANNUITY", _CREDIT, pl.col("AMT_ANNUITY")),
    # What the instalments add up to over what was lent: the price of the loan.
    ratio("REPAID_TO_CREDIT", pl.col("AMT_ANNUITY") * pl.col("CNT_PAYMENT"), _CREDIT),
    ratio("CREDIT_TO_GOODS", _CREDIT, pl.col("AMT_GOODS_PRICE")),
    flag("IS_APPROVED", _APPROVED),
    flag("IS_REFUSED", _REFUSED),
    flag("IS_CANCELED", _STATUS == "Canceled"),
    flag("IS_UNUSED", _STATUS == "Unused offer"),
    flag("IS_RUNNING", _RUNNING),
    flag("IS_INSURED", pl.col("NFLAG_INSURED_ON_APPROVAL") == 1),
    flag("IS_REPEATER", pl.col("NAME_CLIENT_TYPE") == "Repeater"),
    flag("IS_WALK_IN", pl.col("NAME_PRODUCT_TYPE") == "walk-in"),
    flag("IS_HIGH_YIELD", _YIELD == "high"),
    flag("IS_LOW_YIELD", _YIELD.is_in(["low_normal", "low_action"])),
    flag("REJECTED_BY_SCORE", pl.col("CODE_REJECT_REASON").is_in(["SCO", "SCOFR"])),
    flag("REJECTED_BY_HC", pl.col("CODE_REJECT_REASON") == "HC"),
    flag("REJECTED_BY_LIMIT", pl.col("CODE_REJECT_REASON") == "LIMIT"),
    *(count(f"LAST_{name}", _code(name)) for name in _LAST),
)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("DAYS_DECISION", "all approved refused", "count mean min max"),
    *each("DAYS_DECISION", "last3 last5", "mean"),
    *each("DAYS_DECISION", "running cash pos cards 12m 24m", "count"),
    *each("AMT_ANNUITY", "all approved", "mean min max"),
    *each("AMT_ANNUITY", "refused cash pos last last3", "mean"),
    *each("AMT_ANNUITY", "running", "sum max"),
    *each("AMT_APPLICATION", "all approved refused", "mean max"),
    *each("AMT_APPLICATION", "last last3", "mean"),
    *each("AMT_CREDIT", "all approved refused", "sum mean max"),
    *each("AMT_CREDIT", "running", "sum"),
    *each("AMT_CREDIT", "last last3", "mean"),
    *each("AMT_DOWN_PAYMENT", "all approved", "mean max"),
    *each("AMT_GOODS_PRICE", "all", "mean max"),
    *each("RATE_DOWN_PAYMENT", "all approved last3", "mean max"),
    *each("CNT_PAYMENT", "all approved refused", "mean max"),
    *each("CNT_PAYMENT", "all approved", "sum std"),
    *each("CNT_PAYMENT", "running last last3 cash pos", "mean"),
    *each("HOUR_APPR_PROCESS_START", "all last3", "mean"),
    *each("SELLERPLACE_AREA", "all approved last", "mean"),
    *each("SELLERPLACE_AREA", "all", "max"),
    *each("DAYS_FIRST_DRAWING", "all", "mean max"),
    *each("DAYS_FIRST_DUE", "all last3", "mean max"),
    *each("DAYS_FIRST_DUE", "all", "min"),
    *each("DAYS_LAST_DUE_1ST_VERSION", "all", "mean min max"),
    *each("DAYS_LAST_DUE_1ST_VERSION", "running last3", "max"),
    *each("DAYS_LAST_DUE", "all", "mean max"),
    *each("DAYS_TERMINATION", "all", "mean max"),
    *each("DAYS_ENDED_EARLY", "all last3", "mean max min"),
    *each("APPLICATION_TO_CREDIT", "all approved refused", "mean min max"),
    *each("APPLICATION_TO_CREDIT", "last last3 last5", "mean"),
    *each("APPLICATION_TO_CREDIT", "all", "std"),
    *each("CREDIT_TO_ANNUITY", "all approved refused", "mean max"),
    *each("CREDIT_TO_ANNUITY", "last last3", "mean"),
    *each("REPAID_TO_CREDIT", "all approved", "mean min max std"),
    *each("REPAID_TO_CREDIT", "last last3 refused cash pos running", "mean"),
    *each("CREDIT_TO_GOODS", "all approved", "mean max"),
    *each("IS_APPROVED IS_REFUSED", "all last3 last5 12m 24m cash pos", "mean"),
    *each("IS_REFUSED", "all 12m 24m", "sum"),
    *each("IS_CANCELED IS_UNUSED", "all last3", "mean"),
    *each("IS_RUNNING", "all", "sum mean"),
    *each("IS_INSURED", "all approved", "mean"),
    *each("IS_REPEATER IS_WALK_IN", "all last3", "mean"),
    *each("IS_HIGH_YIELD IS_LOW_YIELD", "all approved last3", "mean"),
    *each("REJECTED_BY_SCORE REJECTED_BY_HC REJECTED_BY_LIMIT", "all last5", "mean"),
    *each(" ".join(f"LAST_{name}" for name in _LAST), "last", "max"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


def features(previous_application: RowsT) -> RowsT:
    """Aggregate earlier applications to one row an applicant."""
    rows = newest_first(previous_application, "SK_ID_CURR", ["DAYS_DECISION", "SK_ID_PREV"])
    result = _AGGREGATION.apply(rows)
    count_of = f"{PREFIX}__DAYS_DECISION"
    with_ratios = result.with_columns(
        quotient(
            f"{PREFIX}__REFUSED_TO_APPROVED__all__total",
            f"{count_of}__refused__count",
            f"{count_of}__approved__count",
        ),
        *(_last_category(name) for name in _LAST),
    )
    return with_ratios.drop(f"{PREFIX}__LAST_{name}__last__max" for name in _LAST)


def _last_category(name: str) -> pl.Expr:
    """Turn the code of the latest application's category back into the category."""
    levels = PREVIOUS_APPLICATION[name].categories
    code = pl.col(f"{PREFIX}__LAST_{name}__last__max").cast(pl.UInt8)
    return code.cat.to(pl.Enum(levels)).alias(f"{PREFIX}__{name}__last__value")
