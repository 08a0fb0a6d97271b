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
# # 2. Modelling: from features to a model worth deciding with
#
# From the simplest model to the one that is served, each step defended: what is minimised, which
# family, what to do about imbalance, which hyper-parameters, whether the probabilities are right,
# where to cut, how good on applicants never used for any choice, why each decision, how fair.
#
# Every stage is a cell to change and run on from; exercises are at the end. Untouched, the cells
# make the same model, byte for byte, as `python -m scoring train` (`scoring/registry/training.py`).
#
# **En français** : ce carnet compare des modèles du plus simple au plus complexe sur un coût
# métier (un défaut accepté coûte dix fois un bon client refusé), traite le déséquilibre des
# classes, optimise les hyper-paramètres, calibre les probabilités, choisit le seuil, mesure le
# résultat final sur des demandeurs jamais utilisés, l'explique, contrôle l'équité et enregistre
# le modèle dans MLflow. Chaque étape est une cellule que l'on peut modifier.

# %% tags=["parameters"]
DATASET = "../data/tables"
MLRUNS = "../mlruns"
EXPORT = "../mlruns/champion"
REPORTS = "../reports"
UNSEEN_PDS = "../data/unseen_pds.parquet"
COST_FALSE_NEGATIVE = 10.0
COST_FALSE_POSITIVE = 1.0
TRIALS = 12
SEED = 0

# %%
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import matplotlib.pyplot as plt
import mlflow
import numpy as np
import optuna
import polars as pl
import shap
from IPython.display import Markdown, display
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from scoring.data.dataset import Dataset
from scoring.data.versions import DataVersions
from scoring.evaluation import explain, fairness
from scoring.evaluation.business import baselines, business_cost, study_cutoff
from scoring.evaluation.metrics import SUSPECT_AUC, paired_difference, reliability
from scoring.evaluation.money import Money, compare_rules
from scoring.evaluation.segments import segments
from scoring.features.wording import describe
from scoring.modelling import search as searching
from scoring.modelling import validation as validating
from scoring.modelling.calibration import calibrate
from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate, estimator, first_values
from scoring.modelling.choice import choose, smoothed_cost
from scoring.modelling.comparison import best_of_each, family_choice, remedy_choice, screened
from scoring.modelling.figures import check_credible, held_out, price_of_leaving_out, unseen_pds
from scoring.modelling.fit import fit_scorer, lineage, with_explanations
from scoring.modelling.folds import Fold, Folds
from scoring.modelling.pipeline import (
    Run,
    TrainingSettings,
    compared,
    load,
    on_everybody,
    record,
    search_folds,
)
from scoring.registry import tracking
from scoring.registry.approval import judged, promote
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.reports import plots
from scoring.reports.notebooks import show_tables
from scoring.reports.plots.style import finished
from scoring.serving.batch import write_parquet
from scoring.serving.costs import Costs
from scoring.serving.scorer import encode

show_tables()
settings = TrainingSettings(
    trials=TRIALS, seed=SEED, costs=Costs(COST_FALSE_NEGATIVE, COST_FALSE_POSITIVE)
)
costs = settings.costs

# %% [markdown]
# ## Method
#
# 1. A fifth of the applicants, chosen by a hash of their number, is set aside and plays no part in
#    any choice; every look at them is counted.
# 2. On the others, or on a subset of them, five folds. In each, everything that is learnt from data
#    (levels, fill values, the choice of features, resampling) is learnt from the training rows, and
#    each fold's calibration from the other folds.
# 3. Families, from the simplest to the most complex, each over a few values.
# 4. Remedies for imbalance, on the family that is served.
# 5. A search for hyper-parameters with Optuna, on folds of its own; what it finds replaces the
#    default recipe only if it is cheaper beyond chance on the first folds: the whole interval of
#    the difference is below nought.
# 6. The chosen model is fitted on all to learn from and measured on the applicants set aside.
#
# ### The split
#
# A hash of the number, not a random draw: whoever was set aside once is in no later training, so
# that a champion and its challenger can be compared on applicants that neither has seen.

