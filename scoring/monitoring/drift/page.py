"""The drift report: one HTML file that loads nothing from elsewhere, and its figures as JSON."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import polars as pl
from evidently.core.report import Snapshot
from matplotlib.figure import Figure

from scoring.features.wording import describe
from scoring.files import staged_file
from scoring.monitoring.drift.checks import Checks
from scoring.monitoring.drift.study import Study
from scoring.monitoring.drift.verdict import conclusion, verdict
from scoring.reports import plots
from scoring.serving.profiles import PD

# Columns drawn: the most changed in one plot, the most important with their bins in another.
_CHANGED = 20
_DRAWN = 12

_HEADINGS = {
    "drift": "Evidently: drift, missing and unknown values of the leading columns",
    "summary": "Evidently: data quality, every statistic",
    "classification": "Evidently: quality of the classification",
}
_LABELLED = {
    "both": "Outcomes of both populations are known: the current one is tested against the "
    "reference.",
    "reference": "Outcomes of current applicants are not known: the figures are of the reference, "
    "with PDs of models that had not seen the applicant, tested against the training's promise.",
    "neither": "No outcomes are known.",
}

_METHOD = """
Every column that the model reads is compared in bins that hold a twentieth of the reference each.
How large a change is: by the population stability index (PSI), which means the same for numbers and
categories, less what chance alone gives two samples of these sizes; usual reading, stable below
0.1, shifted from 0.2. How certain it is: by a test that fits the column. Numbers have an order, so
the test of Kolmogorov and Smirnov looks at cumulative shares; categories have none, so chi-square
looks at each; a column with two bins is one proportion, and gets the z-test. None of them sees
missing values, so the share of applicants without a value gets a z-test of its own.

So many tests would raise false alarms by their number: p-values are adjusted together by Holm's
method, which bounds the chance of even one false alarm however the columns depend on each other.
And on many applicants every small change is certain: a column counts as changed only if it is both
certain and large.

Evidently draws the leading columns from a sample of the rows. Its tests are tests of size: numbers
by the normalised Wasserstein distance (how far values have moved, in standard deviations) and the
leading ones by the PSI too, categories by the PSI; missing values against the reference; values
beyond the reference's.
"""


class _Dashboard(NamedTuple):
    """Parts of a page that Evidently made."""

    style: str
    data: str
    root: str
    library: str
    start: str


def save(found: Study, checks: Checks, html: Path) -> None:
    """Write the report as one HTML file, and its figures as JSON beside it.

    Parameters
    ----------
    found : Study
        The comparison.
    checks : Checks
        What Evidently made of it.
    html : Path
        The HTML file; the JSON has the same name but for its ending.
    """
    contents = {html.with_suffix(".json"): _json(found, checks), html: _html(found, checks)}
    for path, text in contents.items():
        with staged_file(path) as staged:
            staged.write_text(text, encoding="utf-8")


def figures(found: Study) -> dict[str, Figure]:
    """The report's plots, by file name."""
    changed = found.comparison.columns.head(_CHANGED)
    pds = {"reference": found.reference[PD].to_numpy(), "current": found.current[PD].to_numpy()}
    return {
        "drift.png": plots.drift(changed, found.limits.large_psi),
        "pds.png": plots.pd_distributions(pds, found.scorer.cutoff),
        "columns.png": plots.binned(found.before, found.after, found.top[:_DRAWN]),
    }


def metrics(found: Study, checks: Checks) -> dict[str, float]:
    """The report's leading figures, as they are tracked."""
    result, judged = found.comparison, verdict(found)
    return {
        "compared_columns": result.columns.height,
        "drifted_columns": judged.drifted,
        "largely_drifted_columns": judged.large,
        "control_drifted_columns": found.control.drifted.height,
        "weighted_psi": result.weighted_psi,
        "pd_psi": result.pd["psi"],
        "accepted_reference": result.accepted.reference,
        "accepted_current": result.accepted.current,
        "refused_reference": result.refused.reference,
        "refused_current": result.refused.current,
        "tests": checks.tests.height,
        "failed_tests": int((~checks.tests["passed"]).sum()),
    }


