"""Everybody who had a chance: estimates that hold although outcomes are late and officers veto."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scoring.evaluation.off_policy import ENOUGH_EXPLORED, Estimates
from scoring.monitoring.everybody import Shadows, cohort, everybody
from scoring.monitoring.findings import Estimated
from scoring.serving.costs import Costs
from scoring.store import Chances, Outcome, Prediction, Store
from scoring.store.windows import Flags, Floats
from tests.helpers.databases import prediction

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
    return Chances(ids, at, pds, chance, why, known, defaulted & known, ids), defaulted


def told(decisions: Chances, shadows: Shadows | None = None) -> list[Estimated]:
    found = everybody(decisions, shadows or {}, COSTS.cutoff, COSTS)
    assert found is not None
    assert found.figures
    return list(found.figures)


def estimates(figures: list[Estimated], name: str, place: int = 0) -> Estimates:
    found = [own.estimates for own in figures if own.name == name][place]
    assert found is not None
    return found


def test_intervals_hold_the_truth_of_all_who_had_a_chance() -> None:
    """Of every figure, by all three ways; what the accepted show is far off."""
    rng, held = np.random.default_rng(3), []
    for _ in range(REPETITIONS):
        decisions, defaulted = decided(rng)
        chosen = decisions.chance > 0
        pds, bad = decisions.pds[chosen], defaulted[chosen]
        rule, other = pds > COSTS.cutoff, pds > 2 * COSTS.cutoff
        costs = [np.where(refused, ~bad, 10 * bad) for refused in (rule, other)]
        truth = {
            "default_rate": bad.mean(),
            "business_cost": costs[0].mean(),
            "observed_to_expected": bad.mean() / pds.mean(),
        }
        found = told(decisions)
        ways = {name: estimates(found, name) for name in truth}
        truth["cutoff"] = (costs[1] - costs[0]).mean()
        ways["cutoff"] = estimates(found, "cutoff", 1)
        held.append([
            low <= truth[name] <= high for name, own in ways.items() for _, low, high in own
        ])  # fmt: skip
    # The truth is that of these very applicants, so that intervals are wider than they need be.
    assert np.mean(held, axis=0).min() > 0.9
    accepted = bad[pds <= COSTS.cutoff].mean()
    assert accepted < 0.6 * bad.mean()


def test_grades_hold_the_refused_and_make_up_the_whole() -> None:
    decisions, _ = decided(np.random.default_rng(1))
    grades = [own for own in told(decisions) if own.name == "grade"]
    edges = [COSTS.cutoff * part for part in (0.25, 0.5, 1.0, 2.0)]
    chosen = cohort(decisions)
    assert [own.up_to for own in grades] == [*edges, decisions.pds[chosen.kept].max()]
    assert [own.above for own in grades] == [0.0, *edges]
    assert sum(own.applicants for own in grades) == chosen.kept.sum()
    assert chosen.left_out.total() + chosen.kept.sum() == decisions.ids.size
    values = [own.estimates.self_normalised.value for own in grades if own.estimates]
    assert len(values) == 5
    assert values == sorted(values)


def test_a_grade_without_a_default_has_no_rate_that_looks_certain() -> None:
    decisions, _ = decided(np.random.default_rng(1))
    lowest = decisions.pds <= 0.25 * COSTS.cutoff
    good = replace(decisions, defaulted=decisions.defaulted & ~lowest)
    first, second = [own for own in told(good) if own.name == "grade"][:2]
    assert first.estimates is None
    assert second.estimates is not None


def test_a_model_scored_along_is_judged_on_those_it_scored() -> None:
    decisions, _ = decided(np.random.default_rng(2))
    refused = decisions.pds[::2] > 2 * COSTS.cutoff
    figures = told(decisions, {"7": dict(zip(decisions.ids[::2], refused, strict=True))})
    assert (figures[-1].name, figures[-1].version) == ("model", "7")
    assert figures[-1].applicants == int(cohort(decisions).kept[::2].sum())
    shadow, same = estimates(figures, "model"), estimates(figures, "cutoff", 1)
    assert shadow.doubly_robust.low < same.doubly_robust.value < shadow.doubly_robust.high


def test_a_rule_that_accepts_whom_few_outcomes_tell_of_is_not_judged() -> None:
    decisions, _ = decided(np.random.default_rng(2))
    bolder = dict(zip(decisions.ids, decisions.pds > 1.15 * COSTS.cutoff, strict=True))
    assert told(decisions, {"7": bolder})[-1].estimates is None


def some(chance: Floats, why: list[str], known: list[bool], days: list[int]) -> Chances:
    size = chance.size
    at = np.datetime64("2025-03-01", "us") + np.array(days).astype("m8[D]")
    return Chances(
        np.arange(size).astype("S36"), at, np.full(size, 0.2), chance, np.array(why, "S12"),
        np.array(known), np.zeros(size, dtype=np.bool_), np.arange(size).astype("S36"),
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


def test_a_month_whose_outcomes_are_mostly_learnt_from_is_not_too_young() -> None:
    decisions = some(np.ones(4), [""] * 4, [True] * 4, [0, 1, 2, 3])
    found = cohort(decisions, np.array([True, False, False, False]))
    assert found.logged is not None
    assert found.logged.weights.tolist() == [4.0, 0.0, 0.0, 0.0]
    assert not found.left_out["too_young"]
    none = cohort(decisions, np.zeros(4, dtype=np.bool_))
    assert dict(+none.left_out) == {"too_young": 4}
    assert none.logged is None


@pytest.mark.parametrize("share", [0.0, 0.01])
def test_too_few_explored_outcomes_tell_nothing(share: float) -> None:
    decisions, _ = decided(np.random.default_rng(4), 3000, share=share or 1e-9)
    found = everybody(decisions, {}, COSTS.cutoff, COSTS)
    assert found is not None
    assert found.explored < ENOUGH_EXPLORED
    assert found.figures == ()
    none = replace(decisions, **{name: getattr(decisions, name)[:0] for name in Chances.__slots__})
    assert everybody(none, {}, COSTS.cutoff, COSTS) is None


def test_who_asks_until_there_is_a_loan_counts_once(store: Store) -> None:
    """Each time for a smaller loan, so with a lower PD: refused, drawn by a fixed draw, or not."""
    rng, start, number = np.random.default_rng(8), datetime(2026, 1, 1, tzinfo=UTC), 3_000
    pds, draws = rng.beta(1.0, 8.0, number), rng.random(number)
    defaulted = rng.random(number) < 1.3 * pds
    asked, outcomes = list[Prediction](), list[Outcome]()
    for place in range(number):
        for time in range(4):
            pd, at = pds[place] * 0.6**time, start + timedelta(minutes=place + 20 * time)
            made = prediction(at=at, applicant=str(place), pd=pd, policy=1, decision="accept")
            if refused := pd > COSTS.cutoff:
                drawn = draws[place] < SHARE
                made = replace(
                    made, model_decision="refuse", decision="accept" if drawn else "refuse",
                    exploration="drawn" if drawn else "not drawn",
                    propensity=SHARE if drawn else 1.0 - SHARE,
                )  # fmt: skip
            asked.append(made)
            if not refused or drawn:
                outcomes.append(Outcome(str(place), made.id, defaulted[place], at, at, "k"))
                break
    store.decisions.record(asked)
    store.outcomes.record(outcomes)
    later = start + timedelta(days=300)
    found = everybody(store.windows.chances(None, later, later), {}, COSTS.cutoff, COSTS)
    assert len(asked) > 1.2 * number
    assert found is not None
    assert found.applicants == pytest.approx(number, abs=5)  # Not before somebody was in the band.
    refused_first = pds > COSTS.cutoff
    truths = {
        "default_rate": defaulted.mean(),
        "business_cost": np.where(refused_first, ~defaulted, 10 * defaulted).mean(),
    }
    for name, truth in truths.items():
        for _, low, high in estimates(list(found.figures), name):
            assert low < truth < high
