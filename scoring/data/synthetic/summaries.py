"""What an applicant's history comes to: one number each, the same for real and drawn rows.

These numbers tie the histories to the applications: the copula correlates them with the
application's traits and with each other, and the model of TARGET weighs them.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

LATE_STATUSES = ("1", "2", "3", "4", "5")
DAYS_A_MONTH = 30.4375
# Monthly balances go back eight years at most.
OLDEST_MONTH = -96

BUREAU = (
    "bureau_count", "bureau_active", "bureau_recency", "bureau_amount", "bureau_cards",
    "bureau_overdue", "bureau_debt",
)  # fmt: skip
BALANCE = ("balance_known", "balance_late")
PREVIOUS = (
    "previous_count", "previous_refused", "previous_cash", "previous_recency", "previous_amount",
    "previous_yield", "previous_term", "previous_down",
)  # fmt: skip
PAYMENT = ("pos_late", "instalment_late", "instalment_delay", "card_use", "card_cash")
SUMMARIES = (*BUREAU, *BALANCE, *PREVIOUS, *PAYMENT)


def summarise(frames: Mapping[str, pl.DataFrame], applicants: pl.Series) -> pl.DataFrame:
    """A column for each of `SUMMARIES`, in the order of the applicants; null without a history."""
    tables = (
        _bureau(frames["bureau"]),
        _balance(frames["bureau_balance"], frames["bureau"]),
        _previous(frames["previous_application"]),
        _pos(frames["POS_CASH_balance"]),
        _instalments(frames["installments_payments"]),
        _cards(frames["credit_card_balance"]),
    )
    result = pl.DataFrame({"SK_ID_CURR": applicants})
    for table in tables:
        result = result.join(table, on="SK_ID_CURR", how="left", maintain_order="left")
    counts = pl.col("bureau_count", "previous_count").fill_null(0)
    known = pl.when(pl.col("bureau_count") > 0).then(pl.col("balance_known").fill_null(0))
    return (
        result.with_columns(counts)
        .with_columns(known.alias("balance_known"))
        .select(pl.col(name).cast(pl.Float64).fill_nan(None) for name in SUMMARIES)
    )


def _bureau(rows: pl.DataFrame) -> pl.DataFrame:
    active = pl.col("CREDIT_ACTIVE") == "Active"
    owed = pl.col("AMT_CREDIT_SUM_DEBT").filter(active).sum()
    lent = pl.col("AMT_CREDIT_SUM").filter(active).sum()
    return rows.group_by("SK_ID_CURR").agg(
        pl.len().alias("bureau_count"),
        active.mean().alias("bureau_active"),
        pl.col("DAYS_CREDIT").mean().alias("bureau_recency"),
        pl.col("AMT_CREDIT_SUM").clip(0).log1p().mean().alias("bureau_amount"),
        (pl.col("CREDIT_TYPE") == "Credit card").mean().alias("bureau_cards"),
        (pl.col("AMT_CREDIT_MAX_OVERDUE") > 0).mean().alias("bureau_overdue"),
        pl.when(lent > 0).then((owed / lent).clip(0, 2)).alias("bureau_debt"),
    )


def _balance(rows: pl.DataFrame, bureau: pl.DataFrame) -> pl.DataFrame:
    owners = bureau.select("SK_ID_BUREAU", "SK_ID_CURR")
    open_months = pl.col("STATUS").is_in([*LATE_STATUSES, "0"])
    loans = rows.group_by("SK_ID_BUREAU").agg(
        pl.col("STATUS").is_in(LATE_STATUSES).sum().alias("late"), open_months.sum().alias("open")
    )
    return (
        loans.join(owners, on="SK_ID_BUREAU")
        .group_by("SK_ID_CURR")
        .agg(
            pl.lit(1.0).alias("balance_known"),
            (pl.col("late").sum() / pl.col("open").sum()).alias("balance_late"),
        )
    )


def _previous(rows: pl.DataFrame) -> pl.DataFrame:
    amount, term = pl.col("AMT_APPLICATION"), pl.col("CNT_PAYMENT")
    priced = pl.col("NAME_YIELD_GROUP") != "XNA"
    return rows.group_by("SK_ID_CURR").agg(
        pl.len().alias("previous_count"),
        (pl.col("NAME_CONTRACT_STATUS") == "Refused").mean().alias("previous_refused"),
        (pl.col("NAME_CONTRACT_TYPE") == "Cash loans").mean().alias("previous_cash"),
        pl.col("DAYS_DECISION").mean().alias("previous_recency"),
        amount.filter(amount > 0).log1p().mean().alias("previous_amount"),
        (pl.col("NAME_YIELD_GROUP") == "high").filter(priced).mean().alias("previous_yield"),
        term.filter(term > 0).mean().alias("previous_term"),
        pl.col("RATE_DOWN_PAYMENT").mean().alias("previous_down"),
    )


def _pos(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("SK_ID_CURR").agg((pl.col("SK_DPD") > 0).mean().alias("pos_late"))


def _instalments(rows: pl.DataFrame) -> pl.DataFrame:
    delay = pl.col("DAYS_ENTRY_PAYMENT") - pl.col("DAYS_INSTALMENT")
    return rows.group_by("SK_ID_CURR").agg(
        (delay > 0).mean().alias("instalment_late"),
        delay.clip(-60, 60).mean().alias("instalment_delay"),
    )


def _cards(rows: pl.DataFrame) -> pl.DataFrame:
    limit = pl.col("AMT_CREDIT_LIMIT_ACTUAL")
    use = pl.when(limit > 0).then((pl.col("AMT_BALANCE") / limit).clip(0, 1.5))
    return rows.group_by("SK_ID_CURR").agg(
        use.mean().alias("card_use"),
        (pl.col("AMT_DRAWINGS_ATM_CURRENT").fill_null(0) > 0).mean().alias("card_cash"),
    )
