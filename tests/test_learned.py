"""Features learnt from data: blind to an applicant's own label, and exact wherever they serve."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from exact import collected, differing, own_rows, shuffled
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scoring.dataset import Dataset
from scoring.features import PROTECTED, build_features
from scoring.features.application import PROTECTED_COLUMNS
from scoring.learned import (
    LEARNED,
    LEARNERS,
    Labels,
    Learned,
    LearnedError,
    Rows,
    add_learned,
    assign_folds,
    cross_fit,
    cross_fit_all,
)
from scoring.learned.groups import RATE_GROUPS, GroupMediansLearner, TargetMeansLearner
from scoring.learned.neighbours import (
    Neighbours,
    NeighboursLearner,
    coordinates,
    neighbours_among,
    to_places,
)
from scoring.learned.nested import ROW_TABLES, newest_rows, summary
from scoring.learned.rates import RatesLearner, yearly_rate
from scoring.synthetic import write_sample
from scoring.tables import HISTORY, TABLES, empty_frame

WITH_TARGET = [name for name, learner in LEARNERS.items() if learner.uses_target]
ALONE = 200


@pytest.fixture(scope="module")
def rows(sample: Dataset) -> dict[str, pl.DataFrame]:
    return collected(sample.frames())


@pytest.fixture(scope="module")
def features(sample_features: pl.DataFrame) -> pl.DataFrame:
    """Of the training applicants, who come first."""
    return sample_features.head(800)


@pytest.fixture(scope="module")
def target(rows: Rows) -> Labels:
    return rows["application"]["TARGET"].head(800).to_numpy().astype(np.int8)


@pytest.fixture(scope="module")
def fitted(rows: Rows, features: pl.DataFrame, target: Labels) -> dict[str, Learned]:
    return {name: item.fit(rows, features, target, 0) for name, item in LEARNERS.items()}


def test_every_learner_makes_what_it_is_named(fitted: dict[str, Learned]) -> None:
    assert set(LEARNERS) == set(LEARNED) == set(fitted)
    for name, learned in fitted.items():
        assert isinstance(learned, LEARNED[name])
        assert learned.name == LEARNERS[name].name == name
        assert all(column.startswith(f"{name}__") for column in learned.columns)


@pytest.mark.parametrize("name", LEARNERS)
def test_columns_are_float32_finite_or_null_and_vary(
    name: str, fitted: dict[str, Learned], rows: Rows, sample_features: pl.DataFrame
) -> None:
    found = fitted[name].transform(rows, sample_features)
    assert found.height == sample_features.height
    assert found.schema == dict.fromkeys(fitted[name].columns, pl.Float32)
    assert found.select((pl.all().is_null() | pl.all().is_finite()).all()).row(0) == (
        (True,) * found.width
    )
    assert min(found.select(pl.all().n_unique()).row(0)) > 2


# An applicant's own label.


@pytest.mark.parametrize("name", WITH_TARGET)
def test_a_label_never_moves_its_own_feature(
    name: str, rows: Rows, features: pl.DataFrame, target: Labels
) -> None:
    folds = 2 if name == "nested" else 4
    _, before = cross_fit(LEARNERS[name], rows, features, target, folds, 0)
    for row in np.random.default_rng(5).choice(target.size, 2, replace=False):
        turned = target.copy()
        turned[row] = 1 - turned[row]
        _, after = cross_fit(LEARNERS[name], rows, features, turned, folds, 0)
        assert differing(after[int(row)], before[int(row)]) == []
        assert differing(after, before) != []


@settings(max_examples=15, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("name", ["neighbours", "target_means"])
def test_labels_of_a_fold_may_be_anything_without_moving_its_features(
    name: str, features: pl.DataFrame, target: Labels, data: st.DataObject
) -> None:
    some, labels = features.head(200), target[:200]
    folds, seed = data.draw(st.integers(2, 5)), data.draw(st.integers(0, 9))
    fold = assign_folds(some["SK_ID_CURR"], folds, seed)
    row = data.draw(st.integers(0, 199))
    own = fold == fold[row]
    turned = np.where(own, np.random.default_rng(seed).permutation(1 - labels), labels)
    turned[row] = 1 - labels[row]
    _, before = cross_fit(LEARNERS[name], {}, some, labels, folds, seed)
    _, after = cross_fit(LEARNERS[name], {}, some, turned.astype(np.int8), folds, seed)
    assert differing(after.filter(pl.Series(own)), before.filter(pl.Series(own))) == []


@pytest.mark.parametrize("name", ["group_medians", "rates"])
def test_some_never_look_at_labels(
    name: str, rows: Rows, features: pl.DataFrame, target: Labels, fitted: dict[str, Learned]
) -> None:
    again = LEARNERS[name].fit(rows, features, 1 - target, 0)
    assert again == fitted[name]
    _, inside = cross_fit(LEARNERS[name], rows, features, target, 3, 0)
    assert differing(inside, fitted[name].transform(rows, features)) == []


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, pl.DataFrame]:
    """3,000 applicants: enough for an AUC of noise to be near 0.5."""
    folder = tmp_path_factory.mktemp("crowd") / "dataset"
    frames = collected(write_sample(folder, 3_000, seed=8, processes=1).frames("train"))
    return frames, build_features(frames)


# How many draws of random labels are averaged: their AUC varies by 0.015 around 0.5.
@pytest.mark.parametrize(("name", "draws"), [("neighbours", 3), ("target_means", 6), ("nested", 1)])
def test_features_learnt_from_noise_tell_nothing(
    name: str, draws: int, crowd: tuple[Rows, pl.DataFrame]
) -> None:
    frames, everyone = crowd
    auc = []
    for seed in range(draws):
        labels = np.random.default_rng(seed).integers(0, 2, everyone.height).astype(np.int8)
        learned, columns = cross_fit(LEARNERS[name], frames, everyone, labels, 3, seed)
        auc.append([auc_of(labels, column) for column in columns])
    assert np.mean(auc, axis=0) == pytest.approx(np.full(columns.width, 0.5), abs=0.03)
    # The same fit shown its own applicants is far from blind: the folds are what protects.
    seen = [auc_of(labels, column) for column in learned.transform(frames, everyone)]
    assert max(seen) > 0.55


def auc_of(labels: Labels, column: pl.Series) -> float:
    """AUC of one feature among the applicants that have it."""
    known = column.is_not_null().to_numpy()
    return float(roc_auc_score(labels[known], column.drop_nulls()))


def test_folds_are_even_and_follow_the_applicant(features: pl.DataFrame) -> None:
    ids = features["SK_ID_CURR"]
    fold = assign_folds(ids, 7, 3)
    assert np.ptp(np.bincount(fold, minlength=7)) <= 1
    order = np.random.default_rng(0).permutation(len(ids))
    assert np.array_equal(assign_folds(ids[order], 7, 3), fold[order])
    assert not np.array_equal(assign_folds(ids, 7, 4), fold)


@pytest.mark.parametrize("folds", [-1, 0, 1, 4])
def test_folds_that_cannot_be_made_are_refused(folds: int) -> None:
    with pytest.raises(LearnedError, match=f"3 applicants cannot be split into {folds} folds"):
        assign_folds(pl.Series([1, 2, 3]), folds, 0)


def test_cross_fitting_several_is_cross_fitting_each(
    rows: Rows, features: pl.DataFrame, target: Labels
) -> None:
    learners = [LEARNERS[name] for name in ("neighbours", "target_means", "group_medians")]
    learned, frame = cross_fit_all(learners, rows, features, target, 4, 2)
    alone = [cross_fit(learner, rows, features, target, 4, 2) for learner in learners]
    assert learned == tuple(part for part, _ in alone)
    expected = pl.concat([features, *(columns for _, columns in alone)], how="horizontal")
    assert differing(frame, expected) == []
    assert add_learned(learned, rows, features).columns == frame.columns


# Alone as in a batch, anywhere.


def assert_alone_equals_batch(
    learned: Sequence[Learned], rows: Rows, everyone: pl.DataFrame, number: int
) -> None:
    chosen = everyone.gather_every(max(everyone.height // number, 1)).head(number)
    batch = add_learned(learned, rows, everyone)
    alone = [
        add_learned(learned, shuffled(own_rows(rows, one["SK_ID_CURR"][0]), seed), one)
        for seed, one in enumerate(chosen.iter_slices(1))
    ]
    expected = batch.join(chosen, on="SK_ID_CURR", how="semi", maintain_order="left")
    assert expected.height == number
    assert differing(pl.concat(alone), expected) == []


def test_sample_applicants_alone_equal_the_batch_bit_for_bit(
    fitted: dict[str, Learned], rows: Rows, sample_features: pl.DataFrame
) -> None:
    assert_alone_equals_batch(tuple(fitted.values()), rows, sample_features, ALONE)


def test_real_applicants_alone_equal_the_batch_bit_for_bit(
    fitted: dict[str, Learned], real_dataset: Dataset
) -> None:
    applications = real_dataset.frames("train")
    some = applications["application"].collect().gather_every(20)
    chosen = some.lazy().select("SK_ID_CURR")
    everyone = {
        name: frame.join(chosen, on="SK_ID_CURR", how="semi").collect()
        for name, frame in applications.items()
        if name != "bureau_balance"
    }
    loans = everyone["bureau"].lazy().select("SK_ID_BUREAU")
    everyone["bureau_balance"] = (
        applications["bureau_balance"].join(loans, on="SK_ID_BUREAU", how="semi").collect()
    )
    real = build_features(everyone)
    assert real.height >= ALONE
    target = everyone["application"]["TARGET"].to_numpy().astype(np.int8)
    learnt_there = [learner.fit(everyone, real, target, 0) for learner in LEARNERS.values()]
    assert_alone_equals_batch(learnt_there, everyone, real, 50)
    assert_alone_equals_batch([*fitted.values()], everyone, real, ALONE)


def test_neither_the_order_of_rows_nor_other_applicants_matter(
    fitted: dict[str, Learned], rows: Rows, sample_features: pl.DataFrame
) -> None:
    turned = sample_features.sample(fraction=0.3, shuffle=True, seed=4)
    for learned in fitted.values():
        whole = learned.transform(rows, sample_features).with_columns(sample_features["SK_ID_CURR"])
        part = learned.transform(shuffled(rows, 2), turned).with_columns(turned["SK_ID_CURR"])
        expected = turned.select("SK_ID_CURR").join(
            whole, on="SK_ID_CURR", how="left", maintain_order="left"
        )
        assert differing(part.select(expected.columns), expected) == []


@pytest.mark.parametrize("name", LEARNERS)
def test_only_the_applicants_of_the_features_are_learnt_from(
    name: str, rows: Rows, features: pl.DataFrame, target: Labels
) -> None:
    some = features.head(400)
    own = {
        table: frame.join(some, on="SK_ID_CURR", how="semi", maintain_order="left")
        for table, frame in rows.items()
        if table != "bureau_balance"
    }
    learner = LEARNERS[name]
    among_others = learner.fit(rows, some, target[:400], 1)
    assert among_others == learner.fit(own, some, target[:400], 1)


@pytest.mark.parametrize("name", LEARNERS)
def test_empty_histories_and_unseen_categories_are_no_error(
    name: str, fitted: dict[str, Learned], rows: Rows
) -> None:
    empty = {table.name: empty_frame(table) for table in HISTORY}
    application = (
        rows["application"]
        .head(3)
        .with_columns(
            pl.when(pl.col(column).is_not_null()).then(pl.lit("never seen")).alias(column)
            for column, dtype in TABLES["application"].schema.items()
            if dtype == pl.String and column != "NAME_CONTRACT_TYPE"
        )
    )
    odd = build_features({"application": application, **empty})
    found = fitted[name].transform({"application": application, **empty}, odd)
    assert found.height == 3
    assert found.width == len(fitted[name].columns)
    if name == "nested":
        assert found.select(pl.all().null_count()).row(0) == (3,) * found.width
    none = fitted[name].transform({"application": application.clear(), **empty}, odd.clear())
    assert none.shape == (0, found.width)


def test_unseen_categories_in_the_history_count_as_missing(
    fitted: dict[str, Learned], rows: Rows, features: pl.DataFrame
) -> None:
    texts = [c for c, dtype in rows["bureau"].schema.items() if dtype == pl.String]
    strange = rows["bureau"].with_columns(pl.lit("never seen").alias(column) for column in texts)
    missing = rows["bureau"].with_columns(pl.lit(None, pl.String).alias(column) for column in texts)
    one = fitted["nested"].transform({**rows, "bureau": strange}, features)
    other = fitted["nested"].transform({**rows, "bureau": missing}, features)
    assert differing(one, other) == []


@pytest.mark.parametrize("name", LEARNERS)
def test_it_can_be_learnt_without_any_history(
    name: str, rows: Rows, features: pl.DataFrame, target: Labels
) -> None:
    empty = {**{table.name: empty_frame(table) for table in HISTORY}}
    alone: Rows = {"application": rows["application"], **empty}
    learned, columns = cross_fit(LEARNERS[name], alone, features, target, 3, 0)
    if name in ("nested", "rates"):
        assert columns.select(pl.all().null_count()).row(0) == (800,) * columns.width
    else:
        assert columns.select(pl.all().null_count()).row(0) < (800,) * columns.width
    assert learned.columns == tuple(columns.columns)


# On disk.


@pytest.mark.parametrize("name", LEARNERS)
def test_saved_and_loaded_it_gives_the_same_bits(
    name: str, fitted: dict[str, Learned], rows: Rows, features: pl.DataFrame, tmp_path: Path
) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        fitted[name].save(tmp_path / folder)
    loaded = LEARNED[name].load(tmp_path / "one")
    assert loaded == fitted[name]
    assert loaded.columns == fitted[name].columns
    found, expected = (part.transform(rows, features) for part in (loaded, fitted[name]))
    assert differing(found, expected) == []
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert all(file.endswith((".json", ".txt", ".npy")) for file in files)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


@pytest.mark.parametrize("name", LEARNERS)
def test_the_same_seed_gives_the_same_bytes(
    name: str, fitted: dict[str, Learned], rows: Rows, features: pl.DataFrame, target: Labels
) -> None:
    assert LEARNERS[name].fit(rows, features, target, 0) == fitted[name]


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("damage", ["gone", "empty", "another's"])
def test_files_that_make_no_sense_are_refused(
    name: str, damage: str, fitted: dict[str, Learned], tmp_path: Path
) -> None:
    fitted[name].save(tmp_path)
    (description,) = tmp_path.glob("*.json")
    if damage == "gone":
        description.unlink()
    elif damage == "empty":
        description.write_text("{}")
    else:
        description.write_text(json.dumps([{"names": ["A"], "levels": [[]]}]))
    with pytest.raises(LearnedError, match="not usable"):
        LEARNED[name].load(tmp_path)


def test_pickles_are_never_read(fitted: dict[str, Learned], tmp_path: Path) -> None:
    fitted["neighbours"].save(tmp_path)
    np.save(tmp_path / "points.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(LearnedError, match="Python objects in dtype"):
        Neighbours.load(tmp_path)


def test_serving_imports_no_training_library(fitted: dict[str, Learned], tmp_path: Path) -> None:
    for name, learned in fitted.items():
        (tmp_path / name).mkdir()
        learned.save(tmp_path / name)
    program = f"""
