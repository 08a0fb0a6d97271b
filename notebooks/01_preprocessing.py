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
# **En français** : ce carnet explore les données (types, cible par segment, valeurs aberrantes,
# valeurs manquantes, corrélations), montre en code l'encodage des catégories, les variables créées,
# les transformations et la normalisation, construit pas à pas les variables d'une table, puis
# toutes les variables, cherche des fuites d'information et compare les demandeurs de l'entraînement
# à ceux du test. La table écrite n'apprend rien des données : chaque variable ne dépend que du
# demandeur lui-même.
#
# **In** a dataset (`python -m scoring sample` or `python -m scoring ingest`).
# **Out** `features.parquet`: one row an applicant. Nothing in it is learnt from the data, so
# nothing can leak from one applicant to another: the API computes the very same features for a
# single request.
#
# What is true of these rows only is computed and printed, so that the text holds for any dataset.

# %% tags=["parameters"]
DATASET = "../data/tables"
FEATURES = "../data/features.parquet"

# %%
import warnings
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import polars.selectors as cs
from IPython.display import Markdown, display
from polars.testing import assert_frame_equal
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.stats import chi2_contingency, norm, skew
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from scoring.data.dataset import Dataset
from scoring.data.tables import DAY_SENTINEL, TEXT_SENTINELS
from scoring.evaluation import leakage
from scoring.evaluation.distances import holm, two_proportions
from scoring.evaluation.intervals import wilson
from scoring.features import PROTECTED, wording
from scoring.reports.notebooks import show_tables
from scoring.reports.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    below,
    finished,
    gridded,
    intervals,
    rows,
)
from scoring.serving.parts import Job, write

show_tables()
dataset = Dataset.open(Path(DATASET))
frames = dataset.frames("train")
applications = frames["application"].collect()
target = applications["TARGET"].to_numpy()
overall = target.mean()
print(f"dataset {dataset.digest[:12]}, source: {dataset.manifest['source']}")

# %% [markdown]
# ## The tables
#
# One application, six tables of history: loans elsewhere (bureau), earlier applications here,
# and month by month what became of them. Not everybody has a history, and one with a history has
# anything from one row to hundreds: hence features that summarise.

# %%
owners = frames["bureau"].select("SK_ID_BUREAU", "SK_ID_CURR")
applicants = frames["application"].select("SK_ID_CURR")


def sizes(name: str) -> dict[str, object]:
    """How many rows a table has, of how many applicants, and how many each has."""
    table = frames[name]
    if "SK_ID_CURR" not in table.collect_schema():
        table = table.join(owners, on="SK_ID_BUREAU")
    table = table.join(applicants, on="SK_ID_CURR", how="semi")
    each = table.group_by("SK_ID_CURR").len().collect()["len"]
    return {
        "table": name, "columns": len(frames[name].collect_schema()), "rows": each.sum(),
        "applicants with rows (%)": 100 * each.len() / applications.height,
        "rows each, median": each.median(), "rows each, most": each.max(),
    }  # fmt: skip


pl.DataFrame([sizes(name) for name in frames])

# %% [markdown]
# ### The application

# %%
applications.select(applications.columns[:8]).head()

# %%
print(f"{applications.height:,} applicants, {applications.width} columns")


def described(table: pl.DataFrame) -> pl.DataFrame:
    """Say of each column its type, what is missing and its values."""
    return pl.DataFrame(
        [
            {
                "column": column.name,
                "type": str(column.dtype),
                "missing (%)": 100 * column.null_count() / column.len(),
                "different values": column.drop_nulls().n_unique(),
                "most frequent": str(column.drop_nulls().mode().sort().first()),
            }
            for column in table
        ]
    )


columns = described(applications)
print(", ".join(f"{n} {kind}" for kind, n in columns["type"].value_counts(sort=True).iter_rows()))
columns

# %% [markdown]
# ## What is to be predicted
#
# `TARGET` is 1 for an applicant who had difficulties to pay. Few do: accuracy would praise a
# model that accepts everybody, hence the AUC for ranking and a business cost for deciding.

# %%
low, high = wilson(target.sum(), target.size)
print(
    f"default rate {overall:.2%} ({low:.2%} to {high:.2%}) of {target.size:,} applicants\n"
    f"a model that accepts everybody is right for {1 - overall:.1%} of them, and useless"
)

# %% [markdown]
# ### Default rate by segment
#
# With 95 % intervals (Wilson's) and the number of applicants: a rate of few applicants says little,
# so segments of fewer than thirty are not drawn. Age and sex are looked at here, and left out of
# the models below.

