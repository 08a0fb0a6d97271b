"""Recipes validated on their own: how the figures that the documentation quotes are made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from scoring.data.dataset import MANIFEST, Dataset
from scoring.data.ingest import ingest
from scoring.errors import ScoringError
from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
from scoring.modelling.examples import Examples, examples_of
from scoring.modelling.validation import Progress, cross_validate
from scoring.serving.costs import Costs
from scoring.serving.families import families

FIGURES = (
    "auc", "business_cost", "business_cost_tuned_cutoff", "ece", "log_loss", "brier", "auc_train",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """A candidate, and whether it uses sex, age and family status unless it is asked otherwise."""

    candidate: Candidate
    use_protected: bool


# Parameters that a pandas pipeline of 774 features was measured with on the same rows: what
# differs from its AUC is due to the features.
_REFERENCE = Candidate.of(
    "trees",
    n_estimators=400,
    learning_rate=0.02,
    num_leaves=16,
    max_depth=-1,
    colsample_bytree=0.1,
    subsample=0.8,
    subsample_freq=1,
    min_child_samples=30,
    reg_lambda=20.0,
    max_bin=255,
    directed=False,
)
RECIPES = {
    "note": Recipe(_REFERENCE, use_protected=True),
    "champion": Recipe(Candidate.of(DEFAULT_FAMILY), use_protected=False),
    **{name: Recipe(Candidate.of(name), use_protected=False) for name in families()},
}


@contextmanager
def opened(folder: Path) -> Iterator[Dataset]:
    """A dataset, or a folder of Kaggle's files as one that is gone afterwards."""
    if (folder / MANIFEST).is_file():
        yield Dataset.open(folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield ingest(folder, Path(temporary) / "dataset")


def recipe_named(name: str) -> Recipe:
    """One of RECIPES; ScoringError if there is none of that name."""
    if name not in RECIPES:
        raise ScoringError(f"no recipe is called {name!r}: any of {', '.join(RECIPES)}")
    return RECIPES[name]


def examples_for(recipe: Recipe, dataset: Dataset, use_protected: bool | None = None) -> Examples:
    """All applicants with an outcome, with the recipe's columns unless it is asked for others."""
    asked = recipe.use_protected if use_protected is None else use_protected
    return examples_of(dataset, asked)


def validated(
    recipe: Recipe,
    examples: Examples,
    seeds: Sequence[int],
    costs: Costs,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Cross-validate a recipe on all applicants, everything learnt inside the folds.

    The hold-out plays no part, since nothing is chosen. Returns a row a seed, which is that of the
    folds and of what is fitted in them, and one of their means: seed and FIGURES.
    """
    rows = []
    for seed in seeds:
        metrics = cross_validate(
            recipe.candidate, examples, costs, seed=seed, progress=progress
        ).metrics
        rows.append({"seed": str(seed), **{name: metrics[name] for name in FIGURES}})
    table = pl.DataFrame(rows)
    mean = table.select(pl.lit("mean").alias("seed"), pl.col(FIGURES).mean())
    return pl.concat([table, mean])
