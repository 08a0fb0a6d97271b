"""Every gate refuses what it should and lets through what it should."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.business import business_cost
from scoring.evaluation.metrics import paired_difference
from scoring.registry import gates
from scoring.registry.gates import (
    FOUR_FIFTHS,
    Gate,
    GateVerdict,
    HeldOut,
    Incomparable,
    Margins,
    Scored,
    chance_ece,
)
from scoring.reports.card.fields import Card
from scoring.reports.card.pages import retold
from scoring.reports.words import Words
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer
from tests.helpers.cards import filled_card

Floats = npt.NDArray[np.float64]
APPLICANTS = 3000
NO_GROUPS = pl.DataFrame()
RULE = "the salted hash below 0.2"


def judge(
    challenger: Scored,
    champion: Scored | Incomparable | None,
    held_out: HeldOut,
    card: Card | None,
    margins: Margins | None = None,
    past: Sequence[Scored] = (),
) -> GateVerdict:
    """With fewer resamples than by default."""
    return gates.judge(challenger, champion, held_out, card, margins, resamples=100, past=past)


def logit(pds: Floats) -> Floats:
    return np.log(pds / (1 - pds))


def expit(scores: Floats) -> Floats:
    return 1 / (1 + np.exp(-scores))


@pytest.fixture(scope="module")
def truth() -> Floats:
    """PDs of 3,000 applicants, 8 % on average, which rank them with an AUC near 0.76."""
    return expit(np.random.default_rng(0).normal(-2.9, 1.05, APPLICANTS))


@pytest.fixture(scope="module")
def held_out(truth: Floats) -> HeldOut:
    """Outcomes drawn from the PDs; sex has nothing to do with them, age a little."""
    rng = np.random.default_rng(1)
    age = np.where(truth + rng.normal(0, 0.3, APPLICANTS) > 0.2, "20-39", "40-69")
    sex = rng.choice(["F", "M"], APPLICANTS, p=[0.65, 0.35])
    target = (rng.random(APPLICANTS) < truth).astype(np.int8)
    return HeldOut(target, pl.DataFrame({"sex": sex, "age": age}), RULE)


@pytest.fixture(scope="module")
def card() -> Card:
    return filled_card(version="2")


Model = Callable[..., Scored]


@pytest.fixture(scope="module")
def model(scorer: Scorer) -> Model:
    """Makes a model of some version that gives some PDs."""

    def make(version: str, pds: Floats, rule: str | None = RULE, **changes: Any) -> Scored:
        lineage = {"training": {} if rule is None else {"holdout": rule}}
        return Scored(replace(scorer, version=version, lineage=lineage, **changes), pds)

    return make


def refused(verdict: GateVerdict) -> list[str]:
    return [gate.name for gate in verdict.refused_by()]


def gate_of(verdict: GateVerdict, name: str) -> Gate:
    return next(gate for gate in verdict.gates if gate.name == name)


def noisy(pds: Floats, spread: float, seed: int = 2) -> Floats:
    """PDs of a model that sees less, calibrated as well as before."""
    rng = np.random.default_rng(seed)
    scores = logit(pds) + rng.normal(0, spread, pds.size)
    shrunk = np.var(logit(pds)) / np.var(scores)
    return expit(logit(pds).mean() + shrunk * (scores - scores.mean()))


def test_a_first_champion_passes_the_absolute_gates_alone(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    verdict = judge(model("2", truth), None, held_out, card)
    assert refused(verdict) == []
    assert verdict.passed
    assert (verdict.challenger, verdict.champion) == ("2", None)
    assert verdict.applicants == APPLICANTS
    assert verdict.defaults == held_out.target.sum()
    assert [name for name in verdict.summary() if "against" in name] == []
    assert 0.7 < gate_of(verdict, "no leakage").figure < 0.8


def test_an_equal_and_a_better_model_pass(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    equal = judge(model("2", truth), model("1", truth), held_out, card)
    assert refused(equal) == []
    assert gate_of(equal, "AUC against the champion").figure == 0
    better = judge(model("2", truth), model("1", noisy(truth, 1.0)), held_out, card)
    assert refused(better) == []
    assert gate_of(better, "AUC against the champion").figure > 0.02
    assert better.champion == "1"


def test_a_worse_model_is_refused_for_what_it_does_worse(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    verdict = judge(model("2", noisy(truth, 1.0)), model("1", truth), held_out, card)
    assert {"AUC against the champion", "business cost against the champion"} <= set(
        refused(verdict)
    )
    gate = gate_of(verdict, "AUC against the champion")
    assert gate.figure < gate.bound < 0
    assert "worse beyond chance" in gate.sentence


def test_noise_is_seldom_refused_and_a_clear_loss_seldom_let_through(
    model: Model, truth: Floats, card: Card
) -> None:
    """On 2,000 applicants: models that differ as two trainings of a recipe do, and a worse one."""
    first, again, worse = (noisy(truth, *how) for how in ((0.25, 9), (0.25, 10), (1.2, 11)))
    champion = model("1", first[:2000])
    found: dict[str, int] = {"again": 0, "worse": 0}
    for draw in range(12):
        rng = np.random.default_rng(100 + draw)
        target = (rng.random(2000) < truth[:2000]).astype(np.int8)
        for name, pds in (("again", again), ("worse", worse)):
            challenger = model("2", pds[:2000])
            verdict = gates.judge(
                challenger,
                champion,
                HeldOut(target, NO_GROUPS, RULE),
                card,
                Margins(suspect_auc=1),
                100,
            )
            found[name] += not verdict.passed
    assert found["again"] <= 3
    assert found["worse"] >= 10


def test_worse_beyond_doubt_is_refused_within_the_margin_too(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    margins = Margins(auc=0.5, business_cost=0.5, brier=0.5, ece=0.5)
    verdict = judge(model("2", noisy(truth, 1.0)), model("1", truth), held_out, card, margins)
    assert "AUC against the champion" in refused(verdict)


def test_a_doubtful_loss_beyond_the_margin_is_refused(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    few = HeldOut(held_out.target[:300], NO_GROUPS, RULE)
    worse, champion = model("2", noisy(truth, 0.3, 4)[:300]), model("1", truth[:300])
    loose = Margins(auc=0.2, business_cost=1, brier=1, ece=1, suspect_auc=1)
    lenient = judge(worse, champion, few, card, loose)
    strict = judge(worse, champion, few, card, replace(loose, auc=1e-9))
    assert refused(lenient) == []
    assert refused(strict) == ["AUC against the champion"]


def test_a_miscalibrated_model_is_refused_although_it_ranks_as_well(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    wrong = expit(logit(truth) + 0.8)
    alone = judge(model("2", wrong), None, held_out, card)
    assert refused(alone) == ["calibration"]
    against = judge(model("2", wrong), model("1", truth), held_out, card)
    assert {
        "calibration", "Brier score against the champion", "calibration error against the champion",
    } <= set(refused(against))  # fmt: skip
    assert gate_of(against, "AUC against the champion").passed


def test_a_miscalibrated_model_may_follow_one_that_is_worse_beyond_doubt(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    wrong, worse = expit(logit(truth) + 0.6), expit(logit(truth) + 1.2)
    gate = gate_of(judge(model("2", wrong), model("1", worse), held_out, card), "calibration")
    assert gate.passed
    assert gate.alert
    assert gate.figure > gate.bound
    assert "beyond chance less than the champion's" in gate.sentence
    equal = judge(model("2", wrong), model("1", wrong), held_out, card)
    assert refused(equal) == ["calibration"]


def test_the_level_of_pds_is_measured_on_recent_outcomes_alone(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    rng = np.random.default_rng(5)
    current = rng.random(APPLICANTS) < 0.3
    raised = expit(logit(truth) + 1.0)
    target = np.where(current, rng.random(APPLICANTS) < raised, held_out.target).astype(np.int8)
    changed = HeldOut(target, NO_GROUPS, RULE)
    models = model("2", raised), model("1", truth)
    on_all = judge(*models, changed, card)
    assert "calibration" in refused(on_all)
    on_recent = judge(*models, replace(changed, current=current), card)
    assert refused(on_recent) == []
    names = "AUC against the champion", "business cost against the champion"
    for name in names:
        assert gate_of(on_recent, name) == gate_of(on_all, name)


def test_calibration_is_not_refused_for_what_few_applicants_do(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    few = HeldOut(held_out.target[:200], NO_GROUPS, RULE)
    verdict = judge(model("2", truth[:200]), None, few, card)
    gate = gate_of(verdict, "calibration")
    assert gate.passed
    assert gate.bound > Margins().worst_ece
    assert chance_ece(truth[:200]) > chance_ece(truth[:1000]) > chance_ece(truth)
    assert gate_of(judge(model("2", truth), None, held_out, card), "calibration").bound == 0.03
    weights = np.where(np.arange(truth.size) % 50, 1.0, 50.0)
    assert chance_ece(truth, sample_weight=weights) > 2 * chance_ece(truth)
    weighed = replace(held_out, sample_weight=weights)
    assert gate_of(judge(model("2", truth), None, weighed, card), "calibration").bound > 0.03


def test_a_model_too_good_to_be_true_is_refused_and_no_force_helps(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    leaking = expit(logit(truth) + 1.5 * (held_out.target - 0.08))
    verdict = judge(model("2", leaking), model("1", truth), held_out, card)
    gate = gate_of(verdict, "no leakage")
    assert not gate.passed
    assert gate.figure > gate.bound == 0.82
    assert [found.name for found in verdict.refused_by(force=True)] == ["no leakage"]


def test_few_defaults_rank_well_by_chance_but_not_as_a_leak_does(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    few = HeldOut(held_out.target[:300], NO_GROUPS, RULE)
    lucky = expit(logit(truth) + 0.6 * (held_out.target - 0.08))[:300]
    leaking = expit(logit(truth) + 4.0 * (held_out.target - 0.08))[:300]
    found = [
        gate_of(judge(model("2", pds), None, few, card), "no leakage") for pds in (lucky, leaking)
    ]
    assert all(gate.figure > 0.82 for gate in found)
    assert [(gate.passed, gate.alert) for gate in found] == [(True, True), (False, False)]


def test_a_model_that_refuses_one_sex_more_is_refused(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    unfair = expit(logit(truth) + np.where((held_out.groups["sex"] == "M").to_numpy(), 1.0, 0.0))
    alone = judge(model("2", unfair), None, held_out, card)
    assert "fairness by sex" in refused(alone)
    assert "fairness by sex" in refused(
        judge(model("2", unfair), model("1", truth), held_out, card)
    )
    gate = gate_of(alone, "fairness by sex")
    assert gate.figure < gate.bound == FOUR_FIFTHS
    assert "below the four-fifths rule" in gate.sentence


def test_where_the_champion_is_unfair_too_the_challenger_must_not_be_more_so(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    def by_sex(push: float) -> Floats:
        return expit(logit(truth) + np.where((held_out.groups["sex"] == "M").to_numpy(), push, 0.0))

    def fairness(challenger: float, champion: float) -> Gate:
        models = model("2", by_sex(challenger)), model("1", by_sex(champion))
        return gate_of(judge(*models, held_out, card), "fairness by sex")

    assert fairness(1.0, 1.0).passed
    assert fairness(1.0, 1.0).alert
    assert fairness(0.9, 1.5).passed
    assert not fairness(1.5, 1.0).passed
    assert not fairness(1.0, 0.0).passed
    assert fairness(0.0, 1.0).passed
    assert not fairness(0.0, 1.0).alert


def test_age_raises_an_alert_between_half_and_four_fifths(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    def fairness(push: float) -> Gate:
        pds = expit(
            logit(truth) + np.where((held_out.groups["age"] == "20-39").to_numpy(), push, 0.0)
        )
        return gate_of(judge(model("2", pds), None, held_out, card), "fairness by age")

    found = [fairness(push) for push in (0.0, 0.5, 3.0)]
    assert [(gate.passed, gate.alert) for gate in found] == [
        (True, found[0].figure < FOUR_FIFTHS), (True, True), (False, False),
    ]  # fmt: skip


def test_groups_of_a_few_applicants_raise_an_alert_only(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    sex = pl.DataFrame({"sex": np.where(np.arange(APPLICANTS) < 10, "M", "F")})
    verdict = judge(model("2", truth), None, HeldOut(held_out.target, sex, RULE), card)
    gate = gate_of(verdict, "fairness by sex")
    assert (gate.passed, gate.alert, gate.figure) == (True, True, "unknown")


def test_few_explored_leave_a_difference_in_cost_wider_than_a_bootstrap_does(
    model: Model, truth: Floats
) -> None:
    """Some thirty of the refused stand for twenty each; the challenger would accept many more."""
    rng, widths = np.random.default_rng(4), []
    for _ in range(10):
        theirs, ours = noisy(truth, 0.5), expit(logit(noisy(truth, 0.3)) - 0.4)
        chance = np.where(theirs > Costs().cutoff, 0.05, 1.0)
        seen = rng.random(APPLICANTS) < chance
        target, weights = rng.random(APPLICANTS) < truth, 1.0 / chance
        known = target[seen].astype(np.int8), weights[seen]
        scored = model("2", ours[seen]), model("1", theirs[seen])
        own = scored[0].minus(scored[1], known[0], resamples=100, sample_weight=known[1])
        cutoffs = (scored[0].scorer.cutoff,) * 2
        drawn = paired_difference(
            known[0], ours[seen], theirs[seen], *cutoffs, Costs(), 100, 0, known[1]
        )
        assert own["auc"] == drawn["auc"]
        pair = own["business_cost"], drawn["business_cost"]
        assert pair[0].value == pytest.approx(pair[1].value)
        widths.append([each.high - each.low for each in pair])
    exact, bootstrapped = np.mean(widths, axis=0)
    assert exact > 1.1 * bootstrapped


def test_a_model_that_accepts_nobody_is_refused(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    verdict = judge(model("2", np.maximum(truth, 0.2)), model("1", truth), held_out, card)
    assert {"fairness by sex", "fairness by age"} < set(refused(verdict))
    assert "Nobody held out is accepted" in gate_of(verdict, "fairness by age").sentence


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        (RULE, None, "The challenger may have learnt.*not recorded"),
        (RULE, "another rule", "The challenger may have learnt.*another rule"),
        ("another rule", RULE, "The champion may have learnt.*another rule"),
        (None, RULE, "The champion may have learnt.*not recorded"),
        ("another rule", "another rule", "The challenger may have learnt"),
    ],
)
def test_models_that_held_other_applicants_out_are_not_compared(
    model: Model, truth: Floats, held_out: HeldOut, card: Card,
    theirs: str | None, ours: str | None, told: str,
) -> None:  # fmt: skip
    verdict = judge(model("2", truth, ours), model("1", truth, theirs), held_out, card)
    assert refused(verdict) == ["held out"]
    assert re.search(told, gate_of(verdict, "held out").sentence)
    assert verdict.refused_by(force=True) == []


def test_a_champion_that_cannot_be_read_needs_a_motive(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    champion = Incomparable("1", "format 1, and this code reads format 2")
    verdict = judge(model("2", truth), champion, held_out, card)
    assert refused(verdict) == ["held out"]
    assert "format 1" in gate_of(verdict, "held out").sentence
    assert verdict.champion == "1"
    assert verdict.refused_by(force=True) == []


def test_a_champion_of_sample_applicants_gives_way_to_a_sound_challenger(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    champion = Incomparable("1", "it learnt from sample applicants", gives_way=True)
    verdict = judge(model("2", truth), champion, held_out, card)
    assert refused(verdict) == []
    assert verdict.champion == "1"
    assert "learnt from sample applicants" in gate_of(verdict, "held out").sentence
    other = judge(model("2", truth, "others"), champion, held_out, card)
    assert refused(other) == ["held out"]


def test_features_of_another_version_are_refused(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    sound = model("2", truth).scorer
    definitions = {**sound.definitions, "EXT_SOURCE_2": "0"}
    verdict = judge(model("2", truth, definitions=definitions), None, held_out, card)
    assert refused(verdict) == ["feature set"]
    assert "'EXT_SOURCE_2' is not computed" in gate_of(verdict, "feature set").sentence


def test_a_model_without_its_own_complete_card_is_refused(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    empty = replace(card, identity=replace(card.identity, owner=" "))
    other = replace(card, identity=replace(card.identity, version="7"))
    for wrong, told in ((None, "No model card"), (empty, "identity.owner"), (other, "version 7")):
        verdict = judge(model("2", truth), None, held_out, wrong)
        assert refused(verdict) == ["model card"]
        assert told in gate_of(verdict, "model card").sentence


def test_a_verdict_is_plain_json_and_the_same_every_time(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    verdicts = [
        judge(model("2", noisy(truth, 0.2)), model("1", truth), held_out, card) for _ in range(2)
    ]
    assert verdicts[0] == verdicts[1]
    for gate in verdicts[0].gates:
        assert type(gate.passed) is bool
        assert type(gate.figure) in {float, str}
        assert type(gate.bound) in {float, str}
        assert gate.sentence.endswith(".")


def test_what_gates_say_is_said_in_french_on_a_card() -> None:
    interval = Interval(-0.02, -0.03, -0.01)
    differences = {"auc": interval, "business_cost": Interval(0.01, -0.01, 0.03)}
    said = [
        *gates.on_original(differences),
        gates._not_worse("AUC", interval, 0.015, True, "champion"),
        gates._not_worse("Brier score", Interval(0.1, -0.2, 0.3), 0.001, False, "champion"),
        gates._not_worse(
            "calibration error", Interval(0.0, -0.1, 0.1), 0.015, False, "best champion"
        ),
        gates._fair("sex", Interval(0.9, 0.85, 0.95), 0.8, "a first champion needs"),
        gates._fair("age", Interval(0.6, 0.5, 0.7), 0.5, "a first champion needs"),
        gates._fair("sex", Interval(0.9, 0.85, 0.95), 0.8, "the champion's is 0.912, it needs"),
        gates._fair("age", Interval(0.6, 0.5, 0.7), 0.5, "the champion's is 0.655, it needs"),
        gates._unknown("age", some=True),
        gates._unknown("sex", some=False),
    ]
    english, french = Words("card", "en"), Words("card", "fr")
    for gate in said:
        assert retold(gate.sentence, english).replace("\u2212", "-") == gate.sentence
        told = retold(gate.sentence, french)
        assert not {"champion's", "accepted", "held-out", "worse"} & set(told.split()), told
        assert french.named("gates", gate.name) != gate.name


def test_a_hold_out_that_was_looked_at_too_often_is_asked_to_be_fresh(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    challenger = model("2", truth)
    most = Margins().uses
    for uses, name in ((0, []), (most - 1, []), (most, ["fresh hold-out"])):
        verdict = judge(challenger, None, replace(held_out, uses=uses), card)
        assert refused(verdict) == name
        assert verdict.refused_by(force=True) == []
        gate = gate_of(verdict, "fresh hold-out")
        assert (gate.figure, gate.bound) == (uses, most)
        assert f"measured on these applicants before: {uses} (" in gate.sentence
        assert retold(gate.sentence, Words("card", "fr")).startswith("Autres modèles déjà")


def test_the_auc_of_weighted_applicants_is_weighted(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    weights = np.random.default_rng(3).choice([1.0, 50.0], APPLICANTS, p=[0.9, 0.1])
    verdict = judge(model("2", truth), None, replace(held_out, sample_weight=weights), card)
    expected = roc_auc_score(held_out.target, truth, sample_weight=weights)
    assert gate_of(verdict, "no leakage").figure == pytest.approx(expected)


def test_losses_too_small_to_be_refused_one_by_one_do_not_add_up(
    model: Model, truth: Floats, held_out: HeldOut, card: Card
) -> None:
    """The first champion was better than the second, the challenger is a little worse than it."""
    best, champion, challenger = (
        model(str(number), noisy(truth, spread, 10 * number + 3))
        for number, spread in enumerate((0.2, 0.5, 0.7))
    )
    before = judge(challenger, champion, held_out, card)
    assert before.passed
    verdict = judge(challenger, champion, held_out, card, past=[best])
    assert [gate for gate in verdict.gates if "best" not in gate.name] == list(before.gates)
    assert "AUC against the best champion" in refused(verdict)
    sentence = gate_of(verdict, "AUC against the best champion").sentence
    assert "from the best champion's" in sentence
    assert "meilleur modèle mis en place" in retold(sentence, Words("card", "fr"))
    # The best does not stand in its own way.
    again = judge(model("2", best.pds), champion, held_out, card, past=[best])
    assert again.passed


def test_the_best_of_many_equals_is_not_flattered(
    model: Model, truth: Floats, held_out: HeldOut
) -> None:
    """Chosen on the applicants that it is measured on, the best of twelve would look better."""
    cutoff, costs = (own := model("1", truth).scorer).costs.cutoff, own.costs

    def cost(pds: Floats, target: npt.NDArray[np.int8]) -> float:
        return business_cost(target, pds, cutoff, costs)

    flattered, honest = [], []
    for seed in range(20):
        target = (np.random.default_rng(seed).random(APPLICANTS) < truth).astype(np.int8)
        equals = [model(str(i), noisy(truth, 0.6, 100 * seed + i)) for i in range(12)]
        prices = [cost(equal.pds, target) for equal in equals]
        flattered.append(min(prices) - np.mean(prices))
        best = gates._best(equals, replace(held_out, target=target), seed)
        honest.append(cost(best.pds, target) - np.mean(prices))
    error = np.std(honest) / np.sqrt(len(honest))
    assert np.mean(flattered) < -3 * error
    assert abs(np.mean(honest)) < 3 * error
