# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Drift: do today's applicants still look like those of the training?
#
# The training applicants are the reference, the test applicants (newer, outcome unknown) are the
# current population. Every column that the champion reads is compared, and what a change does to
# the probabilities of default and to the decisions is measured. Evidently's reports are built in
# the cells below. All of it becomes one HTML file that opens without a network, with one verdict
# on top.
#
# **En français** : ce carnet compare les demandeurs actuels (test) à ceux de l'entraînement
# (référence), colonne par colonne : valeurs, valeurs manquantes, probabilité de défaut, décisions.
# Il dit s'il y a une dérive, où, si elle compte pour le modèle, et que faire. Les rapports
# d'Evidently (préréglages, tests, méthode de dérive) sont construits dans les cellules.

# %% tags=["parameters"]
DATASET = "../data/tables"
FEATURES = "../data/features.parquet"
MODEL = "../mlruns/champion"
UNSEEN_PDS = "../data/unseen_pds.parquet"
MLRUNS = "../mlruns"
REPORT = "../reports/drift.html"
TOP = 15

# %%
import math
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
import polars.selectors as cs
from IPython.display import Markdown

from scoring.data.dataset import Dataset
from scoring.monitoring import drift
from scoring.monitoring.thresholds import Thresholds
from scoring.registry.mlflow_registry import Registry
from scoring.reports import plots
from scoring.reports.notebooks import show_tables
from scoring.serving.profiles import PD
from scoring.serving.scorer import Scorer

show_tables()
dataset = Dataset.open(Path(DATASET))
scorer = Scorer.load(Path(MODEL))
features = pl.read_parquet(FEATURES)
unseen = pl.read_parquet(UNSEEN_PDS)
reference, current = (
    drift.with_outcomes(drift.with_pd(side, scorer, unseen), dataset)
    for side in drift.populations(dataset, features)
)
print(f"{reference.height:,} reference applicants, {current.height:,} current ones")

# %% [markdown]
# ## How it is compared
#
# The PDs of reference applicants come from models that had not seen them: a model is surer of its
# own training rows, which would look like drift.
#
# Two questions are asked of each column.
#
# - **How large is the change?** The population stability index (PSI) compares shares of applicants
#   in bins and means the same for numbers and categories: under 0.1 stable, above 0.2 shifted. What
#   chance alone gives two samples of these sizes is subtracted.
# - **How certain is it?** Numbers have an order: Kolmogorov and Smirnov's test. Categories have
#   none: chi-square. A column with two bins is a proportion: z-test.
#
# None of these sees missing values, so the share of applicants without a value is compared too
# (z-test). A thousand tests would raise ten false alarms at p < 0.01: p-values are adjusted
# together by Holm's method. A column counts as changed if the change is both certain and large.

# %%
study = drift.study(reference, current, scorer, top=TOP)
study.comparison.columns.select(
    "column", "level", "method", "psi", "p_adjusted", "missing_reference", "missing_current",
    "importance",
).head(25)  # fmt: skip

# %%
plots.drift(study.comparison.columns, study.limits.moderate_psi)

# %% [markdown]
# Who has a history at all?

# %%
pl.DataFrame(
    [
        {"table": table, "reference": before, "current": after}
        for table, (before, after) in study.histories.items()
    ]
)

# %% [markdown]
# ## Does the method cry wolf?
#
# Two random halves of the reference differ by chance only. Whatever is found there is a false
# alarm.

# %%
print(f"{study.control.drifted.height} of {study.control.columns.height} columns changed")
print(f"importance-weighted PSI {study.control.weighted_psi:.4f}")

# %% [markdown]
# ## The leading columns in depth

# %%
plots.binned(study.before, study.after, study.top[:12])

# %% [markdown]
# ## Does it matter?
#
# What moves in the inputs matters as far as the model leans on it, and as far as it moves the PD
# and with it the decisions.

# %%
pds = {"reference": reference[PD].to_numpy(),
       "current": current[PD].to_numpy()}  # fmt: skip
plots.pd_distributions(pds, scorer.cutoff)

