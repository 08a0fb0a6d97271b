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
# the probabilities of default and to the decisions is measured. The report is one HTML file that
# opens without a network.
#
# **En français** : ce carnet compare les demandeurs actuels (test) à ceux de l'entraînement
# (référence), colonne par colonne : valeurs, valeurs manquantes, probabilité de défaut, décisions.
# Il dit s'il y a une dérive, où, si elle compte pour le modèle, et que faire.

# %% tags=["parameters"]
DATASET = "../data/tables"
FEATURES = "../data/features.parquet"
MODEL = "../mlruns/champion"
UNSEEN_PDS = "../data/unseen_pds.parquet"
MLRUNS = "../mlruns"
REPORT = "../reports/drift.html"
TOP = 15

# %%
from pathlib import Path

import polars as pl
from IPython.display import Markdown

from scoring.data.dataset import Dataset
from scoring.monitoring import drift
from scoring.registry.mlflow_registry import Registry
from scoring.reports import plots
from scoring.serving.scorer import Scorer

pl.Config(tbl_cols=-1, tbl_rows=40, tbl_width_chars=170, fmt_str_lengths=60, float_precision=3)
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
plots.drift(study.comparison.columns.head(20), study.limits.large_psi)

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
pds = {"reference": reference["probability_of_default"].to_numpy(),
       "current": current["probability_of_default"].to_numpy()}  # fmt: skip
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
# ## Evidently: metrics and tests
#
# Evidently's presets for data drift, data quality and classification look at the leading columns,
# with tests of size that pass or fail: numbers by the normalised Wasserstein distance (how far the
# values have moved, in standard deviations) and the leading ones by the PSI too, categories by the
# PSI, missing values against the reference, values that the reference does not have.
#
# Classification quality needs outcomes: where those of current applicants are unknown, the
# reference is tested against what the training promised.

# %%
checks = drift.check(study)
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
    registry.log(drift.metrics(study, checks), drift.figures(study))
size = Path(REPORT).stat().st_size / 1e6
print(f"written: {Path(REPORT).name} ({size:.1f} MB) and {Path(REPORT).with_suffix('.json').name}")

# %% [markdown]
# ## Conclusion

# %%
Markdown(drift.conclusion(study))

# %%
Markdown(drift.conclusion(study, "fr"))
