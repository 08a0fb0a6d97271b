"""Rules that turn findings into alerts: each is one question, its limits are settings.

A rule that tests asks two things: is the change certain, and is it large. P-values are adjusted
within families (Holm): the features' values and missingness, which `comparison` adjusts;
the PD and the decisions; the reasons; the outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl
from scipy import stats

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison
from scoring.evaluation.distances import holm
from scoring.evaluation.intervals import Z_95, bounded_error
from scoring.features.wording.alerts import alert_text
from scoring.language import text
from scoring.monitoring.findings import Findings, Performance, Quality, Service
from scoring.monitoring.thresholds import Limit, Thresholds
from scoring.serving.profiles import PD
from scoring.store.records import Alert, Severity

# A column that is missing for so many is not filled at all any more.
_ALL = 0.99
_NAMED = 5
# Rules about shares that rise or fall: what is told of them has a sign.
_CHANGES = frozenset({"missingness", "reason_mix"})

# What each kind of finding is judged by; what an alert says, and what to do about it, is in the
# catalogue `monitoring`.
_APPLICANTS = {
    "weighted_drift", "pd_drift", "feature_drift", "missingness", "decision_mix", "reason_mix",
}  # fmt: skip
_QUALITY = {"unknown_categories", "out_of_range"}
_SKEW = {"skew"}
# Those about the service as a whole: their alerts name no model.
SERVICE_RULES = frozenset({"silence", "latency", "errors", "refused_model", "overdue_reviews"})
# Those that newer outcomes can mend, since they rest on outcomes.
OUTCOME_RULES = frozenset({"auc", "cost", "calibration"})
RULES = SERVICE_RULES | OUTCOME_RULES | _APPLICANTS | _QUALITY | _SKEW


class _Hit(NamedTuple):
    """A rule's finding: its size, its limit, and the figures of the sentence that tells it."""

    rule: str
    size: float
    limit: Limit
    facts: Mapping[str, Any]
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """The alerts of one model in one window, the critical ones first.

    Only rules that had enough to judge are among those that `judged`; of others nothing is known.
    """

    model_digest: str
    alerts: tuple[Alert, ...]
    judged: frozenset[str]


def judge(findings: Findings, thresholds: Thresholds | None = None) -> list[Alert]:
    """Return the alerts that findings deserve, the critical ones first; none if all is quiet."""
    return list(assess(findings, thresholds).alerts)


def assess(findings: Findings, thresholds: Thresholds | None = None) -> Assessment:
    """Hold the findings on a model against every rule that has enough to judge."""
    limits = thresholds or Thresholds()
    judged, hits = set(SERVICE_RULES), list(_service(findings.service, limits))
    if findings.comparison and findings.applicants >= limits.least_applicants:
        judged |= _APPLICANTS
        hits += _applicants(findings.comparison, limits)
    if findings.quality.sampled >= limits.least_applicants:
        judged |= _QUALITY
        hits += _quality(findings.quality, limits)
    if findings.quality.recomputed:
        judged |= _SKEW
        hits += _skew(findings.quality, limits)
    if findings.performance and _expected(findings.performance) >= limits.least_defaults:
        judged |= OUTCOME_RULES
        hits += _outcomes(findings.performance, limits)
    alerts = [_alert(hit, findings) for hit in hits if _severity(hit)]
    alerts.sort(key=lambda alert: alert.severity != "critical")
    return Assessment(findings.model_digest, tuple(alerts), frozenset(judged))


def _severity(hit: _Hit) -> Severity | None:
    if hit.size >= hit.limit.critical:
        return "critical"
    return "warning" if hit.size >= hit.limit.warning else None


def _alert(hit: _Hit, findings: Findings) -> Alert:
    severity = _severity(hit) or "warning"
    of_model = hit.rule not in SERVICE_RULES
    return Alert(
        rule=hit.rule,
        severity=severity,
        model_version=findings.model_version if of_model else "",
        model_digest=findings.model_digest if of_model else "",
        since=findings.window.since,
        until=findings.window.until,
        figure=hit.size,
        threshold=getattr(hit.limit, severity),
        message=alert_text(hit.rule, hit.facts, "", "en"),
        advice=text("en", f"monitoring.advice.{hit.rule}"),
        subjects=hit.subjects,
        facts=hit.facts,
    )


