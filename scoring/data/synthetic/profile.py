"""The statistics behind the sample applicants, computed from real rows.

    python -m scoring.data.synthetic.profile HOME_CREDIT APPLICATIONS --out profile.json

HOME_CREDIT is a folder of Kaggle's tables with complete histories for some applicants;
APPLICATIONS one with more rows of application_train, which may be the same folder. What is
written are aggregates: quantiles of at least 20 rows each, frequencies of at least 5 rows,
correlations and the coefficients of a logistic model. Never a row, never an identifier.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from scoring.data.dataset import POPULATIONS, Dataset, Population
from scoring.data.ingest import ingest
from scoring.data.synthetic import applications, bureau, cards, payments, previous, risk
from scoring.data.synthetic.chunks import HISTORIES, ChunkMaker
from scoring.data.synthetic.copula import (
    cholesky,
    correlations,
    latents,
    nearest_correlation,
    normal_scores,
    nudged,
    packed,
    unpacked,
)
from scoring.data.synthetic.marginals import FloatArray, Json, joined, load_tables, measure_numbers
from scoring.data.synthetic.summaries import SUMMARIES, summarise

FORMAT = 1
TRAITS = [trait.name for trait in applications.TRAITS]
# Rounds of comparing drawn with real correlations: of applications alone, which is cheap, then
# with histories, a few thousand applicants each.
CHEAP_ROUNDS, CHEAP_ROWS, CHEAP_STEP = 8, 20_000, 0.7
FULL_ROUNDS, FULL_CHUNKS, FULL_STEP = 10, 4, 0.6

# Of the instalments, the real rows at hand are a sample of a few for each applicant.
THIN = ("instalment_late", "instalment_delay")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sources:
    """Real rows: all training applications, and by population those with known histories."""

    applications: pl.DataFrame
    people: Mapping[Population, pl.DataFrame]
    histories: Mapping[str, pl.DataFrame]

    @classmethod
    def read(cls, home_credit: Path, more: Path) -> Sources:
        """Read Kaggle's files in the two folders."""
        with tempfile.TemporaryDirectory() as scratch:
            known = ingest(home_credit, Path(scratch) / "known")
            frames = {name: frame.collect() for name, frame in known.frames("train").items()}
            people = {name: _applications(known, name) for name in POPULATIONS}
            whole = ingest(more, Path(scratch) / "more")
            rows = pl.concat([_applications(whole, "train"), people["train"]])
        return cls(
            rows.unique("SK_ID_CURR", keep="first", maintain_order=True),
            people,
            {name: frames[name] for name in HISTORIES},
        )

    def without(self, applicants: pl.Series) -> Sources:
        """The same without some training applicants."""
        kept = ~pl.col("SK_ID_CURR").is_in(applicants.implode())
        people = {name: rows.filter(kept) for name, rows in self.people.items()}
        histories = {
            name: rows.filter(kept) if "SK_ID_CURR" in rows.columns else rows
            for name, rows in self.histories.items()
        }
        loans = histories["bureau"]["SK_ID_BUREAU"].implode()
        histories["bureau_balance"] = histories["bureau_balance"].filter(
            pl.col("SK_ID_BUREAU").is_in(loans)
        )
        return Sources(self.applications.filter(kept), people, histories)


def _applications(dataset: Dataset, population: Population) -> pl.DataFrame:
    return dataset.frames(population)["application"].collect()


