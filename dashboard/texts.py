"""What the page says, in French and in English."""

from __future__ import annotations

from typing import Literal

Language = Literal["fr", "en"]

LANGUAGES: dict[Language, str] = {"fr": "Français", "en": "English"}

TEXTS: dict[Language, dict[str, str]] = {
    "fr": {
        "title": "Décision de crédit",
        "intro": "Choisissez une demande d'exemple ou déposez la vôtre, puis demandez la décision "
        "à l'API.",
        "api": "API interrogée : {url}",
        "sample": "Demande d'exemple (SK_ID_CURR)",
        "no_samples": "Aucun exemple dans le dossier {folder}. Créez-les avec "
        "`python -m scoring examples`, ou déposez un fichier.",
        "upload": "Ou un fichier JSON : une requête pour POST /predict",
        "upload_used": "Le fichier déposé est utilisé à la place de l'exemple.",
        "ask": "Demander la décision",
        "asking": "L'API calcule la décision...",
        "credit": "Montant demandé",
        "annuity": "Annuité",
        "income": "Revenu",
        "history": "Lignes d'historique",
        "unknown": "inconnu",
        "accept": "Crédit accordé",
        "accept_why": "La probabilité de défaut ({pd}) ne dépasse pas le seuil ({cutoff}).",
        "refuse": "Crédit refusé",
        "refuse_why": "La probabilité de défaut ({pd}) dépasse le seuil ({cutoff}).",
        "refer": "Examen par un conseiller",
        "refer_why": "La probabilité de défaut ({pd}) est proche du seuil ({cutoff}) : de {low} à "
        "{high}, un conseiller décide.",
        "gauge": "Probabilité de défaut",
        "gauge_alt": "Jauge : probabilité de défaut {pd}, seuil de refus {cutoff}.",
        "cutoff": "seuil",
        "accepted_zone": "accordé",
        "refused_zone": "refusé",
        "reasons": "Ce qui augmente le plus la probabilité",
        "no_reasons": "Aucune caractéristique n'augmente la probabilité de ce demandeur.",
        "reasons_alt": "Barres horizontales : contribution de chaque caractéristique, reprise dans "
        "le tableau.",
        "feature": "Caractéristique",
        "value": "Valeur",
        "contribution": "Contribution (log-cote)",
        "model": "Modèle {name}, version {version}",
        "request": "Requête envoyée",
        "answer": "Réponse reçue",
        "down": "L'API ne répond pas",
        "down_help": "Rien ne répond à l'adresse {url}. Démarrez l'API (`make serve`) ou corrigez "
        "la variable API_URL.",
        "slow": "L'API n'a pas répondu à temps",
        "slow_help": "Pas de réponse de {url} en {timeout} s. Réessayez dans un instant.",
        "not_ready": "L'API n'est pas prête",
        "not_ready_help": "Elle fonctionne mais n'a pas encore de modèle. Réessayez dans un "
        "instant, ou lancez `make pipeline`.",
        "refused": "L'API n'accepte pas cette requête",
        "refused_help": "Corrigez la requête, puis renvoyez-la.",
        "failed": "L'API a échoué",
        "failed_help": "Sa réponse n'est pas une décision. Son journal dit pourquoi.",
        "field": "Champ",
        "why": "Pourquoi",
        "said": "Détail :",
    },
    "en": {
        "title": "Credit decision",
        "intro": "Pick a sample application or upload your own, then ask the API to decide.",
        "api": "API in use: {url}",
        "sample": "Sample application (SK_ID_CURR)",
        "no_samples": "No samples in the folder {folder}. Make them with "
        "`python -m scoring examples`, or upload a file.",
        "upload": "Or a JSON file: one request for POST /predict",
        "upload_used": "The uploaded file is used instead of the sample.",
        "ask": "Ask for the decision",
        "asking": "The API is deciding...",
        "credit": "Amount asked",
        "annuity": "Annuity",
        "income": "Income",
        "history": "Rows of history",
        "unknown": "unknown",
        "accept": "Credit granted",
        "accept_why": "The probability of default ({pd}) is not above the cut-off ({cutoff}).",
        "refuse": "Credit refused",
        "refuse_why": "The probability of default ({pd}) is above the cut-off ({cutoff}).",
        "refer": "An officer decides",
        "refer_why": "The probability of default ({pd}) is close to the cut-off ({cutoff}): from "
        "{low} to {high}, an officer decides.",
        "gauge": "Probability of default",
        "gauge_alt": "Gauge: probability of default {pd}, refused above {cutoff}.",
        "cutoff": "cut-off",
        "accepted_zone": "granted",
        "refused_zone": "refused",
        "reasons": "What raises the probability most",
        "no_reasons": "No feature raises this applicant's probability.",
        "reasons_alt": "Horizontal bars: each feature's contribution, repeated in the table.",
        "feature": "Feature",
        "value": "Value",
        "contribution": "Contribution (log-odds)",
        "model": "Model {name}, version {version}",
        "request": "Request sent",
        "answer": "Answer received",
        "down": "The API does not answer",
        "down_help": "Nothing answers at {url}. Start the API (`make serve`) or correct the "
        "variable API_URL.",
        "slow": "The API did not answer in time",
        "slow_help": "No answer from {url} within {timeout} s. Try again in a moment.",
        "not_ready": "The API is not ready",
        "not_ready_help": "It runs but has no model yet. Try again in a moment, or run "
        "`make pipeline`.",
        "refused": "The API does not accept this request",
        "refused_help": "Correct the request, then send it again.",
        "failed": "The API failed",
        "failed_help": "Its answer is not a decision. Its log says why.",
        "field": "Field",
        "why": "Why",
        "said": "Detail:",
    },
}


def percent(share: float, language: Language) -> str:
    """A share as people write it: 7.1% in English, 7,1 % in French.

    Examples
    --------
    >>> percent(0.0714, "en")
    '7.1%'
    """
    figure = f"{100 * share:.1f}"
    return f"{figure}%" if language == "en" else f"{figure.replace('.', ',')}\u202f%"


def number(value: float, language: Language) -> str:
    """A number with at most four significant decimals and groups of thousands.

    Examples
    --------
    >>> number(432000.0, "en")
    '432,000'
    """
    decimals = 0 if value == round(value) else 4 if abs(value) < 1 else 2
    figure = f"{value:,.{decimals}f}"
    if language == "en":
        return figure
    return figure.replace(",", "\u202f").replace(".", ",")
