"""Cross-validation, calibration and the fit: nothing seen, nothing random, nothing protected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import brier_score_loss, roc_auc_score

from scoring.data.dataset import Dataset
from scoring.evaluation.business import business_cost
from scoring.features import PROTECTED
from scoring.modelling.calibration import LEAST_DEFAULTS, calibrate, renewed
from scoring.modelling.candidates import Candidate, dummy, fit, log_odds
from scoring.modelling.examples import (
    HOLDOUT_SHARE,
    Examples,
    TrainingError,
    applicants_digest,
    examples_of,
    is_held_out,
)
from scoring.modelling.figures import unseen_pds
from scoring.modelling.fit import candidate_of, fit_scorer, lineage
from scoring.modelling.folds import Folds, prepare
from scoring.modelling.resampling import RESAMPLINGS
from scoring.modelling.validation import (
    Validation,
    assemble,
    compare,
    cross_validate,
    fit_each,
    parts_of,
)
from scoring.serving import booster
from scoring.serving.costs import Costs
from scoring.serving.families import families
from scoring.serving.families.base import Floats, Labels
from scoring.serving.families.sum import SumModel
from scoring.serving.scorer import Calibration, Feature, Scorer

QUICK = Candidate.of("trees", n_estimators=60, colsample_bytree=0.5)

# Names of real features, for which the Scorer has words.
NUMBERS = (
    "AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE", "AMT_INCOME_TOTAL", "DAYS_EMPLOYED",
    "DAYS_REGISTRATION", *(f"noise {i}" for i in range(24)),
)  # fmt: skip
COLOR, NOTHING = "OCCUPATION_TYPE", "OWN_CAR_AGE"


def simulated(rows: int, signal: float, seed: int = 0, columns: int = 6) -> Examples:
    """Applicants whose outcome depends on one number and one category, as far as `signal` says."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, columns)).astype(np.float32)
    color = rng.choice(["red", "green", "blue"], rows)
    risk = signal * (numbers[:, 0] + 1.5 * (color == "red")) - 1.0
    target = rng.random(rows) < 1 / (1 + np.exp(-risk))
    known = np.where(rng.random(numbers.shape) < 0.1, np.nan, numbers)
    frame = pl.DataFrame(
        {
            "SK_ID_CURR": np.arange(1, rows + 1, dtype=np.int32),
            **{
                name: pl.Series(known[:, i], nan_to_null=True)
                for i, name in enumerate(NUMBERS[:columns])
            },
            COLOR: pl.Series(color, dtype=pl.Enum(["blue", "green", "red", "never"])),
            NOTHING: pl.Series([None] * rows, dtype=pl.Float32),
        }
    )
    outcomes = pl.DataFrame({"SK_ID_CURR": frame["SK_ID_CURR"], "TARGET": target.astype(np.int8)})
    return Examples.of(frame, outcomes)


def with_target(examples: Examples, target: npt.NDArray[np.int8]) -> Examples:
    return replace(examples, target=target)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return simulated(1500, signal=1.5)


@pytest.fixture(scope="module")
def validation(examples: Examples) -> Validation:
    return cross_validate(QUICK, examples, Costs(), folds=4, seed=3)


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


def test_every_applicant_is_left_out_once_in_balanced_folds(validation: Validation) -> None:
    sizes = np.bincount(validation.fold)
    assert sizes.size == 4
    assert np.ptp(sizes) <= 1
    rates = [validation.target[validation.fold == number].mean() for number in range(4)]
    assert np.ptp(rates) < 0.01
    assert np.isfinite(validation.scores).all()


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


def test_the_same_seed_gives_the_same_model_byte_for_byte(
    examples: Examples, validation: Validation
) -> None:
    again = cross_validate(QUICK, examples, Costs(), folds=4, seed=3)
    assert again.scores.tobytes() == validation.scores.tobytes()
    one, other, third = (
        fit_scorer(item, examples, "m", lineage(item, {}), seed)
        for item, seed in ((validation, 3), (again, 3), (validation, 4))
    )
    assert one == other
    assert one.model != third.model


