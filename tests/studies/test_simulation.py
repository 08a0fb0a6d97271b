"""Time simulated: models that age, policies, and what they cost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from typer.testing import CliRunner

from scoring.data.synthetic import write_sample
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples, is_held_out
from scoring.registry import gates
from scoring.registry.gates import Margins
from scoring.registry.retraining.retrain import NothingToLearnError
from scoring.registry.retraining.trial import Window
from scoring.registry.retraining.triggers import Triggers
from scoring.reports.words import Words
from scoring.serving.costs import Costs
from scoring.serving.scorer import Calibration, Scorer
from scoring.store import Labelled, Outcome
from studies.__main__ import app
from studies.simulation import branch as branches
from studies.simulation.arrivals import STRAIN, Pool, SimulationError, draw
from studies.simulation.branch import Branch, Event, Ledger
from studies.simulation.figures import by_month, paired_saving, summary
from studies.simulation.learning import WINDOW, Known, Trainer
from studies.simulation.policies import OnAlert, Scheduled
from studies.simulation.report import NAME, conclusions, write
from studies.simulation.run import Course, SimulationSettings, World, course, simulate, start_world
from studies.simulation.scenarios import SCENARIOS, Conditions, Scenario
from studies.simulation.service import DatedStore, Service, day, start
from tests.helpers.databases import prediction

CONFIGURATION = Candidate.of(
    "trees", n_estimators=40, learning_rate=0.1, num_leaves=8, colsample_bytree=0.3
)
# Few, so that models are quickly made.
COLUMNS = {
    "NAME_CONTRACT_TYPE", "AMT_CREDIT", "AMT_INCOME_TOTAL", "AMT_ANNUITY", "DAYS_EMPLOYED",
    "EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3", "REGION_RATING_CLIENT_W_CITY",
    "NAME_INCOME_TYPE", STRAIN,
}  # fmt: skip
SETTINGS = SimulationSettings(
    scenarios=("sudden",), months=8, applicants=150, delay=1, every=2, seed=4, seeds=1
)
CALM = Scenario("calm", Conditions(), lambda _month, _months: 0.0)


@pytest.fixture(scope="module")
def trainer(sample_features: pl.DataFrame, sample_examples: Examples) -> Trainer:
    """A world with a simple truth, which 40 trees of 11 columns can learn."""
    columns = tuple(one for one in sample_examples.features if one.name in COLUMNS)
    score = sample_features["EXT_SOURCE_2"].fill_null(0.5).to_numpy().astype(np.float64)
    truth = -1.2 - 1.0 * (score - score.mean()) / score.std()
    drawn = np.random.default_rng(8).random(truth.size) < 1 / (1 + np.exp(-truth))
    first = Examples(sample_features[:700], drawn[:700].astype(np.int8), columns)
    pool = Pool.of(sample_features[700:], truth[700:])
    return Trainer.of(first, pool, CONFIGURATION, Costs(2.0, 1.0), 700, seed=4)


@pytest.fixture(scope="module")
def world(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> World:
    return start_world(trainer, tmp_path_factory.mktemp("world") / "model")


@pytest.fixture(scope="module")
def model(world: World) -> Scorer:
    return Scorer.load(world.model)


@pytest.fixture(scope="module")
def courses(world: World) -> list[Course]:
    return simulate([world], SETTINGS)


@pytest.fixture
def service(trainer: Trainer, tmp_path: Path) -> Iterator[Service]:
    with closing(Service(tmp_path / "service", trainer.pool.vectors[:1], seed=0)) as found:
        yield found


def lived(
    service: Service, trainer: Trainer, model: Scorer, scenario: Scenario, months: int
) -> Branch:
    """A branch in which nothing is done about the model."""
    arrivals = draw(trainer.pool, scenario, months, 400, seed=2)
    branch = Branch(service, trainer, arrivals, 1, model)
    for month in range(months):
        branch.decide(month)
    return branch


def always(conditions: Conditions) -> Scenario:
    return Scenario("always", conditions, lambda _month, _months: 1.0)


def named(courses: list[Course], policy: str) -> Course:
    (found,) = (one for one in courses if one.policy == policy)
    return found


def test_a_model_that_stays_answers_everybody_to_the_last_bit(
    courses: list[Course], trainer: Trainer, model: Scorer
) -> None:
    found = named(courses, "never")
    pds = model.predict(trainer.pool.features)
    assert np.array_equal(found.ledger.pd, pds[found.arrivals.place])
    refused = np.array([decision == "refuse" for decision in model.decide(found.ledger.pd)])
    assert np.array_equal(found.ledger.refused, refused)
    assert found.events == ()


def test_the_same_seed_gives_the_same_course_whatever_is_drawn(world: World) -> None:
    first, again = (course(world, SETTINGS, "recession", "bandit") for _ in range(2))
    assert "challenger" in {event.what for event in first.events}
    assert np.array_equal(first.ledger.pd, again.ledger.pd)
    assert first.events == again.events


def test_after_a_change_of_who_defaults_new_models_cost_less(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    strong = Scenario("strong", Conditions(burden=1.5), lambda month, _months: float(month >= 1))
    monkeypatch.setitem(SCENARIOS, "strong", strong)
    settings = replace(SETTINGS, months=11, applicants=300)
    frozen, renewed = (
        course(world, settings, "strong", policy) for policy in ("never", "schedule")
    )
    promoted = [event.month for event in renewed.events if event.what == "promoted"]
    assert promoted
    later = frozen.arrivals.month >= promoted[0]
    assert renewed.cost[later].mean() < frozen.cost[later].mean()
    assert np.array_equal(renewed.cost[~later], frozen.cost[~later])


def test_all_policies_meet_the_same_applicants(courses: list[Course]) -> None:
    for one in courses[1:]:
        assert np.array_equal(one.arrivals.place, courses[0].arrivals.place)
        assert np.array_equal(one.least_cost, courses[0].least_cost)
        assert np.all(one.cost >= one.least_cost)


def test_before_there_are_outcomes_all_policies_decide_alike(courses: list[Course]) -> None:
    first = courses[0].arrivals.month <= SETTINGS.delay
    for one in courses[1:]:
        assert np.array_equal(one.ledger.pd[first], courses[0].ledger.pd[first])


def test_other_applicants_raise_alerts_that_call_for_nothing(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, always(Conditions(mix=1.0)), 1)
    branch.monitor(1)
    alerts = service.store.alerts.latest(open_only=True)
    assert "pd_drift" in {record.alert.rule for record in alerts}
    assert all(record.alert.since == start(0) for record in alerts)
    assert not branch.called(Triggers(alerts=True), 1)


def test_outcomes_beyond_what_was_promised_call_for_a_model(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, always(Conditions(level=1.2)), 2)
    branch.monitor(2)
    assert branch.called(Triggers(alerts=True), 2)


def test_an_alert_without_outcomes_enough_makes_no_model(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    arrivals = draw(trainer.pool, always(Conditions(level=1.2)), 3, 300, seed=2)
    branch, policy = Branch(service, trainer, arrivals, 1, model), OnAlert()
    for month in range(3):
        policy.review(branch, month)
        branch.decide(month)
    assert branch.called(Triggers(alerts=True), 2)
    assert branch.events == []


def test_nobody_learns_from_the_refused_from_the_newest_or_before_the_time(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, CALM, 6)
    months, refused = branch.arrivals.month, branch.ledger.refused
    with pytest.raises(NothingToLearnError):
        Known.at(service.store, branch.arrivals, start(1))
    known = Known.at(service.store, branch.arrivals, start(6))
    rows = {
        name: np.array(history.numbers) - 1
        for name, history in (("before", known.before), ("newest", known.window.history))
    }
    assert {0} <= set(months[rows["before"]]) <= {0, 1}
    assert {2, 3, 4} <= set(months[rows["newest"]]) <= {1, 2, 3, 4}
    assert max(rows["before"]) < min(rows["newest"])
    assert not refused[np.concatenate(list(rows.values()))].any()
    assert refused[months < 5].any()


def test_the_held_out_are_learnt_from_by_no_model(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, CALM, 6)
    known = Known.at(service.store, branch.arrivals, start(6))
    made = trainer.next_model(known, "next")
    held = is_held_out(trainer.first.frame["SK_ID_CURR"]).sum()
    new = is_held_out(pl.Series(known.before.numbers)).sum()
    assert trainer.original.held_out.target.size == held > 0
    assert model.lineage["training"]["applicants"] == trainer.first.target.size - held
    learnt = trainer.first.target.size + len(known.before.numbers) - held - new
    assert made.lineage["training"]["applicants"] == learnt


def test_outcomes_reach_the_store_once_they_are_known(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, CALM, 3)
    year_ago = datetime.now(UTC) - timedelta(days=365)
    ((digest, (known, _)),) = service.store.outcomes.realised(year_ago, 10.0).items()
    due = (branch.arrivals.month < 2) & ~branch.ledger.refused
    assert known.applicants == due.sum()
    assert known.total == 10 * branch.arrivals.defaulted[due].sum()
    assert len(digest) == 64


def test_a_challenger_is_scored_along_and_answers_nobody(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    other = replace(model, version="other", calibration=Calibration(1.0, 0.3))
    arrivals = draw(trainer.pool, CALM, 1, 60, seed=3)
    branch = Branch(service, trainer, arrivals, 1, model)
    branch.challenge(other, "shadow")
    branch.decide(0)
    pds = {
        own.version: own.predict(trainer.pool.features)[arrivals.place] for own in (model, other)
    }
    assert np.array_equal(branch.ledger.pd, pds[model.version])
    decided = {int(own.applicant): own for own in service.store.decisions.search()}
    shadows = [decided[row + 1].shadows[0].pd for row in range(60)]
    assert shadows == pds["other"].tolist()


def test_the_bandit_looks_at_what_has_become_known_by_the_month(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    # Of models that refuse nobody there is nothing that outcomes of loans would not tell.
    highest = 1.0 - 1e-9
    model = replace(model, cutoff=highest, refer_band=(highest, highest))
    branch = Branch(service, trainer, draw(trainer.pool, CALM, 3, 200, seed=5), 1, model)
    branch.challenge(replace(model, version="other"), "bandit", 0.5)
    found = []
    for month in range(3):
        branch.decide(month)
        made = service.store.decisions.search(since=start(month))
        found.append({decision.why for decision in made})
    assert found == [{"bandit: first trials"}, {"bandit: first trials"}, {"bandit"}]


def judged(
    service: Service, trainer: Trainer, champion: Scorer, challenger: Scorer, **others: bool
) -> Branch:
    """A branch whose challenger was judged after six months."""
    arrivals = draw(trainer.pool, CALM, 6, 400, seed=6)
    branch = Branch(service, trainer, arrivals, 1, champion, **others)
    branch.challenge(challenger, "shadow")
    for month in range(6):
        branch.decide(month)
    branch.settle(6)
    assert branch.challenger is None
    return branch


def moved(model: Scorer, by: float) -> Scorer:
    calibration = replace(model.calibration, intercept=model.calibration.intercept + by)
    return replace(model, version="wrong", calibration=calibration)


def test_the_rival_stays_that_costs_less(service: Service, trainer: Trainer, model: Scorer) -> None:
    branch = judged(service, trainer, moved(model, 1.0), model)
    assert [event.what for event in branch.events] == ["promoted"]
    assert branch.champion is model


def test_a_challenger_that_costs_more_goes(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = judged(service, trainer, model, moved(model, 1.0))
    assert [event.what for event in branch.events] == ["kept"]
    assert branch.champion is model


@pytest.mark.parametrize("attended", [False, True])
def test_nobody_promotes_what_gates_refuse(
    service: Service,
    trainer: Trainer,
    model: Scorer,
    attended: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "Margins", partial(Margins, uses=0))
    branch = judged(service, trainer, moved(model, 1.0), model, attended=attended)
    assert [event.what for event in branch.events] == ["refused"]
    assert "but gates refuse it: Other models measured on these applicants" in branch.events[0].why
    assert branch.champion is not model


@pytest.mark.parametrize(("attended", "ends"), [(False, "doubted"), (True, "approved")])
def test_what_is_in_doubt_waits_for_a_person(
    service: Service,
    trainer: Trainer,
    model: Scorer,
    attended: bool,
    ends: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(branches, "holding", lambda *_: ("An alert is critical.",))
    branch = judged(service, trainer, moved(model, 1.0), model, attended=attended)
    assert [event.what for event in branch.events] == [ends]
    assert "a person has to promote it" in branch.events[0].why
    assert (branch.champion is model) == attended


def test_a_model_that_the_service_does_not_take_ends_the_simulation(
    service: Service, model: Scorer
) -> None:
    service.serve("champion", model)
    with pytest.raises(SimulationError, match="refused the challenger"):
        service.serve(
            "challenger", replace(model, definitions=dict.fromkeys(model.definitions, "0"))
        )


def test_decisions_are_of_the_simulated_day_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    store = DatedStore(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    store.today = day(0)
    (one,) = store.decisions.record(
        [prediction(decision="accept", at=datetime(1999, 1, 1, tzinfo=UTC))]
    )
    assert one.at == day(0) + timedelta(milliseconds=1)
    assert store.decisions.find(one.id) == one
    outcome = Outcome(one.applicant, one.id, True, day(3), day(3), "test")
    store.outcomes.record([outcome])
    year_ago = datetime.now(UTC) - timedelta(days=365)
    for month, known in ((11, 1), (14, 0)):
        store.today = day(month)
        assert len(store.outcomes.realised(year_ago, 10.0)) == known
    store.close()


def test_a_new_model_has_the_level_of_the_newest_outcomes(trainer: Trainer) -> None:
    arrivals = draw(trainer.pool, CALM, 4, 400, seed=3)
    bad = np.random.default_rng(3).random(arrivals.size) < 0.6
    defaulted = np.where(arrivals.month < 2, arrivals.defaulted, bad)
    decisions = [
        Labelled(str(row), day(4 * int(arrivals.month[row])), str(row + 1), "id", 0.1, "", own, "")
        for row, own in enumerate(defaulted.tolist())
    ]
    half = arrivals.size // 2
    history = Known.history(decisions)
    since = day(12) + WINDOW
    made = trainer.next_model(Known(arrivals, history, Window(since, since, history, 0, 0)), "new")
    mean = made.predict(trainer.pool.features)[arrivals.place].mean()
    assert mean == pytest.approx(defaulted[half:].mean(), rel=0.15)
    assert mean > 1.5 * defaulted[:half].mean()
    assert made.version == "new"


def test_time_alone_makes_a_model_each_time_but_not_without_outcomes(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = Branch(service, trainer, draw(trainer.pool, CALM, 9, 200, seed=1), 1, model)
    policy = Scheduled(4)
    for month in range(9):
        policy.review(branch, month)
        branch.decide(month)
    assert [event.month for event in branch.events] == [8]


def invented(policy: str, refused: list[bool], seed: int = 0) -> Course:
    """A course of one month with the costs 10 x PD, or 1 - PD where refused."""
    size = len(refused)
    arrivals = draw(
        Pool(pl.DataFrame(), np.empty((0, 0), np.float32), *(np.full(4, -1.0),) * 3),
        CALM, 1, size, seed=0,
    )  # fmt: skip
    ledger = Ledger.of(size)
    ledger.refused[:] = refused
    ledger.pd[:] = np.linspace(0.1, 0.9, size)
    events = (Event(0, "promoted", "time"), Event(0, "challenger", ""), Event(0, "kept", ""))
    return Course("none", policy, seed, arrivals, ledger, Costs(), events)


def test_costs_are_those_of_the_true_probabilities() -> None:
    p = 1 / (1 + np.exp(1.0))
    one, other = invented("never", [False, False]), invented("half", [False, True])
    assert one.cost == pytest.approx([10 * p, 10 * p])
    assert other.cost == pytest.approx([10 * p, 1 - p])
    assert other.least_cost == pytest.approx([1 - p, 1 - p])


def test_the_summary_adds_up_the_months_and_takes_means_over_seeds() -> None:
    refusals = {"never": (0, 0), "schedule": (10, 20)}
    courses = [
        invented(policy, [place < number for place in range(40)], seed)
        for policy, numbers in refusals.items()
        for seed, number in enumerate(numbers)
    ]
    months, total = by_month(courses), summary(courses)
    costs = months.group_by("policy", maintain_order=True).agg(pl.col("cost").mean())
    assert total["cost"].to_list() == pytest.approx(costs["cost"].to_list())
    assert total["refused"].to_list() == [0.0, 0.375]
    assert total["saved"].to_list()[0] == 0.0
    each = 10 / (1 + np.exp(1.0)) - 1 / (1 + np.exp(-1.0))
    assert total["savings"].to_list()[1] == pytest.approx([each / 4, each / 2])
    assert total["saved_low"][1] < total["saved"][1] < total["saved_high"][1]
    assert total.select("judged", "cheaper", "champions").rows() == [(2.0, 1.0, 1.0)] * 2
    assert months["promoted"].to_list() == [1] * 4


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9))
def test_an_interval_over_seeds_is_student_s(savings: list[float]) -> None:
    value, low, high = paired_saving(savings)
    known = stats.ttest_1samp(savings, 0.0).confidence_interval() if np.ptp(savings) else None
    assert low <= value <= high
    if known:
        assert (low, high) == pytest.approx((known.low, known.high), abs=1e-9)
    assert paired_saving(savings, savings) == (0.0, 0.0, 0.0)


def told(language: str = "en", **savings: list[float]) -> str:
    """What is concluded of policies that save so much in each seed."""
    rows = [
        {"scenario": "none", "policy": policy, "cost": 0.5, "avoidable": 0.1, "savings": own,
         **paired_saving(own).columns("saved")}
        for policy, own in {"never": [0.0] * len(savings["alert"]), **savings}.items()
    ]  # fmt: skip
    return conclusions(pl.DataFrame(rows), Words(NAME, language))["none"]


def test_the_best_is_named_only_where_it_beats_the_next_beyond_chance() -> None:
    alert = [0.05, 0.06, 0.05, 0.06]
    words = told(alert=alert, bandit=[0.01, 0.02, 0.02, 0.01])
    assert "Cheaper beyond chance: alert, bandit. The most is saved by alert: 0.055" in words
    words = told(alert=alert, bandit=[0.01, 0.12, 0.06, 0.01])
    assert "Cheaper beyond chance: alert. " in words
    assert "alert and bandit cannot be told apart" in words
    assert "ne se distinguent pas" in told("fr", alert=alert, bandit=alert)


def test_what_is_dearer_or_not_to_be_told_is_said() -> None:
    assert "Dearer beyond chance: alert." in told(alert=[-0.05, -0.06, -0.05])
    assert "No policy can be told apart from never" in told(alert=[-0.05, 0.06, 0.01])
    assert "nothing can be told apart" in told(alert=[0.05])


def test_the_report_is_one_page_in_each_language_that_loads_nothing(
    courses: list[Course], tmp_path: Path
) -> None:
    about = {"model": "<this>", "dataset": "abc"}
    total = write(tmp_path, courses, SETTINGS, about)
    text = (tmp_path / "simulation.html").read_text(encoding="utf-8")
    assert "&lt;this&gt;" in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    for language in ("en", "fr"):
        words = Words(NAME, language)
        for policy in total["policy"]:
            name = words(f"names.{policy}")
            assert f'scope="row">{name}</th>' in text
    found = json.loads((tmp_path / "simulation.json").read_text(encoding="utf-8"))
    assert len(found["summary"]) == len(SETTINGS.policies) == 5
    assert len(found["months"]) == 5 * SETTINGS.months
    assert found["summary"][1]["saved"] == total["saved"][1]
    assert found["summary"][1]["saved_low"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "index.html", "simulation.html", "simulation.json",
    ]  # fmt: skip


def test_the_command_names_the_scenarios_there_are() -> None:
    done = CliRunner().invoke(app, ["simulate", "--scenario", "war"])
    assert done.exit_code == 1
    assert "none, sudden, gradual, seasonal, recession or all, not 'war'" in done.output
    assert set(SCENARIOS) == {"none", "sudden", "gradual", "seasonal", "recession"}


def test_the_command_simulates_a_dataset(small_model: Path, tmp_path: Path) -> None:
    sample = write_sample(tmp_path / "tables", 1500, test_applicants=0, seed=3)
    words = [
        "simulate", "--months", "1", "--applicants", "50", "--scenario", "gradual", "--data",
        str(sample.folder), "--model", str(small_model), "--out", str(tmp_path),
        "--processes", "1", "--seeds", "1", "--runs", "0",
    ]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "gradual: A model that is never replaced costs" in done.output
    assert (tmp_path / "simulation.html").is_file()
