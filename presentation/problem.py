"""Slides about the lender's need, its data, and what is minimised."""

from __future__ import annotations

from presentation.deck import BODY, Box, Deck
from presentation.figures import Figures
from scoring.evaluation.metrics import SUSPECT_AUC
from scoring.reports.card.french import number, percent

_TABLES = {
    "application_train": "Demandes, résultat connu",
    "application_test": "Demandes, résultat inconnu",
    "bureau": "Crédits chez d'autres prêteurs",
    "bureau_balance": "Leur suivi mensuel",
    "previous_application": "Demandes antérieures ici",
    "POS_CASH_balance": "Suivi des crédits à la consommation",
    "installments_payments": "Échéances et paiements",
    "credit_card_balance": "Suivi des cartes de crédit",
}


def cover(deck: Deck, figures: Figures, author: str, date: str) -> None:
    """Title, speaker, date."""
    people = "demandeurs fictifs" if figures.synthetic else "demandeurs Home Credit"
    deck.cover(
        "Accorder un crédit en connaissance de risque",
        [
            "Prêt à dépenser : du score de défaut à une décision expliquée",
            f"{author}, {date}".lstrip(", "),
            f"Chiffres de la dernière exécution : {number(figures.card.data.applicants)} {people}",
        ],
        "Bonjour. Je présente un système de scoring de crédit de bout en bout : des tables "
        "brutes à une API qui décide, explique, enregistre, et que l'on surveille. Tous les "
        "chiffres et toutes les images viennent de la dernière exécution du projet.",
        25,
    )


def need(deck: Deck, figures: Figures) -> None:
    """What the lender wants."""
    slide = deck.slide(
        "Un prêteur pour ceux dont on sait peu",
        "Prêt à dépenser prête à des personnes qui ont peu d'historique de crédit. Il lui faut "
        "une probabilité de défaut, une décision, et de quoi l'expliquer au client. Les deux "
        "erreurs ne se valent pas : accepter un futur défaut coûte environ dix fois plus que "
        "refuser un bon client. C'est ce rapport qui guide tout le reste.",
        45,
    )
    costs = figures.card.deciding
    slide.bullets(
        [
            "**Estimer** la probabilité de défaut de chaque demandeur",
            "**Décider** : accepter, faire examiner, refuser",
            "**Expliquer** la décision au chargé de clientèle et au client",
            "**Surveiller** : le modèle vieillit, il faut s'en apercevoir",
        ],
        BODY.above(3.0),
        24,
    )
    ratio = costs.false_negative / costs.false_positive
    slide.says(
        f"Accepter un futur défaut coûte **{number(ratio)} fois** plus que refuser un bon client, "
        f"et seuls **{percent(figures.card.data.default_rate)}** des demandeurs font défaut.",
        BODY.below(3.5).above(1.3),
        24,
    )


def data(deck: Deck, figures: Figures) -> None:
    """The tables and their sizes."""
    source = "échantillon fictif" if figures.synthetic else "Home Credit"
    slide = deck.slide(
        f"Sept tables, de la demande à l'historique ({source})",
        "Une table de demandes et six tables d'historique, reliées par l'identifiant du demandeur. "
        + (
            "Ici, des demandeurs fictifs tirés de statistiques des vraies tables : les chiffres "
            "montrent que la chaîne marche, ils ne disent rien de vraies personnes. "
            if figures.synthetic
            else ""
        )
        + "Chaque table est vérifiée à l'entrée : colonnes, types, clés, valeurs impossibles. La "
        "cible vaut 1 si le client a payé en retard ses premières échéances.",
        45,
    )
    rows = [(_TABLES[name], name, number(count)) for name, count in figures.rows.items()]
    slide.table(
        ("Contenu", "Table", "Lignes"), rows, BODY.part(0.0, 0.66), widths=(0.46, 0.36, 0.18)
    )
    known = figures.card.data
    slide.bullets(
        [
            f"**{number(known.applicants)}** demandeurs au résultat connu",
            f"**{percent(known.default_rate)}** de défauts (TARGET = 1)",
            f"**{number(known.held_out)}** mis de côté dès le départ",
            "Vérification à l'entrée : table, colonne, ligne, remède",
        ],
        BODY.part(0.68, 1.0),
    )


def line(deck: Deck) -> None:
    """The whole line, from tables to monitoring."""
    slide = deck.slide(
        "Une seule chaîne, une seule définition de chaque variable",
        "La même fonction calcule les variables pour l'apprentissage, pour un lot et pour une "
        "seule requête, au bit près : c'est testé. Le modèle est choisi sur le coût, calibré, "
        "enregistré dans MLflow, servi par Flask, et chaque décision est enregistrée avec ses "
        "variables. La surveillance compare ce qui arrive à ce qui a été appris.",
        45,
    )
    slide.steps(
        [
            ("Tables", "Kaggle ou échantillon, vérifiées"),
            ("Variables", "fonction pure, la même partout"),
            ("Modèles", "du simple au complexe"),
            ("Seuil", "fixé par les coûts"),
            ("Registre", "MLflow : versions, champion"),
            ("API", "Flask : décision, motifs, trace"),
            ("Suivi", "dérive, alertes, réapprentissage"),
        ],
        BODY.above(2.6),
        16,
    )
    slide.bullets(
        [
            "**make run** : installe, prépare, entraîne, produit les rapports, sert l'API et la "
            "page",
            "**Trois carnets** racontent ; le code testé est dans une bibliothèque commune",
            "**Rejouable** : mêmes données et même graine donnent le même modèle, octet pour octet",
        ],
        BODY.below(3.0),
    )


