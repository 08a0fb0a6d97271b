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
# The training applicants are the reference, the test applicants (newer, outcome unknown) are
# the current population. Evidently compares the features that the champion leans on; the report
# is one HTML file that opens without a network.

# %% tags=["parameters"]
DATASET = "../data/tables"
FEATURES = "../data/features.parquet"
MODEL = "../mlruns/champion"
UNSEEN_PDS = "../data/unseen_pds.parquet"
MLRUNS = "../mlruns"
REPORT = "../reports/drift.html"
TOP = 30

# %%
from pathlib import Path

import polars as pl
from IPython.display import Markdown

from scoring import drift, plots
from scoring.dataset import Dataset
from scoring.explain import global_importance
from scoring.registry import Store
from scoring.scorer import Scorer

dataset = Dataset.open(Path(DATASET))
scorer = Scorer.load(Path(MODEL))
rows = {name: frame.collect() for name, frame in dataset.frames().items()}
features = scorer.with_learned(rows, pl.read_parquet(FEATURES))
reference, current = drift.populations(dataset, features)
unseen = pl.read_parquet(UNSEEN_PDS)
reference = drift.with_pd(reference, scorer, unseen)
current = drift.with_pd(current, scorer, unseen)
print(f"{reference.height:,} reference applicants, {current.height:,} current ones")

# %% [markdown]
# ## What is compared
#
# The features that weigh most in the champion, the PD it gives, and whether each history table
# says anything about the applicant at all. The PDs of reference applicants come from models that
# had not seen them: a model is surer of its own training rows.
#
# The method is the population stability index (PSI): it compares shares of applicants in bins,
# means the same for numbers and categories and, unlike a p-value, does not call every small
# difference significant on thousands of rows. Usual reading: under 0.1 stable, above 0.2 shifted.
# The PSI does not see missing values, so their share is compared beside it.

# %%
top = global_importance(scorer, reference).head(TOP)["feature"].to_list()
columns = list(dict.fromkeys([drift.PD, *drift.HISTORY_SIGNS, *top]))
result = drift.compare(reference, current, columns)
with pl.Config(tbl_rows=-1, fmt_str_lengths=60):
    print(result.columns)

# %%
plots.drift(result.columns.head(20), drift.PSI_LIMIT)

# %% [markdown]
# ## Does it matter?
#
# What moves in the inputs matters as far as it moves the PD and with it the decisions.

# %%
pds = {
    "reference": reference[drift.PD].to_numpy(),
    "current": current[drift.PD].to_numpy(),
}
plots.pd_distributions(pds, scorer.cutoff)

# %% [markdown]
# ## The report

# %%
result.save(Path(REPORT))
refused = {name: float((values > scorer.cutoff).mean()) for name, values in pds.items()}
store = Store(Path(MLRUNS))
with store.run("drift", {"dataset": dataset.digest, "model_version": scorer.version}):
    store.log(
        {
            "drifted_columns": result.drifted.height,
            "compared_columns": result.columns.height,
            "refused_reference": refused["reference"],
            "refused_current": refused["current"],
        }
    )
print(f"written: {Path(REPORT).name} and {Path(REPORT).with_suffix('.json').name}")

# %% [markdown]
# ## Conclusion

# %%
Markdown(drift.conclusion(result, refused))
