"""Exploration proved: the fast path decides as the service does, and its truth is the truth."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.serving.costs import Costs
from scoring.serving.exploration import explored
from scoring.serving.families.base import Feature
from scoring.store import Policy, Store
from studies.simulation.arrivals import Arrivals, Pool, draw
from studies.simulation.coverage import WINDOWS, estimated
from studies.simulation.exploration import World, decide, places
from studies.simulation.proof import ProofSettings, prove, savings, sentences, tables
from studies.simulation.scenarios import SCENARIOS
from studies.simulation.worth import live, preferred
from tests.helpers.databases import prediction

COSTS = Costs()
POLICY = Policy(explore_share=0.3, explore_bound=0.3, explore_budget=20.0)
RUNS = 12
SETTINGS = ProofSettings(runs=RUNS, retrained=2, applicants=200)


@pytest.fixture(scope="module")
def world() -> World:
    """Two features: one says who is risky, the other whose loan is hard to carry."""
    values = np.random.default_rng(4).normal(size=(2_500, 2))
    truth = -2.6 + values[:, 0]
    defaulted = np.random.default_rng(5).random(1_500) < 1 / (1 + np.exp(-truth[:1_500]))
    slim, pool = pl.DataFrame(), values[1_500:]
    return World(
        Pool(slim, np.empty((0, 0), np.float32), truth[1_500:], pool[:, 0], pool[:, 1]),
        (Feature("risk"), Feature("strain")),
        values.astype(np.float32),
        defaulted.astype(np.int8),
        COSTS,
    )


@pytest.fixture(scope="module")
def proof(world: World) -> pl.DataFrame:
    return prove(world, SETTINGS, 1, lambda *_: None)


def unknown(size: int) -> Arrivals:
    """So many applicants of one month, of whom nothing else is known."""
    nothing = np.zeros(size)
    return Arrivals(1, nothing.astype(np.int64), nothing.astype(np.intp), nothing, nothing > 0)


def test_the_fast_path_decides_as_the_service_does(tmp_path: Path) -> None:
    """The same draw, and the same end of the month's budget: decision, chance and all."""
    pds = np.random.default_rng(2).uniform(0.0, 0.5, 400)
    place = places(unknown(pds.size), "a" * 64)
    fast = decide(pds, place, POLICY, COSTS)
    at = datetime(2024, 5, 6, tzinfo=UTC)
    asked = [
        prediction(
            applicant=str(number), pd=pd, at=at, propensity=1.0, model_digest="a" * 64,
            decision="refuse" if pd > COSTS.cutoff else "accept",
        )
        for number, pd in enumerate(pds.tolist())
    ]  # fmt: skip
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    drawn = [explored(own, POLICY) if own.decision == "refuse" else own for own in asked]
    made = store.decisions.record(drawn, POLICY.explore_budget / 10 - POLICY.explore_bound)
    store.close()
    assert {own.exploration for own in made} == {None, "drawn", "not drawn", "budget spent"}
    assert [own.decision == "accept" for own in made] == fast.seen.tolist()
    chances = [own.propensity if own.decision == "accept" else 1 - own.propensity for own in made]
    assert chances == pytest.approx(fast.chance)


@given(
    pds=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40),
    share=st.sampled_from([0.0, 0.05, 0.5]),
    budget=st.floats(3.0, 30.0),
    seed=st.integers(0, 99),
)
def test_whoever_is_explored_had_a_chance_and_the_budget_is_kept(
    pds: list[float], share: float, budget: float, seed: int
) -> None:
    place = np.random.default_rng(seed).random(len(pds))
    policy = Policy(explore_share=share, explore_bound=0.3, explore_budget=budget)
    own = decide(np.array(pds), place, policy, COSTS)
    assert set(own.chance) <= {0.0, share, 1.0}
    assert np.all(own.chance[own.seen] > 0)
    assert np.array_equal(own.refused & own.seen, own.refused & own.seen & (place < share))
    assert 10 * np.array(pds)[own.refused & own.seen].sum() <= budget + 1e-9
    if not share:
        assert np.array_equal(own.seen, ~own.refused)


