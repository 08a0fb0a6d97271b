"""The drift report: one HTML file that loads nothing from elsewhere, and its figures as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from evidently.core.report import Snapshot
from matplotlib.figure import Figure

from scoring.files import staged_file
from scoring.monitoring.drift.checks import Checks
from scoring.monitoring.drift.study import Study
from scoring.monitoring.drift.verdict import conclusion, headline, meaning_of, verdict
from scoring.reports import document, plots
from scoring.reports.document import (
    READ_IN,
    Block,
    Marked,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
)
from scoring.reports.words import Words
from scoring.serving.profiles import PD

# The most important columns, whose bins are drawn.
_DRAWN = 12


def save(study: Study, checks: Checks, html: Path) -> None:
    """Write the report as one HTML file, and its figures as JSON beside it."""
    contents = {html.with_suffix(".json"): _json(study, checks), html: _html(study, checks)}
    for path, text in contents.items():
        with staged_file(path) as staged:
            staged.write_text(text, encoding="utf-8")


def figures(study: Study, language: str = "en") -> dict[str, Figure]:
    """The report's plots, by file name."""
    pds = {"reference": study.reference[PD].to_numpy(), "current": study.current[PD].to_numpy()}
    return {
        "drift.png": plots.drift(study.comparison.columns, study.limits.moderate_psi, language),
        "pds.png": plots.pd_distributions(pds, study.scorer.cutoff, language),
        "columns.png": plots.binned(study.before, study.after, study.top[:_DRAWN], language),
    }


def metrics(study: Study, checks: Checks) -> dict[str, float]:
    """The report's leading figures, as they are tracked."""
    result, judged = study.comparison, verdict(study)
    return {
        "compared_columns": result.columns.height,
        "drifted_columns": judged.drifted,
        "largely_drifted_columns": judged.large,
        "control_drifted_columns": study.control.drifted.height,
        "weighted_psi": result.weighted_psi,
        "pd_psi": result.pd["psi"],
        "accepted_reference": result.accepted.reference,
        "accepted_current": result.accepted.current,
        "refused_reference": result.refused.reference,
        "refused_current": result.refused.current,
        "tests": checks.tests.height,
        "failed_tests": int((~checks.tests["passed"]).sum()),
    }


def _json(study: Study, checks: Checks) -> str:
    judged = verdict(study)
    content = {
        "model": {"name": study.scorer.name, "version": study.scorer.version},
        "applicants": dict(zip(("reference", "current"), study.comparison.applicants, strict=True)),
        "drift": judged.drift,
        "effect": judged.effect,
        "conclusion": {"en": conclusion(study, "en"), "fr": conclusion(study, "fr")},
        "metrics": metrics(study, checks),
        "histories": study.histories,
        "columns": study.comparison.columns.to_dicts(),
        "tests": checks.tests.to_dicts(),
        "classification": {"labelled": checks.labelled, **checks.quality},
        "evidently": checks.results,
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _html(study: Study, checks: Checks) -> str:
    names = study.comparison.columns["column"].to_list()
    catalogues = [Words("drift", language) for language in READ_IN]
    return document.in_languages(
        [_page(study, checks, words) for words in catalogues],
        template="drift.html.jinja",
        dashboards=[_dashboard(shot, names) for shot in checks.snapshots.values()],
        titles={
            words.language: [words(f"page.dashboards.{name}") for name in checks.snapshots]
            for words in catalogues
        },
        effect=verdict(study).effect,
        headlines={words.language: headline(study, words.language) for words in catalogues},
    )


def _page(study: Study, checks: Checks, words: Words) -> Page:
    title = words("page.title", name=study.scorer.name, version=study.scorer.version)
    return Page(title, tuple(_sections(study, checks, words)), words.language)


def _dashboard(snapshot: Snapshot, columns: Iterable[str]) -> dict[str, str]:
    """The parts of Evidently's own page: several share one page, and one copy of its library."""
    head, body = snapshot.get_html_str(as_iframe=False).split("<body>", 1)
    root, rest = body.split("<script>", 1)
    library, start = rest.rsplit("<script>", 1)
    return {
        "style": _between(head, "<style>", "</style>"),
        "data": _in_words(_between(head, "<script>", "</script>"), columns),
        "root": root,
        "library": "<script>" + library,
        "start": "<script>" + start[: start.rindex("</script>")] + "</script>",
    }


def _in_words(data: str, columns: Iterable[str]) -> str:
    """Say what columns mean in the JSON that Evidently draws, in its language."""
    words = Words("drift")
    names = "|".join(map(re.escape, columns))
    return re.sub(
        rf"\b({names})\b", lambda name: json.dumps(meaning_of(name[0], words))[1:-1], data
    )


def _between(text: str, first: str, last: str) -> str:
    return text[text.index(first) : text.rindex(last)] + last


def _sections(study: Study, checks: Checks, words: Words) -> Iterable[Section]:
    yield Section(words("page.conclusion"), (Marked(conclusion(study, words.language)),))
    for name, figure in figures(study, words.language).items():
        heading = words(f"page.pictures.{Path(name).stem}")
        yield Section(heading, (Picture(plots.svg(figure), heading),))
    yield Section(words("page.tests"), tuple(_failed(checks, words)))
    yield Section(words("page.classification"), tuple(_classification(checks, words)))
    yield Section(words("page.method"), (Marked(words("page.method_text")),))
    columns = study.comparison.columns
    heading = words("page.columns", count=columns.height)
    yield Section(heading, (_columns(columns, words),), folds=True)


def _failed(checks: Checks, words: Words) -> Iterable[Block]:
    failed = checks.tests.filter(~pl.col("passed"))
    every = checks.tests.height
    yield Paragraph(words("page.passed", passed=every - failed.height, all=every))
    if failed.height:
        rows = (_failed_test(test, words) for test in failed.iter_rows(named=True))
        yield words.table("page.failed_tests", rows)


def _failed_test(test: Mapping[str, Any], words: Words) -> tuple[str, ...]:
    """A test of Evidently's with its column in words, without what the same of each is."""
    name, score = test["test"], test["found"].partition(" The drift detection method")[0]
    if column := test["column"]:
        meaning = meaning_of(column, words)
        name, score = name.replace(column, meaning), score.replace(column, meaning)
    return name, test["subject"], score, words("page.failed")


def _classification(checks: Checks, words: Words) -> Iterable[Block]:
    yield Paragraph(words(f"page.labelled.{checks.labelled}"))
    rows = [(name, words.written(value, ".3f"), "") for name, value in checks.quality.items()]
    for row in checks.tests.filter(subject="classification").to_dicts():
        result = words("page.succeeded" if row["passed"] else "page.failed")
        rows.append((row["test"], row["found"], result))
    if rows:
        yield words.table("page.figures", rows)


def _columns(table: pl.DataFrame, words: Words) -> Table:
    rows = (
        (
            row["column"],
            meaning_of(row["column"], words),
            words.named("page.levels", row["level"]),
            words.written(row["psi"], ".3f"),
            row["method"],
            words.written(row["statistic"], ".3g"),
            words.written(row["p_adjusted"], ".2g"),
            *words.cells(".1%", row["missing_reference"], row["missing_current"]),
            words.written(row["missing_p_adjusted"], ".2g"),
            words.written(row["outside"], ".1%"),
            "" if row["importance"] is None else words.written(row["importance"], ".2%"),
        )
        for row in table.to_dicts()
    )
    return words.table("page.all_columns", rows)