def test_pds_are_probabilities_that_calibration_did_not_worsen(validation: Validation) -> None:
    assert ((validation.pds > 0) & (validation.pds < 1)).all()
    raw = 1 / (1 + np.exp(-validation.scores))
    assert validation.metrics["brier"] <= brier_score_loss(validation.target, raw) * 1.005
    assert validation.pds.mean() == pytest.approx(validation.target.mean(), abs=0.01)


def test_an_applicants_own_outcome_does_not_move_the_pd(validation: Validation) -> None:
    for number in range(4):
        out = validation.fold == number
        other = replace(validation, target=np.where(out, 1 - validation.target, validation.target))
        assert other.pds[out].tobytes() == validation.pds[out].tobytes()
        assert not np.array_equal(other.pds[~out], validation.pds[~out])


def test_calibration_mends_scores_that_are_far_too_sure() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(-2, 1, 20_000)
    target = (rng.random(truth.size) < 1 / (1 + np.exp(-truth))).astype(np.int8)
    found = calibrate(4 * truth + 3, target)
    assert found.slope == pytest.approx(0.25, abs=0.02)
    assert found.intercept == pytest.approx(-0.75, abs=0.1)
    pds = found.probability(4 * truth + 3)
    raw = 1 / (1 + np.exp(-(4 * truth + 3)))
    assert brier_score_loss(target, pds) < 0.9 * brier_score_loss(target, raw)
    # It keeps the order of the applicants.
    assert roc_auc_score(target, pds) == pytest.approx(roc_auc_score(target, truth))


def drawn(size: int, level: float, slope: float = 1.0) -> tuple[Floats, Labels]:
    """Scores in log-odds, and outcomes that follow them from a level on, by a slope."""
    rng = np.random.default_rng(7)
    scores = rng.normal(-2.5, 1.0, size)
    truth = 1 / (1 + np.exp(-(slope * scores + level)))
    return scores, (rng.random(size) < truth).astype(np.int8)


def test_too_few_new_outcomes_change_no_calibration() -> None:
    before = Calibration(1.1, 0.2)
    scores, target = drawn(60, 1.0)
    assert 0 < target.sum() < LEAST_DEFAULTS
    assert renewed(before, scores, target) == before


@pytest.mark.parametrize("level", [-0.5, 0.0, 1.0])
def test_some_new_outcomes_move_the_level_alone(level: float) -> None:
    before = Calibration(0.9, -0.1)
    scores, target = drawn(400, level)
    assert LEAST_DEFAULTS <= target.sum() < 100
    after = renewed(before, scores, target)
    assert after.slope == before.slope
    assert after.probability(scores).sum() == pytest.approx(target.sum(), rel=1e-9)


def test_many_new_outcomes_move_the_slope_too() -> None:
    scores, target = drawn(20_000, 0.7, slope=0.5)
    after = renewed(Calibration(), scores, target)
    assert after == calibrate(scores, target)
    assert after.slope == pytest.approx(0.5, abs=0.05)
    assert after.intercept == pytest.approx(0.7, abs=0.15)


def test_pds_follow_the_newest_outcomes(validation: Validation) -> None:
    newest = np.arange(validation.target.size) % 3 == 0
    target = validation.target.copy()
    target[newest & (np.arange(target.size) % 2 == 0)] = 1
    stale = replace(validation, target=target)
    fresh = replace(validation, target=target, newest=newest)
    rate = float(target[newest].mean())
    assert abs(float(fresh.pds[newest].mean()) - rate) < 0.03
    assert abs(float(stale.pds[newest].mean()) - rate) > 0.1
    assert fresh.calibration == renewed(
        stale.calibration, validation.scores[newest], target[newest]
    )


def test_a_constant_score_is_calibrated_to_the_default_rate() -> None:
    target = np.array([0, 0, 0, 1], dtype=np.int8)
    scores = np.full(4, 1.7)
    assert calibrate(scores, target).probability(scores) == pytest.approx([0.25] * 4)


