"""How a model was made, read back from its lineage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scoring.errors import ScoringError
from scoring.modelling.configuration import Configuration
from scoring.modelling.training import Validation, lineage
from scoring.serving.scorer import Scorer


def test_the_configuration_is_that_of_the_model(scorer: Scorer) -> None:
    known = {
        "parameters": {"n_estimators": 7},
        "resampling": "none",
        "features_kept": 40,
    }
    found = Configuration.of(replace(scorer, lineage=known)).candidate
    assert (found.parameters, found.kept) == ({"n_estimators": 7}, 40)


def test_a_configuration_survives_a_training(sample_validation: Validation, scorer: Scorer) -> None:
    found = Configuration.of(replace(scorer, lineage=lineage(sample_validation, {}))).candidate
    made = sample_validation.candidate
    assert (found.name, found.parameters) == (made.name, made.parameters)
    assert (found.resampling, found.kept) == (made.resampling, made.kept)


@pytest.mark.parametrize("missing", ["parameters", "resampling", "features_kept"])
def test_a_model_that_does_not_tell_is_named(scorer: Scorer, missing: str) -> None:
    known = {name: value for name, value in scorer.lineage.items() if name != missing}
    with pytest.raises(ScoringError, match=f"does not tell its {missing}"):
        Configuration.of(replace(scorer, lineage=known))
