"""The model that is served: made alike from the same seed, with exact reasons, and its lineage."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scoring.modelling.calibration import calibrate
from scoring.modelling.candidates import Candidate, dummy, estimator, parts_of
from scoring.modelling.examples import Examples, TrainingError
from scoring.modelling.fit import candidate_of, fit_scorer, lineage
from scoring.modelling.validation import Validation, cross_validate
from scoring.serving.costs import Costs
from scoring.serving.families import families
from scoring.serving.scorer import Scorer
from tests.helpers.simulated import NOTHING, QUICK


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


def test_a_scorer_gives_what_the_trained_model_gives(
    examples: Examples, validation: Validation
) -> None:
    scorer = fit_scorer(validation, examples, "m", {}, seed=3)
    # Nothing can be learnt from a column without values.
    assert [feature.name for feature in scorer.features] == [
        feature.name for feature in examples.features if feature.name != NOTHING
    ]
    matrix = examples.matrix[:, [feature.name != NOTHING for feature in examples.features]]
    model = estimator(QUICK, scorer.features, seed=3).fit(matrix, examples.target)
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
