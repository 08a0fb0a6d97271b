"""The whole training: the same bytes twice, nobody held out learnt from, everything told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import optuna
import polars as pl
import pytest

from scoring.data.dataset import Dataset
from scoring.data.ingest import ingest
from scoring.evaluation.metrics import SuspectedLeakageError
from scoring.features import PROTECTED
from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
from scoring.modelling.comparison import family_choice, remedy_choice
from scoring.modelling.examples import Examples, is_held_out
from scoring.modelling.figures import check_credible
from scoring.modelling.pipeline import Run, TrainingSettings, search_folds
from scoring.modelling.resampling import RESAMPLINGS
from scoring.modelling.search import finished, opened
from scoring.modelling.validation import Validation, cross_validate
from scoring.registry import approval, training
from scoring.registry.mlflow_registry import Registry
from scoring.registry.tracking import log_earlier
from scoring.registry.training import train
from scoring.serving.costs import Costs
from scoring.serving.families import families

SETTINGS = TrainingSettings(trials=2, folds=3)


@pytest.fixture(scope="module")
def applications(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The sample applicants without their histories, which makes a training quick."""
    folder = tmp_path_factory.mktemp("applications")
    name = "application_train.parquet"
    (folder / name).write_bytes((sample.folder / name).read_bytes())
    return ingest(folder, folder / "dataset")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    before = mlflow.get_tracking_uri()
    yield Registry(tmp_path_factory.mktemp("training"))
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def run(applications: Dataset, registry: Registry) -> Run:
    found, scorer = train(registry, applications, SETTINGS, "2024-01-01")
    assert scorer == replace(found.scorer, version="1")
    return found


def files(run: Run, folder: Path) -> dict[str, bytes]:
    run.scorer.save(folder)
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_same_data_and_settings_give_the_same_files(
    run: Run, registry: Registry, applications: Dataset, tmp_path: Path
) -> None:
    told: list[str] = []
    (registry.folder / "search.db").rename(tmp_path / "search.db")
    again, _ = train(
        registry, applications, SETTINGS, "2024-01-01", lambda *step: told.append(step[0])
    )
    first = files(run, tmp_path / "first")
    assert len(first) > 2
    assert files(again, tmp_path / "again") == first
    assert again.search.table.equals(run.search.table)
    assert again.figures == run.figures
    assert list(dict.fromkeys(told)) == [
        "features", "dummy", "random forest", "linear", "sum", "trees", "class weights",
        "under-sampling", "SMOTE", "search", "best trial", "fit", "protected attributes",
        "held-out applicants", "registering",
    ]  # fmt: skip


def test_nobody_held_out_is_learnt_from(run: Run, applications: Dataset) -> None:
    learnt, held = (part.frame["SK_ID_CURR"] for part in (run.data.development, run.data.holdout))
    assert not is_held_out(learnt).any()
    assert is_held_out(held).all()
    assert learnt.len() + held.len() == applications.rows("application_train")
    for validation in (*run.tried, *run.remedies, run.choice.validation):
        assert validation.target.size <= learnt.len()
    assert run.figures["business_cost"].low < run.figures["business_cost"].value


def test_every_stage_can_be_told(run: Run) -> None:
    assert [item.candidate.name for item in run.families] == [
        "dummy",
        "random forest",
        "linear",
        "sum",
        "trees",
    ]
    assert [item.candidate.resampling for item in run.remedies] == list(RESAMPLINGS)
    assert run.search.table.height == 2
    assert run.configurations == len(run.tried) + 3 + 2
    assert run.choice.validation.candidate.family is not None
    assert run.price["auc"].low <= run.price["auc"].value <= run.price["auc"].high
    lineage = run.scorer.lineage
    assert lineage["training"]["dataset"] == run.data.digest
    assert lineage["parameters"] == run.choice.validation.candidate.parameters
    assert {feature.name for feature in run.scorer.features}.isdisjoint(PROTECTED)
    assert PROTECTED & {feature.name for feature in run.data.including.features}


@pytest.fixture(scope="module")
def of_a_subset(applications: Dataset, registry: Registry) -> Run:
    """A training with more applicants than recipes are compared on, and one second for all."""
    settings = replace(SETTINGS, trials=None, compared=400, time_budget=1.0)
    return train(registry, applications, settings, "2024-01-01")[0]


def test_recipes_are_compared_on_a_subset_and_the_chosen_one_fitted_on_everybody(
    run: Run, of_a_subset: Run
) -> None:
    everybody = of_a_subset.data.development.target
    assert 400 < everybody.size == run.data.development.target.size
    compared = (*of_a_subset.families, *of_a_subset.remedies)
    assert {item.target.size for item in compared} == {400}
    assert 390 < of_a_subset.proxy.rows <= 400
    chosen = of_a_subset.choice.validation
    assert chosen.target.tolist() == everybody.tolist()
    sentence = f"Compared on 400 of the {everybody.size} applicants to learn from."
    assert of_a_subset.choice.sentence.endswith(sentence)
    assert "Compared on" not in run.choice.sentence
    training = of_a_subset.scorer.lineage["training"]
    assert (training["applicants"], training["compared"]) == (everybody.size, 400)
    assert "compared" not in run.scorer.lineage["training"]
    # What fits on everybody is no other model than without a subset.
    alike = cross_validate(chosen.candidate, of_a_subset.data.development, Costs(), folds=3)
    assert chosen.scores.tobytes() == alike.scores.tobytes()