def _json(found: Study, checks: Checks) -> str:
    judged = verdict(found)
    content = {
        "model": {"name": found.scorer.name, "version": found.scorer.version},
        "applicants": dict(zip(("reference", "current"), found.comparison.applicants, strict=True)),
        "drift": judged.drift,
        "effect": judged.effect,
        "conclusion": {"en": conclusion(found, "en"), "fr": conclusion(found, "fr")},
        "metrics": metrics(found, checks),
        "histories": found.histories,
        "columns": found.comparison.columns.to_dicts(),
        "tests": checks.tests.to_dicts(),
        "classification": {"labelled": checks.labelled, **checks.quality},
        "evidently": checks.results,
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _html(found: Study, checks: Checks) -> str:
    dashboards = {name: _dashboard(shot) for name, shot in checks.snapshots.items()}
    first = next(iter(dashboards.values()))
    drawn = "\n".join(
        f"<h2>{escape(_HEADINGS[name])}</h2>\n{part.root}" for name, part in dashboards.items()
    )
    return _PAGE.format(
        title=escape(_title(found)),
        style=first.style,
        data="\n".join(part.data for part in dashboards.values()),
        body="\n".join(_sections(found, checks)),
        dashboards=drawn,
        library=first.library,
        start="\n".join(part.start for part in dashboards.values()),
    )


def _dashboard(snapshot: Snapshot) -> _Dashboard:
    """The parts of Evidently's own page: several share one page, and one copy of its library."""
    head, body = snapshot.get_html_str(as_iframe=False).split("<body>", 1)
    root, rest = body.split("<script>", 1)
    library, start = rest.rsplit("<script>", 1)
    return _Dashboard(
        style=_between(head, "<style>", "</style>"),
        data=_between(head, "<script>", "</script>"),
        root=root,
        library="<script>" + library,
        start="<script>" + start[: start.rindex("</script>")] + "</script>",
    )


def _between(text: str, first: str, last: str) -> str:
    return text[text.index(first) : text.rindex(last)] + last


def _title(found: Study) -> str:
    return f"Drift report: {found.scorer.name}, version {found.scorer.version}"


def _sections(found: Study, checks: Checks) -> Iterable[str]:
    yield f"<section><h2>Conclusion</h2>\n{_marked_up(conclusion(found))}</section>"
    yield (
        '<section lang="fr"><h2>Résumé en français</h2>\n'
        f"{_marked_up(conclusion(found, 'fr'))}</section>"
    )
    captions = {
        "drift.png": "The most changed columns",
        "pds.png": "Effect on the PD",
        "columns.png": "The most important columns, bin by bin",
    }
    for name, figure in figures(found).items():
        yield f"<section><h2>{captions[name]}</h2>\n{_image(figure, captions[name])}</section>"
    yield f"<section><h2>Tests</h2>\n{_failed(checks)}</section>"
    yield f"<section><h2>Classification</h2>\n{_classification(checks)}</section>"
    yield f"<section><h2>How it is compared</h2>\n{_marked_up(_METHOD)}</section>"
    rows = found.comparison.columns
    yield (
        f"<section><details open><summary><h2>All {rows.height} columns</h2></summary>\n"
        f"{_columns(rows)}</details></section>"
    )


def _failed(checks: Checks) -> str:
    failed = checks.tests.filter(~pl.col("passed"))
    told = f"{checks.tests.height - failed.height} of {checks.tests.height} tests passed."
    header = ("Test", "Subject", "Found", "Result")
    rows = [(row["test"], row["subject"], row["found"], "failed") for row in failed.to_dicts()]
    return f"<p>{told}</p>\n" + (_table("Tests that failed", header, rows) if rows else "")


def _classification(checks: Checks) -> str:
    rows = [(name, f"{value:.3f}", "") for name, value in checks.quality.items()]
    tests = checks.tests.filter(subject="classification")
    rows += [
        (row["test"], row["found"], "passed" if row["passed"] else "failed")
        for row in tests.to_dicts()
    ]
    table = _table("Figures and tests", ("Figure", "Value", "Result"), rows) if rows else ""
    return f"<p>{_LABELLED[checks.labelled]}</p>\n{table}"


def _columns(table: pl.DataFrame) -> str:
    header = (
        "Column", "Meaning", "Change", "PSI", "Method", "Statistic", "p (Holm)",
        "Missing, reference", "Missing, current", "p (Holm) of missing", "Outside the range",
        "Importance",
    )  # fmt: skip
    rows = [
        (
            row["column"],
            "probability of default" if row["column"] == PD else describe(row["column"]),
            row["level"],
            f"{row['psi']:.3f}",
            row["method"],
            f"{row['statistic']:.3g}",
            f"{row['p_adjusted']:.2g}",
            f"{row['missing_reference']:.1%}",
            f"{row['missing_current']:.1%}",
            f"{row['missing_p_adjusted']:.2g}",
            f"{row['outside']:.1%}",
            "" if row["importance"] is None else f"{row['importance']:.2%}",
        )
        for row in table.to_dicts()
    ]
    return _table("The most changed first", header, rows)


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _image(figure: Figure, caption: str) -> str:
    """A plot as a picture inside the page; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "drift"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(caption)}" src="data:image/svg+xml;base64,{data}">'


def _marked_up(text: str) -> str:
    """Paragraphs, lists, bold and code of a conclusion's Markdown."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [_inline(line) for line in block.split("\n")]
        if block.startswith("- "):
            items = "".join(f"<li>{line[2:]}</li>" for line in lines)
            blocks.append(f"<ul>{items}</ul>")
        else:
            blocks.append(f"<p>{' '.join(lines)}</p>")
    return "\n".join(blocks)


def _inline(text: str) -> str:
    bold = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", bold)


# The policy keeps a browser from fetching anything, whatever a script inside would like.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
 style-src 'unsafe-inline'; img-src data: blob:; font-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
{style}
<style>
.report {{ font: 1rem/1.5 system-ui, sans-serif; color: #1f2328; background: #ffffff;
  max-width: 70rem; margin: 0 auto; padding: 1rem; }}
.report h1, .report h2 {{ line-height: 1.25; }}
.report h2 {{ border-bottom: 1px solid #6e7781; padding-bottom: .25rem; margin-top: 2.5rem; }}
.report summary h2 {{ display: inline-block; }}
.report img {{ max-width: 100%; height: auto; }}
.report code {{ overflow-wrap: anywhere; }}
.report .wide {{ overflow: auto; max-height: 40rem; margin: 1rem 0; }}
.report table {{ border-collapse: collapse; font-size: .85rem; }}
.report caption {{ text-align: left; font-weight: 600; padding: .25rem 0; }}
.report th, .report td {{ border: 1px solid #6e7781; padding: .2rem .5rem; text-align: left;
  vertical-align: top; font-variant-numeric: tabular-nums; }}
.report thead th {{ background: #eaeef2; position: sticky; top: 0; }}
.report tbody th {{ font-weight: 600; overflow-wrap: anywhere; min-width: 14rem; }}
.dashboards {{ font-family: system-ui, sans-serif; max-width: 70rem; margin: 0 auto;
  padding: 1rem; }}
</style>
{data}
</head>
<body>
<main>
<div class="report">
<h1>{title}</h1>
{body}
</div>
<div class="dashboards">
{dashboards}
</div>
</main>
{library}
{start}
</body>
</html>
"""
