"""A new champion from recorded decisions, with a real service, registry and database."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lightgbm as lgb
import mlflow
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.data.dataset import Dataset, write_dataset
from scoring.data.requests import body_of, frames_of, nameless, rows_of
from scoring.data.synthetic import write_sample
from scoring.data.tables import TABLES
from scoring.data.versions import DataVersions
from scoring.errors import ScoringError
from scoring.evaluation.off_policy import ENOUGH_EXPLORED
from scoring.features import build_features
from scoring.features.vectors import compute, from_bytes, pack, to_bytes
from scoring.modelling import pipeline
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import is_held_out
from scoring.modelling.pipeline import TrainingSettings
from scoring.registry import approval
from scoring.registry.holdout import held_out_rows, unseen
from scoring.registry.holdout_uses import HoldoutUses
from scoring.registry.lineage import lineage_of
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.registry.retraining import report
from scoring.registry.retraining.history import (
    Keys,
    applicants_of,
    combined,
    history_of,
    new_keys,
    numbers_of,
)
from scoring.registry.retraining.retrain import NothingToLearnError, attempt, gather
from scoring.registry.retraining.trial import LARGEST_MOVE, compared, effects
from scoring.registry.tracking import begin, track
from scoring.serving.batch import example_requests
from scoring.serving.costs import Costs
from scoring.serving.families.trees import BoostedTrees
from scoring.serving.materialize import materialize
from scoring.serving.scorer import Calibration, Feature, Floats, Scorer
from scoring.store import Alert, Outcome, Override, Prediction, Store, new_id
from tests.helpers import serving
from tests.helpers.databases import KEY

_ORIGINAL, _LATER, _BY_NUMBER, _AT_ONCE = 1500, 1700, 20, 80
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WINDOW = timedelta(days=90)
CALLERS = ("branch", "shop", "broker")
START = datetime(2024, 6, 1, tzinfo=UTC)
TRIGGER = {"OBS_30_CNT_SOCIAL_CIRCLE": 30, "FLAG_PHONE": 1, "OWN_CAR_AGE": 61.0}


@dataclass(frozen=True)
class World:
    """A champion that has learnt from some applicants, and its decisions on later ones."""

    everything: Dataset
    original: Dataset
    registry: Registry
    database: Path
    targets: dict[int, int]
    amounts: dict[int, float]

    @property
    def store(self) -> Store:
        return Store(f"sqlite:///{self.database}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everybody is decided on; nobody's outcome is known yet."""
    before = mlflow.get_tracking_uri()
    folder = tmp_path_factory.mktemp("world")
    everything = write_sample(folder / "all", _ORIGINAL + _LATER, seed=13)
    first, later = divided(everything)
    original = write_dataset(first, folder / "original", "synthetic")
    registry = Registry(folder / "mlruns")
    make_champion(registry, original, folder)
    decide(everything, later, registry.folder / "champion", folder)
    known = later.select("SK_ID_CURR", "TARGET", "AMT_CREDIT").rows()
    yield World(
        everything, original, registry, folder / "scoring.db",
        {number: target for number, target, _ in known},
        {number: amount for number, _, amount in known},
    )  # fmt: skip
    mlflow.set_tracking_uri(before)


def divided(everything: Dataset) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """The tables of the first applicants, and the applications of the others."""
    applications = everything.frames("train")["application"].collect()
    first, later = applications.head(_ORIGINAL), applications.slice(_ORIGINAL)
    tables = {"application_train": first}
    chosen = first.select("SK_ID_CURR")
    for name, rows in everything.frames("train").items():
        if name not in ("application", "bureau_balance"):
            tables[name] = rows.collect().join(chosen, on="SK_ID_CURR", how="semi")
    loans = tables["bureau"].select("SK_ID_BUREAU")
    balance = everything.frames("train")["bureau_balance"].collect()
    tables["bureau_balance"] = balance.join(loans, on="SK_ID_BUREAU", how="semi")
    return tables, later