# %%
result = study.comparison
print(f"PSI of the features, weighted by importance: {result.weighted_psi:.3f}")
print(f"PSI of the PD: {result.pd['psi']:.3f}")
for name, share in {
    "accepted": result.accepted,
    "referred": result.referred,
    "refused": result.refused,
}.items():
    print(f"{name}: {share.reference:.1%} -> {share.current:.1%} (p = {share.p_value:.2g})")

# %% [markdown]
# ## Evidently: data, drift method, presets and tests
#
# Evidently draws and tests the columns that count: the PD, the leading columns, those that tell
# whether there is a history, and the ten that changed most. On a sample of rows, since it takes a
# second for some thousand values and a column. Columns without any value on a side cannot be drawn.
#
# ### What it looks at

# %% tags=["evidently"]
# It reports its use unless told not to, which scoring.monitoring did when it was imported above.
import plotly.io as pio
from evidently import BinaryClassification, DataDefinition, Report
from evidently import Dataset as EvidentlyDataset
from evidently.legacy.calculations.stattests import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.metrics import MissingValueCount, OutListValueCount, OutRangeValueCount
from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset
from evidently.tests import Reference, eq, gte, lt, lte

ROWS = 5_000
alerts = Thresholds()
pio.templates.default = "none"  # Plotly's usual look is repeated in every figure

changed = study.comparison.drifted["column"].head(10)
before, after = (
    frame.sample(min(ROWS, frame.height), seed=0) for frame in (study.reference, study.current)
)
watched = [
    name
    for name in dict.fromkeys([PD, *study.top, *changed])
    if before[name].count() and after[name].count()
]
numbers = before.select(watched).select(cs.numeric()).columns
definition = DataDefinition(
    numerical_columns=numbers,
    categorical_columns=[name for name in watched if name not in numbers],
)


def evidently(frame: pl.DataFrame, definition: DataDefinition) -> EvidentlyDataset:
    """A table as Evidently reads it: pandas, with categories as plain text."""
    pandas = frame.with_columns(cs.enum().cast(pl.String)).to_pandas()
    return EvidentlyDataset.from_pandas(pandas, data_definition=definition)


# %% [markdown]
# ### One verdict: our limits as Evidently's drift method
#
# Left to itself, Evidently chooses a distance a column and calls a dataset drifted when half of its
# columns are; the page would then say two things. So it gets the rule of the study as a method of
# its own: how far a column has surely moved, in multiples of our limits (1 and more: it counts as
# changed), and one such column is drift. Evidently's headline is then ours.

# %% tags=["evidently"]
limits = study.limits
surely = pl.col("p_adjusted") < limits.significance
surely_missing = pl.col("missing_p_adjusted") < limits.significance
moved = (pl.col("missing_current") - pl.col("missing_reference")).abs()
multiple = pl.max_horizontal(
    pl.when(surely).then(pl.col("psi") / limits.moderate_psi).otherwise(0.0),
    pl.when(surely_missing).then(moved / limits.moderate_missing).otherwise(0.0),
)
multiples = dict(study.comparison.columns.select("column", multiple).iter_rows())


def by_our_limits(reference: Any, _current: Any, _kind: ColumnType, threshold: float) -> Any:
    """The change of a column of all applicants, and whether it counts."""
    size = multiples[reference.name]
    return round(size, 2), size >= threshold


ours = StatTest(
    name="our limits",
    display_name="multiple of our limits",
    allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    default_threshold=1.0,
)
register_stattest(ours, by_our_limits)

# %% [markdown]
# ### Drift
#
# The preset compares the columns. Beside it, of the leading numbers and categories: are as many
# missing as in the reference, and are there values that the reference does not have?

# %% tags=["evidently"]
leading = watched[:4]


def outside(known: pl.Series) -> OutRangeValueCount | OutListValueCount:
    """A test of values that the reference does not have: few, as for alerts."""
    tests = {"tests": [], "share_tests": [lte(alerts.outside.warning)]}
    if known.dtype.is_numeric():
        low, high = math.floor(known.min() * 1e3) / 1e3, math.ceil(known.max() * 1e3) / 1e3
        return OutRangeValueCount(column=known.name, left=low, right=high, **tests)
    levels = known.drop_nulls().cast(pl.String).unique().sort().to_list()
    return OutListValueCount(column=known.name, values=levels, **tests)


