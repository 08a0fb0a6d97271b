"""The words of the indices of warning signs (`scoring.features.warning_signs`)."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.wording.grammar import Entry, Text, WordingError

PREFIX = "warnings"

# What the signs are about, or which table they come from.
_GROUPS: Mapping[str, Text] = {
    "DEBT": Text("about debt", "sur l'endettement"),
    "DELAYS": Text("about late or short payments", "sur les retards et manques de paiement"),
    "APPETITE": Text("about frequent borrowing", "sur le recours fréquent au crédit"),
    "YOUTH": Text("about a short credit history", "sur un historique de crédit court"),
    "REFUSALS": Text("about earlier refusals", "sur les refus antérieurs"),
    "TERMS": Text("about the kind and terms of loans", "sur le type et les conditions des crédits"),
    "STANDING": Text("about work, home and stability", "sur l'emploi, le logement et la stabilité"),
    "BUREAU": Text("in loans with other lenders", "dans les crédits chez d'autres prêteurs"),
    "PREVIOUS": Text("in earlier applications", "dans les demandes antérieures"),
    "POS_CASH": Text("in monthly loan statements", "dans les relevés mensuels de prêt"),
    "INSTALLMENTS": Text("in the payment of instalments", "dans le paiement des échéances"),
    "CARD": Text("in credit card statements", "dans les relevés de carte de crédit"),
    "HISTORY": Text("in the whole credit history", "dans tout l'historique de crédit"),
    "EVERYTHING": Text("in the application and history", "dans la demande et l'historique"),
}

_SCORES: Mapping[str, Text] = {
    "EXT_SOURCES_MEAN": Text("the average external score", "la note externe moyenne"),
    "EXT_SOURCES_MIN": Text("the lowest external score", "la note externe la plus basse"),
    "EXT_SOURCES_MEDIAN": Text("the median external score", "la note externe médiane"),
    **{
        f"EXT_SOURCE_{i}": Text(f"external score {i}", f"la note externe n° {i}") for i in (1, 2, 3)
    },
}


def entry(feature: str) -> Entry:
    """The words of `warnings__GROUP__all__mean`, `..__all__sum` or `..__SCORE__times`.

    Raises
    ------
    WordingError
        Naming the part of the name that has no words.
    """
    _, name, *rest = feature.split("__")
    group = _known(_GROUPS, name)
    match rest:
        case ["all", "mean"]:
            en, fr = f"Index of warning signs {group.en}", f"Indice d'alerte {group.fr}"
            return Entry(Text(en, fr), "alarm")
        case ["all", "sum"]:
            en = f"Number of warning signs {group.en}, mild ones counted in part"
            fr = f"Nombre de signes d'alerte {group.fr}, les plus légers comptés en partie"
            return Entry(Text(en, fr), "number")
        case [score, "times"]:
            low = _known(_SCORES, score)
            en = f"Index of warning signs {group.en}, times how low {low.en} is"
            fr = f"Indice d'alerte {group.fr}, multiplié par la faiblesse de {low.fr}"
            return Entry(Text(en, fr), "alarm")
    raise WordingError(f"{'__'.join(rest)!r} of warning signs has no words")


def _known(words: Mapping[str, Text], name: str) -> Text:
    if name not in words:
        raise WordingError(f"{name!r} has no words")
    return words[name]
