"""The rules: what deserves an alert, with which severity, and what does not."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison, Share
from scoring.features.wording.alerts import alert_text
from scoring.monitoring.findings import Findings, Performance, Quality, Service, Window
from scoring.monitoring.rules import RULES, SERVICE_RULES, assess, judge
from scoring.monitoring.thresholds import Limit, Thresholds
from scoring.serving.profiles import PD
from scoring.store import ReviewCounts

UNTIL = datetime(2026, 5, 4, tzinfo=UTC)
SAME = Share(0.7, 0.7, 1.0)


def column(name: str, importance: float | None = 0.1, **changes: float) -> dict[str, Any]:
    usual = {
        "psi": 0.0,
        "p_value": 1.0,
        "p_adjusted": 1.0,
        "missing_reference": 0.2,
        "missing_current": 0.2,
        "missing_p_adjusted": 1.0,
    }
    return {"column": name, "importance": importance, **usual, **changes}


def comparison(
    *columns: dict[str, Any], pd: dict[str, float] | None = None, **changes: Any
) -> Comparison:
    reasons = pl.DataFrame(
        {"cause": ["a"], "reference": [0.3], "current": [0.3], "p_adjusted": [1.0]}
    )
    usual = Comparison(
        columns=pl.DataFrame([*columns, column(PD, None, **(pd or {}))]),
        weighted_psi=0.01,
        accepted=SAME,
        referred=SAME,
        refused=SAME,
        reasons=reasons,
        applicants=(8000, 1000),
    )
    return replace(usual, **changes)


def performance(**changes: Any) -> Performance:
    usual = Performance(
        labelled=2000,
        defaults=160,
        accepted_only=False,
        figures={
            "auc": Interval(0.77, 0.74, 0.80),
            "business_cost": Interval(0.5, 0.45, 0.55),
            "observed_to_expected": Interval(1.0, 0.85, 1.15),
        },
        promised={"auc": 0.77, "business_cost": 0.5, "applicants": 20_000, "defaults": 1600},
        by_vintage=pl.DataFrame(),
    )
    return replace(usual, **changes)


def findings(**changes: Any) -> Findings:
    usual = Findings(
        window=Window(UNTIL - timedelta(days=7), UNTIL),
        model_version="3",
        model_digest="a" * 64,
        applicants=1000,
        quality=Quality(sampled=1000, recomputed=50),
        service=Service(decisions=1000, median_ms=2.0, p99_ms=9.0, errors=0),
        comparison=comparison(column("a")),
        performance=performance(),
    )
    return replace(usual, **changes)


def told(found: Findings) -> dict[str, str]:
    return {one.rule: one.severity for one in judge(found)}


def test_a_quiet_window_has_no_alert_and_is_judged_by_every_rule() -> None:
    found = assess(findings())
    assert found.alerts == ()
    assert found.judged == RULES


@pytest.mark.parametrize(("size", "severity"), [(0.09, None), (0.1, "warning"), (0.25, "critical")])
def test_severity_is_a_matter_of_size(size: float, severity: str | None) -> None:
    found = told(findings(comparison=comparison(column("a"), weighted_psi=size)))
    assert found.get("weighted_drift") == severity


def test_an_alert_says_what_where_and_what_to_do() -> None:
    drifted = [
        column("a", psi=0.4, p_adjusted=1e-9),
        column("b", psi=0.9, p_adjusted=1e-9),
        column("c", psi=0.9, p_adjusted=0.5),
        column("d", importance=0.001, psi=0.9, p_adjusted=1e-9),
    ]
    (found,) = judge(findings(comparison=comparison(*drifted)))
    assert (found.rule, found.severity) == ("feature_drift", "warning")
    assert found.subjects == ("b", "a")
    assert "b (PSI 0.90); a (PSI 0.40)" in found.message
    assert (found.figure, found.threshold) == (0.9, 0.2)
    assert (found.model_version, found.model_digest) == ("3", "a" * 64)
    assert (found.since, found.until) == (UNTIL - timedelta(days=7), UNTIL)
    assert found.advice


def test_many_features_are_one_alert_that_names_the_worst() -> None:
    many = [column(f"f{i}", psi=0.3 + i / 100, p_adjusted=0.0) for i in range(20)]
    (found,) = judge(findings(comparison=comparison(*many)))
    assert len(found.subjects) == 20
    assert found.subjects[0] == "f19"
    assert "and 15 more" in found.message


def test_without_known_importance_every_feature_counts() -> None:
    drifted = column("a", importance=None, psi=0.4, p_adjusted=1e-9)
    table = pl.DataFrame([drifted, column(PD, None)], schema_overrides={"importance": pl.Float64})
    assert told(findings(comparison=comparison(columns=table))) == {"feature_drift": "warning"}


@pytest.mark.parametrize(("current", "rules"), [(1.0, {"missingness"}), (0.9, set())])
def test_a_column_that_went_missing_as_a_whole_is_told_however_little_it_weighs(
    current: float, rules: set[str]
) -> None:
    gone = column("a", importance=1e-6, missing_current=current, missing_p_adjusted=1e-9)
    assert told(findings(comparison=comparison(gone))).keys() == rules


@pytest.mark.parametrize(("direction", "often"), [(1, "more"), (-1, "less")])
def test_missing_shares_that_move_are_told(direction: int, often: str) -> None:
    moved = column(
        "a",
        missing_reference=0.5,
        missing_current=0.5 + 0.2 * direction,
        missing_p_adjusted=1e-6,
    )
    (found,) = judge(findings(comparison=comparison(moved)))
    assert (found.rule, found.severity) == ("missingness", "warning")
    assert found.figure == pytest.approx(0.2)
    assert f"a (missing {often} often, by 20.0 points)." in found.message


def test_a_change_that_was_kept_without_its_sign_is_told_as_it_was() -> None:
    facts = {"sizes": {"EXT_SOURCE_3": 0.6}, "more": 0}
    assert alert_text("missingness", facts, "as it was", "fr") == "as it was"


def test_the_pd_and_decisions_have_to_be_certain_and_far() -> None:
    sure = {"psi": 0.3, "p_value": 1e-6}
    assert told(findings(comparison=comparison(column("a"), pd=sure))) == {"pd_drift": "critical"}
    unsure = {"psi": 0.3, "p_value": 0.009}
    assert told(findings(comparison=comparison(column("a"), pd=unsure))) == {}
    fewer = comparison(column("a"), accepted=Share(0.7, 0.6, 1e-6))
    assert told(findings(comparison=fewer)) == {"decision_mix": "warning"}
    near = comparison(column("a"), refused=Share(0.25, 0.28, 1e-6))
    assert told(findings(comparison=near)) == {}


def test_reasons_that_are_told_to_others_are_an_alert() -> None:
    reasons = pl.DataFrame(
        {
            "cause": ["a", "b"],
            "reference": [0.3, 0.1],
            "current": [0.1, 0.3],
            "p_adjusted": [1e-6, 0.2],
        }
    )
    (found,) = judge(findings(comparison=comparison(column("a"), reasons=reasons)))
    assert (found.rule, found.subjects) == ("reason_mix", ("a",))
    assert "a (less often, by 20.0 points)." in found.message


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        ({"unknown_categories": {"a": 0.02}}, {"unknown_categories": "warning"}),
        ({"unknown_categories": {"a": 0.2}}, {"unknown_categories": "critical"}),
        ({"unknown_categories": {"a": 0.006}}, {}),
        ({"outside": {"a": 0.05}}, {"out_of_range": "warning"}),
        ({"outside": {"a": 0.012}}, {}),
        ({"skewed": {"a": 1}}, {"skew": "critical"}),
        ({"skewed": {"a": 0}}, {}),
    ],
)
def test_the_state_of_the_data(quality: dict[str, Any], expected: dict[str, str]) -> None:
    found = replace(findings().quality, **quality)
    assert told(findings(quality=found)) == expected


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"decisions": 0, "median_ms": math.nan, "p99_ms": math.nan}, {"silence": "warning"}),
        ({"p99_ms": 600.0}, {"latency": "warning"}),
        ({"p99_ms": 6000.0}, {"latency": "critical"}),
        ({"errors": 2}, {"errors": "warning"}),
        ({"errors": 20}, {"errors": "critical"}),
        ({"errors": None}, {}),
        ({"events": {"refused": 2}}, {"refused_model": "warning"}),
        ({"events": {"loaded": 2}}, {}),
        ({"reviews": ReviewCounts(received=4, open=4)}, {}),
        ({"reviews": ReviewCounts(open=4, overdue=1)}, {"overdue_reviews": "warning"}),
        ({"reviews": ReviewCounts(open=40, overdue=10)}, {"overdue_reviews": "critical"}),
    ],
)
def test_the_state_of_the_service(service: dict[str, Any], expected: dict[str, str]) -> None:
    found = judge(findings(service=replace(findings().service, **service)))
    assert {one.rule: one.severity for one in found} == expected
    assert all(one.rule in SERVICE_RULES and one.model_digest == "" for one in found)


@pytest.mark.parametrize(
    ("figure", "value", "expected"),
    [
        ("auc", Interval(0.72, 0.70, 0.74), {"auc": "warning"}),
        ("auc", Interval(0.65, 0.63, 0.67), {"auc": "critical"}),
        ("auc", Interval(0.72, 0.66, 0.78), {}),
        ("auc", Interval(0.82, 0.80, 0.84), {}),
        ("business_cost", Interval(0.7, 0.69, 0.71), {"cost": "critical"}),
        ("business_cost", Interval(0.3, 0.29, 0.31), {}),
    ],
)
def test_realised_performance_is_held_against_what_was_promised(
    figure: str, value: Interval, expected: dict[str, str]
) -> None:
    figures = {**performance().figures, figure: value}
    assert told(findings(performance=performance(figures=figures))) == expected


@pytest.mark.parametrize(
    ("figure", "value", "rule"),
    [
        ("auc", Interval(0.72, 0.70, 0.74), "auc"),
        ("business_cost", Interval(0.7, 0.69, 0.71), "cost"),
        ("observed_to_expected", Interval(1.3, 1.3, 1.3), "calibration"),
    ],
)
@pytest.mark.parametrize(("times", "told_of"), [(10, True), (0.1, False)])
def test_a_promise_is_as_certain_as_the_applicants_it_was_measured_on(
    figure: str, value: Interval, rule: str, times: float, told_of: bool
) -> None:
    usual = performance()
    measured_on = {"applicants": 2000 * times, "defaults": 160 * times}
    outcomes = performance(
        figures={**usual.figures, figure: value}, promised={**usual.promised, **measured_on}
    )
    assert (rule in told(findings(performance=outcomes))) is told_of


def test_a_promise_of_unknown_applicants_is_no_more_certain_than_the_window() -> None:
    counted = {"auc": 0.77, "business_cost": 0.5, "applicants": 2000, "defaults": 160}
    usual = performance(promised={name: counted[name] for name in ("auc", "business_cost")})
    for name in ("auc", "business_cost", "observed_to_expected"):
        promise = usual.promise(name)
        assert promise is not None
        assert promise == performance(promised=counted).promise(name)
        assert promise.low < promise.value < promise.high
    assert usual.promise("brier") is None
    assert performance(promised={}).promise("auc") is None


def test_a_cost_may_vary_with_the_number_of_defaults() -> None:
    """Its interval takes that number for given: narrow as it is, it is not the whole chance."""
    figures = {**performance().figures, "business_cost": Interval(0.6, 0.59, 0.61)}
    assert told(findings(performance=performance(labelled=200, figures=figures))) == {}


@pytest.mark.parametrize(
    ("defaults", "ratio", "expected"),
    [
        (160, 1.6, {"calibration": "critical"}),
        (160, 0.5, {"calibration": "critical"}),
        (160, 1.3, {"calibration": "warning"}),
        (160, 1.1, {}),
        (16, 1.3, {}),
        (8, 2.0, {}),
    ],
)
def test_defaults_are_held_against_the_sum_of_the_pds(
    defaults: int, ratio: float, expected: dict[str, str]
) -> None:
    figures = {**performance().figures, "observed_to_expected": Interval(ratio, ratio, ratio)}
    found = performance(defaults=defaults, figures=figures)
    assert told(findings(performance=found)) == expected


def test_it_is_said_of_whom_outcomes_are_known() -> None:
    figures = {**performance().figures, "auc": Interval(0.65, 0.63, 0.67)}
    (found,) = judge(findings(performance=performance(accepted_only=True, figures=figures)))
    assert "2,000 accepted applicants" in found.message


def test_what_was_not_promised_is_not_held_against_anything() -> None:
    figures = {**performance().figures, "auc": Interval(0.5, 0.49, 0.51)}
    assert told(findings(performance=performance(figures=figures, promised={}))) == {}


def test_too_few_are_not_judged() -> None:
    few = findings(
        applicants=99,
        quality=Quality(sampled=99, unknown_categories={"a": 0.9}),
        comparison=comparison(column("a", psi=9.0, p_adjusted=0.0), weighted_psi=9.0),
        performance=performance(
            defaults=8, figures={"observed_to_expected": Interval(1.0, 0.5, 1.5)}
        ),
    )
    found = assess(few)
    assert found.alerts == ()
    assert found.judged == SERVICE_RULES
    nobody = replace(few, comparison=None, performance=None, applicants=0)
    assert assess(nobody).judged == found.judged


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_rule_can_be_told_from_its_figures(language: str) -> None:
    sure = {"psi": 0.3, "p_value": 1e-6}
    moved = {"missing_current": 0.9, "missing_p_adjusted": 1e-6, "psi": 0.4, "p_adjusted": 1e-6}
    reasons = pl.DataFrame(
        {"cause": ["external_scores"], "reference": 0.3, "current": 0.1, "p_adjusted": 1e-6}
    )
    fewer = Share(0.7, 0.4, 1e-6)
    ill = comparison(
        column("a", **moved), pd=sure, weighted_psi=0.3, reasons=reasons, accepted=fewer
    )
    figures = {
        "auc": Interval(0.65, 0.63, 0.67),
        "business_cost": Interval(0.9, 0.89, 0.91),
        "observed_to_expected": Interval(1.6, 1.5, 1.7),
    }
    quality = Quality(1000, {"a": 0.2}, {"b": 0.2}, 50, {"a": 3})
    service = Service(1000, 2.0, 9e3, {"refused": 2}, 20, ReviewCounts(open=4, overdue=1))
    found = judge(
        findings(
            comparison=ill, performance=performance(figures=figures), quality=quality,
            service=service,
        )
    )  # fmt: skip
    found += judge(findings(service=Service(0, math.nan, math.nan)))
    assert {one.rule for one in found} == RULES
    for alert in found:
        kept = json.loads(json.dumps(alert.facts, allow_nan=False))
        told = alert_text(alert.rule, kept, "", language)
        assert told.endswith(".")
        assert not set("{}") & set(told)
        assert (told == alert.message) == (language == "en")
        assert alert_text(alert.rule, None, "as it was", language) == "as it was"
        assert alert_text("of long ago", kept, "as it was", language) == "as it was"


def test_critical_alerts_come_first() -> None:
    found = judge(
        findings(
            comparison=comparison(column("a"), weighted_psi=0.15),
            quality=Quality(sampled=1000, recomputed=50, skewed={"a": 3}),
        )
    )
    assert [one.severity for one in found] == ["critical", "warning"]


def test_thresholds_are_settings() -> None:
    found = findings(comparison=comparison(column("a"), weighted_psi=0.15))
    assert judge(found)
    assert not judge(found, Thresholds(weighted_psi=Limit(0.2, 0.3)))
    assert judge(found, Thresholds(weighted_psi=Limit(0.1, 0.15)))[0].severity == "critical"
    assert not judge(found, Thresholds(least_applicants=2000))
