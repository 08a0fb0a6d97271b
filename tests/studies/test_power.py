"""The rules on simulated windows: silent on resamples, and how soon they see each change."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from typer.testing import CliRunner

from scoring.data.dataset import Dataset
from scoring.evaluation.metrics import figures
from scoring.monitoring.rules import OUTCOME_RULES
from scoring.monitoring.thresholds import Limit, Thresholds
from scoring.serving.costs import Costs
from scoring.serving.profiles import Profile
from scoring.serving.scorer import Scorer
from studies.__main__ import app
from studies.power.power import (
    Change,
    ConceptShift,
    CovariateShift,
    FadedLink,
    LabelShift,
    LostValues,
    NoChange,
    Population,
    PowerError,
    World,
    applicants_needed,
    detections,
    power,
    profile_of,
    scored,
    usual_changes,
)
from studies.power.report import Study, power_curves, sentences, write
from tests.helpers.serving import ROOT

Floats = npt.NDArray[np.float64]

LEVELS = ("red", "green", "blue")
NUMBERS = [f"number_{i}" for i in range(10)]
FEATURES = {**dict.fromkeys(NUMBERS, ()), "owner": (), "colour": LEVELS}
WEIGHTS = np.array([0.8, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.0, 0.0, 0.0, -0.5, 0.2])
WINDOWS = 200


def _drawn(seed: int, size: int) -> Floats:
    rng = np.random.default_rng(seed)
    matrix = np.column_stack(
        [rng.normal(size=(size, 10)), rng.random(size) < 0.3, rng.integers(0, 3, size)]
    )
    matrix[:, 1:4][rng.random((size, 3)) < 0.2] = np.nan
    return matrix


def _population(matrix: Floats, seed: int) -> Population:
    """What a model that knows the truth makes of applicants, and what came of them."""
    contributions = np.nan_to_num(matrix) * WEIGHTS
    pds = 1.0 / (1.0 + np.exp(2.9 - contributions.sum(axis=1)))
    decisions = np.where(pds > 0.1, "refuse", np.where(pds > 0.08, "refer", "accept"))
    names = np.array(list(FEATURES))
    reasons = np.empty(pds.size, dtype=object)
    reasons[:] = [tuple(names[row]) for row in np.argsort(-contributions, axis=1)[:, :2]]
    defaulted = np.random.default_rng(seed).random(pds.size) < pds
    return Population(matrix, pds, decisions, reasons, defaulted)


@pytest.fixture(scope="module")
def reference() -> Profile:
    before = _population(_drawn(0, 8000), 10)
    made = Profile.of_training(FEATURES, before.matrix, before.pds, before.decisions.tolist())
    return made.explained_by(before.reasons.tolist(), np.nan_to_num(before.matrix) * WEIGHTS)


def _promised(size: int, seed: int) -> dict[str, float]:
    """What was measured at a training, of those who were not refused."""
    seen = _population(_drawn(seed, size), seed + 1)
    kept = seen.decisions != "refuse"
    target, pds = seen.defaulted[kept], seen.pds[kept]
    counts = {"applicants": target.size, "defaults": int(target.sum())}
    return figures(target, pds, 1.0, Costs()) | counts


@pytest.fixture(scope="module")
def world(reference: Profile) -> World:
    others = _population(_drawn(1, 20_000), 11)
    return World(reference, others, Costs(), Thresholds(), _promised(8_000, 12))


@pytest.fixture(scope="module")
def without(world: World) -> Population:
    """The same applicants without the first feature, scored so."""
    matrix = world.population.matrix.copy()
    matrix[:, 0] = np.nan
    found = _population(matrix, 11)
    return Population(
        found.matrix, found.pds, found.decisions, found.reasons, world.population.defaulted
    )


@pytest.mark.parametrize("size", [200, 1000, 5000])
def test_less_than_a_twentieth_of_the_resamples_has_an_alert(world: World, size: int) -> None:
    found = detections(world, NoChange(), size, WINDOWS, seed=1)
    assert sum(map(bool, found)) < 0.05 * WINDOWS


def test_a_promise_of_few_applicants_raises_no_false_alarm(world: World) -> None:
    """Taken for exact, as if of very many, it would."""
    alarms = Counter[str]()
    for seed in range(30, 70):
        promised = _promised(500, seed)
        exact = {**promised, "applicants": 1e9, "defaults": 1e8}
        for name, own in {"as it is": promised, "exact": exact}.items():
            found = detections(replace(world, promised=own), NoChange(), 3_000, 5, seed)
            alarms[name] += sum(bool(OUTCOME_RULES & set(rules)) for rules in found)
    assert alarms["as it is"] < 0.05 * 200 < alarms["exact"]


def _share(world: World, change: Change, size: int, rules: set[str]) -> float:
    """Of the windows, those with an alert by one of the rules that ought to see the change."""
    found = detections(world, change, size, WINDOWS, seed=2)
    return sum(bool(rules & set(some)) for some in found) / WINDOWS


def test_a_covariate_shift_is_seen_within_500_applicants(world: World) -> None:
    rules = {"feature_drift", "pd_drift", "decision_mix", "weighted_drift"}
    assert _share(world, CovariateShift(0, 0.5), 500, rules) >= 0.95


def test_lost_values_are_seen_within_200_applicants(world: World, without: Population) -> None:
    assert _share(world, LostValues(without, 0.3), 200, {"missingness"}) >= 0.95


def test_a_label_shift_is_seen_within_2000_applicants(world: World) -> None:
    assert _share(world, LabelShift(2.0), 2000, {"calibration", "cost", "pd_drift"}) >= 0.95


def test_a_concept_shift_is_seen_within_2000_applicants(world: World) -> None:
    assert _share(world, ConceptShift(2.0), 2000, {"calibration", "cost"}) >= 0.95


def test_a_faded_link_is_seen_within_3000_applicants(world: World) -> None:
    assert _share(world, FadedLink(0.9), 3000, {"auc"}) >= 0.95


def test_a_concept_shift_leaves_the_applicants_as_they_were(world: World) -> None:
    rules = Counter(
        rule for some in detections(world, ConceptShift(2.0), 2000, 50) for rule in some
    )
    assert set(rules) <= {"calibration", "cost", "auc"}


def test_changes_do_what_they_say(world: World, without: Population) -> None:
    rng = np.random.default_rng(3)
    old, size = world.population, 20_000
    tilted = CovariateShift(0, 0.5).window(old, size, rng)
    assert tilted.matrix[:, 0].mean() == pytest.approx(-0.5, abs=0.05)
    assert tilted.defaulted.mean() == pytest.approx(tilted.pds.mean(), rel=0.1)
    lost = LostValues(without, 0.3).window(old, size, rng)
    assert np.isnan(lost.matrix[:, 0]).mean() == pytest.approx(0.3, abs=0.02)
    shifted = LabelShift(2.0).window(old, size, rng)
    odds = shifted.defaulted.mean() / (1 - shifted.defaulted.mean())
    assert odds == pytest.approx(2 * old.defaulted.mean() / (1 - old.defaulted.mean()), rel=0.1)
    same = shifted.pds[shifted.defaulted].mean()
    assert same == pytest.approx(old.pds[old.defaulted].mean(), rel=0.05)
    worse = ConceptShift(2.0).window(old, size, rng)
    raised = 2 * worse.pds / (1 + worse.pds)
    assert worse.defaulted.mean() == pytest.approx(raised.mean(), rel=0.05)
    faded = FadedLink(1.0).window(old, size, rng)
    assert faded.defaulted.mean() == pytest.approx(old.defaulted.mean(), rel=0.1)
    assert faded.pds[faded.defaulted].mean() == pytest.approx(old.pds.mean(), rel=0.05)


def test_the_table_is_the_same_for_the_same_seed_and_in_several_processes(world: World) -> None:
    changes = (NoChange(), CovariateShift(0, 1.0))
    alone = power(world, changes, (200, 400), windows=8, seed=4)
    done: list[tuple[str, int, int | None]] = []
    together = power(
        world, changes, (200, 400), 8, 4, processes=2, progress=lambda *stage: done.append(stage)
    )
    assert alone.equals(together)
    assert done == [("changes", 1, 2), ("changes", 2, 2)]
    seen = alone.filter(kind="covariate shift")
    # Once every window is detected, larger ones are left out.
    assert seen["applicants"].to_list() == [200]
    assert seen["detected"].to_list() == [1.0]


def test_thresholds_decide_what_is_detected(world: World) -> None:
    never = Limit(np.inf, np.inf)
    deaf = Thresholds(
        weighted_psi=never, pd_psi=never, column_psi=never, decisions=never, reasons=never,
        missing=never, auc_loss=never, cost_rise=never, calibration=never, outside=never,
    )  # fmt: skip
    world = replace(world, thresholds=deaf)
    assert not any(detections(world, CovariateShift(0, 1.0), 1000, 10))


TABLE = pl.DataFrame(
    [
        ("none", "resample", 100, 0.0, None),
        ("none", "resample", 200, 0.02, "auc"),
        ("label shift", "x 2", 100, 0.96, "cost"),
        ("label shift", "x 2", 200, 0.5, "cost"),
        ("label shift", "x 2", 500, 0.97, "cost"),
        ("label shift", "x 2", 1000, 0.99, "calibration"),
        ("label shift", "x 1", 1000, 0.1, None),
    ],
    schema=["kind", "strength", "applicants", "detected", "rule"],
    orient="row",
).with_columns(windows=pl.lit(200), low=pl.col("detected") / 2, high=(pl.col("detected") + 1) / 2)


def test_the_number_needed_is_enough_at_every_larger_size_too() -> None:
    assert applicants_needed(TABLE).rows() == [
        ("label shift", "x 2", 500, "cost"),
        ("label shift", "x 1", None, None),
    ]
    assert applicants_needed(TABLE, 0.4)["applicants"].to_list() == [100, None]


def test_the_report_says_what_came_out_and_loads_nothing(tmp_path: Path) -> None:
    study = Study("credit <scoring> version 1", 20_000, TABLE)
    write(study, tmp_path / "reports")
    assert sorted(one.name for one in (tmp_path / "reports").iterdir()) == [
        "index.html", "power.html", "power.json", "power.png",
    ]  # fmt: skip
    page = (tmp_path / "reports" / "power.html").read_text(encoding="utf-8")
    assert "credit &lt;scoring&gt; version 1" in page
    assert all(one in page for one in sentences(study))
    assert "http" not in page
    figures = json.loads((tmp_path / "reports" / "power.json").read_text(encoding="utf-8"))
    assert figures["table"] == TABLE.to_dicts()
    assert figures["needed"][0]["applicants"] == 500
    told = sentences(study)
    assert "4 of 400 windows" in told[0]
    assert "from 500 applicants" in told[1]
    assert "not in 95%" in told[2]


def test_the_figures_that_are_quoted_are_those_of_the_report() -> None:
    """What docs/monitoring.md says of false alarms and detection is in reports/power.json."""
    report = json.loads((ROOT / "reports" / "power.json").read_text("utf-8"))
    words = " ".join((ROOT / "docs" / "monitoring.md").read_text("utf-8").split())
    quiet = [row for row in report["table"] if row["kind"] == "none"]
    windows = sum(row["windows"] for row in quiet)
    share = sum(row["detected"] * row["windows"] for row in quiet) / windows
    most = max(row["detected"] for row in quiet)
    assert share < 0.05
    assert (
        f"In {windows:,} simulated windows without a change {share:.1%} had an alert, "
        f"at most {most:.1%} of those of one size." in words
    )
    needed = {(row["kind"], row["strength"]): row["applicants"] for row in report["needed"]}
    for quoted, kinds in {
        "applicants on if the mean of the leading feature moves by half": (
            ("covariate shift", "0.5 sd of one feature"), ("missingness", "20% of one feature"),
        ),
        "if the odds of default double": (
            ("label shift", "odds of default x 2"), ("concept shift", "odds at equal features x 2"),
        ),
        "if they rise by half": (
            ("label shift", "odds of default x 1.5"),
            ("concept shift", "odds at equal features x 1.5"),
        ),
    }.items():  # fmt: skip
        assert f"from {max(needed[kind] for kind in kinds):,} {quoted}" in words


def test_the_plot_has_a_panel_a_kind() -> None:
    panels = [axis for axis in power_curves(TABLE, 0.95).axes if axis.get_visible()]
    assert [axis.get_title() for axis in panels] == ["No change", "Label shift"]


def test_every_usual_change_can_be_made_of_a_real_model(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    features = sample_features.head(300)
    population = scored(scorer, features, np.arange(300) % 10 == 0)
    assert scorer.profile is not None
    world = World.of(scorer, population)
    assert world.promised == scorer.lineage["promised"]["not_refused"]
    kinds = Counter(one.kind for one in usual_changes(scorer, population, features))
    assert kinds["none"] == 1
    assert set(kinds) == {
        "none", "covariate shift", "missingness", "label shift", "concept shift", "faded link",
    }  # fmt: skip
    lost = next(
        one for one in usual_changes(scorer, population, features) if one.kind == "missingness"
    )
    window = lost.window(population, 300, np.random.default_rng(0))
    missing = np.isnan(window.matrix).mean(axis=0) - np.isnan(population.matrix).mean(axis=0)
    assert missing.max() > 0.05
    current = world.findings(population).comparison
    assert current is not None
    assert current.applicants[1] == 300


def test_a_model_without_a_profile_is_refused(scorer: Scorer) -> None:
    with pytest.raises(PowerError, match="carries no profile"):
        profile_of(replace(scorer, profile=None))


def test_a_model_without_promises_is_refused(scorer: Scorer, world: World) -> None:
    with pytest.raises(PowerError, match="carries no promises"):
        World.of(replace(scorer, lineage={}), world.population)


def test_the_command_writes_the_report(small_model: Path, sample: Dataset, tmp_path: Path) -> None:
    never = {f"ALERT_AT_{name}": "inf,inf" for name in ("WEIGHTED_PSI", "REASONS", "DECISIONS")}
    done = CliRunner().invoke(
        app,
        [
            "power", "--model", str(small_model), "--data", str(sample.folder), "--windows", "1",
            "--processes", "1", "--sizes", "150", "--out", str(tmp_path),
        ],
        env=never,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Nothing has changed" in done.output
    assert (tmp_path / "power.html").is_file()