def test_log_odds_stay_finite() -> None:
    assert log_odds([0.5]) == pytest.approx([0.0])
    assert np.isfinite(log_odds([0.0, 1.0])).all()


def test_the_dummy_gives_everyone_the_default_rate(examples: Examples) -> None:
    found = cross_validate(dummy(), examples, Costs(), folds=5)
    assert found.pds == pytest.approx(examples.target.mean(), abs=0.01)
    assert found.metrics["auc"] == pytest.approx(0.5, abs=0.02)
    refuse_all = business_cost(examples.target, np.ones(examples.target.size), 0.5, Costs())
    assert found.metrics["business_cost"] == pytest.approx(refuse_all)


# The examples.


def frame_of(rows: int) -> pl.DataFrame:
    ids = pl.Series("SK_ID_CURR", range(rows), dtype=pl.Int32)
    return pl.DataFrame([ids, pl.Series("A", range(rows), dtype=pl.Float32)])


def outcomes(values: Sequence[int | None]) -> pl.DataFrame:
    ids = pl.Series("SK_ID_CURR", range(len(values)), dtype=pl.Int32)
    return pl.DataFrame([ids, pl.Series("TARGET", values, dtype=pl.Int8)])


def test_examples_are_matched_by_identifier_and_those_without_outcome_left_out() -> None:
    targets = outcomes([0, 1] * 20 + [None] * 5)
    found = Examples.of(frame_of(60)[::-1], targets.sample(fraction=1, shuffle=True, seed=1))
    assert found.frame["SK_ID_CURR"].to_list() == list(range(39, -1, -1))
    assert found.target.tolist() == [i % 2 for i in range(39, -1, -1)]
    assert found.matrix.tolist() == [[float(i)] for i in range(39, -1, -1)]
    assert "TARGET" not in found.frame.columns
    assert found.features == (Feature("A"),)


@pytest.mark.parametrize(
    ("values", "fewest"), [([0] * 50, 0), ([1] * 50, 0), ([0] * 50 + [1] * 9, 9), ([None] * 9, 0)]
)
def test_too_few_of_an_outcome_are_refused(values: list[int | None], fewest: int) -> None:
    with pytest.raises(TrainingError, match=f"only {fewest} applicants of the rarer outcome"):
        Examples.of(frame_of(100), outcomes(values))


def test_protected_attributes_are_left_out_unless_asked_for(
    sample_features: pl.DataFrame, sample_examples: Examples
) -> None:
    names = {feature.name for feature in sample_examples.features}
    everything = set(sample_features.columns) - {"SK_ID_CURR"}
    assert names == everything - PROTECTED
    targets = outcomes([0, 1] * 30).with_columns(SK_ID_CURR=sample_features["SK_ID_CURR"].head(60))
    asked = Examples.of(sample_features, targets, use_protected=True)
    assert {feature.name for feature in asked.features} == everything


def test_a_fifth_is_held_out_whoever_else_is_there(examples: Examples) -> None:
    development, holdout = examples.holdout()
    assert holdout.target.size / examples.target.size == pytest.approx(HOLDOUT_SHARE, abs=0.03)
    ids = [*development.frame["SK_ID_CURR"], *holdout.frame["SK_ID_CURR"]]
    assert sorted(ids) == examples.frame["SK_ID_CURR"].to_list()
    by_id = dict(zip(examples.frame["SK_ID_CURR"], examples.target, strict=True))
    assert holdout.target.tolist() == [by_id[i] for i in holdout.frame["SK_ID_CURR"]]
    some = examples.take(np.random.default_rng(0).permutation(examples.target.size)[:900])
    held = set(holdout.frame["SK_ID_CURR"]) & set(some.frame["SK_ID_CURR"])
    assert set(some.holdout()[1].frame["SK_ID_CURR"]) == held


