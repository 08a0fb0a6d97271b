"""A look at what a service recorded: nothing found where all is well, and named what is not."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from scoring.__main__ import app as command_line
from scoring.data.dataset import Dataset
from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.business import realised_cost
from scoring.evaluation.off_policy import Estimates
from scoring.features.vectors import from_bytes, layout, to_bytes
from scoring.features.wording import describe
from scoring.monitoring import page
from scoring.monitoring.findings import Findings
from scoring.monitoring.monitor import MonitorError, look
from scoring.monitoring.performance import estimate, observed_to_expected, performance
from scoring.monitoring.rules import judge
from scoring.serving.costs import Costs
from scoring.serving.materialize import materialize
from scoring.serving.profiles import PD, Profile
from scoring.serving.scorer import Scorer
from scoring.store import Outcome, Review, ReviewCounts, Settled, Store, new_id
from tests.helpers import serving

NOW = datetime.now(UTC)
START, END = NOW - timedelta(days=1), NOW + timedelta(days=1)


@pytest.fixture(scope="module")
def recorded(small_model: Path, sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a service that decided on 200 applicants by number, and on 40 by rows."""
    folder = tmp_path_factory.mktemp("recorded")
    with serving.running_app(serving.settings(small_model, folder)) as app:
        service = app.extensions["service"]
        materialize(sample, service.store)
        rows = sample.frames("train")["application"].select("SK_ID_CURR").collect()
        numbers = rows["SK_ID_CURR"].to_list()
        bodies = [serving.request_of(sample, number) for number in numbers[:40]]
        sent = [*({"SK_ID_CURR": number} for number in numbers[:200]), *bodies]
        answered = app.test_client().post("/predict/batch", json=sent).json
        assert all("prediction" in one for one in answered["results"])
    return folder / "scoring.db"


