"""Who applies in a simulation, and what becomes of them."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from scoring.features.vectors import pack
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples, is_held_out
from scoring.serving.costs import Costs
from studies.simulation.arrivals import STRAIN, Arrivals, Pool, divide, draw
from studies.simulation.scenarios import SCENARIOS, Conditions, Scenario


@pytest.fixture(scope="module")
def pool(sample_features: pl.DataFrame) -> Pool:
    rng = np.random.default_rng(5)
    return Pool.of(sample_features, rng.normal(-2.4, 1.0, sample_features.height))


def always(conditions: Conditions) -> Scenario:
    return Scenario("always", conditions, lambda _month, _months: 1.0)


def drawn(pool: Pool, conditions: Conditions, applicants: int = 20_000) -> Arrivals:
    return draw(pool, always(conditions), 1, applicants, seed=1)


def test_the_same_seed_gives_the_same_applicants_and_another_one_others(pool: Pool) -> None:
    first, again, other = (draw(pool, SCENARIOS["gradual"], 6, 50, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.place, again.place)
    assert np.array_equal(first.defaulted, again.defaulted)
    assert not np.array_equal(first.place, other.place)


def test_a_longer_simulation_begins_as_a_shorter_one(pool: Pool) -> None:
    short, long = (draw(pool, SCENARIOS["none"], months, 40, seed=3) for months in (4, 9))
    assert np.array_equal(short.place, long.place[: short.size])
    assert np.array_equal(short.defaulted, long.defaulted[: short.size])
    assert long.month.tolist() == [month for month in range(9) for _ in range(40)]
    assert long.of_month(2).tolist() == list(range(80, 120))


def test_outcomes_follow_the_probabilities(pool: Pool) -> None:
    found = drawn(pool, Conditions())
    expected = found.probability.sum()
    deviation = math.sqrt(float((found.probability * (1 - found.probability)).sum()))
    assert abs(found.defaulted.sum() - expected) < 4 * deviation


def test_a_mix_brings_riskier_applicants_who_default_as_before(pool: Pool) -> None:
    calm, risky = drawn(pool, Conditions()), drawn(pool, Conditions(mix=0.5))
    # Tilted by exp(mix x risk), a standard normal number has the mean `mix`.
    assert pool.risk[risky.place].mean() == pytest.approx(0.5, abs=0.06)
    assert pool.risk[calm.place].mean() == pytest.approx(0.0, abs=0.06)
    before = pool.probability(Conditions())
    assert np.array_equal(risky.probability, before[risky.place])


def test_a_level_raises_everybodys_odds_alike(pool: Pool) -> None:
    before, after = pool.probability(Conditions()), pool.probability(Conditions(level=0.7))
    ratio = (after / (1 - after)) / (before / (1 - before))
    assert ratio == pytest.approx(np.full(ratio.size, math.exp(0.7)))


def test_a_burden_hits_those_whose_annuity_is_heavy(pool: Pool) -> None:
    before, after = pool.probability(Conditions()), pool.probability(Conditions(burden=1.0))
    strain = pool.features[STRAIN].to_numpy()
    heaviest, lightest = strain.argsort()[-50:], strain.argsort()[:50]
    assert np.all(after[heaviest] > before[heaviest])
    assert np.all(after[lightest] < before[lightest])


def test_whoever_has_no_annuity_is_in_the_middle(sample_features: pl.DataFrame) -> None:
    some = sample_features.head(20).with_columns(
        pl.when(pl.int_range(20) < 5).then(None).otherwise(pl.col(STRAIN)).alias(STRAIN)
    )
    found = Pool.of(some, np.zeros(20))
    assert found.strain[:5].tolist() == [0.0] * 5
    assert np.all(np.isfinite(found.strain))


def test_those_who_come_are_others_than_those_who_are_there(sample_examples: Examples) -> None:
    first, found = divide(sample_examples, Candidate.of("trees", n_estimators=20), Costs(), seed=0)
    held = is_held_out(sample_examples.frame["SK_ID_CURR"])
    assert found.features.equals(sample_examples.frame.filter(held))
    assert first.frame.equals(sample_examples.frame.filter(~held))
    assert np.array_equal(found.vectors, pack(found.features), equal_nan=True)


def test_the_truth_is_as_large_as_what_was_seen_and_differs(sample_examples: Examples) -> None:
    first, found = divide(sample_examples, Candidate.of("trees", n_estimators=20), Costs(), seed=0)
    probability = found.probability(Conditions())
    assert probability.mean() == pytest.approx(sample_examples.target.mean(), abs=0.03)
    assert probability.std() > 0.005
    assert first.target.mean() == pytest.approx(sample_examples.target.mean(), abs=0.04)
    # Drawn anew, not those of the dataset.
    real = sample_examples.target[~is_held_out(sample_examples.frame["SK_ID_CURR"]).to_numpy()]
    assert not np.array_equal(first.target, real)
