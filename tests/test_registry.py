"""The registry, with a real MLflow store: versions, aliases, exports, and nothing that can run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from scoring.pyfunc import PyfuncModel
from scoring.registry import CHAMPION, MODEL_NAME, RegistryError, Store
from scoring.scorer import Scorer, ScorerError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    before = mlflow.get_tracking_uri()
    yield Store(tmp_path_factory.mktemp("mlruns"))
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def registered(store: Store, scorer: Scorer) -> list[Scorer]:
    """Versions 1 and 2, the first of them the champion."""
    found = []
    for name in ("first", "second"):
        with store.run(name, {"n_estimators": 60}):
            found.append(store.register(scorer))
    store.promote("1")
    return found


def files_of(store: Store) -> list[Path]:
    return [path for path in (store.folder / "artifacts").rglob("*") if path.is_file()]


def artifact(store: Store, scorer: Scorer) -> Path:
    """Where the store keeps a Scorer's directory."""
    described = [path for path in files_of(store) if path.name == "scorer.json"]
    return next(path.parent for path in described if Scorer.load(path.parent) == scorer)


def test_versions_count_from_one_and_are_inside_the_model(
    store: Store, scorer: Scorer, registered: list[Scorer]
) -> None:
    assert [item.version for item in registered] == ["1", "2"]
    assert registered[0] == replace(scorer, version="1")
    assert store.latest_version() == 2
    for version in ("1", "2"):
        path = mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}")
        inside = next(Path(path).rglob("scorer.json"))
        assert json.loads(inside.read_text())["version"] == version


def test_the_alias_moves_and_an_export_follows_it(
    store: Store, registered: list[Scorer], sample_features: pl.DataFrame, tmp_path: Path
) -> None:
    out = tmp_path / "champion"
    for item in (*registered, registered[0]):
        store.promote(item.version)
        assert store.version_of() == item.version
        assert store.export(out) == item
        assert Scorer.load(out) == item
    pds = Scorer.load(out).predict(sample_features)
    assert pds.tobytes() == registered[0].predict(sample_features).tobytes()
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "model.txt",
        "scorer.json",
    ]
    store.promote("2", alias="challenger")
    assert (store.version_of(CHAMPION), store.version_of("challenger")) == ("1", "2")


def test_mlflow_loads_the_champion_and_gives_the_same_bits(
    store: Store, registered: list[Scorer], sample_features: pl.DataFrame
) -> None:
    mlflow.set_tracking_uri(store.uri)
    model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}@{CHAMPION}")
    names = [feature.name for feature in registered[0].features]
    rows = sample_features.select(names).with_columns(pl.col(pl.Enum).cast(pl.String))
    answer = model.predict(rows.to_pandas())
    expected = registered[0].predict(sample_features)
    assert answer["probability_of_default"].to_numpy().tobytes() == expected.tobytes()
    assert answer["decision"].tolist() == registered[0].decide(expected)


def test_the_pyfunc_keeps_the_callers_index(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    rows = sample_features.head(5).to_pandas().set_index("SK_ID_CURR")
    answer = PyfuncModel(scorer).predict(rows)
    assert answer.index.tolist() == sample_features["SK_ID_CURR"].head(5).to_list()
    expected = scorer.predict(sample_features.head(5))
    assert np.array_equal(answer["probability_of_default"], expected)


def test_the_artifacts_hold_no_pickle_and_no_applicant(
    store: Store, registered: list[Scorer]
) -> None:
    files = files_of(store)
    assert len(registered) == len({path for path in files if path.name == "model.txt"})
    allowed = {".txt", ".json", ".py", ".yaml", ""}
    assert {path.suffix for path in files} <= allowed
    for path in files:
        if path.suffix == "":
            assert path.name in {"MLmodel", "registered_model_meta"}
        # Every protocol of pickle from 2 on begins so.
        assert path.read_bytes()[:1] != b"\x80", path
        assert "input_example" not in path.name
        assert "code" in path.parts or b"SK_ID_CURR" not in path.read_bytes()
    described = next(path for path in files if path.name == "MLmodel").read_text()
    assert "saved_input_example_info: null" in described or "input_example" not in described
    assert "cloudpickle" not in described


def test_a_run_keeps_parameters_metrics_and_figures(store: Store) -> None:
    with store.run("logged", {"folds": 5}) as run:
        store.log({"auc": 0.75}, {"empty.png": Figure()})
        with store.run("inner", {"folds": 2}, nested=True) as inner:
            store.log({"auc": 0.5})
    found = store.client.get_run(run.info.run_id)
    assert found.data.params == {"folds": "5"}
    assert found.data.metrics == {"auc": 0.75}
    assert found.info.status == "FINISHED"
    assert [item.path for item in store.client.list_artifacts(run.info.run_id)] == ["empty.png"]
    child = store.client.get_run(inner.info.run_id)
    assert child.data.tags["mlflow.parentRunId"] == run.info.run_id


def test_a_run_that_fails_is_marked(store: Store) -> None:
    with pytest.raises(RuntimeError, match="stop"), store.run("failing", {}) as run:
        raise RuntimeError("stop")
    assert store.client.get_run(run.info.run_id).info.status == "FAILED"


def test_a_deleted_version_is_not_given_again(store: Store, scorer: Scorer) -> None:
    other = replace(scorer, name="other-model")
    with store.run("others", {}):
        assert [store.register(other).version for _ in range(2)] == ["1", "2"]
        store.client.delete_model_version("other-model", "2")
        again = store.register(other)
    assert again.version != "2"
    path = mlflow.artifacts.download_artifacts(f"models:/other-model/{again.version}")
    inside = next(Path(path).rglob("scorer.json"))
    assert json.loads(inside.read_text())["version"] == again.version
    assert store.latest_version("other-model") == int(again.version)


def test_what_is_not_there_is_told_with_a_mend(store: Store, tmp_path: Path) -> None:
    for alias, name in (("nobody", MODEL_NAME), (CHAMPION, "no-such-model")):
        with pytest.raises(RegistryError, match=rf"'{name}' with the alias '{alias}'.*train one"):
            store.export(tmp_path / "out", alias, name)
    assert store.latest_version("no-such-model") == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.txt", "scorer.json", "manifest.json"])
def test_a_tampered_artifact_is_not_exported(
    name: str, store: Store, registered: list[Scorer], tmp_path: Path
) -> None:
    store.promote("1")
    out = tmp_path / "champion"
    store.export(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    path = artifact(store, registered[1]) / name
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + b"7" + whole[201:])
    assert path.read_bytes() != whole
    store.promote("2")
    try:
        with pytest.raises(ScorerError, match=name):
            store.export(out)
    finally:
        path.write_bytes(whole)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["champion"]
    assert store.export(out) == registered[1]


def test_an_export_never_replaces_a_folder_of_something_else(
    store: Store, registered: list[Scorer], tmp_path: Path
) -> None:
    assert registered
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="not replaced"):
        store.export(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_store_is_opened_again(
    store: Store, registered: list[Scorer], sample_features: pl.DataFrame, tmp_path: Path
) -> None:
    again = Store(store.folder)
    assert again.version_of() in {item.version for item in registered}
    exported = again.export(tmp_path / "out")
    assert np.isfinite(exported.predict(sample_features)).all()


def test_nothing_is_reported_to_outsiders() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert shutil.which("mlflow") is None or mlflow.get_tracking_uri().startswith("sqlite")
