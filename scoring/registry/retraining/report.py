"""What came of a retraining, as a page to read offline and as plain values for programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from scoring.evaluation.bootstrap import Interval
from scoring.registry.retraining.retrain import Attempt
from scoring.reports import document
from scoring.reports.card.pages import retold
from scoring.reports.document import READ_IN, Block, Bullets, Page, Paragraph, Section, Table
from scoring.reports.words import Words

_FIGURES = ("business_cost", "auc", "brier", "ece")


def html(attempt: Attempt) -> str:
    """Write the page in all languages; what the attempt recorded itself stays in English."""
    return document.in_languages(
        [_page(attempt, Words("retraining", language)) for language in READ_IN]
    )


def _page(attempt: Attempt, words: Words) -> Page:
    basis = attempt.trial.window.basis(words.language)
    tables: dict[str, list[Block]] = {
        "material": [_material(attempt, words)],
        "callers": [_callers(attempt, words)],
        "window": [Paragraph(basis), _window(attempt, words), _figures(attempt, words)],
        "effects": [_effects(attempt, words)],
        "gates": [_gates(attempt, words)],
    }
    sections = [
        _summary(attempt, words),
        *(Section(words(f"{name}.title"), tuple(blocks)) for name, blocks in tables.items()),
        Section(words("verdict.title"), (Paragraph(attempt.judgement.why),)),
        Section(words("reading.title"), (Bullets(words.lines("reading.limits")),)),
    ]
    verdict = words("promoted" if attempt.promotion else "not_promoted")
    title = words("title", version=attempt.trial.challenger.version, verdict=verdict)
    return Page(title, sections, words.language)


def values(attempt: Attempt) -> dict[str, Any]:
    """The same as JSON values."""
    material, trial = attempt.material, attempt.trial
    window = trial.window
    return {
        "promoted": attempt.promotion is not None,
        "why": attempt.judgement.why,
        "champion": trial.champion.version,
        "challenger": trial.challenger.version,
        "dataset": material.dataset,
        "added_to": material.addition.parent,
        "decisions_learnt_from": len(material.history.decisions),
        "left_out": dict(+material.left_out),
        "callers": [caller._asdict() for caller in material.callers],
        "doubts": list(attempt.judgement.doubts),
        "window": {
            "since": window.since.isoformat(),
            "until": window.until.isoformat(),
            "decisions": window.decided,
            "refused": window.refused,
            "with_outcome": len(window.history.decisions),
            "defaults": window.history.defaults,
            "basis": window.basis(),
            "explored": window.explored,
            "stand_ins": trial.stand_ins,
            "stand_ins_wanted": trial.wanted,
        },
        "figures": {
            "challenger": trial.figures_of(trial.challenger),
            "champion": trial.figures_of(trial.champion),
        },
        "differences": _intervals(trial.on_all),
        "differences_without_stand_ins": _intervals(trial.on_labelled),
        "differences_on_original_hold_out": _intervals(trial.on_original),
        "effects": _intervals(trial.effects),
        "gates": attempt.judgement.gates.summary(),
    }


def _intervals(differences: Mapping[str, Interval]) -> dict[str, list[float]]:
    return {name: list(interval) for name, interval in differences.items()}


def _summary(attempt: Attempt, words: Words) -> Section:
    sentences = [
        words(
            "summary.learning",
            version=attempt.trial.challenger.version,
            decisions=len(attempt.material.history.decisions),
            cost=attempt.trial.cost,
        )
    ]
    if attempt.promotion:
        sentences.append(words("summary.promoted"))
    else:
        if not attempt.trial.cheaper:
            sentences.append(words("summary.not_cheaper"))
        if unmet := attempt.judgement.gates.refused_by():
            card = Words("card", words.language)
            names = ", ".join(card.named("gates", gate.name) for gate in unmet)
            sentences.append(words("summary.unmet", names=names))
        sentences.append(words("summary.kept"))
        if attempt.judgement.doubts:
            sentences += [words("summary.doubts"), *attempt.judgement.doubts]
    return Section(words("summary.title"), (Paragraph(" ".join(sentences)),))


def _material(attempt: Attempt, words: Words) -> Table:
    material, addition = attempt.material, attempt.material.addition
    since, until = map(datetime.fromisoformat, (addition.since, addition.until))
    known = {
        "champion": addition.parent[:12],
        "added_to": material.dataset[:12],
        "decisions": words.written(len(material.history.decisions), ","),
        "defaults": words.written(material.history.defaults, ","),
        "taken": words("material.between", since=since, until=until),
        "calibrated": words.written(len(material.newest), ","),
    }
    if weights := material.history.weights:
        figures = {"explored": len(weights), "refused": sum(weights.values())}
        known["explored"] = words("material.stand_for", **figures)
    left_out = (
        (words("material.left_out", why=why), words.written(count, ","))
        for why, count in (+material.left_out).items()
    )
    return words.pairs("material", known, *left_out)


def _callers(attempt: Attempt, words: Words) -> Table:
    rows = (
        (
            caller.id,
            words.named("callers.did", caller.did),
            *words.cells(",", caller.labels, caller.defaults),
            words.written(caller.expected, ",.1f"),
        )
        for caller in attempt.material.callers
    )
    return words.table("callers", rows)


def _effects(attempt: Attempt, words: Words) -> Table:
    card = Words("card", words.language)
    rows = (
        (card.named("tables", table), words("difference", value=move))
        for table, move in attempt.trial.effects.items()
    )
    return words.table("effects", rows)


def _window(attempt: Attempt, words: Words) -> Table:
    window, trial = attempt.trial.window, attempt.trial
    known = {
        "taken": words("material.between", since=window.since, until=window.until),
        "decided": words.written(window.decided, ","),
        "refused": words("window.refused", count=window.refused, share=window.refusal_rate),
        "outcomes": words.written(len(window.history.decisions), ","),
        "defaults": words.written(window.history.defaults, ","),
    }
    if not window.weights:
        known["stand_ins"] = words("window.stand_ins", count=trial.stand_ins, wanted=trial.wanted)
    return words.pairs("window", known)


def _figures(attempt: Attempt, words: Words) -> Table:
    trial = attempt.trial
    challenger, champion = map(trial.figures_of, (trial.challenger, trial.champion))
    rows = (
        (
            words(f"figures.rows.{name}"),
            *words.cells(".4f", challenger[name], champion[name]),
            words("difference", value=trial.on_all[name]),
            words("difference", value=trial.on_labelled[name]),
        )
        for name in _FIGURES
    )
    return words.table("figures", rows)


def _gates(attempt: Attempt, words: Words) -> Table:
    card = Words("card", words.language)
    rows = (
        (
            card.named("gates", gate.name),
            words(f"gates.{'refused' if not gate.passed else 'alert' if gate.alert else 'passed'}"),
            retold(gate.sentence, card),
        )
        for gate in attempt.judgement.gates.gates
    )
    return words.table("gates", rows)
