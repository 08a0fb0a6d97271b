"""Monthly statuses of loans elsewhere (bureau_balance), first a row a loan, then an applicant."""

from __future__ import annotations

import polars as pl

from scoring.features.aggregates import Aggregate, Aggregation, Measure, count, each, quotient
from scoring.tables import RowsT

PREFIX = "bureau_balance"

# STATUS: 0 no days past due, 1 to 5 ever later (5: 120 days or written off), C closed, X unknown.
_LATENESS = pl.col("STATUS").cast(pl.Int64, strict=False)

_COUNTS = (
    "MONTHS", "WORST_STATUS", "WORST_STATUS_YEAR", "LATE_MONTHS", "KNOWN_MONTHS", "LAST_LATE_MONTH",
)  # fmt: skip

FILTERS = {
    "active": pl.col("CREDIT_ACTIVE") == "Active",
    "closed": pl.col("CREDIT_ACTIVE") == "Closed",
    "3y": pl.col("DAYS_CREDIT") >= -1095,
}

MEASURES: tuple[Measure, ...] = tuple(count(name) for name in _COUNTS)

AGGREGATES: tuple[Aggregate, ...] = (
    *each("MONTHS", "all", "mean"),
    *each("MONTHS", "active", "count mean"),
    *each("WORST_STATUS", "active closed", "mean"),
    *each("WORST_STATUS_YEAR", "all", "mean"),
    *each("LATE_MONTHS", "all", "sum"),
    *each("LATE_MONTHS", "3y", "mean"),
    *each("KNOWN_MONTHS", "all 3y", "sum"),
    *each("LAST_LATE_MONTH", "all active", "max"),
)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, AGGREGATES)


def loans(bureau_balance: RowsT) -> RowsT:
    """Summarise the months of each loan: one row a SK_ID_BUREAU, whole numbers only."""
    months = pl.col("MONTHS_BALANCE")
    late = _LATENESS > 0
    return (
        bureau_balance.select(
            "SK_ID_BUREAU",
            months,
            lateness=_LATENESS,
            late=late.fill_null(False).cast(pl.Int64),
            known=_LATENESS.is_not_null().cast(pl.Int64),
            late_month=pl.when(late).then(months),
            recent=pl.when(months >= -12).then(_LATENESS),
        )
        .group_by("SK_ID_BUREAU")
        .agg(
            MONTHS=pl.col("MONTHS_BALANCE").count().cast(pl.Int64),
            WORST_STATUS=pl.col("lateness").max(),
            WORST_STATUS_YEAR=pl.col("recent").max(),
            LATE_MONTHS=pl.col("late").sum(),
            KNOWN_MONTHS=pl.col("known").sum(),
            LAST_LATE_MONTH=pl.col("late_month").max(),
        )
    )


def features(bureau: RowsT, bureau_balance: RowsT) -> RowsT:
    """Aggregate the loans' months to one row an applicant.

    Parameters
    ----------
    bureau : polars.LazyFrame or polars.DataFrame
        The bureau table, which says whose loan a SK_ID_BUREAU is.
    bureau_balance : polars.LazyFrame or polars.DataFrame
        The monthly rows; those of unknown loans are passed over.
    """
    rows = bureau.select("SK_ID_CURR", "SK_ID_BUREAU", "CREDIT_ACTIVE", "DAYS_CREDIT").join(
        loans(bureau_balance), on="SK_ID_BUREAU", how="inner"
    )
    result = _AGGREGATION.apply(rows)
    return result.with_columns(
        quotient(
            f"{PREFIX}__LATE_MONTHS__all__share",
            f"{PREFIX}__LATE_MONTHS__all__sum",
            f"{PREFIX}__KNOWN_MONTHS__all__sum",
        )
    )