def test_a_time_budget_that_leaves_nothing_still_tries_the_default_recipe(of_a_subset: Run) -> None:
    assert of_a_subset.search.table.height == 1
    training = of_a_subset.scorer.lineage["training"]
    assert (training["trials"], training["time_budget"]) == (1, 1.0)


@pytest.mark.parametrize(("most", "trials"), [(None, 3), (2, 2)])
def test_a_search_ends_with_its_time_or_with_its_trials(
    run: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    most: int | None, trials: int,
) -> None:  # fmt: skip
    base, settings = Candidate.of("linear"), replace(SETTINGS, trials=most, time_budget=60.0)
    folds = search_folds(run.data.development, settings)
    study = opened(base, folds, Costs(), 0, tmp_path, "d")
    clock = SimpleNamespace(monotonic=lambda: 10.0 * len(finished(study)))
    monkeypatch.setattr(training, "time", clock)
    with registry.run("search", {}):
        training._search(study, base, folds, settings, 30.0, None)
    assert len(finished(study)) == trials


def test_the_search_leaves_time_for_what_comes_afterwards(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "at_a_time", lambda: 2)
    everybody = run.data.development
    size = everybody.target.size // 4
    measured = replace(
        run.remedies[0], target=everybody.target[:size], fit_seconds=[3.0, 3.0],
        predict_seconds=[1.0, 1.0],
    )  # fmt: skip
    settings = replace(SETTINGS, time_budget=600.0)
    # Four seconds a cross-validation, and sixteen of four times the applicants.
    left = training._for_search(settings, measured, run.data)
    assert left == pytest.approx(600 - 3 * 4 - 2 * 16, abs=0.5)
    assert training._for_search(SETTINGS, measured, run.data) == math.inf


def test_without_histories_nothing_of_them_is_in_the_model(run: Run) -> None:
    names = {feature.name for feature in run.scorer.features}
    assert not [name for name in names if name.startswith(("bureau__", "installments__"))]
    assert "EXT_SOURCE_2" in names


def test_no_remedy_is_kept_where_none_is_clearly_cheaper(run: Run) -> None:
    choice = remedy_choice([run.remedies[0], run.remedies[0], run.remedies[0]])
    assert choice.validation is run.remedies[0]
    assert choice.sentence.count("is not chosen") == 2


def test_each_family_is_the_default_where_it_is_asked_for(run: Run) -> None:
    assert TrainingSettings().family == DEFAULT_FAMILY
    alike = [replace(run.tried[0], candidate=Candidate.of(name)) for name in families()]
    for name in families():
        assert family_choice(alike, name).validation.candidate.name == name


def knowing(share: float, defaults: int) -> Validation:
    """A validation that ranks so many defaults above all others, and the rest like anybody."""
    target = (np.arange(20 * defaults) < defaults).astype(np.int8)
    scores = np.random.default_rng(0).normal(size=target.size)
    scores[: int(share * defaults)] += 10
    return Validation(None, scores, target, target, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("share", "defaults"), [(0.9, 400), (1.0, 40)])
def test_a_model_that_knows_too_much_is_refused(share: float, defaults: int) -> None:
    with pytest.raises(SuspectedLeakageError, match="leak"):
        check_credible(knowing(share, defaults))


@pytest.mark.parametrize(("share", "defaults"), [(0.5, 400), (0.66, 40)])
def test_a_credible_model_is_not(share: float, defaults: int) -> None:
    check_credible(knowing(share, defaults))


def test_the_outcome_is_no_feature(run: Run) -> None:
    examples: Examples = run.data.development
    assert "TARGET" not in examples.frame.columns
    assert examples.frame.schema["SK_ID_CURR"] == pl.Int32
    assert "SK_ID_CURR" not in {feature.name for feature in examples.features}


def test_trials_of_an_earlier_search_are_logged_as_of_when_they_were_made(
    registry: Registry,
) -> None:
    study = optuna.create_study()
    trial = optuna.trial.create_trial(value=0.5, user_attrs={"figures": {"auc": 0.7}})
    trial.datetime_start = datetime(2024, 1, 1, tzinfo=UTC)
    trial.datetime_complete = trial.datetime_start + timedelta(minutes=5)
    study.add_trial(trial)
    with registry.run("resumed", {}) as training:
        log_earlier(registry, training, study)
    inside = f"tags.mlflow.parentRunId = '{training.info.run_id}'"
    (child,) = registry.client.search_runs([training.info.experiment_id], inside)
    assert child.info.run_name == "trial 0"
    assert child.info.start_time == trial.datetime_start.timestamp() * 1000
    assert child.info.end_time - child.info.start_time == 300_000
    assert child.data.metrics == {"auc": 0.7, "objective": 0.5}


def test_a_model_that_accepts_nobody_is_registered_with_a_card_and_refused(
    applications: Dataset, registry: Registry, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, trials=0, costs=Costs(false_negative=10_000.0))
    run, scorer = train(registry, applications, settings, "2024-01-01")
    assert run.figures["refused"].value == 1.0
    approval.write_kept_card(registry, scorer.version, tmp_path)
    assert "there is no ratio of acceptance rates" in (tmp_path / "model_card.md").read_text()
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "Cut-off" in page
    assert "the widest gap" not in page
    refused = approval.judged(registry, applications, scorer.version).refused_by()
    assert [gate.name for gate in refused] == ["fairness by sex", "fairness by age"]
    assert all(gate.sentence.startswith("Nobody held out is accepted") for gate in refused)
