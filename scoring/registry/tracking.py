"""A training in MLflow: one run, with a run inside it for each candidate and trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from scoring.modelling.candidates import Candidate
from scoring.modelling.pipeline import Run, record
from scoring.modelling.search import NOTED
from scoring.modelling.validation import Validation, compare
from scoring.registry.approval import register
from scoring.registry.mlflow_registry import Registry
from scoring.reports import plots
from scoring.serving.scorer import Scorer


def track(registry: Registry, run: Run, created: str, *, challenger: bool = True) -> Scorer:
    """Log a training and register its model, with its model card; returns it with its version.

    No run of the registry is open; `created` is the date for the model card (ISO 8601).

    Raises
    ------
    CardError
        If a field of the model card is empty; nothing is registered then.
    """
    chosen = run.choice.validation
    whole = record(run.data, run.settings) | described(chosen.candidate)
    with registry.run(f"training: {chosen.candidate.name}", whole):
        for name, item in _validations(run):
            _log(registry, name, described(item.candidate), item.metrics)
        for name, parameters, metrics in _trials(run):
            _log(registry, name, parameters, metrics)
        figures = _figures(run)
        registry.log(chosen.metrics, figures)
        for figure in figures.values():
            plt.close(figure)
        return register(registry, run, created, challenger=challenger)


def _figures(run: Run) -> dict[str, Figure]:
    """Plots by file name; without a search there is nothing to compare."""
    chosen = run.choice.validation
    name = chosen.candidate.name
    figures = {
        "calibration.png": plots.reliability(
            chosen.target, {"in cross-validation": chosen.pds}, title=f"Calibration ({name})"
        ),
        "cost_curve.png": plots.cutoff_choice(
            chosen.target,
            chosen.pds,
            chosen.costs,
            title=f"Business cost along the cut-off ({name})",
        ),
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


def _log(
    registry: Registry, name: str, parameters: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    with registry.run(name, parameters, nested=True):
        registry.log(metrics)


def _validations(run: Run) -> Iterator[tuple[str, Validation]]:
    for item in run.tried:
        yield f"family: {item.candidate.name}", item
    for item in run.remedies[1:]:
        yield f"imbalance: {item.candidate.resampling}", item


def _trials(run: Run) -> Iterator[tuple[str, dict[str, Any], dict[str, float]]]:
    if run.search is None:
        return
    noted = ("objective", *NOTED)
    for row in run.search.table.iter_rows(named=True):
        parameters = {key: value for key, value in row.items() if key not in {"trial", *noted}}
        yield f"trial {row['trial']}", parameters, {key: row[key] for key in noted}
