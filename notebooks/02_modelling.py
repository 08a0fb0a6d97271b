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
# # 2. Modelling: from features to a registered model
#
# Three families, from the simplest to the one that is served, are compared in cross-validation
# on what a decision costs. The best is fitted, checked on applicants that played no part in any
# choice, and registered in MLflow as `champion`.

# %% tags=["parameters"]
DATASET = "../data/tables"
FEATURES = "../data/features.parquet"
MLRUNS = "../mlruns"
EXPORT = "../mlruns/champion"
UNSEEN_PDS = "../data/unseen_pds.parquet"
COST_FALSE_NEGATIVE = 10.0
COST_FALSE_POSITIVE = 1.0
FOLDS = 5
SEED = 0

# %%
from pathlib import Path

import polars as pl
from IPython.display import display

from scoring import plots
from scoring.batch import write_parquet
from scoring.business import Costs
from scoring.candidates import standard
from scoring.dataset import Dataset
from scoring.explain import global_importance
from scoring.registry import CHAMPION, MODEL_NAME, Store
from scoring.training import (
    Examples,
    compare,
    cross_validate,
    evaluate,
    fit_scorer,
    lineage,
    unseen_pds,
)

dataset = Dataset.open(Path(DATASET))
costs = Costs(COST_FALSE_NEGATIVE, COST_FALSE_POSITIVE)
targets = dataset.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
examples = Examples.of(pl.read_parquet(FEATURES), targets)
development, holdout = examples.split(share=0.2, seed=SEED)
print(f"{development.target.size:,} applicants to learn from, {holdout.target.size:,} held out")

# %% [markdown]
# ## What is minimised
#
# Accepting a future defaulter costs ten times what refusing a good applicant costs. With a
# calibrated PD the cheapest rule needs no search: refuse when
# PD × cost of a false negative > (1 - PD) × cost of a false positive, that is above 1/11.

# %%
everybody = costs.false_negative * development.target.mean()
nobody = costs.false_positive * (1 - development.target.mean())
print(f"cut-off {costs.cutoff:.4f}")
print(f"cost an applicant: accept all {everybody:.3f}, refuse all {nobody:.3f}")

# %% [markdown]
# ## The candidates
#
# Each is fitted anew in every fold, preprocessing included, and each fold's calibration comes
# from the other folds: no figure below was measured on applicants that the model had seen,
# except `auc_train`, which stands there to show overfitting. The AUC ranks; the business cost
# decides.

# %%
store = Store(Path(MLRUNS))
record = {
    "dataset": dataset.digest,
    "source": dataset.manifest["source"],
    "applicants": development.target.size,
    "features": len(development.features),
    "folds": FOLDS,
    "seed": SEED,
    "cost_false_negative": costs.false_negative,
    "cost_false_positive": costs.false_positive,
}
validations = []
with store.run("comparison", record):
    for candidate in standard():
        validation = cross_validate(candidate, development, costs, FOLDS, SEED)
        with store.run(candidate.name, record | candidate.parameters, nested=True):
            store.log(validation.metrics, {"calibration.png": plots.calibration(validation)})
        validations.append(validation)
        print(f"{candidate.name}: done")

# %%
table = compare(validations)
with pl.Config(tbl_cols=-1, float_precision=4, tbl_width_chars=200):
    display(table)

# %%
plots.costs(table, everybody, nobody)

# %% [markdown]
# ## What each cut-off costs
#
# Where probabilities are calibrated, the curve's minimum lies near the cut-off that the costs
# dictate. Only a family whose reasons are exact can be served: among those the cheapest is chosen.

# %%
servable = [item for item in validations if item.candidate.servable]
best = min(servable, key=lambda item: item.metrics["business_cost"])
display(plots.cost_curve(best))
print(f"chosen: {best.candidate.name}")

# %% [markdown]
# ## Are the probabilities right?
#
# Among applicants given a PD of 10%, one in ten should default.

# %%
plots.calibration(best)

# %% [markdown]
# ## The champion
#
# Fitted on all development applicants, then measured once on the held-out ones. It is
# registered as a directory of plain files (LightGBM's text format and JSON, no pickle) with its
# cut-off, calibration and lineage inside, and exported for the API.

# %%
scorer = fit_scorer(best, development, MODEL_NAME, lineage(best, record), SEED)
figures = evaluate(scorer, holdout)
importance = global_importance(scorer, development.frame)
importance_figure = plots.importance(importance.head(20))
with store.run("champion", record | best.candidate.parameters):
    store.log(
        {f"holdout_{name}": value for name, value in figures.items()},
        {"calibration.png": plots.calibration(best), "importance.png": importance_figure},
    )
    registered = store.register(scorer)
store.promote(registered.version, CHAMPION)
exported = store.export(Path(EXPORT))
print(f"models:/{MODEL_NAME}@{CHAMPION} is version {exported.version}, exported to {EXPORT}")

# %%
pl.DataFrame({"on held-out applicants": figures.keys(), "value": figures.values()})

# %% [markdown]
# For the next notebook, the PDs of all these applicants, each from a model that has not seen the
# applicant.

# %%
write_parquet(unseen_pds(best, development, scorer, holdout), Path(UNSEEN_PDS))

# %% [markdown]
# ## What the model leans on
#
# Mean absolute contribution to the log-odds of default (exact Shapley values).

# %%
importance_figure

# %% [markdown]
# ## Result
#
# From the cheapest to the dearest. The next notebook asks whether the applicants of today still
# look like those the model has learnt from.

# %%
for name, cost, auc in (
    table.sort("business_cost").select("candidate", "business_cost", "auc").rows()
):
    print(f"{name}: cost {cost:.3f}, AUC {auc:.3f}")