def compute(sources: Sources, progress: Progress = lambda _: None) -> Json:
    """All statistics of the real rows, as profile.json holds them."""
    orders = applications.risk_order(sources.applications)
    progress("marginals")
    profile = _marginals(sources, orders)
    summaries = {
        name: summarise(sources.histories, rows["SK_ID_CURR"])
        for name, rows in sources.people.items()
    }
    profile["counts"] = {name: _counts(rows) for name, rows in summaries.items()}
    progress("model of TARGET")
    profile["risk"] = risk.fit(sources.applications, sources.people["train"], summaries["train"])
    real = _real_correlations(sources, summaries, orders)
    start = _applications_alone(profile, real[: len(TRAITS), : len(TRAITS)], orders, progress)
    latent = np.nan_to_num(real)
    latent[: len(TRAITS), : len(TRAITS)] = start
    profile["latents"] = [*TRAITS, *SUMMARIES]
    profile["correlation"] = packed(nearest_correlation(latent))
    _with_histories(profile, real, orders, progress)
    progress("level of risk")
    _set_level(profile)
    return profile


def _marginals(sources: Sources, orders: Mapping[str, list[str | None]]) -> Json:
    both = pl.concat(sources.people.values())
    origin = pl.concat(
        [
            rows.select("SK_ID_CURR", population=pl.lit(name))
            for name, rows in sources.people.items()
        ]
    )
    tables = dict(sources.histories)
    for name in ("bureau", "previous_application"):
        tables[name] = tables[name].join(origin, on="SK_ID_CURR", maintain_order="left")
    prior = tables["previous_application"]
    return {
        "format": FORMAT,
        "rows": {"applications": sources.applications.height, "with histories": both.height},
        "traits": _traits(sources, orders),
        "buildings": applications.measure_buildings(sources.applications),
        "bureau": bureau.measure(tables["bureau"], tables["bureau_balance"]),
        "previous": previous.measure(prior),
        "payments": payments.measure(
            tables["POS_CASH_balance"], tables["installments_payments"], prior
        ),
        "cards": cards.measure(tables["credit_card_balance"], prior),
        "hidden": _hidden(tables, prior, both.height),
    }


def _traits(sources: Sources, orders: Mapping[str, list[str | None]]) -> Json:
    """Traits of both populations; strata too small in the test one are taken from the train one."""
    train = applications.measure(sources.applications, orders)
    test = applications.measure(sources.people["test"], orders)
    for name, table in test.items():
        for key, stratum in train[name]["strata"].items():
            same = "labels" not in table or table["labels"] == train[name]["labels"]
            if key not in table["strata"] and same:
                table["strata"][key] = stratum
    return {"train": train, "test": test}


def _hidden(tables: Mapping[str, pl.DataFrame], prior: pl.DataFrame, applicants: int) -> Json:
    """Loans and cards per applicant of which only the payments are on file."""
    hidden = {}
    for name, table in (("loans", "POS_CASH_balance"), ("cards", "credit_card_balance")):
        known = tables[table]["SK_ID_PREV"].unique().is_in(prior["SK_ID_PREV"].implode())
        hidden[name] = round(int((~known).sum()) / applicants, 4)
    return hidden


def _counts(summaries: pl.DataFrame) -> Json:
    counted: Json = {
        name: measure_numbers(summaries[name]) for name in ("bureau_count", "previous_count")
    }
    counted["balance_known"] = round(float(summaries["balance_known"].mean()), 4)  # type: ignore[arg-type]
    return counted