@pytest.fixture
def store(recorded: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(recorded, tmp_path / "scoring.db")
    found = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    yield found
    found.close()


def change(tmp_path: Path, column: str, value: float) -> None:
    """Let the features of every recorded decision in the test's store have another value."""
    place = layout().names.index(column)
    with sqlite3.connect(tmp_path / "scoring.db") as connection:
        for number, blob in connection.execute("SELECT id, features FROM predictions").fetchall():
            vector = from_bytes(blob).copy()
            vector[place] = value
            update = "UPDATE predictions SET features = ? WHERE id = ?"
            connection.execute(update, (to_bytes(vector), number))


def test_what_is_as_it_was_is_not_told(store: Store) -> None:
    (found,) = look(store, START, END)
    assert found.applicants == 240
    assert found.comparison is not None
    assert found.comparison.weighted_psi < 0.1
    assert "skew" not in {alert.rule for alert in judge(found)}
    assert found.quality.sampled == 240
    assert found.quality.recomputed == 40
    assert found.quality.skewed == {}
    assert found.service.decisions == 240
    assert 0.0 < found.service.median_ms <= found.service.p99_ms
    assert found.service.events["loaded"] >= 1
    assert found.performance is None


def test_pds_decisions_and_reasons_are_those_on_record(store: Store, scorer: Scorer) -> None:
    (found,) = look(store, START, END)
    decisions = list(store.decisions.search())
    assert found.comparison is not None
    assert found.comparison.applicants == (800, 240)
    share = sum(one.decision == "refuse" for one in decisions) / 240
    assert found.comparison.refused.current == pytest.approx(share)
    told = [one["cause"] for row in decisions for one in json.loads(row.reasons)]
    first = found.comparison.reasons.row(0, named=True)
    assert first["current"] == pytest.approx(told.count(first["cause"]) / 240)
    pds = np.array([one.pd for one in decisions])
    row = found.comparison.pd
    assert scorer.profile is not None
    assert row["missing_current"] == 0.0
    assert scorer.profile.columns[PD].counted(pds).applicants == 240


def test_a_sample_is_drawn_where_there_are_more(store: Store) -> None:
    (found,) = look(store, START, END, size=100)
    (again,) = look(store, START, END, size=100)
    assert found.quality.sampled == 100
    assert found.applicants == 240
    assert found.comparison is not None
    assert again.comparison is not None
    assert found.comparison.columns.equals(again.comparison.columns)
    # The PDs are those of all.
    assert found.comparison.applicants[1] == 240


def test_features_that_serving_computed_otherwise_are_found(store: Store, tmp_path: Path) -> None:
    change(tmp_path, "AMT_CREDIT", 1.0)
    (found,) = look(store, START, END)
    assert found.quality.skewed == {"AMT_CREDIT": 40}
    assert found.quality.outside["AMT_CREDIT"] == 1.0
    skew = [alert for alert in judge(found) if alert.rule == "skew"]
    assert [alert.severity for alert in skew] == ["critical"]
    assert found.comparison is not None
    assert found.comparison.drifted.row(0, named=True)["column"] == "AMT_CREDIT"


def test_values_that_do_not_arrive_are_found(store: Store, tmp_path: Path) -> None:
    change(tmp_path, "AMT_ANNUITY", math.nan)
    (found,) = look(store, START, END)
    assert found.comparison is not None
    row = found.comparison.columns.row(by_predicate=pl.col("column") == "AMT_ANNUITY", named=True)
    assert row["missing_current"] == 1.0
    assert row["level"] == "large"
    assert "<td>large, by missing values</td>" in page.html([found], [])
    (alert,) = [one for one in judge(found) if one.rule == "missingness"]
    assert f"{describe('AMT_ANNUITY')} (missing more often, by 100.0 points)" in alert.message


def test_categories_that_the_model_does_not_know_are_found(
    store: Store, scorer: Scorer, tmp_path: Path
) -> None:
    name = "NAME_INCOME_TYPE"
    (feature,) = (one for one in scorer.features if one.name == name)
    lacking = replace(feature, levels=feature.levels[:1])
    features = tuple(lacking if one.name == name else one for one in scorer.features)
    # Another model of the same name: the store is made to believe that it answered.
    folder = tmp_path / "other"
    model = replace(scorer.model, features=features)
    replace(scorer, model=model, profile=_without(scorer, name, lacking.levels)).save(folder)
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    store.models.archive(digest, "credit-scoring", "7", folder)
    with sqlite3.connect(tmp_path / "scoring.db") as connection:
        connection.execute("UPDATE predictions SET model_digest = ?", (digest,))
    (found,) = look(store, START, END)
    assert found.quality.unknown_categories.keys() == {name}
    assert 0.1 < found.quality.unknown_categories[name] <= 1.0


def test_what_was_not_understood_is_counted_by_column(store: Store, tmp_path: Path) -> None:
    pointers = ["/application/FLAG_OWN_CAR", "/bureau/0/CREDIT_TYPE", "/bureau/3/CREDIT_TYPE"]
    told = [{"pointer": one, "value": "1", "nearest": None, "detail": ""} for one in pointers]
    with sqlite3.connect(tmp_path / "scoring.db") as connection:
        ids = connection.execute("SELECT id FROM predictions ORDER BY id LIMIT 10").fetchall()
        change = "UPDATE predictions SET misunderstood = ? WHERE id = ?"
        connection.executemany(change, [(json.dumps(told), number) for (number,) in ids])
    (found,) = look(store, START, END)
    share = 10 / found.quality.sampled
    assert found.quality.unknown_categories == {"FLAG_OWN_CAR": share, "bureau.CREDIT_TYPE": share}
    assert "unknown_categories" in {alert.rule for alert in judge(found)}


def _without(scorer: Scorer, name: str, levels: tuple[str, ...]) -> Profile:
    assert scorer.profile is not None
    column = scorer.profile.columns[name]
    bins = len(levels)
    fewer = replace(
        column, levels=levels, counts=column.counts[:bins], defaults=column.defaults[:bins]
    )
    return replace(
        scorer.profile,
        columns={**scorer.profile.columns, name: fewer},
        usual={**scorer.profile.usual, name: levels[0]},
    )


def test_a_window_without_decisions_is_silence(store: Store) -> None:
    (found,) = look(store, START - timedelta(days=9), START)
    assert found.applicants == 0
    assert [alert.rule for alert in judge(found)] == ["silence"]
    with pytest.raises(MonitorError, match="before it begins"):
        look(store, END, START)


def test_a_model_that_is_not_kept_is_told(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "scoring.db") as connection:
        connection.execute("DELETE FROM archives")
    (found,) = look(store, START, END)
    assert found.comparison is None
    assert "no profile" in page.html([found], [])


def _with_outcomes(store: Store) -> Findings:
    rng = np.random.default_rng(0)
    store.outcomes.record(
        [
            Outcome(one.applicant, one.id, bool(rng.random() < one.pd), NOW, NOW, "k")
            for one in store.decisions.search()
            if one.decision != "refuse"
        ]
    )
    (found,) = look(store, START, END)
    return found


def test_outcomes_are_held_against_promises_for_those_who_have_any(store: Store) -> None:
    known = _with_outcomes(store).performance
    assert known is not None
    assert known.accepted_only
    assert known.labelled == sum(one.decision != "refuse" for one in store.decisions.search())
    assert known.by_vintage["labelled"].sum() == known.labelled
    assert set(known.figures) == {
        "auc", "ks", "brier", "ece", "business_cost", "observed_to_expected",
    }  # fmt: skip
    for figure in known.figures.values():
        assert figure.low <= figure.value <= figure.high


def test_promises_are_shown_with_their_intervals_and_of_how_many_they_are(store: Store) -> None:
    found = _with_outcomes(store)
    known = found.performance
    assert known is not None
    promised = {"auc": 0.7, "brier": 0.06, "applicants": 5_123, "defaults": 256}
    recent = replace(found, performance=replace(known, promised=promised))
    text = page.html([recent], [], "en")
    assert "measured on 5,123 applicants, 256 of them defaults" in text
    promise = recent.performance.promise("auc") if recent.performance else None
    assert promise is not None
    assert f"<td>0.700 ({promise.low:.3f} to {promise.high:.3f})</td>" in text
    # Calibration promises as many defaults as expected, 1 in 16 more or less.
    assert "<td>1.000 (0.878 to 1.122)</td>" in text
    assert "<td>0.060</td>" in text
    older = replace(found, performance=replace(known, promised={"auc": 0.7}))
    assert "was not kept with this model" in page.html([older], [], "en")
    assert "Ce modèle ne dit pas sur combien" in page.html([older], [], "fr")


def test_the_page_loads_nothing_and_says_all(store: Store) -> None:
    found = _with_outcomes(store)
    alerts = judge(found)
    text = page.html([found], alerts, "en")
    assert not re.search(r"(src|href)\s*=\s*\"(?!#)|@import|url\((?!#)|https?:", text)
    assert len(re.findall(r'<figure role="img"[^>]*><svg ', text)) == 2
    for words in ("Features", "Data quality", "Outcomes", "Promised", "Month of"):
        assert words in text
    french = page.html([found], alerts, "fr")
    for words in ('<html lang="fr">', "Qualité des données", "Mois de décision", "240 décisions."):
        assert words in french
    # What an English page says is not said on a French one.
    english = {*re.findall(r"<(?:h[12]|th[^>]*|caption)>([^<]+)<", text)}
    alike = {"Service", "PSI", "AUC", "KS", "Importance", "Kolmogorov-Smirnov", "p (adjusted)"}
    assert english & {*re.findall(r"<(?:h[12]|th[^>]*|caption)>([^<]+)<", french)} <= alike
    both = page.html([found], alerts)
    assert both.count("<h1>") == 2
    assert 'href="#fr"' in both
    assert '<div class="report" id="fr" lang="fr">' in both


def test_the_verdict_is_as_grave_as_the_gravest_alert(store: Store, tmp_path: Path) -> None:
    change(tmp_path, "AMT_CREDIT", 1.0)
    (found,) = look(store, START, END)
    alerts = judge(found)
    first = '<p class="verdict critical">Something is wrong'
    assert page.html([found], alerts).index(first) < page.html([found], alerts).index("<h2>")
    assert "Critique (version 0)\xa0: Recalculées, des variables" in page.html(
        [found], alerts, "fr"
    )
    warnings = [alert for alert in alerts if alert.severity == "warning"]
    assert '<p class="verdict warning">Quelque chose a changé' in page.html([found], warnings, "fr")
    assert '<p class="verdict good">All is well' in page.html([found], [], "en")
    values = json.loads(json.dumps(page.values([found], alerts), allow_nan=False))
    assert values["models"][0]["decisions"] == 240
    assert len(values["models"][0]["comparison"]["columns"]) > 100


def test_reviews_are_counted_shown_and_told_when_overdue(store: Store) -> None:
    first, second = store.decisions.search(limit=2)
    for decision, due in ((first, START), (second, END + timedelta(days=1))):
        number = new_id()
        store.reviews.receive(Review(number, decision.id, START, due, "I can pay.", "k-1"))
    done = {"decision": "accept", "overturned": True, "actor": "C. Martin", "motive": "He can."}
    (waiting,) = store.reviews.search("open", START, limit=1)
    (found,) = look(store, START, END)
    assert found.service.reviews == ReviewCounts(received=2, open=2, overdue=1)
    alerts = [alert for alert in judge(found) if alert.rule == "overdue_reviews"]
    assert [alert.figure for alert in alerts] == [1.0]
    ruling = replace(waiting, **done, decided_at=datetime.now(UTC), decided_by="k-1")
    store.reviews.decide(ruling, None, seen=0)
    (found,) = look(store, START, END)
    expected = {"received": 2, "decided": 1, "overturned_share": 1.0, "open": 1, "overdue": 0}
    assert page.values([found], [])["service"]["reviews"] == expected
    assert "Of these, the decision was changed in" in page.html([found], [])
    assert "Parmi eux, en retard" in page.html([found], [], "fr")


def run(store: Store, *arguments: str) -> Result:
    url = store.url
    return CliRunner().invoke(command_line, ["monitor", "--database", url, *arguments])


def test_the_command_writes_both_files_and_ends_with_what_is_wrong(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "reports"
    # A busy machine is slow, and of its own training applicants a model is surer than of others.
    for name in ("P99_MS", "PD_PSI", "DECISIONS", "REASONS"):
        monkeypatch.setenv(f"ALERT_AT_{name}", "inf,inf")
    until = f"{END:%Y-%m-%dT%H:%M:%S+00:00}"
    quiet = run(store, "--window", "2d", "--until", until, "--out", str(out))
    assert quiet.exit_code == 0, quiet.output
    assert "240 decisions" in quiet.output
    assert (out / "monitoring.html").stat().st_size < 1_000_000
    assert json.loads((out / "monitoring.json").read_text())["service"]["decisions"] == 240
    change(tmp_path, "AMT_CREDIT", 1.0)
    alarm = run(store, "--window", "2d", "--until", until, "--out", str(out))
    assert alarm.exit_code == 3
    assert "skew" in alarm.output
    assert "skew" in {one.alert.rule for one in store.alerts.latest()}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("--window", "7"), "--window takes a time"), (("--until", "soon"), "--until takes a time")],
)
def test_what_cannot_be_understood_is_told(
    store: Store, arguments: tuple[str, str], told: str
) -> None:
    done = run(store, *arguments)
    assert done.exit_code == 1
    assert told in done.output


