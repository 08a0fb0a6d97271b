"""What came of a retraining, as a page to read offline and as plain values for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scoring.evaluation.bootstrap import Interval
from scoring.registry.retraining.retrain import Attempt
from scoring.reports import document
from scoring.reports.document import Bullets, Paragraph, Section, Table

_NAMES = {
    "business_cost": "Cost an applicant",
    "auc": "AUC",
    "brier": "Brier score",
    "ece": "Calibration error",
}
_LIMITS = (
    "Only applicants who were given a loan have an outcome, and the champion chose them. Stand-ins "
    "of known outcome, whom the champion would refuse, represent the refused; theirs is the "
    "default rate of their time, not of today.",
    "Neither model has learnt from anyone it is measured on here.",
    "What callers report is believed only as far as others bear it out: where one caller has too "
    "large a part in the new labels or other defaults than the rest, where the effect of a table's "
    "features has moved, or while an alert about the applicants is critical, a person promotes.",
    "A challenger becomes the champion if the whole 95 % interval of the difference in cost is "
    "below zero and every gate lets it pass. Anyone may still promote it by hand, with a motive.",
)


def html(found: Attempt) -> str:
    """The page."""
    title = f"Retraining: version {found.trial.challenger.version}, {_verdict(found)}"
    sections = [
        Section("Verdict", (Paragraph(found.why),)),
        Section("Résumé", (Paragraph(_french(found), "fr"),), "fr"),
        Section("What was learnt from", (_material(found),)),
        Section("Whom the new labels come from", (_callers(found),)),
        Section("Beside the champion, on the newest decisions", (_window(found), _figures(found))),
        Section("On the original hold-out", (_effects(found),)),
        Section("Gates", (_gates(found),)),
        Section("How to read it", (Bullets(_LIMITS),)),
    ]
    return document.html(title, sections)


def values(found: Attempt) -> dict[str, Any]:
    """The same as JSON values."""
    material, trial = found.material, found.trial
    window = trial.window
    return {
        "promoted": found.promotion is not None,
        "why": found.why,
        "champion": trial.champion.version,
        "challenger": trial.challenger.version,
        "dataset": material.dataset,
        "added_to": material.addition.parent,
        "decisions_learnt_from": len(material.history.decisions),
        "left_out": dict(+material.left_out),
        "callers": [one._asdict() for one in material.callers],
        "doubts": list(found.doubts),
        "window": {
            "since": window.since.isoformat(),
            "until": window.until.isoformat(),
            "decisions": window.decided,
            "refused": window.refused,
            "with_outcome": len(window.history.decisions),
            "defaults": window.history.defaults,
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
        "gates": found.verdict.summary(),
    }


def _intervals(found: Mapping[str, Interval]) -> dict[str, list[float]]:
    return {name: list(interval) for name, interval in found.items()}


def _verdict(found: Attempt) -> str:
    return "the new champion" if found.promotion else "not promoted"


def _french(found: Attempt) -> str:
    low, high = (f"{one:+.3f}".replace(".", ",") for one in found.trial.cost[1:])
    told = (
        f"Le modèle {found.trial.challenger.version} a appris de "
        f"{_number(len(found.material.history.decisions))} décisions supplémentaires dont le "
        f"résultat est connu. Écart de coût par demandeur avec le modèle en place : de {low} à "
        f"{high} (intervalle à 95 %). "
    )
    if found.promotion:
        return told + "Il devient le modèle en place."
    if found.trial.cheaper and found.doubts:
        told += "Une personne doit décider de sa promotion. "
    return told + "Le modèle en place est conservé."


def _number(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")


def _material(found: Attempt) -> Table:
    material, addition = found.material, found.material.addition
    left_out = (+material.left_out).items()
    rows = [
        ("Data of the champion", addition.parent[:12]),
        ("With the decisions added", material.dataset[:12]),
        ("Decisions added", f"{len(material.history.decisions):,}"),
        ("Of them defaults", f"{material.history.defaults:,}"),
        ("Taken", f"{addition.since[:10]} to {addition.until[:10]}"),
        ("Of them calibrated on", f"{len(material.newest):,}"),
        *((f"Left out: {why}", f"{count:,}") for why, count in left_out),
    ]
    return Table("Data", ("What", "Value"), tuple(rows))


def _callers(found: Attempt) -> Table:
    rows = tuple(
        (one.id, one.did, f"{one.labels:,}", f"{one.defaults:,}", f"{one.expected:,.1f}")
        for one in found.material.callers
    )
    header = ("Caller", "Did", "New labels", "Defaults", "Expected by the PDs")
    return Table("Who asked for the decisions and who reported the outcomes", header, rows)


def _effects(found: Attempt) -> Table:
    rows = tuple((table, _interval(move)) for table, move in found.trial.effects.items())
    title = "What the features of a table add to the log-odds, beyond the champion's"
    return Table(title, ("Table", "Mean difference"), rows)


def _window(found: Attempt) -> Table:
    window, trial = found.trial.window, found.trial
    rows = (
        ("Decisions taken", f"{window.since:%Y-%m-%d} to {window.until:%Y-%m-%d}"),
        ("How many", f"{window.decided:,}"),
        ("Refused", f"{window.refused:,} ({window.refusal_rate:.1%})"),
        ("With an outcome, not learnt from", f"{len(window.history.decisions):,}"),
        ("Of them defaults", f"{window.history.defaults:,}"),
        ("Stand-ins for the refused", f"{trial.stand_ins:,} of {trial.wanted:,} wanted"),
    )
    return Table("The newest decisions", ("What", "Value"), rows)


def _figures(found: Attempt) -> Table:
    trial = found.trial
    challenger, champion = (
        trial.figures_of(trial.challenger),
        trial.figures_of(trial.champion),
    )
    rows = tuple(
        (
            words,
            f"{challenger[name]:.4f}",
            f"{champion[name]:.4f}",
            _interval(trial.on_all[name]),
            _interval(trial.on_labelled[name]),
        )
        for name, words in _NAMES.items()
    )
    header = ("Figure", "Challenger", "Champion", "Difference", "Without stand-ins")
    return Table("Both models on the same applicants, with 95 % intervals", header, rows)


def _interval(found: Interval) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def _gates(found: Attempt) -> Table:
    rows = tuple(
        (gate.name, "passed" if gate.passed else "refused", gate.sentence)
        for gate in found.verdict.gates
    )
    return Table("What a challenger must pass", ("Gate", "Outcome", "In words"), rows)
