"""From a registered challenger to the champion and back, with real models, rows and MLflow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.data.dataset import Dataset
from scoring.data.tables import HOME_CREDIT
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import HOLDOUT_RULE, Examples, is_held_out
from scoring.modelling.fit import fit_scorer
from scoring.modelling.validation import cross_validate
from scoring.registry import approval
from scoring.registry.gates import Margins
from scoring.registry.holdout import held_out_rows, unseen
from scoring.registry.holdout_uses import HoldoutUses
from scoring.registry.mlflow_registry import (
    CHALLENGER,
    MODEL_NAME,
    PromotionRefusedError,
    Registry,
    RegistryError,
)
from scoring.registry.recutting import register_recut
from scoring.reports.card.fields import NOT_APPROVED
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer
from tests.helpers import hostile
from tests.helpers.cards import filled_card

# Of the few who are held out some groups are very small, and every figure is uncertain.
FEW = Margins(auc=0.1, business_cost=0.3, brier=0.1, ece=0.1)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    before = mlflow.get_tracking_uri()
    yield Registry(tmp_path_factory.mktemp("mlruns"))
    mlflow.set_tracking_uri(before)


@pytest.fixture
def registry(opened: Registry) -> Iterator[Registry]:
    """A store without models; to make another database would take seconds a test."""
    yield opened
    (opened.folder / "holdout_uses.db").unlink(missing_ok=True)
    if opened.versions():
        opened.client.delete_registered_model(MODEL_NAME)
        shutil.rmtree(opened.folder / "artifacts")


@pytest.fixture(scope="module")
def model(sample_examples: Examples) -> Scorer:
    """A model that has learnt from none of those held out."""
    development, _ = sample_examples.holdout()
    validation = cross_validate(
        Candidate.of("trees", n_estimators=40), development, Costs(), folds=2
    )
    record = {"training": {"holdout": HOLDOUT_RULE, "source": "synthetic"}}
    return fit_scorer(validation, development, MODEL_NAME, record)


def registered(registry: Registry, model: Scorer, with_card: bool = True) -> str:
    with registry.run("test", {}):
        registry.log({"holdout_auc": 0.7})
        version = registry.register(model).version
    if with_card:
        approval.keep_card(registry, filled_card(version=version))
    return version


def test_only_those_held_out_are_scored_and_as_in_any_batch(
    sample: Dataset, sample_features: pl.DataFrame, model: Scorer
) -> None:
    held_out, own = unseen(held_out_rows(sample))
    pds, again = model.predict(own), model.predict(own)
    known = sample.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    expected = known.filter(is_held_out(known["SK_ID_CURR"]))
    features = expected.join(
        sample_features, on="SK_ID_CURR", how="left", maintain_order="left"
    ).drop("TARGET")
    assert held_out.target.tolist() == expected["TARGET"].to_list()
    assert pds.tobytes() == again.tobytes() == model.predict(features).tobytes()
    assert held_out.groups.columns == ["sex", "age"]
    assert held_out.groups.height == pds.size
    assert held_out.rule == HOLDOUT_RULE


def test_a_challenger_becomes_the_champion_with_its_card_and_its_export(
    registry: Registry, sample: Dataset, model: Scorer, tmp_path: Path
) -> None:
    export, reports = tmp_path / "champion", tmp_path / "reports"
    version = registered(registry, model)
    verdict = approval.judged(registry, sample, margins=FEW)
    assert (verdict.challenger, verdict.champion) == (version, None)
    assert registry.champion() is None
    event = approval.promote(registry, verdict, "ana", "the first", export=export, reports=reports)
    assert Scorer.load(export).version == registry.champion() == event.version == version
    card = approval.kept_card(registry, version)
    assert card is not None
    assert (card.approval.by, card.approval.why, card.approval.at) == ("ana", "the first", event.at)
    assert card.approval.verdict == "every gate passed"
    assert len(card.approval.gates) == len(verdict.gates)
    text = (reports / "model_card.md").read_text()
    assert NOT_APPROVED not in text
    assert "the first" in text
    assert "the first" in (reports / "model_card.html").read_text()
    assert registry.attached(version, "model_card.md") == text
    assert "Nobody yet" not in text
    assert sorted(path.name for path in reports.iterdir()) == [
        "index.html", "model_card.html", "model_card.json", "model_card.md",
    ]  # fmt: skip
    assert 'href="model_card.html"' in (reports / "index.html").read_text()


def test_a_demonstration_keeps_back_no_model_of_real_applicants(
    registry: Registry, sample: Dataset, model: Scorer
) -> None:
    registered(registry, model)
    approval.promote(registry, approval.judged(registry, sample, margins=FEW), "ana", "the first")
    record = {"training": {"holdout": HOLDOUT_RULE, "source": HOME_CREDIT}}
    registered(registry, replace(model, lineage=record))
    verdict = approval.judged(registry, sample, margins=FEW)
    assert verdict.passed
    assert "AUC against the champion" not in verdict.summary()
    approval.promote(registry, verdict, "ana", "of real applicants")
    # The other way about there is a comparison, as between any two.
    registered(registry, model)
    assert "AUC against the champion" in approval.judged(registry, sample, margins=FEW).summary()


def test_other_costs_make_a_challenger_with_the_same_pds_and_another_cutoff(
    registry: Registry, sample: Dataset, model: Scorer
) -> None:
    first = registered(registry, model)
    with pytest.raises(RegistryError):
        register_recut(registry, sample, Costs(4.0), "2026-11-28")
    made = register_recut(registry, sample, Costs(4.0), "2026-11-28", first)
    assert registry.version_of(CHALLENGER) == made.version != first
    assert registry.load(made.version) == made
    assert (made.cutoff, made.costs, made.model) == (0.2, Costs(4.0), model.model)
    low, high = made.refer_band
    assert low < 0.2 < high
    assert made.calibration == model.calibration
    training = made.lineage["training"]
    assert (training["cost_false_negative"], training["holdout"]) == (4.0, HOLDOUT_RULE)
    assert made.lineage["recut_of"] == first
    before, after = model.profile, made.profile
    assert before is not None
    assert after is not None
    assert after.decisions.get("refuse", 0) < before.decisions["refuse"]
    assert after.columns == before.columns
    card = approval.kept_card(registry, made.version)
    assert card is not None
    assert (card.deciding.cutoff, card.identity.version) == (0.2, made.version)
    assert card.method == filled_card(version=first).method
    verdict = approval.judged(registry, sample, margins=FEW)
    assert verdict.challenger == made.version
    assert not [gate.name for gate in verdict.refused_by() if gate.name != "fairness"]


def test_every_look_at_the_hold_out_counts_until_a_fresh_one_is_asked_for(
    registry: Registry, sample: Dataset, model: Scorer
) -> None:
    """Of newer outcomes it is made where there are any: those who were not looked at."""
    margins = replace(FEW, uses=3, enough_defaults=1, suspect_auc=1.0)
    first = registered(registry, model)
    everybody = unseen(held_out_rows(sample)).held_out.applicants
    uses = HoldoutUses(registry.folder)
    uses.look(everybody[: len(everybody) // 2], "another model")
    made = register_recut(registry, sample, Costs(4.0), "2026-11-28", first)
    card = approval.kept_card(registry, made.version)
    assert card is not None
    assert card.data.looked_at == 1
    assert "| Other models measured on them before | 1 |" in approval.markdown(card)
    verdict = approval.judged(registry, sample, margins=margins)
    # A model's own training does not count against it, nor does judging it again.
    assert verdict.summary()["fresh hold-out"] == [True, 1.0, 3.0]
    assert approval.judged(registry, sample, margins=margins).gates == verdict.gates
    assert verdict.applicants == len(everybody)
    # Half of them have been looked at with three other models by now, the others with two.
    uses.look(everybody, "a second one")
    uses.look(everybody, "a third one")
    verdict = approval.judged(registry, sample, margins=margins)
    assert verdict.summary()["fresh hold-out"] == [True, 2.0, 3.0]
    assert verdict.applicants == len(everybody) - len(everybody) // 2
    uses.look(everybody, "a fourth one")
    verdict = approval.judged(registry, sample, margins=margins)
    assert verdict.applicants == len(everybody)
    assert [gate.name for gate in verdict.refused_by()] == ["fresh hold-out"]
    assert verdict.refused_by(force=True) == []


def test_a_challenger_is_held_against_the_champions_before_too(
    registry: Registry, sample: Dataset, model: Scorer
) -> None:
    registered(registry, model)
    approval.promote(registry, approval.judged(registry, sample, margins=FEW), "ana", "the first")
    worse = registered(registry, hostile.backwards(model))
    verdict = approval.judged(registry, sample, margins=FEW)
    assert not [name for name in verdict.summary() if "best champion" in name]
    approval.promote(registry, verdict, "ana", "a mistake", force=True)
    registered(registry, hostile.backwards(model))
    verdict = approval.judged(registry, sample, margins=FEW)
    assert verdict.champion == worse
    names = {gate.name for gate in verdict.refused_by()}
    assert "AUC against the champion" not in names
    assert "AUC against the best champion" in names
    # What decides by other costs aims at something else.
    registered(registry, replace(hostile.backwards(model), costs=Costs(4.0)))
    verdict = approval.judged(registry, sample, margins=FEW)
    assert not [name for name in verdict.summary() if "best champion" in name]


def test_a_worse_challenger_is_refused_forced_and_rolled_back(
    registry: Registry, sample: Dataset, model: Scorer, tmp_path: Path
) -> None:
    export, reports = tmp_path / "champion", tmp_path / "reports"
    first = registered(registry, model)
    approval.promote(
        registry, approval.judged(registry, sample, margins=FEW), "ana", "the first", export=export
    )
    calibration = replace(model.calibration, intercept=-5.0)
    second = registered(registry, replace(hostile.backwards(model), calibration=calibration))
    verdict = approval.judged(registry, sample, margins=FEW)
    assert verdict.champion == first
    with pytest.raises(PromotionRefusedError, match="The AUC differs by"):
        approval.promote(registry, verdict, "ana", "a mistake", export=export, reports=reports)
    assert Scorer.load(export).version == registry.champion() == first
    assert not reports.exists()
    approval.promote(
        registry, verdict, "ana", "an emergency", force=True, export=export, reports=reports
    )
    assert Scorer.load(export).version == second
    card = approval.kept_card(registry, second)
    assert card is not None
    assert "forced past: " in card.approval.verdict
    assert "AUC against the champion" in card.approval.verdict
    forced = [said for said in card.approval.gates if ": Refused, and overridden. " in said]
    assert [said.partition(": ")[0] for said in forced] == [
        gate.name for gate in verdict.refused_by()
    ]
    event = approval.rollback(registry, "ben", "it was one", export=export, reports=reports)
    assert (event.version, event.previous) == (first, second)
    assert Scorer.load(export).version == registry.champion() == first
    text = (reports / "model_card.md").read_text()
    assert f"put back in the place of version {second}" in text
    assert "ben" in text
    assert [item.forced for item in registry.history()] == [False, True, False]


def test_a_challenger_without_a_card_is_refused(
    registry: Registry, sample: Dataset, model: Scorer, tmp_path: Path
) -> None:
    version = registered(registry, model, with_card=False)
    verdict = approval.judged(registry, sample, margins=FEW)
    assert [gate.name for gate in verdict.refused_by()] == ["model card"]
    with pytest.raises(RegistryError, match="without a model card"):
        approval.write_kept_card(registry, version, tmp_path)
    approval.promote(registry, verdict, "ana", "an old model", force=True, reports=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_what_cannot_be_judged_is_told(registry: Registry, sample: Dataset, model: Scorer) -> None:
    with pytest.raises(RegistryError, match=CHALLENGER):
        approval.judged(registry, sample)
    version = registered(registry, model)
    with pytest.raises(RegistryError, match=r"no version '7'"):
        approval.judged(registry, sample, "7")
    approval.promote(registry, approval.judged(registry, sample, margins=FEW), "ana", "the first")
    with pytest.raises(RegistryError, match="champion already"):
        approval.judged(registry, sample, version)


def test_a_champion_that_was_tampered_with_is_not_compared_with(
    registry: Registry, sample: Dataset, model: Scorer
) -> None:
    registered(registry, model)
    approval.promote(registry, approval.judged(registry, sample, margins=FEW), "ana", "the first")
    registered(registry, model)
    trees = (registry.folder / "artifacts").rglob("model.txt")
    champion = next(path for path in trees if Scorer.load(path.parent).version == "1")
    champion.write_text(champion.read_text() + "\n")
    verdict = approval.judged(registry, sample, margins=FEW)
    assert [gate.name for gate in verdict.refused_by()] == ["held out"]
    assert any(r"model.txt" in gate.sentence for gate in verdict.gates)


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_commands_promote_list_roll_back_and_write_the_card(
    registry: Registry, sample: Dataset, model: Scorer, tmp_path: Path
) -> None:
    folders = (
        "--mlruns", registry.folder, "--export", tmp_path / "champion", "--reports", tmp_path / "r",
    )  # fmt: skip
    who = ("--by", "ana", "--why", "the [first] one")
    challenger = tmp_path / "challenger"
    for version in ("1", "2"):
        registered(registry, model)
        where = ("--alias", "challenger", "--out", challenger, "--mlruns", registry.folder)
        done = command("export", *where)
        assert done.exit_code == 0, done.output
        assert Scorer.load(challenger).version == version
        done = command("promote", "--data", sample.folder, *who, *folders)
        assert done.exit_code == 0, done.output
        assert "model card" in done.stdout
        assert not challenger.exists()
    assert "version 2 is the champion" in done.stdout
    assert Scorer.load(tmp_path / "champion").version == "2"
    done = command("rollback", "--by", "ben", "--why", "complaints", *folders)
    assert done.exit_code == 0, done.output
    assert "version 1 is the champion again" in done.stdout
    assert Scorer.load(tmp_path / "champion").version == "1"
    listed = command("models", "--mlruns", registry.folder).stdout
    for word in ("champion", "0.7000", "synthetic", "complaints", "the [first] one", "rollback"):
        assert word in listed
    done = command(
        "card", "--mlruns", registry.folder, "--version", "2", "--reports", tmp_path / "c"
    )
    assert done.exit_code == 0, done.output
    assert "version 2" in (tmp_path / "c" / "model_card.md").read_text()


def test_a_refusal_ends_with_status_1_and_says_why(
    registry: Registry, sample: Dataset, model: Scorer, tmp_path: Path
) -> None:
    who = (
        "--by",
        "ana",
        "--why",
        "a test",
        "--mlruns",
        registry.folder,
        "--export",
        tmp_path / "x",
    )
    command_line = ("promote", "--data", sample.folder, *who, "--reports", tmp_path / "r")
    done = command(*command_line)
    assert done.exit_code == 1
    assert "no model 'credit-scoring' with the alias 'challenger'" in done.stderr
    registered(registry, model, with_card=False)
    done = command(*command_line)
    assert done.exit_code == 1
    assert "refused" in done.stdout
    assert "version 1 is not promoted: No model card" in done.stderr
    assert "Traceback" not in done.output
    assert list(tmp_path.glob("[xr]")) == []
    assert registry.champion() is None
    assert command(*command_line, "--force").exit_code == 0
    assert registry.history()[-1].forced
