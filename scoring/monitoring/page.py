"""One look as a page to read offline, and as plain values for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
import polars as pl

from scoring.evaluation.comparison import Comparison, Limits
from scoring.evaluation.off_policy import ENOUGH_EXPLORED
from scoring.features.wording.alerts import alert_text
from scoring.monitoring.findings import Estimated, Everybody, Findings, Performance, Service
from scoring.reports import document, plots
from scoring.reports.document import (
    READ_IN,
    Block,
    Bullets,
    Paragraph,
    Picture,
    Section,
    Table,
    Verdict,
)
from scoring.reports.words import Words
from scoring.store import Alert, ReviewCounts

_MOST_COLUMNS, _DRAWN = 25, 12
# What is told of a comparison, and of realised performance.
_COMPARED = (
    "weighted_psi", "accepted", "referred", "refused", "columns", "reasons", "applicants",
)  # fmt: skip
_REALISED = ("labelled", "defaults", "accepted_only", "figures", "promised", "by_vintage")
# From where on a column is drawn as drifted, and its missing values may have decided.
_LIMITS = Limits()
# How figures are written, all others as 0.123.
_SPECS = dict.fromkeys(("default_rate", "grade"), ".1%")


def html(models: Sequence[Findings], alerts: Sequence[Alert], *languages: str) -> str:
    """Write the page in some languages, by default all: what is wrong first, then the figures."""
    pages = [_page(models, alerts, Words("monitoring", name)) for name in languages or READ_IN]
    return document.in_languages(pages)


def _page(models: Sequence[Findings], alerts: Sequence[Alert], words: Words) -> document.Page:
    sections = [_alerts(models, alerts, words), _service(models[0].service, words)]
    for model in models:
        if model.applicants:
            sections += _model(model, words)
    window = models[0].window
    title = words("title", since=window.since, until=window.until)
    return document.Page(title, sections, words.language)


def values(models: Sequence[Findings], alerts: Sequence[Alert]) -> dict[str, Any]:
    """Return the same as JSON values; what is not a number is null."""
    window, service = models[0].window, models[0].service
    content = {
        "since": window.since,
        "until": window.until,
        "alerts": list(alerts),
        "service": service,
        "models": [_model_values(model) for model in models],
    }
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    plain: dict[str, Any] = orjson.loads(orjson.dumps(content, _plain, options))
    return plain


def _plain(value: Any) -> Any:
    """What orjson does not know of itself: tables, named tuples, mappings."""
    if isinstance(value, pl.DataFrame):
        return value.to_dicts()
    return dict(value._asdict() if hasattr(value, "_asdict") else value)


def _alerts(models: Sequence[Findings], alerts: Sequence[Alert], words: Words) -> Section:
    """The verdict, as grave as the gravest alert, and every alert with what to do about it."""
    counts = {
        "decisions": sum(model.applicants for model in models),
        "count": len(alerts),
        "critical": sum(alert.severity == "critical" for alert in alerts),
    }
    level: Literal["good", "warning", "critical"] = (
        "critical" if counts["critical"] else "warning" if alerts else "good"
    )
    verdict = Verdict(words(f"verdict.{level}", **counts), level)
    return Section("", (verdict, *(_alert(alert, words) for alert in alerts)))


def _alert(alert: Alert, words: Words) -> Verdict:
    # Alerts of the service as a whole name no model.
    whom = words(f"alerts.{'version' if alert.model_version else 'service'}", alert=alert)
    sentence = words(
        "alerts.alert",
        severity=words(f"terms.{alert.severity}"),
        whom=whom,
        message=alert_text(alert.rule, alert.facts, alert.message, words.language),
        advice=words(f"advice.{alert.rule}"),
    )
    return Verdict(sentence, alert.severity)


def _service(service: Service, words: Words) -> Section:
    known = {
        "decisions": words.written(service.decisions, ","),
        "median": _milliseconds(service.median_ms, words),
        "p99": _milliseconds(service.p99_ms, words),
    }
    others = [
        (
            words("service.events", kind=words.named("kinds", kind)),
            words.written(count, ","),
        )
        for kind, count in sorted(service.events.items())
    ]
    if service.errors is not None:
        others.append((words("service.rows.errors"), words.written(service.errors, ",")))
    table = words.pairs("service", known, *others)
    return Section(words("service.title"), (table, _reviews(service.reviews, words)))


def _reviews(counts: ReviewCounts, words: Words) -> Table:
    share = counts.overturned_share
    known = {
        "received": words.written(counts.received, ","),
        "decided": words.written(counts.decided, ","),
        "overturned": words("none.reviews") if share is None else words.written(share, ".1%"),
        "open": words.written(counts.open, ","),
        "overdue": words.written(counts.overdue, ","),
    }
    return words.pairs("reviews", known)


def _milliseconds(value: float, words: Words) -> str:
    if math.isnan(value):
        return words("none.answers")
    return words("service.milliseconds", value=value)


def _model(model: Findings, words: Words) -> list[Section]:
    title = words("model.title", version=model.model_version, digest=model.model_digest[:12])
    decisions = Paragraph(words("model.decisions", count=model.applicants))
    if model.comparison is None:
        return [Section(title, (decisions, Paragraph(words("model.nothing"))))]
    return [
        Section(title, (decisions, _decisions(model.comparison, words))),
        _features(model.comparison, words),
        _reasons(model.comparison, words),
        Section(words("quality.title"), (Bullets(tuple(_quality(model, words))),)),
        Section(words("outcomes.title"), tuple(_outcomes(model, words))),
        Section(words("everybody.title"), tuple(_everybody(model.everybody, words))),
    ]


def _decisions(comparison: Comparison, words: Words) -> Table:
    before, after = comparison.applicants
    rows = (
        (
            words(f"decisions.rows.{name}"),
            *words.cells(".1%", share.reference, share.current),
            words("decisions.change", points=100 * share.change),
        )
        for name in ("accepted", "referred", "refused")
        for share in [getattr(comparison, name)]
    )
    return words.table(
        "decisions",
        rows,
        before=before,
        after=after,
        pd_psi=comparison.pd["psi"],
        weighted_psi=comparison.weighted_psi,
    )


def _features(comparison: Comparison, words: Words) -> Section:
    columns = comparison.columns
    table = words.table(
        "features",
        (_feature(row, words) for row in columns.head(_MOST_COLUMNS).iter_rows(named=True)),
        drifted=comparison.drifted.height,
        all=columns.height,
        shown=min(columns.height, _MOST_COLUMNS),
    )
    drawn = columns.head(_DRAWN)
    picture = Picture(
        plots.svg(plots.drift(drawn, _LIMITS.large_psi, words.language)),
        words("features.picture", count=drawn.height),
    )
    return Section(words("features.title"), (picture, table))


def _feature(row: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    return (
        plots.column_text(row["column"], words.language),
        _level(row, words),
        words.written(row["psi"], ".3f"),
        words(
            "features.test",
            method=words.named("features.methods", row["method"]),
            p=row["p_adjusted"],
        ),
        words(
            "features.missing",
            before=row["missing_reference"],
            after=row["missing_current"],
            p=row["missing_p_adjusted"],
        ),
        words.written(row["outside"], ".1%"),
        "" if row["importance"] is None else words.written(row["importance"], ".1%"),
    )


def _level(row: Mapping[str, Any], words: Words) -> str:
    """How much a column has drifted, and that it is by missing values where its values did less."""
    level = words(f"features.level.{row['level']}")
    moved = abs(row["missing_current"] - row["missing_reference"])
    sizes = (row["psi"] / _LIMITS.large_psi, row["p_adjusted"]), (
        moved / _LIMITS.large_missing, row["missing_p_adjusted"],
    )  # fmt: skip
    values, missing = (size if p < _LIMITS.significance else 0.0 for size, p in sizes)
    if row["level"] == "none" or values >= missing:
        return level
    return words("features.by_missing", level=level)


def _reasons(comparison: Comparison, words: Words) -> Section:
    causes = Words("causes", words.language)
    rows = (
        (
            # Earlier models may have had other causes.
            causes.named("title", row["cause"]),
            *words.cells(".1%", row["reference"], row["current"]),
            words.written(row["p_adjusted"], ".2g"),
        )
        for row in comparison.reasons.head(10).iter_rows(named=True)
    )
    return Section(words("reasons.title"), (words.table("reasons", rows),))


def _quality(model: Findings, words: Words) -> Iterable[str]:
    quality = model.quality
    yield words("quality.sampled", count=quality.sampled)
    if quality.recomputed:
        skewed = words("quality.no_difference")
        if quality.skewed:
            shares = (
                words(
                    "quality.share",
                    name=plots.column_text(name, words.language),
                    share=count / quality.recomputed,
                )
                for name, count in quality.skewed.items()
            )
            skewed = words("quality.differ", shares=", ".join(shares))
        yield words("quality.recomputed", count=quality.recomputed, skewed=skewed)
    else:
        yield words("quality.no_rows")
    for key, shares_of in (("unknown", quality.unknown_categories), ("outside", quality.outside)):
        largest = sorted(shares_of.items(), key=lambda item: -item[1])[:5]
        names = ", ".join(
            words("quality.named", name=plots.column_text(name, words.language), share=share)
            for name, share in largest
        )
        yield words(f"quality.{key}", names=names or words("quality.none"))


def _outcomes(model: Findings, words: Words) -> Iterable[Block]:
    if model.estimate is not None:
        figures = {
            name: words.interval(getattr(model.estimate, name), _SPECS.get(name, ".3f"))
            for name in ("auc", "business_cost", "default_rate")
        }
        yield words.pairs("outcomes.estimate", figures)
    if model.performance is None:
        yield Paragraph(words("outcomes.none"))
    else:
        yield from _realised(model.performance, words)


def _realised(known: Performance, words: Words) -> Iterable[Block]:
    whom = words("outcomes.accepted_only" if known.accepted_only else "outcomes.everybody")
    yield Paragraph(
        words("outcomes.known", labelled=known.labelled, defaults=known.defaults, whom=whom)
    )
    rows = (
        (
            words.named("outcomes.figures", name),
            words.interval(figure, ".3f"),
            _promise(known, name, words),
        )
        for name, figure in known.figures.items()
    )
    yield words.table("outcomes.realised", rows)
    applicants, defaults = known.promised_on
    key = "promised_on" if "applicants" in known.promised else "on_unknown"
    yield Paragraph(words(f"outcomes.{key}", applicants=applicants, defaults=defaults))
    if not known.by_vintage.is_empty():
        picture = plots.svg(plots.vintages(known.by_vintage, words.language))
        yield Picture(picture, words("vintages.picture"))
        months = known.by_vintage.iter_rows(named=True)
        yield words.table("vintages", (_vintage(month, words) for month in months))


def _promise(known: Performance, name: str, words: Words) -> str:
    """A promise, with its interval where an alert takes that into account."""
    promise = known.promise(name)
    if promise is not None:
        return words.interval(promise, ".3f")
    if name in known.promised:
        return words.written(known.promised[name], ".3f")
    return words("outcomes.no_promise")


def _everybody(known: Everybody | None, words: Words) -> Iterable[Block]:
    """What is known of all who had a chance, or why nothing is."""
    if known is None:
        yield Paragraph(words("everybody.without"))
        return
    reasons = [
        words(f"everybody.left_out.{why}", count=count)
        for why, count in known.left_out.items()
        if count
    ]
    if not known.figures:
        few = words("everybody.few", explored=known.explored, least=ENOUGH_EXPLORED)
        yield Paragraph(few)
        if reasons:
            yield Bullets(tuple(reasons))
        return
    counts = {name: getattr(known, name) for name in ("applicants", "observed", "explored")}
    yield Paragraph(words("everybody.known", **counts))
    rows = [
        (words(f"everybody.rows.{own.name}", own=own), *_estimates(own, words))
        for own in known.figures
    ]
    yield words.table("everybody", rows)
    compared = any(own.name == "model" for own in known.figures)
    of_model = [words("everybody.of_model")] if compared else []
    yield Bullets((*reasons, *words.lines("everybody.limits"), *of_model))


def _estimates(own: Estimated, words: Words) -> tuple[str, str]:
    known, spec = own.estimates, _SPECS.get(own.name, ".3f")
    # With one outcome alone there is no AUC.
    if known is None or math.isnan(known.self_normalised.value):
        return words("everybody.too_few"), ""
    return words.interval(known.self_normalised, spec), words.interval(known.doubly_robust, spec)


def _vintage(row: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    def interval(name: str, stem: str, spec: str) -> str:
        if row[name] is None:
            return words("vintages.too_few")
        return words.interval((row[name], row[f"{stem}_low"], row[f"{stem}_high"]), spec)

    return (
        words("vintages.month", month=row["vintage"]),
        words("vintages.labelled", labelled=row["labelled"], decided=row["decided"]),
        interval("default_rate", "rate", ".1%"),
        words.written(row["expected"], ".1%"),
        interval("business_cost", "cost", ".3f"),
        *(interval(name, name, ".3f") for name in ("auc", "brier")),
    )


def _model_values(model: Findings) -> dict[str, Any]:
    known = {} if model.everybody is None else {"everybody": model.everybody}
    return known | {
        "model_version": model.model_version,
        "model_digest": model.model_digest,
        "decisions": model.applicants,
        "quality": model.quality,
        "comparison": model.comparison
        and {name: getattr(model.comparison, name) for name in _COMPARED},
        "estimate": model.estimate,
        "performance": model.performance
        and {name: getattr(model.performance, name) for name in _REALISED},
    }
