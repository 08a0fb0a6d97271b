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
# # 1. Preprocessing: from eight tables to one row an applicant
#
# *Prêt à dépenser* lends to people with little credit history. This notebook looks at what an
# application and its credit history say, turns them into features, and writes the table that the
# next notebook learns from.
#
# **In** a dataset (`python -m scoring sample` or `python -m scoring ingest`).
# **Out** `features.parquet`: one row an applicant. Nothing here is learnt from the data, so
# nothing can leak from one applicant to another: the API computes the very same features for a
# single request.

# %% tags=["parameters"]
DATASET = "../data/tables"
FEATURES = "../data/features.parquet"

# %%
from pathlib import Path

import polars as pl

from scoring import plots
from scoring.batch import write_features
from scoring.dataset import Dataset
from scoring.features import FEATURE_SET_VERSION, PROTECTED
from scoring.tables import DAY_SENTINEL

dataset = Dataset.open(Path(DATASET))
frames = dataset.frames("train")
applications = frames["application"].collect()
print(f"dataset {dataset.digest[:12]}, source: {dataset.manifest['source']}")

# %% [markdown]
# ## The tables
#
# One application, six tables of history: loans elsewhere (bureau), earlier applications here,
# and month by month what became of them.

# %%
pl.DataFrame(
    [
        {"file": name.removesuffix(".parquet"), "rows": entry["rows"]}
        for name, entry in dataset.manifest["files"].items()
    ]
)

# %% [markdown]
# ## What is to be predicted
#
# `TARGET` is 1 for an applicant who had difficulties to pay. Few do: accuracy would praise a
# model that accepts everybody, hence the AUC for ranking and a business cost for deciding.

# %%
rate = applications["TARGET"].mean()
print(f"default rate {rate:.2%} of {applications.height:,} applicants")

# %% [markdown]
# ## What is missing
#
# Missing values tell something here: an applicant without an external score has no file with
# that agency. They are kept as missing; trees split on them, linear models get a fill value.

# %%
plots.missing(applications)

# %% [markdown]
# ## Sentinels
#
# Home Credit writes "not employed" as 365,243 days of employment, a thousand years in the
# future. Left alone it would be the strongest number of the column; it becomes missing, and
# `application__NOT_EMPLOYED` keeps what it said.

# %%
sentinel = (applications["DAYS_EMPLOYED"] == DAY_SENTINEL).mean()
print(f"DAYS_EMPLOYED is {DAY_SENTINEL:,} for {sentinel:.1%} of the applicants")

# %% [markdown]
# ## The strongest columns
#
# The three external scores rank applicants better than anything else in the application.

# %%
plots.densities(applications, ["EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3"])

# %% [markdown]
# ## The features
#
# `build_features` is the one definition: a pure function from the tables to one row an
# applicant. A name reads table, column, filter, function:
# `bureau__AMT_CREDIT_SUM_DEBT__active__max` is the largest debt among the loans elsewhere that
# are still running. What is summed is an integer (amounts in thousandths), so that one applicant
# alone gets the same bits as in a batch.

# %%
rows, columns = write_features(dataset, Path(FEATURES))
print(f"{rows:,} applicants, {columns - 1} features, feature set version {FEATURE_SET_VERSION}")

# %%
names = pl.read_parquet_schema(FEATURES).keys() - {"SK_ID_CURR"}
prefixes = [name.split("__")[0] if "__" in name else "application, as it is" for name in names]
pl.Series("table", prefixes).value_counts(sort=True, name="features")

# %% [markdown]
# ## What a model may not use
#
# Sex, age and family status, and what gives the age away, are computed (fairness has to be
# measured on something) but left out of the model unless one asks for them.

# %%
sorted(PROTECTED)

# %% [markdown]
# ## Does it make sense?
#
# Default rate by a few features, in five groups of equal size. A feature worth having moves the
# default rate steadily.

# %%
SHOWN = {
    "application__EXT_SOURCES_MEAN": "mean external score (no unit)",
    "application__CREDIT_TO_ANNUITY": "credit / annuity (instalments)",
    "bureau__DEBT_TO_CREDIT__active__total": "debt / credit of running loans elsewhere",
    "previous__IS_REFUSED__all__mean": "share of earlier applications refused",
}
chosen = pl.read_parquet(FEATURES, columns=["SK_ID_CURR", *SHOWN]).join(
    applications.select("SK_ID_CURR", "TARGET"), on="SK_ID_CURR"
)
plots.default_rates(chosen, SHOWN)

# %% [markdown]
# ## Result
#
# Every history table adds columns, none was dropped, none was learnt from the data: what
# remains to be fitted (fill values, levels, ranks) is fitted inside the folds of the next
# notebook.
