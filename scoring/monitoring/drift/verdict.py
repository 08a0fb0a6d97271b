"""What a comparison means, in words drawn from its figures: is there drift, where, so what?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Literal

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison
from scoring.features.wording import Language, describe
from scoring.monitoring.drift.populations import HISTORIES
from scoring.monitoring.drift.study import Study
from scoring.monitoring.thresholds import Thresholds
from scoring.serving.profiles import PD

Effect = Literal["none", "inputs", "noticeable", "serious"]

# From where on drift matters, and from where on it is serious: as for alerts.
_LIMITS = Thresholds()
WEIGHTED_PSI, PD_PSI = astuple(_LIMITS.weighted_psi), astuple(_LIMITS.pd_psi)
ACCEPTANCE, AUC_LOSS = astuple(_LIMITS.decisions), astuple(_LIMITS.auc_loss)

# More sources than this are counted, not listed.
_NAMED = 8

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "drift": "**Is there drift?** {n} of {all} columns changed ({large} much), among "
        "{before:,} reference and {after:,} current applicants. Between two random halves of the "
        "reference, where nothing can have changed, {control} do.",
        "where": "**Where?** The most changed column of each source:",
        "more": "; {n} more of this source",
        "nowhere": "**Where?** Nowhere: no change is both certain (p < {p:g} after Holm's "
        "adjustment for all columns) and large (PSI of {psi:g} or more beyond chance, or missing "
        "values moved by {missing:.0%} or more).",
        "history": "{before:.0%} of the reference applicants have rows in {table}, {after:.0%} of "
        "the current ones have (`{sign}`).",
        "colon": ":",
        "values": "PSI {psi:.2f}",
        "missing": "missing for {before:.0%} before, for {after:.0%} now",
        "others": "... and {n} more, in the table of all columns.",
        "pd": "probability of default",
        "matters": "**Does it matter?** {answer} The PSI of the features weighted by importance "
        "is {weighted:.3f}, that of the PD {pd:.3f}; acceptances go from {accept_before:.1%} to "
        "{accept_after:.1%}, refusals from {refuse_before:.1%} to {refuse_after:.1%}.",
        "none": "No.",
        "inputs": "Hardly: the model does not lean on what changed.",
        "noticeable": "Yes.",
        "serious": "Yes, seriously.",
        "advice": "**What to do?** {advice}",
        "advice none": "Nothing. Look again with the next applicants.",
        "advice inputs": "Do not retrain for this reason alone. Ask the sources of the columns "
        "above why they changed, and note it: a rule of data collection, not of applicants, may "
        "have changed.",
        "advice noticeable": "Check the columns above at their sources. If the change is real, "
        "plan a retraining on today's applicants as soon as their outcomes are known, and watch "
        "cost and calibration until then.",
        "advice serious": "Check the columns above at their sources at once, refer doubtful "
        "applications to officers meanwhile, and retrain on today's applicants as soon as "
        "outcomes are known.",
        "ranking": "**Does the model still rank?** AUC {before.value:.3f} ({before.low:.3f} to "
        "{before.high:.3f}) on the reference, {after.value:.3f} ({after.low:.3f} to "
        "{after.high:.3f}) on current applicants.",
        "unknown": "**Does the model still rank?** That the link between features and default has "
        "changed cannot be seen here: it takes outcomes of current applicants.",
    },
    "fr": {
        "drift": "**Y a-t-il une dérive ?** {n} colonnes sur {all} ont changé (dont {large} "
        "fortement), entre {before:,} demandeurs de référence et {after:,} demandeurs actuels. "
        "Entre deux moitiés tirées au sort de la référence, où rien n'a pu changer : {control}.",
        "where": "**Où ?** La colonne qui a le plus changé de chaque source :",
        "more": " ; {n} de plus de cette source",
        "nowhere": "**Où ?** Nulle part : aucun changement n'est à la fois certain (p < {p:g} "
        "après la correction de Holm pour toutes les colonnes) et important (PSI d'au moins "
        "{psi:g} au-delà du hasard, ou valeurs manquantes déplacées d'au moins {missing:.0%}).",
        "history": "{before:.0%} des demandeurs de référence ont des lignes dans {table}, contre "
        "{after:.0%} des demandeurs actuels (`{sign}`).",
        "colon": " :",
        "values": "PSI {psi:.2f}",
        "missing": "manquante pour {before:.0%} avant, pour {after:.0%} maintenant",
        "others": "... et {n} autres, dans le tableau de toutes les colonnes.",
        "pd": "probabilité de défaut",
        "matters": "**Est-ce grave ?** {answer} Le PSI des variables pondéré par leur importance "
        "est de {weighted:.3f}, celui de la probabilité de défaut de {pd:.3f} ; les acceptations "
        "passent de {accept_before:.1%} à {accept_after:.1%}, les refus de {refuse_before:.1%} à "
        "{refuse_after:.1%}.",
        "none": "Non.",
        "inputs": "À peine : le modèle ne s'appuie guère sur ce qui a changé.",
        "noticeable": "Oui.",
        "serious": "Oui, sérieusement.",
        "advice": "**Que faire ?** {advice}",
        "advice none": "Rien. Regarder de nouveau avec les prochains demandeurs.",
        "advice inputs": "Ne pas réentraîner pour cette seule raison. Demander aux sources des "
        "colonnes ci-dessus pourquoi elles ont changé, et le noter : c'est peut-être la collecte "
        "qui a changé, et non les demandeurs.",
        "advice noticeable": "Vérifier à la source les colonnes ci-dessus. Si le changement est "
        "réel, prévoir un réentraînement sur les demandeurs d'aujourd'hui dès que leurs résultats "
        "seront connus, et surveiller d'ici là le coût et le calibrage.",
        "advice serious": "Vérifier tout de suite à la source les colonnes ci-dessus, confier "
        "entre-temps les dossiers douteux à un chargé d'étude, et réentraîner sur les demandeurs "
        "d'aujourd'hui dès que leurs résultats seront connus.",
        "ranking": "**Le modèle classe-t-il encore ?** AUC {before.value:.3f} ({before.low:.3f} à "
        "{before.high:.3f}) sur la référence, {after.value:.3f} ({after.low:.3f} à "
        "{after.high:.3f}) sur les demandeurs actuels.",
        "unknown": "**Le modèle classe-t-il encore ?** Un changement du lien entre variables et "
        "défaut ne se voit pas ici : il faut pour cela les résultats des demandeurs actuels.",
    },
}


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """What a comparison comes to.

    Attributes
    ----------
    drift : bool
        Whether any column changed.
    effect : {"none", "inputs", "noticeable", "serious"}
        What it does: nothing, to inputs that hardly count, to the PDs or decisions.
    drifted, large : int
        How many columns changed, and how many of them much.
    """

    drift: bool
    effect: Effect
    drifted: int
    large: int


def verdict(found: Study) -> DriftVerdict:
    """Whether there is drift, and what it does to PDs, decisions and ranking."""
    result, drifted = found.comparison, found.comparison.drifted
    sizes = [
        (result.weighted_psi, WEIGHTED_PSI),
        (_certain_psi(result.pd), PD_PSI),
        (_certain_change(result), ACCEPTANCE),
        (_certain_loss(*found.ranking), AUC_LOSS),
    ]
    effect: Effect = "none"
    if any(size >= limits[1] for size, limits in sizes):
        effect = "serious"
    elif any(size >= limits[0] for size, limits in sizes):
        effect = "noticeable"
    elif drifted.height:
        effect = "inputs"
    large = drifted.filter(pl.col("level") == "large").height
    return DriftVerdict(drifted.height > 0, effect, drifted.height, large)


def conclusion(found: Study, language: Language = "en") -> str:
    """What a study means, as Markdown.

    Parameters
    ----------
    found : Study
        The comparison.
    language : {"en", "fr"}
        Of the words.
    """
    words = _WORDS[language]
    result, judged = found.comparison, verdict(found)
    lines = [
        words["drift"].format(
            n=judged.drifted,
            all=result.columns.height,
            large=judged.large,
            before=result.applicants[0],
            after=result.applicants[1],
            control=found.control.drifted.height,
        ),
        "",
        *_places(found, language),
        "",
        words["matters"].format(answer=words[judged.effect], **_effects(result)),
        "",
        _ranking(found, language),
        "",
        words["advice"].format(advice=words[f"advice {judged.effect}"]),
    ]
    text = "\n".join(lines)
    return _french_numbers(text) if language == "fr" else text


def _places(found: Study, language: Language) -> list[str]:
    """Where the drift is: histories first, then the columns that changed most."""
    words, limits = _WORDS[language], found.limits
    drifted = found.comparison.drifted
    if drifted.is_empty():
        return [
            words["nowhere"].format(
                p=limits.significance, psi=limits.moderate_psi, missing=limits.moderate_missing
            )
        ]
    columns = set(drifted["column"])
    lines = [words["where"], ""]
    for table, (before, after) in found.histories.items():
        if HISTORIES[table] in columns and abs(after - before) >= limits.moderate_missing:
            told = words["history"].format(
                table=table, before=before, after=after, sign=HISTORIES[table]
            )
            lines.append(f"- {told}")
    groups = _by_source(drifted)
    for rows in groups[:_NAMED]:
        more = words["more"].format(n=len(rows) - 1) if len(rows) > 1 else ""
        lines.append(f"- {_told(rows[0], found, language)}{more}")
    others = sum(map(len, groups[_NAMED:]))
    if others:
        lines.append(f"- {words['others'].format(n=others)}")
    return lines


def _by_source(drifted: pl.DataFrame) -> list[list[dict[str, Any]]]:
    """The changed columns of each source, the most changed first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in drifted.to_dicts():
        groups.setdefault(_source(row["column"]), []).append(row)
    return list(groups.values())


