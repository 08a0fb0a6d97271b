"""The first and the last stages of a training: its data, and the model with its figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from scoring.data.dataset import Dataset, Manifest
from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.fairness import proxy_auc
from scoring.evaluation.separability import Separability
from scoring.features.vectors import layout
from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
from scoring.modelling.choice import Choice
from scoring.modelling.comparison import best_of_each
from scoring.modelling.examples import HOLDOUT_RULE, Examples, applicants_digest, examples_of
from scoring.modelling.figures import check_credible, held_out, price_of_leaving_out
from scoring.modelling.fit import fit_scorer, lineage, with_explanations
from scoring.modelling.folds import FOLDS, Folds, prepare
from scoring.modelling.search import Search
from scoring.modelling.validation import Progress, Validation, begun, cross_validate
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer

# Enough to see whether the default recipe can be bettered; a search of hundreds gains a
# thousandth of AUC on the real applications.
TRIALS = 12
# Applicants on whom recipes are compared where there are more: of half as many the search found
# nothing that could be told from the default (docs/model.md).
COMPARED = 20_000
_SEARCH_FOLDS = 4


@dataclass(frozen=True)
class TrainingSettings:
    """What distinguishes one training from another.

    The same data, settings and code give the same model, byte for byte, unless there is a time
    budget. `family` is served unless another is cheaper beyond chance; sex, age and family status
    may be used with `use_protected`.

    Attributes
    ----------
    trials : int or None
        Of the search, at most; None for as many as the time budget has room for.
    compared : int
        Applicants on whom families, remedies and trials are compared, where there are more.
    time_budget : float or None
        Seconds for the whole training. The search gets what is left of them.
    """

    trials: int | None = TRIALS
    seed: int = 0
    costs: Costs = field(default_factory=Costs)
    use_protected: bool = False
    folds: int = FOLDS
    family: str = DEFAULT_FAMILY
    compared: int = COMPARED
    time_budget: float | None = None


@dataclass(frozen=True)
class Data:
    """A dataset made ready for training, by its digest, source and manifest.

    Attributes
    ----------
    development, holdout : Examples
        Applicants to learn from, and those that play no part in any choice.
    including : Examples
        The development applicants with the protected attributes.
    """

    digest: str
    source: str
    development: Examples
    holdout: Examples
    including: Examples
    manifest: Manifest


@dataclass(frozen=True)
class Run:
    """What a training has found, stage by stage.

    Attributes
    ----------
    tried, remedies : list of Validation
        The first values of every family, and the served family with each remedy for imbalance.
    search : Search or None
        The trials; None if a configuration was taken over.
    choice : Choice
        What is served, and why.
    price : mapping of str to Interval
        What leaving the protected attributes out changes.
    proxy : Separability
        How well sex can be told from the features.
    scorer : Scorer
        The model, not registered.
    figures : mapping of str to Interval
        The Scorer's, on the held-out applicants.
    """

    settings: TrainingSettings
    data: Data
    tried: Sequence[Validation]
    remedies: Sequence[Validation]
    search: Search | None
    choice: Choice
    price: Mapping[str, Interval]
    proxy: Separability
    scorer: Scorer
    figures: Mapping[str, Interval]

    @property
    def families(self) -> list[Validation]:
        """The best first value of each family."""
        return best_of_each(self.tried)

    @property
    def configurations(self) -> int:
        """How many candidates were tried in all."""
        trials = 0 if self.search is None else self.search.table.height
        return len(self.tried) + len(self.remedies) - 1 + trials


def load(
    dataset: Dataset, use_protected: bool = False, weights: Mapping[int, float] | None = None
) -> Data:
    """Read a dataset, compute its features and set a fifth of its applicants aside.

    By SK_ID_CURR, `weights` say for how many some applicants stand; all others for themselves.
    """
    examples = examples_of(dataset, use_protected).standing_for(weights or {})
    development, holdout = examples.holdout()
    source, including = dataset.manifest["source"], development.with_protected()
    return Data(dataset.digest, source, development, holdout, including, dataset.manifest)


def record(data: Data, settings: TrainingSettings) -> dict[str, Any]:
    """What a model was trained on and how, as plain values for the lineage and for MLflow."""
    # Without trials a configuration is taken over, and nothing is compared.
    sampled = settings.trials != 0 and settings.compared < data.development.target.size
    return {
        "dataset": data.digest,
        "source": data.source,
        "holdout": HOLDOUT_RULE,
        "applicants": data.development.target.size,
        "defaults": int(data.development.target.sum()),
        "applicants_sha256": applicants_digest(data.development),
        "features": len(data.development.features),
        "feature_set_version": layout().digest,
        "folds": settings.folds,
        "trials": settings.trials,
        "seed": settings.seed,
        "cost_false_negative": settings.costs.false_negative,
        "cost_false_positive": settings.costs.false_positive,
        "use_protected": settings.use_protected,
        **({"compared": settings.compared} if sampled else {}),
        **({"time_budget": settings.time_budget} if settings.time_budget else {}),
        **_weighted(data.development),
    }


def _weighted(examples: Examples) -> dict[str, float]:
    """How many stand for others, for how many together, and for how many one does at most."""
    weights = examples.sample_weight
    if weights is None:
        return {}
    others = weights[weights != 1.0]
    return {
        "explored": others.size,
        "explored_stand_for": float(others.sum()),
        "largest_weight": float(weights.max()),
    }


def compared(data: Data, settings: TrainingSettings) -> Examples:
    """The applicants on whom recipes are compared: all to learn from, or a subset of them."""
    return data.development.subset(settings.compared, settings.seed)


def search_folds(examples: Examples, settings: TrainingSettings) -> Folds:
    """Folds for the search alone: what it finds is judged on others."""
    return prepare(examples, _SEARCH_FOLDS, settings.seed + 1)


def on_everybody(
    choice: Choice, data: Data, settings: TrainingSettings, progress: Progress | None = None
) -> Choice:
    """Cross-validate what was chosen on a subset on all applicants to learn from."""
    size, everybody = choice.validation.target.size, data.development
    if size == everybody.target.size:
        return choice
    validation = cross_validate(
        choice.validation.candidate, everybody, settings.costs, settings.folds, settings.seed,
        begun("everybody", progress),
    )  # fmt: skip
    sentence = f"Compared on {size:,} of the {everybody.target.size:,} applicants to learn from."
    return replace(choice, validation=validation, sentence=f"{choice.sentence} {sentence}")


def retrain(
    data: Data,
    candidate: Candidate,
    newest: Collection[int],
    settings: TrainingSettings,
    name: str,
    why: str,
    progress: Progress | None = None,
) -> Run:
    """Fit a configuration that is known on other data, and measure it.

    Parameters
    ----------
    newest : collection of int
        SK_ID_CURR of those on whose outcomes the PDs are calibrated.
    settings : TrainingSettings
        There are no trials.
    name, why : str
        Of the registered model; a sentence on why this configuration.
    progress : callable of (stage, done, total), optional
        Told as each stage goes on.

    Raises
    ------
    SuspectedLeakageError
        If the model ranks better than is credible.
    """
    validation = revalidated(data, candidate, newest, settings, progress)
    choice = Choice(validation, 0.0, 0.0, why)
    return measured(choice, [validation], [validation], None, data, settings, name, progress)


def revalidated(
    data: Data,
    candidate: Candidate,
    newest: Collection[int],
    settings: TrainingSettings,
    progress: Progress | None = None,
) -> Validation:
    """Cross-validate a configuration that is known; parameters are those of `retrain`."""
    unseen = cross_validate(
        candidate, data.development, settings.costs, settings.folds, settings.seed, progress
    )
    known = data.development.frame["SK_ID_CURR"].is_in(pl.Series(newest, dtype=pl.Int32).implode())
    return replace(unseen, newest=known.to_numpy())


def fitted(validation: Validation, data: Data, settings: TrainingSettings, name: str) -> Scorer:
    """Fit what was validated on everybody to learn from, as the model of that name.

    Raises
    ------
    SuspectedLeakageError
        If the model ranks better than is credible.
    """
    check_credible(validation)
    known = lineage(validation, record(data, settings))
    scorer = fit_scorer(validation, data.development, name, known, settings.seed)
    return with_explanations(scorer, data.holdout.frame)


def measured(
    choice: Choice,
    tried: Sequence[Validation],
    remedies: Sequence[Validation],
    search: Search | None,
    data: Data,
    settings: TrainingSettings,
    name: str,
    progress: Progress | None = None,
) -> Run:
    """Fit what was chosen, as the model of that name, and hold it against the held-out applicants.

    What was compared on the way to the choice are fields of the `Run`. It is fitted on everybody;
    what protected attributes change is measured on the applicants of the comparison.

    Raises
    ------
    SuspectedLeakageError
        If the model ranks better than is credible.
    """
    comparison, seed, holdout = choice.validation, settings.seed, data.holdout
    choice = on_everybody(choice, data, settings, progress)
    begun("fit", progress)
    scorer = fitted(choice.validation, data, settings, name)
    watched = begun("protected attributes", progress)
    including = data.including.subset(comparison.target.size, seed)
    price = price_of_leaving_out(comparison, including, settings.folds, seed, watched)
    proxy = proxy_auc(including.frame, seed=seed)
    begun("held-out applicants", progress)
    return Run(
        settings=settings,
        data=data,
        tried=tried,
        remedies=remedies,
        search=search,
        choice=choice,
        price=price,
        proxy=proxy,
        scorer=scorer,
        figures=held_out(scorer, holdout, seed),
    )
