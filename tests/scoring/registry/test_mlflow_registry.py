"""The registry, with a real MLflow store: versions, aliases, exports, and nothing that can run."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from scoring.registry.gates import Gate, GateVerdict
from scoring.registry.mlflow_registry import (
    CHALLENGER,
    CHAMPION,
    MODEL_NAME,
    PromotionRefusedError,
    Registry,
    RegistryError,
    StaleVerdictError,
)
from scoring.registry.promotions import Event, champions
from scoring.serving.pyfunc import PyfuncModel
from scoring.serving.scorer import Scorer, ScorerError
from tests.helpers.verdicts import passed


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    before = mlflow.get_tracking_uri()
    yield Registry(tmp_path_factory.mktemp("mlruns"))
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def registered(registry: Registry, scorer: Scorer) -> list[Scorer]:
    """Versions 1 and 2, the first of them the champion."""
    found = []
    for name in ("first", "second"):
        with registry.run(name, {"n_estimators": 60}):
            found.append(registry.register(scorer))
    enthrone(registry, "1")
    return found


def enthrone(registry: Registry, version: str, name: str = MODEL_NAME) -> Event:
    return registry.promote(passed(version, registry.champion(name)), "ana", "test", name=name)


@pytest.fixture(scope="module")
def numbered(registry: Registry, scorer: Scorer) -> str:
    """The name of a model of three versions without a champion."""
    other = replace(scorer, name="three-versions")
    with registry.run("three", {}):
        for _ in range(3):
            registry.register(other)
    return other.name


def files_of(registry: Registry) -> list[Path]:
    return [path for path in (registry.folder / "artifacts").rglob("*") if path.is_file()]


def artifact(registry: Registry, scorer: Scorer) -> Path:
    """Where the store keeps a Scorer's directory."""
    described = [path for path in files_of(registry) if path.name == "scorer.json"]
    return next(path.parent for path in described if Scorer.load(path.parent) == scorer)


def test_versions_count_from_one_and_are_inside_the_model(
    registry: Registry, scorer: Scorer, registered: list[Scorer]
) -> None:
    assert [item.version for item in registered] == ["1", "2"]
    assert registered[0] == replace(scorer, version="1")
    assert registry.latest_version() == 2
    for version in ("1", "2"):
        path = mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}")
        inside = next(Path(path).rglob("scorer.json"))
        assert json.loads(inside.read_text())["version"] == version


def test_the_alias_moves_and_an_export_follows_it(
    registry: Registry, registered: list[Scorer], sample_features: pl.DataFrame, tmp_path: Path
) -> None:
    out = tmp_path / "champion"
    for item in (*registered, registered[0]):
        enthrone(registry, item.version)
        assert registry.version_of() == item.version
        assert registry.export(out) == item
        assert Scorer.load(out) == item
    pds = Scorer.load(out).predict(sample_features)
    assert pds.tobytes() == registered[0].predict(sample_features).tobytes()
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "model.txt",
        "profile.json",
        "scorer.json",
    ]


def test_mlflow_loads_the_champion_and_gives_the_same_bits(
    registry: Registry, registered: list[Scorer], sample_features: pl.DataFrame
) -> None:
    mlflow.set_tracking_uri(registry.uri)
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
    registry: Registry, registered: list[Scorer]
) -> None:
    files = files_of(registry)
    assert len(registered) == len({path for path in files if path.name == "model.txt"})
    # .mako: how a migration of the store is written.
    allowed = {".txt", ".json", ".py", ".yaml", ".mako", ".toml", ".jinja", ""}
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


def fresh(registry: Registry, scorer: Scorer, name: str, versions: int) -> str:
    """A model of its own for a test that changes champions."""
    with registry.run(name, {}):
        for _ in range(versions):
            registry.register(replace(scorer, name=name))
    return name


def test_a_new_version_is_the_challenger_until_it_is_promoted(
    registry: Registry, scorer: Scorer
) -> None:
    name = fresh(registry, scorer, "challenged", 2)
    assert registry.champion(name) is None
    assert registry.version_of(CHALLENGER, name) == "2"
    enthrone(registry, "1", name)
    assert (registry.version_of(CHAMPION, name), registry.version_of(CHALLENGER, name)) == (
        "1",
        "2",
    )
    enthrone(registry, "2", name)
    with pytest.raises(RegistryError, match=CHALLENGER):
        registry.version_of(CHALLENGER, name)


