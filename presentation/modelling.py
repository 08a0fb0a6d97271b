"""Slides about the models: compared, tuned, calibrated, tracked, explained, fair or not."""

from __future__ import annotations

from itertools import islice

import numpy as np

from presentation.deck import BODY, GREEN, GREY, ORANGE, Deck, Line
from presentation.evidence import Evidence
from presentation.figures import Figures, Trained
from scoring.evaluation.business import cost_curve
from scoring.evaluation.fairness import FOUR_FIFTHS
from scoring.evaluation.metrics import reliability
from scoring.features.wording import describe
from scoring.reports.card.fields import Ratio
from scoring.reports.card.french import number, percent
from scoring.serving.costs import Costs

FAMILIES = {
    "dummy": "Référence constante",
    "random forest": "Forêt aléatoire",
    "linear": "Régression logistique",
    "trees": "LightGBM",
    "sum": "Somme des deux",
}
_REMEDIES = {
    "none": "Aucun",
    "class weights": "Poids des classes",
    "under-sampling": "Sous-échantillonnage",
    "SMOTE": "SMOTE",
}
_FIGURES = {
    "business_cost": "Coût métier par demandeur",
    "auc": "AUC",
    "recall": "Défauts refusés (rappel)",
    "precision": "Refusés qui font défaut (précision)",
    "refused": "Part refusée",
    "brier": "Score de Brier",
    "ece": "Erreur de calibration (ECE)",
}
_ATTRIBUTES = {"sex": "Sexe", "age": "Âge", "family status": "Situation familiale"}
_GROUPS = {
    "F": "femmes",
    "M": "hommes",
    "under 30": "moins de 30 ans",
    "30 to 39": "30 à 39 ans",
    "40 to 49": "40 à 49 ans",
    "50 to 59": "50 à 59 ans",
    "60 and over": "60 ans et plus",
    "Civil marriage": "union libre",
    "Married": "mariés",
    "Separated": "séparés",
    "Single / not married": "célibataires",
    "Widow": "veufs",
}
_MOST_REASONS = 6


def families(deck: Deck, figures: Figures) -> None:
    """Models from simple to complex."""
    best = min(figures.families, key=lambda model: model.figures["business_cost"])
    slide = deck.slide(
        "Du simple au complexe : chaque famille est comparée au même coût",
        "La référence constante donne à tous le taux de défaut : elle refuse ou accepte tout le "
        "monde. La régression logistique fait déjà l'essentiel du chemin. Le coût le plus bas "
        f"est celui de {_family(best)} : {number(best.figures['business_cost'], 3)}. Les temps "
        "d'apprentissage comptent aussi : le modèle sera réentraîné.",
        45,
    )
    costs = {_family(model): model.figures["business_cost"] for model in figures.families}
    slide.bars(
        {"coût": costs},
        "Coût métier de chaque famille en validation croisée",
        BODY.part(0.0, 0.45).above(4.2),
        title="coût par demandeur (1 = un bon client refusé)",
    )
    rows = [
        (
            _family(model),
            number(model.figures["auc"], 3),
            number(model.figures["business_cost"], 3),
            number(model.figures["brier"], 4),
            f"{number(model.figures['fit_seconds'], 1)} s",
        )
        for model in figures.families
    ]
    slide.table(
        ("Famille", "AUC", "Coût", "Brier", "Temps"),
        rows,
        BODY.part(0.47, 1.0),
        widths=(0.4, 0.15, 0.15, 0.15, 0.15),
        strong=[figures.families.index(best)],
    )
    slide.says(
        "En validation croisée, la meilleure configuration de chaque famille ; le temps est "
        "celui d'un apprentissage.",
        BODY.below(4.5).above(0.8),
        18,
    )


def overfitting(deck: Deck, figures: Figures) -> None:
    """Seen against not seen."""
    slide = deck.slide(
        "Le surapprentissage est mesuré, pas supposé",
        "Pour chaque famille, l'AUC sur les lignes apprises et sur les lignes jamais vues. Les "
        "arbres retiennent beaucoup de ce qu'ils ont vu ; seule la colonne non vue compte. Nous "
        "ne choisissons jamais sur des lignes vues.",
        40,
    )
    slide.bars(
        {
            "lignes vues": {_family(item): item.figures["auc_train"] for item in figures.families},
            "jamais vues": {_family(item): item.figures["auc"] for item in figures.families},
        },
        "AUC de chaque famille, sur les lignes vues et jamais vues",
        BODY.part(0.0, 0.62),
        "0.00",
        "AUC",
        16,
    )
    chosen = _chosen(figures)
    slide.bullets(
        [
            f"{_family(chosen)} : **{number(chosen.figures['auc_train'], 2)}** sur les lignes "
            f"vues, **{number(chosen.figures['auc'], 2)}** sur les autres",
            f"Écart-type entre plis : {number(chosen.figures['auc_fold_std'], 3)}",
            "Arbres peu profonds, feuilles larges, un dixième des colonnes par arbre",
            "Le choix se fait sur les lignes jamais vues, sur le coût",
        ],
        BODY.part(0.65, 1.0),
    )


