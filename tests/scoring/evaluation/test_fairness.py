"""Rates by group against sums by hand; alarms where groups differ, and none where they do not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from scoring.evaluation.fairness import (
    attributes,
    by_group,
    four_fifths,
    proxy_auc,
)
from scoring.evaluation.metrics import paired_difference
from scoring.serving.costs import Costs

Floats = npt.NDArray[np.float64]
CUTOFF = 1 / 11


def portfolio(
    rows: int, penalty: float, seed: int = 0
) -> tuple[pl.DataFrame, npt.NDArray[np.bool_], Floats]:
    """Women and men of equal risk; the PDs of the men are raised by a penalty in log-odds."""
    rng = np.random.default_rng(seed)
    men = rng.random(rows) < 0.4
    logits = rng.normal(-2.8, 0.8, rows)
    target = rng.random(rows) < 1 / (1 + np.exp(-logits))
    pds = 1 / (1 + np.exp(-logits - penalty * men))
    return pl.DataFrame({"sex": np.where(men, "M", "F")}), target, pds


def test_attributes_are_read_from_applications() -> None:
    rows = pl.DataFrame(
        {
            "CODE_GENDER": ["F", "M", "XNA", None],
            "DAYS_BIRTH": [-30 * 366, -10_950, -25_000, None],
            "NAME_FAMILY_STATUS": ["Married", "Widow", "Unknown", None],
        }
    )
    found = attributes(rows)
    assert found["sex"].to_list() == ["F", "M", "unknown", "unknown"]
    assert found["age"].to_list() == ["30 to 39", "under 30", "60 and over", "unknown"]
    assert found["family status"].to_list() == ["Married", "Widow", "unknown", "unknown"]
    assert found["age"].unique().sort()[0] == "under 30"


def test_rates_are_those_of_counting() -> None:
    groups, target, pds = portfolio(2_000, 0.5)
    table = by_group(groups, target, pds, CUTOFF, resamples=100)
    assert table["group"].to_list() == ["F", "M"]
    for row in table.iter_rows(named=True):
        members = (groups["sex"] == row["group"]).to_numpy()
        refused = pds[members] > CUTOFF
        defaulted = target[members]
        assert row["n"] == members.sum()
        assert row["acceptance_rate"] == pytest.approx(1 - refused.mean())
        assert row["true_positive_rate"] == pytest.approx(refused[defaulted].mean())
        assert row["false_positive_rate"] == pytest.approx(refused[~defaulted].mean())
        assert row["calibration_gap"] == pytest.approx(defaulted.mean() - pds[members].mean())
        for metric in table.columns[5::3]:
            assert row[f"{metric}_low"] < row[metric] < row[f"{metric}_high"]


def test_a_penalty_shows_as_a_calibration_gap() -> None:
    fair = by_group(*portfolio(6_000, 0.0), CUTOFF, resamples=200)
    unfair = by_group(*portfolio(6_000, 0.8), CUTOFF, resamples=200)
    assert (fair["calibration_gap_low"] < 0).all()
    assert (fair["calibration_gap_high"] > 0).all()
    men = unfair.row(1, named=True)
    assert men["calibration_gap_high"] < 0
    assert men["acceptance_rate_high"] < unfair["acceptance_rate_low"][0]


def test_small_groups_have_counts_only() -> None:
    _, target, pds = portfolio(400, 0.0)
    names = np.array(["many"] * 375 + ["few"] * 25, dtype=object)
    goods = np.flatnonzero(~target)
    names[goods[:60]] = "without a default"
    table = by_group(pl.DataFrame({"kind": names.tolist()}), target, pds, CUTOFF, resamples=50)
    rows = {row["group"]: row for row in table.iter_rows(named=True)}
    assert not rows["many"]["small"]
    assert rows["few"]["small"] and rows["without a default"]["small"]  # noqa: PT018
    assert rows["without a default"]["defaults"] == 0
    assert {rows["few"][name] for name in table.columns[5:]} == {None}
    assert four_fifths(pl.DataFrame({"kind": names.tolist()}), target, pds, CUTOFF).is_empty()


def test_the_four_fifths_rule_raises_an_alert() -> None:
    fair = four_fifths(*portfolio(4_000, 0.0), CUTOFF, resamples=200).row(0, named=True)
    assert not fair["alert"]
    assert fair["low"] <= fair["ratio"] <= fair["high"]
    groups, target, pds = portfolio(4_000, 1.5)
    unfair = four_fifths(groups, target, pds, CUTOFF, resamples=200).row(0, named=True)
    assert (unfair["least"], unfair["most"]) == ("M", "F")
    assert unfair["alert"]
    assert unfair["certain"]
    rates = by_group(groups, target, pds, CUTOFF, resamples=2)["acceptance_rate"]
    assert unfair["ratio"] == pytest.approx(rates[1] / rates[0])


def test_nobody_accepted_is_no_ratio() -> None:
    groups, target, pds = portfolio(1_000, 0.0)
    assert four_fifths(groups, target, pds, -1.0, resamples=10).is_empty()


def test_resamples_in_which_nobody_is_accepted_have_no_ratio() -> None:
    groups, target, pds = portfolio(400, 0.0)
    second = float(np.sort(pds)[1])
    found = four_fifths(groups, target, pds, second, resamples=200).row(0, named=True)
    assert 0 <= found["low"] <= found["high"] < np.inf


def test_the_same_seed_gives_the_same_table() -> None:
    people = portfolio(500, 0.3)
    first = by_group(*people, CUTOFF, resamples=50, seed=1)
    assert first.equals(by_group(*people, CUTOFF, resamples=50, seed=1))
    assert not first.equals(by_group(*people, CUTOFF, resamples=50, seed=2))


def features_with_sex(stand_in: float) -> pl.DataFrame:
    rng = np.random.default_rng(3)
    men = rng.random(900) < 0.4
    return pl.DataFrame(
        {
            "SK_ID_CURR": np.arange(900),
            "CODE_GENDER": pl.Series(np.where(men, "M", "F"), dtype=pl.Enum(["F", "M"])),
            "DAYS_BIRTH": men * 1.0,
            "HEIGHT": (stand_in * men + rng.normal(size=900)).astype(np.float32),
            "LUCK": rng.normal(size=900).astype(np.float32),
        }
    )


def test_sex_is_predicted_from_a_stand_in_alone() -> None:
    blind = proxy_auc(features_with_sex(0.0))
    seeing = proxy_auc(features_with_sex(2.0))
    # DAYS_BIRTH gives sex away here, and is protected: no model may look at it.
    assert blind.auc.value == pytest.approx(0.5, abs=0.06)
    assert seeing.auc.low > 0.85
    assert seeing.top[0][0] == "HEIGHT"
    assert seeing.share == pytest.approx(0.4, abs=0.05)


def test_sex_is_predicted_from_the_sample_features(sample_features: pl.DataFrame) -> None:
    found = proxy_auc(sample_features, folds=2)
    assert found.auc.low > 0.6
    assert not {"CODE_GENDER", "SK_ID_CURR", "DAYS_BIRTH"} & {name for name, _ in found.top}


def test_the_price_is_what_the_protected_attributes_add() -> None:
    _, target, pds = portfolio(2_000, 0.0)
    vague = 0.5 * pds + 0.5 * np.random.default_rng(0).permutation(pds)
    price = paired_difference(target, vague, pds, CUTOFF, CUTOFF, Costs(), resamples=100)
    assert price["auc"].high < 0
    assert price["business_cost"].value > 0
