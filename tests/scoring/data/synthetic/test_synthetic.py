"""The sample applicants: deterministic, valid, related as the real rows are, and credible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.special import ndtri
from sklearn.metrics import roc_auc_score

from scoring.data.dataset import FILES, POPULATIONS, Dataset, Population
from scoring.data.ingest import ingest
from scoring.data.synthetic import SampleError, applications, profile, risk, write_sample
from scoring.data.synthetic.chunks import CHUNK, HISTORIES, ChunkMaker, load_profile
from scoring.data.synthetic.copula import (
    correlations,
    factor,
    nearest_correlation,
    normal_scores,
    packed,
)
from scoring.data.synthetic.marginals import (
    MOST_KNOTS,
    ROWS_PER_QUANTILE,
    CategoryTable,
    NumberTable,
    measure_categories,
    measure_numbers,
)
from scoring.data.synthetic.risk import DEFAULT_RATE, level_shift
from scoring.data.synthetic.summaries import summarise
from scoring.data.tables import DAY_SENTINEL, TABLES
from scoring.files import FilesError
from studies import credibility

Drawn = dict[Population, dict[str, pl.DataFrame]]
CHUNKS = 4
# Where null stands for "does not apply".
INAPPLICABLE = ("OCCUPATION_TYPE", "ORGANIZATION_TYPE", "price step")


def rows_of(dataset: Dataset) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(dataset.folder / f"{name}.parquet") for name in FILES}


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    """Four thousand applicants of each population."""
    return {name: credibility.draw(None, CHUNKS, 7, name) for name in POPULATIONS}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_sample(tmp_path_factory.mktemp("small") / "dataset", 300, seed=5)


# Determinism


def test_equal_seeds_give_equal_rows(small: Dataset, tmp_path: Path) -> None:
    again = write_sample(tmp_path / "again", 300, seed=5)
    for name, rows in rows_of(small).items():
        assert_frame_equal(rows, rows_of(again)[name], check_exact=True)


def test_a_sample_says_what_it_was_drawn_by(small: Dataset, tmp_path: Path) -> None:
    made = {"applicants": 300, "test_applicants": 75, "seed": 5}
    assert small.manifest["made"] == made
    again = ingest(small.folder, tmp_path / "again")
    assert again.manifest["made"] == made
    assert "raw" not in again.manifest


def test_seeds_differ(small: Dataset, tmp_path: Path) -> None:
    other = write_sample(tmp_path / "other", 300, seed=6)
    assert small.digest != other.digest
    for name, rows in rows_of(small).items():
        assert not rows.equals(rows_of(other)[name])


def test_a_larger_sample_starts_with_the_smaller_one(small: Dataset, tmp_path: Path) -> None:
    larger = rows_of(write_sample(tmp_path / "larger", 900, test_applicants=400, seed=5))
    smaller = rows_of(small)
    for name in ("application_train", "application_test"):
        assert_frame_equal(larger[name].head(smaller[name].height), smaller[name])
    applicants = [*smaller["application_train"]["SK_ID_CURR"]]
    for name in ("bureau", "previous_application", "installments_payments"):
        mine, theirs = (
            rows[name].filter(pl.col("SK_ID_CURR").is_in(applicants)) for rows in (smaller, larger)
        )
        assert_frame_equal(mine, theirs)


def test_chunks_stand_by_themselves() -> None:
    early, late = ChunkMaker(), ChunkMaker()
    early.draw("train", 0, 1)
    for name, rows in early.draw("test", 1, 1).items():
        assert_frame_equal(rows, late.draw("test", 1, 1)[name], check_exact=True)


def test_processes_change_nothing(tmp_path: Path) -> None:
    # A chunk more than there are processes, and part of another.
    applicants = 3 * CHUNK + 10
    one, two = (
        write_sample(tmp_path / str(n), applicants, test_applicants=0, seed=2, processes=n)
        for n in (1, 2)
    )
    assert one.digest == two.digest
    assert one.rows("application_train") == applicants


# The contract with the tables


def test_ingestion_finds_nothing_wrong(small: Dataset, tmp_path: Path) -> None:
    checked = rows_of(ingest(small.folder, tmp_path / "checked"))
    for name, rows in rows_of(small).items():
        assert_frame_equal(rows, checked[name])


def test_every_value_is_in_its_range(drawn: Drawn) -> None:
    for frames in drawn.values():
        for name in ("application", *HISTORIES):
            table = TABLES[name]
            assert frames[name].schema == table.schema
            for column in table.columns:
                values = frames[name][column.name].drop_nulls()
                assert not (column.required and values.len() < frames[name].height)
                if column.kind == "category":
                    assert set(values.unique()) <= set(column.categories), column.name
                else:
                    plain = values.filter(~values.is_in(list(column.sentinels)))
                    assert plain.min() is None or plain.min() >= (column.minimum or 0), column.name
                    assert plain.max() is None or plain.max() <= column.maximum, column.name


def test_amounts_have_three_decimals_at_most(drawn: Drawn) -> None:
    for name in ("application", *HISTORIES):
        for column in TABLES[name].columns:
            if column.kind == "amount":
                values = drawn["train"][name][column.name].drop_nulls()
                assert_frame_equal(values.to_frame(), values.round(3).to_frame(), abs_tol=1e-9)


def test_identifiers_are_unique_and_sorted(small: Dataset) -> None:
    tables = rows_of(small)
    people = pl.concat(tables[f"application_{name}"]["SK_ID_CURR"] for name in POPULATIONS)
    assert people.n_unique() == 375
    for name in HISTORIES:
        table, rows = TABLES[name], tables[name]
        order = list(dict.fromkeys((table.link, *table.key)))
        assert rows[table.link].is_sorted()
        assert_frame_equal(rows, rows.sort(order, maintain_order=True))
        if table.key:
            assert not rows.select(table.key).is_duplicated().any()


def test_links_lead_somewhere(small: Dataset) -> None:
    tables = rows_of(small)
    people = pl.concat(tables[f"application_{name}"]["SK_ID_CURR"] for name in POPULATIONS)
    for name in HISTORIES:
        if name != "bureau_balance":
            assert tables[name]["SK_ID_CURR"].is_in(people.implode()).all(), name
    loans = tables["bureau"]["SK_ID_BUREAU"]
    assert tables["bureau_balance"]["SK_ID_BUREAU"].is_in(loans.implode()).all()


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("POS_CASH_balance", 0.02, 0.08), ("credit_card_balance", 0.2, 0.5)],
)
def test_some_payments_have_no_application(
    drawn: Drawn, name: str, least: float, most: float
) -> None:
    rows = drawn["train"][name]
    parents = drawn["train"]["previous_application"].select("SK_ID_PREV", "SK_ID_CURR")
    linked = rows.join(parents, on="SK_ID_PREV", how="left", suffix="_parent")
    orphans = linked["SK_ID_CURR_parent"].is_null().mean()
    assert isinstance(orphans, float)
    assert least < orphans < most
    known = linked.drop_nulls("SK_ID_CURR_parent")
    assert (known["SK_ID_CURR"] == known["SK_ID_CURR_parent"]).all()


# What always holds in the real rows


def test_not_being_employed_shows_everywhere(drawn: Drawn) -> None:
    rows = drawn["train"]["application"]
    without = rows["NAME_INCOME_TYPE"].is_in(["Pensioner", "Unemployed"])
    assert 0.15 < without.mean() < 0.21
    assert ((rows["DAYS_EMPLOYED"] == DAY_SENTINEL) == without).all()
    assert ((rows["ORGANIZATION_TYPE"] == "XNA") == without).all()
    assert ((rows["FLAG_EMP_PHONE"] == 0) == without).all()
    assert rows.filter(without)["OCCUPATION_TYPE"].is_null().all()
    worked = rows.filter(~without)
    assert (worked["DAYS_EMPLOYED"] >= worked["DAYS_BIRTH"]).all()


def test_family_car_and_social_circle_agree(drawn: Drawn) -> None:
    rows = drawn["train"]["application"]
    couple = rows["NAME_FAMILY_STATUS"].is_in(["Married", "Civil marriage"])
    assert (rows["CNT_FAM_MEMBERS"] == rows["CNT_CHILDREN"] + 1 + couple.cast(pl.Int32)).all()
    assert (rows["OWN_CAR_AGE"].is_null() == (rows["FLAG_OWN_CAR"] == "N")).all()
    for window in (30, 60):
        observed, defaulted = (
            rows[f"{kind}_{window}_CNT_SOCIAL_CIRCLE"] for kind in ("OBS", "DEF")
        )
        assert (defaulted <= observed).all()
        assert (defaulted.is_null() == observed.is_null()).all()


def test_amounts_follow_each_other(drawn: Drawn) -> None:
    rows = drawn["train"]["application"].drop_nulls(["AMT_GOODS_PRICE", "AMT_ANNUITY"])
    revolving = rows.filter(pl.col("NAME_CONTRACT_TYPE") == "Revolving loans")
    assert (revolving["AMT_ANNUITY"] / revolving["AMT_CREDIT"]).median() == pytest.approx(0.05)
    cash = rows.filter(pl.col("NAME_CONTRACT_TYPE") == "Cash loans")
    assert cash.select(pl.corr("AMT_CREDIT", "AMT_GOODS_PRICE")).item() > 0.97
    assert (cash["AMT_GOODS_PRICE"] % 4500 == 0).all()
    assert ((cash["AMT_CREDIT"] / 4.5).round(6) % 1 == 0).all()


def test_prices_of_higher_risk_go_to_applicants_of_lower_external_scores(drawn: Drawn) -> None:
    rows = drawn["train"]["application"]
    traits = applications.read_traits(rows)
    stored = load_profile()["traits"]["train"]
    orders = {name: table["labels"] for name, table in stored.items() if "labels" in table}
    both = applications.coded(traits, orders).select(
        "price step", source=pl.mean_horizontal("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3")
    )
    size = applications.strata(traits)["size"]
    scores = normal_scores(both, pl.DataFrame({"price step": size, "source": size}))
    assert correlations(scores)[0, 1] < -0.05


def test_a_building_is_known_or_not(drawn: Drawn) -> None:
    rows = drawn["train"]["application"]
    for part in applications.PARTS:
        for suffix in ("MODE", "MEDI"):
            average, near = rows[f"{part}_AVG"], rows[f"{part}_{suffix}"]
            assert (average.is_null() == near.is_null()).all()
            pair = pl.corr(f"{part}_AVG", f"{part}_{suffix}", method="spearman")
            assert rows.drop_nulls(average.name).select(pair).item() > 0.85, near.name
    absent = rows.select(pl.col("APARTMENTS_AVG", "LIVINGAREA_AVG").is_null())
    assert 0.4 < absent["APARTMENTS_AVG"].mean() < 0.6
    assert (absent["APARTMENTS_AVG"] == absent["LIVINGAREA_AVG"]).mean() > 0.94


def test_history_has_its_oddities(drawn: Drawn) -> None:
    prior = drawn["train"]["previous_application"]
    for name in ("NAME_CASH_LOAN_PURPOSE", "CODE_REJECT_REASON", "NAME_GOODS_CATEGORY"):
        assert {"XNA", "XAP"} & set(prior[name].unique())
    for name in ("DAYS_FIRST_DRAWING", "DAYS_LAST_DUE", "DAYS_TERMINATION"):
        assert (prior[name] == DAY_SENTINEL).any()
    refused = prior.filter(pl.col("NAME_CONTRACT_STATUS") == "Refused")
    assert refused["DAYS_FIRST_DUE"].is_null().all()


def test_months_run_without_a_gap(drawn: Drawn) -> None:
    for name, key in (("bureau_balance", "SK_ID_BUREAU"), ("POS_CASH_balance", "SK_ID_PREV")):
        months = pl.col("MONTHS_BALANCE")
        spans = (
            drawn["train"][name]
            .group_by(key)
            .agg((months.max() - months.min() + 1).alias("span"), pl.len())
        )
        assert (spans["span"] == spans["len"]).all()


def test_a_closed_status_stays_closed(drawn: Drawn) -> None:
    rows = drawn["train"]["bureau_balance"]
    after = pl.col("STATUS").shift(-1).over("SK_ID_BUREAU")
    closed = rows.with_columns(after=after).filter(pl.col("STATUS") == "C").drop_nulls("after")
    assert (closed["after"] == "C").all()


def test_instalments_are_paid_early_late_and_in_parts(drawn: Drawn) -> None:
    rows = drawn["train"]["installments_payments"]
    delay = (rows["DAYS_ENTRY_PAYMENT"] - rows["DAYS_INSTALMENT"]).drop_nulls()
    assert 0.03 < (delay > 0).mean() < 0.2
    assert delay.median() < 0
    part = (rows["AMT_PAYMENT"] < rows["AMT_INSTALMENT"] - 0.01).mean()
    assert 0.03 < part < 0.25
    assert rows["DAYS_ENTRY_PAYMENT"].is_null().any()


def test_a_card_balance_follows_drawings_and_payments(drawn: Drawn) -> None:
    rows = drawn["train"]["credit_card_balance"]
    before = pl.col("AMT_BALANCE").shift(1).over("SK_ID_PREV")
    change = pl.col("AMT_DRAWINGS_CURRENT") - pl.col("AMT_PAYMENT_TOTAL_CURRENT")
    moved = rows.with_columns(before=before, change=change).filter(pl.col("before") > 1000)
    expected = moved["before"] * 1.02 + moved["change"]
    kept = expected > 100
    assert (moved["AMT_BALANCE"] - expected).filter(kept).abs().max() < 1


# Likeness to the statistics


@pytest.mark.parametrize("population", POPULATIONS)
def test_marginals_are_those_of_the_profile(drawn: Drawn, population: Population) -> None:
    traits = applications.read_traits(drawn[population]["application"])
    stored = load_profile()["traits"][population]
    ranks = (np.arange(20_000) + 0.5) / 20_000
    for trait in applications.TRAITS:
        table, values = stored[trait.name], traits[trait.name]
        if trait.kind == "number":
            wanted = pl.Series(NumberTable.load(table).draw(ranks))
            gap = credibility.largest_gap(values.drop_nulls(), wanted)
        else:
            labels = CategoryTable.load(table).draw(ranks)
            applies = values.drop_nulls() if trait.name in INAPPLICABLE else values
            if trait.name == "price step":
                # A number in many steps, whose shares in so few rows are mostly chance.
                gap = credibility.largest_gap(applies.cast(pl.Int64), labels.cast(pl.Int64))
            else:
                gap = credibility.variation(applies, labels)
        # Besides chance, bounds such as "no work before 16" and rounding move a few a little.
        assert gap < 0.08, (trait.name, gap)


def test_populations_differ_as_the_real_ones_do(drawn: Drawn) -> None:
    revolving, balance = {}, {}
    for name, frames in drawn.items():
        rows = frames["application"]
        revolving[name] = (rows["NAME_CONTRACT_TYPE"] == "Revolving loans").mean()
        loans = frames["bureau"].join(
            frames["bureau_balance"].select("SK_ID_BUREAU").unique(), on="SK_ID_BUREAU"
        )
        balance[name] = loans["SK_ID_CURR"].n_unique() / rows.height
    assert revolving["train"] == pytest.approx(0.095, abs=0.02)
    assert revolving["test"] < 0.02
    assert balance["train"] == pytest.approx(0.30, abs=0.04)
    assert balance["test"] == pytest.approx(0.87, abs=0.04)
    assert drawn["test"]["application"]["TARGET"].is_null().all()


def test_default_rate_and_what_drives_it(drawn: Drawn) -> None:
    rows = drawn["train"]["application"]
    assert rows["TARGET"].mean() == pytest.approx(DEFAULT_RATE, abs=0.014)
    for source in (1, 2, 3):
        known = rows.drop_nulls(f"EXT_SOURCE_{source}")
        assert roc_auc_score(known["TARGET"], -known[f"EXT_SOURCE_{source}"]) > 0.6


def test_histories_tell_of_defaults(drawn: Drawn) -> None:
    frames = drawn["train"]
    rows = frames["application"]
    known = summarise(frames, rows["SK_ID_CURR"]).with_columns(TARGET=rows["TARGET"])
    for name in ("previous_refused", "bureau_active", "bureau_debt"):
        pair = known.select(name, "TARGET").drop_nulls()
        assert pair.select(pl.corr(name, "TARGET", method="spearman")).item() > 0.02, name


# The profile


def test_profile_holds_aggregates_only() -> None:
    stored = load_profile()
    text = json.dumps(stored, separators=(",", ":"))
    assert len(text) < 400_000
    assert "SK_ID" not in text
    assert "/" not in "".join(stored)
    lengths = [len(table["at"]) for table in _number_strata(stored)]
    assert max(lengths) <= MOST_KNOTS
    rows = stored["rows"]["applications"]
    assert rows > MOST_KNOTS * ROWS_PER_QUANTILE
    steps = stored["risk"]["application"]["steps"].values()
    assert [len(term["edges"]) < risk.STEPS for term in steps] == [True]


def _number_strata(stored: object) -> list[dict[str, list[float]]]:
    if isinstance(stored, dict):
        own = [stored] if "at" in stored else []
        return own + [table for value in stored.values() for table in _number_strata(value)]
    return []


@given(st.integers(0, 5000))
def test_quantiles_show_no_single_row(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(size=900)
    at = measure_numbers(pl.Series(values))["strata"][""]["at"]
    assert len(at) <= 900 // ROWS_PER_QUANTILE + 1
    assert values.min() < at[0]
    assert at[-1] < values.max()


@given(st.lists(st.floats(0.001, 0.999), min_size=2, max_size=30))
def test_higher_ranks_never_give_lower_numbers(ranks: list[float]) -> None:
    table = NumberTable.load(measure_numbers(pl.Series(np.arange(1000.0) ** 1.5)))
    drawn = table.draw(np.sort(ranks))
    assert (np.diff(drawn) >= 0).all()


def test_rare_values_are_pooled() -> None:
    values = pl.Series([1.0] * 50 + [2.0] * 30 + [3.0])
    stored = measure_numbers(values)["strata"][""]
    assert stored["at"] == [1, 2]
    labels = measure_categories(pl.Series(["a"] * 30 + ["b"] * 4), known=("a", "c"))
    assert "b" not in labels["labels"]
    assert "c" in labels["labels"]


def test_a_small_stratum_is_looked_up_as_its_parent() -> None:
    keys = pl.Series(["x|1"] * 400 + ["x|2"] * 10 + ["y|1"] * 400)
    values = pl.Series([0.0] * 410 + [9.0] * 400)
    table = NumberTable.load(measure_numbers(values, keys))
    drawn = table.draw(np.full(3, 0.9), pl.Series(["x|2", "y|1", "z|1"]))
    assert drawn.tolist() == [0.0, 9.0, 9.0]


def test_a_stratum_of_rare_labels_only_is_looked_up_as_its_parent() -> None:
    """A share of nothing is no number, and would draw the first label for everybody."""
    keys = pl.Series(["x|1"] * 400 + ["x|2"] * 24)
    values = pl.Series(["b"] * 300 + ["a"] * 100 + [f"rare {number}" for number in range(24)])
    table = CategoryTable.load(measure_categories(values, keys, order=["a", "b"]))
    drawn = table.draw(np.array([0.1, 0.9]), pl.Series(["x|2", "x|2"]))
    assert drawn.to_list() == ["a", "b"]


def test_correlations_leave_out_missing_pairs() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal(4000)
    scores = np.column_stack([common, 0.6 * common + 0.8 * rng.standard_normal(4000)])
    scores[:1500, 1] = np.nan
    assert correlations(scores)[0, 1] == pytest.approx(0.6, abs=0.05)


@given(st.integers(0, 1000), st.integers(2, 8))
def test_correlations_survive_packing(seed: int, size: int) -> None:
    noise = np.random.default_rng(seed).uniform(-1, 1, (size, size))
    matrix = nearest_correlation(noise)
    assert np.linalg.eigvalsh(matrix).min() > 0
    lower = factor(packed(matrix), size)
    assert np.allclose(lower @ lower.T, matrix, atol=0.02)


def test_level_shift_sets_the_mean() -> None:
    odds = np.random.default_rng(0).normal(-1, 1, 5000)
    shifted = odds + level_shift(odds, 0.2)
    assert (1 / (1 + np.exp(-shifted))).mean() == pytest.approx(0.2, abs=1e-3)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.integers(1, 50))
def test_steps_hold_enough_rows_each(numbers: list[int], times: int) -> None:
    """However often some values recur, no weight tells of a few rows."""
    values = pl.Series(numbers * times).extend_constant(None, 5)
    edges = risk.step_edges(values)
    assert edges == sorted(set(edges))
    steps = np.searchsorted(edges, np.array(numbers * times), "right")
    assert (np.bincount(steps, minlength=len(edges) + 1)[:-1] >= risk.ROWS_PER_WEIGHT).all()


def test_what_two_numbers_say_only_together_is_learnt(drawn: Drawn) -> None:
    """Neither number alone tells anything of these outcomes, their product all."""
    rows = drawn["train"]["application"].drop_nulls(["EXT_SOURCE_2", "AMT_GOODS_PRICE"])
    score, goods = (
        ndtri(rows[name].rank().to_numpy() / (rows.height + 1))
        for name in ("EXT_SOURCE_2", "AMT_GOODS_PRICE")
    )
    chance = 1 / (1 + np.exp(2 * score * goods))
    defaults = np.random.default_rng(0).random(rows.height) < chance
    rows = rows.with_columns(TARGET=pl.Series(defaults.astype(np.int8)))
    half = rows.height // 2
    summaries = summarise(drawn["train"], rows["SK_ID_CURR"][:half])
    model = risk.fit(rows[:half], rows[:half], summaries)
    odds = risk.application_log_odds(rows[half:], model)
    assert np.corrcoef(odds, np.log(chance / (1 - chance))[half:])[0, 1] > 0.5


def test_a_profile_can_be_computed_and_drawn_from(
    drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way from rows to statistics to rows, with one short round of each kind."""
    monkeypatch.setattr(profile, "CHEAP_ROUNDS", 1)
    monkeypatch.setattr(profile, "FULL_ROUNDS", 1)
    monkeypatch.setattr(profile, "FULL_CHUNKS", 1)
    histories = {
        name: pl.concat([drawn[population][name] for population in POPULATIONS])
        for name in HISTORIES
    }
    people = {population: drawn[population]["application"] for population in POPULATIONS}
    computed = profile.compute(profile.Sources(people["train"], people, histories))
    again = json.loads(json.dumps(computed))
    rows = ChunkMaker(again).draw("train", 0, 3)
    assert rows["application"]["TARGET"].mean() == pytest.approx(DEFAULT_RATE, abs=0.03)
    assert rows["bureau"].height / CHUNK == pytest.approx(4.6, abs=1)


