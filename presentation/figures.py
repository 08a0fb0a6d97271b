"""What the last run left, read for the slides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from mlflow.entities import Run

from scoring.data.dataset import Dataset
from scoring.errors import ScoringError
from scoring.modelling.examples import is_held_out
from scoring.registry.approval import kept_card
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.reports.card.fields import Card

_FROM_THE_SIMPLEST = ("dummy", "linear", "random forest", "trees", "sum")


class MissingFigureError(ScoringError):
    """Something that the slides are about has not been made."""


class Trained(NamedTuple):
    """A model of the comparison: its family, remedy or trial, and its figures in MLflow."""

    name: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """Everything that slides show of a run.

    Attributes
    ----------
    application : polars.DataFrame
        The applications with a known outcome.
    families, remedies, trials : tuple of Trained
        Of the champion's training: the best of each family, from the simplest to the most complex;
        remedies for imbalance, the first of them none; the search.
    target, pds, held_out : polars.Series
        Outcomes, PDs of models that had not seen the applicants, and whether they were set aside.
    drift : dict
        As reports/drift.json has it.
    folds, versions, runs : int
        Folds of the cross-validation, registered models, runs in MLflow.
    """

    card: Card
    application: pl.DataFrame
    families: tuple[Trained, ...]
    remedies: tuple[Trained, ...]
    trials: tuple[Trained, ...]
    target: pl.Series
    pds: pl.Series
    held_out: pl.Series
    drift: Mapping[str, Any]
    folds: int
    versions: int
    runs: int

    @classmethod
    def of(cls, root: Path) -> Figures:
        """Read what a run left in data/, mlruns/ and reports/ of a clone of the project.

        Raises
        ------
        MissingFigureError
            If the run left something out, or the champion comes from another run.
        """
        registry = Registry(there(root / "mlruns" / "mlflow.db").parent)
        version = registry.version_of()
        card = kept_card(registry, version)
        if card is None:
            raise MissingFigureError(f"version {version} has no model card: make run makes one")
        training, runs = training_of(registry, version), _runs(registry)
        trained = _compared(training, runs, card)
        dataset = Dataset.open(root / "data" / "tables")
        if dataset.digest != card.data.digest:
            raise MissingFigureError(
                f"version {version} has not learnt from the tables in {dataset.folder}: run make "
                "with the DATA that it was trained on"
            )
        known = dataset.frames("train")["application"].collect().drop_nulls("TARGET")
        pds = pl.read_parquet(there(root / "data" / "unseen_pds.parquet"))
        outcomes = pds.join(known.select("SK_ID_CURR", "TARGET"), on="SK_ID_CURR")
        return cls(
            card=card,
            application=known,
            families=trained["family"],
            remedies=trained["imbalance"],
            trials=trained["trial"],
            target=outcomes["TARGET"],
            pds=outcomes["probability_of_default"],
            held_out=is_held_out(outcomes["SK_ID_CURR"]),
            drift=json.loads(there(root / "reports" / "drift.json").read_text("utf-8")),
            folds=int(training.data.params["folds"]),
            versions=len(registry.versions()),
            runs=len(runs),
        )

    @property
    def synthetic(self) -> bool:
        """Return whether the applicants are invented."""
        return self.card.data.source == "synthetic"


def training_of(registry: Registry, version: str) -> Run:
    """Return the run that a version comes from."""
    known = registry.client.get_model_version(MODEL_NAME, version)
    return registry.client.get_run(str(known.run_id))


def there(path: Path, made_by: str = "make run") -> Path:
    """Return a path that exists, or raise a `MissingFigureError` that says what makes it."""
    if not path.exists():
        raise MissingFigureError(f"{path} is not there: {made_by} makes it")
    return path


def _runs(registry: Registry) -> list[Run]:
    experiments = [item.experiment_id for item in registry.client.search_experiments()]
    return list(registry.client.search_runs(experiments, max_results=50_000))


def _compared(training: Run, runs: list[Run], card: Card) -> dict[str, tuple[Trained, ...]]:
    """What was compared in a training, by kind."""
    by_kind: dict[str, list[Trained]] = {"family": [], "imbalance": [], "trial": []}
    for run in runs:
        if run.data.tags.get("mlflow.parentRunId") == training.info.run_id:
            kind, _, name = run.info.run_name.replace("trial ", "trial: ").partition(": ")
            own = {
                key.removeprefix(f"{name}."): value
                for key, value in training.data.metrics.items()
                if key.startswith(f"{name}.")
            }
            by_kind.setdefault(kind, []).append(Trained(name, run.data.metrics | own))
    if not by_kind["family"]:
        raise MissingFigureError(
            f"version {card.identity.version} was trained without a comparison: the modelling "
            "notebook makes one"
        )
    # The values that a family was tried with first are runs too, on fewer applicants.
    costs = [(family.name, family.business_cost) for family in card.method.families]
    best = {
        model.name: model
        for model in by_kind["family"]
        if (model.name, model.figures["business_cost"]) in costs
    }
    order = dict.fromkeys((*_FROM_THE_SIMPLEST, *best))
    families = tuple(best[name] for name in order if name in best)
    chosen = next(model for model in families if model.name == card.method.family)
    return {
        "family": families,
        "imbalance": (Trained("none", chosen.figures), *sorted(by_kind["imbalance"])),
        "trial": tuple(sorted(by_kind["trial"], key=lambda trial: int(trial.name))),
    }
