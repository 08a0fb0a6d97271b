"""A model card from a trained model and the applicants that were held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.business import study_cutoff
from scoring.evaluation.explain import global_importance
from scoring.evaluation.fairness import attributes, by_group, four_fifths
from scoring.evaluation.metrics import intervals
from scoring.evaluation.money import Money, money_score
from scoring.features import PROTECTED
from scoring.features.wording import describe
from scoring.reports.card import french
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
    Use,
)
from scoring.serving.scorer import Floats, Scorer

if TYPE_CHECKING:
    from scoring.modelling.pipeline import Run
    from scoring.modelling.validation import Validation

OWNER = "Prêt à dépenser, credit risk"

USE = Use(
    purpose=(
        "Estimates the probability that an applicant for consumer credit defaults (TARGET of Home "
        "Credit Default Risk: late payments on the first instalments), and proposes to accept, "
        "refer or refuse the application by what the two mistakes cost."
    ),
    users=(
        "credit officers, who see the PD, the decision and its reasons and may overrule it; data "
        "scientists who monitor it."
    ),
    out_of_scope=(
        "Deciding without a person whom the applicant can turn to.",
        "Setting prices, credit limits or collection measures.",
        "Companies, mortgages, or applicants of another country or lender.",
        "Applicants unlike those of the training data (see Monitoring: drift).",
    ),
)

LIMITS = (
    "Selective labels: outcomes are known only for applications that were once accepted. PDs of "
    "applicants that earlier rules refused are extrapolated.",
    "Default means late payments on the first instalments, not the loss at the end of the loan.",
    "The data have no calendar dates: the model was held against applicants left out at random, "
    "not against later ones. A change of the economy shows in monitoring only.",
    "Intervals tell what other applicants could have changed, not what another training would.",
    "Groups of few applicants have wide intervals: they show neither fairness nor its absence.",
    "Reasons tell what moved the PD, not what an applicant could change to be accepted.",
)
SYNTHETIC_LIMIT = (
    "Trained on sample applicants, invented from statistics of real ones: the figures show that "
    "the line works and say nothing about real applicants. Not for decisions about people."
)
REAL_LIMIT = (
    "Trained on the rows of Kaggle's Home Credit Default Risk: past applicants of one lender, "
    "whose default rate and habits need not be those of the applicants to come."
)

MONITORING = (
    "Monthly: drift of the features and of the PD against the training applicants (PSI alert above "
    "0.2), drift of missing values, refusal rate and mix of reasons.",
    "Once outcomes are known: AUC, business cost, Brier score and calibration of the decisions "
    "taken; acceptance by sex and age band with the four-fifths rule.",
    "A breach of an alert goes to the owner, who refers every application, rolls back "
    "(python -m scoring rollback) or trains a challenger.",
    "Every version is compared with the champion on the same held-out applicants before it is "
    "promoted (python -m scoring promote).",
)

CALIBRATION = (
    "Platt scaling, fitted on the scores that the cross-validation gave to applicants left out"
)
SELECTED = (
    "features that gain most beyond what they gain on shuffled outcomes (null importance), ranked "
    "on training rows only"
)
_PACKAGES = (
    "fairlearn", "imbalanced-learn", "lightgbm", "mlflow", "numpy", "optuna", "polars",
    "scikit-learn",
)  # fmt: skip

# Enough to see what a model leans on; the whole list is in the modelling notebook.
_DRIVERS = 15


@dataclass(frozen=True)
class Background:
    """What a card tells that cannot be read off the model and the held-out applicants.

    Attributes
    ----------
    source, digest, split : str
        Kind of data, SHA-256 over the tables, the rule that says who is held out.
    development, held_out : int
        How many applicants were learnt from, and how many were not.
    default_rate : float
        Of all of them.
    family : str
        Of the model.
    parameters : mapping
        Of the model, plain values.
    resampling, selection, calibration : str
        The choices, in words.
    configurations : int
        How many were tried, of all families.
    choice : str
        Why this one.
    families : sequence of Family
        Their cross-validation, from the simplest to the most complex.
    cross_validation : mapping of str to float
        Figures of the chosen one.
    proxy_auc : Interval
        How well sex can be told from the features (`scoring.evaluation.fairness.proxy_auc`).
    price : mapping of str to Interval
        `scoring.evaluation.fairness.price_of_leaving_out`; "auc" and "business_cost" are told.
    packages : mapping of str to str
        Versions of what trained it.
    """

    source: str
    digest: str
    split: str
    development: int
    held_out: int
    default_rate: float
    family: str
    parameters: Mapping[str, Any]
    resampling: str
    selection: str
    calibration: str
    configurations: int
    choice: str
    families: Sequence[Family]
    cross_validation: Mapping[str, float]
    proxy_auc: Interval
    price: Mapping[str, Interval]
    packages: Mapping[str, str]


def card_of(
    run: Run,
    created: str,
    scorer: Scorer | None = None,
    owner: str = OWNER,
    money: Money | None = None,
) -> Card:
    """Make the card of a training's model, not yet approved.

    Parameters
    ----------
    run : Run
        What the training found.
    created : str
        The date (ISO 8601), given so that the same run gives the same card.
    scorer : Scorer, optional
        The model as it was registered; by default the run's, of version 0.
    owner : str
        Who answers for the model.
    money : Money, optional
        Assumptions of the score in currency.
    """
    return described(
        scorer or run.scorer,
        run.data.holdout.frame,
        run.data.holdout.target,
        background_of(run),
        created,
        owner,
        money,
        run.settings.seed,
    )


def background_of(run: Run) -> Background:
    """What a training tells of its model beyond the model itself."""
    validation, data = run.choice.validation, run.data
    candidate = validation.candidate
    sizes = data.development.target.size, data.holdout.target.size
    defaults = data.development.target.sum() + data.holdout.target.sum()
    kept = candidate.kept
    return Background(
        source=data.source,
        digest=data.digest,
        split=str(run.scorer.lineage["training"]["holdout"]),
        development=sizes[0],
        held_out=sizes[1],
        default_rate=float(defaults / sum(sizes)),
        family=candidate.name,
        parameters=candidate.parameters,
        resampling=candidate.resampling,
        selection="all features" if kept is None else f"the {kept} {SELECTED}",
        calibration=CALIBRATION,
        configurations=run.configurations,
        choice=run.choice.sentence,
        families=[_family(item, candidate.name) for item in run.families],
        cross_validation={
            name: value
            for name, value in validation.metrics.items()
            if not name.endswith("seconds")
        },
        proxy_auc=run.proxy.auc,
        price=run.price,
        packages={name: version(name) for name in _PACKAGES},
    )


def _family(validation: Validation, chosen: str) -> Family:
    name, found = validation.candidate.name, validation.metrics
    return Family(name, found["auc"], found["business_cost"], found["brier"], name == chosen)


def described(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    background: Background,
    created: str,
    owner: str = OWNER,
    money: Money | None = None,
    seed: int = 0,
) -> Card:
    """Make the card of a model from what is known of it, not yet approved.

    Parameters
    ----------
    scorer : Scorer
        The model.
    features : polars.DataFrame
        The held-out applicants' features, as `build_features` gives them.
    target : array-like of shape (applicants,)
        Their outcomes.
    background : Background
        What else there is to tell.
    created : str
        The date (ISO 8601), given so that the same model gives the same card.
    owner : str
        Who answers for the model.
    money : Money, optional
        Assumptions of the score in currency.
    seed : int
        Of the bootstrap intervals.
    """
    pds = scorer.predict(features)
    found = intervals(target, pds, scorer.cutoff, scorer.costs, seed=seed)
    deciding = _deciding(scorer, features, target, pds, money or Money(), seed)
    drivers = _drivers(scorer, features)
    data = _data(background)
    return Card(
        identity=Identity(scorer.name, scorer.version, scorer.feature_set_version, created, owner),
        summary_fr=french.summary(scorer, data, found, deciding, drivers),
        use=USE,
        data=data,
        features=_features(scorer),
        method=_method(background),
        holdout=tuple(Figure(name, *value) for name, value in found.items()),
        cross_validation=dict(background.cross_validation),
        deciding=deciding,
        fairness=_fairness(
            scorer,
            features,
            target,
            pds,
            Figure("auc", *background.proxy_auc),
            _price(background.price),
            seed,
        ),
        drivers=drivers,
        limits=(SYNTHETIC_LIMIT if data.source == "synthetic" else REAL_LIMIT, *LIMITS),
        monitoring=MONITORING,
        packages=dict(background.packages),
        approval=Approval(),
    )


def recut(
    card: Card, scorer: Scorer, features: pl.DataFrame, target: npt.ArrayLike, created: str
) -> Card:
    """The card of a model that decides by other costs, from the card that it had before.

    Parameters
    ----------
    card : Card
        Of the model with its earlier costs.
    scorer : Scorer
        The model with its new costs.
    features : polars.DataFrame
        The held-out applicants' features.
    target : array-like of shape (applicants,)
        Their outcomes.
    created : str
        The date (ISO 8601).
    """
    pds, before = scorer.predict(features), card.fairness
    found = intervals(target, pds, scorer.cutoff, scorer.costs)
    deciding = _deciding(scorer, features, target, pds, Money(), 0)
    identity = card.identity
    return replace(
        card,
        identity=replace(identity, name=scorer.name, version=scorer.version, created=created),
        summary_fr=french.summary(scorer, card.data, found, deciding, card.drivers),
        holdout=tuple(Figure(name, *value) for name, value in found.items()),
        deciding=deciding,
        fairness=_fairness(scorer, features, target, pds, before.proxy_auc, before.price, 0),
        approval=Approval(),
    )


def _data(background: Background) -> Data:
    return Data(
        source=background.source,
        digest=background.digest,
        applicants=background.development + background.held_out,
        default_rate=background.default_rate,
        development=background.development,
        held_out=background.held_out,
        split=background.split,
    )


def _method(background: Background) -> Method:
    return Method(
        family=background.family,
        parameters=dict(background.parameters),
        resampling=background.resampling,
        selection=background.selection,
        calibration=background.calibration,
        configurations=background.configurations,
        choice=background.choice,
        families=tuple(background.families),
    )


def _features(scorer: Scorer) -> Features:
    names = [feature.name for feature in scorer.features]
    kinds = Counter(map(_table, names))
    left_out = tuple(sorted(PROTECTED.difference(names)))
    return Features(
        count=len(names),
        by_table=dict(sorted(kinds.items())),
        left_out=left_out or ("nothing: this model uses protected attributes",),
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
    money: Money,
    seed: int,
) -> Deciding:
    study = study_cutoff(target, pds, scorer.costs, seed=seed)
    low, high = scorer.refer_band
    return Deciding(
        false_negative=scorer.costs.false_negative,
        false_positive=scorer.costs.false_positive,
        cutoff=scorer.cutoff,
        best_cutoff=Figure("cut-off of least cost", *study.best),
        refer_low=low,
        refer_high=high,
        referred=float(np.mean(np.asarray(scorer.decide(pds)) == "refer")),
        money=_money(scorer, features, target, pds, money, seed),
    )


def _money(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    pds: Floats,
    money: Money,
    seed: int,
) -> str:
    score = money_score(target, pds > scorer.cutoff, features, money, seed=seed)
    cost = score.cost
    return (
        f"In money, at a loss given default of {money.loss_given_default:.0%} of the credit and a "
        f"margin of {money.yearly_margin:.0%} a year, the decisions cost {cost.value:,.0f} an "
        f"applicant (95% interval {cost.low:,.0f} to {cost.high:,.0f}, in the currency of the "
        f"data): {score.losses:,.0f} lost on accepted defaults, {score.lost_margins:,.0f} not "
        "earned on refused good applicants."
    )


def _fairness(
    scorer: Scorer,
    features: pl.DataFrame,
    target: npt.ArrayLike,
    pds: Floats,
    proxy_auc: Figure,
    price: str,
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
        or "none",
        ratios=tuple(
            Ratio(row["attribute"], row["least"], row["most"], _of(row, "ratio", "low", "high"))
            for row in ratios.to_dicts()
        ),
        proxy_auc=proxy_auc,
        price=price,
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


def _price(price: Mapping[str, Interval]) -> str:
    auc, cost = price["auc"], price["business_cost"]
    return (
        "Leaving sex, age and family status out changes the cross-validated AUC by "
        f"{auc.value:+.4f} (95% interval {auc.low:+.4f} to {auc.high:+.4f}) and the business cost "
        f"by {cost.value:+.4f} an applicant ({cost.low:+.4f} to {cost.high:+.4f})."
    )


def _drivers(scorer: Scorer, features: pl.DataFrame) -> tuple[Driver, ...]:
    leading = global_importance(scorer, features).head(_DRIVERS)
    return tuple(Driver(name, describe(name).en, pull) for name, pull in leading.iter_rows())
