"""Drift: what was injected is found and named, chance is not; the report opens offline."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scoring.data.dataset import Dataset, DatasetWriter
from scoring.evaluation.comparison import Limits
from scoring.features import build_features
from scoring.files import FilesError
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer, lineage
from scoring.modelling.validation import cross_validate
from scoring.monitoring import drift
from scoring.monitoring.drift import HISTORIES, Checks, DriftError, Study
from scoring.reports.plots import column_text
from scoring.serving.costs import Costs
from scoring.serving.profiles import PD
from scoring.serving.scorer import Scorer
from tests.helpers.notebooks import evidently_checks

NOBODY = pl.DataFrame(schema={"SK_ID_CURR": pl.Int32, PD: pl.Float64})
LIMITS = Limits()
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def scored(sample_features: pl.DataFrame, scorer: Scorer, sample: Dataset) -> pl.DataFrame:
    """The applicants with an outcome, each with the PD that the model gives."""
    known = drift.populations(sample, sample_features)[0]
    return drift.with_outcomes(drift.with_pd(known, scorer, NOBODY), sample)


@pytest.fixture(scope="module")
def resample(scored: pl.DataFrame) -> pl.DataFrame:
    return scored.sample(2_000, with_replacement=True, seed=2)


@pytest.fixture(scope="module")
def calm(scored: pl.DataFrame, resample: pl.DataFrame, scorer: Scorer) -> Study:
    return drift.study(scored, resample, scorer, top=5)


@pytest.fixture(scope="module")
def calm_checks(calm: Study) -> Checks:
    return evidently_checks(calm)


@pytest.fixture(scope="module")
def storm(scored: pl.DataFrame, resample: pl.DataFrame, scorer: Scorer) -> Study:
    """Credits doubled, jobs unknown for a third, a score all gone, PDs doubled, no outcomes."""
    unknown = pl.int_range(pl.len()) % 3 == 0
    current = resample.drop("TARGET").with_columns(
        pl.col("AMT_CREDIT") * 2,
        pl.lit(None, pl.Float32).alias("EXT_SOURCE_2"),
        pl.when(~unknown).then("DAYS_EMPLOYED").alias("DAYS_EMPLOYED"),
        pl.lit("Lower secondary")
        .cast(scored.schema["NAME_EDUCATION_TYPE"])
        .alias("NAME_EDUCATION_TYPE"),
        (pl.col(PD) * 2).clip(0, 1),
    )
    return drift.study(scored, current, scorer, top=5)


@pytest.fixture(scope="module")
def storm_checks(storm: Study) -> Checks:
    return evidently_checks(storm)


@pytest.fixture(scope="module")
def storm_report(
    storm: Study, storm_checks: Checks, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    html = tmp_path_factory.mktemp("storm") / "reports" / "drift.html"
    drift.save(storm, storm_checks, html)
    return html


def row(found: Study, column: str) -> dict[str, float | str]:
    return found.comparison.columns.row(by_predicate=pl.col("column") == column, named=True)


# What is found.


def test_every_column_of_the_model_and_every_history_is_compared(
    calm: Study, scorer: Scorer
) -> None:
    names = {feature.name for feature in scorer.features}
    assert set(calm.comparison.columns["column"]) == names | set(HISTORIES.values()) | {PD}
    assert set(HISTORIES.values()) < set(calm.top)


def test_a_resample_of_the_same_applicants_is_no_drift(calm: Study) -> None:
    assert calm.comparison.drifted.is_empty()
    assert calm.control.drifted.is_empty()
    found = drift.verdict(calm)
    assert (found.drift, found.effect, found.drifted) == (False, "none", 0)


def test_the_control_is_silent_where_the_current_population_storms(storm: Study) -> None:
    assert storm.control.drifted.is_empty()
    assert storm.comparison.drifted.height >= 5


@pytest.mark.parametrize(
    ("column", "method"),
    [
        ("AMT_CREDIT", "Kolmogorov-Smirnov"),
        ("NAME_EDUCATION_TYPE", "chi-square"),
        (PD, "Kolmogorov-Smirnov"),
    ],
)
def test_a_shift_of_values_is_found(column: str, method: str, storm: Study) -> None:
    found = row(storm, column)
    assert found["level"] == "large"
    assert found["method"] == method
    assert found["psi"] >= LIMITS.large_psi


def test_a_shift_of_missingness_alone_is_found(storm: Study) -> None:
    found = row(storm, "DAYS_EMPLOYED")
    assert found["level"] == "large"
    assert found["psi"] < LIMITS.moderate_psi
    assert found["missing_current"] - found["missing_reference"] > LIMITS.large_missing


def test_a_wholly_missing_column_is_found_and_stops_nothing(
    storm: Study, storm_checks: Checks
) -> None:
    found = row(storm, "EXT_SOURCE_2")
    assert found["level"] == "large"
    assert found["missing_current"] == 1.0
    assert "EXT_SOURCE_2" not in set(storm_checks.tests["column"])


def test_importance_is_the_share_of_contributions(calm: Study, scorer: Scorer) -> None:
    shares = calm.before.importance
    assert sum(shares.values()) == pytest.approx(1.0)
    strength = np.abs(scorer.explain(calm.reference).contributions).mean(axis=0)
    strongest = scorer.features[int(strength.argmax())].name
    assert max(shares, key=lambda name: shares[name]) == strongest == calm.top[0]


# What is said of it.


def test_the_conclusion_of_calm_says_no_drift(calm: Study) -> None:
    words = drift.conclusion(calm)
    assert f"0 of {calm.comparison.columns.height} columns changed" in words
    assert "Nowhere" in words
    assert "Nothing. Look again" in words
    assert "Nulle part" in drift.conclusion(calm, "fr")


def test_the_conclusion_of_storm_names_columns_figures_and_what_to_do(storm: Study) -> None:
    words = drift.conclusion(storm)
    accepted = storm.comparison.accepted
    assert f"acceptances go from {accepted.reference:.1%} to {accepted.current:.1%}" in words
    assert "Yes, seriously." in words
    assert "retrain on today's applicants" in words
    most = storm.comparison.drifted["column"][0]
    meaning = column_text(most)
    assert meaning != most
    assert re.search(rf"- {re.escape(meaning)}: PSI \d+\.\d\d", words)
    assert f"{storm.comparison.drifted.height} of" in words


def test_the_french_conclusion_has_the_same_figures(storm: Study) -> None:
    english, french = (drift.conclusion(storm, language) for language in ("en", "fr"))
    assert f"{storm.comparison.weighted_psi:.3f}" in english
    assert f"{storm.comparison.weighted_psi:.3f}".replace(".", ",") in french
    assert "Que faire ?" in french


def test_inputs_that_moved_without_the_decisions_call_for_no_retraining(
    scored: pl.DataFrame, resample: pl.DataFrame, scorer: Scorer
) -> None:
    least = min(
        (feature.name for feature in scorer.features if feature.name.startswith("APARTMENTS")),
    )
    moved = resample.with_columns(pl.col(least) + 10)
    found = drift.study(scored, moved, scorer, top=5)
    assert found.comparison.drifted["column"].to_list() == [least]
    assert drift.verdict(found).effect == "inputs"
    assert "Do not retrain for this reason alone" in drift.conclusion(found)


def test_a_ranking_that_is_lost_matters_though_no_column_moved(
    scored: pl.DataFrame, resample: pl.DataFrame, scorer: Scorer
) -> None:
    turned = resample.with_columns(pl.col("TARGET").shuffle(seed=1))
    found = drift.study(scored, turned, scorer, top=1)
    assert found.comparison.drifted.is_empty()
    assert drift.verdict(found).effect == "serious"
    before, after = found.ranking
    assert before is not None
    assert after is not None
    assert f"AUC {before.value:.3f}" in drift.conclusion(found)
    tests = evidently_checks(found).tests.filter(subject="classification")
    assert tests.filter(~pl.col("passed"))["test"].str.contains("RocAuc").any()


# Evidently's tests.


def test_evidently_passes_calm_and_fails_what_moved(
    calm_checks: Checks, storm_checks: Checks
) -> None:
    assert calm_checks.labelled == "both"
    assert calm_checks.tests["passed"].all()
    assert calm_checks.tests["subject"].unique().sort().to_list() == ["classification", "drift"]
    failed = storm_checks.tests.filter(~pl.col("passed"))
    assert PD in set(failed["column"])
    assert storm_checks.labelled == "reference"


def test_classification_is_that_of_its_definition(calm: Study, calm_checks: Checks) -> None:
    quality = calm_checks.quality
    pds, target = calm.current[PD].to_numpy(), calm.current["TARGET"].to_numpy()
    expected = -np.mean(np.where(target == 1, np.log(pds), np.log1p(-pds)))
    assert quality["LogLoss"] == pytest.approx(expected)
    refused = pds >= calm.scorer.cutoff
    assert quality["Recall"] == pytest.approx(refused[target == 1].mean())


def test_without_any_outcome_there_is_no_classification(storm: Study, scorer: Scorer) -> None:
    blind = drift.study(storm.reference.drop("TARGET"), storm.current, scorer, top=1)
    checks = evidently_checks(blind)
    assert checks.labelled == "neither"
    assert checks.quality == {}
    assert set(checks.tests["subject"]) == {"drift"}


def test_two_hundred_new_applicants_are_enough_to_be_looked_at(
    sample: Dataset, sample_features: pl.DataFrame, scored: pl.DataFrame, scorer: Scorer
) -> None:
    newest = drift.with_pd(drift.populations(sample, sample_features)[1], scorer, NOBODY)
    found = drift.study(scored, drift.with_outcomes(newest, sample), scorer, top=1)
    assert found.comparison.applicants == (800, 200)
    before, after = found.histories["bureau_balance"]
    assert after - before > 0.3
    assert f"{after:.0%} of the current ones have." in drift.conclusion(found)
    assert evidently_checks(found).labelled == "reference"


def test_evidently_says_what_the_verdict_says(
    calm: Study, storm: Study, calm_checks: Checks, storm_checks: Checks
) -> None:
    for study, checks in ((calm, calm_checks), (storm, storm_checks)):
        tests = checks.tests.filter(subject="drift")
        (of_all,) = tests.filter(pl.col("test").str.starts_with("Share of Drifted"))["passed"]
        assert of_all is not drift.verdict(study).drift
        each = tests.filter(pl.col("test").str.starts_with("Value Drift"))
        changed = set(study.comparison.drifted["column"])
        assert set(each.filter(~pl.col("passed"))["column"]) == changed & set(each["column"])
        assert changed <= set(each["column"]) | {"EXT_SOURCE_2"}


# The report.


def test_one_coloured_verdict_stands_on_top_in_both_languages(
    storm_report: Path, storm: Study
) -> None:
    text = storm_report.read_text(encoding="utf-8")
    assert text.count('<div class="verdict ') == 2
    assert text.count('<div class="verdict verdict-serious">') == 2
    _, english, french = text.split("<h1>")
    changed, compared = storm.comparison.drifted.height, storm.comparison.columns.height
    for page, verdict, count in (
        (english, "Serious drift.", f"{changed} of {compared}"),
        (french, "Une dérive grave.", f"{changed} colonnes sur {compared}"),
    ):
        top = page[: page.index("<h2>")]
        assert f"<strong>{verdict}</strong>" in top
        assert count in top


def test_the_conclusion_is_on_the_page_in_both_languages(storm_report: Path) -> None:
    text = storm_report.read_text(encoding="utf-8")
    assert text.index("Is there drift?") < text.index("Y a-t-il une dérive ?")


def test_the_report_is_whole_and_small(storm_report: Path, storm: Study) -> None:
    names = sorted(path.name for path in storm_report.parent.iterdir())
    assert names == ["drift.html", "drift.json"]
    text = storm_report.read_text(encoding="utf-8")
    assert text.rstrip().endswith("</html>")
    assert storm_report.stat().st_size < 6_000_000
    for name in storm.comparison.columns["column"]:
        assert f'<th scope="row">{name}</th>' in text
    assert text.count("window.drawDashboard(") == 3


def test_the_json_holds_the_figures_of_the_page(
    storm_report: Path, storm: Study, storm_checks: Checks
) -> None:
    found = json.loads(storm_report.with_suffix(".json").read_text(encoding="utf-8"))
    assert found["conclusion"]["en"] == drift.conclusion(storm)
    assert found["effect"] == "serious"
    assert len(found["columns"]) == storm.comparison.columns.height
    assert found["metrics"] == drift.metrics(storm, storm_checks)
    assert len(found["evidently"]["drift"]["tests"]) > 0


def test_the_same_study_gives_the_same_figures(calm: Study) -> None:
    again = drift.study(calm.reference, calm.current, calm.scorer, top=5)
    assert again.comparison.columns.equals(calm.comparison.columns)
    assert drift.conclusion(again) == drift.conclusion(calm)


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    storm: Study, storm_checks: Checks, tmp_path: Path
) -> None:
    html = tmp_path / "drift.html"
    html.write_text("the old one")
    html.with_suffix(".json").mkdir()
    (html.with_suffix(".json") / "in the way").touch()
    with pytest.raises(FilesError, match=r"drift\.json is not replaced"):
        drift.save(storm, storm_checks, html)
    assert {path.name for path in tmp_path.iterdir()} == {"drift.html", "drift.json"}
    assert html.read_text() == "the old one"


# Writes down, in a page's body, what it fetched or tried to.
WATCH = """<script>
const forbidden = [];
addEventListener("securitypolicyviolation", (event) => forbidden.push(event.blockedURI));
setInterval(() => {
  const fetched = performance.getEntriesByType("resource").map((entry) => entry.name);
  document.body.dataset.cut = [...document.querySelectorAll(".dashboards .MuiCard-root")].filter(
    (card) => card.getBoundingClientRect().right > innerWidth).length;
  document.body.dataset.outside = [...fetched, ...forbidden].filter(
    (name) => !name.startsWith("data:") && !name.startsWith("blob:")).join(" ");
}, 100);
</script>"""


def shown_offline(html: str, folder: Path) -> str:
    """A page as a browser without network has drawn it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no browser is installed: apt-get install chromium")
    page = folder / "page.html"
    page.write_text(html.replace("<head>", f"<head>{WATCH}", 1), encoding="utf-8")
    return subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--proxy-server=http://127.0.0.1:9", f"--user-data-dir={folder / 'browser'}",
            "--window-size=1300,6000", "--virtual-time-budget=15000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=180,
    ).stdout  # fmt: skip


