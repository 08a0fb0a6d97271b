"""What an applicant's history comes to: one number each, the same for real and drawn rows.

These numbers tie the histories to the applications: the copula correlates them with the
application's traits and with each other, and the model of TARGET weighs them. `summaries.toml`
tells them in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from scoring.data.synthetic.content import Content

LATE_STATUSES = ("1", "2", "3", "4", "5")
DAYS_A_MONTH = 30.4375
# Monthly balances go back eight years at most.
OLDEST_MONTH = -96

_CONTENT = Content("summaries")
_TABLES: Mapping[str, Mapping[str, str]] = _CONTENT.sections["tables"]
SUMMARIES = tuple(name for summaries in _TABLES.values() for name in summaries)


def summarise(frames: Mapping[str, pl.DataFrame], applicants: pl.Series) -> pl.DataFrame:
    """A column for each of `SUMMARIES`, in the order of the applicants; null without a history."""
    owners = frames["bureau"].select("SK_ID_BUREAU", "SK_ID_CURR")
    balance = frames["bureau_balance"].join(owners, on="SK_ID_BUREAU")
    result = pl.DataFrame({"SK_ID_CURR": applicants})
    for name, summaries in _TABLES.items():
        rows = balance if name == "bureau_balance" else frames[name]
        table = rows.group_by("SK_ID_CURR").agg(
            _CONTENT.expression(sql).alias(summary) for summary, sql in summaries.items()
        )
        result = result.join(table, on="SK_ID_CURR", how="left", maintain_order="left")
    counts = pl.col("bureau_count", "previous_count").fill_null(0)
    known = pl.when(pl.col("bureau_count") > 0).then(pl.col("balance_known").fill_null(0))
    return (
        result.with_columns(counts)
        .with_columns(known.alias("balance_known"))
        .select(pl.col(name).cast(pl.Float64).fill_nan(None) for name in SUMMARIES)
    )
