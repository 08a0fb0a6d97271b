"""Everybody who had a chance: estimates that hold although outcomes are late and officers veto."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scoring.evaluation.off_policy import ENOUGH_EXPLORED, Estimates
from scoring.monitoring.everybody import cohort, everybody
from scoring.monitoring.findings import Everybody
from scoring.serving.costs import Costs
from scoring.store import Chances, Shadowed
from scoring.store.windows import Flags, Floats

COSTS = Costs()
BOUND, SHARE, REPETITIONS = 0.5, 0.1, 60


def decided(
    rng: np.random.Generator, number: int = 20_000, share: float = SHARE
) -> tuple[Chances, Flags]:
    """A year of decisions, with the truth of everybody; PDs are too low by half in the odds.

    Officers decide near the cut-off and refuse a tenth of the other loans, and a third of the
    outcomes are not known yet.
    """
    risk = rng.normal(size=number)
    pds, truth = (1 / (1 + np.exp(-risk - level)) for level in (-2.8, -2.4))
    officer = np.abs(pds - COSTS.cutoff) < 0.01
    band = (pds > COSTS.cutoff) & (pds <= BOUND) & ~officer
    drawn = band & (rng.random(number) < share)
    chance = np.where(band, share, np.where(pds > COSTS.cutoff, 0.0, 1.0))
    chance[officer] = np.nan
    given = drawn | (chance == 1.0)
    days = np.sort(rng.integers(0, 365, number))
    reported = np.where(days > 180, 0.6, 0.9)
    defaulted = rng.random(number) < truth
    known = given & (rng.random(number) < 0.9) & (rng.random(number) < reported)
    why = np.where(drawn, "drawn", np.where(band, "not drawn", "")).astype("S12")
    ids = np.array([f"{place:036d}" for place in range(number)], "S36")
    at = np.datetime64("2025-01-01", "us") + days.astype("m8[D]")
    return Chances(ids, at, pds, chance, why, known, defaulted & known), defaulted


def figures(found: Everybody | None) -> Everybody:
    assert found is not None
    assert found.figures
    return found


def test_intervals_hold_the_truth_of_all_who_had_a_chance() -> None:
    """Of every figure, by all three ways; what the accepted show is far off."""
    rng, held = np.random.default_rng(3), []
    for _ in range(REPETITIONS):
        decisions, defaulted = decided(rng)
        own = decisions.chance > 0
        pds, bad = decisions.pds[own], defaulted[own]
        rule, other = pds > COSTS.cutoff, pds > 2 * COSTS.cutoff
        costs = [np.where(refused, ~bad, 10 * bad) for refused in (rule, other)]
        truth = {
            "default_rate": bad.mean(),
            "business_cost": costs[0].mean(),
            "observed_to_expected": bad.mean() / pds.mean(),
        }
        found = figures(everybody(decisions, [], COSTS.cutoff, COSTS))
        estimates = {name: found.figures[name] for name in truth}
        truth["alternative"] = (costs[1] - costs[0]).mean()
        assert found.alternatives[1].difference is not None
        estimates["alternative"] = found.alternatives[1].difference
        held.append([
            low <= truth[name] <= high for name, ways in estimates.items() for _, low, high in ways
        ])  # fmt: skip
    # The truth is that of these very applicants, so that intervals are wider than they need be.
    assert np.mean(held, axis=0).min() > 0.9
    accepted = bad[pds <= COSTS.cutoff].mean()
    assert accepted < 0.6 * bad.mean()


def test_grades_hold_the_refused_and_make_up_the_whole() -> None:
    found = figures(everybody(decided(np.random.default_rng(1))[0], [], COSTS.cutoff, COSTS))
    uppers, sizes, rates = zip(*found.grades, strict=True)
    assert uppers == (*(COSTS.cutoff * part for part in (0.25, 0.5, 1.0, 2.0)), None)
    assert sum(sizes) == found.applicants
    assert rates[-1] is not None
    values = [rate.self_normalised.value for rate in rates if isinstance(rate, Estimates)]
    assert values[-1] > values[0]
    assert sum(found.left_out.values()) + found.applicants == 20_000


def test_a_model_scored_along_is_judged_on_those_it_scored() -> None:
    decisions, _ = decided(np.random.default_rng(2))
    places = range(0, 20_000, 2)
    along = [
        Shadowed(decisions.ids[i].decode(), "b" * 64, "7",
                 "refuse" if decisions.pds[i] > 2 * COSTS.cutoff else "accept")
        for i in places
    ]  # fmt: skip
    found = figures(everybody(decisions, along, COSTS.cutoff, COSTS))
    shadow = found.alternatives[-1]
    assert (shadow.model_version, shadow.cutoff) == ("7", None)
    assert shadow.applicants == int(cohort(decisions).kept[::2].sum())
    assert shadow.difference is not None
    assert found.alternatives[1].difference is not None
    same = found.alternatives[1].difference.doubly_robust
    assert shadow.difference.doubly_robust.low < same.value < shadow.difference.doubly_robust.high


def some(chance: Floats, why: list[str], known: list[bool], days: list[int]) -> Chances:
    size = chance.size
    at = np.datetime64("2025-03-01", "us") + np.array(days).astype("m8[D]")
    return Chances(
        np.arange(size).astype("S36"), at, np.full(size, 0.2), chance, np.array(why, "S12"),
        np.array(known), np.zeros(size, dtype=np.bool_),
    )  # fmt: skip


def test_whoever_had_no_chance_is_left_out_and_counted() -> None:
    decisions = some(
        np.array([1.0, 0.2, 0.8, 0.0, np.nan, 0.0, 1.0, 1.0, 1.0, 1.0]),
        ["", "drawn", "not drawn", "", "", "budget spent", "", "", "", ""],
        [True, True, False, False, False, False, True, True, False, False],
        [0, 1, 2, 3, 4, 5, 6, 31, 61, 62],
    )
    found = cohort(decisions)
    # After the budget was spent also the accepted: nobody stands for the refused of that time.
    assert found.kept.tolist() == [True] * 3 + [False] * 4 + [True, False, False]
    assert dict(found.left_out) == {
        "budget_spent": 2, "referred": 1, "no_chance": 1, "too_young": 2,
    }  # fmt: skip
    assert found.explored == 1
    assert found.logged is not None
    assert found.logged.chance.tolist() == [1.0, 0.2, 0.8, 1.0]


def test_a_late_outcome_weighs_on_those_of_its_month_and_kind() -> None:
    decisions = some(np.array([1.0, 1.0, 0.5, 0.5, 0.5]), ["", "", "drawn", "drawn", "not drawn"],
                     [True, True, True, False, False], [0, 1, 2, 3, 4])  # fmt: skip
    found = cohort(decisions)
    assert found.logged is not None
    assert found.logged.weights.tolist() == [1.0, 1.0, 4.0, 0.0, 0.0]
    used = cohort(decisions, np.array([True, False, True, True, True]))
    assert used.logged is not None
    assert used.logged.weights.tolist() == [2.0, 0.0, 4.0, 0.0, 0.0]


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_too_few_explored_outcomes_tell_nothing(share: float) -> None:
    decisions, _ = decided(np.random.default_rng(4), 3000, share=share or 1e-9)
    found = everybody(decisions, [], COSTS.cutoff, COSTS)
    assert found is not None
    assert found.explored < ENOUGH_EXPLORED
    assert (found.figures, found.grades, found.alternatives) == ({}, (), ())
    none = replace(decisions, **{name: getattr(decisions, name)[:0] for name in Chances.__slots__})
    assert everybody(none, [], COSTS.cutoff, COSTS) is None
