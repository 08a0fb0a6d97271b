"""MLflow: where runs are tracked and models are registered, promoted and exported."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

# MLflow reads these when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow
from matplotlib.figure import Figure
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from scoring.dataset import staged_folder
from scoring.errors import ScoringError
from scoring.scorer import MANIFEST_FILE, Scorer

MODEL_NAME = "credit-scoring"
CHAMPION = "champion"
_PACKAGE = Path(__file__).parent
_ATTEMPTS = 3


class RegistryError(ScoringError):
    """A model or version that is asked for is not there, or could not be registered."""


class Store:
    """An MLflow tracking store and model registry in a folder.

    Parameters
    ----------
    folder : Path
        Holds mlflow.db (runs and registry) and artifacts/. MLflow stores absolute paths: a
        folder that is moved has to be made again.
    experiment : str
        Under which runs are filed; made when it is missing.
    """

    def __init__(self, folder: Path, experiment: str = MODEL_NAME) -> None:
        # MLflow announces every table it creates and every version it registers.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.uri = f"sqlite:///{self.folder / 'mlflow.db'}"
        mlflow.set_tracking_uri(self.uri)
        self.client = MlflowClient(self.uri)
        if self.client.get_experiment_by_name(experiment) is None:
            artifacts = (self.folder / "artifacts").as_uri()
            self.client.create_experiment(experiment, artifact_location=artifacts)
        mlflow.set_experiment(experiment)

    @contextmanager
    def run(self, name: str, parameters: Mapping[str, Any], nested: bool = False) -> Iterator[Run]:
        """Track what is done inside the block as one run."""
        with mlflow.start_run(run_name=name, nested=nested) as run:
            mlflow.log_params(dict(parameters))
            yield run

    def log(
        self, metrics: Mapping[str, float], figures: Mapping[str, Figure] | None = None
    ) -> None:
        """Add metrics and plots (by file name) to the run that is open."""
        mlflow.log_metrics(dict(metrics))
        for file, figure in (figures or {}).items():
            mlflow.log_figure(figure, file)

    def register(self, scorer: Scorer) -> Scorer:
        """Log a Scorer with the open run and register it as the next version.

        Parameters
        ----------
        scorer : Scorer
            Its version is set to the one that the registry gives.

        Returns
        -------
        Scorer
            The same model with its version.

        Raises
        ------
        RegistryError
            If others register versions all the while.
        """
        if not self.client.search_registered_models(f"name = '{scorer.name}'"):
            self.client.create_registered_model(scorer.name)
        number = self.latest_version(scorer.name) + 1
        for _ in range(_ATTEMPTS):
            numbered = replace(scorer, version=str(number))
            info = _log(numbered)
            registered = self.client.create_model_version(
                scorer.name, info.model_uri, run_id=info.run_id, model_id=info.model_id
            )
            if str(registered.version) == numbered.version:
                return numbered
            # The registry gave another number than the next visible one (a version was deleted,
            # or somebody registered one meanwhile): the model inside would misname itself.
            self.client.delete_model_version(scorer.name, str(registered.version))
            number = int(registered.version) + 1
        raise RegistryError(
            f"others keep registering versions of {scorer.name!r}: register it again later"
        )

    def latest_version(self, name: str = MODEL_NAME) -> int:
        """The highest version of a model, 0 where there is none."""
        found = self.client.search_model_versions(f"name = '{name}'")
        return max((int(version.version) for version in found), default=0)

    def promote(self, version: str, alias: str = CHAMPION, name: str = MODEL_NAME) -> None:
        """Give a version an alias; whichever version had it loses it."""
        self.client.set_registered_model_alias(name, alias, version)

    def version_of(self, alias: str = CHAMPION, name: str = MODEL_NAME) -> str:
        """The version that has an alias.

        Raises
        ------
        RegistryError
            If no version has it.
        """
        try:
            return str(self.client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            raise RegistryError(
                f"no model {name!r} with the alias {alias!r} in {self.folder}: train one first"
            ) from error

    def export(self, out: Path, alias: str = CHAMPION, name: str = MODEL_NAME) -> Scorer:
        """Copy a registered model out of the registry as the directory that the API serves.

        Raises
        ------
        RegistryError
            If no version has the alias.
        ScorerError
            If the copy is not whole; `out` is then left as it was.
        """
        version = self.version_of(alias, name)
        with tempfile.TemporaryDirectory() as folder:
            copy = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=folder)
            data = Path(copy) / _data_folder(Path(copy))
            scorer = Scorer.load(data)
            with staged_folder(out, marker=MANIFEST_FILE) as staged:
                shutil.copytree(data, staged, dirs_exist_ok=True)
        return scorer


def _data_folder(model: Path) -> str:
    """Where MLflow put the Scorer's directory inside a logged model."""
    flavor = mlflow.models.Model.load(str(model)).flavors["python_function"]
    return str(flavor["data"])


def _log(scorer: Scorer) -> ModelInfo:
    """Log a Scorer with the open run."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # An input example would be an applicant's row: the signature is written out instead.
        warnings.filterwarnings("ignore", message=".*input example was not provided")
        path = Path(folder) / "scorer"
        scorer.save(path)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="model",
            loader_module="scoring.pyfunc",
            data_path=str(path),
            code_paths=[str(_PACKAGE)],
            signature=_signature(scorer),
            pip_requirements=["lightgbm", "numpy", "pandas", "polars"],
        )
    return info


def _signature(scorer: Scorer) -> ModelSignature:
    """Columns that MLflow checks; written out, so that no applicant's row is kept as an example."""
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string if f.levels else DataType.float, f.name, required=False)
        for f in scorer.features
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.double, "probability_of_default"),
        ColSpec(DataType.string, "decision"),
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))
