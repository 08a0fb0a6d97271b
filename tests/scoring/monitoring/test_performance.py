"""What is said of outcomes: on whom it is measured, by vintage, and the estimates before them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.evaluation.business import realised_cost
from scoring.evaluation.metrics import figures
from scoring.monitoring.performance import by_vintage, estimate, observed_to_expected, performance
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer
from scoring.store import Settled

START = datetime(2026, 1, 15, tzinfo=UTC)
COSTS = Costs()

Floats = npt.NDArray[np.float64]


def _pds(size: int, seed: int, shift: float = 0.0) -> Floats:
    """Calibrated PDs: outcomes are drawn from them."""
    return 1.0 / (1.0 + np.exp(-np.random.default_rng(seed).normal(-2.8 + shift, 1.2, size)))


def _settled(
    pds: Floats, seed: int, everybody: bool = True, worse: float = 1.0, months: int = 1
) -> Settled:
    """Decisions at the cut-off and their outcomes, of defaults `worse` times as frequent."""
    chance = np.random.default_rng(seed).random(pds.size)
    return Settled.of(
        [
            (
                START + timedelta(days=31 * (i % months)),
                float(pd),
                "refuse" if pd > COSTS.cutoff else "accept",
                bool(chance[i] < min(pd * worse, 1.0)),
            )
            for i, pd in enumerate(pds)
            if everybody or pd <= COSTS.cutoff
        ]
    )


def _promising(scorer: Scorer, pds: Floats, seed: int) -> Scorer:
    """The model with the promises that these PDs keep, for all and for those not refused."""
    target = np.random.default_rng(seed).random(pds.size) < pds
    kept = pds <= COSTS.cutoff
    promised = {
        "all": figures(target, pds, COSTS.cutoff, COSTS),
        "not_refused": figures(target[kept], pds[kept], COSTS.cutoff, COSTS),
    }
    return replace(scorer, lineage={"promised": promised}, costs=COSTS)


def test_the_accepted_are_held_against_what_was_promised_for_them(scorer: Scorer) -> None:
    model = _promising(scorer, _pds(20_000, 0), 1)
    settled = _settled(_pds(8_000, 2), 3, everybody=False)
    found = performance(model, settled, settled)
    assert found is not None
    assert found.accepted_only
    auc = found.figures["auc"]
    assert auc.low < found.promised["auc"] < auc.high
    # Held against the promise for all, a model as good as ever would seem to have decayed.
    assert auc.high < model.lineage["promised"]["all"]["auc"]


def test_a_few_refused_ones_with_an_outcome_do_not_stand_for_all(scorer: Scorer) -> None:
    model = _promising(scorer, _pds(20_000, 0), 1)
    accepted = _settled(_pds(4_000, 2), 3, everybody=False)
    strays = Settled.of([(START, 0.5, "refuse", True)] * 20)
    both = Settled.joined([accepted, strays])
    found, without = (performance(model, some, some) for some in (both, accepted))
    assert found is not None
    assert without is not None
    assert found.accepted_only
    assert found.labelled == len(accepted)
    assert found.figures == without.figures


def test_where_everybody_got_a_loan_the_figures_are_those_of_all(scorer: Scorer) -> None:
    model = _promising(scorer, _pds(20_000, 0), 1)
    settled = _settled(_pds(8_000, 2), 3)
    found = performance(model, settled, settled)
    assert found is not None
    assert not found.accepted_only
    assert found.labelled == 8_000
    for name in ("auc", "business_cost"):
        assert found.figures[name].low < found.promised[name] < found.figures[name].high


def test_a_world_that_became_worse_shows_in_outcomes(scorer: Scorer) -> None:
    model = _promising(scorer, _pds(20_000, 0), 1)
    settled = _settled(_pds(8_000, 2), 3, worse=1.6)
    found = performance(model, settled, settled)
    assert found is not None
    assert found.figures["observed_to_expected"].low > 1.2
    assert found.figures["business_cost"].low > found.promised["business_cost"]


def test_vintages_say_of_how_many_the_outcome_is_known(scorer: Scorer) -> None:
    settled = _settled(_pds(6_000, 4), 5, months=3)
    decided = {date(2026, 1, 1): 2_500, date(2026, 2, 1): 4_000, date(2026, 3, 1): 9_000}
    table = by_vintage(replace(scorer, costs=COSTS), settled, decided)
    assert table["vintage"].to_list() == list(decided)
    assert table["decided"].to_list() == list(decided.values())
    assert table["labelled"].to_list() == [2_000] * 3
    for name, stem in (("default_rate", "rate"), ("business_cost", "cost"), ("auc", "auc"),
                       ("brier", "brier")):  # fmt: skip
        inside = pl.col(name).is_between(pl.col(f"{stem}_low"), pl.col(f"{stem}_high"))
        assert table.select(inside.all()).item(), name
    # Calibrated PDs lie within the interval of the rate.
    assert table.select(pl.col("expected").is_between("rate_low", "rate_high").all()).item()


def test_a_vintage_with_hardly_a_default_has_no_ranking(scorer: Scorer) -> None:
    many = _settled(_pds(2_000, 4), 5)
    later = START + timedelta(days=31)
    few = Settled.of([(later, 0.02 + i / 1000, "accept", i < 4) for i in range(50)])
    table = by_vintage(scorer, Settled.joined([few, many]), {})
    for name in ("auc", "business_cost", "cost_high"):
        assert table[name].is_null().to_list() == [False, True]
    assert table["decided"].to_list() == [2_000, 50]
    assert by_vintage(scorer, Settled.of([]), {}).is_empty()


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.8])
def test_estimates_tell_the_truth_that_labels_will_show(shift: float) -> None:
    missed = {"auc": 0, "business_cost": 0, "default_rate": 0}
    for seed in range(20):
        pds = _pds(3_000, seed, shift)
        defaulted = np.random.default_rng(1_000 + seed).random(pds.size) < pds
        refused = pds > COSTS.cutoff
        found = estimate(pds, refused, COSTS, seed)
        assert found is not None
        truth = figures(defaulted, pds, COSTS.cutoff, COSTS)
        truth["default_rate"] = float(defaulted.mean())
        for name in missed:
            interval = getattr(found, name)
            missed[name] += not interval.low <= truth[name] <= interval.high
    # One of 20 intervals of 95 % is to be expected to miss; more than four are one in 400.
    assert max(missed.values()) <= 4


def test_estimates_of_more_are_those_of_a_sample_of_them() -> None:
    pds = _pds(50_000, 1)
    found = estimate(pds, pds > COSTS.cutoff, COSTS)
    assert found is not None
    assert found.default_rate.low < pds.mean() < found.default_rate.high


@given(
    mistakes=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50),
    dear=st.floats(1.0, 100.0),
)
def test_a_cost_lies_between_nothing_and_the_dearest_mistake(
    mistakes: list[tuple[bool, bool]], dear: float
) -> None:
    defaulted, refused = np.array(mistakes, dtype=np.bool_).T
    found = realised_cost(defaulted, refused, Costs(dear, 1.0))
    assert 0.0 <= found.value <= dear * (1.0 + 1e-12)
    assert found.low <= found.value <= found.high


@given(st.integers(1, 500), st.floats(0.01, 0.9))
def test_as_many_defaults_as_expected_are_one(number: int, pd: float) -> None:
    found = observed_to_expected(np.ones(number, dtype=np.bool_), np.full(number, 1.0))
    assert found.value == found.low == found.high == 1.0
    none = observed_to_expected(np.zeros(number, dtype=np.bool_), np.full(number, pd))
    assert none.value == 0.0
    assert none.low <= 0.0 < none.high
