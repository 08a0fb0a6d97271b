"""One look as a page to read offline, and as plain values for programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison, Share
from scoring.monitoring import pictures
from scoring.monitoring.findings import Findings, Performance, Service
from scoring.reports import document
from scoring.reports.document import Block, Bullets, Paragraph, Section, Table
from scoring.store import Alert

_MOST_COLUMNS = 25
_NAMES = {
    "auc": "AUC",
    "ks": "KS",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "business_cost": "Cost an applicant",
    "observed_to_expected": "Defaults over expected defaults",
}


def html(found: Sequence[Findings], alerts: Sequence[Alert]) -> str:
    """The page: what is wrong first, then every model's figures.

    Parameters
    ----------
    found : sequence of Findings
        Of each model, as `look` gives them.
    alerts : sequence of Alert
        Of all of them.
    """
    sections = [_verdict(alerts), _french(found, alerts), _service(found[0].service)]
    for one in found:
        if one.applicants:
            sections += _model(one)
    since, until = (
        f"{one:%d %B %Y %H:%M}" for one in (found[0].window.since, found[0].window.until)
    )
    return document.html(f"Monitoring: decisions from {since} to {until} UTC", sections)


def values(found: Sequence[Findings], alerts: Sequence[Alert]) -> dict[str, Any]:
    """The same as JSON values; what is not a number is null."""
    window, service = found[0].window, found[0].service
    return {
        "since": window.since.isoformat(),
        "until": window.until.isoformat(),
        "alerts": [_plain(asdict(one)) for one in alerts],
        "service": _plain(asdict(service)),
        "models": [_model_values(one) for one in found],
    }


def _verdict(alerts: Sequence[Alert]) -> Section:
    if not alerts:
        return Section("Alerts", (Paragraph("None: nothing has changed beyond the limits."),))
    rows = tuple(
        (
            one.severity,
            one.rule.replace("_", " "),
            # Alerts of the service as a whole name no model.
            f"version {one.model_version}" if one.model_version else "",
            one.message,
            one.advice,
        )
        for one in alerts
    )
    header = ("Severity", "Rule", "Model", "What was found", "What to do")
    return Section("Alerts", (Table("What is beyond its limit", header, rows),))


def _french(found: Sequence[Findings], alerts: Sequence[Alert]) -> Section:
    critical = sum(one.severity == "critical" for one in alerts)
    decided = f"{sum(one.applicants for one in found):,}".replace(",", "\u202f")
    told = f"{decided} décisions examinées. "
    if alerts:
        told += f"Alertes : {len(alerts)}, dont critiques : {critical}."
    else:
        told += "Rien n'a changé au-delà des seuils."
    return Section("Résumé", (Paragraph(told, "fr"),), "fr")


def _service(found: Service) -> Section:
    rows = [
        ("Decisions", f"{found.decisions:,}"),
        ("Median time", _milliseconds(found.median_ms)),
        ("99th percentile of time", _milliseconds(found.p99_ms)),
        *((f"Events: {kind}", f"{count:,}") for kind, count in sorted(found.events.items())),
    ]
    if found.errors is not None:
        rows.append(("Answers with status 5xx since the last report", f"{found.errors:,}"))
    return Section("Service", (Table("How it did", ("Figure", "Value"), tuple(rows)),))


def _model(one: Findings) -> list[Section]:
    name = f"Model version {one.model_version} ({one.model_digest[:12]})"
    head: list[Block] = [Paragraph(f"{one.applicants:,} decisions.")]
    if one.comparison is None:
        head.append(
            Paragraph(
                "The model is not kept in the store, or carries no profile of its training "
                "applicants: there is nothing to compare with."
            )
        )
        return [Section(name, tuple(head))]
    sections = [Section(name, (*head, _decisions(one.comparison)))]
    sections += [_features(one.comparison), _reasons(one.comparison), _quality(one)]
    sections += [_outcomes(one)]
    return sections


def _decisions(found: Comparison) -> Table:
    before, after = found.applicants
    shares: tuple[tuple[str, Share], ...] = (
        ("Accepted", found.accepted), ("Referred", found.referred), ("Refused", found.refused),
    )  # fmt: skip
    rows = tuple(
        (name, f"{share.reference:.1%}", f"{share.current:.1%}", f"{share.change:+.1%}")
        for name, share in shares
    )
    return Table(
        f"{after:,} decisions beside {before:,} training applicants; PSI of the PD "
        f"{found.pd['psi']:.3f}, of the features weighted by importance {found.weighted_psi:.3f}",
        ("Decision", "Training", "Window", "Change"),
        rows,
    )


def _features(found: Comparison) -> Section:
    table = found.columns.head(_MOST_COLUMNS)
    rows = tuple(
        (
            row["column"],
            row["level"],
            f"{row['psi']:.3f}",
            f"{row['method']}, p = {row['p_adjusted']:.2g}",
            f"{row['missing_reference']:.1%} to {row['missing_current']:.1%}",
            f"{row['outside']:.1%}",
            "" if row["importance"] is None else f"{row['importance']:.1%}",
        )
        for row in table.iter_rows(named=True)
    )
    header = ("Column", "Drift", "PSI", "Test (adjusted)", "Missing", "Out of range", "Importance")
    drifted, number = found.drifted.height, found.columns.height
    caption = f"{drifted} of {number} columns drifted; the {len(rows)} most changed ones"
    return Section("Features", (pictures.drift(found.columns), Table(caption, header, rows)))


def _reasons(found: Comparison) -> Section:
    rows = tuple(
        (row["feature"], f"{row['reference']:.1%}", f"{row['current']:.1%}",
         f"{row['p_adjusted']:.2g}")
        for row in found.reasons.head(10).iter_rows(named=True)
    )  # fmt: skip
    header = ("Reason", "Held-out applicants", "Window", "p (adjusted)")
    return Section("Reasons", (Table("How many applicants are told them", header, rows),))


def _quality(one: Findings) -> Section:
    found = one.quality
    told = [f"{found.sampled:,} decisions were looked at in every feature."]
    if found.recomputed:
        told.append(
            f"The features of {found.recomputed:,} were computed again from their rows: "
            + (_shares(found.skewed, found.recomputed) if found.skewed else "no difference.")
        )
    else:
        told.append("None has rows to compute its features again from.")
    for what, shares in (
        ("Categories that the model does not know", found.unknown_categories),
        ("Numbers beyond those of the training", found.outside),
    ):
        largest = sorted(shares.items(), key=lambda item: -item[1])[:5]
        named = ", ".join(f"{name} ({share:.2%})" for name, share in largest)
        told.append(f"{what}: {named or 'none'}.")
    return Section("Data quality", (Bullets(tuple(told)),))


def _shares(counts: Mapping[str, int], of: int) -> str:
    return ", ".join(f"{name} in {count / of:.1%}" for name, count in counts.items()) + " differ."


def _outcomes(one: Findings) -> Section:
    blocks: list[Block] = []
    if one.estimate is not None:
        estimated = one.estimate
        rows = tuple(
            (name, _interval(figure))
            for name, figure in (
                ("AUC", estimated.auc),
                ("Cost an applicant", estimated.business_cost),
                ("Default rate", estimated.default_rate),
            )
        )
        caption = "To be expected of all applicants, if the PDs are calibrated"
        blocks.append(Table(caption, ("Figure", "Estimate"), rows))
    if one.performance is None:
        blocks.append(Paragraph("No outcomes of both kinds became known in this window."))
    else:
        blocks += _realised(one.performance)
    return Section("Outcomes", tuple(blocks))


def _realised(found: Performance) -> list[Block]:
    whom = (
        "They are of applicants who were not refused: what refused ones would have done nobody "
        "knows, and no figure here stands for them. The promises beside them are those for "
        "applicants who are not refused."
        if found.accepted_only
        else "Refused applicants have outcomes too, as if everybody had got a loan: the figures "
        "are of all applicants."
    )
    rows = tuple(
        (_NAMES.get(name, name), _interval(figure), _promise(found.promised, name))
        for name, figure in found.figures.items()
    )
    blocks: list[Block] = [
        Paragraph(
            f"{found.labelled:,} outcomes became known, {found.defaults:,} of them defaults. {whom}"
        ),
        Table("Realised, and promised by the training", ("Figure", "Realised", "Promised"), rows),
    ]
    if not found.by_vintage.is_empty():
        blocks += [pictures.vintages(found.by_vintage), _vintages(found.by_vintage)]
    return blocks


def _promise(promised: Mapping[str, float], name: str) -> str:
    if name == "observed_to_expected":
        return "1.000"
    return f"{promised[name]:.3f}" if name in promised else "not on record"


def _vintages(table: pl.DataFrame) -> Table:
    rows = tuple(
        (
            f"{row['vintage']:%B %Y}",
            f"{row['labelled']:,} of {row['decided']:,}",
            f"{row['default_rate']:.1%} ({row['rate_low']:.1%} to {row['rate_high']:.1%})",
            f"{row['expected']:.1%}",
            f"{row['business_cost']:.3f} ({row['cost_low']:.3f} to {row['cost_high']:.3f})",
            *(_of_vintage(row, name) for name in ("auc", "ks", "brier")),
        )
        for row in table.iter_rows(named=True)
    )
    header = (
        "Month of decision", "Outcomes of decisions", "Default rate", "Expected",
        "Cost an applicant", "AUC", "KS", "Brier score",
    )  # fmt: skip
    return Table("All outcomes so far by vintage, with intervals of 95 %", header, rows)


def _of_vintage(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "too few"
    return _interval(Interval(row[name], row[f"{name}_low"], row[f"{name}_high"]))


def _interval(figure: Interval) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _milliseconds(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.1f} ms"


def _model_values(one: Findings) -> dict[str, Any]:
    found = one.comparison
    compared = found and {
        "weighted_psi": found.weighted_psi,
        "accepted": found.accepted._asdict(),
        "referred": found.referred._asdict(),
        "refused": found.refused._asdict(),
        "columns": found.columns.to_dicts(),
        "reasons": found.reasons.to_dicts(),
        "applicants": list(found.applicants),
    }
    known = one.performance
    return {
        "model_version": one.model_version,
        "model_digest": one.model_digest,
        "decisions": one.applicants,
        "quality": _plain(asdict(one.quality)),
        "comparison": _plain(compared),
        "estimate": one.estimate and _plain(_figures(asdict(one.estimate))),
        "performance": known
        and _plain(
            {
                "labelled": known.labelled,
                "defaults": known.defaults,
                "accepted_only": known.accepted_only,
                "figures": _figures(known.figures),
                "promised": dict(known.promised),
                "by_vintage": known.by_vintage.to_dicts(),
            }
        ),
    }


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: Interval(*figure)._asdict() for name, figure in found.items()}


def _plain(value: Any) -> Any:
    """Values that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value
