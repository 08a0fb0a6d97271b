"""A model card from a trained model and the applicants that were held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import roc_curve

from scoring.evaluation.business import cost_curve, study_cutoff
from scoring.evaluation.explain import global_importance
from scoring.evaluation.fairness import attributes, by_group, four_fifths
from scoring.evaluation.metrics import intervals, reliability
from scoring.evaluation.money import Money, money_score
from scoring.features import PROTECTED
from scoring.features.wording import describe
from scoring.reports.card.fields import (
    Approval,
    Card,
    Data,
    Deciding,
    Driver,
    Fairness,
    Family,
    Features,
    Figure,
    Group,
    Identity,
    Method,
    Ratio,
)
from scoring.reports.words import Words
from scoring.serving.costs import Costs
from scoring.serving.scorer import Floats, Scorer

if TYPE_CHECKING:
    from scoring.modelling.pipeline import Run
    from scoring.modelling.validation import Validation

_WORDS = Words("card")
OWNER = _WORDS("making.owner")
_PACKAGES = (
    "fairlearn", "imbalanced-learn", "lightgbm", "mlflow", "numpy", "optuna", "polars",
    "scikit-learn",
)  # fmt: skip

# Enough to see what a model leans on; the whole list is in the modelling notebook.
_DRIVERS = 15
# Points of a curve.
_DRAWN = 200


@dataclass(frozen=True)
class Background:
    """What a card tells that cannot be read off the model and the held-out applicants.

    See the card's fields of these names, and `Fairness` for `proxy_auc` and `price`.
    """

    data: Data
    method: Method
    cross_validation: Mapping[str, float]
    proxy_auc: Figure
    price: str
    packages: Mapping[str, str]


def card_of(run: Run, created: str, owner: str = OWNER) -> Card:
    """Make the card of a training's model, not yet approved.

    Parameters
    ----------
    run : Run
        What the training found.
    created : str
        The date (ISO 8601), given so that the same run gives the same card.
    owner : str
        Who answers for the model.
    """
    held_out, background = run.data.holdout, background_of(run)
    return described(
        run.scorer, held_out.frame, held_out.target, background, created, owner, run.settings.seed
    )


def recut(
    card: Card, scorer: Scorer, features: pl.DataFrame, target: npt.ArrayLike, created: str
) -> Card:
    """Make the card of a model that decides by other costs, from the card that it had before.

    Parameters
    ----------
    card : Card
        Of the model with its earlier costs.
    scorer : Scorer
        The model with its new costs.
    features, target : polars.DataFrame and array-like
        The held-out applicants, and their outcomes.
    created : str
        The date (ISO 8601).
    """
    fairness = card.fairness
    background = Background(
        card.data, card.method, card.cross_validation, fairness.proxy_auc, fairness.price,
        card.packages,
    )  # fmt: skip
    return described(scorer, features, target, background, created, card.identity.owner)


def background_of(run: Run) -> Background:
    """Gather what a training tells of its model beyond the model itself."""
    figures, price = run.choice.validation.metrics, run.price
    return Background(
        data=_data(run),
        method=_method(run),
        cross_validation={
            name: value for name, value in figures.items() if not name.endswith("seconds")
        },
        proxy_auc=Figure("auc", *run.proxy.auc),
        price=_WORDS("making.price", auc=price["auc"], cost=price["business_cost"]),
        packages={name: version(name) for name in _PACKAGES},
    )


def _data(run: Run) -> Data:
    development, held_out = run.data.development.target, run.data.holdout.target
    applicants = development.size + held_out.size
    return Data(
        source=run.data.source,
        digest=run.data.digest,
        applicants=applicants,
        default_rate=float((development.sum() + held_out.sum()) / applicants),
        development=development.size,
        held_out=held_out.size,
        split=str(run.scorer.lineage["training"]["holdout"]),
    )


def _method(run: Run) -> Method:
    candidate = run.choice.validation.candidate
    kept = candidate.kept
    return Method(
        family=candidate.name,
        parameters=dict(candidate.parameters),
        resampling=candidate.resampling,
        selection=_WORDS("making.all_features" if kept is None else "making.selection", kept=kept),
        configurations=run.configurations,
        choice=run.choice.sentence,
        families=tuple(_family(item, candidate.name) for item in run.families),
    )


def _family(validation: Validation, chosen: str) -> Family:
    name, figures = validation.candidate.name, validation.metrics
    return Family(name, figures["auc"], figures["business_cost"], figures["brier"], name == chosen)


def described(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    background: Background,
    created: str,
    owner: str = OWNER,
    seed: int = 0,
) -> Card:
    """Make the card of a model from what is known of it, not yet approved.

    The features and outcomes are those of the held-out applicants, the seed is of the bootstrap.
    """
    pds = scorer.predict(features)
    figures = intervals(target, pds, scorer.cutoff, scorer.costs, seed=seed)
    data = background.data
    return Card(
        identity=Identity(scorer.name, scorer.version, scorer.feature_set_version, created, owner),
        data=data,
        features=_features(scorer),
        method=background.method,
        holdout=tuple(Figure(name, *value) for name, value in figures.items()),
        cross_validation=background.cross_validation,
        deciding=_deciding(scorer, features, target, pds, seed),
        fairness=_fairness(scorer, features, target, pds, background, seed),
        drivers=_drivers(scorer, features),
        packages=background.packages,
        approval=Approval(),
        curves=_curves(target, pds, scorer.costs),
    )


def _features(scorer: Scorer) -> Features:
    names = [feature.name for feature in scorer.features]
    kinds = Counter(map(_table, names))
    left_out = tuple(sorted(PROTECTED.difference(names)))
    return Features(
        count=len(names),
        by_table=dict(sorted(kinds.items())),
        left_out=left_out or (_WORDS("making.nothing_left_out"),),
    )


def _table(feature: str) -> str:
    """Kaggle's columns have no prefix: they are the application's."""
    table, separator, _ = feature.partition("__")
    return table if separator else "application"


def _deciding(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    pds: Floats,
    seed: int,
) -> Deciding:
    study, money = study_cutoff(target, pds, scorer.costs, seed=seed), Money()
    score = money_score(target, pds > scorer.cutoff, features, money, seed=seed)
    low, high = scorer.refer_band
    return Deciding(
        false_negative=scorer.costs.false_negative,
        false_positive=scorer.costs.false_positive,
        cutoff=scorer.cutoff,
        best_cutoff=Figure("cut-off of least cost", *study.best),
        refer_low=low,
        refer_high=high,
        referred=float(np.mean(np.asarray(scorer.decide(pds)) == "refer")),
        money=_WORDS("making.money", money=money, score=score),
    )


def _fairness(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    pds: Floats,
    background: Background,
    seed: int,
) -> Fairness:
    groups = attributes(features)
    table = by_group(groups, target, pds, scorer.cutoff, seed=seed)
    small = table.filter("small")
    ratios = four_fifths(groups, target, pds, scorer.cutoff, seed=seed)
    return Fairness(
        groups=tuple(_group(row) for row in table.filter(~pl.col("small")).to_dicts()),
        small_groups=", ".join(
            f"{attribute} {group} ({applicants})"
            for attribute, group, applicants in small.select("attribute", "group", "n").iter_rows()
        )
        or _WORDS("making.no_small_groups"),
        ratios=tuple(
            Ratio(row["attribute"], row["least"], row["most"], _of(row, "ratio", "low", "high"))
            for row in ratios.to_dicts()
        ),
        proxy_auc=background.proxy_auc,
        price=background.price,
    )


def _group(row: Mapping[str, Any]) -> Group:
    def figure(name: str) -> Figure:
        return _of(row, name, f"{name}_low", f"{name}_high")

    return Group(
        attribute=row["attribute"],
        group=row["group"],
        applicants=row["n"],
        defaults=row["defaults"],
        accepted=figure("acceptance_rate"),
        defaults_refused=figure("true_positive_rate"),
        good_refused=figure("false_positive_rate"),
        calibration_gap=figure("calibration_gap"),
    )


def _of(row: Mapping[str, Any], value: str, low: str, high: str) -> Figure:
    return Figure(value, row[value], row[low], row[high])


def _drivers(scorer: Scorer, features: pl.DataFrame) -> tuple[Driver, ...]:
    leading = global_importance(scorer, features).head(_DRIVERS)
    return tuple(Driver(name, describe(name), pull) for name, pull in leading.iter_rows())


def _curves(
    target: npt.ArrayLike, pds: Floats, costs: Costs
) -> Mapping[str, tuple[tuple[float, ...], ...]]:
    false_positives, true_positives, _ = roc_curve(target, pds)
    bins = reliability(target, pds).select("predicted", "observed", "low", "high")
    return {
        "roc": _points(false_positives, true_positives),
        "reliability": tuple(bins.iter_rows()),
        "cost": _points(*cost_curve(target, pds, costs)),
    }


def _points(*lines: Floats) -> tuple[tuple[float, ...], ...]:
    """As many points of a curve as can be seen, the first and the last among them."""
    places = np.unique(np.linspace(0, lines[0].size - 1, _DRAWN).round().astype(int))
    return tuple(zip(*(line[places].tolist() for line in lines), strict=True))
