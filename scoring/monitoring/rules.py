"""Rules that turn findings into alerts: each is one question, its limits are settings.

A rule that tests asks two things: is the change certain, and is it large. P-values are adjusted
within families (Holm): the features' values and missingness, which `comparison` adjusts;
the PD and the decisions; the reasons; the outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
from scipy import stats

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison
from scoring.evaluation.distances import holm
from scoring.evaluation.intervals import Z_95
from scoring.language import text
from scoring.monitoring.findings import Findings, Performance, Quality, Service
from scoring.monitoring.thresholds import Limit, Thresholds
from scoring.serving.profiles import PD
from scoring.store.records import Alert, Severity

# A column that is missing for so many is not filled at all any more.
_ALL = 0.99
_NAMED = 5

# What each kind of finding is judged by; what to do on an alert is in the catalogue `monitoring`.
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
    """A rule's finding: its size, its limit, and a sentence."""

    rule: str
    size: float
    limit: Limit
    message: str
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
        message=hit.message,
        advice=text("en", f"monitoring.advice.{hit.rule}"),
        subjects=hit.subjects,
    )


def _applicants(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    yield _Hit(
        "weighted_drift",
        comparison.weighted_psi,
        limits.weighted_psi,
        f"The applicants have changed: PSI {comparison.weighted_psi:.3f}, weighted by importance.",
    )
    yield from _features(comparison, limits)
    yield from _results(comparison, limits)
    yield from _reasons(comparison, limits)


def _features(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    """Single features that matter, whose values or whose missingness have changed."""
    moved = pl.col("missing_current") - pl.col("missing_reference")
    matters = pl.col("importance").fill_null(1.0) >= limits.least_importance
    # However little each weighs, many may have gone missing together, as with a column's source.
    gone = pl.col("missing_current") >= _ALL
    table = comparison.columns.filter(pl.col("column") != PD, matters | gone).with_columns(
        moved=moved.abs()
    )
    moves = (
        ("feature_drift", "Features have drifted", "psi", "p_adjusted", limits.column_psi,
         "PSI {:.2f}"),
        ("missingness", "Missing shares have moved", "moved", "missing_p_adjusted", limits.missing,
         "changed by {:.1%}"),
    )  # fmt: skip
    for rule, what, size, p_value, limit, wording in moves:
        sure = table.filter(pl.col(p_value) < limits.significance, pl.col(size) >= limit.warning)
        largest = sure.sort(size, "column", descending=[True, False])
        if not largest.is_empty():
            sizes = dict(largest.select("column", size).rows())
            yield _of_features(rule, sizes, limit, what, wording)


def _of_features(
    rule: str, sizes: Mapping[str, float], limit: Limit, what: str, wording: str
) -> _Hit:
    """One alert for many features: the largest are named."""
    named = [f"{name} ({wording.format(size)})" for name, size in list(sizes.items())[:_NAMED]]
    more = f" and {len(sizes) - _NAMED} more" if len(sizes) > _NAMED else ""
    sentence = f"{what}: {', '.join(named)}{more}."
    return _Hit(rule, max(sizes.values()), limit, sentence, tuple(sizes))


def _results(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    """The PD, and whom it has accepted and refused."""
    accepted, refused = comparison.accepted, comparison.refused
    p_values = holm([comparison.pd["p_value"], accepted.p_value, refused.p_value])
    sure = p_values < limits.significance
    if sure[0]:
        psi = float(comparison.pd["psi"])
        yield _Hit("pd_drift", psi, limits.pd_psi, f"The PDs have moved: PSI {psi:.3f}.")
    if sure[1] or sure[2]:
        size = max(abs(accepted.change) * sure[1], abs(refused.change) * sure[2])
        yield _Hit(
            "decision_mix",
            float(size),
            limits.decisions,
            f"{accepted.current:.1%} are accepted and {refused.current:.1%} refused, "
            f"{accepted.reference:.1%} and {refused.reference:.1%} when the model was made.",
        )


def _reasons(comparison: Comparison, limits: Thresholds) -> Iterator[_Hit]:
    change = (pl.col("current") - pl.col("reference")).abs()
    sure = comparison.reasons.filter(
        pl.col("p_adjusted") < limits.significance, change >= limits.reasons.warning
    )
    sizes = dict(sure.select("cause", change.alias("size")).rows())
    if sizes:
        what = "Reasons are given more or less often"
        yield _of_features("reason_mix", sizes, limits.reasons, what, "by {:.1%}")


def _quality(quality: Quality, limits: Thresholds) -> Iterator[_Hit]:
    for rule, shares, limit, what in (
        (
            "unknown_categories",
            quality.unknown_categories,
            limits.unknown_categories,
            "Categories are unknown to the model",
        ),
        ("out_of_range", quality.outside, limits.outside, "Numbers lie beyond the training's"),
    ):
        level = limits.significance / max(len(shares), 1)
        sure = {
            name: share
            for name, share in sorted(shares.items(), key=lambda item: (-item[1], item[0]))
            if share >= limit.warning and _surely_above(share, quality.sampled, limit, level)
        }
        if sure:
            yield _of_features(rule, sure, limit, what, "{:.1%} of the applicants")


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
        what = f"Computed again, features of {quality.recomputed:,} decisions came out otherwise"
        yield _of_features("skew", shares, limits.skewed, what, "{:.1%} of them")


def _service(service: Service, limits: Thresholds) -> Iterator[_Hit]:
    once = Limit(1.0, math.inf)
    if not service.decisions:
        yield _Hit("silence", 1.0, once, "No decision was recorded.")
    elif not math.isnan(service.p99_ms):
        sentence = f"1 % of the answers took more than {service.p99_ms:,.0f} ms."
        yield _Hit("latency", service.p99_ms, limits.p99_ms, sentence)
    if service.errors:
        share = service.errors / max(service.decisions, 1)
        sentence = (
            f"{service.errors:,} answers had a status of 500 or more, {share:.2%} of the decisions."
        )
        yield _Hit("errors", share, limits.errors, sentence)
    if refused := service.events.get("refused", 0):
        sentence = f"A model was refused {refused:,} times when it should have been loaded."
        yield _Hit("refused_model", float(refused), once, sentence)
    if overdue := service.reviews.overdue:
        sentence = f"Applicants wait for {overdue:,} reviews that were due before."
        yield _Hit("overdue_reviews", float(overdue), limits.overdue_reviews, sentence)


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
    """A lower AUC than promised, by the width of its interval."""
    if not {"auc"} <= performance.figures.keys() & performance.promised.keys():
        return None
    auc, promised = performance.figures["auc"], performance.promised["auc"]
    sentence = f"The AUC is {auc.value:.3f}, {promised:.3f} was promised."
    hit = _Hit("auc", promised - auc.value, limits.auc_loss, _of_whom(sentence, performance))
    return float(stats.norm.sf((promised - auc.value) / _error(auc))), hit


def _cost(performance: Performance, limits: Thresholds) -> tuple[float, _Hit] | None:
    """A higher cost than promised.

    Mistakes cost between 0 and the dearest one's price M, so the variance of one applicant's cost
    of mean m is m (M - m) at most (Bhatia and Davis, "A better bound on the variance", 2000). The
    interval would be too narrow: it takes the number of defaults for given.
    """
    if not {"business_cost"} <= performance.figures.keys() & performance.promised.keys():
        return None
    cost = performance.figures["business_cost"].value
    promised = performance.promised["business_cost"]
    dearest = max(performance.costs.false_negative, performance.costs.false_positive)
    error = math.sqrt(promised * max(dearest - promised, 0.0) / performance.labelled)
    if not error:
        return None
    sentence = f"A decision costs {cost:.3f}, {promised:.3f} was promised."
    hit = _Hit("cost", cost / promised - 1.0, limits.cost_rise, _of_whom(sentence, performance))
    return float(stats.norm.sf((cost - promised) / error)), hit


def _calibration(performance: Performance, limits: Thresholds) -> tuple[float, _Hit]:
    """Other numbers of defaults than the PDs add up to, by Poisson's distribution.

    It is wider than that of the sum of unequal chances, so the p-value is rather too large.
    """
    expected, ratio = _expected(performance), performance.figures["observed_to_expected"].value
    below = stats.poisson.cdf(performance.defaults, expected)
    above = stats.poisson.sf(performance.defaults - 1, expected)
    sentence = f"{performance.defaults:,} defaults where {expected:,.0f} were to be expected."
    hit = _Hit("calibration", abs(ratio - 1.0), limits.calibration, _of_whom(sentence, performance))
    return min(2.0 * float(min(below, above)), 1.0), hit


def _error(figure: Interval) -> float:
    return max((figure.high - figure.low) / (2 * Z_95), 1e-9)


def _of_whom(sentence: str, performance: Performance) -> str:
    whom = "accepted applicants" if performance.accepted_only else "applicants"
    return f"{sentence} Of {performance.labelled:,} {whom} with a known outcome."
