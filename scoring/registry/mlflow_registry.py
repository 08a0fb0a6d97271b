"""MLflow: where runs are tracked and models are registered, promoted, rolled back and exported.

A new version is the challenger. `Registry.promote` makes it the champion on the strength of a
verdict (`gates`), `Registry.rollback` puts the champion before it back. Both leave an event behind
that nothing here ever changes or removes: who, when, why, on which figures, instead of whom.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

# MLflow reads these when it is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
os.environ.setdefault("MLFLOW_LOG_UV_FILES", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# It would send versions elsewhere than their runs.
os.environ.pop("MLFLOW_REGISTRY_URI", None)

import mlflow
from matplotlib.figure import Figure
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from scoring.files import remove_folder, staged_folder
from scoring.registry.gates import GateVerdict
from scoring.registry.promotions import (
    PENDING,
    Event,
    Registered,
    RegistryError,
    champions,
    check_motive,
    iso,
    now,
)
from scoring.registry.relocation import DATABASE, prepare
from scoring.serving.scorer import MANIFEST_FILE, MODEL_NAME, Scorer

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "MODEL_NAME",
    "PromotionRefusedError",
    "Registry",
    "RegistryError",
    "StaleVerdictError",
]

CHAMPION = "champion"
CHALLENGER = "challenger"
_PACKAGE = Path(__file__).parents[1]
_ATTEMPTS = 3
_EVENT = "promotion."
# The kind makes MLflow's page open on runs and metrics, not on traces of language models.
_EXPERIMENT = {
    "mlflow.experimentKind": "custom_model_development",
    MLFLOW_RUN_NOTE: "Trainings of the model that decides on loan applications, a run each; the "
    "families, remedies for imbalance and trials that it compared are inside it.",
}
_MODEL = (
    "Probability of default of loan applicants. The alias champion is what the API serves, "
    "challenger the newest version; `python -m scoring promote` holds one against the other. Each "
    "tag promotion.N is a change of champion: who, when, why, on which figures."
)
# What a version's description tells after what it was registered with.
_SINCE = "\n\nChampion since "
# An alias that nothing has is a wrong parameter to MLflow.
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class PromotionRefusedError(RegistryError):
    """A gate does not let the model become the champion."""


class StaleVerdictError(RegistryError):
    """Another model became the champion after the challenger was judged."""


class Registry:
    """An MLflow tracking store and model registry in a folder.

    The folder holds mlflow.db (runs and registry) and artifacts/. One that was moved or copied is
    made to work on its own files (`scoring.registry.relocation`). Runs are filed under the
    experiment.

    Raises
    ------
    RegistryError
        If MLflow cannot use what is there.
    """

    def __init__(self, folder: Path, experiment: str = MODEL_NAME) -> None:
        # MLflow announces every table it creates and every version it registers.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.uri = f"sqlite:///{self.folder / DATABASE}"
        with self._locked():
            prepare(self.folder)
            mlflow.set_tracking_uri(self.uri)
            self.client = MlflowClient(self.uri)
            if self.client.get_experiment_by_name(experiment) is None:
                artifacts = (self.folder / "artifacts").as_uri()
                self.client.create_experiment(experiment, artifacts, _EXPERIMENT)
                # MLflow's own experiment would stay empty beside it.
                if not self.client.search_runs(["0"], max_results=1):
                    self.client.delete_experiment("0")
            self.experiment_id = mlflow.set_experiment(experiment).experiment_id

    def page(self, **asked: str) -> str:
        """Return where MLflow's server shows the runs, below its address.

        Further parameters say how, as MLflow has them in its own addresses.
        """
        # Without the workflow MLflow opens on pages about language models.
        query = urlencode({"workflowType": "machine_learning", **asked}, quote_via=quote)
        return f"#/experiments/{self.experiment_id}/runs?{query}"

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

    def register(
        self,
        scorer: Scorer,
        notes: Mapping[str, str] | None = None,
        description: str = "",
        *,
        challenger: bool = True,
    ) -> Scorer:
        """Log a Scorer with the open run and register it as the next version, which it is given.

        `notes` are further tags of the version, `description` is what MLflow's page says of it; it
        becomes the challenger unless that is not wanted.

        Raises
        ------
        RegistryError
            If others register versions all the while.
        """
        if not self.client.search_registered_models(f"name = '{scorer.name}'"):
            self.client.create_registered_model(scorer.name, description=_MODEL)
        number = self.latest_version(scorer.name) + 1
        for _ in range(_ATTEMPTS):
            numbered = replace(scorer, version=str(number))
            info, digest = _log(numbered)
            registered = self.client.create_model_version(
                scorer.name,
                info.model_uri,
                run_id=info.run_id,
                model_id=info.model_id,
                tags={**(notes or {}), **_tags(numbered, digest)},
                description=description,
            )
            if str(registered.version) == numbered.version:
                if challenger:
                    self.challenge(numbered.version, scorer.name)
                return numbered
            # The registry gave another number than the next visible one (a version was deleted,
            # or somebody registered one meanwhile): the model inside would misname itself.
            self.client.delete_model_version(scorer.name, str(registered.version))
            number = int(registered.version) + 1
        raise RegistryError(
            f"others keep registering versions of {scorer.name!r}: register it again later"
        )

    def challenge(self, version: str, name: str = MODEL_NAME) -> None:
        """Make a version the challenger: a split or the bandit may give it applicants."""
        self.client.set_registered_model_alias(name, CHALLENGER, version)

    def latest_version(self, name: str = MODEL_NAME) -> int:
        """Return the highest version of a model, 0 where there is none."""
        versions = self.client.search_model_versions(f"name = '{name}'")
        return max((int(version.version) for version in versions), default=0)

    def promote(
        self,
        verdict: GateVerdict,
        by: str,
        why: str,
        *,
        force: bool = False,
        name: str = MODEL_NAME,
    ) -> Event:
        """Make the judged version the champion, and record who promotes and why.

        The verdict names the version and the champion that it was compared with; `force` overrides
        the gates that may be overridden.

        Raises
        ------
        PromotionRefusedError
            If a gate does not let it pass; nothing is changed.
        StaleVerdictError
            If the champion is another one than the verdict's.
        RegistryError
            If `by` or `why` is empty, or the version is not there.
        """
        by, why = check_motive(by, why)
        if refused := verdict.refused_by(force):
            raise PromotionRefusedError(
                f"version {verdict.challenger} is not promoted: "
                + " ".join(gate.sentence for gate in refused)
            )
        with self._locked():
            self._finish(name)
            champion = self.champion(name)
            if champion != verdict.champion:
                raise StaleVerdictError(
                    f"version {verdict.challenger} was judged against version {verdict.champion}, "
                    f"and the champion is now version {champion}: judge it again"
                )
            self._version(verdict.challenger, name)
            forced, gates = not verdict.passed, verdict.summary()
            event = Event(0, "promote", verdict.challenger, champion, by, why, now(), forced, gates)
            return self._change(name, event)

    def rollback(self, by: str, why: str, name: str = MODEL_NAME) -> Event:
        """Make the previous champion the champion again, and record it.

        Raises
        ------
        RegistryError
            If there is no champion before, if the alias was moved by other means, or if `by` or
            `why` is empty.
        ScorerError
            If the previous champion's files are not whole. Nothing is changed then.
        """
        by, why = check_motive(by, why)
        with self._locked():
            self._finish(name)
            reigns = champions(self.history(name))
            champion = self.champion(name)
            if reigns[-1:] != ([champion] if champion else []):
                raise RegistryError(
                    f"the champion is version {champion}, which the record of promotions does not "
                    "know as such (somebody moved the alias): promote the version that you want"
                )
            if len(reigns) < 2:
                raise RegistryError(f"there is no champion before version {champion}")
            self.load(reigns[-2], name)
            return self._change(name, Event(0, "rollback", reigns[-2], champion, by, why, at=now()))

    def finish(self, name: str = MODEL_NAME) -> Event | None:
        """Finish the change of champion that a killed process began; None if there is none."""
        with self._locked():
            return self._finish(name)

    def history(self, name: str = MODEL_NAME) -> list[Event]:
        """List every promotion and rollback, the oldest first."""
        if not self.client.search_registered_models(f"name = '{name}'"):
            return []
        tags = self.client.get_registered_model(name).tags
        events = [Event(**json.loads(tags[key])) for key in tags if key.startswith(_EVENT)]
        return sorted(events, key=lambda event: event.number)

    def versions(self, name: str = MODEL_NAME) -> list[Registered]:
        """List every registered version, the newest first."""
        if not self.client.search_registered_models(f"name = '{name}'"):
            return []
        # A search of versions leaves their aliases out.
        aliases = self.client.get_registered_model(name).aliases
        reigns = {event.version: event for event in self.history(name)}
        items = self.client.search_model_versions(f"name = '{name}'")
        return [
            Registered(
                version=str(item.version),
                aliases=tuple(sorted(a for a, v in aliases.items() if str(v) == str(item.version))),
                registered=iso(datetime.fromtimestamp(item.creation_timestamp / 1000, UTC)),
                dataset=item.tags.get("dataset", ""),
                source=item.tags.get("source", ""),
                feature_set_version=item.tags.get("feature_set_version", ""),
                figures=self._figures(item.run_id),
                event=reigns.get(str(item.version)),
            )
            for item in sorted(items, key=lambda item: -int(item.version))
        ]

    def champion(self, name: str = MODEL_NAME) -> str | None:
        """Return the champion's version, None where there is none yet."""
        return self.find(CHAMPION, name)

    def version_of(self, alias: str = CHAMPION, name: str = MODEL_NAME) -> str:
        """Return the version that has an alias.

        Raises
        ------
        RegistryError
            If no version has it.
        """
        version = self.find(alias, name)
        if version is None:
            raise RegistryError(
                f"no model {name!r} with the alias {alias!r} in {self.folder}: train one first"
            )
        return version

    def find(self, alias: str, name: str = MODEL_NAME) -> str | None:
        """Return the version that has an alias, None where none has it."""
        try:
            return str(self.client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            _check_missing(error)
            return None

    def tags(self, version: str, name: str = MODEL_NAME) -> dict[str, str]:
        """Return what was noted about a version when it was registered.

        Raises
        ------
        RegistryError
            If there is no such version.
        """
        return dict(self._version(version, name).tags)

    def digest(self, version: str) -> str:
        """Return the SHA-256 of a version's manifest; empty where older code did not note it."""
        return self.tags(version).get("manifest_sha256", "")

    def load(self, version: str, name: str = MODEL_NAME) -> Scorer:
        """Read a registered version.

        Raises
        ------
        RegistryError
            If there is no such version, or its files are not those that were registered.
        ScorerError
            If a file is missing or does not fit the manifest.
        """
        with self._downloaded(version, name) as (_, scorer):
            return scorer

    def export(self, out: Path, alias: str = CHAMPION, name: str = MODEL_NAME) -> Scorer:
        """Copy a registered model out of the registry as the directory that the API serves.

        Raises
        ------
        RegistryError
            If no version has the alias, or its files are not those that were registered.
        ScorerError
            If the copy is not whole; `out` is then left as it was.
        """
        if out.resolve().is_relative_to(self.folder / "artifacts"):
            raise RegistryError(f"{out} is where MLflow keeps the versions: name another folder")
        # The lock keeps a slow export from putting an earlier champion over a later one.
        with self._locked(), self._downloaded(self.version_of(alias, name), name) as (data, scorer):
            with staged_folder(out, kind="model") as staged:
                shutil.copytree(data, staged, dirs_exist_ok=True)
            return scorer

    def is_exported(self, out: Path, alias: str = CHAMPION, name: str = MODEL_NAME) -> bool:
        """Return whether a directory holds the model that has an alias; true where none has it."""
        version = self.find(alias, name)
        noted = None if version is None else self.tags(version, name).get("manifest_sha256")
        if noted is None:
            return True
        return (out / MANIFEST_FILE).is_file() and _digest(out) == noted

    def withdraw(self, out: Path, alias: str = CHALLENGER, name: str = MODEL_NAME) -> None:
        """Remove an exported directory, if no version has its alias any more."""
        with self._locked():
            if self.find(alias, name) is None:
                remove_folder(out, kind="model")

    def attach(self, version: str, texts: Mapping[str, str], name: str = MODEL_NAME) -> None:
        """Keep texts (by file name) with a version, in its run; those of the same name give way."""
        run = self._run(version, name)
        for file, text in texts.items():
            self.client.log_text(run, text, f"version-{version}/{file}")

    def attached(self, version: str, file: str, name: str = MODEL_NAME) -> str | None:
        """Return a text that `attach` kept, None where there is none."""
        run, kept = self._run(version, name), f"version-{version}"
        path = f"{kept}/{file}"
        if path not in {item.path for item in self.client.list_artifacts(run, kept)}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            copy = self.client.download_artifacts(run, path, folder)
            return Path(copy).read_text(encoding="utf-8")

    @contextmanager
    def _downloaded(self, version: str, name: str) -> Iterator[tuple[Path, Scorer]]:
        """A version's directory, checked against its manifest and against the registry."""
        noted = self._version(version, name).tags.get("manifest_sha256")
        with tempfile.TemporaryDirectory() as folder:
            copy = mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=folder)
            data = Path(copy) / _data_folder(Path(copy))
            scorer = Scorer.load(data)
            if noted not in {None, _digest(data)}:
                raise RegistryError(
                    f"the files of {name!r} version {version} are not those that were registered "
                    f"({MANIFEST_FILE} differs): train the model again"
                )
            yield data, scorer

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process or thread at a time open the store, change the champion, or export it."""
        # The folder itself is locked: that takes no right to write.
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _change(self, name: str, event: Event) -> Event:
        """Change the champion, and record it; called with the lock.

        What is about to be done is noted first: killed at any moment, it was not begun or will be
        finished by whoever comes next.
        """
        numbered = replace(event, number=len(self.history(name)) + 1)
        self.client.set_registered_model_tag(name, PENDING, json.dumps(asdict(numbered)))
        self._finish(name)
        return numbered

    def _finish(self, name: str) -> Event | None:
        """Do what was noted, once or again; called with the lock."""
        if not self.client.search_registered_models(f"name = '{name}'"):
            return None
        noted = self.client.get_registered_model(name).tags.get(PENDING)
        if noted is None:
            return None
        event = Event(**json.loads(noted))
        self.client.set_registered_model_tag(name, f"{_EVENT}{event.number:06d}", noted)
        self.client.set_registered_model_alias(name, CHAMPION, event.version)
        if event.action == "promote" and self.find(CHALLENGER, name) == event.version:
            self.client.delete_registered_model_alias(name, CHALLENGER)
        self._note(name, event)
        self.client.delete_registered_model_tag(name, PENDING)
        return event

    def _note(self, name: str, event: Event) -> None:
        """Say on the version's page since when it is the champion, by whom and why."""
        version = event.version
        described = (self._version(version, name).description or "").partition(_SINCE)[0]
        by, verb = event.by, "put back" if event.action == "rollback" else "promoted"
        note = f"{described}{_SINCE}{event.at}, {verb} by {by}: {event.why}"
        self.client.update_model_version(name, version, note)
        for key, value in (("champion_since", event.at), ("champion_by", by)):
            self.client.set_model_version_tag(name, version, key, value)

    def _version(self, version: str, name: str) -> ModelVersion:
        # MLflow remembers folders by run: those of a copy of this store are others.
        _artifact_repos_cache.clear()
        try:
            return self.client.get_model_version(name, version)
        except MlflowException as error:
            _check_missing(error)
            raise RegistryError(
                f"no version {version!r} of {name!r} in {self.folder}: "
                "python -m scoring models lists those that are there"
            ) from error

    def _run(self, version: str, name: str) -> str:
        run = self._version(version, name).run_id
        if run is None:
            raise RegistryError(f"version {version} of {name!r} was registered without a run")
        return run

    def _figures(self, run: str | None) -> dict[str, float]:
        metrics = self.client.get_run(run).data.metrics if run else {}
        known = "holdout_"
        return {key.removeprefix(known): metrics[key] for key in metrics if key.startswith(known)}


