"""Who answers: every strategy, and a bandit that neither jumps to conclusions nor is fooled."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models.routing import LEAST_OUTCOMES, Experience, LiveModel, draw_cost, position, route
from scoring.serving.scorer import Scorer
from scoring.store import CostSummary, Outcome, Policy, Prediction, RefusalSummary, Store
from tests.helpers.databases import prediction

APPLICANTS = range(100_000, 104_000)
NOBODY = RefusalSummary(0, 0)
# Of those refused, the share that is accepted at random.
SHARE = 0.05
# Of a loan that is not paid back, in units of one refused good applicant.
LOSS = 10.0


def dice(seed: int = 0) -> random.Random:
    return random.Random(seed)  # noqa: S311 - dice, not secrets


@pytest.fixture(scope="module")
def champion(scorer: Scorer) -> LiveModel:
    return LiveModel(scorer, "a" * 64, "champion")


@pytest.fixture(scope="module")
def challenger(scorer: Scorer) -> LiveModel:
    return LiveModel(scorer, "b" * 64, "challenger")


def loans(
    number: int,
    defaults: int,
    decided: int | None = None,
    refused: int = 0,
    explored: tuple[int, int] = (0, 0),
) -> Experience:
    """Loans with an outcome, and refusals, of which so many were explored, so many of them good."""
    total = number + refused if decided is None else decided
    return experienced(number, defaults, total, refused, *explored, SHARE)


def chosen(
    champion: LiveModel,
    challenger: LiveModel,
    mine: Experience,
    other: Experience,
    seed: int = 0,
    explore_share: float = SHARE,
) -> Counter[tuple[str, str]]:
    """Who answers 2,000 applicants, and why."""
    rng = dice(seed)
    policy = Policy("bandit", challenger_share=0.2, explore_share=explore_share)
    experience = {champion.digest: mine, challenger.digest: other}
    routes = [
        route(number, champion, challenger, policy, experience, rng)
        for number in APPLICANTS[:2_000]
    ]
    return Counter((one.model.role, one.why) for one in routes)


def test_the_champion_alone_answers_by_default(champion: LiveModel, challenger: LiveModel) -> None:
    found = route(1, champion, challenger, Policy(), {}, dice(0))
    assert (found.model, found.why, found.shadows) == (champion, "champion", ())


def test_a_shadow_is_scored_along_and_never_answers(
    champion: LiveModel, challenger: LiveModel
) -> None:
    policy = Policy("shadow", challenger_share=1.0)
    for number in APPLICANTS[:100]:
        found = route(number, champion, challenger, policy, {}, dice(0))
        assert (found.model, found.why, found.shadows) == (champion, "champion", (challenger,))


@pytest.mark.parametrize("strategy", ["shadow", "split", "bandit"])
def test_without_another_model_there_is_nobody_to_try(
    champion: LiveModel, scorer: Scorer, strategy: str
) -> None:
    twin = LiveModel(scorer, champion.digest, "challenger")
    for challenger in (None, twin):
        policy = Policy(strategy, challenger_share=1.0)  # type: ignore[arg-type]
        found = route(1, champion, challenger, policy, {}, dice(0))
        assert (found.model, found.why, found.shadows) == (champion, "no challenger", ())


def test_a_split_gives_an_applicant_the_same_model_every_time(
    champion: LiveModel, challenger: LiveModel
) -> None:
    def answered(share: float, seed: int) -> set[int]:
        policy, rng = Policy("split", share), dice(seed)
        routes = {n: route(n, champion, challenger, policy, {}, rng) for n in APPLICANTS}
        assert {one.why for one in routes.values()} == {"split"}
        assert {one.shadows for one in routes.values()} == {()}
        return {number for number, one in routes.items() if one.model is challenger}

    few = answered(0.1, seed=1)
    assert few == answered(0.1, seed=2)
    # Four standard errors of a share of 4,000.
    assert len(few) / len(APPLICANTS) == pytest.approx(0.1, abs=0.019)
    assert few < answered(0.5, seed=1)
    assert answered(0.0, seed=1) == set()
    assert answered(1.0, seed=1) == set(APPLICANTS)


def test_places_in_a_split_are_those_of_every_process_and_release() -> None:
    """An applicant who met a model must not meet the other after a deployment."""
    assert position(100_002) == pytest.approx(0.05698335479861162)


@given(st.integers(min_value=0, max_value=2**53))
def test_places_lie_from_0_to_1(applicant: int) -> None:
    assert 0.0 <= position(applicant) < 1.0


def test_a_bandit_with_few_outcomes_only_tries(champion: LiveModel, challenger: LiveModel) -> None:
    """Even with appalling outcomes: of so few they prove nothing."""
    enough, few = loans(500, 10), loans(LEAST_OUTCOMES - 1, LEAST_OUTCOMES - 1)
    for mine, other in ((enough, few), (few, enough)):
        found = chosen(champion, challenger, mine, other)
        assert {why for _, why in found} == {"bandit: first trials"}
        share = found["challenger", "bandit: first trials"] / found.total()
        assert share == pytest.approx(0.2, abs=0.036)


def test_a_bandit_prefers_the_cheaper_model_once_it_knows(
    champion: LiveModel, challenger: LiveModel
) -> None:
    cheap, dear = loans(3_000, 90), loans(3_000, 240)
    found = chosen(champion, challenger, mine=dear, other=cheap)
    assert found["challenger", "bandit"] / found.total() > 0.99
    found = chosen(champion, challenger, mine=cheap, other=dear)
    assert found["champion", "bandit"] / found.total() > 0.99


def test_a_bandit_keeps_exploring_while_it_is_not_sure(
    champion: LiveModel, challenger: LiveModel
) -> None:
    """60 outcomes each, 4 and 5 defaults: the worse one may well be the better."""
    found = chosen(champion, challenger, loans(60, 4), loans(60, 5))
    assert 0.25 < found["challenger", "bandit"] / found.total() < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_a_bandit_that_learns_settles_on_the_cheaper_model(
    champion: LiveModel, challenger: LiveModel, seed: int
) -> None:
    """The challenger's loans default in 3 % of all cases, the champion's in 12 %."""
    rng = dice(seed)
    risk = {champion.digest: 0.12, challenger.digest: 0.03}
    numbers = {digest: [0, 0] for digest in risk}
    policy, answered = Policy("bandit", challenger_share=0.2), []
    for number in range(6_000):
        experience = {digest: loans(n, bad) for digest, (n, bad) in numbers.items()}
        live = route(number, champion, challenger, policy, experience, rng).model
        numbers[live.digest][0] += 1
        numbers[live.digest][1] += rng.random() < risk[live.digest]
        answered.append(live)
    tried = answered[:400]
    assert champion in tried
    assert challenger in tried
    assert answered[-1_000:].count(challenger) > 950


def test_draws_are_of_the_mean_and_as_wide_as_it_is_uncertain() -> None:
    """Against the two-group estimate worked out from the single cases."""
    rng = dice(5)
    costs = [LOSS] * 300 + [0.0] * 4_700
    good = [1.0] * 1_400 + [0.0] * 600
    experience = loans(5_000, 300, decided=10_000, refused=2_000, explored=(2_000, 1_400))
    draws = [draw_cost(experience, rng) for _ in range(20_000)]
    mean = 0.8 * fmean(costs) + 0.2 * fmean(good)
    variance = (
        0.8**2 * pstdev(costs) ** 2 / 5_000
        + 0.2**2 * pstdev(good) ** 2 / 2_000
        + 0.2 * 0.8 * (fmean(costs) - fmean(good)) ** 2 / 10_000
    )
    # The priors weigh 10 applicants of 5,000, and 2 of 2,000.
    assert fmean(draws) == pytest.approx(mean, abs=0.002)
    assert pstdev(draws) == pytest.approx(variance**0.5, rel=0.02)


def test_a_model_that_refuses_nearly_all_is_not_the_cheaper_one(
    champion: LiveModel, challenger: LiveModel
) -> None:
    """The few it lends to all pay back, and nobody sees whom it turned away."""
    timid = loans(number=100, defaults=0, refused=1_900, explored=(95, 76))
    usual = loans(number=1_700, defaults=60, refused=300, explored=(40, 32))
    found = chosen(champion, challenger, mine=usual, other=timid)
    assert found["champion", "bandit"] / found.total() > 0.99


def test_refusals_known_at_once_do_not_outweigh_loans_that_take_months() -> None:
    """The same model, with all its outcomes and with a tenth of them."""
    explored = (100, 80)
    late = loans(1_000, defaults=50, decided=12_500, refused=2_500, explored=explored)
    complete = loans(10_000, defaults=500, decided=12_500, refused=2_500, explored=explored)
    rng = dice(0)
    early, now = (
        fmean(draw_cost(experience, rng) for _ in range(20_000)) for experience in (late, complete)
    )
    assert early == pytest.approx(now, abs=0.005)


@pytest.mark.parametrize("explored", [(0, 0), (LEAST_OUTCOMES - 1, LEAST_OUTCOMES - 1)])
def test_what_nobody_sees_moves_no_traffic(
    champion: LiveModel, challenger: LiveModel, explored: tuple[int, int]
) -> None:
    """However cheap a model's loans are: without exploration nobody knows what refusals cost."""
    seen = loans(1_000, 100, refused=100, explored=(50, 40))
    unseen = loans(1_000, 0, refused=500, explored=explored)
    for mine, other in ((seen, unseen), (unseen, seen)):
        found = chosen(champion, challenger, mine, other, explore_share=0.0)
        assert found == {("champion", "bandit: no exploration"): 2_000}
        # While somebody explores, outcomes of refusals will come.
        trials = chosen(champion, challenger, mine, other)
        assert {why for _, why in trials} == {"bandit: first trials"}
        assert 0 < trials["challenger", "bandit: first trials"] < 1_000


