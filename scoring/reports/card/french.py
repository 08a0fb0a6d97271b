"""A model card in one French paragraph, for the jury and for credit officers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scoring.evaluation.bootstrap import Interval
from scoring.features import PROTECTED
from scoring.features.wording import describe
from scoring.reports.card.fields import Data, Deciding, Driver
from scoring.serving.scorer import Scorer

_TOLD_DRIVERS = 3


def summary(
    scorer: Scorer,
    data: Data,
    found: Mapping[str, Interval],
    deciding: Deciding,
    drivers: Sequence[Driver],
) -> str:
    """What the model does, how well, how it decides, what it looks at, and who decides.

    Parameters
    ----------
    scorer : Scorer
        The model.
    data : Data
        What it learnt from and was measured on.
    found : mapping of str to Interval
        Its figures on held-out applicants.
    deciding : Deciding
        From a PD to a decision.
    drivers : sequence of Driver
        What it leans on, the strongest first.
    """
    parts = (_learning(data), _figures(found), _rule(deciding), _reasons(scorer, drivers), _END)
    return " ".join(parts)


_END = (
    "Il aide le chargé de crédit, qui voit les motifs de chaque décision et peut passer outre ; "
    "il ne décide pas seul."
)


def _learning(data: Data) -> str:
    people = "fictifs" if data.source == "synthetic" else "de Home Credit"
    return (
        "Ce modèle estime la probabilité qu'un demandeur de crédit à la consommation fasse défaut. "
        f"Il a appris sur {number(data.development)} demandeurs {people} et a été évalué sur "
        f"{number(data.held_out)} autres, qu'il n'avait jamais vus."
    )


def _figures(found: Mapping[str, Interval]) -> str:
    auc, cost, error = found["auc"], found["business_cost"], 100 * found["ece"].value
    return (
        f"Sur ceux-ci, son AUC est de {number(auc.value, 3)} (intervalle à 95 % : de "
        f"{number(auc.low, 3)} à {number(auc.high, 3)}), le coût métier de "
        f"{number(cost.value, 3)} par demandeur (de {number(cost.low, 3)} à "
        f"{number(cost.high, 3)}), et la probabilité annoncée s'écarte en moyenne de "
        f"{number(error, 1)} {'points' if error >= 2 else 'point'} de la fréquence observée."
    )


def _rule(deciding: Deciding) -> str:
    ratio = deciding.false_negative / deciding.false_positive
    digits = 0 if ratio == round(ratio) else 1
    told = (
        f"Un défaut accepté coûte {number(ratio, digits)} fois plus qu'un bon client refusé : une "
        f"demande est refusée au-dessus d'une probabilité de {percent(deciding.cutoff)}."
    )
    if deciding.refer_low == deciding.refer_high:
        return told
    return (
        f"{told} Entre {percent(deciding.refer_low)} et {percent(deciding.refer_high)}, le "
        "dossier est confié à un chargé de crédit."
    )


def _reasons(scorer: Scorer, drivers: Sequence[Driver]) -> str:
    words = " ; ".join(_lower(describe(item.feature, "fr")) for item in drivers[:_TOLD_DRIVERS])
    used = PROTECTED & {feature.name for feature in scorer.features}
    protected = (
        "Il utilise des attributs protégés (sexe, âge ou situation familiale)."
        if used
        else "Ni le sexe, ni l'âge, ni la situation familiale n'y entrent."
    )
    return f"Il s'appuie d'abord sur : {words}. {protected}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def number(value: float, digits: int = 0) -> str:
    """A number with a comma, and narrow spaces between thousands that never break a line."""
    return f"{value:,.{digits}f}".replace(",", "\u202f").replace(".", ",")


def percent(share: float, digits: int = 1) -> str:
    """A share in percent, its sign on the same line."""
    return f"{number(100 * share, digits)}\u00a0%"