def test_months_are_decided_on_each_with_its_own_budget() -> None:
    pds, place = np.full((2, 30), 0.25), np.zeros((2, 30))
    both = decide(pds, place, POLICY, COSTS)
    alone = decide(pds[0], place[0], POLICY, COSTS)
    assert 0 < alone.seen.sum() < 30
    for month in range(2):
        assert np.array_equal(both.seen[month], alone.seen)


def test_where_everybody_is_accepted_the_estimates_are_what_everybody_shows(world: World) -> None:
    arrivals = draw(world.pool, SCENARIOS["sudden"], 24, 100, seed=3)
    everybody = Policy(explore_share=1.0, explore_bound=1.0, explore_budget=1e12)
    rows = list(estimated(world, arrivals, np.zeros(arrivals.size), everybody))
    assert len(rows) == 6 * 3 * len(WINDOWS)
    assert all(row["value"] == pytest.approx(row["everybody"]) for row in rows)
    rates = {row["window"]: row["value"] for row in rows if row["figure"] == "default rate"}
    assert rates[3] == pytest.approx(arrivals.defaulted[-300:].mean())


def test_estimates_are_unbiased_and_the_accepted_alone_are_not(proof: pl.DataFrame) -> None:
    whole = proof.filter(window=WINDOWS[0])
    for (_, _, share, estimate), own in whole.group_by("scenario", "figure", "share", "estimate"):
        if share == 0.05 and estimate == "doubly_robust":
            error = own["error"].to_numpy()
            # Few are explored of 200 a month: the AUC's bias, which vanishes with their number.
            assert abs(error.mean()) < 4 * error.std() / math.sqrt(RUNS) + 0.01
    naive = whole.filter(figure="default rate", share=0.0, estimate="self_normalised")
    assert naive["error"].max() < 0
    assert naive["covered"].mean() < 0.2


def test_without_exploration_there_is_nothing_to_weigh(world: World) -> None:
    arrivals = draw(world.pool, SCENARIOS["sudden"], 8, 100, seed=2)
    place, nobody = places(arrivals, "x"), Policy()
    weighted, plain = (
        live(world, arrivals, place, nobody, way) for way in ("weighted", "stand-ins")
    )
    assert weighted == plain
    assert plain["exploring"] == 0.0


def test_exploring_costs_what_the_explored_lose(world: World) -> None:
    """Nothing is learnt within three months, so that all of the difference is theirs."""
    arrivals = draw(world.pool, SCENARIOS["none"], 3, 400, seed=2)
    place = places(arrivals, "x")
    policy = Policy(explore_share=0.2, explore_bound=0.6, explore_budget=1e12)
    one, other = (live(world, arrivals, place, each, "weighted") for each in (policy, Policy()))
    assert one["exploring"] != 0.0
    assert one["cost"] - other["cost"] == pytest.approx(one["exploring"])


def test_a_model_that_overstates_risk_wins_by_its_own_word_only(world: World) -> None:
    policy = Policy(explore_share=0.05, explore_bound=0.9, explore_budget=1e12)
    found = []
    for seed in range(20):
        arrivals = draw(world.pool, SCENARIOS["sudden"], 12, 500, seed)
        found.append(preferred(world, arrivals, places(arrivals, str(seed)), policy, seed))
    assert all(own["dearer"] > 0 for own in found)
    assert np.mean([own["by_pds"] for own in found]) > 0.7
    judged = [own["by_outcomes"] for own in found if own["by_outcomes"] is not None]
    assert len(judged) > 10
    assert np.mean(judged) < 0.3


def test_the_tables_are_of_the_runs(proof: pl.DataFrame) -> None:
    made = list(tables(proof))
    for header, rows in made:
        assert all(len(row) == len(header) for row in rows)
    assert [len(rows) for _, rows in made] == [6, 6, 6, 9, 15, 4]
    own = proof.filter(scenario="sudden", way="weighted", share=0.05)
    spent, back, in_all = savings(proof, "sudden", "weighted", 0.05, "stand-ins")
    assert own.height == SETTINGS.retrained
    assert spent == pytest.approx(1_000 * own["exploring"].to_numpy().mean())
    assert back.value - spent == pytest.approx(in_all.value)
    said = list(sentences(proof))
    assert said[0].startswith("Over 24 months")
    assert said[1].endswith("2 runs.")
    assert len(said) == 8
