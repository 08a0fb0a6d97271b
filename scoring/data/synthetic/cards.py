"""Credit cards month by month: the rows of credit_card_balance.

A card's balance follows its drawings, interest and payments, so that the columns add up as they
do in the real rows.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from scoring.data.synthetic.payments import kept, on_file
from scoring.data.synthetic.summaries import DAYS_A_MONTH, OLDEST_MONTH
from scoring.data.tables import TABLES

COLUMNS = list(TABLES["credit_card_balance"].schema)
# How much of the way an applicant uses cards is common to the months, by eye on the real rows.
USE_LOADING, CASH_LOADING = 0.8, 0.8
MONTHLY_INTEREST = 0.02
LIMIT_GRAIN = 4500.0
PRINCIPAL = 0.96
# Null on cards and months before anything was drawn.
DRAWN = ("ATM", "OTHER", "POS")

_CONTENT = Content("cards")


def measure(cards: pl.DataFrame, previous: pl.DataFrame) -> Json:
    """Aggregates of real rows of credit_card_balance and their previous_application."""
    rows = _with_card(cards.sort("SK_ID_PREV", "MONTHS_BALANCE"), previous)
    per_card = _per_card(rows, previous)
    used = rows.filter(pl.col("used") == "1").with_columns(
        before=pl.col("AMT_BALANCE").shift(1).over("SK_ID_PREV")
    )
    return {
        **_CONTENT.measured("cards", per_card),
        **_CONTENT.measured("months", rows),
        **_CONTENT.measured("months_of_use", used),
        "on file": on_file(cards, previous),
    }


def _with_card(rows: pl.DataFrame, previous: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("SK_ID_PREV").is_in(previous["SK_ID_PREV"].implode())
    used = pl.col("AMT_DRAWINGS_CURRENT").sum().over("SK_ID_PREV") > 0
    return rows.with_columns(
        hidden=(~known).cast(pl.Int8).cast(pl.String), used=used.cast(pl.Int8).cast(pl.String)
    )


def _per_card(rows: pl.DataFrame, previous: pl.DataFrame) -> pl.DataFrame:
    month = pl.col("MONTHS_BALANCE")
    cards = rows.group_by("SK_ID_PREV", maintain_order=True).agg(
        pl.col("used", "hidden").first(), month.min().alias("first"), month.max().alias("last"),
        (pl.col("AMT_DRAWINGS_CURRENT") > 0).mean().alias("draws"),
        pl.col("NAME_CONTRACT_STATUS").last().alias("closing"),
        pl.col("CNT_INSTALMENT_MATURE_CUM").min().alias("matured"),
    )  # fmt: skip
    return cards.join(previous.select("SK_ID_PREV", "DAYS_DECISION"), on="SK_ID_PREV", how="left")


@dataclass(frozen=True)
class _Months:
    """Matrices of shape (cards, longest): what happened in each month of each card."""

    balance: FloatArray
    drawn: FloatArray
    cash: BoolArray
    paid: FloatArray
    owed: FloatArray


class CardsMaker:
    """Draws credit_card_balance from what `measure` gave."""

    def __init__(self, stored: Json) -> None:
        self._stored = stored
        self._numbers, self._categories = load_tables(stored)

    def months(self, cards: pl.DataFrame, latent: Latents, rng: Generator) -> pl.DataFrame:
        """Rows of credit_card_balance, and the applicant's place in `owner`.

        `cards` are granted revolving loans of previous_application with identifiers, `owner` and
        `hidden`.
        """
        cards = cards.filter(kept(cards, self._stored["on file"], rng))
        hidden = cards["hidden"].replace_strict({"": "0"}, default="1")
        used = self._categories["used"].draw(rng.random(cards.height), hidden)
        first, last = self._span(cards, used, rng)
        length = last - first + 1
        limit = self._limits(used, rng)
        months = self._live(cards, used, limit, length, latent, rng)
        inside = np.arange(months.balance.shape[1]) < length[:, None]
        card = np.repeat(np.arange(cards.height), length)
        age = np.arange(months.balance.shape[1])[None, :].repeat(cards.height, 0)[inside]
        begun = self._begun(used, hidden, length, rng)[card] <= age
        rows = self._rows(months, inside, limit[card], hidden, rng)
        rows = self._blanked(rows, begun, used.gather(card), rng)
        rows = rows.with_columns(
            cards.select("owner", "SK_ID_PREV", "SK_ID_CURR")[card],
            MONTHS_BALANCE=pl.Series(first[card] + age),
            NAME_CONTRACT_STATUS=self._states(length, card, age, rng),
        )
        return rows.select("owner", *COLUMNS)

    def _span(
        self, cards: pl.DataFrame, used: pl.Series, rng: Generator
    ) -> tuple[IntArray, IntArray]:
        decided = cards["DAYS_DECISION"].to_numpy() / DAYS_A_MONTH
        first = np.round(decided + self._numbers["first"].draw(rng.random(cards.height)))
        first = first.clip(OLDEST_MONTH, -1)
        last = self._numbers["last"].draw(rng.random(cards.height), used).round().clip(-96, -1)
        return first.astype(np.int64), np.maximum(first, last).astype(np.int64)

    def _limits(self, used: pl.Series, rng: Generator) -> FloatArray:
        drawn = self._numbers["limit"].draw(rng.random(len(used)), used)
        limits: FloatArray = np.round(drawn / LIMIT_GRAIN) * LIMIT_GRAIN
        return limits

    def _begun(
        self, used: pl.Series, hidden: pl.Series, length: IntArray, rng: Generator
    ) -> IntArray:
        """The month from which drawings are on file, even if they are 0.

        An unused card has none, or all of them; a used one lacks some at the start.
        """
        undrawn = (
            (used + "|" + hidden).replace_strict(self._stored["undrawn"], default=0.0).to_numpy()
        )
        never = (rng.random(len(used)) < undrawn) & (used == "0").to_numpy()
        late = np.floor(2 * undrawn * rng.random(len(used)) * length)
        return np.where(never, OLDEST_MONTH * -2, np.where(used == "1", late, 0)).astype(np.int64)

    def _live(
        self, cards: pl.DataFrame, used: pl.Series, limit: FloatArray, length: IntArray,
        latent: Latents, rng: Generator,
    ) -> _Months:  # fmt: skip
        """Let each card run from month to month."""
        shape = cards.height, int(length.max(initial=1))
        owner = cards["owner"].to_numpy()
        use = mixed(latent["card_use"][owner], USE_LOADING, rng)
        often = self._numbers["draws"].draw(ndtr(use)) * (used == "1").to_numpy() * (limit > 0)
        thrift = self._numbers["paid"]
        cash_rank = ndtr(mixed(latent["card_cash"][owner], CASH_LOADING, rng))
        likes_cash = rng.random(shape) < (2 * cash_rank * self._stored["cash"])[:, None]
        draws = rng.random(shape) < often[:, None]
        drawn = np.where(
            draws, self._numbers["drawn"].draw(rng.random(shape).ravel()).reshape(shape), 0
        )
        paid_rank = ndtr(mixed(np.repeat(-use, shape[1]), 0.6, rng))
        pays = thrift.draw(paid_rank).reshape(shape)
        return _run(limit, drawn, likes_cash, pays)

    def _rows(
        self, months: _Months, inside: BoolArray, limit: FloatArray, hidden: pl.Series,
        rng: Generator,
    ) -> pl.DataFrame:  # fmt: skip
        balance, drawn, paid = (
            np.round(part[inside], 2) for part in (months.balance, months.drawn, months.paid)
        )
        cash = months.cash[inside]
        count = np.where(
            drawn > 0, self._numbers["drawings"].draw(rng.random(len(drawn))).round().clip(1), 0
        )
        late = (rng.random(len(drawn)) < self._stored["late"] * 1.7) & (balance > 0)
        days = np.where(late, self._numbers["days late"].draw(rng.random(len(drawn))).round(), 0)
        start = self._numbers["matured"].draw(rng.random(len(inside)), hidden).round()
        matured = (start[:, None] + np.cumsum((months.balance > 0) & inside, axis=1))[inside]
        least = months.owed[inside] * self._numbers["least"].draw(rng.random(len(drawn)))
        pending = np.round(self._numbers["pending"].draw(rng.random(len(drawn))), 2)
        return pl.DataFrame(
            {
                "AMT_BALANCE": balance, "AMT_CREDIT_LIMIT_ACTUAL": limit,
                "AMT_DRAWINGS_ATM_CURRENT": np.where(cash, drawn, 0.0),
                "AMT_DRAWINGS_CURRENT": drawn,
                "AMT_DRAWINGS_OTHER_CURRENT": np.zeros(len(drawn)),
                "AMT_DRAWINGS_POS_CURRENT": np.where(cash, 0.0, drawn),
                "AMT_INST_MIN_REGULARITY": np.round(least, 2),
                "AMT_PAYMENT_CURRENT": np.where(paid > 0, paid, pending),
                "AMT_PAYMENT_TOTAL_CURRENT": paid,
                "AMT_RECEIVABLE_PRINCIPAL": np.round(balance * PRINCIPAL, 2),
                "AMT_RECIVABLE": balance, "AMT_TOTAL_RECEIVABLE": balance,
                "CNT_DRAWINGS_ATM_CURRENT": np.where(cash, count, 0.0),
                "CNT_DRAWINGS_CURRENT": count, "CNT_DRAWINGS_OTHER_CURRENT": np.zeros(len(drawn)),
                "CNT_DRAWINGS_POS_CURRENT": np.where(cash, 0.0, count),
                "CNT_INSTALMENT_MATURE_CUM": matured,
                "SK_DPD": days, "SK_DPD_DEF": np.where(days < 30, days, 0),
            }
        )  # fmt: skip

    def _blanked(
        self, rows: pl.DataFrame, begun: BoolArray, used: pl.Series, rng: Generator
    ) -> pl.DataFrame:
        """Drawings are unknown until the first one, some minimum payments always."""
        blank = [f"{kind}_DRAWINGS_{place}_CURRENT" for kind in ("AMT", "CNT") for place in DRAWN]
        share = used.replace_strict(self._stored["unknown"]).to_numpy()
        unknown = rng.random(rows.height) < share
        kept = {
            **dict.fromkeys([*blank, "AMT_PAYMENT_CURRENT"], begun),
            **dict.fromkeys(("AMT_INST_MIN_REGULARITY", "CNT_INSTALMENT_MATURE_CUM"), ~unknown),
        }
        return rows.with_columns(
            pl.when(pl.Series(known)).then(pl.col(name)).alias(name) for name, known in kept.items()
        )

    def _states(self, length: IntArray, card: IntArray, age: IntArray, rng: Generator) -> pl.Series:
        """Closed cards are completed for their last third."""
        closed = rng.random(len(length)) < self._stored["closed"]
        tail = closed[card] & (age >= length[card] * 2 // 3)
        return pl.Series(["Active", "Completed"], dtype=pl.String).gather(tail.astype(np.int64))


def _run(limit: FloatArray, drawn: FloatArray, cash: BoolArray, pays: FloatArray) -> _Months:
    """Balances from shares of the limit drawn and shares of the balance paid, month by month."""
    shape = drawn.shape
    balance, spent, paid, before = (np.zeros(shape) for _ in range(4))
    owed = np.zeros(len(limit))
    for month in range(shape[1]):
        payment = np.minimum(owed, owed * pays[:, month])
        before[:, month] = owed
        room = (1.05 * limit - owed + payment).clip(0)
        spent[:, month] = np.minimum(drawn[:, month] * limit, room)
        paid[:, month] = np.where(payment < 1, 0, payment)
        owed = owed * (1 + MONTHLY_INTEREST) - paid[:, month] + spent[:, month]
        owed = np.where(owed < 100, 0, owed)
        balance[:, month] = owed
    return _Months(balance, spent, cash & (spent > 0), paid, before)