def test_a_browser_without_network_shows_the_charts(storm_report: Path, tmp_path: Path) -> None:
    shown = shown_offline(storm_report.read_text(encoding="utf-8"), tmp_path)
    drawn = shown[shown.index("<body") :]
    assert drawn.count('class="main-svg"') > 10
    assert len(re.findall(r'<figure role="img"[^>]*><svg ', drawn)) == 6
    assert "Share of Drifted Columns" in drawn
    # Columns have their names in words there.
    panels = drawn[drawn.index('<div class="dashboards">') :]
    assert "Average external score" in panels
    assert "EXT_SOURCE" not in panels
    assert 'data-outside=""' in drawn
    assert 'data-cut="0"' in drawn


def test_a_page_that_asks_outside_would_be_noticed(tmp_path: Path) -> None:
    image = '<html><head></head><body><img src="http://example.org/a.png"></body></html>'
    assert 'data-outside="http://example.org/a.png"' in shown_offline(image, tmp_path)


def test_the_page_forbids_requests(storm_report: Path) -> None:
    head = storm_report.read_text(encoding="utf-8")[:2_000]
    assert "default-src 'none'" in head
    assert "connect-src" not in head
    assert not re.search(r"(script|style|img|font)-src[^;\"]*https?:", head)


# On real rows.