# %%
dataset = Dataset.open(Path(DATASET))
data = load(dataset)
development, holdout = data.development, data.holdout
populations = {"learnt from": development.target, "set aside": holdout.target}
pl.DataFrame(
    [
        {
            "applicants": name,
            "number": target.size,
            "default rate": target.mean(),
            **baselines(target, costs),
        }
        for name, target in populations.items()
    ]
)

# %% [markdown]
# `accept_all` and `refuse_all` are what an applicant costs without any model. Default rates differ
# between the two groups by chance, and so do these: below, each cost stands beside the baseline of
# the same applicants.
#
# Recipes are compared on a subset where there are many to learn from (`settings.compared`): the
# verdict is the same in a fraction of the time. What is chosen is then fitted on all of them.
#
# X holds a column a feature: numbers as they are, categories as codes, NaN where nothing is known.

# %%
subset = compared(data, settings)
X, y = subset.matrix, subset.target
splitter = StratifiedKFold(n_splits=settings.folds, shuffle=True, random_state=SEED)
folds = Folds(subset, tuple(Fold(*rows) for rows in splitter.split(X, y)), SEED)
pl.DataFrame(
    [
        {"fold": number, "trained on": len(inside), "left out": len(out), "defaults": y[out].sum()}
        for number, (inside, out) in enumerate(folds.parts)
    ]
)

# %% [markdown]
# ## What is minimised, and what is looked at
#
# Accepting a future defaulter costs ten times what refusing a good applicant costs, unless the
# parameters above say otherwise. With a calibrated PD the cheapest rule needs no search: refuse
# when PD × cost of a false negative > (1 - PD) × cost of a false positive, that is above the
# cut-off cost of a false positive / (sum of both costs).
#
# Accuracy would praise a model that accepts everybody. The business cost decides; AUC (Gini, KS)
# tells the ranking apart from the cut-off; Brier, log loss and calibration error (ECE) say whether
# a PD may be read as a probability; recall and F-beta (a default weighs as much more as it costs)
# describe the refusals.
#
# As a scorer, the cost serves any tool of scikit-learn. First the two models that everything else
# has to beat: the default rate for everyone, and a logistic regression on three external scores.

# %%
cost_scorer = make_scorer(
    business_cost,
    response_method="predict_proba",
    greater_is_better=False,
    cutoff=costs.cutoff,
    costs=costs,
)
three = [i for i, own in enumerate(development.features) if own.name.startswith("EXT_SOURCE_")]
simplest = {
    "default rate": DummyClassifier(strategy="prior"),
    "three scores": make_pipeline(
        ColumnTransformer([("scores", SimpleImputer(strategy="median"), three)]),
        StandardScaler(),
        LogisticRegression(),
    ),
}
rows = []
for name, model in simplest.items():
    scoring = {"AUC": "roc_auc", "cost": cost_scorer}
    result = cross_validate(model, X, y, cv=splitter, scoring=scoring)
    auc, cost = result["test_AUC"], -result["test_cost"]
    rows.append((name, auc.mean(), auc.std(), cost.mean(), cost.std()))
pl.DataFrame(rows, schema=["model", "AUC", "AUC_std", "cost", "cost_std"], orient="row")

# %% [markdown]
# ## Families, from the simplest to the most complex
#
# A candidate is a name, parameters and a pipeline: a remedy for imbalance (none for now), then the
# model, with its preprocessing where it needs any. The linear model takes signed logarithms,
# standardised, and a column a level; LightGBM takes missing values and categories as they are; the
# sum adds the log-odds of both. To add one is the first exercise below.

# %%
FAMILIES = first_values()
for name, values in FAMILIES.items():
    for candidate in values:
        print(f"{name:14}", *(f"{key}={value}" for key, value in candidate.parameters.items()))

# %%
estimator(FAMILIES["random forest"][0], development.features, SEED)

# %%
estimator(FAMILIES["trees"][0], development.features, SEED)

# %% [markdown]
# Each family is a run of MLflow, opened while it is fitted. Values of a family that are dearer on
# the first two folds are not fitted on the others.

