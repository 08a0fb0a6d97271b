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
# **En français** : ce carnet décrit les données, traite les valeurs manquantes et les codes
# particuliers, explique l'encodage des catégories, les transformations et les variables créées,
# puis cherche des fuites d'information. Il n'apprend rien des données : chaque variable ne dépend
# que du demandeur lui-même.
#
# **In** a dataset (`python -m scoring sample` or `python -m scoring ingest`).
# **Out** `features.parquet`: one row an applicant. Nothing in it is learnt from the data, so
# nothing can leak from one applicant to another: the API computes the very same features for a
# single request.

# %% tags=["parameters"]
DATASET = "../data/tables"
FEATURES = "../data/features.parquet"

# %%
from pathlib import Path

import polars as pl
from IPython.display import display

from scoring.data.dataset import Dataset
from scoring.data.tables import DAY_SENTINEL
from scoring.evaluation import leakage
from scoring.features import PROTECTED, wording
from scoring.reports import plots
from scoring.serving.batch import write_features

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
# `bureau__AMT_ANNUITY__active__mean` is the mean instalment of the loans elsewhere that are
# still running. What is summed is an integer (amounts in thousandths), so that one applicant
# alone gets the same bits as in a batch.

# %%
rows, columns = write_features(dataset, Path(FEATURES))
print(f"{rows:,} applicants, {columns - 1} features")

# %%
names = pl.read_parquet_schema(FEATURES).keys() - {"SK_ID_CURR"}
prefixes = [name.split("__")[0] if "__" in name else "application, as it is" for name in names]
pl.Series("table", prefixes).value_counts(sort=True, name="features")

# %% [markdown]
# ## Features by theme
#
# What is known to work on these data, and where it is: the external scores; ratios of the
# application (credit / annuity, annuity / income); the interest rate that credit and annuity
# imply, by the lender's price list; debt and lateness elsewhere, in windows of time; refused and
# running loans here; lateness of instalments; use of card limits; and today's application set
# against the applicant's own history. Each has one cause, so that a decision can be told by causes.

# %%
EXAMPLES = [
    "application__CREDIT_TO_ANNUITY",
    "application__EXT_SOURCES_MEAN",
    "bureau__DEBT_TO_CREDIT__active__total",
    "previous__IS_REFUSED__all__mean",
    "installments__DAYS_LATE__365d__mean",
]
with pl.Config(fmt_str_lengths=120, tbl_width_chars=180):
    display(
        pl.DataFrame(
            [
                {
                    "feature": name,
                    "English": wording.describe(name, "en"),
                    "French": wording.describe(name, "fr"),
                }
                for name in EXAMPLES
            ]
        )
    )

# %% [markdown]
# ## Categories, transforms, scales
#
# How a column is encoded depends on who reads it, so it belongs to each model and is fitted in
# its training rows only:
#
# | family | categories | numbers | missing |
# |---|---|---|---|
# | logistic regression | one column a level | normal ranks, or scaled logarithms | the middle |
# | random forest | default rate, across inner folds | as they are | the median |
# | LightGBM | its own splits of levels | as they are | a side of every split |
#
# Amounts are skewed: a few are a hundred times the median. Trees only look at their order; a
# linear model needs them transformed.

# %%
plots.transforms(applications, "AMT_INCOME_TOTAL", "yearly income (currency)")

# %% [markdown]
# ## What a model may not use
#
# Sex, age and family status are kept (fairness has to be measured on something), left out of the
# model unless one asks for them, and no other feature is made of them.

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
# ## Does anything leak?
#
# A column that knows the outcome would make every later figure a lie. Four checks: no column
# alone may rank better than any honest one could (an AUC above 0.78); no applicant may be on
# both sides; identifiers and the order of the rows must say nothing; and if a model can tell
# today's applicants from those of the training, it says which columns have drifted.

# %%
features = pl.read_parquet(FEATURES)
joined = features.join(applications.select("SK_ID_CURR", "TARGET"), on="SK_ID_CURR")
target = joined["TARGET"].to_numpy()
known = joined.drop("TARGET")
alone = leakage.single_columns(known, target)
print(f"{alone['suspect'].sum()} of {alone.height} columns are suspect; the strongest:")
alone.head(5)

# %%
others = features.join(applications, on="SK_ID_CURR", how="anti")
leakage.overlap(known, others).drop("examples")

# %%
leakage.id_order(known, target)

# %%
if others.height:
    told = leakage.adversarial(known, others)
    print(
        f"training against test applicants: AUC {told.auc.value:.3f} "
        f"({told.auc.low:.3f} to {told.auc.high:.3f})"
    )
    display(told.table().head(5))

# %% [markdown]
# ## Result
#
# What remains to be fitted (fill values, levels, ranks, default rates, the choice of features) is
# fitted inside the folds of the next notebook, on training rows only.