def imbalance(deck: Deck, figures: Figures) -> None:
    """Remedies for imbalance."""
    costs = {model.name: model.figures["business_cost"] for model in figures.remedies}
    best = min(costs, key=lambda name: costs[name])
    kept = (
        "aucun remède ne fait mieux que des probabilités calibrées et le bon seuil"
        if best == "none"
        else f"{_REMEDIES.get(best, best)} coûte le moins"
    )
    slide = deck.slide(
        "Classes déséquilibrées : le bon seuil suffit"
        if best == "none"
        else "Classes déséquilibrées : les remèdes comparés",
        f"Il y a {percent(figures.card.data.default_rate)} de défauts. On peut pondérer, "
        "sous-échantillonner ou fabriquer des défauts avec SMOTE, toujours dans les plis. Chaque "
        f"remède est recalibré puis jugé au coût. Ici, {kept}.",
        40,
    )
    rows = [
        (
            _REMEDIES.get(model.name, model.name),
            number(model.figures["auc"], 3),
            number(model.figures["business_cost"], 3),
            number(model.figures["ece_before_calibration"], 3),
            number(model.figures["ece"], 3),
        )
        for model in figures.remedies
    ]
    slide.table(
        ("Remède", "AUC", "Coût métier", "ECE avant calibration", "ECE après"),
        rows,
        BODY.above(3.0),
        18,
        widths=(0.28, 0.13, 0.17, 0.25, 0.17),
        strong=[list(costs).index(best)],
    )
    slide.says(
        f"Rééquilibrer fausse les probabilités : il faut recalibrer. Ensuite, **{kept}**.",
        BODY.below(3.6).above(1.1),
    )


def search(deck: Deck, figures: Figures) -> None:
    """The hyper-parameters."""
    trials = figures.trials
    chosen = figures.card.method
    slide = deck.slide(
        f"{chosen.configurations} configurations essayées, un choix qui résiste au hasard",
        "Optuna explore les hyperparamètres ; chaque essai est une validation croisée, suivie "
        "dans MLflow. Un essai ne remplace les valeurs par défaut que s'il fait mieux que le "
        "hasard ne l'expliquerait. C'est une règle contre le surapprentissage de la recherche "
        "elle-même.",
        40,
    )
    best = min(trial.figures["objective"] for trial in trials)
    slide.lines(
        [
            Line(
                "essais",
                [(int(t.name), t.figures["objective"]) for t in trials],
                marked=True,
            ),
            Line("le meilleur", [(0.0, best), (len(trials) - 1.0, best)], ORANGE, dashed=True),
        ],
        "Coût lissé de chaque essai d'Optuna",
        ("numéro de l'essai (0 : valeurs par défaut)", "coût lissé par demandeur"),
        BODY.part(0.0, 0.55),
    )
    named = ("n_estimators", "learning_rate", "num_leaves", "max_depth", "colsample_bytree",
             "min_child_samples", "reg_lambda")  # fmt: skip
    rows = [(name, _plain(chosen.parameters[name])) for name in named if name in chosen.parameters]
    slide.table(("Paramètre retenu", "Valeur"), rows, BODY.part(0.58, 1.0), widths=(0.65, 0.35))


def calibration(deck: Deck, figures: Figures) -> None:
    """Whether ten percent means ten percent."""
    table = reliability(figures.target.to_numpy(), figures.pds.to_numpy())
    top = 100 * max(*table["predicted"], *table["observed"]) * 1.08
    slide = deck.slide(
        "10 % annoncés, est-ce 10 % de défauts ?",
        "Un seuil de coût n'a de sens que si les probabilités en sont. Les scores sont calibrés "
        "par la méthode de Platt, apprise sur les plis laissés de côté. Sur la diagonale, parmi "
        "ceux à qui l'on annonce dix pour cent, dix pour cent font défaut.",
        40,
    )
    points = zip(table["predicted"] * 100, table["observed"] * 100, strict=True)
    slide.lines(
        [
            Line("observé, par dixième", list(points), marked=True),
            Line("parfait", [(0.0, 0.0), (top, top)], GREY, dashed=True),
        ],
        "Fréquence de défaut observée selon la probabilité annoncée",
        ("probabilité de défaut annoncée (%)", "défauts observés (%)"),
        BODY.part(0.0, 0.58),
        (0.0, float(np.ceil(top)), 0.0, float(np.ceil(top))),
    )
    cross = figures.card.cross_validation
    slide.bullets(
        [
            f"Erreur moyenne de calibration : **{number(100 * cross['ece'], 2)} point**",
            f"Pente : **{number(cross['calibration_slope'], 2)}** (idéal : 1)",
            "Calibration de Platt, apprise sur des scores hors plis",
            "Chaque demandeur est ici noté par un modèle qui ne l'a pas vu",
        ],
        BODY.part(0.6, 1.0),
    )