# %%
age = (applications["DAYS_BIRTH"] // -3652.5 * 10).cast(pl.Int32)
segments = {
    "education": applications["NAME_EDUCATION_TYPE"],
    "income from": applications["NAME_INCOME_TYPE"],
    "occupation": applications["OCCUPATION_TYPE"],
    "housing": applications["NAME_HOUSING_TYPE"],
    "age, from": age.cast(pl.String),
    "sex": applications["CODE_GENDER"],
}


def by_level(column: pl.Series) -> pl.DataFrame:
    """The default rate of each level, with its interval and the number of applicants."""
    table = (
        pl.DataFrame({"level": column.cast(pl.String).fill_null("(no value)"), "target": target})
        .group_by("level")
        .agg(applicants=pl.len(), defaults=pl.col("target").sum())
    )
    low, high = wilson(table["defaults"], table["applicants"])
    rate = pl.col("defaults") / pl.col("applicants")
    return table.with_columns(rate=rate, rate_low=low, rate_high=high).sort("rate")


by_segment = {
    name: by_level(column).filter(pl.col("applicants") >= 30) for name, column in segments.items()
}

# %%
figure, axes = plt.subplots(3, 2, figsize=(12, 12), height_ratios=(1, 2.4, 1.2))
for axis, (name, table) in zip(axes.flat, by_segment.items(), strict=True):
    labels = [f"{level} ({n:,})" for level, n in table.select("level", "applicants").iter_rows()]
    intervals(axis, rows(axis, labels), table, "rate", factor=100)
    axis.axvline(100 * overall, linestyle=":", color=GREY)
    axis.set(title=name, xlabel="default rate (%)")
    axis.tick_params(axis="y", labelsize=8)
    gridded(axis)
figure.suptitle("Default rate by segment, applicants in brackets (dotted: all)")
finished(figure)

# %% [markdown]
# Which categories separate best? Cramér's V goes from 0 (they say nothing) to 1 (they say all),
# here less what chance alone gives many levels; chi-square says how likely so much would be by
# chance, and Holm's method adjusts it for the number of columns that were tried.

# %%
categories = applications.select(cs.string())


def association(column: pl.Series) -> dict[str, object]:
    """Cramér's V of a category with the target, and the lowest and highest rate of its levels."""
    levels = by_level(column)
    counts = levels.select("defaults", pl.col("applicants") - pl.col("defaults")).to_numpy()
    test = chi2_contingency(counts)
    beyond_chance = test.statistic / target.size - (levels.height - 1) / (target.size - 1)
    sure = levels.filter(pl.col("applicants") >= 30)
    return {
        "category": column.name, "levels": levels.height, "p": test.pvalue,
        "Cramér's V": np.sqrt(max(beyond_chance, 0.0)),
        "lowest rate (%)": 100 * sure["rate"].min(), "highest rate (%)": 100 * sure["rate"].max(),
    }  # fmt: skip


associated = pl.DataFrame(
    [association(column) for column in categories if column.drop_nulls().n_unique() > 1]
)
associated = associated.with_columns(p=holm(associated["p"])).sort("Cramér's V", descending=True)
certain = associated.filter(pl.col("p") < 0.01)["category"]
print(f"{len(certain)} of {associated.height} with p < 0.01: {', '.join(certain) or 'none'}")
associated

# %% [markdown]
# ## Outliers and codes
#
# ### The furthest values
#
# A largest value many times the 99.9th percentile is a typing error, a code, or a very particular
# applicant. One such row is enough to stretch a mean and a standard deviation.

# %%
numbers = applications.select(cs.numeric().exclude("SK_ID_CURR", "TARGET"))
beyond = pl.col("largest") / pl.col("99.9th percentile")
furthest = pl.DataFrame(
    [
        {
            "column": column.name, "median": column.median(),
            "99.9th percentile": column.quantile(0.999), "largest": column.max(),
        }
        for column in numbers
        if column.quantile(0.999, "higher")
    ]
).with_columns(times=beyond).filter(pl.col("99.9th percentile") > 0)  # fmt: skip
furthest.sort("times", descending=True).head(10)

# %%
income = applications["AMT_INCOME_TOTAL"]
richest = applications.row(income.arg_max(), named=True)
others = income.filter(income < income.max())
outcome = "defaulted" if richest["TARGET"] else "repaid"
print(
    f"largest yearly income: {income.max():,.0f}, {income.max() / income.median():,.0f} times the "
    f"median; its owner asked for a credit of {richest['AMT_CREDIT']:,.0f} and {outcome}\n"
    f"without it the standard deviation of all incomes goes from {income.std():,.0f} "
    f"to {others.std():,.0f}"
)

# %% [markdown]
# What is done: nobody is left out, since tomorrow's applicant may type the same. Trees only look at
# the order of values. The linear model gets logarithms in standard deviations, cut at five of them,
# so that no single number can carry a decision away.
#
# ### 365,243 days of employment
#
# Home Credit writes "not employed" as a thousand years in the future. Left alone it would be the
# strongest number of the column; it becomes missing, and `application__NOT_EMPLOYED` keeps what it
# said.

# %%
employed = applications["DAYS_EMPLOYED"]
code = (employed == DAY_SENTINEL).fill_null(False)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 2.8))
left.hist(employed.drop_nulls() / 365.25, bins=50, color=ORANGE)
left.set(title="As it comes", xlabel="employment (years)", ylabel="applicants")
right.hist(-employed.filter(~code).drop_nulls() / 365.25, bins=50, color=BLUE)
right.set(title="Without the code", xlabel="employed for (years)")
display(finished(figure))
by_level(pl.Series("code", np.where(code, "coded as not employed", "with a date")))

