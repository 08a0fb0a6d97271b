"""Figures of how well the sample applicants stand in for real ones.

    python -m studies.credibility HOME_CREDIT APPLICATIONS

The folders are those of `scoring.data.synthetic.profile`. Prints how a model trained on invented
applications ranks real ones, how hard the risk is beside the real one (`studies.difficulty`), what
histories add, and how far marginals and correlations are off.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import lightgbm as lgb
import numpy as np
import polars as pl
import typer
from scipy.special import expit
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from scoring.data.dataset import Population
from scoring.data.synthetic.chunks import CHUNK, HISTORIES, ChunkMaker, load_profile
from scoring.data.synthetic.marginals import FloatArray, Json
from scoring.data.synthetic.profile import Sources, compute
from scoring.data.synthetic.risk import application_log_odds, fit, log_odds
from scoring.data.synthetic.summaries import summarise
from scoring.data.tables import APPLICATION, DAY_SENTINEL, TABLES
from studies.difficulty import compared, difficulty

ROUNDS = 500
PARAMETERS = {
    "objective": "binary", "num_leaves": 16, "learning_rate": 0.03, "feature_fraction": 0.3,
    "min_child_samples": 40, "seed": 1, "deterministic": True, "num_threads": 2, "verbose": -1,
}  # fmt: skip
TRAINED_ON = 20
HISTORY_CHUNKS = 40
MARGINAL_CHUNKS = 10
# In the real folder these are a thin sample of rows.
THIN_TABLE = "installments_payments"
STRONG = (
    "EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3", "DAYS_BIRTH", "DAYS_EMPLOYED",
    "DAYS_LAST_PHONE_CHANGE", "DAYS_ID_PUBLISH", "DAYS_REGISTRATION", "AMT_GOODS_PRICE",
    "AMT_CREDIT", "REGION_POPULATION_RELATIVE", "REGION_RATING_CLIENT_W_CITY", "OWN_CAR_AGE",
    "REG_CITY_NOT_WORK_CITY", "FLAG_DOCUMENT_3", "DEF_30_CNT_SOCIAL_CIRCLE", "FLOORSMAX_AVG",
)  # fmt: skip


def application_features(rows: pl.DataFrame) -> pl.DataFrame:
    """Make raw columns, categories as numbers, and ten ratios: what a first model would use."""
    days = pl.col("DAYS_EMPLOYED")
    rows = rows.with_columns(DAYS_EMPLOYED=pl.when(days != DAY_SENTINEL).then(days))
    columns = [
        pl.col(column.name).replace_strict(
            {label: code for code, label in enumerate(column.categories)}, default=None
        )
        if column.kind == "category"
        else pl.col(column.name)
        for column in APPLICATION.columns
        if column.name not in ("SK_ID_CURR", "TARGET")
    ]
    credit, income, annuity = (
        pl.col(name) for name in ("AMT_CREDIT", "AMT_INCOME_TOTAL", "AMT_ANNUITY")
    )
    sources = [f"EXT_SOURCE_{number}" for number in (1, 2, 3)]
    return rows.select(
        *columns,
        credit_per_goods=credit / pl.col("AMT_GOODS_PRICE"),
        annuity_per_credit=annuity / credit,
        credit_per_income=credit / income,
        annuity_per_income=annuity / income,
        income_per_head=income / pl.col("CNT_FAM_MEMBERS"),
        employed_per_age=pl.col("DAYS_EMPLOYED") / pl.col("DAYS_BIRTH"),
        car_per_age=pl.col("OWN_CAR_AGE") / pl.col("DAYS_BIRTH"),
        mean_source=pl.mean_horizontal(sources),
        least_source=pl.min_horizontal(sources),
        sources_known=pl.sum_horizontal(pl.col(name).is_not_null() for name in sources),
    ).select(pl.all().cast(pl.Float64))


def history_features(frames: Mapping[str, pl.DataFrame], applicants: pl.Series) -> pl.DataFrame:
    """Aggregate every history table but the instalments, crudely: no thought went into it."""
    result = pl.DataFrame({"SK_ID_CURR": applicants})
    for name in HISTORIES:
        if name == THIN_TABLE:
            continue
        table = _owned(frames, name).group_by("SK_ID_CURR").agg(_crude(name))
        result = result.join(table, on="SK_ID_CURR", how="left", maintain_order="left")
    return result.drop("SK_ID_CURR").cast(pl.Float64)


def _owned(frames: Mapping[str, pl.DataFrame], name: str) -> pl.DataFrame:
    """The rows of a history, each with its applicant."""
    if name != "bureau_balance":
        return frames[name]
    owners = frames["bureau"].select("SK_ID_BUREAU", "SK_ID_CURR")
    return frames[name].join(owners, on="SK_ID_BUREAU")


def _crude(name: str) -> list[pl.Expr]:
    aggregates = [pl.len().alias(f"{name} rows")]
    for column in TABLES[name].columns:
        value = pl.col(column.name)
        if column.kind == "category":
            aggregates += [
                (value == label).mean().alias(f"{name} {column.name} {label}")
                for label in column.categories[:8]
            ]
        elif column.kind != "id":
            known = pl.when(value != DAY_SENTINEL).then(value)
            aggregates += [
                known.mean().alias(f"{name} {column.name} mean"),
                known.max().alias(f"{name} {column.name} max"),
                known.sum().alias(f"{name} {column.name} sum"),
            ]
    return aggregates


def train(features: pl.DataFrame, target: FloatArray) -> lgb.Booster:
    """Train a plain LightGBM."""
    data = lgb.Dataset(features.to_numpy(), target, free_raw_data=True)
    return lgb.train(PARAMETERS, data, ROUNDS)


def auc(model: lgb.Booster, features: pl.DataFrame, target: FloatArray) -> float:
    """Compute the area under the ROC curve on rows that the model has not seen."""
    return float(roc_auc_score(target, np.asarray(model.predict(features.to_numpy()))))


def draw(
    profile: Json | None, chunks: int, seed: int, population: Population = "train"
) -> dict[str, pl.DataFrame]:
    """Draw chunks of sample applicants as one set of tables."""
    maker = ChunkMaker(profile)
    parts = [maker.draw(population, chunk, seed) for chunk in range(chunks)]
    return {name: pl.concat([part[name] for part in parts]) for name in parts[0]}


def target_of(rows: pl.DataFrame) -> FloatArray:
    """Return TARGET as an array."""
    return rows["TARGET"].to_numpy().astype(float)


def transfer(profile: Json | None, real: pl.DataFrame, seed: int = 11) -> float:
    """Measure the AUC on real applications of a model trained on 20,000 invented ones only."""
    drawn = draw(profile, TRAINED_ON, seed)["application"]
    model = train(application_features(drawn), target_of(drawn))
    return auc(model, application_features(real), target_of(real))


def honest_transfer(sources: Sources, seed: int = 12) -> float:
    """Do the same with statistics of one half of the real rows and the AUC on the other half."""
    shuffled = sources.applications.sample(fraction=1.0, shuffle=True, seed=seed)
    half = shuffled.head(shuffled.height // 2)
    return transfer(compute(sources.without(half["SK_ID_CURR"])), half)


def history_gain(sources: Sources, seed: int = 13) -> dict[str, tuple[float, float]]:
    """Measure the AUC with the application only and with crude history aggregates besides.

    On invented applicants of another seed, and on the real applicants with histories.
    """
    drawn, fresh = draw(None, HISTORY_CHUNKS, seed), draw(None, TRAINED_ON, seed + 1)
    target = target_of(drawn["application"])
    plain = train(_plain(drawn), target)
    full = train(_full(drawn), target)
    real = {**sources.histories, "application": sources.people["train"]}
    return {
        where: (
            auc(plain, _plain(rows), target_of(rows["application"])),
            auc(full, _full(rows), target_of(rows["application"])),
        )
        for where, rows in (("invented", fresh), ("real", real))
    }


def difficulties(sources: Sources, seed: int = 16) -> dict[str, pl.DataFrame]:
    """Compare the difficulty of the risk: of real applicants, and of as many sample ones.

    And of the same real applications with outcomes drawn for them: what differs there is due to the
    model of TARGET alone, and not to the drawn rows.
    """
    applications, people = sources.applications, sources.people["train"]
    real = difficulty({"application": applications})
    odds = application_log_odds(applications, load_profile()["risk"])
    outcomes = np.random.default_rng(seed).random(odds.size) < expit(odds)
    redrawn = applications.with_columns(TARGET=pl.Series(outcomes.astype(np.int8)))
    drawn = draw(None, -(-applications.height // CHUNK), seed)
    first = drawn["application"].head(applications.height)
    known = draw(None, people.height // CHUNK, seed)
    return {
        "real applications, outcomes drawn": compared(real, difficulty({"application": redrawn})),
        "applications": compared(real, difficulty({"application": first})),
        "with histories": compared(
            difficulty({**sources.histories, "application": people}), difficulty(known)
        ),
    }


def held_out_risk(sources: Sources, folds: int = 5) -> tuple[float, float]:
    """Measure the out-of-fold AUC of the model of TARGET itself, on real applicants.

    With the application only, and with the histories' summaries too.
    """
    people = sources.people["train"]
    odds = np.zeros((people.height, 2))
    places = np.random.default_rng(0).permutation(people.height)
    for fold in range(folds):
        held = np.sort(places[fold::folds])
        rows = people[held]
        rest = sources.without(rows["SK_ID_CURR"])
        others = rest.people["train"]
        known = summarise(rest.histories, others["SK_ID_CURR"])
        model = fit(rest.applications, others, known)
        odds[held, 0] = application_log_odds(rows, model)
        odds[held, 1] = log_odds(rows, summarise(sources.histories, rows["SK_ID_CURR"]), model)
    target = target_of(people)
    return float(roc_auc_score(target, odds[:, 0])), float(roc_auc_score(target, odds[:, 1]))


def _plain(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return application_features(frames["application"])


def _full(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    applicants = frames["application"]["SK_ID_CURR"]
    return pl.concat([_plain(frames), history_features(frames, applicants)], how="horizontal")


def marginal_gaps(real: pl.DataFrame, drawn: pl.DataFrame, name: str) -> pl.DataFrame:
    """Measure how far the columns of a table are off.

    For each column the difference in the share missing, and the distance between the distributions:
    the largest difference of their cumulated shares for numbers, half the sum of absolute
    differences for categories.
    """
    gaps = []
    for column in TABLES[name].columns:
        if column.kind == "id" or column.name == "TARGET":
            continue
        ours, theirs = drawn[column.name], real[column.name]
        missing = abs(ours.null_count() / len(ours) - theirs.null_count() / len(theirs))
        ours, theirs = ours.drop_nulls(), theirs.drop_nulls()
        if not len(ours) or not len(theirs):
            continue
        distance = (
            variation(ours, theirs) if column.kind == "category" else largest_gap(ours, theirs)
        )
        gaps.append((name, column.name, missing, distance))
    return pl.DataFrame(gaps, schema=["table", "column", "missing", "distance"], orient="row")


def variation(ours: pl.Series, theirs: pl.Series) -> float:
    """Return half the sum of the absolute differences of two columns' shares."""
    shares = [
        series.value_counts(normalize=True).select(label=series.name, share="proportion")
        for series in (ours, theirs)
    ]
    both = (
        shares[0]
        .join(shares[1], on="label", how="full", coalesce=True, nulls_equal=True)
        .fill_null(0)
    )
    return float((both["share"] - both["share_right"]).abs().sum() / 2)