@pytest.fixture(scope="module")
def real(real_dataset: Dataset) -> tuple[Scorer, pl.DataFrame, pl.DataFrame]:
    """A model of the real training applicants; the training and the test applicants."""
    features = build_features(real_dataset.frames()).collect()
    outcomes = real_dataset.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    examples = Examples.of(features, outcomes)
    validation = cross_validate(
        Candidate.of("trees", n_estimators=40), examples, Costs(), folds=3, seed=1
    )
    record = lineage(validation, {"digest": "0" * 64})
    scorer = fit_scorer(validation, examples, "credit-scoring", record, seed=1)
    unseen = pl.DataFrame({"SK_ID_CURR": examples.frame["SK_ID_CURR"], PD: validation.pds})
    reference, current = (
        drift.with_outcomes(drift.with_pd(side, scorer, unseen), real_dataset)
        for side in drift.populations(real_dataset, features)
    )
    return scorer, reference, current


def test_real_test_applicants_have_drifted_in_bureau_balance(
    real: tuple[Scorer, pl.DataFrame, pl.DataFrame],
) -> None:
    scorer, reference, current = real
    found = drift.study(reference, current, scorer)
    words = drift.conclusion(found)
    sentence = "30% of the reference applicants have rows in bureau_balance, 87% of the current"
    assert sentence in words
    assert drift.verdict(found).drift
    assert found.control.drifted.is_empty()