near = eq(Reference(absolute=limits.large_missing))
one_column = math.floor(1000 / len(watched)) / 1000
drift_report = Report(
    [
        DataDriftPreset(columns=watched, drift_share=one_column, method=ours, threshold=1.0),
        *(MissingValueCount(column=name, tests=[], share_tests=[near]) for name in leading),
        *(outside(before[name]) for name in leading),
    ],
    include_tests=True,
)
snapshots = {
    "drift": drift_report.run(
        current_data=evidently(after.select(watched), definition),
        reference_data=evidently(before.select(watched), definition),
    )
}

# %% [markdown]
# ### Data quality
#
# Every statistic of the leading columns, without tests: Evidently's own compare means and extremes,
# which move without any drift.

# %% tags=["evidently"]
few = DataDefinition(
    numerical_columns=[name for name in leading if name in numbers],
    categorical_columns=[name for name in leading if name not in numbers],
)
snapshots["summary"] = Report([DataSummaryPreset(columns=leading)], include_tests=False).run(
    current_data=evidently(after.select(leading), few),
    reference_data=evidently(before.select(leading), few),
)

# %% [markdown]
# ### Classification
#
# Quality needs outcomes: where those of current applicants are unknown, the reference is tested
# against what the training promised. Two things are tested: the AUC, and whether the PDs say more
# than one rate for everybody would (log loss). Limits of accuracy, precision and the like are those
# of a coin, not of a credit.

# %% tags=["evidently"]
UNTESTED = (
    "accuracy", "precision", "recall", "f1score", "tpr", "tnr", "fpr", "fnr",
    "f1score_by_label", "precision_by_label", "recall_by_label", "rocauc_by_label",
)  # fmt: skip
known_before, known_after = study.ranking
labelled = "neither" if known_before is None else "reference" if known_after is None else "both"
promised = study.scorer.lineage["cross_validation"]["auc"]
least = known_before.low if labelled == "both" else promised

if labelled != "neither":
    judged = study.current if labelled == "both" else study.reference
    rate = float(judged["TARGET"].to_numpy().mean())
    one_rate = -(rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    outcomes = DataDefinition(
        numerical_columns=[PD],
        classification=[BinaryClassification(target="TARGET", prediction_probas=PD, pos_label=1)],
    )
    preset = ClassificationPreset(
        probas_threshold=study.scorer.cutoff,
        rocauc_tests=[gte(round(least - alerts.auc_loss.warning, 3))],
        logloss_tests=[lt(round(one_rate, 4))],
        **{f"{name}_tests": [] for name in UNTESTED},
    )
    snapshots["classification"] = Report([preset], include_tests=True).run(
        current_data=evidently(judged.select("TARGET", PD), outcomes),
        reference_data=evidently(study.reference.select("TARGET", PD), outcomes)
        if labelled == "both"
        else None,
    )

# %% [markdown]
# ### What the tests say

# %% tags=["evidently"]
checks = drift.Checks(snapshots, labelled)

# %%
checks.tests.group_by("subject", "passed").len().sort("subject", "passed")

# %%
checks.tests.filter(~pl.col("passed")).select("test", "found")

# %%
print("outcomes known of:", checks.labelled)
pl.DataFrame([{"figure": name, "value": value} for name, value in checks.quality.items()])

# %% [markdown]
# ## The report

# %%
drift.save(study, checks, Path(REPORT))
registry = Registry(Path(MLRUNS))
with registry.run("drift", {"dataset": dataset.digest, "model_version": scorer.version}):
    mlflow.set_tag("mlflow.note.content", drift.conclusion(study))
    registry.log(drift.metrics(study, checks), drift.figures(study))
size = Path(REPORT).stat().st_size / 1e6
print(f"written: {Path(REPORT).name} ({size:.1f} MB) and {Path(REPORT).with_suffix('.json').name}")

# %% [markdown]
# ## Conclusion

# %%
Markdown(drift.conclusion(study))

# %%
Markdown(drift.conclusion(study, "fr"))
