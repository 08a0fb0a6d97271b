"""What the last run left, read for the slides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from mlflow.entities import Run

from scoring.data.dataset import Dataset, table_rows
from scoring.errors import ScoringError
from scoring.registry.approval import kept_card
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.reports.card.fields import Card


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
    families, remedies, trials : tuple of Trained
        Of the champion's training: the best of each family, from the simplest to the most complex;
        remedies for imbalance, the first of them none; the search.
    target, pds : polars.Series
        Outcomes, and PDs of models that had not seen the applicants.
    drift : dict
        As reports/drift.json has it.
    folds, versions, runs : int
        Folds of the cross-validation, registered models, runs in MLflow.
    """

    card: Card
    rows: Mapping[str, int]
    families: tuple[Trained, ...]
    remedies: tuple[Trained, ...]
    trials: tuple[Trained, ...]
    target: pl.Series
    pds: pl.Series
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
        registry = Registry(_there(root / "mlruns" / "mlflow.db").parent)
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
        known = dataset.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
        pds = pl.read_parquet(_there(root / "data" / "unseen_pds.parquet"))
        outcomes = pds.join(known.drop_nulls("TARGET"), on="SK_ID_CURR")
        return cls(
            card=card,
            rows=dict(table_rows(dataset.manifest)),
            families=trained["family"],
            remedies=trained["imbalance"],
            trials=trained["trial"],
            target=outcomes["TARGET"],
            pds=outcomes["probability_of_default"],
            drift=json.loads(_there(root / "reports" / "drift.json").read_text("utf-8")),
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


def _there(path: Path) -> Path:
    if not path.exists():
        raise MissingFigureError(f"{path} is not there: make run makes it")
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
            by_kind[kind].append(Trained(name, run.data.metrics))
    if not by_kind["family"]:
        raise MissingFigureError(
            f"version {card.identity.version} was trained without a comparison: the modelling "
            "notebook makes one"
        )
    by_cost = sorted(by_kind["family"], key=lambda model: model.figures["business_cost"])
    best = [
        next((model for model in by_cost if model.name == family.name), None)
        for family in card.method.families
    ]
    families = tuple(model for model in best if model is not None)
    chosen = next(model for model in families if model.name == card.method.family)
    return {
        "family": families,
        "imbalance": (Trained("none", chosen.figures), *sorted(by_kind["imbalance"])),
        "trial": tuple(sorted(by_kind["trial"], key=lambda trial: int(trial.name))),
    }
