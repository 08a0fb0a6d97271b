"""Monthly statuses of loans elsewhere (bureau_balance), first a row a loan, then an applicant."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.features.engine.aggregates import count, each, quotient
from scoring.features.engine.aggregation import Aggregation
from scoring.features.engine.formulas import Formulas, col, when
from scoring.features.engine.rows import RowsT, Summary

PREFIX = "bureau_balance"

# STATUS: 0 no days past due, 1 to 5 ever later (5: 120 days or written off), C closed, X unknown.
_LATENESS = col("STATUS").parsed()

FILTERS = {
    "active": col("CREDIT_ACTIVE") == "Active",
    "closed": col("CREDIT_ACTIVE") == "Closed",
}

AGGREGATES = (
    *each("MONTHS", "active", "count"),
    *each("WORST_STATUS", "active closed", "mean"),
    *each("WORST_STATUS_YEAR", "all", "mean"),
    *each("LAST_LATE_MONTH", "all", "max"),
)

# Only operands of another formula, no features.
PASSING = (*each("LATE_MONTHS KNOWN_MONTHS", "all", "sum"),)

_LATE = _LATENESS > 0
_MONTHS = Formulas(
    {
        "LATENESS": _LATENESS,
        "RECENT": when(col("MONTHS_BALANCE") >= -12).then(_LATENESS),
        "LATE": _LATE.known_true().whole(),
        "KNOWN": _LATENESS.is_not_null().whole(),
        "LATE_MONTH": when(_LATE).then(col("MONTHS_BALANCE")),
    }
)
_SUMMARIES: Mapping[str, Summary] = {
    "MONTHS": ("MONTHS_BALANCE", "count"),
    "WORST_STATUS": ("LATENESS", "max"),
    "WORST_STATUS_YEAR": ("RECENT", "max"),
    "LATE_MONTHS": ("LATE", "sum"),
    "KNOWN_MONTHS": ("KNOWN", "sum"),
    "LAST_LATE_MONTH": ("LATE_MONTH", "max"),
}
MEASURES = tuple(count(name) for name in _SUMMARIES)

_AGGREGATION = Aggregation(PREFIX, MEASURES, FILTERS, (*AGGREGATES, *PASSING))
_SHARES = Formulas(
    {
        f"{PREFIX}__LATE_MONTHS__all__share": quotient(
            f"{PREFIX}__LATE_MONTHS__all__sum", f"{PREFIX}__KNOWN_MONTHS__all__sum"
        )
    }
)


def loans(bureau_balance: RowsT) -> RowsT:
    """Summarise the months of each loan: one row a SK_ID_BUREAU, whole numbers only."""
    return bureau_balance.with_columns(_MONTHS).summarised(["SK_ID_BUREAU"], _SUMMARIES)


def features(bureau: RowsT, bureau_balance: RowsT) -> RowsT:
    """Aggregate the loans' months to one row an applicant.

    Parameters
    ----------
    bureau : Rows
        The bureau table, which says whose loan a SK_ID_BUREAU is.
    bureau_balance : Rows
        The monthly rows; those of unknown loans are passed over.
    """
    owners = bureau.only(["SK_ID_CURR", "SK_ID_BUREAU", "CREDIT_ACTIVE"])
    rows = owners.joined(loans(bureau_balance), on=["SK_ID_BUREAU"], inner=True)
    return rows.aggregated(_AGGREGATION).with_columns(_SHARES)