def features(deck: Deck, figures: Figures) -> None:
    """What is made of the tables."""
    slide = deck.slide(
        f"{figures.card.features.count} variables, presque toutes construites",
        "Les variables viennent de chaque table d'historique, agrégées par demandeur : moyennes, "
        "extrêmes, parts, sur plusieurs périodes. S'y ajoutent des ratios comme la mensualité "
        "sur le revenu, le taux d'intérêt implicite, et des indices d'alerte. Le traitement des "
        "catégories, des échelles et des valeurs manquantes dépend du modèle.",
        45,
    )
    counts = {_SOURCES.get(name, name): n for name, n in figures.card.features.by_table.items()}
    ordered = dict(sorted(counts.items(), key=lambda item: -item[1]))
    slide.bars(
        {"variables": {name: float(count) for name, count in ordered.items()}},
        "Nombre de variables par source",
        BODY.part(0.0, 0.5),
        "0",
        "nombre de variables",
    )
    slide.bullets(
        [
            "**Créées** : ratios, tendances, retards, taux implicite, indices d'alerte",
            "**Catégories** : types natifs pour les arbres, indicatrices pour la régression",
            "**Transformations** : logarithmes, rangs ; **normalisation** pour la régression",
            "**Sentinelles** (365 243 jours) et valeurs impossibles deviennent manquantes",
            "**Manquant** reste manquant : l'absence d'historique informe",
        ],
        BODY.part(0.52, 1.0),
        18,
    )


_SOURCES = {
    "application": "demande",
    "bureau": "autres prêteurs",
    "bureau_balance": "leur suivi mensuel",
    "card": "cartes de crédit",
    "combined": "croisements",
    "installments": "échéances",
    "loan": "crédit demandé",
    "pos_cash": "crédits à la consommation",
    "previous": "demandes antérieures",
    "warnings": "indices d'alerte",
}


def honesty(deck: Deck, figures: Figures) -> None:
    """Leakage and the split."""
    suspect = number(SUSPECT_AUC, 2)
    slide = deck.slide(
        "Aucune fuite : ce qui est mesuré n'a jamais été vu",
        "Un cinquième des demandeurs est mis de côté par une règle fixe sur leur identifiant, la "
        "même pour toutes les versions. Tout ce qui s'apprend est appris dans les plis. Nous "
        f"avons aussi un garde-fou : sur ces données, une AUC au-dessus de {suspect} n'est pas "
        "crédible et la version est refusée.",
        40,
    )
    known, cross = figures.card.data, figures.card.cross_validation
    slide.bullets(
        [
            f"**{number(known.development)}** demandeurs pour apprendre, "
            f"**{number(known.held_out)}** pour l'évaluation finale, choisis par le hachage de "
            "leur identifiant",
            f"**Validation croisée** à {figures.folds} plis stratifiés ; sélection, rééquilibrage "
            "et calibration sont appris dans les plis",
            "**Permuter les résultats** ramène l'AUC à 0,5 : un test le vérifie",
            "**Le résultat d'un demandeur** ne change pas sa propre probabilité : un test le "
            "vérifie",
            f"**AUC supérieure à {suspect}** : la version est refusée, car il y aurait une fuite",
        ],
        BODY.above(3.9),
    )
    slide.says(
        f"AUC en validation croisée : **{number(cross['auc'], 3)}** ; sur les demandeurs mis de "
        f"côté : **{number(figures.holdout('auc')[0], 3)}**.",
        BODY.below(4.2).above(0.9),
    )


def score(deck: Deck, figures: Figures) -> None:
    """The business score."""
    costs = figures.card.deciding
    slide = deck.slide(
        "Le score métier : ce que coûtent les deux erreurs",
        "Le score métier est le coût moyen par demandeur. Avec des probabilités calibrées, le "
        f"seuil de moindre coût se calcule : {percent(costs.cutoff)}. C'est le résultat d'Elkan, "
        "2001. Nous ne réglons donc pas le seuil au hasard d'un échantillon ; entre deux bornes "
        "proches du seuil, un chargé de clientèle tranche.",
        45,
    )
    slide.table(
        ("", "Il rembourse", "Il fait défaut"),
        [
            ("Accepté", "0", number(costs.false_negative)),
            ("Refusé", number(costs.false_positive), "0"),
        ],
        BODY.part(0.0, 0.45).above(2.0),
        20,
        widths=(0.26, 0.36, 0.38),
    )
    slide.bullets(
        [
            f"Coût = ({number(costs.false_negative)} × défauts acceptés + "
            f"{number(costs.false_positive)} × bons refusés) / demandeurs",
            f"Seuil = {number(costs.false_positive)} / ({number(costs.false_positive)} + "
            f"{number(costs.false_negative)}) = **{percent(costs.cutoff)}**",
            f"À examiner : de **{percent(costs.refer_low)}** à **{percent(costs.refer_high)}**, "
            f"soit {percent(costs.referred)} des demandes",
        ],
        Box(BODY.left + 0.48 * BODY.width, BODY.top, 0.52 * BODY.width, 3.0),
    )
    everyone = figures.card.data.default_rate
    slide.says(
        "Deux repères : accepter tout le monde coûte "
        f"**{number(costs.false_negative * everyone, 3)}** par demandeur, refuser tout le monde "
        f"**{number(costs.false_positive * (1 - everyone), 3)}**.",
        BODY.below(3.6).above(1.0),
    )