def largest_gap(ours: pl.Series, theirs: pl.Series) -> float:
    """Return the largest difference of two columns' cumulated shares."""
    # The profile keeps five digits, and frequent values must meet.
    mine, other = (part.cast(pl.Float64).round_sig_figs(4).to_numpy() for part in (ours, theirs))
    return float(ks_2samp(mine, other, method="asymp").statistic)


def all_gaps(sources: Sources, seed: int = 14) -> pl.DataFrame:
    """Collect `marginal_gaps` of all tables of both populations."""
    gaps = []
    for population, people in sources.people.items():
        drawn = draw(None, MARGINAL_CHUNKS, seed, population)
        applicants = people.select("SK_ID_CURR")
        loans = sources.histories["bureau"].join(applicants, on="SK_ID_CURR", how="semi")
        for name, rows in drawn.items():
            if name == "application":
                real = sources.applications if population == "train" else people
            elif name == "bureau_balance":
                real = sources.histories[name].join(loans, on="SK_ID_BUREAU", how="semi")
            else:
                real = sources.histories[name].join(applicants, on="SK_ID_CURR", how="semi")
            own = marginal_gaps(real, rows, name)
            gaps.append(own.with_columns(population=pl.lit(population)))
    return pl.concat(gaps)


def history_lengths(sources: Sources, seed: int = 14) -> pl.DataFrame:
    """Count rows of each history per applicant: mean, spread, share without, real and drawn."""
    lengths = []
    for population, people in sources.people.items():
        drawn = draw(None, MARGINAL_CHUNKS, seed, population)
        for origin, frames, applicants in (
            ("real", sources.histories, people["SK_ID_CURR"]),
            ("drawn", drawn, drawn["application"]["SK_ID_CURR"]),
        ):
            for name in HISTORIES:
                counts = _rows_per_applicant(frames, name, applicants)
                lengths.append(
                    (population, name, origin, counts.mean(), counts.std(), (counts == 0).mean())
                )
    columns = ["population", "table", "origin", "mean", "spread", "without"]
    return pl.DataFrame(lengths, schema=columns, orient="row")


