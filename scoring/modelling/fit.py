"""The fit of the model that is served, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl

from scoring.errors import ScoringError
from scoring.evaluation.business import refer_band
from scoring.evaluation.metrics import figures
from scoring.modelling.calibration import LEAST_DEFAULTS
from scoring.modelling.candidates import Candidate, estimator, weighing
from scoring.modelling.examples import Examples, Mask, TrainingError, rarer, taken
from scoring.modelling.validation import Validation
from scoring.serving.costs import Costs
from scoring.serving.families import families as served_families
from scoring.serving.families.base import Floats, Labels, Model
from scoring.serving.profiles import Profile
from scoring.serving.scorer import Scorer, encode

# What a fitted model's numbers depend on.
_PACKAGES = ("lightgbm", "numpy", "polars", "scikit-learn")


def fit_scorer(
    validation: Validation, examples: Examples, name: str, lineage: Mapping[str, Any], seed: int = 0
) -> Scorer:
    """Fit the served model on all examples; its calibration comes from the cross-validation.

    The validation is that of a candidate that can be served, on the same examples. `name` is the
    registered model's, and the lineage is kept inside the Scorer as it is.
    """
    candidate = validation.candidate
    if candidate.family is None:
        raise TrainingError(
            f"a Scorer holds a model of {', '.join(served_families())}, not a {candidate.name}"
        )
    fitted = estimator(candidate, examples.features, seed).fit(
        examples.matrix, examples.target, **weighing(candidate, examples.sample_weight)
    )
    classifier = fitted.named_steps["model"]
    model: Model = classifier.model_
    if validation.weights is not None:
        model = model.weighted(validation.weights)
    cutoff = validation.costs.cutoff
    scorer = Scorer(
        name=name,
        version="0",
        model=model,
        calibration=validation.calibration,
        cutoff=cutoff,
        costs=validation.costs,
        lineage=lineage,
        refer_band=refer_band(validation.pds, cutoff),
    )
    levels = {feature.name: feature.levels for feature in model.features}
    matrix, decisions = examples.matrix[:, classifier.columns_], scorer.decide(validation.pds)
    profile = Profile.of_training(levels, matrix, validation.pds, decisions, examples.target == 1)
    return replace(scorer, profile=profile)


def with_explanations(scorer: Scorer, unseen: pl.DataFrame) -> Scorer:
    """Add the reasons and the importance of features to the Scorer's profile.

    They are computed on features of applicants that the model has not seen.
    """
    if scorer.profile is None:
        raise TrainingError("the model has no profile: fit it with fit_scorer")
    scored = scorer.score_matrix(encode(unseen, scorer.features))
    told = scorer.causes.principal(scored)
    return replace(scorer, profile=scorer.profile.explained_by(told, scored.contributions))


def lineage(validation: Validation, record: Mapping[str, Any]) -> dict[str, Any]:
    """Where a model comes from, as plain JSON values: what it was trained on, how, how well.

    Timings are left out: the same data, seed and code give the same values.
    """
    metrics = {
        name: value for name, value in validation.metrics.items() if not name.endswith("seconds")
    }
    candidate = validation.candidate
    return {
        "candidate": candidate.name,
        "parameters": dict(candidate.parameters),
        "resampling": candidate.resampling,
        "features_kept": candidate.kept,
        "training": dict(record),
        "cross_validation": metrics,
        "promised": promises(
            validation.target,
            validation.pds,
            validation.costs,
            validation.newest,
            validation.sample_weight,
        ),
        "packages": {name: version(name) for name in _PACKAGES},
    }


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


def promises(
    target: Labels,
    pds: Floats,
    costs: Costs,
    newest: Mask | None = None,
    sample_weight: Floats | None = None,
) -> dict[str, dict[str, float]]:
    """What a model's decisions should turn out like, of all applicants and of those not refused.

    These are figures of those who are not refused by the model alone, referred ones among them,
    and how certain they are: of how many applicants and defaults.

    Only applicants who get a loan show an outcome: the model has taken the clear cases away from
    them, and ranks the others less well than all together. Where the newest outcomes set the level
    of the PDs, the promise for those not refused is theirs. Left out where too few defaulted.
    """
    cutoff = costs.cutoff
    low, high = refer_band(pds, cutoff)
    refused_above = high if low < high else cutoff
    kept = pds <= refused_above
    if newest is not None and rarer(target[kept & newest]) >= LEAST_DEFAULTS:
        kept &= newest
    parts = {"all": np.ones_like(kept), "not_refused": kept}
    return {
        name: figures(target[part], pds[part], refused_above, costs, taken(sample_weight, part))
        | {"applicants": int(part.sum()), "defaults": int(target[part].sum())}
        for name, part in parts.items()
        if 0 < target[part].sum() < part.sum()
    }
