"""Evidently's reports and tests: data drift, data quality, drift of the PD, classification.

Evidently draws the columns that matter most, from a sample of the rows: all columns of all rows
are compared by `study`. Its tests here are tests of size, since on thousands of applicants a
p-value calls every difference significant; p-values, adjusted for their number, are in the table
of all columns.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import plotly.io as pio
import polars as pl
import polars.selectors as cs

# Evidently reads this when it is imported.
os.environ.setdefault("DO_NOT_TRACK", "1")

from evidently import BinaryClassification, DataDefinition, Report
from evidently import Dataset as EvidentlyDataset
from evidently.core.report import Snapshot
from evidently.metrics import MissingValueCount, OutListValueCount, OutRangeValueCount, ValueDrift
from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset
from evidently.tests import Reference, eq, gte, lt, lte

from scoring.evaluation.comparison import Limits
from scoring.monitoring.drift.study import TARGET, Study
from scoring.monitoring.thresholds import Thresholds
from scoring.serving.profiles import PD

Labelled = Literal["both", "reference", "neither"]

# Evidently needs a second for some thousand values, a column and a method.
_ROWS = 5_000
# Columns whose every statistic is told, and numbers that are compared by two methods.
_SUMMARISED = 6
# Of a number's spread: how far, on average, its values have to move.
_WASSERSTEIN = 0.1
# Bins that Evidently cuts a number into.
_BINS = 30
_ALERTS = Thresholds()


@dataclass(frozen=True)
class Checks:
    """Evidently's reports on a study, and whose outcomes are known.

    "drift" is of the features and the PD, with their missing values and those that the reference
    does not have; "summary" has every statistic of the leading columns. "classification" is of the
    current applicants against the reference, of the reference alone where only its outcomes are
    known, and not there where none are.
    """

    snapshots: Mapping[str, Snapshot] = field(repr=False)
    labelled: Labelled

    @cached_property
    def results(self) -> dict[str, Any]:
        """The figures and tests of each, as plain values."""
        return {
            name: json.loads(part.json(), parse_constant=lambda _: None)
            for name, part in self.snapshots.items()
        }

    @cached_property
    def tests(self) -> pl.DataFrame:
        """Every test: subject (drift or classification), column, test, found and passed."""
        rows = [
            {
                "subject": name,
                "column": test["metric_config"]["params"].get("column"),
                "test": test["name"],
                "found": test["description"],
                "passed": test["status"] == "SUCCESS",
            }
            for name, part in self.results.items()
            for test in part["tests"]
        ]
        return pl.DataFrame(rows, schema=_TESTS, orient="row")

    @cached_property
    def quality(self) -> dict[str, float]:
        """Figures of the classification, by name."""
        classification = self.results.get("classification", {"metrics": []})
        return {
            metric["metric_name"].split("(")[0]: metric["value"]
            for metric in classification["metrics"]
            if isinstance(metric["value"], int | float)
        }


# Figures of the classification whose usual limits are those of a coin, not of a credit.
_UNTESTED = (
    "accuracy", "precision", "recall", "f1score", "tpr", "tnr", "fpr", "fnr",
    "f1score_by_label", "precision_by_label", "recall_by_label", "rocauc_by_label",
)  # fmt: skip

_TESTS = {
    "subject": pl.String,
    "column": pl.String,
    "test": pl.String,
    "found": pl.String,
    "passed": pl.Boolean,
}


def check(study: Study, seed: int = 0) -> Checks:
    """Let Evidently look at the columns of a study that matter most, on rows drawn by the seed.

    Columns without any value on a side are left out: Evidently cannot draw them, and the study's
    own table tells of their missing values.
    """
    reference, current = _sampled(study.reference, seed), _sampled(study.current, seed)
    columns = [
        name for name in (PD, *study.top) if reference[name].count() and current[name].count()
    ]
    reference, current = reference.select(columns), current.select(columns)
    labelled: Labelled = "neither"
    before, after = study.ranking
    if before is not None:
        labelled = "both" if after is not None else "reference"
    with _plain_figures():
        snapshots = {
            "drift": _drift(reference, current, study.limits),
            "summary": _summary(reference, current),
        }
        if labelled != "neither":
            snapshots["classification"] = _classification(study, labelled)
    return Checks(snapshots, labelled)


def _sampled(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    return frame.sample(min(frame.height, _ROWS), seed=seed)


def _drift(reference: pl.DataFrame, current: pl.DataFrame, limits: Limits) -> Snapshot:
    columns, numbers = reference.columns, reference.select(cs.numeric()).columns
    chance = 1.0 / reference.height + 1.0 / current.height
    limit = round(limits.large_psi + _BINS * chance, 3)
    distance = round(_WASSERSTEIN + 2.0 * math.sqrt(chance), 3)
    drift = DataDriftPreset(
        columns=columns,
        # One drifted column is drift: Evidently's own headline would wait for half of them.
        drift_share=0.5 / len(columns),
        num_method="wasserstein",
        num_threshold=distance,
        cat_method="psi",
        cat_threshold=limit,
    )
    # The leading numbers by their shares as well; `study` has the PSI of all.
    shares = [
        ValueDrift(column=name, method="psi", threshold=limit, tests=[lt(limit)])
        for name in numbers[:_SUMMARISED]
    ]
    near = eq(Reference(absolute=limits.large_missing))
    missing = [MissingValueCount(column=name, tests=[], share_tests=[near]) for name in columns]
    outside = [_outside(reference[name]) for name in columns]
    report = Report([drift, *shares, *missing, *outside], include_tests=True)
    return _run(report, reference, current)


def _summary(reference: pl.DataFrame, current: pl.DataFrame) -> Snapshot:
    columns = reference.columns[:_SUMMARISED]
    # Its own tests compare means and extremes, which move without any drift.
    report = Report([DataSummaryPreset(columns=columns)], include_tests=False)
    return _run(report, reference.select(columns), current.select(columns))


@contextmanager
def _plain_figures() -> Iterator[None]:
    """Plotly's usual look is repeated in every figure, and would double the report."""
    before = pio.templates.default
    pio.templates.default = "none"
    try:
        yield
    finally:
        pio.templates.default = before


