"""Time simulated: models that age, policies, and what they cost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from scoring.data.dataset import Dataset
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.serving.costs import Costs
from scoring.serving.scorer import Calibration, Scorer
from scoring.store import Outcome
from studies.__main__ import app
from studies.simulation.arrivals import STRAIN, Pool, SimulationError, draw
from studies.simulation.branch import Branch, Event, Ledger
from studies.simulation.figures import by_month, paired_saving, summary
from studies.simulation.learning import Labelled, Trainer
from studies.simulation.policies import (
    AlarmLimits,
    Every,
    OnAlert,
    Rivals,
    by_likelihood,
    of_applicants,
    of_outcomes,
)
from studies.simulation.report import conclusions, write
from studies.simulation.run import Course, SimulationSettings, World, course, simulate, start_world
from studies.simulation.scenarios import SCENARIOS, Conditions, Scenario
from studies.simulation.service import DatedStore, Service, day
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
    scenarios=("sudden",), months=6, applicants=150, delay=1, every=2, learn_from=700, seed=4
)
CALM = Scenario("calm", "", Conditions(), lambda _month, _months: 0.0)


@pytest.fixture(scope="module")
def trainer(sample_features: pl.DataFrame, sample_examples: Examples) -> Trainer:
    """A world with a simple truth, which 40 trees of 11 columns can learn."""
    columns = tuple(one for one in sample_examples.features if one.name in COLUMNS)
    score = sample_features["EXT_SOURCE_2"].fill_null(0.5).to_numpy().astype(np.float64)
    truth = -2.0 - 1.0 * (score - score.mean()) / score.std()
    drawn = np.random.default_rng(8).random(truth.size) < 1 / (1 + np.exp(-truth))
    first = Examples(sample_features[:700], drawn[:700].astype(np.int8), columns)
    pool = Pool.of(sample_features[700:], truth[700:])
    return Trainer(first, pool, CONFIGURATION, Costs(5.0, 1.0), SETTINGS.learn_from, seed=1)


@pytest.fixture(scope="module")
def world(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> World:
    return start_world(trainer, tmp_path_factory.mktemp("world") / "model")


@pytest.fixture(scope="module")
def model(world: World) -> Scorer:
    return Scorer.load(world.model)


@pytest.fixture(scope="module")
def courses(world: World) -> list[Course]:
    return simulate(world, SETTINGS)


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
    return Scenario("always", "", conditions, lambda _month, _months: 1.0)


def named(courses: list[Course], policy: str) -> Course:
    (found,) = (one for one in courses if one.policy == policy)
    return found


def test_a_model_that_stays_answers_everybody_to_the_last_bit(
    courses: list[Course], trainer: Trainer, model: Scorer
) -> None:
    found = named(courses, "never retrain")
    pds = model.predict(trainer.pool.features)
    assert np.array_equal(found.ledger.pd, pds[found.arrivals.place])
    refused = np.array([decision == "refuse" for decision in model.decide(found.ledger.pd)])
    assert np.array_equal(found.ledger.refused, refused)
    assert found.events == ()


def test_the_same_seed_gives_the_same_course_whatever_is_drawn(world: World) -> None:
    short = replace(SETTINGS, every=1)
    first, again = (course(world, short, "recession", "bandit") for _ in range(2))
    assert first.ledger.by_challenger.any()
    assert np.array_equal(first.ledger.pd, again.ledger.pd)
    assert first.events == again.events


def test_after_a_change_of_who_defaults_new_models_cost_less(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    strong = Scenario(
        "strong", "", Conditions(burden=1.5), lambda month, _months: float(month >= 2)
    )
    monkeypatch.setitem(SCENARIOS, "strong", strong)
    settings = replace(SETTINGS, months=8, applicants=300)
    frozen, renewed = (
        course(world, settings, "strong", policy) for policy in ("never retrain", "every 2 months")
    )
    assert paired_saving(renewed, frozen).low > 0
    months = by_month([frozen, renewed]).filter(pl.col("month") >= 4)
    beyond = months.group_by("policy").agg((pl.col("cost") - pl.col("least_cost")).mean())
    found = dict(beyond.iter_rows())
    assert found["every 2 months"] < 0.75 * found["never retrain"]


def test_all_policies_meet_the_same_applicants(courses: list[Course]) -> None:
    for one in courses[1:]:
        assert np.array_equal(one.arrivals.place, courses[0].arrivals.place)
        assert np.array_equal(one.least_cost, courses[0].least_cost)
        assert np.all(one.cost >= one.least_cost)


def test_before_there_are_outcomes_all_policies_decide_alike(courses: list[Course]) -> None:
    first = courses[0].arrivals.month <= SETTINGS.delay
    for one in courses[1:]:
        assert np.array_equal(one.ledger.pd[first], courses[0].ledger.pd[first])


def test_without_a_change_there_is_no_alarm(world: World) -> None:
    assert course(world, SETTINGS, "none", "on alert").events == ()


def test_other_applicants_and_other_outcomes_raise_alarms_of_their_own(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, always(Conditions(mix=1.0)), 1)
    (told, *_) = of_applicants(branch, 1, AlarmLimits())
    assert "PDs have moved" in told
    assert list(of_outcomes(branch, 1, AlarmLimits())) == []


def test_outcomes_beyond_what_was_promised_are_an_alarm(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, always(Conditions(level=1.2)), 4)
    assert list(of_applicants(branch, 4, AlarmLimits())) == []
    (told,) = of_outcomes(branch, 4, AlarmLimits())
    defaults, expected = map(int, re.findall(r"\d+", told))
    assert defaults > 1.5 * expected


def test_an_alarm_over_applicants_waits_for_their_outcomes(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    policy = OnAlert(AlarmLimits(deviation=1e9))
    arrivals = draw(trainer.pool, always(Conditions(mix=1.0)), 4, 500, seed=2)
    branch = Branch(service, trainer, arrivals, 2, model)
    for month in range(4):
        policy.review(branch, month)
        branch.decide(month)
    assert [(event.month, event.what) for event in branch.events] == [
        (1, "an alarm, and outcomes awaited"),
        (3, "a new champion"),
    ]


def test_nobody_learns_from_those_who_were_refused_or_whose_time_has_not_come(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, CALM, 4)
    found = branch.labelled(3)
    assert set(branch.arrivals.month[found]) == {0, 1}
    assert not branch.ledger.refused[found].any()
    assert branch.ledger.refused[branch.arrivals.month < 2].any()
    assert set(branch.arrivals.month[branch.labelled(3, since=1)]) == {1}


def test_outcomes_reach_the_store_once_they_are_known(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, CALM, 3)
    year_ago = datetime.now(UTC) - timedelta(days=365)
    ((digest, (known, _)),) = service.store.outcomes.realised(year_ago, 10.0).items()
    due = branch.labelled(2)
    assert known.applicants == due.size
    assert known.total == 10 * branch.arrivals.defaulted[due].sum()
    assert len(digest) == 64


def test_a_challenger_is_scored_along_and_answers_nobody(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = lived(service, trainer, model, CALM, 1)
    other = replace(model, version="other", calibration=Calibration(1.0, 0.3))
    arrivals = draw(trainer.pool, CALM, 2, 60, seed=3)
    branch = Branch(service, trainer, arrivals, 1, model)
    branch.challenge(other, "shadow")
    branch.decide(0)
    rows = arrivals.of_month(0)
    places = arrivals.place[rows]
    assert np.array_equal(branch.ledger.pd[rows], model.predict(trainer.pool.features)[places])
    assert np.array_equal(
        branch.ledger.shadow_pd[rows], other.predict(trainer.pool.features)[places]
    )
    assert not branch.ledger.by_challenger.any()


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
        found.append({one.why for one in branch.last})
    assert found == [{"bandit: first trials"}, {"bandit: first trials"}, {"bandit"}]


@pytest.mark.parametrize(
    ("moved", "ends"), [("champion", "a new champion"), ("challenger", "the challenger is dropped")]
)
def test_the_rival_stays_whose_pds_are_right(
    service: Service, trainer: Trainer, model: Scorer, moved: str, ends: str
) -> None:
    low = replace(model.calibration, intercept=model.calibration.intercept - 1.5)
    wrong = replace(model, version="wrong", calibration=low)
    pair = (wrong, model) if moved == "champion" else (model, wrong)
    branch = Branch(service, trainer, draw(trainer.pool, CALM, 4, 400, seed=6), 1, pair[0])
    policy = Rivals("shadow", 99, by_likelihood)
    branch.challenge(pair[1], "shadow")
    for month in range(4):
        policy.review(branch, month)
        branch.decide(month)
    assert [event.what for event in branch.events] == [ends]
    assert branch.champion is model
    assert branch.challenger is None


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
    assert one.at == day(0)
    assert store.decisions.find(one.id) == one
    outcome = Outcome(one.applicant, one.id, True, day(3), day(3), "test")
    store.outcomes.record([outcome])
    year_ago = datetime.now(UTC) - timedelta(days=365)
    for month, known in ((11, 1), (14, 0)):
        store.today = day(month)
        assert len(store.outcomes.realised(year_ago, 10.0)) == known
    store.close()


def test_a_new_model_has_the_level_of_the_newest_outcomes(trainer: Trainer, model: Scorer) -> None:
    rng = np.random.default_rng(3)
    place = rng.integers(trainer.pool.risk.size, size=400)
    calm = rng.random(400) < trainer.pool.probability(Conditions())[place]
    bad = rng.random(400) < trainer.pool.probability(Conditions(level=1.5))[place]
    known = Labelled(np.concatenate([place, place]), np.concatenate([calm, bad]))
    recent = np.arange(trainer.pool.risk.size)
    made = trainer.model(model, known, 400, recent, "new")
    mean = made.predict(trainer.pool.features)[place].mean()
    assert mean == pytest.approx(bad.mean(), rel=0.15)
    assert mean > 1.5 * calm.mean()
    assert made.version == "new"
    assert made.profile is not None
    assert made.profile.applicants == recent.size
    assert sum(made.profile.importance.values()) == pytest.approx(1.0)


def test_the_reference_of_a_new_model_is_what_it_says_of_those_who_came_last(
    trainer: Trainer, model: Scorer
) -> None:
    recent = np.arange(80)
    place = np.arange(150)
    known = Labelled(place, np.arange(150) % 6 == 0)
    made = trainer.model(model, known, 150, recent, "new")
    frame = trainer.pool.features[recent]
    decisions = made.decide(made.predict(frame))
    assert made.profile is not None
    assert made.profile.decisions == {name: decisions.count(name) for name in set(decisions)}


def test_time_alone_makes_a_model_each_time_but_not_without_outcomes(
    service: Service, trainer: Trainer, model: Scorer
) -> None:
    branch = Branch(service, trainer, draw(trainer.pool, CALM, 5, 500, seed=1), 2, model)
    policy = Every(2)
    for month in range(5):
        policy.review(branch, month)
        branch.decide(month)
    assert [event.month for event in branch.events] == [4]
    assert branch.since == 2


def invented(policy: str, refused: list[bool]) -> Course:
    """A course of one month with the costs 10 x PD, or 1 - PD where refused."""
    size = len(refused)
    arrivals = draw(
        Pool(pl.DataFrame(), np.empty((0, 0), np.float32), *(np.full(4, -1.0),) * 3),
        CALM, 1, size, seed=0,
    )  # fmt: skip
    ledger = Ledger.of(size)
    ledger.refused[:] = refused
    ledger.pd[:] = np.linspace(0.1, 0.9, size)
    return Course("calm", policy, arrivals, ledger, Costs(), (Event(0, "a new champion", "time"),))


def test_costs_are_those_of_the_true_probabilities() -> None:
    p = 1 / (1 + np.exp(1.0))
    one, other = invented("never", [False, False]), invented("half", [False, True])
    assert one.cost == pytest.approx([10 * p, 10 * p])
    assert other.cost == pytest.approx([10 * p, 1 - p])
    assert other.least_cost == pytest.approx([1 - p, 1 - p])
    saved = paired_saving(other, one)
    assert saved.value == pytest.approx((10 * p - (1 - p)) / 2)
    assert saved.low < saved.value < saved.high


def test_the_summary_adds_up_the_months() -> None:
    pair = [invented("never", [False] * 40), invented("some", [True] * 10 + [False] * 30)]
    months, total = by_month(pair), summary(pair)
    assert total["cost"].to_list() == pytest.approx(months["cost"].to_list())
    assert total["refused"].to_list() == [0.0, 0.25]
    assert total["saved"].to_list()[0] == 0.0
    assert total["champions"].to_list() == [1, 1]
    assert months["done"].to_list() == ["a new champion: time"] * 2


def test_what_is_concluded_follows_from_the_figures() -> None:
    never, better = invented("never", [False] * 40), invented("better", [True] * 40)
    (told,) = conclusions(summary([never, better]))
    assert "the most is saved by better" in told
    (told,) = conclusions(summary([better, never]))
    assert "never surely cost more" in told
    (told,) = conclusions(summary([never, never]))
    assert "No policy can be told from doing nothing" in told


def test_the_report_is_one_page_that_loads_nothing(courses: list[Course], tmp_path: Path) -> None:
    total = write(tmp_path, courses, SETTINGS, "About <this>.")
    text = (tmp_path / "simulation.html").read_text(encoding="utf-8")
    assert "About &lt;this&gt;." in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert all(f'scope="row">{policy}</th>' in text for policy in total["policy"])
    assert (tmp_path / "simulation.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((tmp_path / "simulation.json").read_text(encoding="utf-8"))
    assert len(found["summary"]) == len(SETTINGS.policies) == 5
    assert len(found["months"]) == 5 * SETTINGS.months
    assert found["summary"][1]["saved"] == total["saved"][1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "index.html", "simulation.html", "simulation.json", "simulation.png",
    ]  # fmt: skip


def test_the_command_names_the_scenarios_there_are() -> None:
    done = CliRunner().invoke(app, ["simulate", "--scenario", "war"])
    assert done.exit_code == 1
    assert "none, sudden, gradual, seasonal, recession or all, not 'war'" in done.output
    assert set(SCENARIOS) == {"none", "sudden", "gradual", "seasonal", "recession"}


def test_the_command_simulates_a_dataset(
    sample: Dataset, small_model: Path, tmp_path: Path
) -> None:
    words = [
        "simulate", "--months", "1", "--applicants", "50", "--scenario", "gradual", "--data",
        str(sample.folder), "--model", str(small_model), "--out", str(tmp_path),
        "--processes", "2", "--runs", "0",
    ]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "gradual: a model that is never replaced costs" in done.output
    assert (tmp_path / "simulation.html").is_file()