# %%
coded = applications.filter(code)["NAME_INCOME_TYPE"].value_counts(sort=True)
print(f"{code.mean():.1%} have the code; who they are, by source of income:")
coded

# %% [markdown]
# ### Texts that say nothing
#
# `XNA` stands for "not available", `XAP` for "not applicable": both are read as missing.

# %%
said_nothing = categories.unpivot(variable_name="column", value_name="text")
said_nothing.filter(pl.col("text").is_in(TEXT_SENTINELS)).group_by("column", "text").len(
    "applicants"
).sort("applicants", descending=True)

# %% [markdown]
# ## What is missing

# %%
absent = applications.select(pl.all().is_null())
most = absent.mean().unpivot(variable_name="column", value_name="share")
most = most.sort("share", "column", descending=[True, False]).head(20)
figure, axis = plt.subplots(figsize=(10, 6))
axis.barh(most["column"], 100 * most["share"], color=BLUE)
axis.invert_yaxis()
axis.set(xlabel="applicants without a value (%)", title="The twenty columns missing most often")
gridded(axis)
finished(figure)

# %% [markdown]
# ### Patterns: what is missing together
#
# Columns that are missing for exactly the same applicants come from one source: a question that was
# not asked, or an agency that has no file. A pattern is one fact, not as many as it has columns.

# %%
by_pattern = defaultdict(list)
for column in absent:
    if column.any():
        by_pattern[column.to_numpy().tobytes()].append(column.name)
patterns = pl.DataFrame(
    [
        {
            "columns": len(names),
            "missing (%)": 100 * absent[names[0]].mean(),
            "for example": ", ".join(names[:3]),
        }
        for names in by_pattern.values()
    ]
).sort("columns", descending=True)
print(f"{sum(patterns['columns'])} columns miss values, in {patterns.height} patterns")
patterns.head(10)

# %% [markdown]
# ### Does it tell something that a value is missing?

# %%
tested = []
for names in by_pattern.values():
    missing = absent[names[0]].to_numpy()
    counts = [(int(target[side].sum()), int(side.sum())) for side in (~missing, missing)]
    if min(size for _, size in counts) < 50:
        continue
    (known_low, missing_low), (known_high, missing_high) = wilson(*zip(*counts, strict=True))
    tested.append(
        {
            "column": names[0], "missing": missing.mean(),
            "known_rate": target[~missing].mean(), "known_low": known_low, "known_high": known_high,
            "rate": target[missing].mean(), "rate_low": missing_low, "rate_high": missing_high,
            "p": two_proportions(*counts[0], *counts[1]).p_value,
        }
    )  # fmt: skip
silent = pl.DataFrame(tested).with_columns(p=holm([row["p"] for row in tested]))
gap = (pl.col("rate") - pl.col("known_rate")).abs()
silent = silent.sort(gap, descending=True)
print(
    f"{(silent['p'] < 0.01).sum()} of {silent.height} patterns tell something of default "
    "(p < 0.01 after Holm's adjustment)"
)

# %%
shown = silent.head(12)
figure, axis = plt.subplots(figsize=(9, 0.34 * shown.height + 1.6))
labels = [f"{name} ({part:.0%} missing)" for name, part in shown["column", "missing"].iter_rows()]
places = rows(axis, labels)
intervals(axis, places - 0.12, shown, "known_rate", "known", 100, label="with a value")
intervals(axis, places + 0.12, shown, "rate", factor=100, color=ORANGE, label="without a value")
axis.set(xlabel="default rate (%)", title="Default rate with and without a value (95% intervals)")
gridded(axis)
below(figure)

