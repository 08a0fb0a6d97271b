"""Whole applicants, a thousand at a time.

A chunk depends on the seed, the population and its number only: not on how many applicants are
asked for, nor on the order or the process in which chunks are drawn.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
import polars as pl
from numpy.random import Generator
from scipy.special import expit, ndtr, ndtri

from scoring.data.dataset import POPULATIONS, Population
from scoring.data.synthetic import applications
from scoring.data.synthetic.bureau import MOST_LOANS, BureauMaker
from scoring.data.synthetic.cards import CardsMaker
from scoring.data.synthetic.copula import factor, latents
from scoring.data.synthetic.marginals import IntArray, Json, Latents, load_tables
from scoring.data.synthetic.payments import LOANS, PaymentsMaker
from scoring.data.synthetic.previous import (
    HIDDEN_CARD,
    HIDDEN_LOAN,
    MOST_APPLICATIONS,
    PreviousMaker,
)
from scoring.data.synthetic.risk import log_odds
from scoring.data.synthetic.summaries import summarise
from scoring.data.tables import HISTORY, TABLES, Table

# The seven tables by name.
Frames = dict[str, pl.DataFrame]
# Applicants of a chunk. Changing it changes every sample.
CHUNK = 1000
FIRST_APPLICANT = 100_001
FIRST_BUREAU = 5_000_001
FIRST_PREVIOUS = 1_000_001
HISTORIES = tuple(table.name for table in HISTORY)


@cache
def load_profile() -> Json:
    """Load the committed statistics of the real rows, which `profile` computed."""
    text = files("scoring.data.synthetic").joinpath("profile.json").read_text("utf-8")
    profile: Json = json.loads(text)
    return profile


class ChunkMaker:
    """Draws applicants with all their rows, from the committed profile by default."""

    def __init__(self, profile: Json | None = None) -> None:
        profile = load_profile() if profile is None else profile
        self._names: list[str] = profile["latents"]
        self._factor = factor(profile["correlation"], len(self._names))
        self._traits = {name: load_tables(profile["traits"][name]) for name in POPULATIONS}
        self._buildings: Json = profile["buildings"]
        self._counts = {name: load_tables(profile["counts"][name])[0] for name in POPULATIONS}
        self._balance_known = {
            name: float(profile["counts"][name]["balance_known"]) for name in POPULATIONS
        }
        self._hidden: dict[str, float] = profile["hidden"]
        self._bureau = BureauMaker(profile["bureau"])
        self._previous = PreviousMaker(profile["previous"])
        self._payments = PaymentsMaker(profile["payments"])
        self._cards = CardsMaker(profile["cards"])
        self._risk: Json = profile["risk"]

    def draw(self, population: Population, chunk: int, seed: int) -> Frames:
        """The seven tables of one chunk by name, typed and sorted.

        The test population has no TARGET, and other marginals. Equal seeds give equal rows.
        """
        place = POPULATIONS.index(population)
        sequence = np.random.SeedSequence(seed, spawn_key=(place, chunk))
        rngs = [np.random.default_rng(child) for child in sequence.spawn(7)]
        block = _block(population, chunk)
        drawn = latents(rngs[0], self._factor, CHUNK)
        latent = {name: drawn[:, column] for column, name in enumerate(self._names)}
        frames = self._applications(population, latent, block, rngs[1])
        frames |= self._loans(population, latent, block, rngs[2])
        frames |= self._home_credit(population, latent, block, rngs[3:6])
        frames["application"] = self._with_target(frames, population, rngs[6])
        return {name: _typed(frames[name], TABLES[name]) for name in ("application", *HISTORIES)}

    def _applications(
        self, population: Population, latent: Latents, block: int,
        rng: Generator,
    ) -> Frames:  # fmt: skip
        traits = applications.draw_traits(self._traits[population], latent)
        rows = applications.write_rows(traits, self._buildings, rng)
        return {"application": rows.with_columns(SK_ID_CURR=pl.Series(_applicants(block)))}

    def _loans(self, population: Population, latent: Latents, block: int, rng: Generator) -> Frames:
        share = self._balance_known[population]
        latent = {**latent, "balance_known": latent["balance_known"] + float(ndtri(share))}
        counts = self._count("bureau_count", population, latent)
        rows, owner = self._bureau.loans(latent, counts, population, rng)
        identifiers = FIRST_BUREAU + block * CHUNK * MOST_LOANS + np.arange(rows.height)
        rows = rows.with_columns(
            SK_ID_CURR=pl.Series(_applicants(block)[owner]), SK_ID_BUREAU=pl.Series(identifiers)
        )
        known = latent["balance_known"][owner] > 0
        late = latent["balance_late"][owner][known]
        months = self._bureau.months(rows.filter(pl.Series(known)), late, rng)
        return {"bureau": rows, "bureau_balance": months}

    def _count(self, name: str, population: Population, latent: Latents) -> IntArray:
        drawn = self._counts[population][name].draw(ndtr(latent[name]))
        return drawn.round().astype(np.int64)

    def _home_credit(
        self, population: Population, latent: Latents, block: int,
        rngs: list[Generator],
    ) -> Frames:  # fmt: skip
        owner, hidden = self._owners(population, latent, rngs[0])
        rows = self._previous.rows(latent, owner, hidden, population, rngs[0])
        identifiers = FIRST_PREVIOUS + block * CHUNK * MOST_APPLICATIONS + np.arange(rows.height)
        rows = rows.with_columns(
            SK_ID_PREV=pl.Series(identifiers),
            SK_ID_CURR=pl.Series(_applicants(block)[rows["owner"].to_numpy()]),
        )
        begun = rows.filter(
            pl.col("NAME_CONTRACT_STATUS") == "Approved", pl.col("DAYS_FIRST_DUE").is_not_null()
        )
        loans = begun.filter(pl.col("NAME_CONTRACT_TYPE").is_in(LOANS))
        cards = self._cards.months(
            begun.filter(pl.col("NAME_CONTRACT_TYPE") == "Revolving loans"), latent, rngs[2]
        )
        paid = [
            self._payments.instalments(loans, latent, rngs[1]),
            self._payments.card_instalments(cards, latent, rngs[2]),
        ]
        return {
            "previous_application": rows.filter(pl.col("hidden") == ""),
            "POS_CASH_balance": self._payments.pos(loans, latent, rngs[1]),
            "installments_payments": pl.concat([_typed(part, _INSTALMENTS) for part in paid]),
            "credit_card_balance": cards,
        }

    def _owners(
        self, population: Population, latent: Latents, rng: Generator
    ) -> tuple[IntArray, pl.Series]:
        """The applicant's place of each application, the hidden ones after the others."""
        room = MOST_APPLICATIONS - 4
        visible = np.minimum(self._count("previous_count", population, latent), room)
        loans = np.minimum(rng.poisson(self._hidden["loans"], CHUNK), 3)
        cards = (rng.random(CHUNK) < self._hidden["cards"]).astype(np.int64)
        counts = np.stack([visible, loans, cards], axis=1).ravel()
        kinds = np.tile(["", HIDDEN_LOAN, HIDDEN_CARD], CHUNK)
        return np.repeat(np.repeat(np.arange(CHUNK), 3), counts), pl.Series(
            np.repeat(kinds, counts)
        )

    def _with_target(self, frames: Frames, population: Population, rng: Generator) -> pl.DataFrame:
        rows = frames["application"]
        if population == "test":
            return rows.with_columns(TARGET=pl.lit(None, pl.Int8))
        odds = log_odds(rows, summarise(frames, rows["SK_ID_CURR"]), self._risk)
        defaults = rng.random(rows.height) < expit(odds)
        return rows.with_columns(TARGET=pl.Series(defaults.astype(np.int8)))


_INSTALMENTS = TABLES["installments_payments"]


def applicants_of(population: Population, chunk: int) -> IntArray:
    """SK_ID_CURR of the applicants of a chunk."""
    return _applicants(_block(population, chunk))


def _block(population: Population, chunk: int) -> int:
    return 2 * chunk + POPULATIONS.index(population)


def _applicants(block: int) -> IntArray:
    return FIRST_APPLICANT + block * CHUNK + np.arange(CHUNK)


def _typed(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The table's columns and types, sorted by its link and key."""
    columns = []
    for name, dtype in table.schema.items():
        column = pl.col(name)
        if dtype.is_integer() and rows.schema[name].is_float():
            column = column.round(0)
        elif table[name].kind == "amount" and rows.schema[name].is_float():
            column = column.round(3)
        columns.append(column.cast(dtype))
    order = list(dict.fromkeys((table.link, *table.key)))
    return rows.select(columns).sort(order, maintain_order=True)
