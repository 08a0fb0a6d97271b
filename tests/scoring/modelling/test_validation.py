"""Cross-validation: every applicant is scored by a model that has not seen them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from scoring.evaluation.business import business_cost
from scoring.modelling.candidates import Candidate, dummy
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer
from scoring.modelling.folds import prepare
from scoring.modelling.validation import Validation, assemble, compare, cross_validate, fit_each
from scoring.serving import booster
from scoring.serving.costs import Costs
from scoring.serving.families.sum import SumModel
from tests.helpers.simulated import COLOR, QUICK, simulated, with_target


class Memory(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Knows the outcome of every row it has seen, and nothing of any other."""

    def fit(self, matrix: npt.NDArray[np.float64], target: npt.NDArray[np.int8]) -> Memory:
        self.known = {row.tobytes(): y for row, y in zip(matrix, target, strict=True)}
        return self

    def predict_proba(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        one = np.array([self.known.get(row.tobytes(), 0.5) for row in matrix], dtype=np.float64)
        return np.column_stack([1 - one, one])


def test_cross_validation_scores_no_row_that_was_seen(examples: Examples) -> None:
    memory = Candidate("memory", {}, build=lambda _features, _seed: Memory())
    found = cross_validate(memory, examples, Costs(), folds=5)
    assert found.train_auc == [1.0] * 5
    assert set(found.scores) == {0.0}
    assert found.metrics["auc"] == 0.5


def test_noise_gives_an_auc_of_a_half() -> None:
    found = cross_validate(QUICK, simulated(2000, signal=0.0), Costs(), folds=4)
    assert found.metrics["auc"] == pytest.approx(0.5, abs=0.05)
    assert found.metrics["auc_train"] > 0.7


def test_permuted_outcomes_destroy_the_auc(examples: Examples, validation: Validation) -> None:
    assert validation.metrics["auc"] > 0.75
    permuted = np.random.default_rng(0).permutation(examples.target)
    found = cross_validate(QUICK, with_target(examples, permuted), Costs(), folds=4, seed=3)
    assert found.metrics["auc"] == pytest.approx(0.5, abs=0.06)


def test_models_fitted_side_by_side_all_keep_to_one_thread(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[object]()
    call = booster._call

    def recorded(function: str, *arguments: Any) -> None:
        if function == "LGBM_BoosterPredictForMat":
            asked.append(arguments[-3].value)
        call(function, *arguments)

    monkeypatch.setattr(booster, "_call", recorded)
    cross_validate(QUICK, examples, Costs(), folds=4)
    assert set(asked) == {b"num_threads=1"}


def test_progress_is_told_after_each_fold(examples: Examples) -> None:
    told: list[tuple[str, int, int]] = []
    cross_validate(dummy(), examples, Costs(), 3, progress=lambda *step: told.append(step))
    assert told == [("dummy", 1, 3), ("dummy", 2, 3), ("dummy", 3, 3)]


def test_the_dummy_gives_everyone_the_default_rate(examples: Examples) -> None:
    found = cross_validate(dummy(), examples, Costs(), folds=5)
    assert found.pds == pytest.approx(examples.target.mean(), abs=0.01)
    assert found.metrics["auc"] == pytest.approx(0.5, abs=0.02)
    refuse_all = business_cost(examples.target, np.ones(examples.target.size), 0.5, Costs())
    assert found.metrics["business_cost"] == pytest.approx(refuse_all)


def test_the_candidates_are_compared_on_applicants_not_seen(examples: Examples) -> None:
    short = (dummy(), Candidate.of("linear", C=0.1), QUICK)
    table = compare([cross_validate(item, examples, Costs(1, 1), folds=3) for item in short])
    assert table["candidate"].to_list() == ["dummy", "linear", "trees"]
    assert table["applicants"].to_list() == [examples.target.size] * 3
    shown = "auc gini ks recall f_beta brier log_loss ece business_cost fit_seconds predict_seconds"
    known = table.select(*shown.split(), "auc_train", "business_cost_train")
    assert known.select(pl.all().is_finite().all()).row(0) == (True,) * known.width
    auc = dict(table.select("candidate", "auc").iter_rows())
    assert min(auc["linear"], auc["trees"]) > 0.75
    assert table["gini"].to_list() == pytest.approx([2 * value - 1 for value in table["auc"]])
    # Overfitting shows: trees know their training rows better than others.
    trees = table.row(2, named=True)
    assert trees["auc_train"] > trees["auc"]
    assert trees["business_cost_train"] < trees["business_cost"]
    cost = table["business_cost"].to_list()
    assert max(cost[1:]) < cost[0]


def test_a_category_that_a_fold_has_not_seen_is_no_error(examples: Examples) -> None:
    rare = examples.frame.with_columns(
        pl.when(pl.int_range(pl.len()) < 2).then(pl.lit("never")).otherwise(COLOR).alias(COLOR)
    ).with_columns(pl.col(COLOR).cast(examples.frame.schema[COLOR]))
    changed = replace(examples, frame=rare)
    for candidate in (Candidate.of("linear", C=0.1), QUICK):
        found = cross_validate(candidate, changed, Costs(), folds=3)
        assert found.metrics["auc"] > 0.75


def test_sample_applicants_can_be_told_apart(sample_validation: Validation) -> None:
    assert sample_validation.metrics["auc"] > 0.55
    assert sample_validation.metrics["auc"] < 0.9


def test_shares_of_a_sum_are_learnt_from_the_other_folds(examples: Examples) -> None:
    candidate = Candidate.of("sum", **{"trees.n_estimators": 20})
    folds = prepare(examples, folds=3)
    (fitted,) = fit_each([candidate], folds, range(3))
    found = assemble(candidate, folds, Costs(), fitted)
    target = examples.target
    for part in fitted:
        rows, others = folds.parts[part.number].out, [own for own in fitted if own is not part]
        learnt = np.concatenate([folds.parts[own.number].out for own in others])
        share = SumModel.weights_of(np.concatenate([own.parts for own in others]), target[learnt])
        assert found.scores[rows].tobytes() == (part.parts @ share).tobytes()
    scorer = fit_scorer(found, examples, "m", {})
    assert isinstance(scorer.model, SumModel)
    assert scorer.model.weights == tuple(found.weights)
    assert sum(scorer.model.weights) == pytest.approx(1.0)


def test_a_part_that_says_nothing_has_no_share() -> None:
    rng = np.random.default_rng(0)
    scores, noise = rng.normal(size=(2, 4_000))
    target = (rng.random(4_000) < 1 / (1 + np.exp(-scores))).astype(np.int8)
    assert SumModel.weights_of(np.column_stack([noise, scores]), target)[0] <= 0.1
    assert SumModel.weights_of(np.column_stack([scores, noise]), target)[1] <= 0.1
    halves = np.column_stack([scores + rng.normal(size=4_000), scores + rng.normal(size=4_000)])
    assert 0.3 <= SumModel.weights_of(halves, target)[0] <= 0.7