def test_a_wrong_threshold_is_told_before_anything_is_done(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_AT_PSI", "1")
    done = run(store, "--out", str(tmp_path / "reports"))
    assert done.exit_code == 1
    assert "ALERT_AT_PSI is no threshold" in done.output
    assert not (tmp_path / "reports").exists()


def _population(size: int, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    logits = rng.normal(-3.0 + shift, 1.2, size)
    pds = 1.0 / (1.0 + np.exp(-logits))
    return pds, rng.random(size)


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_estimates_hold_the_truth_while_pds_are_calibrated(shift: float) -> None:
    costs, missed = Costs(), 0
    for seed in range(20):
        pds, chance = _population(3000, seed, shift)
        defaulted, refused = chance < pds, pds > costs.cutoff
        found = estimate(pds, refused, costs, seed)
        assert found is not None
        truth = realised_cost(defaulted, refused, costs).value
        missed += not found.business_cost.low <= truth <= found.business_cost.high
        missed += not found.default_rate.low <= defaulted.mean() <= found.default_rate.high
    # Of 40 intervals of 95 %, two are to be expected.
    assert missed <= 6


def test_estimates_see_a_change_of_the_applicants_and_not_one_of_the_world() -> None:
    costs = Costs()
    usual, _ = _population(5000, 1)
    riskier, chance = _population(5000, 2, shift=0.7)
    before = estimate(usual, usual > costs.cutoff, costs)
    after = estimate(riskier, riskier > costs.cutoff, costs)
    assert before is not None
    assert after is not None
    assert after.default_rate.low > before.default_rate.high
    # In a recession the same applicants default more often: the PDs do not know.
    recession = chance < np.minimum(riskier * 1.8, 1.0)
    assert recession.mean() > after.default_rate.high
    assert observed_to_expected(recession, riskier).low > 1.0
    assert estimate(np.empty(0), np.empty(0, dtype=bool), costs) is None


def test_realised_cost_is_that_of_the_decisions_not_of_the_pds(scorer: Scorer) -> None:
    day = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        (day, 0.5, "accept", True),
        (day, 0.01, "refuse", False),
        (day, 0.01, "accept", False),
        (day + timedelta(days=40), 0.02, "accept", False),
    ]
    settled = Settled.of(rows)
    promised = {"promised": {"all": {"auc": 0.7}, "not_refused": {"auc": 0.6}}}
    found = performance(replace(scorer, lineage=promised), settled, settled)
    assert found is not None
    assert found.figures["business_cost"].value == pytest.approx((10.0 + 1.0) / 4)
    assert not found.accepted_only
    assert found.promised == {"auc": 0.7}
    assert found.by_vintage["labelled"].to_list() == [3, 1]
    assert performance(scorer, Settled.of(rows[1:]), settled) is None


def test_without_exploration_a_look_is_as_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, but for a sentence on the page that says what it cannot tell."""
    (found,) = look(store, START, END)
    told = page.values([found], [])
    assert "everybody" not in told["models"][0]
    assert "Of the refused nothing can be said" in page.html([found], [], "en")
    assert "aucune exploration n&#39;a eu lieu" in page.html([found], [], "fr")
    monkeypatch.setattr("scoring.monitoring.monitor.everybody", lambda *_: None)
    assert json.dumps(page.values(look(store, START, END), [])) == json.dumps(told)


def test_who_is_drawn_again_on_asking_again_is_no_change_of_the_models_decisions(
    store: Store, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "scoring.db") as connection:
        connection.execute(
            "UPDATE predictions SET policy = 1, decision = 'accept', model_decision = 'refuse', "
            "exploration = 'drawn', propensity = 0.6, pd = 0.9, applicant = rowid % 2"
        )
    (found,) = look(store, START, END)
    assert found.comparison is not None
    assert found.comparison.refused.current == 1.0


def test_with_exploration_a_look_tells_of_everybody(store: Store, tmp_path: Path) -> None:
    """The 140 of the highest PDs are as if refused, and three in five of them were drawn."""
    riskiest = sorted(store.decisions.search(), key=lambda one: -one.pd)[:140]
    with sqlite3.connect(tmp_path / "scoring.db") as connection:
        # Some were asked about twice: here everybody is another.
        connection.execute(
            "UPDATE predictions SET policy = 1, decision = 'accept', applicant = rowid"
        )
        for place, one in enumerate(riskiest):
            drawn = place % 5 < 3
            why = ("accept", "drawn", 0.6) if drawn else ("refuse", "not drawn", 0.4)
            connection.execute(
                "UPDATE predictions SET model_decision = 'refuse', decision = ?, exploration = ?, "
                "propensity = ?, pd = (1 + pd) / 2 WHERE id = ?", (*why, one.id),
            )  # fmt: skip
    store.outcomes.record(
        [
            Outcome(one.applicant, one.id, int(one.applicant) % 7 == 0, NOW, NOW, "loopback")
            for one in store.decisions.search()
            if one.decision == "accept"
        ]
    )
    (found,) = look(store, START, END)
    known = found.everybody
    assert known is not None
    first = min(one.at for one in store.decisions.search() if one.exploration)
    since = list(store.decisions.search(since=first))
    assert known.applicants == len(since)
    assert known.observed == sum(one.decision == "accept" for one in since)
    assert known.explored == 84
    defaulted = [int(one.applicant) % 7 == 0 for one in store.decisions.search()]
    rate = known.figures[0].estimates
    assert rate is not None
    assert rate.self_normalised.value == pytest.approx(np.mean(defaulted), abs=0.05)
    # Whom exploration accepted the model has refused: that is no change of its decisions.
    assert found.comparison is not None
    assert found.comparison.refused.current == pytest.approx(140 / found.applicants)
    (told,) = page.values([found], [])["models"]
    first, *others = told["everybody"]["figures"]
    assert first["name"] == "default_rate"
    assert first["estimates"]["doubly_robust"].keys() == {"value", "low", "high"}
    assert sum(own["applicants"] for own in others if own["name"] == "grade") == len(since)
    nothing = Interval(math.nan, math.nan, math.nan)
    one_sided = known.figures[1]._replace(estimates=Estimates(nothing, nothing, nothing))
    without = replace(found, everybody=replace(known, figures=[one_sided]))
    assert "<td>too few outcomes</td>" in page.html([without], [], "en")
    assert "84 are of loans given by chance" in page.html([found], [], "en")
    assert "84 viennent de prêts tirés au sort" in page.html([found], [], "fr")
    everybody = page.html([found], [], "en").partition("the refused among them</h2>")[2]
    assert f"Default rate</th><td>{rate.self_normalised.value:.1%} (" in everybody