def test_a_promotion_keeps_who_why_when_and_on_which_figures(
    registry: Registry, scorer: Scorer
) -> None:
    name = fresh(registry, scorer, "kept", 1)
    refused = Gate("AUC", False, 0.7, 0.75, "The AUC is worse.")
    verdict = GateVerdict("1", None, (refused,), applicants=200, defaults=16)
    event = registry.promote(verdict, "Zoë", "un motif, même long: €", force=True, name=name)
    assert Registry(registry.folder).history(name) == [event]
    assert (event.action, event.version, event.previous) == ("promote", "1", None)
    assert (event.by, event.why, event.forced) == ("Zoë", "un motif, même long: €", True)
    assert event.gates == {"AUC": [False, 0.7, 0.75]}
    assert event.at.endswith("+00:00")


def test_a_gate_refuses_and_nothing_changes(registry: Registry, numbered: str) -> None:
    refused = Gate("AUC", False, 0.7, 0.75, "The AUC is worse.")
    final = Gate("no leakage", False, 0.9, 0.82, "AUC 0.9 is leakage.", final=True)
    before = registry.history(numbered), registry.champion(numbered)
    for gates, force in (((refused,), False), ((final,), False), ((refused, final), True)):
        verdict = GateVerdict("1", before[1], gates, applicants=200, defaults=16)
        with pytest.raises(
            PromotionRefusedError, match=r"version 1 is not promoted.*" + gates[-1].sentence
        ):
            registry.promote(verdict, "ana", "test", force=force, name=numbered)
    assert (registry.history(numbered), registry.champion(numbered)) == before


def test_a_motive_is_kept_as_it_was_meant(registry: Registry, numbered: str) -> None:
    verdict = passed("2", registry.champion(numbered))
    event = registry.promote(
        verdict, " ana\u202e\n", "Better:\r\n- 1\u202f000\u00a0€", name=numbered
    )
    assert (event.by, event.why) == ("ana", "Better:\n- 1\u202f000\u00a0€")
    assert registry.history(numbered)[-1] == event


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("", "a trial"),
        ("ana", " "),
        ("--", "a trial"),
        ("ana", "..."),
        ("ana", "x" * 1000),
        ("ana", "a\x1b[2Jtrial"),
        ("ana", "\u3164" * 9),
    ],
)
def test_a_change_of_champion_needs_a_name_and_a_motive(
    registry: Registry, numbered: str, by: str, why: str
) -> None:
    before = registry.history(numbered)
    with pytest.raises(RegistryError, match="motive"):
        registry.promote(passed("1", registry.champion(numbered)), by, why, name=numbered)
    with pytest.raises(RegistryError, match="motive"):
        registry.rollback(by, why, numbered)
    assert registry.history(numbered) == before


def test_a_version_that_is_not_there_cannot_be_promoted(registry: Registry, numbered: str) -> None:
    before = registry.history(numbered)
    with pytest.raises(RegistryError, match=r"no version '9'.*scoring models"):
        registry.promote(passed("9", registry.champion(numbered)), "ana", "test", name=numbered)
    assert registry.history(numbered) == before


def test_rollback_goes_back_one_champion_at_a_time(
    registry: Registry, scorer: Scorer, tmp_path: Path
) -> None:
    name = fresh(registry, scorer, "rolled-back", 3)
    with pytest.raises(RegistryError, match="no champion before"):
        registry.rollback("ana", "nothing there", name)
    for version in ("1", "2", "3"):
        enthrone(registry, version, name)
    for expected, deposed in (("2", "3"), ("1", "2")):
        event = registry.rollback("ben", "too many complaints", name)
        assert (event.action, event.version, event.previous) == ("rollback", expected, deposed)
        assert registry.champion(name) == expected
        assert registry.export(tmp_path / "champion", name=name).version == expected
    with pytest.raises(RegistryError, match="no champion before version 1"):
        registry.rollback("ben", "further", name)
    enthrone(registry, "3", name)
    assert registry.rollback("ben", "again", name).version == "1"
    told = [(event.number, event.action, event.version) for event in registry.history(name)]
    assert told == [
        (1, "promote", "1"), (2, "promote", "2"), (3, "promote", "3"), (4, "rollback", "2"),
        (5, "rollback", "1"), (6, "promote", "3"), (7, "rollback", "1"),
    ]  # fmt: skip


def test_rollback_does_not_guess_after_somebody_moved_the_alias(
    registry: Registry, scorer: Scorer
) -> None:
    name = fresh(registry, scorer, "moved", 3)
    for version in ("1", "2"):
        enthrone(registry, version, name)
    registry.client.set_registered_model_alias(name, CHAMPION, "3")
    with pytest.raises(RegistryError, match=r"version 3.*moved the alias"):
        registry.rollback("ana", "test", name)
    assert registry.champion(name) == "3"
    assert len(registry.history(name)) == 2