# %%
mlflow.end_run()  # of a notebook that was stopped half-way
registry = Registry(Path(MLRUNS))
training = tracking.begin(data, settings)
tried = []
for name, values in FAMILIES.items():
    with mlflow.start_run(run_name=f"family: {name}", nested=True):
        several = screened(values, folds, costs)
        tracking.log_screened(several)
    tried += several

# %% [markdown]
# All figures are on applicants that the model had not seen, but `auc_train` and
# `business_cost_train`, which stand there to show overfitting.

# %%
SHOWN = [
    "candidate", "applicants", "auc", "auc_train", "gini", "ks", "brier", "log_loss", "ece",
    "recall", "f_beta", "business_cost", "business_cost_train", "fit_seconds", "predict_seconds",
]  # fmt: skip
table = validating.compare(best_of_each(tried))
table.select(SHOWN)

# %%
plots.families(table)

# %%
without_model = baselines(y, costs)
figure, axis = plt.subplots(figsize=(8, 0.5 * table.height + 1.5))
bars = axis.barh(table["candidate"], table["business_cost"])
axis.bar_label(bars, fmt="%.3f", padding=3)
for (name, value), color in zip(without_model.items(), ("C1", "C7"), strict=True):
    label = f"{name.replace('_', ' ')} ({value:.3f})"
    axis.axvline(value, color=color, linestyle="--", label=label)
axis.invert_yaxis()
axis.set(xlabel="business cost per applicant (1 = one good applicant refused)")
axis.set_title("What the decisions cost, on applicants not seen in training")
axis.legend(loc="lower right")
finished(figure)

# %%
best = {item.candidate.name: item for item in best_of_each(tried)}
shown = {name: item.pds for name, item in reversed(best.items()) if name != "dummy"}
plots.ranking(y, shown, costs.cutoff)

# %% [markdown]
# **Overfitting.** A flexible model knows its training rows better than others: the gap says how
# much of what it has learnt was noise. It is no fault by itself, as long as the figure on unseen
# applicants does not suffer; that figure alone decides.

# %%
gaps = table.select("candidate", gap=pl.col("auc_train") - pl.col("auc")).sort("gap")
for name, gap in gaps.rows():
    print(f"{name:15} AUC in training {gap:+.3f} above that on unseen applicants")

# %% [markdown]
# ### Which differences are real
#
# Models that are compared on the same applicants share their luck: each resample draws applicants
# for both, and the interval of the difference is far narrower than two separate intervals suggest.

# %%
default = best[DEFAULT_FAMILY]
rows = []
for name, item in best.items():
    if item is not default:
        apart = paired_difference(y, item.pds, default.pds, costs.cutoff, costs.cutoff, costs)
        cost, auc = apart["business_cost"], apart["auc"]
        verdict = "dearer" if cost.low > 0 else "cheaper" if cost.high < 0 else "not told apart"
        row = {"family": name, "cost": verdict}
        rows.append(row | cost.columns("cost_difference") | auc.columns("auc_difference"))
differences = pl.DataFrame(rows)
print(f"each family minus {DEFAULT_FAMILY}, 95% intervals")
differences

# %%
family = family_choice(tried, settings.family)
ties = differences.filter(pl.col("cost") == "not told apart")["family"].to_list()
print(f"not told apart from {DEFAULT_FAMILY} by their cost: {', '.join(ties) or 'none'}")
print(f"shares learnt in {DEFAULT_FAMILY} (linear, trees): {default.weights}")
print(family.sentence)

# %% [markdown]
# **The choice.** Only a linear model, boosted trees and their sum can be served, since their
# contributions are exact. The sum is the default, fixed before these rows were looked at; another
# takes its place if it is cheaper beyond chance, several together allowed for. Where a single
# family ties with the sum, that is no reason to change: the shares are learnt, so that the sum
# falls back on the part that says more (a share of 1 is that part alone), and trees add what a
# linear model cannot say, thresholds and interactions. These take many defaults to show: over the
# linear model alone, the sum gains 0.000 of AUC on 5,000 real applicants and 0.002 on 16,992
# (`docs/model.md`), so that the sum is what can grow with the data. A lender who wants the simplest
# model to explain takes the linear one on a tie: `settings = replace(settings, family="linear")`.
#
# ## Imbalance
#
# Few default. Does it help to weigh them up, to drop good applicants, to invent defaults (SMOTE)?
# Each remedy is a step of a pipeline of imbalanced-learn, which applies it to training rows only.
# SMOTE knows complete numbers only: whether a value is missing and which category it is take part
# as columns of their own (`scoring/modelling/resampling.py`).