def cutoff(deck: Deck, figures: Figures) -> None:
    """Cost along the cut-off."""
    deciding = figures.card.deciding
    costs = Costs(deciding.false_negative, deciding.false_positive)
    cutoffs, cost = cost_curve(figures.target.to_numpy(), figures.pds.to_numpy(), costs)
    inside = np.flatnonzero((cutoffs >= 0.02) & (cutoffs <= 0.35))
    some = inside[np.linspace(0, inside.size - 1, min(inside.size, 150)).astype(int)]
    low, high = float(cost[some].min()), float(cost[some].max())
    edge = 0.05 * (high - low)
    best = deciding.best_cutoff
    within = best.low <= deciding.cutoff <= best.high
    slide = deck.slide(
        "Le seuil calculé est au creux de la courbe des coûts"
        if within
        else "Le seuil calculé n'est pas le moins cher ici",
        "La courbe donne le coût par demandeur selon le seuil, sur des demandeurs non vus. Le "
        f"seuil calculé est de {percent(deciding.cutoff)}. Le meilleur seuil observé a un "
        "intervalle large : choisir le minimum exact serait apprendre le hasard.",
        40,
    )
    slide.lines(
        [
            Line("coût", [(float(cutoffs[i] * 100), float(cost[i])) for i in some]),
            Line(
                f"seuil des coûts : {percent(deciding.cutoff)}",
                [(deciding.cutoff * 100, low - edge), (deciding.cutoff * 100, high + edge)],
                ORANGE,
                dashed=True,
            ),
            Line(
                f"le moins cher ici : {percent(best.value)}",
                [(best.value * 100, low - edge), (best.value * 100, high + edge)],
                GREEN,
                dashed=True,
            ),
        ],
        "Coût métier par demandeur selon le seuil de refus",
        ("seuil de refus (probabilité de défaut, %)", "coût par demandeur"),
        BODY.above(4.3),
        (2.0, 35.0, low - edge, high + edge),
    )
    slide.says(
        f"Meilleur seuil observé : {percent(best.value)}, intervalle à 95 % de "
        f"{percent(best.low)} à {percent(best.high)}. Le seuil calculé, "
        f"**{percent(deciding.cutoff)}**, " + ("y est." if within else "n'y est pas."),
        BODY.below(4.5).above(0.9),
    )


def final(deck: Deck, figures: Figures) -> None:
    """On those held out."""
    cost = figures.holdout("business_cost")
    slide = deck.slide(
        "Évaluation finale : une fois, sur ceux qui étaient mis de côté",
        "Les demandeurs mis de côté n'ont servi à rien jusqu'ici. Chaque chiffre a son "
        "intervalle : avec environ deux mille demandeurs, ils sont larges, et il serait "
        "malhonnête de les taire. Le coût est à comparer aux deux repères : accepter tout, "
        "refuser tout.",
        40,
    )
    rows = []
    for name, words in _FIGURES.items():
        value, low, high = figures.holdout(name)
        digits = 4 if name in ("brier", "ece") else 3
        interval = f"de {number(low, digits)} à {number(high, digits)}"
        rows.append((words, number(value, digits), interval))
    slide.table(
        ("Sur les demandeurs mis de côté", "Valeur", "Intervalle à 95 %"),
        rows,
        BODY.above(4.0),
        18,
        widths=(0.5, 0.2, 0.3),
        strong=[0],
    )
    everyone = figures.card.deciding.false_negative * figures.card.data.default_rate
    slide.says(
        f"Coût **{number(cost[0], 3)}** par demandeur, contre {number(everyone, 3)} si tous "
        f"étaient acceptés : **{percent(1 - cost[0] / everyone, 0)} de moins**.",
        BODY.below(4.3).above(0.9),
    )


def tracking(deck: Deck, figures: Figures, evidence: Evidence) -> None:
    """MLflow: runs and registry."""
    slide = deck.slide(
        f"MLflow : {number(figures.runs)} exécutions suivies et comparées",
        "Chaque famille, chaque remède, chaque essai est une exécution suivie, avec ses "
        "paramètres et ses mesures. Voici la page de MLflow : les familles comparées, de la "
        "meilleure AUC à la référence constante.",
        35,
    )
    slide.picture(evidence.runs, "La page de MLflow : les familles de modèles comparées")
    plural = "s" if figures.versions > 1 else ""
    slide = deck.slide(
        f"Registre : {figures.versions} version{plural}, un champion, une provenance",
        "Le registre garde chaque version avec l'empreinte de ses données, du code et de ses "
        "paquets. L'alias champion dit laquelle est servie. Promouvoir passe par des contrôles ; "
        "revenir en arrière est une commande, et l'API change de modèle sans s'arrêter.",
        35,
    )
    slide.picture(evidence.registry, "La page de MLflow : les versions du modèle et leur alias")


