"""A training in MLflow: one run, with a run inside it for each family, remedy and trial.

What is logged goes to the run that is open: whoever calls this opens runs around what is done.
"""

from __future__ import annotations

from typing import Any

import mlflow
import optuna
import polars as pl
from matplotlib.figure import Figure
from mlflow import ActiveRun
from mlflow.data.polars_dataset import from_polars
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

from scoring.evaluation import explain
from scoring.evaluation.business import baselines
from scoring.evaluation.metrics import paired_difference
from scoring.evaluation.money import Money
from scoring.modelling.candidates import Candidate
from scoring.modelling.choice import smoothed_cost
from scoring.modelling.comparison import best_of_each
from scoring.modelling.pipeline import Data, Run, TrainingSettings, record
from scoring.modelling.search import finished
from scoring.modelling.validation import Validation, compare
from scoring.registry.approval import register
from scoring.registry.mlflow_registry import Registry
from scoring.reports import plots
from scoring.reports.card.pages import retold
from scoring.reports.words import Words
from scoring.serving.scorer import Scorer


def begin(data: Data, settings: TrainingSettings) -> ActiveRun:
    """Open the run of a training, with its settings and the applicants that it is about."""
    run = mlflow.start_run(run_name=f"training: {data.source} applicants")
    mlflow.log_params(record(data, settings))
    for examples, use in ((data.development, "training"), (data.holdout, "evaluation")):
        names = [feature.name for feature in examples.features]
        frame = examples.frame.select(names).with_columns(pl.col(pl.Enum).cast(pl.String))
        rows = frame.with_columns(pl.Series("TARGET", examples.target))
        known = {"name": f"{data.source}, {use}", "digest": data.digest[:8], "targets": "TARGET"}
        mlflow.log_input(from_polars(rows, **known), context=use)
    return run


def log_validation(validation: Validation) -> None:
    """Log a candidate, the figures of its cross-validation and how well it is calibrated."""
    mlflow.log_params(described(validation.candidate))
    mlflow.log_metrics(validation.metrics)
    mlflow.set_tag(MLFLOW_RUN_NOTE, _note(validation))
    pds = {"before calibration": validation.raw_pds, "calibrated": validation.pds}
    mlflow.log_figure(plots.reliability(validation.target, pds), "reliability.png")


def log_screened(tried: list[Validation]) -> None:
    """Log the best value of a family, and a table of all that were tried."""
    (best,) = best_of_each(tried)
    log_validation(best)
    values = pl.DataFrame([described(item.candidate) for item in tried])
    figures = compare(tried).select("folds", "applicants", "auc", "business_cost", "log_loss")
    mlflow.log_text(pl.concat([values, figures], how="horizontal").write_csv(), "values.csv")


def log_trial(validation: Validation) -> None:
    """Log a trial of the search, which may have been given up after the first folds."""
    mlflow.log_params({**described(validation.candidate), "folds": len(validation.fit_seconds)})
    mlflow.log_metrics({**validation.metrics, "objective": smoothed_cost(validation)})
    mlflow.set_tag(MLFLOW_RUN_NOTE, _note(validation))


def _note(validation: Validation) -> str:
    """What MLflow's page says of a candidate."""
    auc, cost = validation.metrics["auc"], validation.metrics["business_cost"]
    without = baselines(validation.target, validation.costs)["accept_all"]
    return (
        f"In cross-validation of {validation.target.size:,} applicants: AUC {auc:.3f}, cost an "
        f"applicant {cost:.3f}, accept all {without:.3f}."
    )


def log_earlier(registry: Registry, training: ActiveRun, study: optuna.Study) -> None:
    """Log the trials of a search that is gone on with in a training, as of when they were made."""
    client, parent = registry.client, training.info
    for trial in finished(study):
        began, ended = (
            int(at.timestamp() * 1000) if at else None
            for at in (trial.datetime_start, trial.datetime_complete)
        )
        tags, name = {MLFLOW_PARENT_RUN_ID: parent.run_id}, f"trial {trial.number}"
        run = client.create_run(parent.experiment_id, began, tags, name).info.run_id
        objective = trial.intermediate_values[1] if trial.value is None else trial.value
        for key, value in {**trial.user_attrs["figures"], "objective": objective}.items():
            client.log_metric(run, key, value, ended)
        for key, value in trial.params.items():
            client.log_param(run, key, value)
        client.set_terminated(run, end_time=ended)


def track(registry: Registry, run: Run, created: str, *, challenger: bool = True) -> Scorer:
    """Log what a training has found, and register its model, which is returned with its version.

    Its run is open; `created` is the date for the model card (ISO 8601).

    Raises
    ------
    CardError
        If a field of the model card is empty; nothing is registered then.
    """
    chosen = run.choice.validation
    words = Words("card")
    family = words.named("families", chosen.candidate.name)
    note = f"{family} is served. {_note(chosen)}\n\n{retold(run.choice.sentence, words)}"
    name = f"training: {family.lower()} on {run.data.source} applicants"
    mlflow.set_tags({MLFLOW_RUN_NAME: name, MLFLOW_RUN_NOTE: note})
    mlflow.log_params(described(chosen.candidate))
    mlflow.log_metrics(chosen.metrics | baselines(chosen.target, chosen.costs) | _differences(run))
    for file, figure in _figures(run).items():
        mlflow.log_figure(figure, file)
    return register(registry, run, created, challenger=challenger)


def _differences(run: Run) -> dict[str, float]:
    """What each family costs more than the one that is served, on the same applicants (95%)."""
    families = {item.candidate.name: item for item in run.families}
    kept = families.pop(run.choice.validation.candidate.name)
    figures = {}
    for name, item in families.items():
        cutoff, costs = item.costs.cutoff, item.costs
        pairs = paired_difference(item.target, item.pds, kept.pds, cutoff, cutoff, costs)
        for end, value in pairs["business_cost"].columns("cost_difference").items():
            figures[f"{name}.{end}"] = value
    return figures


def _figures(run: Run) -> dict[str, Figure]:
    """Plots by file name; without a search there is nothing to compare."""
    chosen, scorer, held = run.choice.validation, run.scorer, run.data.holdout
    pds, held_pds = {"in cross-validation": chosen.pds}, scorer.predict(held.frame)
    figures = {
        "calibration.png": plots.reliability(chosen.target, pds),
        "roc.png": plots.ranking(chosen.target, pds, chosen.costs.cutoff),
        "cost_curve.png": plots.cutoff_choice(chosen.target, chosen.pds, chosen.costs),
        "confusion.png": plots.confusion(held.target, held_pds, scorer.cutoff, held.frame, Money()),
        "beeswarm.png": plots.beeswarm(explain.summary(scorer, held.frame)),
    }
    if run.search is not None:
        figures |= {
            "families.png": plots.families(compare(run.families)),
            "imbalance.png": plots.imbalance(compare(run.remedies)),
            "trials.png": plots.trials(run.search.table),
        }
    return figures


def described(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as parameters of a run."""
    return {
        "candidate": candidate.name,
        "resampling": candidate.resampling,
        "features_kept": candidate.kept or "all",
        **candidate.parameters,
    }