# %% [markdown]
# Missing values are kept as missing, so that a model can use what they tell: trees split on them,
# and a linear model gets a fill value.
#
# ## Correlations
#
# Of ranks (Spearman's), which no outlier can make or break. On at most 20,000 applicants.
#
# ### With the target

# %%
sample = applications.sample(min(20_000, applications.height), seed=0)
numbers = sample.select(cs.numeric().exclude("SK_ID_CURR", "TARGET"))
numbers = numbers.with_columns(
    pl.when(pl.col("DAYS_EMPLOYED") != DAY_SENTINEL).then("DAYS_EMPLOYED").alias("DAYS_EMPLOYED")
)
numbers = numbers.select(column.name for column in numbers if column.drop_nulls().n_unique() > 1)
correlation = numbers.with_columns(sample["TARGET"]).select(pl.all().rank()).to_pandas().corr()
with_target = pl.from_pandas(correlation["TARGET"].drop("TARGET").reset_index())
with_target = with_target.sort(pl.col("TARGET").abs(), descending=True).head(20).sort("TARGET")

# %%
figure, axis = plt.subplots(figsize=(8, 5))
colors = np.where(with_target["TARGET"] > 0, ORANGE, BLUE)
axis.barh(with_target["index"], with_target["TARGET"], color=colors)
axis.axvline(0, color=GREY, linewidth=0.8)
axis.set(
    xlabel="rank correlation with default (no unit)",
    title="The twenty strongest: orange goes with default, blue with repaying",
)
axis.tick_params(axis="y", labelsize=8)
finished(figure)

# %% [markdown]
# No column says much alone, which is usual in credit: a good model adds up many weak signs. The
# distributions of the external scores among those who repaid and those who defaulted:

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), sharey=True)
for axis, column in zip(axes, ["EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3"], strict=True):
    for outcome, label, color in ((0, "repaid", BLUE), (1, "defaulted", ORANGE)):
        values = applications.filter(TARGET=outcome)[column].drop_nulls()
        axis.hist(values, 30, density=True, histtype="step", linewidth=2, color=color, label=label)
    axis.set_xlabel(f"{column} (no unit)")
axes[0].set_ylabel("density")
axes[0].legend()
figure.suptitle("Applicants who repaid and applicants who defaulted")
finished(figure)

# %% [markdown]
# ### Among the columns
#
# The twenty columns above, those that go together side by side.

