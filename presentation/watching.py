"""Slides about what comes after: drift, alerts, what is done, and what to remember."""

from __future__ import annotations

from itertools import islice
from typing import Any

from presentation.deck import BODY, Deck
from presentation.figures import Figures
from scoring.features.wording import describe
from scoring.monitoring.drift.verdict import ACCEPTANCE, PD_PSI, WEIGHTED_PSI, Effect
from scoring.monitoring.thresholds import Limit, Thresholds
from scoring.reports.card.french import number, percent

_MOST_COLUMNS = 5
# What the drift report concludes, in a title's words.
_ANSWERS: dict[Effect, str] = {
    "none": "Non : le modèle s'appuie peu sur ce qui a changé",
    "inputs": "Non : le modèle s'appuie peu sur ce qui a changé",
    "noticeable": "À suivre : une part de ce qui compte a changé",
    "serious": "Oui : le modèle s'appuie sur ce qui a changé",
}


def drift(deck: Deck, figures: Figures) -> None:
    """Train against test."""
    found = figures.drift["metrics"]
    leading: dict[str, Any] = {}
    for item in figures.drift["columns"]:
        if item["level"] != "none":
            source, derived, _ = item["column"].partition("__")
            leading.setdefault(source if derived else "application", item)
    slide = deck.slide(
        f"Dérive : {found['drifted_columns']} colonnes sur {found['compared_columns']} ont changé",
        "Le rapport Evidently compare les demandeurs d'apprentissage à ceux du jeu de test, "
        "colonne par colonne, avec correction pour le nombre de tests. Deux moitiés tirées au "
        "sort de l'apprentissage servent de témoin : rien n'y a changé, et le rapport y trouve "
        f"{found['control_drifted_columns']} colonne.",
        45,
    )
    rows = [
        (
            describe(item["column"], "fr"),
            number(item["psi"], 2),
            percent(item["missing_reference"], 0),
            percent(item["missing_current"], 0),
        )
        for item in islice(leading.values(), _MOST_COLUMNS)
    ]
    slide.table(
        ("La plus changée de chaque source", "PSI", "Manquante avant", "Manquante maintenant"),
        rows,
        BODY.above(3.6),
        widths=(0.56, 0.1, 0.16, 0.18),
    )
    before, now = figures.drift["histories"]["bureau_balance"]
    slide.says(
        "L'historique mensuel des autres prêteurs (bureau_balance) existe pour "
        f"**{percent(before, 0)}** des demandeurs d'apprentissage et **{percent(now, 0)}** de "
        "ceux de test : la collecte a changé.",
        BODY.below(4.2).above(1.1),
        18,
    )


def verdict(deck: Deck, figures: Figures) -> None:
    """Is it serious?"""
    found = figures.drift["metrics"]
    weighted, own = found["weighted_psi"], found["pd_psi"]
    effect = figures.drift["effect"]
    slide = deck.slide(
        f"Est-ce grave ? {_ANSWERS[effect]}",
        "Une colonne qui dérive n'est grave que si le modèle s'appuie sur elle. Nous pondérons "
        "donc le PSI par l'importance, et nous regardons la distribution des probabilités et les "
        "décisions. Ce rapport ne peut pas voir un changement du lien entre variables et défaut "
        ": il faut pour cela les résultats.",
        35,
    )
    slide.table(
        ("Indicateur", "Valeur", "Alerte à partir de"),
        [
            (
                "PSI des variables, pondéré par l'importance",
                number(weighted, 3),
                number(WEIGHTED_PSI[0], 1),
            ),
            ("PSI de la probabilité de défaut", number(own, 3), number(PD_PSI[0], 1)),
            ("Acceptés, avant", percent(found["accepted_reference"]), ""),
            (
                "Acceptés, maintenant",
                percent(found["accepted_current"]),
                f"± {_points(ACCEPTANCE[0])}",
            ),
        ],
        BODY.above(2.8),
        18,
        widths=(0.56, 0.2, 0.24),
    )
    slide.bullets(
        [
            "**Action** : réexaminer le modèle sur des résultats récents"
            if effect == "serious"
            else "**Action** : demander aux sources pourquoi leurs colonnes ont changé ; ne pas "
            "réentraîner pour cette seule raison",
            "**Limite** : le lien entre variables et défaut ne se juge que sur des résultats "
            "connus",
        ],
        BODY.below(3.2),
    )