# %%
REMEDIES = ("class weights", "under-sampling", "SMOTE")
estimator(replace(family.validation.candidate, resampling="SMOTE"), development.features, SEED)

# %%
remedied = [family.validation]
for kind in REMEDIES:
    candidate = replace(family.validation.candidate, resampling=kind)
    with mlflow.start_run(run_name=f"imbalance: {kind}", nested=True):
        remedied.append(validating.cross_validate(candidate, folds, costs))
        tracking.log_validation(remedied[-1])

# %% [markdown]
# A remedy that changes the share of defaults changes the level of the PDs;
# `ece_before_calibration` shows by how much, `ece` what calibration repairs.

# %%
treated = validating.compare(remedied)
treated.select(
    "resampling", "applicants", "auc", "log_loss", "ece_before_calibration", "ece",
    "business_cost_before_calibration", "business_cost", "fit_seconds",
)  # fmt: skip

# %%
plots.imbalance(treated)

# %%
remedy = remedy_choice(remedied)
none = remedied[0].metrics
print(
    f"Ranking: from AUC {treated['auc'].min():.3f} to {treated['auc'].max():.3f}, "
    f"without a remedy {none['auc']:.3f}.\n"
    f"Calibration error before calibration: {none['ece_before_calibration']:.3f} without a remedy, "
    f"up to {treated['ece_before_calibration'].max():.3f} with one."
)
print(remedy.sentence)

# %% [markdown]
# ## The search
#
# Optuna proposes (tree-structured Parzen estimator). The objective is the business cost averaged
# over cost ratios from half to twice the real one: the same aim with less noise. A trial that is
# worse than the median after two folds is given up. The folds are others than those above, which
# judge what the search has found. A search that was interrupted goes on from `search.db`; after a
# change of the space, begin another one with another SEED.

# %%
base, others = remedy.validation.candidate, search_folds(subset, settings)


def proposal(trial: optuna.trial.BaseTrial) -> Candidate:
    """The space: the family's own, and how many features are kept (0 for all)."""
    changes = base.family.proposed(trial)
    kept = trial.suggest_categorical("kept", [0, 120, 80])
    return replace(base, parameters={**base.parameters, **changes}, kept=kept or None)


def objective(trial: optuna.Trial) -> float:
    """The smoothed cost of what a trial proposes."""
    candidate = proposal(trial)
    with mlflow.start_run(run_name=f"trial {trial.number}", nested=True):
        (fitted,) = validating.fit_each([candidate], others, [0, 1])
        validation = validating.assemble(candidate, others, costs, fitted)
        trial.report(smoothed_cost(validation), step=1)
        if not (stopped := trial.should_prune()):
            (more,) = validating.fit_each([candidate], others, [2, 3])
            validation = validating.assemble(candidate, others, costs, fitted + more)
        figures = {name: validation.metrics[name] for name in searching.NOTED}
        trial.set_user_attr("figures", figures)
        tracking.log_trial(validation)
    if stopped:
        raise optuna.TrialPruned
    return smoothed_cost(validation)


study = searching.opened(base, others, costs, SEED, Path(MLRUNS), data.digest)
tracking.log_earlier(registry, training, study)
left = max(0, TRIALS - len(searching.finished(study)))
study.optimize(objective, n_trials=left, callbacks=[searching.reseeded(SEED)])
search = searching.search_of(study, proposal)
plots.trials(search.table)

# %%
whole = search.table.filter(~pl.col("pruned")).sort("objective").head(5)
whole.select(pl.exclude("pruned", "log_loss", "brier", "auc_train"))