# %%
leading = with_target["index"].to_list()
among = correlation.loc[leading, leading].fillna(0.0).to_numpy()
apart = 1 - np.abs(among)[np.triu_indices_from(among, k=1)]
order = leaves_list(linkage(apart, method="average"))
figure, axis = plt.subplots(figsize=(9, 7.5))
image = axis.imshow(among[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
names = [leading[i] for i in order]
axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
axis.set_yticks(range(len(names)), names, fontsize=8)
axis.set_title("Rank correlations among the twenty strongest")
figure.colorbar(image, label="rank correlation (no unit)", shrink=0.7)
finished(figure)

# %%
matrix = correlation.drop("TARGET").drop("TARGET", axis=1)
pairs = pl.from_pandas(matrix.stack().rename("r").rename_axis(["first", "second"]).reset_index())
twins = pairs.filter((pl.col("first") < pl.col("second")) & (pl.col("r").abs() > 0.9))
print(f"{twins.height} pairs of columns say nearly the same (above 0.9); the closest:")
twins.sort(pl.col("r").abs(), descending=True).head(8)

# %% [markdown]
# Twins are why `build_features` keeps one of the average, mode and median of each building
# measure, and why coefficients of a linear model need a penalty: it could shift weight between two
# twins without changing a prediction.
#
# ## Encoding categories
#
# A model needs numbers. What is fitted here is fitted on one part of the applicants and looked at
# on the other, as in every later step.

# %%
learn, check = train_test_split(
    applications.with_row_index(), test_size=0.3, stratify=target, random_state=0
)

# %% [markdown]
# ### One column a level (one-hot)
#
# Right for few levels. Levels of under 1% share a column, which also takes in levels that were
# never seen: a request never fails for a new word.

# %%
encoder = OneHotEncoder(
    min_frequency=0.01, handle_unknown="infrequent_if_exist", sparse_output=False
)
education = ["NAME_EDUCATION_TYPE"]
encoder.fit(learn.select(education).to_numpy())
before = check.select(education).unique().sort(education)
encoded = encoder.transform(before.to_numpy()).astype(np.int8)
after = pl.DataFrame(encoded, schema=[name[3:] for name in encoder.get_feature_names_out()])
before.hstack(after)

# %% [markdown]
# ### The default rate of each level (target encoding)
#
# Right for many levels, and the easiest way to leak: the rate of a level contains the applicant's
# own outcome. To see it, beside a real column one that says nothing by construction: a code drawn
# at random, of which each level has about five applicants.
#
# - naive: the rate of the level among all training rows, the applicant included;
# - out of fold (scikit-learn's `TargetEncoder`): the rate among the other folds.

# %%
draws = np.random.default_rng(0).integers(0, target.size // 5, target.size)
drawn = pl.Series("drawn at random", draws).cast(pl.String)


def target_encodings(name: str, learn: pl.DataFrame, check: pl.DataFrame) -> dict[str, object]:
    """AUC of a category as default rate: on the rows that gave the rates, and on others."""
    filled = [part.select(pl.col(name).fill_null("(no value)")) for part in (learn, check)]
    seen, unseen = learn["TARGET"].to_numpy(), check["TARGET"].to_numpy()
    rates = filled[0].with_columns(learn["TARGET"]).select(pl.col("TARGET").mean().over(name))
    encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0))
    out_of_fold = encoder.fit_transform(filled[0].to_numpy(), seen)
    return {
        "category": name,
        "levels": filled[0].n_unique(),
        "naive, own rows": roc_auc_score(seen, rates["TARGET"]),
        "out of fold, own rows": roc_auc_score(seen, out_of_fold[:, 0]),
        "other rows": roc_auc_score(unseen, encoder.transform(filled[1].to_numpy())[:, 0]),
    }


parts = [part.with_columns(drawn[part["index"]]) for part in (learn, check)]
encodings = pl.DataFrame(
    [target_encodings(name, *parts) for name in ("ORGANIZATION_TYPE", "drawn at random")]
)
encodings

# %%
real, nonsense = encodings.to_dicts()
Markdown(
    f"The random code reaches an AUC of {nonsense['naive, own rows']:.2f} where it was fitted "
    f"naively, and {nonsense['other rows']:.2f} on other rows: the difference is leakage, and a "
    f"model would have believed it. Out of fold it has {nonsense['out of fold, own rows']:.2f}. "
    f"The real column has {real['naive, own rows']:.2f} naively and {real['other rows']:.2f} on "
    "other rows. The fewer applicants a level has, the more is leakage."
)

# %% [markdown]
# ## Creating variables
#
# An amount says little by itself: what counts is how it compares with another. Whether a ratio
# ranks defaults better than its parts is told by the AUC of a column alone, whichever way it
# points.

# %%
created = applications.select(
    "SK_ID_CURR", "AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE", "AMT_INCOME_TOTAL",
    CREDIT_TO_ANNUITY=pl.col("AMT_CREDIT") / pl.col("AMT_ANNUITY"),
    CREDIT_TO_GOODS=pl.col("AMT_CREDIT") / pl.col("AMT_GOODS_PRICE"),
    ANNUITY_TO_INCOME=pl.col("AMT_ANNUITY") / pl.col("AMT_INCOME_TOTAL"),
    EXT_SOURCES_MEAN=pl.mean_horizontal("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3"),
    NOT_EMPLOYED=code.cast(pl.Float64),
)  # fmt: skip
alone = leakage.single_columns(created, target).select("feature", "known", "rank_auc")
alone.sort("rank_auc", descending=True)

# %% [markdown]
# ## Transforming
#
# Amounts are skewed: a few are many times the median. A logarithm or a rank brings them back to
# where most applicants are. Trees only look at the order, which neither changes.

# %%
panels = {
    "yearly income (currency)": income.clip(upper_bound=income.quantile(0.999)),
    "its logarithm (base 10)": income.log10(),
    "its rank, made normal (deviations)": norm.ppf((income.rank() - 0.5) / len(income)),
}
figure, axes = plt.subplots(1, 3, figsize=(12, 2.8))
for axis, (name, values) in zip(axes, panels.items(), strict=True):
    axis.hist(values, bins=40, color=BLUE)
    axis.set_xlabel(name)
axes[0].set_ylabel("applicants")
figure.suptitle("One amount, three ways to show it to a model")
finished(figure)

# %%
amounts = applications.select("AMT_INCOME_TOTAL", "AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE")
amounts = amounts.drop_nulls()
ranker = QuantileTransformer(n_quantiles=200, output_distribution="normal", random_state=0)
pl.DataFrame(
    {
        "amount": amounts.columns,
        "skewness as it is": skew(amounts.to_numpy()),
        "of the logarithm": skew(np.log1p(amounts.to_numpy())),
        "of the normal rank": skew(ranker.fit_transform(amounts.to_numpy())),
    }
)

# %% [markdown]
# ## Normalising
#
# A linear model with a penalty treats all columns alike, so they have to be of one size. By mean
# and standard deviation (`StandardScaler`), by median and quartiles (`RobustScaler`, which an
# outlier does not move), or by the standard deviation of logarithms.

# %%
scalers = {
    "as it is": FunctionTransformer(),
    "StandardScaler": StandardScaler(),
    "RobustScaler": RobustScaler(),
    "logarithm, StandardScaler": make_pipeline(FunctionTransformer(np.log1p), StandardScaler()),
    "normal ranks": ranker,
}
seen, unseen = (part.select("AMT_INCOME_TOTAL").to_numpy() for part in (learn, check))
scaled = {name: scaler.fit(seen).transform(unseen) for name, scaler in scalers.items()}
pl.DataFrame(
    [
        {
            "income": name, "mean": values.mean(), "standard deviation": values.std(),
            "median": np.median(values),
            "quartiles apart": np.subtract(*np.quantile(values, [0.75, 0.25])),
            "largest": values.max(),
        }
        for name, values in scaled.items()
    ]
)  # fmt: skip

# %%
figure, axes = plt.subplots(1, len(scaled), figsize=(14, 2.7))
for axis, (name, values) in zip(axes, scaled.items(), strict=True):
    axis.hist(np.clip(values, *np.quantile(values, [0.001, 0.999])), bins=40, color=GREEN)
    axis.set_title(name, fontsize=9)
    axis.tick_params(labelsize=7)
axes[0].set_ylabel("applicants")
figure.suptitle("Income of applicants that the scalers had not seen (0.1% at each end cut)")
finished(figure)

# %% [markdown]
# What it is worth to a logistic regression, in five folds: the scaler is part of the pipeline, so
# it is fitted on the training rows of each fold only. Without it the optimiser also takes its time
# (it stops at a hundred steps, done or not).

# %%
numeric = [*amounts.columns, "DAYS_ID_PUBLISH", "EXT_SOURCE_2", "EXT_SOURCE_3"]
values, outcomes = sample.select(numeric).to_numpy(), sample["TARGET"].to_numpy()
tries = []
for name in ("as it is", "StandardScaler", "RobustScaler", "normal ranks"):
    steps = SimpleImputer(strategy="median"), scalers[name], LogisticRegression()
    with warnings.catch_warnings(action="ignore"):
        result = cross_validate(
            make_pipeline(*steps), values, outcomes, scoring="roc_auc", return_estimator=True
        )
    auc, taken = result["test_score"], max(model[-1].n_iter_[0] for model in result["estimator"])
    tries.append({"scaler": name, "AUC": auc.mean(), "between folds": auc.std(), "steps": taken})
pl.DataFrame(tries)

# %% [markdown]
# How a column is encoded depends on who reads it, so it belongs to each model and is fitted in
# its training rows only:
#
# | family | categories | numbers | missing |
# |---|---|---|---|
# | linear | one column a level | logarithms, standardised, cut at five deviations | the mean |
# | random forest | default rate, across inner folds | as they are | the median |
# | boosted trees (LightGBM) | its own splits of levels | as they are | a side of every split |
#
# ## The features of one table, step by step
#
# The bureau has a row a loan elsewhere; a model needs a row an applicant. First one applicant's
# loans, as they come.

# %%
loans = frames["bureau"].join(applicants, on="SK_ID_CURR", how="semi").collect()
active, recent = pl.col("CREDIT_ACTIVE") == "Active", pl.col("DAYS_CREDIT") >= -365
telling = (pl.len() == 4) & (active.sum() == 2) & (pl.col("AMT_CREDIT_SUM_DEBT").count() == 4)
several = loans.group_by("SK_ID_CURR").agg(telling.alias("telling")).filter("telling")
someone = several["SK_ID_CURR"].min() or loans["SK_ID_CURR"].min()
loans.filter(SK_ID_CURR=someone).select(
    "SK_ID_CURR", "CREDIT_ACTIVE", "CREDIT_TYPE", "DAYS_CREDIT", "DAYS_CREDIT_ENDDATE",
    "AMT_CREDIT_SUM", "AMT_CREDIT_SUM_DEBT",
)  # fmt: skip

# %% [markdown]
# **1. Clean.** Ends that lie more than 20,000 days away are place-holders.

# %%
end = pl.col("DAYS_CREDIT_ENDDATE")
loans = loans.with_columns(END=pl.when(end.abs() < 20_000).then(end))
removed = loans["END"].null_count() - loans["DAYS_CREDIT_ENDDATE"].null_count()
print(f"{removed:,} place-holders among {loans.height:,} loans")

# %% [markdown]
# **2. Make whole numbers.** Sums of floats depend on the order of the rows; sums of whole numbers
# do not, so one applicant alone gets the same bits as in a batch. Amounts become thousandths.

# %%
debt, credit = pl.col("AMT_CREDIT_SUM_DEBT"), pl.col("AMT_CREDIT_SUM")
months_left = pl.col("END").clip(30.0)


def thousandths(amount: pl.Expr) -> pl.Expr:
    """An amount as a whole number."""
    return (amount * 1000).round().cast(pl.Int64)


loans = loans.with_columns(
    DEBT=thousandths(debt),
    CREDIT=thousandths(credit),
    MONTHLY=thousandths(debt * 30.0 / months_left),
)

# %% [markdown]
# **3. Filter and aggregate.** Which loans, which function: all of them, those still active, those
# of the last twelve months.

# %%
grouped = loans.group_by("SK_ID_CURR")


def total(name: str) -> pl.Expr:
    """The sum over the active loans that have a value, as an amount again; none where none has."""
    values = pl.col(name).filter(active)
    return pl.when(values.count() > 0).then(values.sum() * 1e-3)


by_applicant = grouped.agg(
    number=pl.len().cast(pl.Float64),
    recent=recent.sum().cast(pl.Float64),
    oldest=pl.col("DAYS_CREDIT").min(),
    is_active=active.mean(),
    debt=total("DEBT"),
    credit=total("CREDIT"),
    monthly=total("MONTHLY"),
)

# %% [markdown]
# **4. Divide, once, and name.** A name reads table, column, filter, function. Who has no loan
# elsewhere has no value.

# %%
by_hand = applications.select("SK_ID_CURR").join(
    by_applicant.select(
        "SK_ID_CURR",
        bureau__DAYS_CREDIT__all__count="number",
        bureau__DAYS_CREDIT__12m__count="recent",
        bureau__DAYS_CREDIT__all__min="oldest",
        bureau__IS_ACTIVE__all__mean="is_active",
        bureau__DEBT_PER_MONTH__active__sum="monthly",
        bureau__SHARE__12m__total=pl.col("recent") / pl.col("number"),
        bureau__DEBT_TO_CREDIT__active__total=pl.when(pl.col("credit") > 0).then(
            pl.col("debt") / pl.col("credit")
        ),
    ),
    on="SK_ID_CURR", how="left", maintain_order="left",
).cast({cs.numeric() - cs.by_name("SK_ID_CURR"): pl.Float32})  # fmt: skip
by_hand.filter(SK_ID_CURR=someone).unpivot(index="SK_ID_CURR", variable_name="feature")

# %% [markdown]
# ## The features
#
# `build_features` is the one definition: a pure function from the tables to one row an
# applicant, which training, batches and the API call alike. Here for all tables and all applicants.

# %%
height, width = write(Job(dataset.folder), Path(FEATURES))
features = pl.read_parquet(FEATURES)
print(f"{height:,} applicants, {width - 1} features")

# %% [markdown]
# What was built by hand is the same to the last bit:

# %%
built = applications.select("SK_ID_CURR").join(
    features.select(by_hand.columns), on="SK_ID_CURR", how="left", maintain_order="left"
)
assert_frame_equal(by_hand, built, check_exact=True)
print(f"{by_hand.width - 1} columns of {by_hand.height:,} applicants are equal")

# %%
names = features.columns[1:]
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
joined = features.join(applications.select("SK_ID_CURR", "TARGET"), on="SK_ID_CURR")
figure, axes = plt.subplots(1, len(SHOWN), figsize=(14, 3.2), sharey=True)
for axis, (name, title) in zip(axes, SHOWN.items(), strict=True):
    # Applicants of one value stay together, those without a value are left out.
    fifth = (pl.col(name).rank("average") - 1) * 5 // pl.len()
    rates = (
        joined.drop_nulls(name)
        .group_by(fifth.alias("fifth"))
        .agg(rate=100 * pl.col("TARGET").mean(), middle=pl.col(name).median())
        .sort("fifth")
    )
    axis.plot(rates["middle"], rates["rate"], marker="o", color=BLUE)
    axis.axhline(100 * overall, linestyle=":", color=GREY)
    axis.set_xlabel(title)
axes[0].set_ylabel("default rate (%)")
figure.suptitle("Default rate along four features (dotted: all applicants)")
finished(figure)

# %% [markdown]
# ## What a model may not use
#
# Sex, age and family status are kept (fairness has to be measured on something), left out of the
# model unless one asks for them, and no other feature is made of them.

# %%
sorted(PROTECTED)

# %% [markdown]
# ## Does anything leak?
#
# A column that knows the outcome would make every later figure a lie. No column alone may rank
# better than any honest one could (an AUC above 0.78); no applicant may be on both sides;
# identifiers and the order of the rows must say nothing.

# %%
outcomes, known = joined["TARGET"].to_numpy(), joined.drop("TARGET")
alone = leakage.single_columns(known, outcomes)
print(f"{alone['suspect'].sum()} of {alone.height} columns are suspect; the strongest:")
alone.head(5)

# %%
newer = features.join(applications, on="SK_ID_CURR", how="anti")
leakage.overlap(known, newer).drop("examples")

# %%
order = leakage.id_order(known, outcomes, resamples=300)
display(order)
if order["chance"].all():
    print("No order says anything.")
else:
    print("Of twenty such intervals one leaves 0.5 out by chance; a leak would be far from it.")

# %% [markdown]
# ## Do the test applicants look like those of the training?
#
# A model is asked to tell the two apart (adversarial validation). An AUC of 0.5 says that it
# cannot: figures of cross-validation should then hold for the test applicants too. Well above, it
# can: the model that is trained next would be used on applicants who differ from those it learnt
# from, and its cross-validated figures need not hold for them. By which features it can says where
# to look.

# %%
separated = leakage.adversarial(known, newer) if newer.height else None
if separated:
    print(
        f"training against test applicants: AUC {separated.auc.value:.3f} "
        f"({separated.auc.low:.3f} to {separated.auc.high:.3f})"
    )
    display(separated.table())

# %% [markdown]
# How the first of them differ:

# %%
leaders = [name for name, _ in separated.top] if separated else []
numeric = [name for name in leaders if known[name].dtype.is_numeric()][:4]


def histograms(axis: plt.Axes, name: str) -> None:
    """A feature of the training applicants and of the test ones; the ends hold what is beyond."""
    low, high = known[name].quantile(0.01), known[name].quantile(0.99)
    for part, label, color in ((known, "training", BLUE), (newer, "test", ORANGE)):
        values = part[name].drop_nulls().clip(low, high)
        weights = np.full(len(values), 100 / part.height)
        missing = part[name].null_count() / part.height
        axis.hist(
            values, np.linspace(low, high, 25), weights=weights, histtype="step", linewidth=2,
            color=color, label=f"{label}, {missing:.0%} missing",
        )  # fmt: skip
    axis.set_title(name.replace("__", " "), fontsize=8)
    axis.legend(fontsize=7)


if separated:
    figure, axes = plt.subplots(1, len(numeric), figsize=(14, 2.9), squeeze=False)
    for axis, name in zip(axes.flat, numeric, strict=True):
        histograms(axis, name)
    axes[0, 0].set_ylabel("applicants (%)")
    display(finished(figure))

# %% [markdown]
# Is it one table, or all of them? The same without the table that tells most:

# %%
if separated:
    by_table = separated.table().group_by(pl.col("feature").str.split("__").list.first()).sum()
    leader = by_table.sort("gain_share", "feature", descending=True)["feature"][0]
    rest = [name for name in known.columns if name.split("__")[0] != leader]
    without = leakage.adversarial(known.select(rest), newer.select(rest))
    print(
        f"without {leader}: AUC {without.auc.value:.3f} "
        f"({without.auc.low:.3f} to {without.auc.high:.3f}), most by {without.top[0][0]}"
    )

# %%
if separated is None:
    conclusion = "There are no test applicants: there is nothing to compare."
elif separated.auc.low <= 0.5:
    conclusion = "They cannot be told apart: cross-validated figures should carry over."
else:
    ease = "easily" if separated.auc.value > 0.7 else "somewhat better than by chance"
    parts = "in many tables at once" if without.auc.value > 0.7 else f"mostly by {leader}"
    conclusion = (
        f"They can be told apart {ease}, {parts}. No feature is dropped for it: what tells two "
        "periods apart need not move a decision. Whether it does is measured. Notebook 3 says of "
        "every column how far it moved, and what that does to the PDs and decisions; monitoring "
        "does so for recorded decisions. The held-out figures of notebook 2 are those of training "
        "applicants: for newer ones they are a promise to be checked once outcomes are known."
    )
Markdown(conclusion)

# %% [markdown]
# ## Result
#
# What remains to be fitted (fill values, levels, ranks, default rates, the choice of features) is
# fitted inside the folds of the next notebook, on training rows only.
