"""How a model was made, as its lineage tells: enough to make another one like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scoring.errors import ScoringError
from scoring.features.directions import DIRECTIONS
from scoring.modelling.candidates import Candidate, boosted_trees
from scoring.modelling.resampling import Resampling
from scoring.serving.scorer import Scorer


@dataclass(frozen=True)
class Configuration:
    """What boosted trees are made by; unlike a `Candidate` it can go to another process.

    Attributes
    ----------
    parameters : mapping of str to Any
        LightGBM's.
    resampling : Resampling
        What is done about imbalance.
    kept : int or None
        How many features are kept; None for all.
    """

    parameters: Mapping[str, Any]
    resampling: Resampling = "none"
    kept: int | None = None

    @classmethod
    def of(cls, model: Scorer) -> Configuration:
        """How a model was made.

        Raises
        ------
        ScoringError
            If the model does not tell.
        """
        try:
            found = model.lineage
            return cls(found["parameters"], found["resampling"], found["features_kept"])
        except KeyError as error:
            raise ScoringError(
                f"model {model.name} {model.version} does not tell its {error.args[0]}, so that "
                "none can be made like it: name one that `python -m scoring train` made"
            ) from error

    @property
    def candidate(self) -> Candidate:
        """The trees, not fitted."""
        found = boosted_trees(dict(self.parameters), DIRECTIONS)
        return replace(found, resampling=self.resampling, kept=self.kept)