# What may go wrong


@pytest.mark.parametrize(
    ("applicants", "tests", "seed"), [(0, None, 0), (-3, None, 0), (10, -1, 0), (10, None, -1)]
)
def test_numbers_out_of_range_are_refused(
    tmp_path: Path, applicants: int, tests: int | None, seed: int
) -> None:
    with pytest.raises(SampleError, match="give a number from"):
        write_sample(tmp_path / "out", applicants, test_applicants=tests, seed=seed)
    assert list(tmp_path.iterdir()) == []


def test_other_things_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(FilesError, match="not replaced"):
        write_sample(tmp_path / "mine", 10)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    told: list[int] = []
    write_sample(tmp_path / "out", 40, test_applicants=5, progress=told.append)
    assert told[-1] == 45


# Real rows


def test_a_model_of_invented_applicants_ranks_real_ones(
    drawn: Drawn,
    real_applications_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A short form of `studies.credibility`, which reports 0.75 and more."""
    monkeypatch.setattr(credibility, "ROUNDS", 150)
    rows = drawn["train"]["application"]
    model = credibility.train(credibility.application_features(rows), credibility.target_of(rows))
    whole = ingest(real_applications_folder, tmp_path / "real")
    real = whole.frames("train")["application"].collect()
    reached = credibility.auc(
        model, credibility.application_features(real), credibility.target_of(real)
    )
    assert reached > 0.70
