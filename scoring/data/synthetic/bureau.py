"""Loans at other lenders: the rows of bureau and bureau_balance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from scoring.data.synthetic.content import Content
from scoring.data.synthetic.copula import mixed
from scoring.data.synthetic.marginals import (
    BoolArray,
    FloatArray,
    IntArray,
    Json,
    Latents,
    load_tables,
)
from scoring.data.synthetic.summaries import DAYS_A_MONTH, LATE_STATUSES, OLDEST_MONTH

# Loans per applicant stay below this, so that every chunk has room for its identifiers.
MOST_LOANS = 60
# From the lowest lateness to the highest; X (unknown) first, so that the rest rank by it.
STATUSES = ("X", "0", *LATE_STATUSES)
ROUND_SUM = 4500.0
# In the order of their digits in the pattern `blanks`.
BLANKS = (
    "DAYS_CREDIT_ENDDATE", "AMT_CREDIT_MAX_OVERDUE", "AMT_CREDIT_SUM_DEBT",
    "AMT_CREDIT_SUM_LIMIT", "AMT_ANNUITY",
)  # fmt: skip

_CONTENT = Content("bureau")


def measure(bureau: pl.DataFrame, balance: pl.DataFrame) -> Json:
    """Aggregates of real rows of both populations, told apart by the column `population`."""
    known = bureau["SK_ID_BUREAU"].is_in(balance["SK_ID_BUREAU"].unique().implode())
    rows = bureau.with_columns(balance=pl.when(known).then(pl.lit("1")).otherwise(pl.lit("0")))
    return {
        **_CONTENT.measured("loans", rows),
        "loadings": _CONTENT.measured("loadings", rows),
        "months": _measure_months(balance, rows),
    }


def _measure_months(balance: pl.DataFrame, bureau: pl.DataFrame) -> Json:
    """How long the monthly balances reach, and how the status goes from month to month."""
    ordered = balance.sort("SK_ID_BUREAU", "MONTHS_BALANCE")
    loans = ordered.group_by("SK_ID_BUREAU", maintain_order=True).agg(
        pl.col("MONTHS_BALANCE").max().alias("last"), pl.col("STATUS").first().alias("first"),
        (pl.col("STATUS") == "C").any().alias("closes"),
    )  # fmt: skip
    owners = bureau.select("SK_ID_BUREAU", "CREDIT_ACTIVE", "population")
    loans = loans.join(owners, on="SK_ID_BUREAU")
    steps = ordered.with_columns(then=pl.col("STATUS").shift(-1).over("SK_ID_BUREAU")).filter(
        pl.col("STATUS").is_in(STATUSES) & pl.col("then").is_in(STATUSES)
    )
    steps = steps.join(owners, on="SK_ID_BUREAU")
    return {**_CONTENT.measured("months", loans), **_CONTENT.measured("steps", steps)}


class BureauMaker:
    """Draws bureau and bureau_balance from what `measure` gave."""

    def __init__(self, stored: Json) -> None:
        self._loadings: dict[str, float] = stored["loadings"]
        self._closes: dict[str, float] = stored["months"]["closes"]
        self._numbers, self._categories = load_tables({**stored, **stored["months"]})

    def loans(
        self,
        latent: Latents,
        counts: IntArray,
        population: str,
        rng: Generator,
    ) -> tuple[pl.DataFrame, IntArray]:
        """Rows of bureau, and the place (0, 1, ...) of the applicant of each.

        `latent` are the applicants' normal values by summary, `counts` the loans of each.
        """
        owner = np.repeat(np.arange(len(counts)), np.minimum(counts, MOST_LOANS))
        of = {name: values[owner] for name, values in latent.items()}
        rows = pl.DataFrame({"balance": np.where(of["balance_known"] > 0, "1", "0")})
        rows = self._states(rows.with_columns(population=pl.lit(population)), of, rng)
        rows = self._dates(rows, rng)
        rows = self._amounts(rows, of, rng)
        return self._blanked(rows, rng), owner

    def _states(self, rows: pl.DataFrame, of: Latents, rng: Generator) -> pl.DataFrame:
        share = self._loadings
        days = ndtr(mixed(of["bureau_recency"], share["recency"], rng))
        number = self._numbers["DAYS_CREDIT"].draw(days, rows["population"]).round().clip(-2922, 0)
        rows = rows.with_columns(DAYS_CREDIT=pl.Series(number))
        # Ranks run from the most frequent label (consumer credit) to the rare ones; cards second.
        kind = ndtr(mixed(of["bureau_cards"], share["cards"], rng))
        by_band = _CONTENT.key(rows, "population_and_band")
        kinds = self._categories["CREDIT_TYPE"].draw(kind, by_band)
        rows = rows.with_columns(CREDIT_TYPE=kinds)
        active = ndtr(mixed(of["bureau_active"], share["active"], rng))
        states = self._categories["CREDIT_ACTIVE"].draw(active, _CONTENT.key(rows, "kind_and_band"))
        plain = {
            name: self._categories[name].draw(rng.random(rows.height))
            for name in ("CREDIT_CURRENCY", "CNT_CREDIT_PROLONG")
        }
        return rows.with_columns(CREDIT_ACTIVE=states, **plain)

    def _dates(self, rows: pl.DataFrame, rng: Generator) -> pl.DataFrame:
        dated = _CONTENT.key(rows, "dated")
        length = self._numbers["duration"].draw(rng.random(rows.height), dated)
        ended = self._numbers["ended"].draw(rng.random(rows.height), dated)
        updated = self._numbers["updated"].draw(
            rng.random(rows.height), _CONTENT.key(rows, "active_and_band")
        )
        start = pl.col("DAYS_CREDIT")
        fact = (start + pl.Series(length).clip(1) * pl.Series(ended)).round(0)
        closed = pl.col("CREDIT_ACTIVE").is_in(["Closed", "Sold"])
        return (
            rows.with_columns(DAYS_CREDIT_ENDDATE=(start + pl.Series(length)).round(0).clip(-41800))
            .with_columns(
                DAYS_ENDDATE_FACT=pl.when(closed).then(fact.clip(start, -1).clip(upper_bound=-1))
            )
            .with_columns(
                DAYS_CREDIT_UPDATE=(pl.col("DAYS_ENDDATE_FACT").fill_null(0) + pl.Series(updated))
                .round(0)
                .clip(-41800, 0)
            )
        )

    def _amounts(self, rows: pl.DataFrame, of: Latents, rng: Generator) -> pl.DataFrame:
        state, owing = _CONTENT.key(rows, "state"), _CONTENT.key(rows, "owing")
        amount = ndtr(mixed(of["bureau_amount"], self._loadings["amount"], rng))
        owed = ndtr(mixed(of["bureau_debt"], 0.5, rng))
        lent = _money(self._numbers["AMT_CREDIT_SUM"].draw(amount, state))
        ratios = {
            "AMT_CREDIT_SUM_DEBT": self._numbers["debt"].draw(owed, owing),
            "AMT_CREDIT_SUM_LIMIT": self._numbers["limit"].draw(rng.random(rows.height), state),
        }
        columns = {name: _money(lent * ratio) for name, ratio in ratios.items()}
        # Annuities rise with the sum, not in step with it: many are recorded as zero.
        rank = ndtr(mixed(ndtri(amount.clip(1e-6, 1 - 1e-6)), 0.6, rng))
        columns["AMT_ANNUITY"] = _money(self._numbers["annuity"].draw(rank, state))
        return rows.with_columns(AMT_CREDIT_SUM=pl.Series(lent), **_series(columns)).with_columns(
            **self._overdue(rows, of, rng)
        )

    def _overdue(self, rows: pl.DataFrame, of: Latents, rng: Generator) -> dict[str, pl.Series]:
        """The worst overdue ever, and the rarer overdue of now."""
        rank = ndtr(mixed(of["bureau_overdue"], self._loadings["overdue"], rng))
        ever = self._categories["overdue"].codes(rank) == 1
        now = self._categories["late"].codes(rank, rows["CREDIT_ACTIVE"]) == 1
        drawn = {
            name: self._numbers[name].draw(rng.random(rows.height))
            for name in ("overdue sum", "late sum", "days late")
        }
        return _series(
            {
                "AMT_CREDIT_MAX_OVERDUE": np.where(ever, _money(drawn["overdue sum"]), 0.0),
                "AMT_CREDIT_SUM_OVERDUE": np.where(now, _money(drawn["late sum"]), 0.0),
                "CREDIT_DAY_OVERDUE": np.where(now, drawn["days late"].round(), 0.0),
            }
        )

    def _blanked(self, rows: pl.DataFrame, rng: Generator) -> pl.DataFrame:
        keys = _CONTENT.key(rows, "balance_and_state")
        pattern = self._categories["blanks"].draw(rng.random(rows.height), keys)
        kept = [
            pl.when(pattern.str.slice(place, 1) == "0").then(pl.col(name)).alias(name)
            for place, name in enumerate(BLANKS)
        ]
        return rows.with_columns(kept)

    def months(self, loans: pl.DataFrame, late: FloatArray, rng: Generator) -> pl.DataFrame:
        """Rows of bureau_balance for rows of bureau; `late` is their applicants' normal value."""
        first, last = self._span(loans, rng)
        closing = self._closing(loans, rng)
        length = last - first + 1
        codes = self._walk(length, self._lateness(loans, late), str(loans["population"][0]), rng)
        month = first[:, None] + np.arange(codes.shape[1])
        codes[month > closing[:, None]] = len(STATUSES)
        inside = month <= last[:, None]
        identifiers = np.repeat(loans["SK_ID_BUREAU"].to_numpy(), length)
        labels = pl.Series([*STATUSES, "C"], dtype=pl.String)
        return pl.DataFrame(
            {
                "SK_ID_BUREAU": identifiers,
                "MONTHS_BALANCE": month[inside].astype(np.int32),
                "STATUS": labels.gather(codes[inside]),
            }
        )

    def _span(self, loans: pl.DataFrame, rng: Generator) -> tuple[IntArray, IntArray]:
        start = np.ceil(loans["DAYS_CREDIT"].to_numpy() / DAYS_A_MONTH).clip(OLDEST_MONTH, 0)
        drawn = self._numbers["last"].draw(rng.random(loans.height), _CONTENT.key(loans, "span"))
        last = np.maximum(start, drawn.round().clip(OLDEST_MONTH, 0))
        return start.astype(np.int64), last.astype(np.int64)

    def _closing(self, loans: pl.DataFrame, rng: Generator) -> FloatArray:
        """The last month before a loan's status turns to C for good, if it does."""
        ended = loans["DAYS_ENDDATE_FACT"].cast(pl.Float64).fill_null(float("inf")).to_numpy()
        share = _CONTENT.key(loans, "span").replace_strict(self._closes, default=0.0).to_numpy()
        closes = rng.random(loans.height) < share
        # A loan that goes on is at rest from some month on.
        resting = loans["DAYS_CREDIT"].to_numpy() * rng.random(loans.height)
        last = np.where(np.isinf(ended), resting, ended)
        result: FloatArray = np.where(closes, np.floor(last / DAYS_A_MONTH), np.inf)
        return result

    def _lateness(self, loans: pl.DataFrame, late: FloatArray) -> FloatArray:
        """How often each loan falls behind, as a multiple of the usual rate."""
        common = np.exp(LATE_SPREAD * late - LATE_SPREAD**2 / 2)
        ever = pl.col("AMT_CREDIT_MAX_OVERDUE")
        own = pl.when(ever > 0).then(OVERDUE_FACTOR).when(ever == 0).then(0.5).otherwise(1.0)
        result: FloatArray = common * loans.select(own.alias("own"))["own"].to_numpy()
        return result

    def _walk(
        self, length: IntArray, shift: FloatArray, population: str, rng: Generator
    ) -> NDArray[np.int8]:
        """A chain of statuses for each loan, shape (loans, longest).

        `shift` multiplies the chance of falling behind, for a loan that is not.
        """
        longest = int(length.max(initial=1))
        codes = np.zeros((len(length), longest), np.int8)
        then = self._categories["then"]
        chain = np.array([then.shares(f"{status}|{population}") for status in STATUSES])
        start = pl.repeat(population, len(length), eager=True)
        codes[:, 0] = self._categories["first"].codes(rng.random(len(length)), start)
        for month in range(1, longest):
            going = length > month
            before = codes[going, month - 1]
            cumulated = chain[before]
            rank = _shifted(rng.random(len(length))[going], shift[going], cumulated[:, 1])
            rank = np.where(before < 2, rank, rng.random(len(before)))
            following = (rank[:, None] >= cumulated).sum(axis=1)
            codes[going, month] = np.minimum(following, len(STATUSES) - 1)
        return codes


def _shifted(rank: FloatArray, shift: FloatArray, in_time: FloatArray) -> FloatArray:
    """Ranks stretched so that the share above `in_time` is multiplied by `shift`."""
    late = 1 - in_time
    wanted = np.clip(late * shift, 1e-9, 0.3)
    above = rank > 1 - wanted
    stretched: FloatArray = np.where(
        above, in_time + (rank - 1 + wanted) / wanted * late, rank / (1 - wanted) * in_time
    )
    return stretched


# How unevenly late months fall upon applicants: the spread of the logarithm of their rate.
LATE_SPREAD = 1.0
# A loan that was ever overdue falls behind more often, one that never was less often.
OVERDUE_FACTOR = 4.0


def _money(values: FloatArray) -> FloatArray:
    """Rounded as Home Credit's amounts are: to 4500 where that is near, else to a half."""
    rounded = np.round(values / ROUND_SUM) * ROUND_SUM
    near: BoolArray = (np.abs(rounded - values) < 0.004 * np.abs(values)) & (values > 20_000)
    return np.where(near, rounded, np.round(values * 2) / 2)


def _series(columns: Mapping[str, FloatArray]) -> dict[str, pl.Series]:
    return {name: pl.Series(values) for name, values in columns.items()}
