"""The words of the features that are learnt from data (`scoring.learned`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from scoring.wording.grammar import Entry, Text, WordingError, capital, de
from scoring.wording.history import SECTIONS

T = TypeVar("T")

# Kinds of applicants: what those of the same kind have in common.
_KINDS: Mapping[str, Text] = {
    "ORGANIZATION_TYPE": Text("kind of employer", "secteur d'activité"),
    "OCCUPATION_TYPE": Text("occupation", "profession"),
    "NAME_INCOME_TYPE": Text("source of income", "source de revenu"),
    "NAME_EDUCATION_TYPE": Text("education", "niveau d'études"),
}

_RATES: Mapping[str, tuple[str, str, str]] = {
    "TERM": (
        "months", "Estimated term of the loan asked for", "Durée estimée du crédit demandé",
    ),
    "YEARLY_RATE": (
        "percent", "Estimated yearly interest rate of the loan asked for",
        "Taux d'intérêt annuel estimé du crédit demandé",
    ),
    "REPAID_TO_CREDIT": (
        "percent", "Estimated total of the instalments relative to the loan asked for",
        "Total estimé des mensualités rapporté au crédit demandé",
    ),
}  # fmt: skip

_MEDIANS: Mapping[str, tuple[str, str, str]] = {
    "AMT_INCOME_TOTAL_MEDIAN": ("amount", "Median income of", "Revenu médian {de}"),
    "AMT_INCOME_TOTAL_RATIO": (
        "percent", "Income relative to the median of", "Revenu rapporté à la médiane {de}",
    ),
    **{
        f"EXT_SOURCE_{i}_MEDIAN": (
            "scale", f"Median external score {i} of", f"Note externe n° {i} médiane {{de}}",
        )
        for i in (1, 2, 3)
    },
    **{
        f"EXT_SOURCE_{i}_DIFFERENCE": (
            "signed", f"External score {i} less the median of",
            f"Note externe n° {i} moins la médiane {{de}}",
        )
        for i in (1, 2, 3)
    },
}  # fmt: skip

_RISKS: Mapping[str, Text] = {
    "min": Text("Lowest", "minimal"),
    "lower_quartile": Text("Lower quartile of the", "(premier quartile)"),
    "median": Text("Median", "médian"),
    "mean": Text("Average", "moyen"),
    "upper_quartile": Text("Upper quartile of the", "(troisième quartile)"),
    "max": Text("Highest", "maximal"),
}


def entry(feature: str) -> Entry:
    """The words of a feature that a learner made.

    Raises
    ------
    WordingError
        Naming the part of the name that has no words.
    """
    learner, *parts = feature.split("__")
    number, words = LEARNERS[learner]
    if len(parts) != number:
        raise WordingError(f"a feature of {learner!r} has {number + 1} parts in its name")
    return words(*parts)


def _neighbours(name: str) -> Entry:
    _known({"DEFAULT_RATE": None}, name)
    en = "Default rate of the past applicants with the most similar scores and loans"
    fr = "Taux de défaut des anciens demandeurs aux notes et crédits les plus proches"
    return Entry(Text(en, fr), "percent")


def _target_means(group: str) -> Entry:
    alike = _alike(group)
    en = f"Default rate of {alike.en}, compared with the average"
    return Entry(Text(en, f"Taux de défaut {de(alike.fr)}, par rapport à la moyenne"), "points")


def _group_medians(group: str, name: str) -> Entry:
    unit, en, fr = _known(_MEDIANS, name)
    alike = _alike(group)
    return Entry(Text(f"{en} {alike.en}", fr.format(de=de(alike.fr))), unit)


def _nested(prefix: str, function: str) -> Entry:
    rows = _known(SECTIONS, prefix).filters["all"]
    word = _known(_RISKS, function)
    en = f"{word.en} default risk suggested by {rows.en}"
    return Entry(Text(en, capital(f"risque de défaut {word.fr} suggéré par {rows.fr}")), "logit")


def _rates(name: str) -> Entry:
    unit, en, fr = _known(_RATES, name)
    return Entry(Text(en, fr), unit)


def _alike(group: str) -> Text:
    kinds = [_known(_KINDS, name) for name in group.split("_AND_")]
    en = " and ".join(kind.en for kind in kinds)
    fr = " et ".join(f"de même {kind.fr}" for kind in kinds)
    return Text(f"applicants with the same {en}", f"les demandeurs {fr}")


def _known(words: Mapping[str, T], name: str) -> T:
    if name not in words:
        raise WordingError(f"{name!r} has no words")
    return words[name]


# The learner of each feature: how many parts of the name come after it, and their words.
LEARNERS: Mapping[str, tuple[int, Callable[..., Entry]]] = {
    "neighbours": (1, _neighbours),
    "target_means": (1, _target_means),
    "group_medians": (2, _group_medians),
    "nested": (2, _nested),
    "rates": (1, _rates),
}
