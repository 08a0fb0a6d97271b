"""How a model was made, read back from its lineage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scoring.errors import ScoringError
from scoring.modelling.fit import candidate_of, lineage
from scoring.modelling.validation import Validation
from scoring.serving.scorer import Scorer


def test_the_configuration_is_that_of_the_model(scorer: Scorer) -> None:
    known = {
        "candidate": "trees",
        "parameters": {"n_estimators": 7},
        "resampling": "none",
        "features_kept": 40,
    }
    found = candidate_of(replace(scorer, lineage=known))
    assert (found.parameters, found.kept) == ({"n_estimators": 7}, 40)


def test_a_configuration_survives_a_training(sample_validation: Validation, scorer: Scorer) -> None:
    found = candidate_of(replace(scorer, lineage=lineage(sample_validation, {})))
    assert found == sample_validation.candidate


@pytest.mark.parametrize("missing", ["candidate", "parameters", "resampling", "features_kept"])
def test_a_model_that_does_not_tell_is_named(scorer: Scorer, missing: str) -> None:
    known = {name: value for name, value in scorer.lineage.items() if name != missing}
    with pytest.raises(ScoringError, match=f"does not tell its {missing}"):
        candidate_of(replace(scorer, lineage=known))
