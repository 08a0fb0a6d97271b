"""The automatic training: every stage from features to a registered model, tracked as it goes on.

The modelling notebook goes through the same stages, a cell each.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import mlflow
import optuna
from optuna.trial import FrozenTrial

from scoring.data.dataset import Dataset
from scoring.modelling.candidates import Candidate, first_values
from scoring.modelling.choice import choose
from scoring.modelling.comparison import family_choice, remedy_choice, screened
from scoring.modelling.folds import Folds, prepare
from scoring.modelling.pipeline import (
    Data,
    Run,
    TrainingSettings,
    compared,
    load,
    measured,
    search_folds,
)
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
from scoring.modelling.validation import Progress, Validation, at_a_time, begun, cross_validate
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
    began = time.monotonic()
    begun("features", progress)
    data = load(dataset, settings.use_protected)
    costs, seed = settings.costs, settings.seed
    subset = compared(data, settings)
    folds = prepare(subset, settings.folds, seed)
    with begin(data, settings) as tracked:
        tried = _families(folds, costs, progress)
        family = family_choice(tried, settings.family)
        treated = _remedies(family.validation, folds, progress)
        remedy = remedy_choice(treated)
        base, others = remedy.validation.candidate, search_folds(subset, settings)
        study = opened(base, others, costs, seed, registry.folder, data.digest)
        log_earlier(registry, tracked, study)
        until = began + _for_search(settings, remedy.validation, data)
        _search(study, base, others, settings, until, progress)
        search = search_of(study, lambda trial: proposed(trial, base))
        if settings.time_budget is not None:
            settings = replace(settings, trials=search.table.height)
        best = cross_validate(search.best, folds, costs, progress=begun("best trial", progress))
        choice = choose(remedy.validation, best, "The best trial")
        choice = replace(choice, sentence=f"{family.sentence} {choice.sentence}")
        run = measured(choice, tried, treated, search, data, settings, MODEL_NAME, progress)
        begun("registering", progress)
        return run, track(registry, run, created)


def _for_search(settings: TrainingSettings, validation: Validation, data: Data) -> float:
    """Seconds from the beginning of a training after which its search begins no further trial.

    What comes afterwards is reckoned from a cross-validation that was measured: a trial that is not
    finished, two more of the same applicants, and the time of two of everybody.
    """
    if settings.time_budget is None:
        return math.inf
    seconds = sum(validation.fit_seconds + validation.predict_seconds) / at_a_time()
    everybody = data.development.target.size / validation.target.size
    return settings.time_budget - seconds * (3 + 2 * everybody)


def _families(folds: Folds, costs: Costs, progress: Progress | None) -> list[Validation]:
    """A few values of each family, tracked as one run a family."""
    tried = []
    for name, values in first_values().items():
        with mlflow.start_run(run_name=f"family: {name}", nested=True):
            several = screened(values, folds, costs, begun(name, progress))
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
                watched = begun(kind, progress)
                treated.append(cross_validate(candidate, folds, reference.costs, progress=watched))
                log_validation(treated[-1])
    return treated


def _search(
    study: optuna.Study,
    base: Candidate,
    folds: Folds,
    settings: TrainingSettings,
    until: float,
    progress: Progress | None,
) -> None:
    """Go on with a study until it has so many trials or the time is over, each tracked as a run.

    There is one trial in any case, which is the default recipe.
    """
    watched, most = begun("search", progress), settings.trials

    def objective(trial: optuna.Trial) -> float:
        with mlflow.start_run(run_name=f"trial {trial.number}", nested=True):
            validation = attempted(trial, proposed(trial, base), folds, settings.costs)
            log_trial(validation)
        return outcome(validation, folds)

    def told(study: optuna.Study, _trial: FrozenTrial) -> None:
        if watched:
            watched("search", len(finished(study)), most)

    def over() -> bool:
        done = len(finished(study))
        return done > 0 and (time.monotonic() >= until or (most is not None and done >= most))

    while not over():
        study.optimize(objective, 1, callbacks=[reseeded(settings.seed), told])
