"""A training in MLflow: one run, with a run inside it for each candidate and trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from scoring.modelling.candidates import Candidate
from scoring.modelling.pipeline import Run, record
from scoring.modelling.search import NOTED
from scoring.modelling.validation import compare
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
        for name, parameters, metrics in _parts(run):
            with registry.run(name, parameters, nested=True):
                registry.log(metrics)
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


def _parts(run: Run) -> Iterator[tuple[str, dict[str, Any], Mapping[str, float]]]:
    """Name, parameters and metrics of every candidate and trial."""
    for item in run.tried:
        yield f"family: {item.candidate.name}", described(item.candidate), item.metrics
    for item in run.remedies[1:]:
        yield f"imbalance: {item.candidate.resampling}", described(item.candidate), item.metrics
    measured = ("objective", *NOTED)
    for row in () if run.search is None else run.search.table.iter_rows(named=True):
        parameters = {key: value for key, value in row.items() if key not in {"trial", *measured}}
        yield f"trial {row['trial']}", parameters, {key: row[key] for key in measured}