def test_who_is_held_out_never_changes() -> None:
    # Champion and challenger of different releases are compared on the same applicants.
    ids = pl.Series(range(100_000, 100_020), dtype=pl.Int32)
    assert np.flatnonzero(is_held_out(ids)).tolist() == [0, 4, 7, 17]


def test_a_holdout_with_too_few_of_an_outcome_is_refused() -> None:
    with pytest.raises(TrainingError, match="of the rarer outcome"):
        Examples.of(frame_of(200), outcomes([0] * 180 + [1] * 20)).holdout()


def test_unseen_pds_are_those_of_the_folds_and_of_the_held_out(examples: Examples) -> None:
    rest, part = examples.holdout()
    validation = cross_validate(QUICK, rest, Costs(1, 1), folds=2)
    served = fit_scorer(validation, rest, "credit-scoring", {})
    pds = unseen_pds(validation, rest, served, part)
    assert sorted(pds["SK_ID_CURR"]) == sorted(examples.frame["SK_ID_CURR"])
    by_id = dict(pds.iter_rows())
    assert [by_id[i] for i in rest.frame["SK_ID_CURR"]] == validation.pds.tolist()
    assert [by_id[i] for i in part.frame["SK_ID_CURR"]] == served.predict(part.frame).tolist()
    # The model is surer of whom it has seen.
    assert (
        np.abs(served.predict(rest.frame) - rest.target).mean()
        < np.abs(validation.pds - rest.target).mean()
    )


# The candidates and the Scorer.


def test_the_candidates_are_compared_on_applicants_not_seen(examples: Examples) -> None:
    short = (dummy(), Candidate.of("linear", C=0.1), QUICK)
    table = compare([cross_validate(item, examples, Costs(1, 1), folds=3) for item in short])
    assert table["candidate"].to_list() == ["dummy", "linear", "trees"]
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


def test_a_scorer_gives_what_the_trained_model_gives(
    examples: Examples, validation: Validation
) -> None:
    scorer = fit_scorer(validation, examples, "m", {}, seed=3)
    # Nothing can be learnt from a column without values.
    assert [feature.name for feature in scorer.features] == [
        feature.name for feature in examples.features if feature.name != NOTHING
    ]
    matrix = examples.matrix[:, [feature.name != NOTHING for feature in examples.features]]
    model = fit(QUICK, scorer.features, matrix, examples.target, seed=3)
    scores = parts_of(model, matrix)[:, 0]
    expected = calibrate(validation.scores, validation.target).probability(scores)
    assert scorer.predict(examples.frame).tobytes() == expected.tobytes()
    assert (scorer.name, scorer.version) == ("m", "0")
    low, high = scorer.refer_band
    assert low < scorer.cutoff == validation.costs.cutoff < high


@pytest.mark.parametrize("family", families())
def test_every_family_is_served_with_exact_reasons(examples: Examples, family: str) -> None:
    found = cross_validate(Candidate.of(family), examples, Costs(), folds=2)
    assert found.metrics["auc"] > 0.7
    scorer = fit_scorer(found, examples, "m", lineage(found, {}))
    pds, explained = scorer.predict(examples.frame), scorer.explain(examples.frame)
    total = explained.contributions.sum(axis=1) + explained.base
    assert total == pytest.approx(np.log(pds / (1 - pds)), abs=1e-9)
    assert candidate_of(scorer) == found.candidate


def test_only_families_can_be_served(examples: Examples) -> None:
    found = cross_validate(dummy(), examples, Costs(), folds=2)
    with pytest.raises(TrainingError, match="not a dummy"):
        fit_scorer(found, examples, "m", {})


def test_other_costs_move_the_cutoff_and_the_decisions(examples: Examples) -> None:
    strict = cross_validate(QUICK, examples, Costs(20, 1), folds=2)
    lax = cross_validate(QUICK, examples, Costs(1, 1), folds=2)
    refused = [
        np.mean(np.array(scorer.decide(scorer.predict(examples.frame))) == "refuse")
        for scorer in (fit_scorer(item, examples, "m", {}) for item in (strict, lax))
    ]
    assert refused[0] > refused[1]