@pytest.mark.parametrize("by_chance", [0, 2])
def test_where_chance_reaches_nobody_trials_end(
    champion: LiveModel, challenger: LiveModel, by_chance: int
) -> None:
    """A budget without room, or a bound below all PDs: after 30 refusals as without a share."""
    seen = loans(1_000, 100, refused=100, explored=(50, 40))

    def answered(in_force: int) -> set[str]:
        found = loans(100, 10, refused=40)
        refusals = replace(found.refusals, in_force=in_force, by_chance=by_chance)
        other = found._replace(refusals=refusals)
        return {why for _, why in chosen(champion, challenger, mine=seen, other=other)}

    assert answered(LEAST_OUTCOMES - 1) == {"bandit: first trials"}
    assert answered(LEAST_OUTCOMES) == {"bandit: no exploration"}


def test_a_model_that_overstates_risk_gains_nothing_by_it(
    champion: LiveModel, challenger: LiveModel
) -> None:
    """It says that all whom it refuses default; nine of ten of those explored did not."""
    honest = loans(9_000, 450, refused=1_000, explored=(100, 70))
    gloomy = loans(5_000, 200, refused=5_000, explored=(100, 90))
    found = chosen(champion, challenger, mine=honest, other=gloomy)
    assert found["champion", "bandit"] / found.total() > 0.99
    # What exploration has shown stays known once it is switched off.
    found = chosen(champion, challenger, mine=gloomy, other=honest, explore_share=0.0)
    assert found["challenger", "bandit"] / found.total() > 0.99