# %%
found = validating.cross_validate(search.best, folds, costs)
choice = choose(remedy.validation, found, "The best trial")
print(choice.sentence)
choice = replace(choice, sentence=f"{family.sentence} {choice.sentence}")
comparison = choice.validation
choice = on_everybody(choice, data, settings)  # with folds of all applicants to learn from
chosen = choice.validation
print("served:", chosen.candidate.name, dict(chosen.candidate.parameters))

# %% [markdown]
# ## Are the probabilities right?
#
# Among applicants given a PD of 10%, one in ten should default. Platt scaling, a logistic
# regression of the outcome on the score, is fitted on scores of applicants that the model had not
# seen: for each fold's PDs on the other folds, for the served model on all of them. A slope of 1
# and an intercept of 0 would leave the scores as they are.

# %%
platt = calibrate(chosen.scores, chosen.target)
print(f"slope {platt.slope:.3f}, intercept {platt.intercept:+.3f}")
plots.reliability(chosen.target, {"as fitted": chosen.raw_pds, "calibrated": chosen.pds})

# %%
reliability(chosen.target, chosen.pds)

# %% [markdown]
# ## Where to cut
#
# The costs dictate the cut-off. The one that happened to be cheapest on these applicants is set
# against it, with its bootstrap interval. Applicants nearest to the cut-off, about whom the
# decision says least, are referred to an officer.

# %%
scorer = fit_scorer(chosen, development, MODEL_NAME, lineage(chosen, record(data, settings)), SEED)
scorer = with_explanations(scorer, holdout.frame)
cutoffs = study_cutoff(chosen.target, chosen.pds, costs)
plots.cutoff_choice(chosen.target, chosen.pds, costs, cutoffs.best, scorer.refer_band)

# %%
low, high = scorer.refer_band
print(f"theory {costs.cutoff:.4f}; cheapest here {cutoffs.best.value:.4f}")
print(f"95% interval of the cheapest: {cutoffs.best.low:.4f} to {cutoffs.best.high:.4f}")
print(f"referred: PDs from {low:.4f} to {high:.4f}")

# %% [markdown]
# Were a default to cost another multiple of a refused good applicant, the same PDs would serve;
# only the cut-off moves.

# %%
rows = []
for ratio in (2, 5, 10, 20, 50):
    other = Costs(float(ratio), 1.0)
    cost = business_cost(chosen.target, chosen.pds, other.cutoff, other)
    alone = baselines(chosen.target, other)
    refused, saving = (chosen.pds > other.cutoff).mean(), 1 - cost / min(alone.values())
    row = {"ratio": ratio, "cutoff": other.cutoff, "cost": cost, "refused": refused}
    rows.append(row | alone | {"saving": saving})
pl.DataFrame(rows)

# %% [markdown]
# ### In money
#
# The second business score counts currency: an accepted default loses 45% of its credit, a refused
# good applicant the margin that the loan would have earned (`scoring/evaluation/money.py` gives
# assumptions and sources). Then each loan has a cut-off of its own.

# %%
compare_rules(chosen.target, chosen.pds, costs.cutoff, development.frame, Money())

# %% [markdown]
# ## The final evaluation
#
# On the applicants set aside, who played no part so far, with intervals of 95%. The card tells how
# often earlier trainings and gates have looked at them. An AUC above 0.82 would be better than the
# best model ever published on these data and is taken for leakage.

# %%
check_credible(chosen)
figures = held_out(scorer, holdout, SEED)
held_pds = scorer.predict(holdout.frame)
alone = baselines(holdout.target, costs)
pl.DataFrame([{"figure": name, **item.columns("value")} for name, item in figures.items()])

# %%
cost = figures["business_cost"]
print(f"AUC at most {SUSPECT_AUC}: {figures['auc'].value <= SUSPECT_AUC}")
print(f"cost {cost.value:.3f} ({cost.low:.3f} to {cost.high:.3f}) an applicant")
print(
    f"the same applicants, accept all {alone['accept_all']:.3f}, refuse {alone['refuse_all']:.3f}"
)
print(f"in cross-validation {chosen.metrics['business_cost']:.3f}, ", end="")
print(f"there accept all {baselines(chosen.target, costs)['accept_all']:.3f}")