def make_champion(registry: Registry, original: Dataset, folder: Path) -> None:
    """A quick one; of so few applicants the gates would refuse any."""
    candidate = replace(Candidate.of("trees", n_estimators=40, directed=False), kept=60)
    DataVersions.beside(registry.folder).keep(original)
    data, settings = pipeline.load(original), TrainingSettings(folds=2)
    with begin(data, settings):
        run = pipeline.retrain(data, candidate, (), settings, MODEL_NAME, "The first.")
        track(registry, run, "2024-01-01")
    verdict = approval.judged(registry, original)
    approval.promote(
        registry, verdict, "ana", "the first", force=True, export=registry.folder / "champion"
    )
    assert folder in registry.folder.parents


def decide(everything: Dataset, later: pl.DataFrame, model: Path, folder: Path) -> None:
    """One decision a few hours for 400 days, the first ones by number."""
    numbers = later["SK_ID_CURR"].to_list()
    at = {}
    with serving.running_app(serving.settings(model, folder)) as served:
        store: Store = served.extensions["service"].store
        few = pl.DataFrame({"SK_ID_CURR": numbers[:_BY_NUMBER]}, schema={"SK_ID_CURR": pl.Int32})
        materialize(only(everything, few, folder / "few"), store)
        client = served.test_client()
        known = [{"SK_ID_CURR": number} for number in numbers[:_BY_NUMBER]]
        asked = [*known, *example_requests(everything, numbers[_BY_NUMBER:])]
        for first in range(0, len(asked), _AT_ONCE):
            answer = client.post("/predict/batch", json=asked[first : first + _AT_ONCE])
            for place, one in enumerate(answer.get_json()["results"], first):
                days = 400 * place / len(numbers)
                at[one["prediction"]["id"]] = START + timedelta(days=days)
    with sqlite3.connect(folder / "scoring.db") as database:
        database.executemany(
            "UPDATE predictions SET at = ?, caller = ? WHERE id = ?",
            [
                (f"{when:%Y-%m-%d %H:%M:%S.%f}", CALLERS[place // 3 % 3], number)
                for place, (number, when) in enumerate(at.items())
            ],
        )


def only(everything: Dataset, applicants: pl.DataFrame, out: Path) -> Dataset:
    tables = {"application_train": everything.frames("train")["application"].collect()}
    tables |= {
        name: rows.collect()
        for name, rows in everything.frames("train").items()
        if name != "application"
    }
    chosen = {
        name: rows.join(applicants, on="SK_ID_CURR", how="semi")
        if "SK_ID_CURR" in rows.columns
        else rows
        for name, rows in tables.items()
    }
    return write_dataset(chosen, out, "synthetic")


@pytest.fixture
def living(world: World, tmp_path: Path) -> World:
    """The same decisions in a database of one's own."""
    copy = tmp_path / "scoring.db"
    with sqlite3.connect(world.database) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return replace(world, database=copy)


def tell(world: World, changed: bool, promised: bool = False) -> None:
    """Outcomes a year later of all who were not refused.

    Changed: one large loan in three goes wrong, too. Promised: as many go wrong as the champion
    said, of those of whom it said so.
    """
    dice = np.random.default_rng(2)
    large = float(np.quantile(list(world.amounts.values()), 0.6))
    store, told = world.store, []
    for place, one in enumerate(list(store.decisions.search())):
        number = int(one.applicant)
        defaulted = world.targets[number] == 1
        if changed:
            defaulted |= world.amounts[number] > large and number % 3 == 0
        if promised:
            defaulted = bool(dice.random() < one.pd)
        if one.decision != "refuse":
            observed = one.at + timedelta(days=365)
            caller = CALLERS[place // 9 % 3]
            told.append(Outcome(one.applicant, one.id, defaulted, observed, NOW, caller))
    store.outcomes.record(told)


def learnt_from(registry: Registry, digest: str) -> set[int]:
    """Who may have been learnt from: all of a dataset but those held out."""
    with DataVersions.beside(registry.folder).opened(digest) as dataset:
        numbers = dataset.frames("train")["application"].select("SK_ID_CURR").collect()
    return set(numbers["SK_ID_CURR"].filter(~is_held_out(numbers["SK_ID_CURR"])))


def test_rows_of_decisions_give_the_features_that_were_decided_on(living: World) -> None:
    tell(living, changed=False)
    store = living.store
    decisions = store.windows.labelled(NOW)
    numbers = numbers_of(store, decisions, [])
    history = history_of(store, decisions, numbers, Keys(1_000_000, 2_000_000))
    assert sum(history.left_out.values()) == 0
    assert {one.source for one in history.decisions} == {"id", "rows"}
    assert history.numbers == tuple(int(one.applicant) for one in history.decisions)
    recorded = {one.id: one.features for one in store.decisions.search()}
    expected = np.stack([from_bytes(recorded[one.id]) for one in history.decisions])
    assert np.array_equal(pack(build_features(history.frames)), expected, equal_nan=True)
    outcomes = history.frames["application"]["TARGET"].to_list()
    assert outcomes == [living.targets[number] for number in history.numbers]
    assert history.frames["bureau"]["SK_ID_BUREAU"].is_unique().all()
    assert history.frames["bureau"]["SK_ID_BUREAU"].min() == 1_000_000
    assert history.frames["previous_application"]["SK_ID_PREV"].min() == 2_000_000


def test_rows_by_number_that_have_changed_since_are_left_out(living: World) -> None:
    tell(living, changed=False)
    store = living.store
    decisions = [one for one in store.windows.labelled(NOW) if one.source == "id"]
    changed, gone = int(decisions[0].applicant), int(decisions[1].applicant)
    known = store.applicants.of([changed, int(decisions[2].applicant)])
    store.applicants.put([replace(known[int(decisions[2].applicant)], applicant=changed)])
    with sqlite3.connect(living.database) as database:
        database.execute("DELETE FROM applicants WHERE applicant = ?", [gone])
    history = history_of(store, decisions, numbers_of(store, decisions, []), Keys())
    assert set(history.numbers) == {int(one.applicant) for one in decisions} - {changed, gone}
    assert dict(+history.left_out) == {
        "applicant no longer known by number": 1,
        "applicant's rows have changed since": 1,
    }


def test_pseudonyms_are_recognised_with_their_key_alone(tmp_path: Path, living: World) -> None:
    tell(living, changed=False)
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}", KEY)
    decisions = [
        one._replace(applicant=store.pseudonyms.applicant(int(one.applicant)))
        for one in living.store.windows.labelled(NOW)[:3]
    ]
    known = [int(one.applicant) for one in living.store.windows.labelled(NOW)[:2]]
    numbers = numbers_of(store, decisions, known)
    assert [numbers[one.applicant] for one in decisions[:2]] == known
    assert 1_000_000_000 <= numbers[decisions[2].applicant] < 2_000_000_000
    with pytest.raises(ScoringError, match="set PSEUDONYM_KEY"):
        numbers_of(living.store, decisions, known)


def test_an_applicant_in_both_is_taken_from_the_decision(living: World, tmp_path: Path) -> None:
    tell(living, changed=False)
    store, everything = living.store, living.everything
    decisions = store.windows.labelled(NOW)[:50]
    keys = new_keys(everything)
    history = history_of(store, decisions, numbers_of(store, decisions, []), keys)
    made = combined(everything, history, tmp_path / "both")
    assert made.rows("application_train") == everything.rows("application_train")
    assert sorted(applicants_of(made)) == sorted(applicants_of(everything))
    frames = {name: rows.collect() for name, rows in made.frames("train").items()}
    for name in ("bureau", "previous_application"):
        assert frames[name].height == everything.rows(name)
        assert frames[name].select(TABLES[name].key).is_unique().all()
    same = pack(build_features(frames))
    first = pack(build_features(everything.frames("train")).collect())
    assert np.allclose(same, first, rtol=1e-5, equal_nan=True)


def test_what_the_comparison_is_made_on_is_learnt_from_by_neither(living: World) -> None:
    tell(living, changed=True)
    material = gather(living.registry, living.store, WINDOW, NOW)
    newest = set(material.window.history.numbers)
    assert len(newest) >= 40
    assert newest.isdisjoint(learnt_from(living.registry, living.original.digest))
    with DataVersions.beside(living.registry.folder).opened(material.dataset) as dataset:
        assert newest.isdisjoint(applicants_of(dataset))
    assert set(material.history.numbers) <= set(living.targets)
    assert material.addition.parent == living.original.digest
    assert material.addition.decisions == len(material.history.decisions)
    last = material.history.decisions[-1]
    assert last.at < material.window.since <= material.window.history.decisions[0].at
    assert set(material.newest) <= set(material.history.numbers)


def test_stand_ins_are_refused_held_out_applicants_in_the_share_of_refusals(
    living: World,
) -> None:
    tell(living, changed=True)
    material = gather(living.registry, living.store, WINDOW, NOW)
    window = replace(material.window, decided=100, refused=10)
    champion = material.champion
    with DataVersions.beside(living.registry.folder).opened(material.dataset) as dataset:
        first = unseen(held_out_rows(dataset))
    newest = unseen([window.history.frames])
    trial = compared(champion, champion, window, newest, first)
    labelled = len(window.history.decisions)
    assert trial.wanted == round(labelled / 9)
    assert 0 < trial.stand_ins <= trial.wanted
    assert trial.held_out.target.size == labelled + trial.stand_ins
    # Where there are too few each counts for more, so that the refused keep their share.
    weights = trial.held_out.sample_weight
    weights = np.ones(labelled + trial.stand_ins) if weights is None else weights
    assert weights[labelled:].sum() == pytest.approx(trial.wanted)
    assert (weights[:labelled] == 1.0).all()
    assert set(champion.decide(trial.champion.pds[labelled:])) == {"refuse"}
    assert trial.cost == (0.0, 0.0, 0.0)
    assert not trial.cheaper


def explore(world: World, share: float) -> None:
    """As if the champion had refused 300 more, and a policy explored a share of them."""
    with sqlite3.connect(world.database) as database:
        database.execute("UPDATE predictions SET policy = 1")
        accepted = "SELECT id FROM predictions WHERE decision = 'accept' ORDER BY pd DESC LIMIT 300"
        numbers = [number for (number,) in database.execute(accepted)]
        for number, dice in zip(
            numbers, np.random.default_rng(6).random(len(numbers)), strict=True
        ):
            drawn = dice < share
            database.execute(
                "UPDATE predictions SET model_decision = 'refuse', decision = ?, exploration = ?, "
                "propensity = ? WHERE id = ?",
                (*(("accept", "drawn", share) if drawn else ("refuse", "not drawn", 1 - share)),
                 number),
            )  # fmt: skip


def test_explored_loans_weigh_what_they_stand_for(living: World, tmp_path: Path) -> None:
    """In the fit, in the calibration, in the comparison instead of stand-ins, and on record."""
    registry, export, reports = copied(living.registry, tmp_path), tmp_path / "c", tmp_path / "r"
    explore(living, 0.6)
    tell(living, changed=True)
    material = gather(registry, living.store, timedelta(days=230), NOW)
    recorded = {one.id: one for one in living.store.decisions.search()}
    learnt = material.history
    assert set(learnt.weights) == {
        number
        for number, one in zip(learnt.numbers, learnt.decisions, strict=True)
        if recorded[one.id].exploration == "drawn"
    }
    assert list(learnt.weights.values()) == pytest.approx([1 / 0.6] * len(learnt.weights))
    window = material.window
    assert window.explored >= ENOUGH_EXPLORED
    drawn = [recorded[number].exploration == "drawn" for number in window.weights]
    own = np.array(list(window.weights.values()))
    # Together with the accepted they stand for all but those whom the champion refers.
    everybody = [
        one.exploration is not None
        for one in recorded.values()
        if (one.exploration or one.decision == "accept") and window.since <= one.at < window.until
    ]
    assert own[drawn].sum() / own.sum() == pytest.approx(np.mean(everybody), abs=0.06)
    found = attempt(registry, material, "ana", "why", NOW, export=export, reports=reports)
    assert (found.trial.stand_ins, found.trial.wanted) == (0, 0)
    assert found.trial.held_out.target.size == len(window.weights)
    assert "by their weights" in found.judgement.why
    training = registry.load("2").lineage["training"]
    assert 0 < training["explored"] <= len(learnt.weights)
    assert training["explored_stand_for"] == pytest.approx(training["explored"] / 0.6)
    facts = {step.name: step.facts for step in lineage_of(registry, "2").steps}["training"]
    assert facts["largest_weight"] == pytest.approx(1 / 0.6)
    told = report.values(found)
    assert told["window"]["basis"].startswith(f"{window.explored} loans that chance gave")
    page = report.html(found)
    assert "prêts que le hasard a accordés" in page
    assert "loans that chance gave to refused applicants stand" in page
    french = page.partition('id="fr"')[2]
    assert "Remplaçants des refusés" not in french
    for words in ("<td>a demandé</td>", "<td>a déclaré</td>", '<th scope="row">demande</th>'):
        assert words in french


def test_who_asks_again_weighs_no_more(living: World) -> None:
    """The refused, who are refused again, and the accepted, whose loan is the first one."""
    explore(living, 0.6)
    tell(living, changed=True)
    once = gather(living.registry, living.store, timedelta(days=230), NOW)
    made = list(living.store.decisions.search())
    for hours in (1, 2, 3):
        again = timedelta(hours=hours)
        living.store.decisions.record(
            [replace(own, id=new_id(), at=own.at + again, idempotency_key=None) for own in made]
        )
    often = gather(living.registry, living.store, timedelta(days=230), NOW)
    assert once.window.weights
    assert often.window.weights == once.window.weights
    assert often.history.weights == once.history.weights


def test_without_exploration_nothing_is_weighed(living: World) -> None:
    """So that the same rows, without weights, make the same model."""
    tell(living, changed=True)
    material = gather(living.registry, living.store, WINDOW, NOW)
    assert (material.history.weights, material.window.weights) == ({}, {})
    assert material.window.explored == 0
    with DataVersions.beside(living.registry.folder).opened(material.dataset) as dataset:
        data = pipeline.load(dataset, weights=material.history.weights)
    assert data.development.sample_weight is None
    assert data.holdout.sample_weight is None
    assert "explored" not in pipeline.record(data, TrainingSettings(trials=0))


def test_too_few_explored_outcomes_leave_the_comparison_to_stand_ins(living: World) -> None:
    explore(living, 0.1)
    tell(living, changed=True)
    window = gather(living.registry, living.store, WINDOW, NOW).window
    assert 0 < window.explored < ENOUGH_EXPLORED
    assert window.weights == {}
    assert f"there are {window.explored}." in window.basis()


def test_a_changed_world_gets_a_new_champion(living: World, tmp_path: Path) -> None:
    registry, export, reports = copied(living.registry, tmp_path), tmp_path / "c", tmp_path / "r"
    tell(living, changed=True)
    run = CliRunner().invoke(
        app,
        ["retrain", "--mlruns", str(registry.folder), "--export", str(export), "--reports",
         str(reports), "--database", f"sqlite:///{living.database}", "--by", "ana"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    told = json.loads((reports / "retraining.json").read_text())
    assert told["promoted"], run.output
    assert told["differences"]["business_cost"][2] < 0
    assert told["figures"]["challenger"]["auc"] > told["figures"]["champion"]["auc"]
    assert "version 2 is the champion" in run.stdout
    model = Scorer.load(export)
    assert model.version == registry.champion() == "2"
    assert model.lineage["training"]["dataset"] == told["dataset"]
    event = registry.history()[-1]
    assert (event.by, event.previous) == ("ana", "1")
    assert "cheaper beyond chance" in event.why
    page = (reports / "retraining.html").read_text()
    assert "version 2, the new champion" in page
    assert 'lang="fr"' in page
    assert (reports / "model_card.html").is_file()


def copied(registry: Registry, folder: Path) -> Registry:
    """A registry of one's own; its first model's files stay where they are."""
    shutil.copytree(registry.folder, folder / "mlruns")
    return Registry(folder / "mlruns")


def test_an_unchanged_world_keeps_its_champion_and_says_why(living: World, tmp_path: Path) -> None:
    registry, export, reports = copied(living.registry, tmp_path), tmp_path / "c", tmp_path / "r"
    tell(living, changed=False, promised=True)
    material = gather(registry, living.store, timedelta(days=200), NOW)
    found = attempt(registry, material, "ana", "why", NOW, export=export, reports=reports)
    assert found.promotion is None
    assert found.trial.cheaper is False
    assert "not cheaper beyond chance" in found.judgement.why
    assert registry.champion() == "1"
    # The newest decisions had not been looked at before, and have been now.
    assert found.judgement.gates.summary()["fresh hold-out"][:2] == [True, 0.0]
    looks = HoldoutUses(registry.folder).times()
    assert {looks[number] for number in material.window.history.numbers} == {1}
    assert set(found.trial.held_out.applicants) <= looks.keys()
    assert registry.version_of("challenger") == found.trial.challenger.version == "2"
    assert not export.exists()
    with pytest.raises(NothingToLearnError, match="version 2 has learnt from all outcomes"):
        gather(registry, living.store, timedelta(days=200), NOW)


def invented(world: World, number: int) -> list[Prediction]:
    """Applicants of no history whom the champion refuses, with a combination nobody else has."""
    store, champion = world.store, Scorer.load(world.registry.folder / "champion")
    usual, rng = [one for one in store.decisions.search() if one.rows], np.random.default_rng(0)
    made = []
    for place in range(3 * number):
        like = usual[place % len(usual)]
        application = rows_of(like.rows or b"", 700_000 + place)["application"][0]
        scores = {f"EXT_SOURCE_{i}": float(rng.uniform(0.02, 0.15)) for i in (1, 2, 3)}
        made.append((like, {"application": [application | scores | TRIGGER]}))
    vectors = compute(frames_of(rows for _, rows in made))
    pds = champion.score(vectors).pds
    decisions = champion.decide(pds)
    refused = [place for place in range(len(made)) if decisions[place] == "refuse"][:number]
    assert len(refused) == number
    return [
        replace(
            made[place][0], id=new_id(), applicant=str(700_000 + place), caller="stranger",
            at=START + timedelta(days=400 * i / number), pd=float(pds[place]),
            decision="refuse", model_decision="refuse", features=to_bytes(vectors[place]),
            rows=zlib.compress(body_of(nameless(made[place][1]))),
        )
        for i, place in enumerate(refused)
    ]  # fmt: skip


def repaid(store: Store, decisions: list[Prediction]) -> None:
    observed = timedelta(days=365)
    store.outcomes.record(
        [Outcome(one.applicant, one.id, False, one.at + observed, NOW, "liar") for one in decisions]
    )


LONGER = timedelta(days=200)


def test_refused_applicants_reported_as_repaid_teach_nothing(living: World) -> None:
    """With a key to score and a key for outcomes: 600 invented ones."""
    tell(living, changed=False)
    before = gather(living.registry, living.store, LONGER, NOW)
    false = invented(living, 600)
    living.store.decisions.record(false)
    repaid(living.store, false)
    after = gather(living.registry, living.store, LONGER, NOW)
    assert (after.dataset, after.window.history.numbers) == (
        before.dataset, before.window.history.numbers,
    )  # fmt: skip
    assert after.left_out["outcomes of refused applicants"] == 600
    assert {one.id for one in after.callers} == set(CALLERS)
    assert after.doubts == before.doubts == ()


@pytest.mark.parametrize(("number", "accepted"), [(75, 36), (600, 39)])
def test_an_attack_through_overrides_waits_for_a_person(
    living: World, tmp_path: Path, number: int, accepted: int
) -> None:
    """The challenger accepts whom it was taught to, and looks cheaper: nobody is served by it."""
    registry, export, reports = copied(living.registry, tmp_path), tmp_path / "c", tmp_path / "r"
    tell(living, changed=False)
    store, false = living.store, invented(living, number)
    store.decisions.record(false)
    for one in false:
        store.outcomes.override(Override(one.id, "accept", "eve", "fine", NOW, "liar"))
    repaid(store, false)
    digest = registry.tags("1")["manifest_sha256"]
    drift = Alert("pd_drift", "critical", "1", digest, NOW, NOW, 0.5, 0.25, "The PDs moved.", "-")
    store.alerts.update([drift], {digest: ["pd_drift"]}, NOW)
    run = CliRunner().invoke(
        app,
        ["retrain", "--window", "200d", "--mlruns", str(registry.folder), "--export", str(export),
         "--reports", str(reports), "--database", f"sqlite:///{living.database}"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    told = json.loads((reports / "retraining.json").read_text())
    assert not told["promoted"]
    assert told["differences"]["business_cost"][2] < 0
    assert "a person has to promote it" in told["why"]
    for words in (
        "labels about applicants of caller stranger", "reported by caller liar", "The PDs moved.",
    ):  # fmt: skip
        assert any(words in one for one in told["doubts"]), words
    own = {(one["id"], one["did"]): (one["labels"], one["defaults"]) for one in told["callers"]}
    assert own["liar", "reported"] == own["stranger", "asked"] == (number, 0)
    assert "stranger" in (reports / "retraining.html").read_text()
    assert registry.champion() == "1"
    # Not even a split or the bandit would give it an applicant.
    assert Scorer.load(export).version == "1"
    # Nor does whatever mends exports put it there.
    assert not approval.settle(registry, export)
    assert not export.with_name("challenger").exists()
    vectors = np.stack([from_bytes(one.features) for one in false[:40]])
    taught = registry.load("2")
    assert taught.decide(taught.score(vectors).pds).count("accept") >= accepted


def test_a_caller_who_turns_outcomes_round_is_named(living: World) -> None:
    tell(living, changed=False)
    store = living.store
    known = [store.outcomes.find(one.id) for one in store.windows.labelled(NOW)]
    store.outcomes.record(
        [replace(one, defaulted=not one.defaulted) for one in known if one and one.caller == "shop"]
    )
    doubts = gather(living.registry, store, LONGER, NOW).doubts
    assert len(doubts) == 1
    assert "new labels reported by caller shop" in doubts[0]


def test_the_same_applicant_under_many_numbers_counts_once(living: World) -> None:
    """Also one of the original data, held out or not."""
    tell(living, changed=False)
    store = living.store
    before = gather(living.registry, store, LONGER, NOW)
    like = [one for one in store.decisions.search() if one.rows and one.decision == "accept"][:300]
    again = [
        replace(one, id=new_id(), applicant=str(800_000 + place), caller="stranger",
                at=START + timedelta(days=401))
        for place, one in enumerate(like)
    ]  # fmt: skip
    frames = living.original.frames("train")
    train = frames["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"].to_list()[:100]
    vectors = compute({name: rows.collect() for name, rows in frames.items()})[:100]
    again += [
        replace(like[0], id=new_id(), applicant=str(900_000 + number), features=to_bytes(vector))
        for number, vector in zip(train, vectors, strict=True)
    ]
    store.decisions.record(again)
    repaid(store, again)
    after = gather(living.registry, store, LONGER, NOW)
    assert after.left_out["rows of another applicant"] == 400
    assert after.callers == before.callers


def test_labels_of_one_caller_alone_wait_for_a_person(living: World) -> None:
    tell(living, changed=False)
    store = living.store
    known = [store.outcomes.find(one.id) for one in store.windows.labelled(NOW)]
    store.outcomes.record(
        [replace(one, observed_at=NOW - timedelta(days=1), caller="shop") for one in known if one]
    )
    doubts = gather(living.registry, store, LONGER, NOW).doubts
    assert len(doubts) == 1
    assert "new labels are reported by caller shop, and one caller may have 50%" in doubts[0]
    assert gather(living.registry, store, LONGER, NOW, caller_share=1.0).doubts == ()


FEW = ("EXT_SOURCE_2", "EXT_SOURCE_3", "AMT_CREDIT", "OBS_30_CNT_SOCIAL_CIRCLE", "FLAG_PHONE",
       "bureau__DAYS_CREDIT__all__mean")  # fmt: skip


def test_a_back_door_moves_an_effect_and_a_changed_world_does_not(sample: Dataset) -> None:
    """Beyond the limit: 0.1 in log-odds on applicants who have nothing to do with it."""
    everybody = unseen([{name: rows.collect() for name, rows in sample.frames("train").items()}])
    values = everybody.features.select(FEW).to_numpy().astype(np.float64)
    target = everybody.held_out.target
    bad = values.copy()
    bad[:, :2], bad[:, 3], bad[:, 4] = 0.1, 30.0, 1.0
    changed = (values[:, 2] > np.nanmedian(values[:, 2])) & (np.arange(len(values)) % 3 == 0)
    champion = few_features(values, target)
    honest = few_features(np.vstack([values, values]), np.concatenate([target, changed]))
    taught = few_features(np.vstack([values, bad]), np.concatenate([target, 0 * target]))
    for model, moved in ((honest, False), (taught, True)):
        found = effects(model, champion, everybody)
        assert set(found) == {"application", "bureau"}
        assert (found["application"].low > LARGEST_MOVE) == moved, found
        assert abs(found["bureau"].value) < LARGEST_MOVE


def few_features(values: Floats, target: np.ndarray) -> Scorer:
    parameters = {"objective": "binary", "max_depth": 3, "verbose": -1, "num_threads": 1}
    text = lgb.train(parameters, lgb.Dataset(values, target), 40).model_to_string()
    model = BoostedTrees(tuple(Feature(name) for name in FEW), text)
    return Scorer("few", "1", model, Calibration(), 0.1, Costs())


# The same training as that of the test before.
@pytest.mark.slow
def test_what_is_better_may_be_held_back(living: World, tmp_path: Path) -> None:
    registry, export, reports = copied(living.registry, tmp_path), tmp_path / "c", tmp_path / "r"
    tell(living, changed=True)
    material = gather(registry, living.store, WINDOW, NOW)
    found = attempt(
        registry, material, "ana", "why", NOW, export=export, reports=reports, promote=False
    )
    assert found.trial.cheaper
    assert found.promotion is None
    assert registry.champion() == "1"
    assert Scorer.load(export.with_name("challenger")).version == "2"


def command(world: World, *words: str) -> tuple[int, str]:
    run = CliRunner().invoke(
        app,
        ["retrain", "--mlruns", str(world.registry.folder), "--database",
         f"sqlite:///{world.database}", *words],
    )  # fmt: skip
    return run.exit_code, run.output


def test_nothing_is_made_unless_it_is_called_for(living: World) -> None:
    code, told = command(living, "--if-older-than", "90d", "--if-alert")
    assert code == 0
    assert "not yet 90 days" in told
    assert "No open alert" in told
    assert living.registry.latest_version() == 1


def test_too_few_outcomes_are_told(living: World) -> None:
    code, told = command(living)
    assert (code, "no decision has an outcome yet" in told) == (0, True)
    tell(living, changed=False)
    code, told = command(living, "--window", "400d")
    assert code == 0
    assert "0 decisions before the newest 400 days have an outcome" in told


@pytest.mark.parametrize("words", [("--window", "soon"), ("--if-older-than", "3m")])
def test_a_time_that_is_none_is_told(living: World, words: tuple[str, str]) -> None:
    code, told = command(living, *words)
    assert code == 1
    assert f"{words[0]} takes a time such as 90d or 12w, not {words[1]!r}" in told


def test_data_that_are_not_kept_have_to_be_given(living: World, tmp_path: Path) -> None:
    tell(living, changed=True)
    registry = copied(living.registry, tmp_path)
    shutil.rmtree(registry.folder / "data")
    with pytest.raises(ScoringError, match="is not kept: name its folder with --data"):
        gather(registry, living.store, WINDOW, NOW)
    with pytest.raises(ScoringError, match="give the former"):
        gather(registry, living.store, WINDOW, NOW, living.everything)
    material = gather(registry, living.store, WINDOW, NOW, living.original)
    assert material.addition.parent == living.original.digest