def test_the_lineage_is_json_and_holds_no_timing(validation: Validation, scorer: Scorer) -> None:
    found = lineage(validation, {"digest": "abc", "rows": 1500})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["training"] == {"digest": "abc", "rows": 1500}
    assert found["candidate"] == "trees"
    assert found["parameters"]["n_estimators"] == 60
    assert found["cross_validation"]["auc"] == validation.metrics["auc"]
    assert not any("seconds" in name for name in found["cross_validation"])
    assert scorer.lineage["packages"].keys() == {"lightgbm", "numpy", "polars", "scikit-learn"}


def test_who_was_learnt_from_has_a_digest_that_anyone_can_compute(sample: Dataset) -> None:
    examples = examples_of(sample)
    known = sample.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    lines = "".join(f"{number},{target}\n" for number, target in sorted(known.rows()))
    digest = applicants_digest(examples)
    assert digest == hashlib.sha256(lines.encode()).hexdigest()
    backwards = np.arange(examples.target.size)[::-1]
    assert applicants_digest(examples.take(backwards)) == digest
    assert applicants_digest(examples.take(backwards[1:])) != digest
    other = examples.target.copy()
    other[0] = 1 - other[0]
    assert applicants_digest(replace(examples, target=other)) != digest


def test_sample_applicants_can_be_told_apart(sample_validation: Validation) -> None:
    assert sample_validation.metrics["auc"] > 0.55
    assert sample_validation.metrics["auc"] < 0.9


# Nothing of the applicants left out is seen: neither by the choice of features, nor by a remedy
# for imbalance.

RECIPE = replace(QUICK, kept=4)


def without_labels_of(folds: Folds, number: int) -> Folds:
    """The same folds, with the opposite outcome for each applicant that one of them leaves out."""
    target = folds.examples.target.copy()
    out = folds.parts[number].out
    target[out] = 1 - target[out]
    return replace(folds, examples=with_target(folds.examples, target), _known={}, _rankings={})


@pytest.mark.parametrize("resampling", RESAMPLINGS)
def test_selection_and_resampling_do_not_see_the_outcomes_left_out(
    examples: Examples, resampling: Any
) -> None:
    folds = prepare(examples, folds=3, seed=2)
    candidate = replace(RECIPE, resampling=resampling)
    first, flipped, other = (
        fit_each([candidate], item, [1])[0][0]
        for item in (folds, without_labels_of(folds, 1), without_labels_of(folds, 0))
    )
    assert first.parts.tobytes() == flipped.parts.tobytes()
    assert first.seen.tobytes() == flipped.seen.tobytes()
    # Those of training rows matter.
    assert first.parts.tobytes() != other.parts.tobytes()


def test_the_features_kept_are_chosen_anew_in_every_fold() -> None:
    noise = simulated(1500, signal=1.5, columns=30)
    folds = prepare(noise, folds=3)
    chosen = [set(folds.data(number, RECIPE)[0]) for number in range(3)]
    assert {len(columns) for columns in chosen} == {4}
    assert chosen[0] != chosen[1]
    names = [feature.name for feature in noise.features]
    assert all({names.index(NUMBERS[0]), names.index(COLOR)} <= columns for columns in chosen)


def test_noise_gives_an_auc_of_a_half_through_the_whole_pipeline(sample: Dataset) -> None:
    # Half of the applicants "default", which makes the most of 800: the standard error of the
    # mean AUC of three drawings is 0.012.
    candidate = replace(Candidate.of("trees", n_estimators=60), kept=100, resampling="SMOTE")
    examples = examples_of(sample)
    found = []
    for seed in range(3):
        target = np.random.default_rng(seed).permutation(np.arange(800) % 2).astype(np.int8)
        folds = prepare(with_target(examples, target), folds=2, seed=seed)
        validation = cross_validate(candidate, folds, Costs(1, 1))
        assert validation.metrics["auc_train"] > 0.8
        found.append(validation.metrics["auc"])
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)


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