def _rows_per_applicant(
    frames: Mapping[str, pl.DataFrame], name: str, applicants: pl.Series
) -> pl.Series:
    counted = _owned(frames, name).group_by("SK_ID_CURR").agg(pl.len().alias("rows"))
    joined = pl.DataFrame({"SK_ID_CURR": applicants}).join(counted, on="SK_ID_CURR", how="left")
    return joined["rows"].fill_null(0)


def target_correlations(sources: Sources, seed: int = 15) -> pl.DataFrame:
    """Rank correlation of strong columns with TARGET, real and drawn."""
    drawn = draw(None, TRAINED_ON, seed)["application"]
    return pl.DataFrame(
        {"column": STRONG}
        | {
            origin: [_rank_correlation(rows, name) for name in STRONG]
            for origin, rows in (("real", sources.applications), ("drawn", drawn))
        }
    )


def _rank_correlation(rows: pl.DataFrame, name: str) -> float:
    known = rows.select(name, "TARGET").drop_nulls()
    return float(known.select(pl.corr(name, "TARGET", method="spearman")).item())


def main(
    home_credit: Annotated[Path, typer.Argument(help="Kaggle's tables with histories.")],
    more: Annotated[Path, typer.Argument(metavar="APPLICATIONS", help="More applications.")],
    honest: Annotated[
        bool, typer.Option(help="Also with half of the real rows (a minute).")
    ] = True,
) -> None:
    """Measure how well the sample applicants stand in for real ones."""
    pl.Config.set_tbl_rows(60)
    pl.Config.set_tbl_hide_dataframe_shape(True)
    pl.Config.set_float_precision(3)
    pl.Config.set_fmt_str_lengths(40)
    pl.Config.set_tbl_width_chars(160)
    sources = Sources.read(home_credit, more)
    typer.echo(f"AUC on {sources.applications.height} real applications of a LightGBM trained on")
    typer.echo(f"  20,000 invented ones: {transfer(None, sources.applications):.4f}")
    if honest:
        typer.echo(f"  the same, halves apart: {honest_transfer(sources):.4f}")
    for where, (plain, full) in history_gain(sources).items():
        typer.echo(f"AUC on {where} applicants: application {plain:.4f}, histories too {full:.4f}")
    plain, full = held_out_risk(sources)
    typer.echo(f"Real, out of fold, model of TARGET: application {plain:.4f}, histories {full:.4f}")
    for where, table in difficulties(sources).items():
        typer.echo(f"How hard the risk is, {where} (95% intervals)")
        typer.echo(table)
    typer.echo("Rank correlation with TARGET")
    typer.echo(target_correlations(sources))
    typer.echo("Rows of history per applicant")
    typer.echo(history_lengths(sources))
    gaps = all_gaps(sources)
    typer.echo("Marginals: mean and largest gap by table")
    typer.echo(
        gaps.group_by("table", "population", maintain_order=True).agg(
            pl.col("missing").max().alias("missing, largest"),
            pl.col("distance").mean().alias("distance, mean"),
            pl.col("distance").max().alias("distance, largest"),
        )
    )
    typer.echo(gaps.sort("distance", descending=True).head(25))


if __name__ == "__main__":
    typer.run(main)
