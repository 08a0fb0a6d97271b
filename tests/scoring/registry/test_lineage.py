"""The chain of a registered version, with a real registry and real databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
from typer.testing import CliRunner, Result

from scoring.__main__ import app
from scoring.data.dataset import Dataset
from scoring.data.synthetic import write_sample
from scoring.data.versions import Addition, DataVersions
from scoring.modelling.examples import Examples, applicants_digest
from scoring.modelling.validation import Validation
from scoring.registry import provenance
from scoring.registry.approval import register
from scoring.registry.gates import Gate, GateVerdict
from scoring.registry.lineage import NOT_RECORDED, lineage_of
from scoring.registry.mlflow_registry import Registry
from scoring.registry.promotions import RegistryError
from scoring.serving.scorer import Scorer
from scoring.store import Outcome, ShadowScore, Store
from tests.helpers.databases import prediction
from tests.helpers.trained import run_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ADDED = (12, "2026-01-02T00:00:00+00:00", "2026-03-04T00:00:00+00:00")
STEPS = [
    "raw files", "dataset", "applicants", "features", "training", "code", "model", "registered",
    "parents", "predictions",
]  # fmt: skip


def verdict(version: str, champion: str | None, *failed: str) -> GateVerdict:
    gates = [Gate("AUC", True, 0.76, 0.75, "The AUC is not worse.")]
    gates += [Gate(name, False, 0.2, 0.1, "It is.") for name in failed]
    return GateVerdict(version, champion, tuple(gates), applicants=200, defaults=16)


@pytest.fixture(scope="module")
def registry(
    scorer: Scorer,
    sample: Dataset,
    sample_examples: Examples,
    sample_validation: Validation,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Registry]:
    """The first champion, the second after it, and a third by hand, as older code registered."""
    before = mlflow.get_tracking_uri()
    registry = Registry(tmp_path_factory.mktemp("mlruns"))
    run = run_of(scorer, sample, sample_examples, sample_validation)
    for number, champion, failed in (("1", None, ()), ("2", "1", ("calibration",))):
        with registry.run("training", {}):
            register(registry, run, "2026-11-23")
        registry.promote(verdict(number, champion, *failed), "ana", f"for {number}", force=True)
    registry.rollback("ben", "complaints")
    with registry.run("by hand", {}):
        registry.register(replace(scorer, lineage={}))
    yield registry
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def added_to(
    registry: Registry,
    scorer: Scorer,
    sample: Dataset,
    sample_validation: Validation,
    sample_examples: Examples,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Dataset]:
    """A version that learnt from data to which decisions were added, and the data."""
    data = write_sample(tmp_path_factory.mktemp("grown") / "dataset", 40, seed=9, processes=1)
    del data.manifest["made"]
    versions = DataVersions.beside(registry.folder)
    versions.keep(sample)
    versions.keep(data, Addition(sample.digest, *ADDED))
    run = run_of(scorer, data, sample_examples, sample_validation)
    made_by = provenance.provenance_of("2")
    with registry.run("retraining", {}):
        registered = registry.register(run.scorer, made_by.tags)
    provenance.keep(registry, registered.version, registered.name, made_by, data.manifest)
    return registered.version, data


@pytest.fixture
def decisions(registry: Registry, tmp_path: Path) -> Iterator[Store]:
    """Three decisions of version 2, one of them as the challenger and one with an outcome."""
    digest = registry.tags("2")["manifest_sha256"]
    registry = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    registry.migrate()
    own = [
        prediction(at=NOON.replace(hour=12 + i), model_digest=digest, role=role)
        for i, role in enumerate(("challenger", "champion", "champion"))
    ]
    score = ShadowScore(digest, "2", 0.1, "accept")
    registry.decisions.record([*own, prediction(model_digest="b" * 64, shadows=(score,))])
    registry.outcomes.record([Outcome(own[0].applicant, own[0].id, True, NOON, NOON, "k")])
    yield registry
    registry.close()


def facts(
    registry: Registry, version: str, decisions: Store | None = None
) -> dict[str, dict[str, Any]]:
    return {step.name: dict(step.facts) for step in lineage_of(registry, version, decisions).steps}


def test_the_chain_goes_from_raw_files_to_predictions(
    registry: Registry, decisions: Store, sample: Dataset, sample_examples: Examples
) -> None:
    found = facts(registry, "2", decisions)
    assert list(found) == STEPS
    assert found["raw files"] == {"drawn": sample.manifest["made"]}
    assert found["dataset"]["digest"] == sample.digest
    assert found["dataset"]["rows"]["application_train"] == 800
    assert found["dataset"]["kept"] == "no"
    assert found["applicants"]["learnt_from"] == 800
    assert found["applicants"]["defaults"] == int(sample_examples.target.sum())
    assert found["applicants"]["sha256"] == applicants_digest(sample_examples)
    assert found["training"]["parameters"]["n_estimators"] == 60
    assert found["training"]["costs"] == {"false_negative": 10.0, "false_positive": 1.0}
    assert found["training"]["features_kept"] == "all"
    assert found["code"]["sha256"] == provenance.code_digest()
    assert found["model"]["manifest_sha256"] == registry.tags("2")["manifest_sha256"]
    assert found["model"]["files"] == "as registered"
    assert found["predictions"] == {
        "store": decisions.url,
        "decided": 3,
        "first": "2026-05-01T12:00:00+00:00",
        "last": "2026-05-01T14:00:00+00:00",
        "by_role": {"challenger": 1, "champion": 2},
        "with_outcome": 1,
        "scored_along": 1,
    }


def test_a_version_tells_the_champion_it_came_after(registry: Registry) -> None:
    assert facts(registry, "1")["parents"] == {"came_after": []}
    (parent,) = facts(registry, "2")["parents"]["came_after"]
    assert parent["version"] == "1"
    assert parent["code"] == provenance.code_digest()


def test_a_version_tells_how_it_became_the_champion_and_ceased_to_be(registry: Registry) -> None:
    first, second = (facts(registry, number)["registered"] for number in ("1", "2"))
    kinds = [next(iter(change)) for change in first["changes"]]
    assert kinds == ["promoted", "replaced", "put_back"]
    assert first["changes"][0]["gates_passed"] == 1
    promoted, replaced = second["changes"]
    assert (promoted["by"], promoted["why"]) == ("ana", "for 2")
    assert promoted["gates_overridden"] == ["calibration"]
    assert (replaced["with_version"], replaced["by"]) == ("1", "ben")
    assert first["figures"]["auc"] == second["figures"]["auc"] > 0.5
    assert first["by"]


def test_words_stand_for_versions(registry: Registry) -> None:
    assert lineage_of(registry, "champion").version == "1"
    assert lineage_of(registry, "challenger").version == str(registry.latest_version())


def test_what_older_code_did_not_record_is_said(registry: Registry) -> None:
    found = facts(registry, "3")
    assert list(found) == STEPS
    assert found["raw files"] == {"files": None}
    assert found["code"]["sha256"] is None
    assert found["parents"] == {"came_after": None}
    assert found["features"]["number"] > 0
    told = list(lineage_of(registry, "3").rows())
    assert ("code", "sha256", NOT_RECORDED) in told
    assert ("parents", "came after", NOT_RECORDED) in told


def test_decisions_that_were_added_stand_between_the_data_before_and_after(
    registry: Registry, added_to: tuple[str, Dataset], sample: Dataset
) -> None:
    version, data = added_to
    steps = lineage_of(registry, version).steps
    raw, before, added, after = steps[:4]
    assert [step.name for step in steps] == [*STEPS[:2], "decisions added", *STEPS[1:]]
    assert raw.facts == {"drawn": sample.manifest["made"]}
    assert before.facts["digest"] == added.facts["parent"] == sample.digest
    assert before.facts["rows"]["application_train"] == 800
    assert before.facts["kept"].startswith("since 20")
    decisions, since, until = ADDED
    assert added.facts == {
        "parent": sample.digest, "decisions": decisions, "since": since, "until": until,
    }  # fmt: skip
    assert after.facts["digest"] == data.digest
    assert after.facts["rows"]["application_train"] == 40
    parents = facts(registry, version)["parents"]["came_after"]
    assert [parent["version"] for parent in parents] == ["2", "1"]


def test_a_store_that_is_not_there_is_told_and_not_made(registry: Registry, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'none.db'}")
    told = facts(registry, "2", store)["predictions"]["store"]
    assert told == f"no store: {store.url} is not there"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "none.db").touch()
    assert "python -m scoring migrate" in facts(registry, "2", store)["predictions"]["store"]
    store.close()


def test_files_that_were_changed_are_told(registry: Registry) -> None:
    trees = (registry.folder / "artifacts").rglob("model.txt")
    own = next(path for path in trees if json.loads(
        (path.parent / "scorer.json").read_text())["version"] == "2")  # fmt: skip
    before = own.read_bytes()
    own.write_bytes(before + b"\n")
    try:
        found = facts(registry, "2")
    finally:
        own.write_bytes(before)
    assert "model.txt" in found["model"]["files"]
    assert found["training"]["family"] is None
    assert found["code"]["sha256"] == provenance.code_digest()


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["lineage", *map(str, words)])


def test_the_command_prints_the_chain(
    registry: Registry, decisions: Store, sample: Dataset
) -> None:
    where = ("--mlruns", registry.folder, "--database", decisions.url)
    done = command("2", *where)
    assert done.exit_code == 0, done.output
    assert "credit-scoring version 2" in done.stdout
    lines = done.stdout.splitlines()
    starts = [line[1:].split("  ")[0] for line in lines if line.startswith(" ")]
    named = [start for start in starts if start and not start.startswith("─")]
    assert named == ["step", *STEPS]
    for word in (sample.digest, "challenger 1, champion 2", "n_estimators 60", "version 1,"):
        # A digest goes on in the next line of its column.
        assert "".join(word.split()) in "".join(done.stdout.split())
    plain = json.loads(command("2", *where, "--json").stdout)
    assert (plain["model"], plain["version"]) == ("credit-scoring", "2")
    assert [step["step"] for step in plain["steps"]] == STEPS
    assert plain == lineage_of(registry, "2", decisions).values()


def test_a_version_that_is_not_there_ends_with_status_1(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"no version '9'"):
        lineage_of(registry, "9")
    where = ("--mlruns", registry.folder, "--database", f"sqlite:///{tmp_path / 'none.db'}")
    for word in ("9", "latest"):
        done = command(word, *where)
        assert done.exit_code == 1
        assert f"no version '{word}'" in done.stderr
        assert "python -m scoring models lists" in done.stderr