import sys
from pathlib import Path
import api.example
import polars as pl
from scoring.features import build_features
from scoring.learned import LEARNED, add_learned
from scoring.tables import TABLES, empty_frame
rows = {{name: empty_frame(table) for name, table in TABLES.items()}}
application = api.example.REQUEST["application"]
rows["application"] = pl.from_dicts([application], schema=TABLES["application"].schema)
learned = [kind.load(Path({str(tmp_path)!r}) / name) for name, kind in LEARNED.items()]
assert add_learned(learned, rows, build_features(rows)).height == 1
heavy = {{"lightgbm", "pandas", "sklearn", "scipy", "mlflow", "shap", "evidently", "matplotlib"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# What each of them is.


def test_neighbours_are_all_within_the_distance_of_the_kth(
    fitted: dict[str, Learned], features: pl.DataFrame, rows: Rows, target: Labels
) -> None:
    learned = fitted["neighbours"]
    assert isinstance(learned, Neighbours)
    places = to_places(coordinates(features), learned.centres, learned.spreads)
    apart = places[:, np.newaxis, :] - places[np.newaxis, :, :]
    distances = (apart * apart).sum(axis=2)
    found = learned.transform(rows, features).to_series()
    for row in range(0, 800, 7):
        furthest = np.sort(distances[row])[learned.k - 1]
        near = distances[row] <= furthest
        assert near.sum() >= learned.k
        assert found[row] == np.float32(target[near].sum() / near.sum())


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), applicants=st.integers(1, 700), spots=st.integers(1, 40))
def test_equally_far_neighbours_all_count(seed: int, applicants: int, spots: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3", "AMT_CREDIT", "AMT_ANNUITY")
    corners = rng.choice([0.0, 0.5, 1.0, np.nan], (spots, 5))
    values = corners[rng.integers(0, spots, applicants)]
    frame = pl.DataFrame(dict(zip(names, values.T, strict=True))).fill_nan(None)
    labels = rng.integers(0, 2, applicants).astype(np.int8)
    learned = NeighboursLearner().fit({}, frame, labels, 0)
    order = rng.permutation(applicants)
    turned = NeighboursLearner().fit({}, frame[order], labels[order], 0)
    assert turned.k == learned.k == neighbours_among(applicants)
    found = learned.transform({}, frame).to_series()
    # Means of floats may differ in the last bit with the order: the scale is kept.
    again = Neighbours(turned.points, turned.defaults, turned.k, learned.centres, learned.spreads)
    if turned.centres == learned.centres and turned.spreads == learned.spreads:
        assert again.transform({}, frame).to_series().equals(found)
    alike = pl.DataFrame({"spot": values.astype(str).tolist(), "rate": found})
    assert alike.group_by("spot").agg(pl.col("rate").n_unique())["rate"].to_list() == (
        [1] * alike["spot"].n_unique()
    )


def test_more_applicants_have_more_neighbours() -> None:
    assert neighbours_among(307_511) == 500
    assert [neighbours_among(n) for n in (50, 1_000, 76_878)] == [50, 100, 250]


def test_group_rates_are_drawn_towards_everybodys() -> None:
    levels = pl.Enum(["a", "b"])
    frame = pl.DataFrame(
        {"K": ["a"] * 230 + ["b"] * 2 + [None] * 768}, schema={"K": levels}
    ).with_columns(SK_ID_CURR=pl.int_range(pl.len()))
    target = np.array([1] * 100 + [0] * 130 + [1, 1] + [0] * 768, dtype=np.int8)
    learned = TargetMeansLearner(groups=(("K",),)).fit({}, frame, target, 0)
    a, b, missing = learned.rates[0]
    assert a == pytest.approx((100 + 115 * 0.102) / (230 + 115) - 0.102)
    assert b == pytest.approx((2 + 115 * 0.102) / 117 - 0.102)
    assert -0.102 < missing < 0 < b < a
    found = learned.transform({}, frame).to_series()
    assert found.to_list() == [np.float32(a)] * 230 + [np.float32(b)] * 2 + (
        [np.float32(missing)] * 768
    )


def test_protected_attributes_make_no_groups_and_no_coordinates(
    fitted: dict[str, Learned], rows: Rows, features: pl.DataFrame
) -> None:
    assert not {name for group in RATE_GROUPS for name in group} & PROTECTED
    assert set(PROTECTED_COLUMNS) <= PROTECTED
    hidden = features.drop(sorted(PROTECTED))
    for learned in fitted.values():
        found = learned.transform(rows, hidden)
        assert differing(found, learned.transform(rows, features)) == []


def test_medians_of_small_groups_are_everybodys(features: pl.DataFrame, target: Labels) -> None:
    learned = GroupMediansLearner(groups=(("ORGANIZATION_TYPE",),)).fit({}, features, target, 0)
    found = learned.transform({}, features).with_columns(
        features["ORGANIZATION_TYPE", "AMT_INCOME_TOTAL"]
    )
    name = "group_medians__ORGANIZATION_TYPE__AMT_INCOME_TOTAL"
    groups = found.group_by("ORGANIZATION_TYPE").agg(
        pl.len(), pl.col("AMT_INCOME_TOTAL").median(), pl.col(f"{name}_MEDIAN").first()
    )
    overall = features["AMT_INCOME_TOTAL"].median()
    large = groups.filter(pl.col("len") >= 30)
    assert 0 < large.height < groups.height
    assert (large["AMT_INCOME_TOTAL"] == large[f"{name}_MEDIAN"]).all()
    assert set(groups.filter(pl.col("len") < 30)[f"{name}_MEDIAN"]) == {overall}
    ratio = found["AMT_INCOME_TOTAL"].cast(pl.Float64) / found[f"{name}_MEDIAN"]
    assert found[f"{name}_RATIO"].to_list() == pytest.approx(ratio.to_list(), rel=1e-6)


def test_the_newest_rows_are_chosen_with_all_that_are_as_new() -> None:
    (seen,) = [table for table in ROW_TABLES if table.prefix == "pos_cash"]
    months = [-m for m in range(1, 30)] + [-24, -24, -5]
    frame = pl.DataFrame({"SK_ID_CURR": [7] * 32 + [8] * 2, "MONTHS_BALANCE": [*months, -90, -1]})
    own, owner = newest_rows(seen, frame, pl.Series([9, 8, 7]))
    assert seen.most == 24
    assert owner.tolist().count(0) == 0
    assert sorted(own.filter(pl.Series(owner == 1))["MONTHS_BALANCE"]) == [-90, -1]
    kept = own.filter(pl.Series(owner == 2))["MONTHS_BALANCE"]
    assert sorted(kept) == sorted([*(-m for m in range(1, 24)), -5])


def test_the_summary_is_of_order_statistics_and_an_exact_mean() -> None:
    scores = np.array([3.0, 1.0, 2.0, 10.0, -1.0, 0.5])
    owner = np.array([2, 2, 2, 2, 0, 2])
    found = summary(scores, owner, 4)
    assert found[2] == pytest.approx([0.5, 1.0, 2.0, 3.3, 3.0, 10.0])
    assert found[0] == pytest.approx([-1.0] * 6)
    assert np.isnan(found[[1, 3]]).all()
    order = np.random.default_rng(0).permutation(6)
    assert summary(scores[order], owner[order], 4).tobytes() == found.tobytes()
    assert np.isnan(summary(np.empty(0), np.empty(0, dtype=np.int64), 2)).all()


def test_nested_models_find_what_distinguishes_rows(rows: Rows, features: pl.DataFrame) -> None:
    days = pl.col("DAYS_ENTRY_PAYMENT") - pl.col("DAYS_INSTALMENT")
    late = rows["installments_payments"].group_by("SK_ID_CURR").agg(late=days.mean())
    known = features.select("SK_ID_CURR").join(
        late, on="SK_ID_CURR", how="left", maintain_order="left"
    )["late"]
    labels = (known > known.quantile(0.8)).fill_null(value=False).to_numpy().astype(np.int8)
    _, columns = cross_fit(LEARNERS["nested"], rows, features, labels, 2, 0)
    assert auc_of(labels, columns["nested__installments__mean"]) > 0.9


def test_the_yearly_rate_pays_the_loan_off() -> None:
    rate, term = np.array([0.05, 0.24, 1.2]), np.array([6.0, 24.0, 60.0])
    monthly = rate / 12
    credit = (1 - (1 + monthly) ** -term) / monthly
    assert yearly_rate(credit, term) == pytest.approx(rate, abs=1e-9)
    impossible = yearly_rate(np.array([13.0, 0.01, np.nan]), np.array([12.0, 12.0, 12.0]))
    assert np.isnan(impossible).all()


def test_terms_follow_from_credit_and_annuity(
    crowd: tuple[Rows, pl.DataFrame],
) -> None:
    frames, everyone = crowd
    labels = np.zeros(everyone.height, dtype=np.int8)
    learned = RatesLearner().fit(frames, everyone, labels, 0)
    found = learned.transform(frames, everyone)
    revolving = (everyone["NAME_CONTRACT_TYPE"].cast(pl.String) == "Revolving loans").to_numpy()
    assert revolving.any()
    assert found["rates__TERM"].is_null().to_numpy()[revolving].all()
    longer = everyone["AMT_CREDIT"] / everyone["AMT_ANNUITY"]
    known = found["rates__TERM"].is_not_null()
    assert np.corrcoef(longer.filter(known), found["rates__TERM"].drop_nulls())[0, 1] > 0.8
    assert (found["rates__REPAID_TO_CREDIT"].drop_nulls() > 0.8).mean() > 0.95