def test_a_random_split_of_real_training_applicants_shows_no_drift(
    real: tuple[Scorer, pl.DataFrame, pl.DataFrame],
) -> None:
    scorer, reference, _ = real
    shuffled = reference.sample(fraction=1.0, shuffle=True, seed=7)
    found = drift.study(shuffled.head(2_500), shuffled.tail(-2_500), scorer, top=3)
    assert drift.verdict(found) == drift.DriftVerdict(False, "none", 0, 0)
    assert "0 of" in drift.conclusion(found)
    assert evidently_checks(found).tests["passed"].all()


# The populations.


def test_training_and_test_applicants_are_told_apart(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    turned = sample_features.sample(fraction=1, shuffle=True, seed=1)
    reference, current = drift.populations(sample, turned)
    assert (reference.height, current.height) == (800, 200)
    tests = sample.frames("test")["application"].collect()["SK_ID_CURR"]
    assert set(current["SK_ID_CURR"]) == set(tests)


def test_outcomes_are_known_of_training_applicants_only(
    sample: Dataset, sample_features: pl.DataFrame, scored: pl.DataFrame
) -> None:
    found = drift.with_outcomes(sample_features, sample)
    assert found["SK_ID_CURR"].equals(sample_features["SK_ID_CURR"])
    assert found["TARGET"].null_count() == 200
    assert not scored["TARGET"].has_nulls()


@pytest.fixture
def without_test(sample: Dataset, tmp_path: Path) -> Dataset:
    writer = DatasetWriter(tmp_path)
    for file in sample.manifest["files"]:
        if file != "application_test.parquet":
            name = file.removesuffix(".parquet")
            writer.write(name, [pl.read_parquet(sample.folder / file)])
    writer.close("train only")
    return Dataset.open(tmp_path)


def test_without_test_applicants_the_newest_are_compared(
    without_test: Dataset, sample_features: pl.DataFrame
) -> None:
    reference, current = drift.populations(without_test, sample_features.head(800))
    assert (reference.height, current.height) == (400, 400)
    assert reference["SK_ID_CURR"].max() < current["SK_ID_CURR"].min()


def test_a_side_without_applicants_is_refused(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    for features in (sample_features.head(800), sample_features.tail(200)):
        with pytest.raises(DriftError, match="too few applicants"):
            drift.populations(sample, features)


def test_the_pd_is_that_of_the_model(
    sample: Dataset, sample_features: pl.DataFrame, scored: pl.DataFrame, scorer: Scorer
) -> None:
    known = drift.populations(sample, sample_features)[0]
    assert np.array_equal(scored[PD].to_numpy(), scorer.predict(known))


def test_the_pd_of_seen_applicants_comes_from_models_that_had_not_seen_them(
    sample_features: pl.DataFrame, scorer: Scorer
) -> None:
    seen = sample_features["SK_ID_CURR"].head(10)
    unseen = pl.DataFrame({"SK_ID_CURR": seen, PD: [0.25] * 10})
    pds = drift.with_pd(sample_features, scorer, unseen)[PD]
    assert pds.head(10).to_list() == [0.25] * 10
    assert np.array_equal(pds[10:].to_numpy(), scorer.predict(sample_features)[10:])


def test_a_history_sign_is_there_for_whoever_has_the_history(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    frames = sample.frames()
    owners = frames["bureau"].select("SK_ID_CURR", "SK_ID_BUREAU")
    for table, sign in HISTORIES.items():
        rows = frames[table]
        if table == "bureau_balance":
            rows = rows.join(owners, on="SK_ID_BUREAU")
        having = set(rows.select("SK_ID_CURR").collect()["SK_ID_CURR"])
        known = sample_features.filter(pl.col(sign).is_not_null())["SK_ID_CURR"]
        assert set(known) == having & set(sample_features["SK_ID_CURR"])
        assert 0 < known.len() < sample_features.height


def test_nothing_is_reported_to_outsiders() -> None:
    assert os.environ["DO_NOT_TRACK"] == "1"