def _run(report: Report, reference: pl.DataFrame, current: pl.DataFrame) -> Snapshot:
    numbers = reference.select(cs.numeric()).columns
    definition = DataDefinition(
        numerical_columns=numbers,
        categorical_columns=[name for name in reference.columns if name not in numbers],
    )
    return report.run(
        current_data=_evidently(current, definition),
        reference_data=_evidently(reference, definition),
    )


def _outside(known: pl.Series) -> OutRangeValueCount | OutListValueCount:
    """Values that the reference does not have: numbers beyond its range, new categories."""
    tests: dict[str, Any] = {"tests": [], "share_tests": [lte(_ALERTS.outside.warning)]}
    if known.dtype.is_numeric():
        values = known.to_numpy()
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        return OutRangeValueCount(column=known.name, left=low, right=high, **tests)
    levels = known.drop_nulls().cast(pl.String).unique().sort().to_list()
    return OutListValueCount(column=known.name, values=levels, **tests)


def _classification(study: Study, labelled: Labelled) -> Snapshot:
    definition = DataDefinition(
        numerical_columns=[PD],
        classification=[BinaryClassification(target=TARGET, prediction_probas=PD, pos_label=1)],
    )
    judged = study.current if labelled == "both" else study.reference
    least = round(_expected_auc(study, labelled) - _ALERTS.auc_loss.warning, 3)
    silent: dict[str, list[Any]] = {f"{name}_tests": [] for name in _UNTESTED}
    preset = ClassificationPreset(
        probas_threshold=study.scorer.cutoff,
        rocauc_tests=[gte(least)],
        logloss_tests=[lt(round(_entropy(judged[TARGET]), 4))],
        **silent,
    )
    return Report([preset], include_tests=True).run(
        current_data=_evidently(judged.select(TARGET, PD), definition),
        reference_data=_evidently(study.reference.select(TARGET, PD), definition)
        if labelled == "both"
        else None,
    )


def _expected_auc(study: Study, labelled: Labelled) -> float:
    """The least of the reference's interval, for the current applicants; else the training's."""
    before = study.ranking[0]
    if labelled == "both" and before is not None:
        return before.low
    return float(study.scorer.lineage["cross_validation"]["auc"])


def _entropy(target: pl.Series) -> float:
    """Log loss of giving everybody the default rate as PD."""
    rate = float(target.to_numpy().mean())
    return -(rate * math.log(rate) + (1.0 - rate) * math.log(1.0 - rate))


def _evidently(frame: pl.DataFrame, definition: DataDefinition) -> EvidentlyDataset:
    # Evidently reads pandas, and categories as plain text.
    pandas = frame.with_columns(cs.enum().cast(pl.String)).to_pandas()
    return EvidentlyDataset.from_pandas(pandas, data_definition=definition)
