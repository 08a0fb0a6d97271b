"""A planted leak is found, and honest data raise no alarm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from scoring.data.dataset import Dataset
from scoring.evaluation.leakage import adversarial, id_order, overlap, single_columns
from scoring.evaluation.separability import SeparabilityError, separability
from scoring.modelling.examples import Examples

ROWS = 1_500


@pytest.fixture(scope="module")
def target() -> npt.NDArray[np.bool_]:
    return np.random.default_rng(1).random(ROWS) < 0.1


@pytest.fixture(scope="module")
def columns(target: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """One honest column of each kind, and a leak of each kind."""
    rng = np.random.default_rng(2)
    noise = rng.normal(size=ROWS)
    leak = target + rng.normal(0, 0.5, ROWS)
    # Far from zero on both sides for defaults: its ranks say nothing.
    both_sides = np.where(target, 2 + rng.normal(0, 0.3, ROWS), 0) * rng.choice([-1, 1], ROWS)
    codes = rng.integers(0, 300, ROWS).astype(str)
    return pl.DataFrame(
        {
            "SK_ID_CURR": np.arange(ROWS, dtype=np.int32),
            "NOISE": noise,
            "HONEST": 0.4 * target + rng.normal(size=ROWS),
            "RARE": pl.Series(np.where(rng.random(ROWS) < 0.02, noise, np.nan), nan_to_null=True),
            "EMPTY": pl.Series([None] * ROWS, dtype=pl.Float32),
            "MANY_LEVELS": codes,
            "LEAK": leak,
            "REVERSED": -leak,
            "TWO_SIDED": both_sides + 0.01 * noise,
            "ONLY_IF_PAID": pl.Series(np.where(target, np.nan, 5.0), nan_to_null=True),
            "LEVEL": pl.Series(np.where(target, "late", "fine"), dtype=pl.Enum(["late", "fine"])),
        }
    )


def test_planted_leaks_are_found_and_nothing_else(
    columns: pl.DataFrame, target: npt.NDArray[np.bool_]
) -> None:
    table = single_columns(columns, target)
    suspects = set(table.filter("suspect")["feature"])
    assert suspects == {"LEAK", "REVERSED", "TWO_SIDED", "ONLY_IF_PAID", "LEVEL"}
    assert set(table["feature"][:5]) == suspects
    rows = {row["feature"]: row for row in table.iter_rows(named=True)}
    assert rows["HONEST"]["rank_auc"] == pytest.approx(roc_auc_score(target, columns["HONEST"]))
    assert rows["REVERSED"]["rank_auc"] == rows["LEAK"]["rank_auc"]
    assert rows["TWO_SIDED"]["rank_auc"] < 0.65 < 0.9 < rows["TWO_SIDED"]["binned_auc"]
    assert rows["ONLY_IF_PAID"]["missing_auc"] == 1
    assert rows["MANY_LEVELS"]["rank_auc"] is None
    assert rows["MANY_LEVELS"]["binned_auc"] < 0.6
    assert rows["EMPTY"]["rank_auc"] is None
    assert rows["EMPTY"]["binned_auc"] == pytest.approx(0.5, abs=0.01)
    assert rows["RARE"]["known"] == pytest.approx(0.02, abs=0.01)


def test_sample_features_hold_no_suspect(sample_examples: Examples) -> None:
    frame = sample_examples.frame.select(pl.all().head(800))
    table = single_columns(frame, sample_examples.target)
    assert table.height == frame.width - 1
    assert table.filter("suspect").is_empty()


def test_an_applicant_on_both_sides_is_found(sample: Dataset) -> None:
    train = sample.frames("train")["application"].collect()
    test = sample.frames("test")["application"].collect()
    assert overlap(train, test)["found"].sum() == 0
    copied = (
        train.drop("TARGET")
        .head(3)
        .with_columns(pl.Series("SK_ID_CURR", [1, 2, 3], dtype=pl.Int32))
    )
    twice = train.drop("TARGET")[5:6]
    found = overlap(train, pl.concat([test, copied, twice, copied.head(1)], how="diagonal"))
    counts = dict(zip(found["check"], found["found"], strict=True))
    assert counts == {
        "the same SK_ID_CURR in train and test": 1,
        "the same content in train and test": 5,
        "the same SK_ID_CURR twice in train": 0,
        "the same content twice in train": 0,
        "the same SK_ID_CURR twice in test": 2,
        "the same content twice in test": 2,
    }
    assert found["examples"][0].to_list() == twice["SK_ID_CURR"].to_list()


def drifting(shift: float, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "SK_ID_CURR": np.arange(600) + 600 * seed,
            "STEADY": rng.normal(size=600).astype(np.float32),
            "DRIFTING": rng.normal(shift, 1, 600).astype(np.float32),
            "KIND": pl.Series(rng.choice(["a", "b"], 600), dtype=pl.Enum(["a", "b"])),
        }
    )


def test_adversarial_validation_is_silent_without_drift() -> None:
    found = adversarial(drifting(0, 1), drifting(0, 2))
    assert found.auc.low < 0.5 < found.auc.high + 0.03
    assert found.auc.value == pytest.approx(0.5, abs=0.04)
    assert (found.rows, found.share) == (1200, 0.5)


def test_adversarial_validation_names_what_drifts() -> None:
    found = adversarial(drifting(0, 1), drifting(1.5, 2))
    assert found.auc.low > 0.75
    assert found.top[0][0] == "DRIFTING"
    assert sum(share for _, share in found.top) == pytest.approx(1)
    assert found.table()["feature"][0] == "DRIFTING"
    assert found == adversarial(drifting(0, 1), drifting(1.5, 2))


def test_telling_groups_apart_needs_two_of_them() -> None:
    with pytest.raises(SeparabilityError, match="smaller of the two groups has 0"):
        separability(drifting(0, 1), np.zeros(600, dtype=bool))


def test_order_without_meaning_is_chance() -> None:
    rng = np.random.default_rng(5)
    frame = pl.DataFrame({"SK_ID_CURR": rng.permutation(2_000)})
    assert id_order(frame, rng.random(2_000) < 0.1, 200)["chance"].to_list() == [True] * 3


def test_an_order_that_tells_the_outcome_is_found() -> None:
    rng = np.random.default_rng(0)
    # Defaults come in blocks of identifiers, and the rows come in another order.
    ids = rng.permutation(2_000)
    table = id_order(pl.DataFrame({"SK_ID_CURR": ids}), (ids // 40) % 10 == 0, 200)
    assert table["chance"].to_list()[1:] == [True, False]
    assert table["auc"][2] > 0.8
    rising = id_order(pl.DataFrame({"SK_ID_CURR": np.arange(2_000)}), np.arange(2_000) > 1_700, 200)
    assert rising["auc"].to_list()[:2] == [1.0, 1.0]
    assert not rising["chance"].any()


def test_the_applicant_s_own_outcome_is_not_among_the_neighbours() -> None:
    # One default among many: its neighbours have none, theirs have one.
    outcomes = np.zeros(500)
    outcomes[250] = 1
    table = id_order(pl.DataFrame({"SK_ID_CURR": np.arange(500)}), outcomes, 20)
    assert table["auc"][2] < 0.5


def test_real_columns_hold_no_suspect_and_real_applicants_drift(real_dataset: Dataset) -> None:
    train = real_dataset.frames("train")["application"].collect()
    test = real_dataset.frames("test")["application"].collect()
    typed = train.with_columns(pl.col(pl.String).cast(pl.Categorical))
    assert single_columns(typed.drop("TARGET"), train["TARGET"]).filter("suspect").is_empty()
    assert overlap(train, test)["found"].sum() == 0
    assert id_order(train, train["TARGET"], 200)["chance"].all()
    balances = real_dataset.frames()["bureau_balance"].select("SK_ID_BUREAU").unique()
    owners = real_dataset.frames()["bureau"].join(balances, on="SK_ID_BUREAU", how="semi")
    known = pl.col("SK_ID_CURR").is_in(
        owners.select("SK_ID_CURR").unique().collect().to_series().implode()
    )
    sides = [side.select("SK_ID_CURR", "AMT_CREDIT", HAS_BALANCE=known) for side in (train, test)]
    found = adversarial(*sides)
    assert found.auc.low > 0.7
    assert found.top[0][0] == "HAS_BALANCE"
