"""How earlier loans were paid back: the rows of POS_CASH_balance and installments_payments."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.random import Generator
from scipy.special import ndtr

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
from scoring.data.synthetic.summaries import DAYS_A_MONTH, OLDEST_MONTH
from scoring.data.tables import TABLES

# Kaggle's full file has 2,905 instalments of 13.6 million without a payment.
UNPAID_SHARE = 0.0002
POS_COLUMNS = list(TABLES["POS_CASH_balance"].schema)
INSTALMENT_COLUMNS = list(TABLES["installments_payments"].schema)
# Rows for each month in which something was paid on a card. Chosen so that installments_payments
# has 38 rows per applicant, as Kaggle's full file; the real rows at hand are a thin sample.
CARD_PARTS = 2.4
LOANS = ("Cash loans", "Consumer loans")

_CONTENT = Content("payments")


def measure(pos: pl.DataFrame, instalments: pl.DataFrame, previous: pl.DataFrame) -> Json:
    """Aggregates of real rows."""
    return {"pos": _measure_pos(pos, previous), "paid": _measure_paid(instalments, previous)}


def _measure_pos(pos: pl.DataFrame, previous: pl.DataFrame) -> Json:
    month, status = pl.col("MONTHS_BALANCE"), pl.col("NAME_CONTRACT_STATUS")
    loans = (
        pos.sort("SK_ID_PREV", "MONTHS_BALANCE")
        .group_by("SK_ID_PREV", maintain_order=True)
        .agg(
            pl.col("SK_ID_CURR").first(),
            month.min().alias("first"), month.max().alias("last"),
            status.first().alias("opening"), status.last().alias("closing"),
            (pl.col("SK_DPD") > 0).mean().alias("late"),
        )
    )  # fmt: skip
    known = loans.join(
        previous.select("SK_ID_PREV", "DAYS_DECISION", "DAYS_TERMINATION"), on="SK_ID_PREV"
    )
    return {
        **_CONTENT.measured("known_loans", known),
        **_CONTENT.measured("loans", loans),
        **_CONTENT.measured("months", pos),
        "on file": on_file(pos, previous),
    }


def on_file(payments: pl.DataFrame, previous: pl.DataFrame) -> dict[str, float]:
    """The share of granted loans that have rows here, by type of contract."""
    known = pl.col("SK_ID_PREV").is_in(payments["SK_ID_PREV"].unique().implode())
    begun = (pl.col("NAME_CONTRACT_STATUS") == "Approved") & (
        pl.col("DAYS_FIRST_DUE").is_not_null()
    )
    shares = previous.filter(begun).group_by("NAME_CONTRACT_TYPE").agg(known.mean().alias("share"))
    return {str(kind): round(share, 4) for kind, share in sorted(shares.iter_rows()) if share > 0}


def _measure_paid(instalments: pl.DataFrame, previous: pl.DataFrame) -> Json:
    rows = instalments.join(
        previous.select("SK_ID_PREV", "NAME_CONTRACT_TYPE"), on="SK_ID_PREV", how="left"
    ).with_columns(kind=pl.col("NAME_CONTRACT_TYPE").fill_null(""))
    parts = rows.filter(_CONTENT.expression(_CONTENT.sections["instalments"]["part"]["where"]))
    share = parts.height / rows.height
    # Each payment in two parts makes two rows of parts out of one.
    split = round(share / (2 - share), 4)
    return {**_CONTENT.measured("instalments", rows), "split": split}


class PaymentsMaker:
    """Draws POS_CASH_balance and installments_payments from what `measure` gave."""

    def __init__(self, stored: Json) -> None:
        self._pos, self._paid = stored["pos"], stored["paid"]
        self._pos_numbers, self._pos_categories = load_tables(self._pos)
        self._paid_numbers, self._paid_categories = load_tables(self._paid)

    def pos(self, loans: pl.DataFrame, latent: Latents, rng: Generator) -> pl.DataFrame:
        """Rows of POS_CASH_balance.

        `loans` are granted and begun cash and consumer loans of previous_application, with
        identifiers and the applicant's place in `owner`.
        """
        loans = loans.filter(kept(loans, self._pos["on file"], rng))
        first, last, ended = self._span(loans, rng)
        length = last - first + 1
        loan = np.repeat(np.arange(loans.height), length)
        age = _steps(length)
        planned = loans["CNT_PAYMENT"].fill_null(12).to_numpy()[loan]
        closing = (age == length[loan] - 1) & ended[loan]
        rows = pl.DataFrame(
            {
                "MONTHS_BALANCE": first[loan] + age,
                "CNT_INSTALMENT": np.where(closing, np.minimum(planned, age.clip(1)), planned),
                "CNT_INSTALMENT_FUTURE": np.where(closing, 0, (planned - age).clip(0)),
            }
        )
        rows = rows.with_columns(self._pos_states(loans, loan, age, closing, rng))
        late = ndtr(mixed(latent["pos_late"][loans["owner"].to_numpy()], self._pos["loading"], rng))
        rows = rows.with_columns(self._pos_late(late, loan, rng))
        identifiers = loans.select("SK_ID_PREV", "SK_ID_CURR")[loan]
        return pl.concat([identifiers, rows], how="horizontal").select(POS_COLUMNS)

    def _span(self, loans: pl.DataFrame, rng: Generator) -> tuple[IntArray, IntArray, BoolArray]:
        """First and last month of each loan, and whether its end is on file."""
        decided = loans["DAYS_DECISION"].to_numpy() / DAYS_A_MONTH
        ends = loans["DAYS_TERMINATION"].to_numpy()
        over = ends < 0
        begin = np.round(decided + self._pos_numbers["first"].draw(rng.random(loans.height)))
        offset = self._pos_numbers["last"].draw(rng.random(loans.height))
        end = np.where(over, np.round(ends / DAYS_A_MONTH + offset), -1)
        end = end.clip(OLDEST_MONTH, -1)
        begin = np.minimum(begin.clip(OLDEST_MONTH, -1), end)
        completed: BoolArray = over & (rng.random(loans.height) < self._pos["completed"])
        return begin.astype(np.int64), end.astype(np.int64), completed

    def _pos_states(
        self, loans: pl.DataFrame, loan: IntArray, age: IntArray, closing: BoolArray,
        rng: Generator,
    ) -> pl.Series:  # fmt: skip
        opening = self._pos_categories["opening"].draw(rng.random(loans.height)).gather(loan)
        active = pl.Series(["Active"], dtype=pl.String).gather(np.zeros(len(loan), np.int64))
        later = opening.zip_with(pl.Series(age == 0), active)
        completed = pl.Series(["Completed"], dtype=pl.String).gather(np.zeros(len(loan), np.int64))
        return completed.zip_with(pl.Series(closing), later).alias("NAME_CONTRACT_STATUS")

    def _pos_late(self, rank: FloatArray, loan: IntArray, rng: Generator) -> pl.DataFrame:
        share = self._pos_numbers["late"].draw(rank)[loan]
        late = rng.random(len(loan)) < share
        days = np.zeros(len(loan))
        days[late] = self._pos_numbers["days late"].draw(rng.random(int(late.sum()))).round()
        deferred = late & (rng.random(len(loan)) < self._pos["defaulted"])
        # What counts as default leaves small debts out, so it never lasts longer.
        default = np.where(deferred, np.minimum(days, 30), 0)
        return pl.DataFrame({"SK_DPD": days, "SK_DPD_DEF": default})

    def instalments(self, loans: pl.DataFrame, latent: Latents, rng: Generator) -> pl.DataFrame:
        """Rows of installments_payments for the loans that `pos` takes."""
        loans = loans.filter(pl.col("AMT_ANNUITY") > 0)
        owner = loans["owner"].to_numpy()
        count, early = _due_count(loans)
        loan, age = np.repeat(np.arange(loans.height), count), _steps(count)
        annuity = loans["AMT_ANNUITY"].to_numpy()
        rest = np.round(annuity * 0.9 * early, 3)
        closing = (age == count[loan] - 1) & (early[loan] > 0)
        rows = pl.DataFrame(
            {
                "owner": owner[loan],
                "NUM_INSTALMENT_VERSION": self._versions(loan, age, rng),
                "NUM_INSTALMENT_NUMBER": age + 1,
                "DAYS_INSTALMENT": loans["DAYS_FIRST_DUE"].to_numpy()[loan] + 30 * age,
                "AMT_INSTALMENT": np.where(closing, annuity[loan] + rest[loan], annuity[loan]),
            }
        ).with_columns(loans.select("SK_ID_PREV", "SK_ID_CURR", kind="NAME_CONTRACT_TYPE")[loan])
        return self._settled(rows, latent, rng)

    def _versions(self, loan: IntArray, age: IntArray, rng: Generator) -> FloatArray:
        """A calendar's version; it changes within a loan, never in its first two months."""
        drawn = self._paid_numbers["version"].draw(rng.random(len(loan))).round().clip(1)
        return np.where(age < 2, 1.0, drawn)

    def card_instalments(
        self, months: pl.DataFrame, latent: Latents, rng: Generator
    ) -> pl.DataFrame:
        """Rows of installments_payments for months of a card in which something was paid."""
        paid = months.filter(pl.col("AMT_PAYMENT_TOTAL_CURRENT") > 0)
        count = 1 + rng.poisson(CARD_PARTS - 1, paid.height)
        month, part = np.repeat(np.arange(paid.height), count), _steps(count)
        day = pl.col("MONTHS_BALANCE") * DAYS_A_MONTH - 2 - 27 * pl.Series(part / count[month])
        rows = paid[month].select(
            "owner", "SK_ID_PREV", "SK_ID_CURR",
            NUM_INSTALMENT_VERSION=pl.lit(0),
            NUM_INSTALMENT_NUMBER=pl.col("CNT_INSTALMENT_MATURE_CUM").fill_null(0) + 1,
            DAYS_INSTALMENT=day.round(0),
            AMT_INSTALMENT=(pl.col("AMT_PAYMENT_TOTAL_CURRENT") / pl.Series(count[month])).round(3),
            kind=pl.lit("Revolving loans"),
        )  # fmt: skip
        return self._settled(rows, latent, rng)

    def _settled(self, rows: pl.DataFrame, latent: Latents, rng: Generator) -> pl.DataFrame:
        """Add when and how much was paid; a few instalments are paid in two parts."""
        late, days = self._delays(rows, latent, rng)
        entry = pl.col("DAYS_INSTALMENT") + pl.Series(days)
        rows = rows.with_columns(
            DAYS_ENTRY_PAYMENT=entry.clip(upper_bound=0), AMT_PAYMENT=pl.col("AMT_INSTALMENT")
        )
        split = rng.random(rows.height) < self._paid["split"] * np.where(late, 2.0, 0.85)
        part = pl.Series(self._paid_numbers["part"].draw(rng.random(rows.height)))
        first = (pl.col("AMT_INSTALMENT") * part).round(3)
        rows = rows.with_columns(split=pl.Series(split), first=first)
        second = rows.filter("split").with_columns(
            AMT_PAYMENT=(pl.col("AMT_INSTALMENT") - pl.col("first")).round(3),
            DAYS_ENTRY_PAYMENT=(pl.col("DAYS_ENTRY_PAYMENT") + 2).clip(upper_bound=0),
        )
        rows = rows.with_columns(
            AMT_PAYMENT=pl.when("split").then("first").otherwise("AMT_PAYMENT")
        )
        unpaid = pl.Series(rng.random(rows.height) < UNPAID_SHARE)
        rows = rows.with_columns(
            pl.when(~unpaid).then(pl.col(name)).alias(name)
            for name in ("DAYS_ENTRY_PAYMENT", "AMT_PAYMENT")
        )
        return pl.concat([rows, second]).select(INSTALMENT_COLUMNS)

    def _delays(
        self, rows: pl.DataFrame, latent: Latents, rng: Generator
    ) -> tuple[BoolArray, FloatArray]:
        owner, kind = rows["owner"].to_numpy(), rows["kind"]
        rank = ndtr(mixed(latent["instalment_late"][owner], self._paid["loading late"], rng))
        late = self._paid_categories["late"].codes(rank, kind) == 1
        wait = ndtr(mixed(latent["instalment_delay"][owner], self._paid["loading delay"], rng))
        early = self._paid_numbers["days early"].draw(wait, kind).round().clip(None, 0)
        after = self._paid_numbers["days late"].draw(wait).round().clip(1)
        return late, np.where(late, after, early)


def kept(loans: pl.DataFrame, shares: dict[str, float], rng: Generator) -> pl.Series:
    """Whether each loan's payments are on file: a share of the visible ones, and all hidden."""
    share = loans["NAME_CONTRACT_TYPE"].replace_strict(shares, default=0.0)
    return (pl.Series(rng.random(loans.height)) < share) | (loans["hidden"] != "")


def _steps(length: IntArray) -> IntArray:
    """0, 1, ... for each of consecutive runs of the given lengths."""
    starts = np.repeat(np.cumsum(length) - length, length)
    return np.arange(int(length.sum())) - starts


def _due_count(loans: pl.DataFrame) -> tuple[IntArray, FloatArray]:
    """Instalments that fell due before today, and how many were forgone by paying early."""
    first = loans["DAYS_FIRST_DUE"].to_numpy()
    planned = loans["CNT_PAYMENT"].fill_null(12).to_numpy().clip(1)
    last = loans["DAYS_LAST_DUE"].to_numpy()
    over = last < 0
    reached = np.floor((np.where(over, last, -1) - first) / 30) + 1
    count = np.minimum(reached, planned).clip(0).astype(np.int64)
    early: FloatArray = np.where(over, planned - count, 0.0).clip(0)
    return count, early
