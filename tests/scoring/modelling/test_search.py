"""The automatic choice: stages that can be called one by one, resumed, and trusted with noise."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import optuna
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from scoring.evaluation.intervals import Z_95
from scoring.modelling.candidates import Candidate, dummy, log_odds
from scoring.modelling.choice import cheapest, choose, smoothed_cost
from scoring.modelling.comparison import best_of_each, screened
from scoring.modelling.examples import Examples
from scoring.modelling.folds import Folds, prepare
from scoring.modelling.resampling import RESAMPLINGS
from scoring.modelling.search import (
    Search,
    attempted,
    finished,
    opened,
    outcome,
    proposed,
    reseeded,
    search_of,
)
from scoring.modelling.validation import Validation, cross_validate
from scoring.serving.costs import Costs
from scoring.serving.families.trees import BoostedTrees

QUICK = Candidate.of("trees", n_estimators=40, colsample_bytree=0.8)


@pytest.fixture(scope="module")
def folds() -> Folds:
    """Applicants with a few columns, which takes a search no time."""
    rng = np.random.default_rng(0)
    rows = 400
    numbers = rng.normal(size=(rows, 4)).astype(np.float32)
    risk = numbers[:, 0] + 0.5 * numbers[:, 1] - 1.5
    target = (rng.random(rows) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    frame = pl.DataFrame(
        {
            "SK_ID_CURR": np.arange(rows, dtype=np.int32),
            **{f"N{i}": numbers[:, i] for i in range(4)},
            "COLOR": pl.Series(rng.choice(["a", "b"], rows).tolist(), dtype=pl.Enum(["a", "b"])),
        }
    )
    outcomes = pl.DataFrame({"SK_ID_CURR": frame["SK_ID_CURR"], "TARGET": target})
    return prepare(Examples.of(frame, outcomes), folds=4)


def scored(target: npt.NDArray[np.int8], pds: npt.NDArray[np.float64]) -> Validation:
    """A validation that gave these PDs, to be calibrated once more."""
    fold = np.arange(target.size) % 4
    seen = {name: [1.0] for name in ("train_auc", "train_cost", "fit_seconds", "predict_seconds")}
    return Validation(QUICK, log_odds(pds), fold, target, Costs(), **seen)


@pytest.fixture(scope="module")
def truth() -> npt.NDArray[np.float64]:
    return np.random.default_rng(1).beta(1, 8, 8000)


@pytest.fixture(scope="module")
def outcomes(truth: npt.NDArray[np.float64]) -> npt.NDArray[np.int8]:
    return (np.random.default_rng(2).random(truth.size) < truth).astype(np.int8)


# The objective.


def test_the_objective_is_the_business_cost_with_less_noise(
    truth: npt.NDArray[np.float64], outcomes: npt.NDArray[np.int8]
) -> None:
    validation = scored(outcomes, truth)
    assert smoothed_cost(validation) == pytest.approx(validation.metrics["business_cost"], abs=0.02)
    rng = np.random.default_rng(3)
    plain, smooth = [], []
    for _ in range(15):
        rows = rng.integers(truth.size, size=1500)
        part = scored(outcomes[rows], truth[rows])
        plain.append(part.metrics["business_cost"])
        smooth.append(smoothed_cost(part))
    assert np.std(smooth) < np.std(plain)


def test_the_objective_falls_the_more_is_known(
    truth: npt.NDArray[np.float64], outcomes: npt.NDArray[np.int8]
) -> None:
    noise = np.random.default_rng(4).normal(size=truth.size)
    found = [
        smoothed_cost(scored(outcomes, 1 / (1 + np.exp(-(log_odds(truth) + width * noise)))))
        for width in (0.0, 0.5, 1.0, 2.0)
    ]
    assert found == sorted(found)
    everybody_alike = smoothed_cost(scored(outcomes, np.full(truth.size, 0.1)))
    assert found[-1] < everybody_alike


# The stages.


def test_every_value_is_screened_and_the_best_of_a_family_goes_on(folds: Folds) -> None:
    told: list[tuple[str, int, int]] = []
    values = {
        "dummy": (dummy(),),
        "linear": (Candidate.of("linear", C=1e-9), Candidate.of("linear", C=0.05)),
        "trees": (QUICK, Candidate.of("trees", n_estimators=1)),
    }
    tried = [
        item
        for each in values.values()
        for item in screened(each, folds, Costs(), lambda *step: told.append(step))
    ]
    assert [item.candidate for item in tried] == [item for each in values.values() for item in each]
    assert len(tried[0].fold_auc) == 4
    assert sorted(len(item.fold_auc) for item in tried[1:3]) == [2, 4]
    assert sorted(len(item.fold_auc) for item in tried[3:]) == [2, 4]
    best = best_of_each(tried)
    assert [item.candidate.name for item in best] == list(values)
    for item in best:
        whole = cross_validate(item.candidate, folds, Costs())
        assert item.scores.tobytes() == whole.scores.tobytes()
    assert ("linear", 2, 2) in told


def test_every_remedy_moves_the_level_that_calibration_repairs(folds: Folds) -> None:
    treated = [
        cross_validate(replace(QUICK, resampling=kind), folds, Costs()) for kind in RESAMPLINGS
    ]
    assert len({item.scores.tobytes() for item in treated}) == len(RESAMPLINGS)
    for item in treated[1:]:
        metrics = item.metrics
        assert metrics["ece_before_calibration"] > 3 * metrics["ece"]


Refine = Callable[..., Search]


def refined(
    base: Candidate, folds: Folds, trials: int, folder: Path, seed: int = 0, data: str = "d"
) -> Search:
    """A search as the training has it, without MLflow."""
    study = opened(base, folds, Costs(), seed, folder, data)

    def objective(trial: optuna.Trial) -> float:
        return outcome(attempted(trial, proposed(trial, base), folds, Costs()), folds)

    study.optimize(objective, trials - len(finished(study)), callbacks=[reseeded(seed)])
    return search_of(study, lambda trial: proposed(trial, base))


@pytest.fixture(scope="module")
def search(folds: Folds) -> Refine:
    def run(folder: Path, trials: int, seed: int = 0, data: str = "d") -> Search:
        return refined(Candidate.of("trees"), folds, trials, folder, seed, data)

    return run


@dataclass(frozen=True)
class Kept:
    """A search of five trials, and the folder that it left."""

    search: Search
    folder: Path

    def copy(self, folder: Path) -> Path:
        """Copy the folder, for a test that goes on in it."""
        return Path(shutil.copytree(self.folder, folder / "copy"))


@pytest.fixture(scope="module")
def five(search: Refine, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("five")
    return Kept(search(folder, 5), folder)


def test_a_search_tries_the_default_first_and_is_recorded(five: Kept) -> None:
    found = five.search
    assert found.table["trial"].to_list() == list(range(5))
    first = found.table.row(0, named=True)
    defaults = BoostedTrees.defaults
    proposed = {name: first[name] for name in defaults if name in first}
    assert len(proposed) == 7
    assert proposed.items() <= defaults.items()
    assert not first["pruned"]
    whole = found.table.filter(~pl.col("pruned")).sort("objective").row(0, named=True)
    assert found.best.parameters["num_leaves"] == whole["num_leaves"]
    assert found.best.family is BoostedTrees


@pytest.mark.parametrize("family", ["linear", "sum"])
def test_every_family_can_be_searched(folds: Folds, family: str, tmp_path: Path) -> None:
    base = replace(Candidate.of(family), resampling="class weights")
    found = refined(base, folds, 2, tmp_path)
    first = found.table.row(0, named=True)
    (prefix,) = {name.removesuffix("C") for name in base.parameters if name.endswith("C")}
    assert first["C"] == base.parameters[f"{prefix}C"]
    assert (found.best.family, found.best.resampling) == (base.family, "class weights")
    assert found.best.parameters.keys() == base.parameters.keys()


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(
    search: Refine, five: Kept, tmp_path: Path
) -> None:
    search(tmp_path, 2)
    continued = search(tmp_path, 5)
    assert_frame_equal(continued.table, five.search.table)
    assert continued.best.parameters == five.search.best.parameters
    # Nothing is left to do.
    again = search(tmp_path, 5)
    assert_frame_equal(again.table, five.search.table)


def test_a_search_that_was_killed_in_a_trial_begins_it_again(
    search: Refine, five: Kept, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="Record does not exist"):
        search(tmp_path / "killed", 0)
    storage = f"sqlite:///{tmp_path / 'killed' / 'search.db'}"
    (name,) = optuna.get_all_study_names(storage)
    optuna.load_study(study_name=name, storage=storage).ask()
    assert_frame_equal(search(tmp_path / "killed", 2).table, five.search.table.head(2))


def test_another_seed_or_other_data_make_another_search(
    search: Refine, five: Kept, tmp_path: Path
) -> None:
    folder = five.copy(tmp_path)
    other_seed = search(folder, 3, seed=1)
    assert five.search.table.row(2) != other_seed.table.row(2)
    assert search(folder, 2, data="e").table.height == 2


def test_a_trial_that_starts_badly_is_given_up(search: Refine, five: Kept, tmp_path: Path) -> None:
    table = search(five.copy(tmp_path), 10).table
    given_up, whole = table.filter("pruned"), table.filter(~pl.col("pruned"))
    assert given_up.height > 0
    assert given_up["objective"].is_finite().all()
    assert whole.height >= 4


# The choice.


def test_the_default_stays_unless_another_is_clearly_cheaper(
    truth: npt.NDArray[np.float64], outcomes: npt.NDArray[np.int8]
) -> None:
    rng = np.random.default_rng(5)

    def seen_through(width: float) -> Validation:
        noisy = log_odds(truth) + width * rng.normal(size=truth.size)
        return scored(outcomes, 1 / (1 + np.exp(-noisy)))

    default, alike, better = seen_through(1.0), seen_through(1.0), seen_through(0.2)
    by_chance = choose(default, alike, "Another")
    assert abs(by_chance.difference) < 3 * by_chance.standard_error
    clear = choose(default, better, "Another")
    assert clear.validation is better
    assert clear.difference < -2 * clear.standard_error
    assert "Another is chosen" in clear.sentence
    worse = choose(better, default, "Another")
    assert worse.validation is better
    assert worse.difference == pytest.approx(-clear.difference)
    assert "Another is not chosen" in worse.sentence
    itself = choose(default, replace(default), "Itself")
    assert (itself.validation, itself.difference) == (default, 0.0)
    # What saves more than one standard error, and not beyond chance, is not called chosen.
    tried = [choose(default, seen_through(width), "It") for width in np.linspace(0.7, 0.95, 20)]
    savings = np.array([-own.difference / own.standard_error for own in tried])
    assert ((savings > 1) & (savings < 1.95)).any()
    for own, saving in zip(tried, savings, strict=True):
        assert (own.validation is not default) == ("is chosen" in own.sentence) == (saving > Z_95)


def test_of_many_alternatives_the_best_has_to_save_more(
    truth: npt.NDArray[np.float64], outcomes: npt.NDArray[np.int8]
) -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=truth.size)
    default, *others = (
        scored(outcomes, 1 / (1 + np.exp(-log_odds(truth) - width * noise)))
        for width in (1.0, *np.linspace(0.92, 0.98, 20))
    )
    alone = [choose(default, other, "It") for other in others]
    savings = [-own.difference / own.standard_error for own in alone]
    place = next(i for i, saving in enumerate(savings) if Z_95 < saving < 3)
    assert alone[place].validation is others[place]
    together = cheapest(default, [others[place]] * 20, lambda candidate: candidate.name)
    assert together.validation is default