# %% [markdown]
# At the cut-off, in applicants and in money: what is lost by accepted defaults (lower left) and by
# refused good applicants (upper right), and what is earned and avoided.

# %%
plots.confusion(holdout.target, held_pds, scorer.cutoff, holdout.frame, Money())

# %%
plots.ranking(holdout.target, {"applicants set aside": held_pds}, scorer.cutoff)

# %%
# Evenly spaced in the logarithm: most PDs lie below a tenth.
edges = np.geomspace(held_pds.min(), held_pds.max(), 41)
figure, axis = plt.subplots(figsize=(11, 4))
for outcome, name, color in ((0, "repaid", "C0"), (1, "defaulted", "C1")):
    group = held_pds[holdout.target == outcome]
    share, refused = np.full(group.size, 100 / group.size), (group > scorer.cutoff).mean()
    label = f"{name}: {group.size:,}, {refused:.0%} above the cut-off"
    axis.hist(100 * group, 100 * edges, weights=share, alpha=0.4, color=color, label=label)
low, high = (100 * end for end in scorer.refer_band)
axis.axvspan(low, high, color="C7", alpha=0.25, label=f"referred: {low:.1f} to {high:.1f}%")
cutoff = 100 * scorer.cutoff
axis.axvline(cutoff, color="black", linestyle="--", label=f"cut-off {cutoff:.1f}%")
axis.set_xscale("log")
axis.set_xticks(ticks := [0.5, 1, 2, 5, 10, 20, 50], [f"{tick:g}" for tick in ticks])
axis.set(xlabel="probability of default (%, logarithmic)", ylabel="share of the group (%)")
axis.set_title("PDs of those who repaid and of those who defaulted")
axis.legend()
finished(figure)

# %% [markdown]
# ### Where it errs

# %%
parts = segments(
    holdout.frame, holdout.target, held_pds, scorer.cutoff, costs,
    ["NAME_INCOME_TYPE", "NAME_CONTRACT_TYPE", "application__EXT_SOURCES_KNOWN", "AMT_CREDIT"],
    resamples=200,
)  # fmt: skip
plots.segments(parts)

# %% [markdown]
# ## What the model leans on
#
# Three measures, on the applicants set aside: mean absolute contribution (exact, of a linear model
# and of trees alike), weight in the fitted model, and what is lost when values are shuffled, the
# mean of five shuffles with their standard deviation.

# %%
leading = explain.global_importance(scorer, holdout.frame).head(15)
matrix = encode(holdout.frame, scorer.features)
names = [feature.name for feature in scorer.features]
places = [names.index(name) for name in leading["feature"]]


class Shuffled(ClassifierMixin, BaseEstimator):
    """The served model on its leading columns; the others stay as they are."""

    classes_ = np.array([0, 1])

    def fit(self, _rows, _target):
        return self

    def predict_proba(self, rows):
        whole = matrix.copy()
        whole[:, places] = rows
        pds = scorer.pds(whole)
        return np.column_stack([1 - pds, pds])


lost = permutation_importance(
    Shuffled(), matrix[:, places], holdout.target, random_state=SEED,
    scoring={"auc": "roc_auc", "cost": cost_scorer},
)  # fmt: skip
measures = leading.rename({"importance": "contribution"}).with_columns(
    auc_drop=lost["auc"].importances_mean, auc_std=lost["auc"].importances_std,
    cost_increase=lost["cost"].importances_mean, cost_std=lost["cost"].importances_std,
)  # fmt: skip
plots.importances(measures.join(explain.gain(scorer), on="feature", maintain_order="left"))