def _observed(
    rows: pl.DataFrame, population: str, orders: Mapping[str, list[str | None]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Traits as numbers, and the stratum in which each is ranked."""
    traits = applications.read_traits(rows)
    keys = applications.strata(traits)
    ranked = keys.select(
        joined(pl.lit(population), trait.by).alias(trait.name) for trait in applications.TRAITS
    )
    return applications.coded(traits, orders), ranked


def _scores(
    people: Mapping[Population, pl.DataFrame],
    summaries: Mapping[Population, pl.DataFrame],
    orders: Mapping[str, list[str | None]],
) -> FloatArray:
    """Normal scores of traits and summaries, each population ranked by itself."""
    values, keys = [], []
    for name, rows in people.items():
        traits, ranked = _observed(rows, name, orders)
        values.append(pl.concat([traits, summaries[name]], how="horizontal"))
        keys.append(ranked.with_columns(pl.lit(name).alias(summary) for summary in SUMMARIES))
    return normal_scores(pl.concat(values), pl.concat(keys))


def _real_correlations(
    sources: Sources,
    summaries: Mapping[Population, pl.DataFrame],
    orders: Mapping[str, list[str | None]],
) -> FloatArray:
    """Between traits from all applications, with summaries from those with histories."""
    real = correlations(_scores(sources.people, summaries, orders))
    traits = correlations(normal_scores(*_observed(sources.applications, "train", orders)))
    real[: len(TRAITS), : len(TRAITS)] = traits
    return real


def _applications_alone(
    profile: Json, real: FloatArray, orders: Mapping[str, list[str | None]], progress: Progress
) -> FloatArray:
    tables = load_tables(profile["traits"]["train"])
    rng = np.random.default_rng(0)
    latent = nearest_correlation(np.nan_to_num(real))
    for step in range(CHEAP_ROUNDS):
        progress(f"correlations of applications, round {step + 1} of {CHEAP_ROUNDS}")
        drawn = latents(rng, cholesky(latent), CHEAP_ROWS)
        traits = applications.draw_traits(tables, dict(zip(TRAITS, drawn.T, strict=True)))
        rows = applications.write_rows(traits, profile["buildings"], rng)
        measured = correlations(normal_scores(*_observed(rows, "train", orders)))
        latent = nudged(latent, real, measured, CHEAP_STEP)
    return latent


def _with_histories(
    profile: Json, real: FloatArray, orders: Mapping[str, list[str | None]], progress: Progress
) -> None:
    latent = unpacked(profile["correlation"], len(profile["latents"]))
    for step in range(FULL_ROUNDS):
        progress(f"correlations with histories, round {step + 1} of {FULL_ROUNDS}")
        people, summaries = _drawn(profile, seed=step)
        measured = correlations(_scores(people, summaries, orders))
        # Later rounds move less, so that the draws' own noise averages out.
        latent = nudged(latent, real, measured, FULL_STEP / (1 + step / 3))
        profile["correlation"] = packed(latent)


def _drawn(
    profile: Json, seed: int
) -> tuple[dict[Population, pl.DataFrame], dict[Population, pl.DataFrame]]:
    maker = ChunkMaker(profile)
    people: dict[Population, pl.DataFrame] = {}
    summaries: dict[Population, pl.DataFrame] = {}
    for population in POPULATIONS:
        chunks = [maker.draw(population, chunk, seed) for chunk in range(FULL_CHUNKS)]
        people[population] = pl.concat([chunk["application"] for chunk in chunks])
        summaries[population] = pl.concat(
            [summarise(chunk, chunk["application"]["SK_ID_CURR"]) for chunk in chunks]
        )
    return people, summaries


def _set_level(profile: Json) -> None:
    """Shift the model so that drawn training applicants default as often as real ones."""
    people, summaries = _drawn(profile, seed=FULL_ROUNDS)
    profile["risk"] = risk.reranked(profile["risk"], summaries["train"], THIN)
    odds = risk.log_odds(people["train"], summaries["train"], profile["risk"])
    profile["risk"]["shift"] = risk.level_shift(odds)


def main(
    home_credit: Annotated[Path, typer.Argument(help="Kaggle's tables with histories.")],
    more: Annotated[Path, typer.Argument(metavar="APPLICATIONS", help="More applications.")],
    out: Annotated[Path, typer.Option(help="The JSON file to write.")],
) -> None:
    """Compute the statistics behind the sample applicants from real rows."""
    profile = compute(Sources.read(home_credit, more), progress=lambda step: typer.echo(step))
    text = json.dumps(profile, separators=(",", ":"), sort_keys=True)
    out.write_text(text + "\n", "utf-8")
    typer.echo(f"{out}: {len(text) / 1000:.0f} kB")


if __name__ == "__main__":
    typer.run(main)