def _check_missing(error: MlflowException) -> None:
    """Raise what does not mean that something is not there."""
    if error.error_code not in _MISSING:
        raise error


def _digest(folder: Path) -> str:
    """The SHA-256 of a Scorer's manifest, which holds those of its other files."""
    return hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()


def _tags(scorer: Scorer, digest: str) -> dict[str, str]:
    """Return the tags of a version: what a list of versions shows, and the manifest's digest."""
    training = scorer.lineage.get("training", {})
    return {
        "dataset": str(training.get("dataset", "")),
        "source": str(training.get("source", "")),
        "feature_set_version": scorer.feature_set_version,
        "manifest_sha256": digest,
    }


def _data_folder(model: Path) -> str:
    """Return where MLflow put the Scorer's directory inside a logged model."""
    flavor = mlflow.models.Model.load(str(model)).flavors["python_function"]
    return str(flavor["data"])


def _log(scorer: Scorer) -> tuple[ModelInfo, str]:
    """Log a Scorer with the open run; also its digest."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # An input example would be an applicant's row: the signature is written out instead.
        warnings.filterwarnings("ignore", message=".*input example was not provided")
        path = Path(folder) / "scorer"
        scorer.save(path)
        digest = _digest(path)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="model",
            loader_module="scoring.serving.pyfunc",
            data_path=str(path),
            code_paths=[str(_PACKAGE)],
            signature=_signature(scorer),
            pip_requirements=["lightgbm", "numpy", "pandas", "polars"],
        )
    return info, digest


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