# %%
clear = measures.filter(pl.col("auc_drop") > 2 * pl.col("auc_std"))["feature"].to_list()
print(f"{len(clear)} of {len(places)} lose AUC by more than twice the noise of the shuffles:")
print("; ".join(describe(name) for name in clear))
dear = measures.filter(pl.col("cost_increase") > 2 * pl.col("cost_std")).height
print(f"by the cost, which moves only with those who cross the cut-off, {dear} do")
external = [i for i, name in enumerate(names) if "EXT_SOURCE" in name]
together = matrix.copy()
order = np.random.default_rng(SEED).permutation(len(matrix))
together[:, external] = matrix[np.ix_(order, external)]
drop = figures["auc"].value - roc_auc_score(holdout.target, scorer.pds(together))
print(f"the {len(external)} columns of external scores shuffled together: {drop:+.3f} of AUC lost")

# %% [markdown]
# What is not named there cannot be told from nothing by this measure, negative figures included.
# That is not to say that it is useless: features that tell the same thing stand in for each other
# when one of them is shuffled, as the last line shows, where they are shuffled together.
# Contributions have no such noise; they say what the model does, not what it is worth.

# %%
plots.beeswarm(explain.summary(scorer, holdout.frame), top=15)

# %%
contributions = scorer.explain(holdout.frame).contributions
numbers = [i for i in places if not scorer.features[i].levels][:4]
figure, axes = plt.subplots(1, 4, figsize=(14, 3.4), sharey=True)
for axis, place in zip(axes, numbers, strict=True):
    label = "\n".join(describe(names[place]).split(", ", 1))
    told = shap.Explanation(
        contributions[:, [place]], data=matrix[:, [place]], feature_names=[label]
    )
    shap.plots.scatter(
        told[:, 0], ax=axis, show=False, dot_size=6, alpha=0.4, xmax="percentile(99)"
    )
    axis.set_xlabel(label, fontsize=8)
    axis.set_ylabel("adds to the log-odds of default" if axis is axes[0] else "")
finished(figure)

# %% [markdown]
# ## Why this decision?
#
# One applicant accepted, one referred, one refused (the median PD of each), in an officer's words.

# %%
for decision, row in explain.exemplars(scorer, holdout.frame).items():
    print(decision)
    display(plots.waterfall(explain.local(scorer, holdout.frame[row], top=8), scorer.cutoff))

# %% [markdown]
# ## Is it fair?
#
# Sex, age and family status stay out of the model. What that costs, how the groups fare all the
# same, and how well sex could be guessed from what remains:

# %%
groups = fairness.attributes(holdout.frame)
by_group = fairness.by_group(groups, holdout.target, held_pds, scorer.cutoff)
plots.fairness(by_group)

# %%
fairness.four_fifths(groups, holdout.target, held_pds, scorer.cutoff)

# %%
including = data.including.subset(y.size, SEED)
price = price_of_leaving_out(comparison, including, settings.folds, SEED)
proxy = fairness.proxy_auc(including.frame, seed=SEED)
auc, cost = price["auc"], price["business_cost"]
print(f"price in AUC {auc.value:+.4f} ({auc.low:+.4f} to {auc.high:+.4f})")
print(f"price in cost {cost.value:+.4f} ({cost.low:+.4f} to {cost.high:+.4f})")
print(f"sex from the remaining features: AUC {proxy.auc.value:.3f}")

# %% [markdown]
# ## Registered, judged, promoted
#
# What was found goes to the run of MLflow that has been open since the families, with its plots,
# and the model to the registry. Every training becomes `challenger`. The gates compare it with the
# champion on the applicants that neither has seen: ranking, cost, calibration, fairness, leakage,
# model card. Only then is it `champion`, and exported for the API as plain files (no pickle).

# %%
run = Run(settings, data, tried, remedied, search, choice, price, proxy, scorer, figures)
print(f"{run.configurations} configurations tried")
DataVersions.beside(registry.folder).keep(dataset)
registered = tracking.track(registry, run, datetime.now(UTC).date().isoformat())
mlflow.end_run()
verdict = judged(registry, dataset, registered.version)
pl.DataFrame(
    [{"gate": gate.name, "passed": gate.passed, "found": gate.sentence} for gate in verdict.gates]
)

# %% [markdown]
# A champion of an older version of the features cannot be compared with, and gives way.