def strategy(deck: Deck) -> None:
    """Who does what on which sign."""
    limits = Thresholds()
    slide = deck.slide(
        "Surveiller : chaque alerte a un seuil, et quelqu'un qui agit",
        "L'API enregistre chaque décision avec ses variables. Un flux quotidien compare la "
        "fenêtre récente au profil d'apprentissage. Une alerte n'est donnée que si le changement "
        "est à la fois grand et certain. Chaque alerte dit qui fait quoi ; la stratégie tient "
        "sur une page.",
        35,
    )
    slide.table(
        ("Ce qui est suivi", "Alerte, critique", "Qui, quoi"),
        [
            (
                "PSI pondéré, PSI des probabilités",
                _both(limits.weighted_psi),
                "science des données : examiner",
            ),
            (
                "Valeurs manquantes d'une variable",
                _moved(limits.missing),
                "données : réparer la source",
            ),
            ("Taux d'acceptation", _moved(limits.decisions), "risque : vérifier la population"),
            ("Variables recalculées autrement", "dès la première", "API : revenir en arrière"),
            ("AUC sous la promesse", _both(limits.auc_loss), "science des données : réentraîner"),
            (
                "Coût au-dessus de la promesse",
                _shares(limits.cost_rise),
                "risque : resserrer, réentraîner",
            ),
        ],
        BODY.above(4.0),
        widths=(0.36, 0.24, 0.4),
    )
    slide.bullets(
        [
            "Alertes dans le journal, par courriel, par webhook ; une alerte qui dure n'est dite "
            "qu'une fois"
        ],
        BODY.below(4.3),
        18,
    )


def limits(deck: Deck, figures: Figures) -> None:
    """What it cannot say."""
    slide = deck.slide(
        "Limites : ce que ces chiffres ne disent pas",
        "Il faut dire ce que le système ne sait pas. Les résultats n'existent que pour les "
        "crédits accordés. Les données n'ont pas de date : la stabilité dans le temps se "
        "surveille, elle n'a pas pu être mesurée d'avance.",
        40,
    )
    first = (
        "**Demandeurs fictifs** : la chaîne est montrée, rien n'est dit de vraies personnes"
        if figures.synthetic
        else "**Un seul prêteur**, un seul pays : rien n'est dit d'autres clients"
    )
    slide.bullets(
        [
            first,
            "**Résultats sélectifs** : on ne sait rien des demandes refusées autrefois",
            "**Pas de dates** : la stabilité se surveille, elle ne se mesure pas d'avance",
            "**Petits groupes** : leurs intervalles sont larges, ils ne prouvent rien",
            "**Les motifs** disent ce qui a compté, pas ce que le client devrait changer",
            "**Une personne** peut toujours décider autrement, et son motif est gardé",
        ],
        size=22,
    )


def conclusion(deck: Deck, figures: Figures) -> None:
    """What to remember."""
    cost = figures.holdout("business_cost")[0]
    everyone = figures.card.deciding.false_negative * figures.card.data.default_rate
    slide = deck.slide(
        "À retenir",
        "Pour conclure : un coût réduit par rapport aux règles simples, des décisions expliquées "
        "et rejouables, un modèle que l'on peut changer et reprendre sans arrêt, et une "
        "surveillance dont on connaît la puissance. Merci, je réponds à vos questions.",
        35,
    )
    slide.bullets(
        [
            f"**{percent(1 - cost / everyone, 0)} de coût en moins** qu'en acceptant tout le "
            "monde, sur des demandeurs jamais vus",
            "**Une définition** de chaque variable, de la requête au lot",
            "**Des probabilités** qui en sont, et un seuil qui découle des coûts",
            "**Chaque décision** expliquée, enregistrée, rejouable",
            "**Déploiement continu** après tests, retour arrière en une commande",
            "**Une surveillance** qui dit quoi faire, et dont la puissance est mesurée",
        ],
        BODY.above(4.4),
        22,
    )
    slide.says("Merci. Vos questions ?", BODY.below(4.6).above(0.8), 24)


def _both(limit: Limit) -> str:
    return f"{_plain(limit.warning)} ; {_plain(limit.critical)}"


def _moved(limit: Limit) -> str:
    return f"± {number(100 * limit.warning)} ; ± {_points(limit.critical)}"


def _shares(limit: Limit) -> str:
    return f"{percent(limit.warning, 0)} ; {percent(limit.critical, 0)}"


def _points(share: float) -> str:
    return f"{number(100 * share)} points"


def _plain(value: float) -> str:
    return f"{value:g}".replace(".", ",")