def _source(column: str) -> str:
    """What a feature's name begins with; columns of the application stand there as they are."""
    if column == PD:
        return PD
    return column.split("__")[0] if "__" in column else "application"


def _told(row: Mapping[str, Any], found: Study, language: Language) -> str:
    words, limits = _WORDS[language], found.limits
    parts = []
    if row["psi"] >= limits.moderate_psi:
        parts.append(words["values"].format(psi=row["psi"]))
    before, after = row["missing_reference"], row["missing_current"]
    if abs(after - before) >= limits.moderate_missing:
        parts.append(words["missing"].format(before=before, after=after))
    name = row["column"]
    meaning = words["pd"] if name == PD else describe(name, language)
    return f"`{name}` ({meaning}){words['colon']} {', '.join(parts)}"


def _ranking(found: Study, language: Language) -> str:
    words = _WORDS[language]
    before, after = found.ranking
    if before is None or after is None:
        return words["unknown"]
    return words["ranking"].format(before=before, after=after)


def _french_numbers(text: str) -> str:
    spaced = re.sub(r"(?<=\d),(?=\d{3}\b)", "\u202f", text)
    return re.sub(r"(?<=\d)%", "\u202f%", re.sub(r"(?<=\d)\.(?=\d)", ",", spaced))


def _effects(result: Comparison) -> dict[str, float]:
    return {
        "weighted": result.weighted_psi,
        "pd": result.pd["psi"],
        "accept_before": result.accepted.reference,
        "accept_after": result.accepted.current,
        "refuse_before": result.refused.reference,
        "refuse_after": result.refused.current,
    }


def _certain_psi(row: Mapping[str, Any]) -> float:
    """A column's PSI, if it is told at all: what chance may do is no effect."""
    return float(row["psi"]) if row["level"] != "none" else 0.0


def _certain_change(result: Comparison) -> float:
    change = result.accepted
    return abs(change.change) if change.p_value < _LIMITS.significance else 0.0


def _certain_loss(before: Interval | None, after: Interval | None) -> float:
    """AUC lost, where the intervals do not touch."""
    if before is None or after is None or after.high >= before.low:
        return 0.0
    return before.value - after.value