# %%
if verdict.passed or verdict.only_incomparable:
    event = promote(
        registry,
        verdict,
        by="the modelling notebook",
        why="trained on the data at hand, every gate that could be tried was passed",
        force=verdict.only_incomparable,
        export=Path(EXPORT),
        reports=Path(REPORTS),
    )
    print(f"version {event.version} of {MODEL_NAME} is the champion; its card is in reports/")
else:
    print("the champion stays:", *(gate.sentence for gate in verdict.refused_by()))

# %% [markdown]
# For the next notebook, the PDs of all these applicants, each from a model that has not seen the
# applicant.

# %%
write_parquet(unseen_pds(chosen, development, scorer, holdout), Path(UNSEEN_PDS))

# %% [markdown]
# ## On Kaggle's own rows
#
# The figures above are on the sample applicants, unless this notebook is run on other data. On
# real rows, which may not be shown here, `docs/model.md` says what was measured on which
# applicants, and with which command.
#
# ## Conclusion

# %%
lines = [
    f"- {name}: cost {cost:.3f}, AUC {auc:.3f}"
    for name, cost, auc in table.sort("business_cost")
    .select("candidate", "business_cost", "auc")
    .rows()
]
final, cost = figures["auc"], figures["business_cost"]
cheaper = "below" if cost.high < min(alone.values()) else "not clearly below"
Markdown(
    f"By rising cost in cross-validation (above it is told which differences are real), where "
    f"accepting all would cost "
    f"{without_model['accept_all']:.3f} an applicant:\n\n"
    + "\n".join(lines)
    + f"\n\nOn applicants never used: AUC {final.value:.3f} ({final.low:.3f} to {final.high:.3f}),"
    f" cost {cost.value:.3f} ({cost.low:.3f} to {cost.high:.3f}), {cheaper} what the same "
    f"applicants would cost without a model: {alone['accept_all']:.3f} if all were accepted, "
    f"{alone['refuse_all']:.3f} if all were refused."
)

# %% [markdown]
# ## Exercises
#
# Five minutes each. The first and the third need the cells down to "Families" only.
#
# **1. Another family.** After the cell that makes `FAMILIES`, and run on: it is compared with the
# others, on the same folds, and tracked in MLflow.
#
# ```python
# from sklearn.ensemble import HistGradientBoostingClassifier
#
# def histograms(features, seed):
#     categories = [i for i, feature in enumerate(features) if feature.levels]
#     return HistGradientBoostingClassifier(
#         learning_rate=0.05, max_iter=100, max_leaf_nodes=8, l2_regularization=20,
#         categorical_features=categories, random_state=seed,
#     )
#
# FAMILIES["histograms"] = (Candidate("histograms", {"max_leaf_nodes": 8}, build=histograms),)
# ```
#
# Which of the differences is real? What does `fit_seconds` say? (Only families of
# `scoring/serving/families/` can be served: they explain themselves and need no pickle.)
#
# **2. Another cost ratio.** `COST_FALSE_NEGATIVE = 20.0` in the cell of parameters, and run all.
# Where is the cut-off now, how many are refused, and which of the baselines has the model to beat?
#
# **3. One more feature.** In a cell of its own, after the families:
#
# ```python
# from scoring.serving.scorer import Feature
#
# more = subset.frame.with_columns(
#     GOODS_TO_INCOME=pl.col("AMT_GOODS_PRICE") / pl.col("AMT_INCOME_TOTAL")
# )
# richer = replace(
#     subset, frame=more, features=(*subset.features, Feature("GOODS_TO_INCOME"))
# )
# linear, same_folds = best["linear"], Folds(richer, folds.parts, SEED)
# with_it = validating.cross_validate(linear.candidate, same_folds, costs)
# apart = paired_difference(y, with_it.pds, linear.pds, costs.cutoff, costs.cutoff, costs)
# print(apart["auc"], apart["business_cost"])
# ```
#
# Does either interval exclude 0? A feature that earns its place goes into `scoring/features/`
# (`docs/data-scientist.md`), so that the API computes the same.
