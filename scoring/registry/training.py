"""The automatic training: every stage from features to a registered model, tracked as it goes on.

The modelling notebook goes through the same stages, a cell each.
"""

from __future__ import annotations

from dataclasses import replace

import mlflow
import optuna
from optuna.trial import FrozenTrial

from scoring.data.dataset import Dataset
from scoring.modelling.candidates import Candidate, first_values
from scoring.modelling.choice import choose
from scoring.modelling.comparison import family_choice, remedy_choice, screened
from scoring.modelling.folds import Folds, prepare
from scoring.modelling.pipeline import Run, TrainingSettings, load, measured, search_folds
from scoring.modelling.resampling import RESAMPLINGS
from scoring.modelling.search import (
    attempted,
    finished,
    opened,
    outcome,
    proposed,
    reseeded,
    search_of,
)
from scoring.modelling.validation import Progress, Validation, cross_validate
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.registry.tracking import (
    begin,
    log_earlier,
    log_screened,
    log_trial,
    log_validation,
    track,
)
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer


def train(
    registry: Registry,
    dataset: Dataset,
    settings: TrainingSettings,
    created: str,
    progress: Progress | None = None,
) -> tuple[Run, Scorer]:
    """Choose family, remedy for imbalance and hyper-parameters; fit, measure, register the model.

    Parameters
    ----------
    registry : Registry
        Its folder keeps the trials of the search; no run of it is open.
    dataset : Dataset
        Its training applicants.
    settings : TrainingSettings
    created : str
        The date for the model card (ISO 8601).
    progress : callable of (stage, done, total), optional
        Told as each stage goes on.

    Returns
    -------
    run : Run
        What was found.
    scorer : Scorer
        The model with its version, the challenger.

    Raises
    ------
    TrainingError
        If there are too few applicants of either outcome.
    SuspectedLeakageError
        If the model ranks better than is credible.
    CardError
        If a field of the model card is empty; nothing is registered then.
    """
    data = load(dataset, settings.use_protected)
    costs, seed = settings.costs, settings.seed
    folds = prepare(data.development, settings.folds, seed)
    with begin(data, settings) as tracked:
        tried = _families(folds, costs, progress)
        family = family_choice(tried, settings.family)
        treated = _remedies(family.validation, folds, progress)
        remedy = remedy_choice(treated)
        base, others = remedy.validation.candidate, search_folds(data, settings)
        study = opened(base, others, costs, seed, registry.folder, data.digest)
        log_earlier(registry, tracked, study)
        _search(study, base, others, settings, progress)
        search = search_of(study, lambda trial: proposed(trial, base))
        best = cross_validate(search.best, folds, costs, progress=progress)
        choice = choose(remedy.validation, best, "The best trial")
        choice = replace(choice, sentence=f"{family.sentence} {choice.sentence}")
        run = measured(choice, tried, treated, search, data, settings, MODEL_NAME)
        return run, track(registry, run, created)


def _families(folds: Folds, costs: Costs, progress: Progress | None) -> list[Validation]:
    """A few values of each family, tracked as one run a family."""
    tried = []
    for name, values in first_values().items():
        with mlflow.start_run(run_name=f"family: {name}", nested=True):
            several = screened(values, folds, costs, progress)
            log_screened(several)
        tried += several
    return tried


def _remedies(reference: Validation, folds: Folds, progress: Progress | None) -> list[Validation]:
    """A candidate without and with each remedy for imbalance."""
    treated = [reference]
    for kind in RESAMPLINGS:
        if kind != reference.candidate.resampling:
            with mlflow.start_run(run_name=f"imbalance: {kind}", nested=True):
                candidate = replace(reference.candidate, resampling=kind)
                treated.append(cross_validate(candidate, folds, reference.costs, progress=progress))
                log_validation(treated[-1])
    return treated


def _search(
    study: optuna.Study,
    base: Candidate,
    folds: Folds,
    settings: TrainingSettings,
    progress: Progress | None,
) -> None:
    """Go on with a study until it has so many trials, each tracked as a run."""

    def objective(trial: optuna.Trial) -> float:
        with mlflow.start_run(run_name=f"trial {trial.number}", nested=True):
            validation = attempted(trial, proposed(trial, base), folds, settings.costs)
            log_trial(validation)
        return outcome(validation, folds)

    def told(study: optuna.Study, _trial: FrozenTrial) -> None:
        if progress:
            progress("search", len(finished(study)), settings.trials)

    left = max(0, settings.trials - len(finished(study)))
    study.optimize(objective, left, callbacks=[reseeded(settings.seed), told])
