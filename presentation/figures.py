"""What the last run found, read from where it was left."""

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
from scoring.registry.approval import kept_card
from scoring.registry.mlflow_registry import MODEL_NAME, Registry
from scoring.reports.card.fields import Card

UNSEEN_PDS = "unseen_pds.parquet"


class MissingFigureError(ScoringError):
    """Something that the slides are about has not been made."""


class Trained(NamedTuple):
    """A model of the comparison, on applicants seen and not seen.

    Attributes
    ----------
    name : str
        Its family, or the remedy for imbalance.
    figures : dict of str to float
        As MLflow has them.
    """

    name: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """Everything that slides show and that is no picture.

    Attributes
    ----------
    card : Card
        The champion's.
    rows : dict of str to int
        Of each table.
    families, remedies, trials : tuple of Trained
        Of the champion's training: the best of each family, from the simplest to the most complex;
        remedies for imbalance, the first of them none; the search.
    target, pds : polars.Series
        Outcomes, and PDs of models that had not seen the applicants.
    drift : dict
        As reports/drift.json has it.
    folds : int
        Of the cross-validation.
    versions : int
        How many models are registered.
    runs : int
        How many runs MLflow has.
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
        """Read what a run left in a clone of the project.

        Parameters
        ----------
        root : Path
            With data/, mlruns/ and reports/.

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
        files = dataset.manifest["files"]
        outcomes = _outcomes(dataset, _there(root / "data" / UNSEEN_PDS))
        return cls(
            card=card,
            rows={Path(name).stem: file["rows"] for name, file in files.items()},
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
        """Whether the applicants are invented."""
        return self.card.data.source == "synthetic"

    def holdout(self, name: str) -> tuple[float, float, float]:
        """A figure on held-out applicants, with its 95 % interval."""
        for figure in self.card.holdout:
            if figure.name == name:
                return figure.value, figure.low, figure.high
        known = ", ".join(figure.name for figure in self.card.holdout)
        raise MissingFigureError(f"the model card has no {name!r} on held-out applicants: {known}")


def _there(path: Path) -> Path:
    if not path.exists():
        raise MissingFigureError(f"{path} is not there: make run makes it")
    return path


def _runs(registry: Registry) -> list[Run]:
    experiments = [item.experiment_id for item in registry.client.search_experiments()]
    return list(registry.client.search_runs(experiments, max_results=50_000))


def training_of(registry: Registry, version: str) -> Run:
    """The run that a version comes from."""
    return registry.client.get_run(
        str(registry.client.get_model_version(MODEL_NAME, version).run_id)
    )


def _compared(training: Run, runs: list[Run], card: Card) -> dict[str, tuple[Trained, ...]]:
    """What was compared in a training, by kind."""
    nested = [
        run for run in runs if run.data.tags.get("mlflow.parentRunId") == training.info.run_id
    ]
    found: dict[str, list[Trained]] = {"family": [], "imbalance": [], "trial": []}
    for run in nested:
        kind, _, name = run.info.run_name.replace("trial ", "trial: ").partition(": ")
        found[kind].append(Trained(name, run.data.metrics))
    if not found["family"]:
        raise MissingFigureError(
            f"version {card.identity.version} was trained without a comparison: the modelling "
            "notebook makes one"
        )
    families = _best_of_each(found["family"], [family.name for family in card.method.families])
    chosen = next(item for item in families if item.name == card.method.family)
    return {
        "family": families,
        "imbalance": (Trained("none", chosen.figures), *sorted(found["imbalance"])),
        "trial": tuple(sorted(found["trial"], key=lambda trial: int(trial.name))),
    }


def _best_of_each(found: list[Trained], names: list[str]) -> tuple[Trained, ...]:
    ordered = sorted(found, key=lambda model: model.figures["business_cost"])
    best = [next((item for item in ordered if item.name == name), None) for name in names]
    return tuple(item for item in best if item is not None)


def _outcomes(dataset: Dataset, pds: Path) -> pl.DataFrame:
    known = dataset.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    return pl.read_parquet(pds).join(known.drop_nulls("TARGET"), on="SK_ID_CURR")