def _applicants(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    psi = float(comparison.weighted_psi)
    yield _Hit("weighted_drift", psi, limits.weighted_psi, {"psi": psi})
    yield from _features(comparison, limits)
    yield from _results(comparison, limits)
    yield from _reasons(comparison, limits)


def _features(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    """Single features that matter, whose values or whose missingness have changed."""
    matters = pl.col("importance").fill_null(1.0) >= limits.least_importance
    # However little each weighs, many may have gone missing together, as with a column's source.
    gone = pl.col("missing_current") >= _ALL
    table = comparison.columns.filter(pl.col("column") != PD, matters | gone).with_columns(
        moved=pl.col("missing_current") - pl.col("missing_reference")
    )
    moves = (
        ("feature_drift", "psi", "p_adjusted", limits.column_psi),
        ("missingness", "moved", "missing_p_adjusted", limits.missing),
    )
    for rule, size, p_value, limit in moves:
        far = pl.col(size).abs()
        sure = table.filter(pl.col(p_value) < limits.significance, far >= limit.warning)
        largest = sure.sort(far, "column", descending=[True, False])
        if not largest.is_empty():
            yield _of_features(rule, dict(largest.select("column", size).rows()), limit)


def _of_features(rule: str, sizes: Mapping[str, float], limit: Limit, **facts: int) -> _Hit:
    """One alert for many features: the largest are named."""
    named = dict(list(sizes.items())[:_NAMED])
    kind = "changes" if rule in _CHANGES else "sizes"
    facts_of_all = {kind: named, "more": len(sizes) - len(named), **facts}
    return _Hit(rule, max(map(abs, sizes.values())), limit, facts_of_all, tuple(sizes))


def _results(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    """The PD, and whom it has accepted and refused."""
    accepted, refused = comparison.accepted, comparison.refused
    p_values = holm([comparison.pd["p_value"], accepted.p_value, refused.p_value])
    sure = p_values < limits.significance
    if sure[0]:
        psi = float(comparison.pd["psi"])
        yield _Hit("pd_drift", psi, limits.pd_psi, {"psi": psi})
    if sure[1] or sure[2]:
        size = max(abs(accepted.change) * sure[1], abs(refused.change) * sure[2])
        facts = {"accepted": accepted.current, "refused": refused.current}
        facts |= {"accepted_then": accepted.reference, "refused_then": refused.reference}
        yield _Hit("decision_mix", float(size), limits.decisions, facts)


def _reasons(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    change = pl.col("current") - pl.col("reference")
    sure = comparison.reasons.filter(
        pl.col("p_adjusted") < limits.significance, change.abs() >= limits.reasons.warning
    )
    sizes = dict(sure.select("cause", change.alias("change")).rows())
    if sizes:
        yield _of_features("reason_mix", sizes, limits.reasons)


def _quality(quality: Quality, limits: Thresholds) -> Iterator[_Hit]:
    for rule, shares, limit in (
        ("unknown_categories", quality.unknown_categories, limits.unknown_categories),
        ("out_of_range", quality.outside, limits.outside),
    ):
        level = limits.significance / max(len(shares), 1)
        sure = {
            name: share
            for name, share in sorted(shares.items(), key=lambda item: (-item[1], item[0]))
            if share >= limit.warning and _surely_above(share, quality.sampled, limit, level)
        }
        if sure:
            yield _of_features(rule, sure, limit)


def _surely_above(share: float, sampled: int, limit: Limit, level: float) -> bool:
    """Whether a sample's share is too large for a population's that is at the limit."""
    count = round(share * sampled)
    return float(stats.binom.sf(count - 1, sampled, min(limit.warning, 1.0))) < level


def _skew(quality: Quality, limits: Thresholds) -> Iterator[_Hit]:
    shares = {
        name: times / quality.recomputed
        for name, times in sorted(quality.skewed.items(), key=lambda item: (-item[1], item[0]))
        if times and times / quality.recomputed >= limits.skewed.warning
    }
    if shares:
        yield _of_features("skew", shares, limits.skewed, decisions=quality.recomputed)


def _service(service: Service, limits: Thresholds) -> Iterator[_Hit]:
    once = Limit(1.0, math.inf)
    if not service.decisions:
        yield _Hit("silence", 1.0, once, {})
    elif not math.isnan(service.p99_ms):
        yield _Hit("latency", service.p99_ms, limits.p99_ms, {"milliseconds": service.p99_ms})
    if service.errors:
        share = service.errors / max(service.decisions, 1)
        yield _Hit("errors", share, limits.errors, {"count": service.errors, "share": share})
    if refused := service.events.get("refused", 0):
        yield _Hit("refused_model", float(refused), once, {"count": refused})
    if overdue := service.reviews.overdue:
        yield _Hit("overdue_reviews", float(overdue), limits.overdue_reviews, {"count": overdue})


def _expected(performance: Performance) -> float:
    """The sum of the PDs, by how many defaults there are for each that was expected."""
    ratio = performance.figures.get("observed_to_expected")
    return performance.defaults / ratio.value if ratio and ratio.value > 0.0 else 0.0


def _outcomes(performance: Performance, limits: Thresholds) -> Iterator[_Hit]:
    figures = (_auc, _cost, _calibration)
    hits = [tested for figure in figures if (tested := figure(performance, limits))]
    adjusted = holm([p_value for p_value, _ in hits])
    for (_, hit), p_value in zip(hits, adjusted, strict=True):
        if p_value < limits.significance:
            yield hit


def _auc(performance: Performance, limits: Thresholds) -> tuple[float, _Hit] | None:
    """A lower AUC than promised, by the width of both intervals."""
    auc, promised = performance.figures.get("auc"), performance.promise("auc")
    if auc is None or promised is None:
        return None
    loss = promised.value - auc.value
    facts = {"value": auc.value, "promised": promised.value, **_of_whom(performance)}
    hit = _Hit("auc", loss, limits.auc_loss, facts)
    return float(stats.norm.sf(loss / math.hypot(_error(auc), _error(promised)))), hit


def _cost(performance: Performance, limits: Thresholds) -> tuple[float, _Hit] | None:
    """A higher cost than promised.

    Mistakes cost between 0 and the dearest one's price, which bounds the error of both costs if
    the promise is true. The window's own would be too small where few happened to default.
    """
    figure = performance.figures.get("business_cost")
    promised = performance.promise("business_cost")
    if figure is None or promised is None or not promised.value:
        return None
    cost, asked = figure.value, promised.value
    error = bounded_error(asked, performance.dearest, performance.labelled)
    facts = {"value": cost, "promised": asked, **_of_whom(performance)}
    hit = _Hit("cost", cost / asked - 1.0, limits.cost_rise, facts)
    return float(stats.norm.sf((cost - asked) / math.hypot(error, _error(promised)))), hit


def _calibration(performance: Performance, limits: Thresholds) -> tuple[float, _Hit]:
    """Other numbers of defaults than the PDs add up to, which follow those of the training.

    Exact test of two Poisson rates (Przyborowski and Wilenski, 1940). Poisson's distribution is
    wider than that of a sum of unequal chances, so the p-value is rather too large.
    """
    expected, ratio = _expected(performance), performance.figures["observed_to_expected"].value
    learnt, defaults = performance.promised_on[1], performance.defaults
    of_window = stats.binom(round(learnt) + defaults, expected / (expected + learnt))
    below, above = of_window.cdf(defaults), of_window.sf(defaults - 1)
    facts = {"defaults": defaults, "expected": expected, **_of_whom(performance)}
    hit = _Hit("calibration", abs(ratio - 1.0), limits.calibration, facts)
    return min(2.0 * float(min(below, above)), 1.0), hit


def _error(figure: Interval) -> float:
    return max((figure.high - figure.low) / (2 * Z_95), 1e-9)


def _of_whom(performance: Performance) -> dict[str, Any]:
    whom = "accepted" if performance.accepted_only else "everybody"
    return {"labelled": performance.labelled, "whom": whom}
