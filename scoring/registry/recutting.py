"""Other costs for a model that is calibrated: another cut-off, without training."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import polars as pl

from scoring.data.dataset import Dataset
from scoring.evaluation.business import refer_band
from scoring.features import build_features
from scoring.modelling.fit import promises
from scoring.registry import approval
from scoring.registry.holdout import held_out_rows
from scoring.registry.mlflow_registry import CHAMPION, Registry, RegistryError
from scoring.reports.card.fields import check_complete
from scoring.reports.card.making import recut as recut_card
from scoring.serving.costs import Costs
from scoring.serving.families.base import Labels
from scoring.serving.profiles import usual_values
from scoring.serving.scorer import Scorer, encode


def register_recut(
    registry: Registry, dataset: Dataset, costs: Costs, created: str, version: str | None = None
) -> Scorer:
    """Register a version that decides by other costs; it becomes the challenger.

    Its PDs are those of the version that it is made from, the champion by default. The refer band,
    the promised figures and the model card, whose date is `created` (ISO 8601), are made anew on
    the applicants of the dataset that no model has learnt from.

    Raises
    ------
    RegistryError
        If there is no such version, it has no card, or nobody is held out.
    """
    base = registry.load(registry.version_of(CHAMPION) if version is None else version)
    card = approval.kept_card(registry, base.version)
    if card is None:
        raise RegistryError(f"version {base.version} was registered without a model card")
    rows = held_out_rows(dataset)
    features = pl.concat(build_features(part) for part in rows)
    target = pl.concat(part["application"] for part in rows)["TARGET"].to_numpy()
    scorer = recut(base, costs, features, target)
    card = recut_card(card, scorer, features, target, created)
    check_complete(card)
    with registry.run(
        f"recut of version {base.version}", {"version": base.version, **asdict(costs)}
    ):
        registry.log({f"holdout_{figure.name}": figure.value for figure in card.holdout})
        return approval.register_with_card(registry, scorer, card, dataset.manifest, features)


def recut(base: Scorer, costs: Costs, features: pl.DataFrame, target: Labels) -> Scorer:
    """The same model with other costs.

    Parameters
    ----------
    base : Scorer
        The model.
    costs : Costs
        What mistakes cost from now on.
    features : polars.DataFrame
        Of applicants that the model has not seen, as `build_features` gives them.
    target : numpy.ndarray of shape (applicants,)
        Their outcomes.
    """
    matrix = encode(features, base.features)
    pds = base.pds(matrix)
    training = {
        **base.lineage.get("training", {}),
        "cost_false_negative": costs.false_negative,
        "cost_false_positive": costs.false_positive,
    }
    lineage = {
        **base.lineage,
        "training": training,
        "promised": promises(target, pds, costs),
        "recut_of": base.version,
    }
    scorer = replace(
        base,
        version="0",
        costs=costs,
        cutoff=costs.cutoff,
        refer_band=refer_band(pds, costs.cutoff),
        lineage=lineage,
    )
    if base.profile is None:
        return scorer
    # As many as the profile is of, in the shares of those who were kept from training.
    known = base.profile.applicants / max(pds.size, 1)
    taken = scorer.decide(pds)
    decisions: dict[str, int] = {
        decision: int(np.round(count * known)) for decision, count in Counter(taken).items()
    }
    levels = {feature.name: feature.levels for feature in base.features}
    accepted = matrix[[decision == "accept" for decision in taken]]
    profile = replace(base.profile, decisions=decisions, usual=usual_values(levels, accepted))
    return replace(scorer, profile=profile)
