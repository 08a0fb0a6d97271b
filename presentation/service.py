"""Slides about what runs: versions of the code, tests, deployment, the API and its page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from presentation.deck import BODY, Deck
from presentation.evidence import Evidence
from scoring.reports.card.french import number

_MOST_FIELDS = 9


def versions(deck: Deck, evidence: Evidence) -> None:
    """The code's history."""
    slide = deck.slide(
        f"Git : {number(evidence.commits)} versions, un changement à la fois",
        "Le code est versionné dans Git, par petits changements dont le message dit ce qu'ils "
        "font. Chaque version du modèle note le commit, l'empreinte des données et les paquets "
        "avec lesquels elle a été faite : on peut la refaire.",
        30,
    )
    slide.terminal(*evidence.history)


def tests(deck: Deck, evidence: Evidence) -> None:
    """Their output."""
    slide = deck.slide(
        f"{number(evidence.tests_in_all)} tests automatiques, sur de vrais composants",
        "Les tests couvrent les variables, les fuites, le coût, l'API, la page et les carnets. "
        "Ils utilisent de vrais composants : PostgreSQL, gunicorn, un navigateur, MLflow. Des "
        "propriétés sont vérifiées sur des centaines de cas tirés au sort. Voici la sortie d'un "
        "petit extrait, lancé pendant la fabrication de ces diapositives.",
        40,
    )
    slide.terminal(*evidence.tests)


def pipeline(deck: Deck) -> None:
    """From a push to an application that answers."""
    slide = deck.slide(
        "Déploiement continu : rien n'est en ligne sans tests réussis",
        "GitHub Actions lance le contrôle du code et les tests. S'ils passent, sur la branche "
        "principale, l'API et son modèle sont rassemblés dans un dossier de quelques mégaoctets "
        "et poussés vers Heroku. L'API déployée doit répondre une décision ; sinon, la version "
        "précédente est remise. Un second flux surveille le modèle chaque jour.",
        45,
    )
    slide.steps(
        [
            ("git push", "toute branche, toute demande de fusion"),
            ("Contrôle", "ruff, mypy, schéma des flux"),
            ("Tests", "pytest, sur l'installation figée"),
            ("Paquet", "API, champion, dépendances avec empreintes"),
            ("Heroku", "gunicorn, migration de la base d'abord"),
            ("Essai", "une décision, sinon retour arrière"),
        ],
        BODY.above(2.8),
        16,
    )
    slide.bullets(
        [
            "**tests-and-deploy.yml** : à chaque envoi ; **deploy.yml** : réutilisé par les autres",
            "**monitor.yml** : chaque jour, surveillance, alerte, réapprentissage si nécessaire",
            "L'API n'installe ni MLflow, ni SHAP, ni pandas : elle sert, elle n'apprend jamais",
        ],
        BODY.below(3.1),
    )


def deployed(deck: Deck, evidence: Evidence) -> None:
    """The steps of the pipeline that run without the platform."""
    slide = deck.slide(
        "Le même paquet, démarré comme sur la plateforme",
        "Voici ces étapes, exécutées pendant la fabrication de ces diapositives : le paquet est "
        "fait, démarré avec gunicorn depuis son dossier, et on lui demande une décision, comme "
        "le fait le flux de déploiement après l'envoi. Seul l'envoi à Heroku demande un compte : "
        "il se montre en direct sur GitHub.",
        35,
    )
    slide.terminal(*evidence.deployed)


def answer(deck: Deck, evidence: Evidence) -> None:
    """A request and its answer."""
    slide = deck.slide(
        "L'API répond : probabilité, décision, motifs, trace",
        "Une requête porte les lignes brutes du demandeur, avec les noms de Kaggle. La réponse "
        "donne la probabilité, le seuil, la décision, les motifs en français et en anglais, et "
        "la version exacte du modèle. Elle est enregistrée avant de partir : on peut la relire, "
        "la contester, la rejouer. L'API ignore tout de la page : d'autres clients peuvent "
        "l'appeler.",
        45,
    )
    application = evidence.request["application"]
    some = dict(list(application.items())[:_MOST_FIELDS])
    asked = json.dumps({"application": {**some, "...": "..."}}, indent=1, ensure_ascii=False)
    slide.terminal("POST /predict", asked, BODY.part(0.0, 0.37))
    told = json.dumps(_short(evidence.answer), indent=1, ensure_ascii=False)
    slide.terminal("HTTP 200", told, BODY.part(0.38, 1.0))


def _short(found: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without what takes lines and says little to an audience."""
    first = found["reasons"][0]
    return {
        "id": found["id"],
        "probability_of_default": round(found["probability_of_default"], 4),
        "cutoff": round(found["cutoff"], 4),
        "decision": found["decision"],
        "reasons": [
            {
                "contribution": round(first["contribution"], 3),
                "texts": {"fr": first["texts"]["fr"]},
            },
            "...",
        ],
        "model": {key: found["model"][key] for key in ("name", "version", "role")},
    }


def page(deck: Deck, picture: Path) -> None:
    """What the credit officer sees."""
    slide = deck.slide(
        "La page du chargé de clientèle : une décision qui se lit",
        "La page Streamlit ne connaît que l'adresse de l'API. Elle montre la décision, la "
        "probabilité face au seuil, et les motifs en mots. Le demandeur est un demandeur fictif. "
        "Les couleurs se distinguent pour tous. D'autres onglets : que se passerait-il si une "
        "valeur changeait, décider autrement avec un motif, traiter un fichier, surveiller.",
        40,
    )
    # The page is long: its two halves side by side, without the column of settings.
    slide.picture(
        picture,
        "La page : décision et probabilité",
        BODY.part(0.0, 0.56),
        (0.26, 0.035, 0.98, 0.42),
    )
    slide.picture(picture, "La page : motifs", BODY.part(0.56, 1.0), (0.26, 0.425, 0.98, 0.81))