def overall(deck: Deck, figures: Figures) -> None:
    """What the model leans on."""
    slide = deck.slide(
        "Importance globale : sur quoi le modèle s'appuie",
        "L'importance est la contribution moyenne en valeur absolue, en valeurs de Shapley, sur "
        "les demandeurs mis de côté. "
        + (
            "Ni le sexe, ni l'âge, ni la situation familiale n'entrent dans le modèle : ils sont "
            "dans les données, et laissés de côté."
            if figures.card.features.left_out
            else "Les attributs protégés y sont, parce que cet entraînement les a demandés."
        ),
        40,
    )
    drivers = {describe(item.feature).fr: item.pull for item in islice(figures.card.drivers, 10)}
    slide.bars(
        {"importance": drivers},
        "Les dix variables qui pèsent le plus",
        form="0.000",
        title="contribution moyenne en valeur absolue (log des cotes)",
        size=15,
    )


def single(deck: Deck, evidence: Evidence) -> None:
    """What moved one decision."""
    answer = evidence.answer
    slide = deck.slide(
        "Importance locale : pourquoi cette décision",
        "Pour un demandeur inventé, l'API donne les motifs avec la décision : chaque "
        "contribution est exacte, et leur somme redonne le score. À droite, ce qui augmente le "
        "risque ; à gauche, ce qui le diminue. Le chargé de clientèle lit des phrases, pas des "
        "noms de colonnes.",
        45,
    )
    moved = sorted(evidence.contributions, key=lambda item: -abs(item["contribution"]))[
        :_MOST_REASONS
    ]
    slide.bars(
        {"contribution": {item["text"]: item["contribution"] for item in moved}},
        "Contributions des variables à la décision d'un demandeur inventé",
        BODY.above(4.3),
        "+0.00;-0.00",
        "contribution au log des cotes : à droite, plus risqué",
        16,
    )
    words = {"accept": "accepté", "refuse": "refusé", "refer": "à examiner"}
    slide.says(
        f"Probabilité de défaut : **{percent(answer['probability_of_default'])}**, seuil "
        f"{percent(answer['cutoff'])} : **{words[answer['decision']]}**.",
        BODY.below(4.5).above(0.9),
    )


def fairness(deck: Deck, figures: Figures) -> None:
    """How groups fare."""
    found = figures.card.fairness
    slide = deck.slide(
        "Équité : mesurée par groupe, limites dites",
        "Sexe, âge et situation familiale sont exclus, ainsi que ce qui les trahit. Cela ne "
        "suffit pas à l'égalité : nous mesurons les taux d'acceptation par groupe, avec la règle "
        "des quatre cinquièmes. Là où elle n'est pas tenue, la fiche du modèle le dit et un "
        "contrôle empêche qu'une nouvelle version l'aggrave.",
        45,
    )
    rows = [
        (
            _ATTRIBUTES.get(ratio.attribute, ratio.attribute),
            f"{_GROUPS.get(ratio.least, ratio.least)} / {_GROUPS.get(ratio.most, ratio.most)}",
            number(ratio.ratio.value, 2),
            f"de {number(ratio.ratio.low, 2)} à {number(ratio.ratio.high, 2)}",
            _verdict(ratio),
        )
        for ratio in found.ratios
    ]
    slide.table(
        ("Attribut", "Moins accepté / plus accepté", "Rapport", "Intervalle à 95 %", "4/5"),
        rows,
        BODY.above(3.0),
        18,
        widths=(0.2, 0.33, 0.12, 0.2, 0.15),
    )
    slide.bullets(
        [
            "Rapport des taux d'acceptation ; la règle des quatre cinquièmes demande "
            f"{number(FOUR_FIFTHS, 2)}",
            "Le sexe se devine encore des autres variables : AUC de "
            f"{number(found.proxy_auc.value, 2)}",
            "Une version qui creuse un écart n'est pas promue",
        ],
        BODY.below(3.2),
    )


def _verdict(ratio: Ratio) -> str:
    if ratio.ratio.low >= FOUR_FIFTHS:
        return "tenue"
    return "non tenue" if ratio.ratio.value < FOUR_FIFTHS else "incertaine"


def _family(model: Trained) -> str:
    return FAMILIES.get(model.name, model.name)


def _chosen(figures: Figures) -> Trained:
    return next(item for item in figures.families if item.name == figures.card.method.family)


def _plain(value: float | int | str | bool) -> str:
    return str(value).replace(".", ",")