@pytest.mark.parametrize("seed", range(3))
def test_a_bandit_that_learns_leaves_the_model_that_overstates_risk(
    champion: LiveModel, challenger: LiveModel, seed: int
) -> None:
    """By its own word the challenger would be the cheaper one: its refusals hardly ever pay."""
    rng, cutoff = dice(seed), 1 / (1 + LOSS)
    policy = Policy("bandit", challenger_share=0.3, explore_share=0.2, explore_bound=1.0)
    overstated = {champion.digest: 0.0, challenger.digest: 2.0}
    # Loans, their defaults, all decided, refused, explored, of these good, and by its own word.
    counts = {digest: [0, 0, 0, 0, 0, 0, 0.0] for digest in overstated}
    answered = []
    for number in range(40_000):
        experience = {d: experienced(*own[:6], policy.explore_share) for d, own in counts.items()}
        live = route(number, champion, challenger, policy, experience, rng).model
        odds = rng.normalvariate(-2.5, 1.0)
        defaults = rng.random() < logistic(odds)
        pd = logistic(odds + overstated[live.digest])
        own = counts[live.digest]
        own[2] += 1
        if pd <= cutoff:
            own[0] += 1
            own[1] += defaults
        else:
            own[3] += 1
            own[6] += 1 - pd
            if rng.random() < policy.explore_share:
                own[4] += 1
                own[5] += not defaults
        answered.append(live)
    mine, other = ((LOSS * bad + word) / all_of for _, bad, all_of, *_, word in counts.values())
    assert other < mine
    assert answered[-2_000:].count(champion) > 1_900


def logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def experienced(
    number: float,
    bad: float,
    decided: float,
    refused: float,
    seen: float,
    good: float,
    share: float,
) -> Experience:
    """What is known where every outcome comes at once."""
    sums = (seen / share, good / share, seen / share**2, good / share**2)
    known = CostSummary(int(number), bad * LOSS, bad * LOSS**2)
    return Experience(known, RefusalSummary(int(decided), refused, int(seen), *sums))


def test_without_refusals_only_outcomes_count() -> None:
    rng = dice(0)
    draws = [draw_cost(Experience(CostSummary(10**6, 5e5, 5e6), NOBODY), rng) for _ in range(100)]
    assert fmean(draws) == pytest.approx(0.5, abs=0.002)


@pytest.mark.parametrize("apart", [1, 0])
def test_whoever_only_asks_does_not_move_the_traffic(
    champion: LiveModel, challenger: LiveModel, store: Store, apart: int
) -> None:
    """2,000 requests of one key, about many applicants or one, half of them refused by a model."""
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def decide(
        live: LiveModel,
        caller: str,
        number: int,
        decision: str,
        first: int,
        apart: int = 1,
        **changes: Any,
    ) -> list[Prediction]:
        made = [
            prediction(at=start, applicant=str(first + apart * i), caller=caller, pd=0.2,
                       model_digest=live.digest, decision=decision, **changes)
            for i in range(number)
        ]  # fmt: skip
        return store.decisions.record(made)

    def challengers_share() -> float:
        realised = store.outcomes.realised(start, LOSS)
        mine, other = (Experience(*realised[live.digest]) for live in (champion, challenger))
        found = chosen(champion, challenger, mine, other)
        return found["challenger", "bandit"] / found.total()

    for live, first in ((champion, 10_000), (challenger, 20_000)):
        loans = decide(live, "lender", 300, "accept", first)
        decide(live, "lender", 60, "refuse", first + 1_000)
        drawn = decide(live, "lender", 40, "accept", first + 2_000, model_decision="refuse",
                       exploration="drawn", propensity=0.4)  # fmt: skip
        store.outcomes.record(
            [
                Outcome(one.applicant, one.id, i < 7, start, start, "lender")
                for some in (loans[:100], drawn)
                for i, one in enumerate(some)
            ]
        )
    before = challengers_share()
    assert before == pytest.approx(0.5, abs=0.05)
    decide(champion, "stranger", 1_000, "accept", 100_000, apart)
    decide(challenger, "stranger", 1_000, "refuse", 200_000, apart)
    assert challengers_share() == pytest.approx(before, abs=0.03)