def test_an_export_is_withdrawn_once_nobody_has_its_alias(
    registry: Registry, scorer: Scorer, tmp_path: Path
) -> None:
    name, out = fresh(registry, scorer, "withdrawn", 1), tmp_path / "challenger"
    assert registry.export(out, CHALLENGER, name).version == "1"
    registry.withdraw(out, CHALLENGER, name)
    assert Scorer.load(out).version == "1"
    enthrone(registry, "1", name)
    other = tmp_path / "no-export"
    other.mkdir()
    (other / "file").write_text("somebody's")
    for folder in (out, other, tmp_path / "nowhere"):
        registry.withdraw(folder, CHALLENGER, name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "no-export"]


def test_rollback_never_puts_a_damaged_model_back(registry: Registry, scorer: Scorer) -> None:
    name = fresh(registry, scorer, "damaged", 2)
    for version in ("1", "2"):
        enthrone(registry, version, name)
    path = artifact(registry, replace(scorer, name=name, version="1")) / "model.txt"
    whole = path.read_text()
    path.write_text(whole + "\n")
    try:
        with pytest.raises(ScorerError, match=r"model\.txt"):
            registry.rollback("ana", "test", name)
    finally:
        path.write_text(whole)
    assert registry.champion(name) == "2"
    assert len(registry.history(name)) == 2


def test_a_model_that_was_replaced_with_its_manifest_is_noticed(
    registry: Registry, scorer: Scorer, tmp_path: Path
) -> None:
    name = fresh(registry, scorer, "replaced", 1)
    own = replace(scorer, name=name, version="1")
    path = artifact(registry, own)
    replace(own, cutoff=0.9, refer_band=(0.9, 0.9)).save(path)
    with pytest.raises(RegistryError, match="not those that were registered"):
        registry.load("1", name)
    enthrone(registry, "1", name)
    with pytest.raises(RegistryError, match="not those that were registered"):
        registry.export(tmp_path / "champion", name=name)
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_against_an_earlier_champion_is_stale(registry: Registry, scorer: Scorer) -> None:
    name = fresh(registry, scorer, "stale", 2)
    verdict = passed("2", None)
    enthrone(registry, "1", name)
    with pytest.raises(StaleVerdictError, match="now version 1: judge it again"):
        registry.promote(verdict, "ana", "test", name=name)
    assert registry.champion(name) == "1"


def test_promotions_at_once_lose_no_event(registry: Registry, scorer: Scorer) -> None:
    name = fresh(registry, scorer, "contended", 3)
    versions = [str(1 + number % 3) for number in range(12)]

    def insist(version: str) -> None:
        own = Registry(registry.folder)
        while True:
            try:
                own.promote(passed(version, own.champion(name)), version, "at once", name=name)
            except StaleVerdictError:
                continue
            return

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(insist, versions))
    events = registry.history(name)
    assert [event.number for event in events] == list(range(1, 13))
    assert sorted(event.version for event in events) == sorted(versions)
    assert [event.previous for event in events] == [None, *(e.version for e in events[:-1])]
    assert registry.champion(name) == events[-1].version


def test_versions_are_listed_with_figures_data_and_motive(
    registry: Registry, scorer: Scorer
) -> None:
    name = "listed"
    lineage = {"training": {"dataset": "0a1b", "source": "synthetic"}}
    own = replace(scorer, name=name, lineage=lineage)
    with registry.run("listed", {}):
        registry.log({"holdout_auc": 0.76, "auc": 0.74})
        registry.register(own)
        registry.register(own)
    event = enthrone(registry, "1", name)
    newest, oldest = registry.versions(name)
    assert (newest.version, newest.aliases, newest.event) == ("2", (CHALLENGER,), None)
    assert (oldest.version, oldest.aliases, oldest.event) == ("1", (CHAMPION,), event)
    assert dict(newest.figures) == {"auc": 0.76}
    assert (oldest.dataset, oldest.source) == ("0a1b", "synthetic")
    assert oldest.feature_set_version == scorer.feature_set_version
    assert registry.versions("no-such-model") == []
    assert registry.history("no-such-model") == []


def test_texts_are_kept_with_a_version(registry: Registry, numbered: str) -> None:
    assert registry.attached("1", "note.md", numbered) is None
    registry.attach("1", {"note.md": "première"}, numbered)
    registry.attach("1", {"note.md": "seconde €", "other.md": "x"}, numbered)
    registry.attach("2", {"note.md": "of another version"}, numbered)
    assert registry.attached("1", "note.md", numbered) == "seconde €"
    assert registry.attached("2", "note.md", numbered) == "of another version"


