"""How a model was made, as its lineage tells: enough to make another one like it."""

from __future__ import annotations

from scoring.errors import ScoringError
from scoring.modelling.candidates import Candidate
from scoring.serving.scorer import Scorer


def candidate_of(model: Scorer) -> Candidate:
    """What a model was made by, to be fitted on other applicants.

    Raises
    ------
    ScoringError
        If the model does not tell.
    """
    try:
        known = model.lineage
        return Candidate(
            known["candidate"],
            known["parameters"],
            type(model.model),
            resampling=known["resampling"],
            kept=known["features_kept"],
        )
    except KeyError as error:
        raise ScoringError(
            f"model {model.name} {model.version} does not tell its {error.args[0]}, so that "
            "none can be made like it: name one that `python -m scoring train` made"
        ) from error