@given(st.lists(st.sampled_from(["1", "2", "3", "rollback"]), max_size=30))
def test_champions_follow_the_record(steps: list[str]) -> None:
    """Replaying events gives what moving an alias and a stack of the earlier ones gives."""
    events: list[Event] = []
    stack: list[str] = []
    for number, step in enumerate(steps, start=1):
        if step == "rollback":
            if len(stack) < 2:
                continue
            stack.pop()
            events.append(Event(number, "rollback", stack[-1], None, "a", "b", "c"))
        elif stack[-1:] != [step]:
            stack.append(step)
            events.append(Event(number, "promote", step, None, "a", "b", "c"))
    assert champions(events) == stack
    assert all(before != after for before, after in itertools.pairwise(champions(events)))


def test_a_run_keeps_parameters_metrics_and_figures(registry: Registry) -> None:
    with registry.run("logged", {"folds": 5}) as run:
        registry.log({"auc": 0.75}, {"empty.png": Figure()})
        with registry.run("inner", {"folds": 2}, nested=True) as inner:
            registry.log({"auc": 0.5})
    found = registry.client.get_run(run.info.run_id)
    assert found.data.params == {"folds": "5"}
    assert found.data.metrics == {"auc": 0.75}
    assert found.info.status == "FINISHED"
    assert [item.path for item in registry.client.list_artifacts(run.info.run_id)] == ["empty.png"]
    child = registry.client.get_run(inner.info.run_id)
    assert child.data.tags["mlflow.parentRunId"] == run.info.run_id


def test_a_run_that_fails_is_marked(registry: Registry) -> None:
    with pytest.raises(RuntimeError, match="stop"), registry.run("failing", {}) as run:
        raise RuntimeError("stop")
    assert registry.client.get_run(run.info.run_id).info.status == "FAILED"


def test_a_deleted_version_is_not_given_again(registry: Registry, scorer: Scorer) -> None:
    other = replace(scorer, name="other-model")
    with registry.run("others", {}):
        assert [registry.register(other).version for _ in range(2)] == ["1", "2"]
        registry.client.delete_model_version("other-model", "2")
        again = registry.register(other)
    assert again.version != "2"
    path = mlflow.artifacts.download_artifacts(f"models:/other-model/{again.version}")
    inside = next(Path(path).rglob("scorer.json"))
    assert json.loads(inside.read_text())["version"] == again.version
    assert registry.latest_version("other-model") == int(again.version)


def test_what_is_not_there_is_told_with_a_mend(registry: Registry, tmp_path: Path) -> None:
    for alias, name in (("nobody", MODEL_NAME), (CHAMPION, "no-such-model")):
        with pytest.raises(RegistryError, match=rf"'{name}' with the alias '{alias}'.*train one"):
            registry.export(tmp_path / "out", alias, name)
    assert registry.latest_version("no-such-model") == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.txt", "scorer.json", "manifest.json"])
def test_a_tampered_artifact_is_not_exported(
    name: str, registry: Registry, registered: list[Scorer], tmp_path: Path
) -> None:
    enthrone(registry, "1")
    out = tmp_path / "champion"
    registry.export(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    path = artifact(registry, registered[1]) / name
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + b"7" + whole[201:])
    assert path.read_bytes() != whole
    enthrone(registry, "2")
    try:
        with pytest.raises(ScorerError, match=name):
            registry.export(out)
    finally:
        path.write_bytes(whole)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["champion"]
    assert registry.export(out) == registered[1]


def test_an_export_never_replaces_a_folder_of_something_else(
    registry: Registry, registered: list[Scorer], tmp_path: Path
) -> None:
    assert registered
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="not replaced"):
        registry.export(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_store_is_opened_again(
    registry: Registry, registered: list[Scorer], sample_features: pl.DataFrame, tmp_path: Path
) -> None:
    again = Registry(registry.folder)
    assert again.version_of() in {item.version for item in registered}
    exported = again.export(tmp_path / "out")
    assert np.isfinite(exported.predict(sample_features)).all()


def test_nothing_is_reported_to_outsiders() -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert shutil.which("mlflow") is None or mlflow.get_tracking_uri().startswith("sqlite")


def test_the_page_is_told_what_everything_is(registry: Registry, scorer: Scorer) -> None:
    (experiment,) = registry.client.search_experiments()
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    runs = f"#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning"
    assert registry.page(orderByKey="metrics.`auc`") == f"{runs}&orderByKey=metrics.%60auc%60"
    assert "loan" in experiment.tags["mlflow.note.content"]
    other = replace(scorer, name="described")
    with registry.run("described", {}):
        registry.register(other, description="trees; auc 0.7")
    assert "champion" in registry.client.get_registered_model("described").description
    for _ in range(2):
        event = enthrone(registry, "1", "described")
    version = registry.client.get_model_version("described", "1")
    assert (
        version.description == f"trees; auc 0.7\n\nChampion since {event.at}, promoted by ana: test"
    )
    assert (version.tags["champion_since"], version.tags["champion_by"]) == (event.at, "ana")
